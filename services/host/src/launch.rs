//! What a process is started with, and what a program makes of it before it runs.
//!
//! Loading is apart from running, so that bad input is found before anything starts: a program's
//! `load` reads arguments, environment and configuration files into a [`Loaded`], which can then be
//! started any number of times (a restart is a second start of the same).

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::Host;
use crate::diagnostic::{Diagnostic, Diagnostics, Origin};
use crate::shutdown::Shutdown;

/// What the operating system hands to a new process.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// The arguments after the program's name.
    pub args: Vec<String>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// The configuration files that it can read.
    pub files: Files,
}

/// Configuration files, read once, when a program is loaded.
#[derive(Clone, Debug, Default)]
pub struct Files(FilesKind);

#[derive(Clone, Debug, Default)]
enum FilesKind {
    #[default]
    Real,
    Mounted(Arc<BTreeMap<String, Mounted>>),
}

/// A file that is mounted into a container.
#[derive(Clone, Debug)]
pub struct Mounted {
    /// The file as the user would open it, for messages.
    pub shown_as: Arc<str>,
    /// What it contains.
    pub content: Arc<str>,
}

/// A file's text and the name by which the user knows it.
#[derive(Clone, Debug)]
pub struct Text {
    /// The file as the user would open it, for messages.
    pub shown_as: Arc<str>,
    /// What it contains.
    pub content: Arc<str>,
}

impl Files {
    /// The files of the real machine.
    pub fn real() -> Self {
        Self(FilesKind::Real)
    }

    /// Only these files, by their path inside the container.
    pub fn mounted(files: BTreeMap<String, Mounted>) -> Self {
        Self(FilesKind::Mounted(Arc::new(files)))
    }

    /// Reads a file; the complaint names it as the user knows it.
    pub fn read(&self, path: &str) -> Result<Text, Diagnostic> {
        match &self.0 {
            FilesKind::Real => match std::fs::read_to_string(path) {
                Ok(content) => Ok(Text {
                    shown_as: path.into(),
                    content: content.into(),
                }),
                Err(error) => Err(Diagnostic::at(
                    Origin::new(path, 0),
                    format!("cannot read: {error}"),
                )),
            },
            FilesKind::Mounted(files) => match files.get(path) {
                Some(file) => Ok(Text {
                    shown_as: file.shown_as.clone(),
                    content: file.content.clone(),
                }),
                None => Err(
                    Diagnostic::at(Origin::new(path, 0), "no such file in the container").help(
                        format!("mount one there: `volumes: [\"./FILE:{path}:ro\"]`"),
                    ),
                ),
            },
        }
    }

    /// The paths in a folder, sorted, not descending; for `include` with a pattern and `*.d` folders.
    pub fn list(&self, folder: &str) -> Vec<String> {
        let folder = folder.trim_end_matches('/');
        match &self.0 {
            FilesKind::Real => {
                let mut paths: Vec<String> = std::fs::read_dir(folder)
                    .into_iter()
                    .flatten()
                    .filter_map(|entry| Some(entry.ok()?.path().to_str()?.to_owned()))
                    .collect();
                paths.sort();
                paths
            }
            FilesKind::Mounted(files) => files
                .keys()
                .filter(|path| {
                    path.rsplit_once('/')
                        .is_some_and(|(parent, _)| parent == folder)
                })
                .cloned()
                .collect(),
        }
    }
}

/// A program whose input is read and found good: ready to start, again and again.
#[derive(Clone)]
pub struct Loaded {
    start: Arc<Start>,
    /// What is known about it without running it.
    pub facts: Facts,
}

type Start = dyn Fn(Host, Shutdown) -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync;

/// Why a service ended; the source chain has the rest.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An error with all its causes, as one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        // Some errors repeat their cause in their own text.
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    text
}

/// What a program's input says, for checks across a whole system before it starts.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Addresses that it listens on.
    pub listens: Vec<(SocketAddr, Option<Origin>)>,
    /// Names that must resolve for it to start, as an `upstream`'s servers must in nginx.
    pub names_required: Vec<(String, Option<Origin>)>,
    /// Directives that are accepted and have no effect here, as `worker_processes`; for `squall check`.
    pub without_effect: Vec<(String, Origin)>,
}

impl Loaded {
    /// A program that `start` runs; `Ok(())` is exit status 0.
    pub fn new<F, Fut, E>(facts: Facts, start: F) -> Self
    where
        F: Fn(Host, Shutdown) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let start = move |host, shutdown| -> BoxFuture<'static, Result<(), BoxError>> {
            let run = start(host, shutdown);
            Box::pin(async move { run.await.map_err(Into::into) })
        };
        Self {
            start: Arc::new(start),
            facts,
        }
    }

    /// Runs the program until it ends by itself or by the request to stop.
    pub fn start(
        &self,
        host: Host,
        shutdown: Shutdown,
    ) -> BoxFuture<'static, Result<(), BoxError>> {
        (self.start)(host, shutdown)
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

/// A program's reader of its input, as a table of programs has it.
pub type Load = fn(&Launch) -> Result<Loaded, Diagnostics>;

/// A program's reader of its input, which may be a closure that remembers something.
#[derive(Clone)]
pub struct Loader(Arc<LoadFn>);

type LoadFn = dyn Fn(&Launch) -> Result<Loaded, Diagnostics> + Send + Sync;

impl Loader {
    /// Reads what a process is started with.
    pub fn load(&self, launch: &Launch) -> Result<Loaded, Diagnostics> {
        (self.0)(launch)
    }
}

impl<F> From<F> for Loader
where
    F: Fn(&Launch) -> Result<Loaded, Diagnostics> + Send + Sync + 'static,
{
    fn from(load: F) -> Self {
        Self(Arc::new(load))
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").finish_non_exhaustive()
    }
}
