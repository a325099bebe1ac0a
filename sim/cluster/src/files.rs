//! Files beside the compose file, read once while planning, and named as the user would open them.

use std::io::Read;
use std::path::Path;

/// A configuration file is smaller than this; a database's data file is not one.
pub(crate) const FILE_BYTES_MAX: u64 = 4 << 20;

/// The folder that relative paths start from.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    /// As the user would write it; empty for the current one.
    path: String,
}

impl Folder {
    /// The folder of a file.
    pub(crate) fn of_file(path: &str) -> Self {
        let path = match path.rsplit_once('/') {
            Some(("", _)) => "/",
            Some((folder, _)) => folder,
            None => "",
        };
        Self {
            path: path.to_owned(),
        }
    }

    /// A folder inside this one.
    pub(crate) fn inner(&self, path: &str) -> Self {
        Self {
            path: self.shown(path),
        }
    }

    /// The folder's own name.
    pub(crate) fn name(&self) -> String {
        let path = match self.path.as_str() {
            "" => ".",
            path => path,
        };
        // `.` and `..` have a name only on the disk.
        let absolute = std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
        absolute
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned()
    }

    /// A path as the user would open it.
    pub(crate) fn shown(&self, path: &str) -> String {
        if path.starts_with('/') {
            return path.to_owned();
        }
        let mut parts: Vec<&str> = Vec::new();
        let absolute = self.path.starts_with('/');
        for part in self.path.split('/').chain(path.split('/')) {
            match part {
                "" | "." => {}
                ".." if parts.last().is_some_and(|last| *last != "..") => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        let joined = parts.join("/");
        match (absolute, joined.as_str()) {
            (true, _) => format!("/{joined}"),
            (false, "") => ".".to_owned(),
            (false, _) => joined,
        }
    }

    /// A file's text. The error is without the path.
    pub(crate) fn read_text(path: &str) -> Result<String, String> {
        let cannot = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => "no such file".to_owned(),
            _ => format!("cannot read: {error}"),
        };
        let metadata = std::fs::metadata(path).map_err(cannot)?;
        if metadata.is_dir() {
            return Err("a folder, not a file".to_owned());
        }
        if !metadata.is_file() {
            // Opening a pipe or a device could wait for ever.
            return Err("no regular file".to_owned());
        }
        let too_big = || Err(format!("bigger than {FILE_BYTES_MAX} bytes"));
        if metadata.len() > FILE_BYTES_MAX {
            return too_big();
        }
        let file = std::fs::File::open(path).map_err(cannot)?;
        let mut text = String::new();
        let read = file
            .take(FILE_BYTES_MAX + 1)
            .read_to_string(&mut text)
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::InvalidData => "not UTF-8 text".to_owned(),
                _ => cannot(error),
            })?;
        if read as u64 > FILE_BYTES_MAX {
            return too_big();
        }
        Ok(text)
    }

    /// The names in a folder, sorted.
    pub(crate) fn list(path: &str) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(Path::new(path))
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_as_the_user_would_open_them() {
        for (file, path, shown) in [
            ("docker-compose.yml", "./nginx.conf", "nginx.conf"),
            ("a/b/docker-compose.yml", "./nginx.conf", "a/b/nginx.conf"),
            ("a/b/c.yml", "../x", "a/x"),
            ("c.yml", "../x", "../x"),
            ("../c.yml", "../x", "../../x"),
            ("/etc/c.yml", "x/", "/etc/x"),
            ("a/c.yml", "/abs", "/abs"),
            ("c.yml", ".", "."),
        ] {
            assert_eq!(Folder::of_file(file).shown(path), shown, "{file} {path}");
        }
    }
}
