//! What the unit tests share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use squall_host::Launch;
use squall_host::launch::{Files, Mounted};
use squall_host::output::{Output, OutputDriver};
use squall_host::planted::Planted;

use crate::backend::Backend;
use crate::config::{self, Config};
use crate::log::Logger;

/// Lines that were written.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl OutputDriver for Lines {
    fn line(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

impl Lines {
    /// Those of the log, without the copies on standard error.
    pub(crate) fn log(&self) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        lines
            .iter()
            .filter(|line| !line.starts_with('['))
            .cloned()
            .collect()
    }
}

pub(crate) fn launch(text: &str) -> Launch {
    let file = Mounted {
        shown_as: "haproxy.cfg".into(),
        content: text.into(),
    };
    Launch {
        args: vec!["-f".to_owned(), "/haproxy.cfg".to_owned()],
        env: BTreeMap::new(),
        files: Files::mounted(BTreeMap::from([("/haproxy.cfg".to_owned(), file)])),
    }
}

pub(crate) fn config(text: &str) -> Config {
    match config::load(&launch(text), &["/haproxy.cfg".to_owned()]) {
        Ok((config, _)) => config,
        Err(diagnostics) => panic!("{diagnostics}"),
    }
}

/// The first backend of a configuration, and what it logs.
pub(crate) fn backend(text: &str) -> (Arc<Backend>, Lines) {
    let text = format!("global\n log stdout format raw local0\n{text}");
    let config = config(&text);
    let lines = Lines::default();
    let proxy = config
        .proxies
        .into_iter()
        .find(|proxy| proxy.section.has_servers());
    let proxy = Arc::new(proxy.expect("the test's configuration has a backend"));
    let log = Logger::new(
        Output::new(lines.clone()),
        config.global.log_targets,
        "haproxy",
    );
    (Backend::new(proxy, log, 1, &Planted::default()), lines)
}
