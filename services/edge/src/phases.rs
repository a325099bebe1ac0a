//! The phases of a request, in nginx's order: rewrite of the server, location, rewrite of the
//! location, access, `try_files`, content.

use std::sync::Arc;

use hyper::body::Incoming;

use crate::app::App;
use crate::client_body;
use crate::config::location::{Handler, LastTry, TryFiles};
use crate::config::rewrite::{Condition, Op, Return, Rewrite, Then};
use crate::reply::{Answer, Reply};
use crate::request::Request;
use crate::router::capture;

/// After so many changes of the URI nginx speaks of a cycle.
const CYCLES_MAX: usize = 10;

/// Where a phase leads.
pub(crate) enum Step {
    Answer(Answer),
    /// An internal redirection to a path, perhaps with arguments, or to an `@name`.
    GoTo(String),
}

/// What the rewrite phase came to.
enum Flow {
    Continue,
    /// The URI has changed: find its location.
    Again,
    Stop,
    Answer(Answer),
}

impl App {
    /// Answers a request from its path, which may be that of an error page.
    pub(crate) async fn run_phases(
        self: &Arc<Self>,
        request: &mut Request,
        incoming: &mut Option<Incoming>,
        start: Option<String>,
    ) -> Answer {
        let mut go_to = start;
        for _ in 0..=CYCLES_MAX {
            let mut named = false;
            if let Some(target) = go_to.take() {
                request.internal = true;
                request.proxy_host = "".into();
                named = target.starts_with('@');
                if named {
                    let location = request.server.locations.named.get(&target).cloned();
                    let Some(location) = location else {
                        tracing::warn!("could not find named location \"{target}\"");
                        return Answer::Error(500);
                    };
                    request.location = location;
                } else {
                    change_uri(request, &target);
                }
            }
            if !named {
                let server = request.server.clone();
                match self.rewrite(&server.rewrite, request) {
                    Flow::Answer(answer) => return answer,
                    Flow::Continue | Flow::Again | Flow::Stop => {}
                }
            }
            match self.from_location(request, incoming, named).await {
                Step::Answer(answer) => return answer,
                Step::GoTo(target) => go_to = Some(target),
            }
        }
        tracing::warn!(
            "rewrite or internal redirection cycle while processing \"{}\"",
            request.path
        );
        Answer::Error(500)
    }

    async fn from_location(
        self: &Arc<Self>,
        request: &mut Request,
        incoming: &mut Option<Incoming>,
        mut named: bool,
    ) -> Step {
        for _ in 0..=CYCLES_MAX {
            if !std::mem::take(&mut named) {
                request.at_location = true;
                if self.locate(request) {
                    let mut target = request.location.name.clone();
                    if let Some(args) = &request.args {
                        target = format!("{target}?{args}");
                    }
                    let reply = self.redirect(301, &target, request);
                    return Step::Answer(Answer::Reply(reply));
                }
                if !request.internal {
                    let settings = &request.location.settings;
                    let announced =
                        client_body::check_announced(request, incoming.as_ref(), settings);
                    if let Err(status) = announced {
                        return Step::Answer(Answer::Error(status));
                    }
                }
                if request.location.internal && !request.internal {
                    return Step::Answer(Answer::Error(404));
                }
            }
            let location = request.location.clone();
            match self.rewrite(&location.rewrite, request) {
                Flow::Answer(answer) => return Step::Answer(answer),
                Flow::Again => continue,
                Flow::Continue | Flow::Stop => return self.content(request, incoming).await,
            }
        }
        tracing::warn!(
            "rewrite or internal redirection cycle while processing \"{}\"",
            request.path
        );
        Step::Answer(Answer::Error(500))
    }

    async fn content(
        self: &Arc<Self>,
        request: &mut Request,
        incoming: &mut Option<Incoming>,
    ) -> Step {
        let location = request.location.clone();
        let ip = request.client.peer.ip();
        let rule = location
            .settings
            .access_rules
            .iter()
            .find(|rule| rule.matches(ip));
        if rule.is_some_and(|rule| !rule.allow) {
            tracing::warn!("access forbidden by rule, client: {ip}");
            return Step::Answer(Answer::Error(403));
        }
        if let Some(files) = &location.try_files {
            match self.try_files(files, request).await {
                None => {}
                Some(step) => return step,
            }
        }
        match &location.handler {
            Handler::Proxy(pass) => Step::Answer(self.proxy(pass, request, incoming).await),
            Handler::StubStatus => Step::Answer(self.stub_status(request)),
            Handler::Static => self.serve_file(request).await,
        }
    }

    /// `None` when a file was found; it is then served at the path that found it.
    async fn try_files(&self, files: &TryFiles, request: &mut Request) -> Option<Step> {
        for template in &files.files {
            let path = self.text(template, request);
            let found = match path.strip_suffix('/') {
                Some(folder) => self.is_folder(&self.file_name(request, folder)).await,
                None => self.is_file(request, &path).await,
            };
            if found {
                request.path = path;
                request.untouched = false;
                return None;
            }
        }
        Some(match &files.last {
            LastTry::Status(status) => Step::Answer(Answer::Error(*status)),
            LastTry::Uri(template) => Step::GoTo(self.text(template, request)),
        })
    }

    fn rewrite(&self, ops: &[Op], request: &mut Request) -> Flow {
        let mut changed = false;
        for op in ops {
            match op {
                Op::Set { slot, value } => request.slots[*slot] = Some(self.text(value, request)),
                Op::Return(returns) => return Flow::Answer(self.returned(returns, request)),
                Op::Break => return Flow::Stop,
                Op::If { condition, then } => {
                    if self.is_true(condition, request) {
                        match self.rewrite(then, request) {
                            Flow::Continue => {}
                            other => return other,
                        }
                    }
                }
                Op::Rewrite(rewrite) => {
                    let path = request.path.clone();
                    if !capture(&rewrite.pattern, &path, request) {
                        continue;
                    }
                    let target = self.rewritten(rewrite, request);
                    match rewrite.then {
                        Then::Redirect(status) => {
                            let reply = self.redirect(status, &target, request);
                            return Flow::Answer(Answer::Reply(reply));
                        }
                        then => {
                            change_uri(request, &target);
                            match then {
                                Then::Last => return Flow::Again,
                                Then::Break => {
                                    request.at_location = false;
                                    return Flow::Stop;
                                }
                                _ => changed = true,
                            }
                        }
                    }
                }
            }
        }
        if changed { Flow::Again } else { Flow::Continue }
    }

    fn rewritten(&self, rewrite: &Rewrite, request: &Request) -> String {
        let mut target = self.text(&rewrite.replacement, request);
        match &request.args {
            Some(args) if rewrite.keeps_args && !args.is_empty() => {
                target.push(if target.contains('?') { '&' } else { '?' });
                target.push_str(args);
            }
            _ => {}
        }
        target
    }

    fn is_true(&self, condition: &Condition, request: &mut Request) -> bool {
        match condition {
            Condition::Truthy(value) => self.holds(value, request),
            Condition::Equal(left, right, expected) => {
                (self.text(left, request) == self.text(right, request)) == *expected
            }
            Condition::Match(value, pattern, expected) => {
                let text = self.text(value, request);
                capture(pattern, &text, request) == *expected
            }
        }
    }

    fn returned(&self, returns: &Return, request: &Request) -> Answer {
        let Some(text) = &returns.text else {
            return match returns.status {
                status @ 300.. => Answer::Error(status),
                204 => Answer::Reply(Reply::page(204)),
                status => Answer::Reply(Reply::new(status, &self.content_type(request), "")),
            };
        };
        let text = self.text(text, request);
        Answer::Reply(match returns.status {
            status @ (301 | 302 | 303 | 307 | 308) => self.redirect(status, &text, request),
            204 => Reply::page(204),
            status => Reply::new(status, &self.content_type(request), text),
        })
    }

    /// A redirection.
    pub(crate) fn redirect(&self, status: u16, target: &str, request: &Request) -> Reply {
        Reply::redirect(status, &self.absolute(target.to_owned(), request))
    }

    /// A path becomes a whole address, unless `absolute_redirect off`.
    pub(crate) fn absolute(&self, target: String, request: &Request) -> String {
        let settings = &request.location.settings;
        if !target.starts_with('/') || !settings.absolute_redirect {
            return target;
        }
        let host = match request.host.as_str() {
            "" => request.server.name.as_str(),
            host => host,
        };
        let port = match request.client.local.port() {
            80 => String::new(),
            _ if !settings.port_in_redirect => String::new(),
            port => format!(":{port}"),
        };
        format!("http://{host}{port}{target}")
    }
}

/// Makes `target`, a path perhaps with arguments, the request's URI.
fn change_uri(request: &mut Request, target: &str) {
    match target.split_once('?') {
        Some((path, args)) => {
            request.path = path.to_owned();
            request.args = Some(args.to_owned());
        }
        None => request.path = target.to_owned(),
    }
    request.untouched = false;
}
