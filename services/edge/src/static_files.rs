//! Files below `root` or `alias`, whole from the disk: enough for error pages and small sites.
//! Deliberately absent: ranges, conditional requests, directory listings.

use std::io;

use http::Method;

use crate::app::App;
use crate::config::settings::Settings;
use crate::phases::Step;
use crate::reply::{Answer, Reply};
use crate::request::Request;

impl App {
    /// Where `path` lies on the disk.
    pub(crate) fn file_name(&self, request: &Request, path: &str) -> String {
        let location = &request.location;
        if let Some(alias) = &location.alias {
            let rest = match location.takes_prefix {
                true => path
                    .strip_prefix(location.name.as_str())
                    .unwrap_or_default(),
                false => "",
            };
            return format!("{}{rest}", self.text(alias, request));
        }
        let root = self.text(&location.settings.root, request);
        // Relative names are below nginx's prefix.
        let prefix = if root.starts_with('/') {
            ""
        } else {
            "/etc/nginx/"
        };
        format!("{prefix}{}{path}", root.trim_end_matches('/'))
    }

    /// Answers with a file, an index, or the fitting error.
    pub(crate) async fn serve_file(&self, request: &Request) -> Step {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return Step::Answer(Answer::Error(405));
        }
        if request.path.ends_with('/') {
            return self.serve_index(request).await;
        }
        let name = self.file_name(request, &request.path);
        Step::Answer(match self.host.disk.read(&name).await {
            Ok(content) => {
                let content_type = content_type(&request.location.settings, &name);
                Answer::Reply(Reply::new(200, &content_type, content))
            }
            Err(_) if self.is_folder(&name).await => {
                Answer::Reply(self.redirect(301, &format!("{}/", request.path), request))
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Answer::Error(403),
            Err(error) => {
                let words = crate::errno::words(&error);
                tracing::warn!("open() \"{name}\" failed ({words})");
                Answer::Error(404)
            }
        })
    }

    /// The media type that the path's extension means in the request's location.
    pub(crate) fn content_type(&self, request: &Request) -> String {
        content_type(&request.location.settings, &request.path)
    }

    async fn serve_index(&self, request: &Request) -> Step {
        for index in request.location.settings.index.iter() {
            if index.starts_with('/') {
                return Step::GoTo(index.clone());
            }
            let path = format!("{}{index}", request.path);
            if self.is_file(request, &path).await {
                return Step::GoTo(path);
            }
        }
        let folder = self.file_name(request, &request.path);
        let status = if self.is_folder(&folder).await {
            403
        } else {
            404
        };
        Step::Answer(Answer::Error(status))
    }

    pub(crate) async fn is_file(&self, request: &Request, path: &str) -> bool {
        self.host
            .disk
            .read(&self.file_name(request, path))
            .await
            .is_ok()
    }

    pub(crate) async fn is_folder(&self, name: &str) -> bool {
        let names = self.host.disk.list(name.trim_end_matches('/')).await;
        names.is_ok_and(|names| !names.is_empty())
    }
}

fn content_type(settings: &Settings, name: &str) -> String {
    let file = name.rsplit('/').next().unwrap_or(name);
    let extension = file
        .rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase());
    let known = extension.and_then(|extension| {
        let mut types = settings.types.iter();
        types.find_map(|(known, media)| (*known == extension).then(|| media.clone()))
    });
    known.unwrap_or_else(|| settings.default_type.to_string())
}
