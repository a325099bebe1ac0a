//! nginx's command line (nginx(8)), and with it the whole of loading.

use squall_host::{Diagnostic, Diagnostics, Facts, Launch};

use super::{Config, build};
use crate::syntax::{self, include};

const PREFIX_DEFAULT: &str = "/etc/nginx";
const FILE_DEFAULT: &str = "/etc/nginx/nginx.conf";

/// The main file of the official container image in its essentials, for launches that bring only
/// files of `conf.d`.
const IMAGE_MAIN: &str = "worker_processes auto;
events { worker_connections 1024; }
http {
    include mime.types;
    default_type application/octet-stream;
    log_format main '$remote_addr - $remote_user [$time_local] \"$request\" $status '
        '$body_bytes_sent \"$http_referer\" \"$http_user_agent\" \"$http_x_forwarded_for\"';
    access_log /dev/stdout main;
    keepalive_timeout 65;
    include /etc/nginx/conf.d/*.conf;
}";

/// Reads arguments and files.
pub(crate) fn read(launch: &Launch) -> Result<(Config, Facts, Arguments), Diagnostics> {
    let arguments = parse(&launch.args)?;
    let path = match &arguments.file {
        None => format!("{}/nginx.conf", arguments.prefix),
        Some(file) if file.starts_with('/') => file.clone(),
        Some(file) => format!("{}/{file}", arguments.prefix),
    };
    let conf_prefix = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut tree = match include::read(&launch.files, &path, conf_prefix) {
        Err(error)
            if path == FILE_DEFAULT && error.origin.as_ref().is_some_and(|o| o.line == 0) =>
        {
            if launch.files.list("/etc/nginx/conf.d").is_empty() {
                return Err(error.into());
            }
            let tree = syntax::parse(&"nginx.conf of the image".into(), IMAGE_MAIN)?;
            include::expand(&launch.files, tree, conf_prefix, 0)?
        }
        other => other?,
    };
    for (at, text) in arguments.globals.iter().enumerate() {
        let name = format!("argument {} of -g", at + 1);
        tree.extend(syntax::parse(&name.into(), &terminated(text))?);
    }
    let (config, facts) = build::build(&tree, &path)?;
    Ok((config, facts, arguments))
}

/// `-g` needs no semicolon at its end.
fn terminated(text: &str) -> String {
    let text = text.trim_end();
    if text.is_empty() || text.ends_with([';', '}']) {
        text.to_owned()
    } else {
        format!("{text};")
    }
}

/// The command line, read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    file: Option<String>,
    prefix: String,
    globals: Vec<String>,
    /// `-t`: say that the configuration is good, and end.
    pub(crate) test: bool,
}

fn parse(args: &[String]) -> Result<Arguments, Diagnostic> {
    let mut parsed = Arguments {
        file: None,
        prefix: PREFIX_DEFAULT.to_owned(),
        globals: Vec::new(),
        test: false,
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let (option, attached) = match arg.get(..2) {
            Some(option @ ("-c" | "-g" | "-p" | "-e")) => (option, &arg[2..]),
            _ => (arg.as_str(), ""),
        };
        let mut value = || match attached {
            "" => args.next().cloned().ok_or_else(|| {
                let message = format!("option \"{option}\" requires parameter");
                Diagnostic::new(message)
            }),
            attached => Ok(attached.to_owned()),
        };
        match option {
            "-c" => parsed.file = Some(value()?),
            "-g" => parsed.globals.push(value()?),
            "-p" => parsed.prefix = value()?.trim_end_matches('/').to_owned(),
            // The error log goes where the program's diagnostics go.
            "-e" => drop(value()?),
            "-t" | "-T" => parsed.test = true,
            "-q" => {}
            _ => {
                return Err(Diagnostic::new(format!("invalid option: \"{arg}\""))
                    .help("options are -c FILE, -g DIRECTIVES, -p PREFIX and -t"));
            }
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_take_values_attached_or_apart() {
        let args = ["-c/a.conf", "-g", "daemon off", "-p", "/x/", "-t"].map(str::to_owned);
        let expected = Arguments {
            file: Some("/a.conf".to_owned()),
            prefix: "/x".to_owned(),
            globals: vec!["daemon off".to_owned()],
            test: true,
        };
        assert_eq!(parse(&args), Ok(expected));
        assert!(parse(&["-x".to_owned()]).is_err());
        assert!(parse(&["-c".to_owned()]).is_err());
    }
}
