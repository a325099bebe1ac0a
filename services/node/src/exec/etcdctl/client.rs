//! Which member is asked, and for how long.
//!
//! A read goes on to the next member when one cannot be reached or says that it is not available; a write
//! only when there is no connection (etcd's client, `retry.go`: repeatable and non-repeatable calls).

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use etcd_client::{Channel, Client, Error};
use squall_host::Host;
use squall_host::connect::Connector;
use squall_host::net::Net;
use tokio::time::Instant;
use tonic::Code;
use tonic::transport::Endpoint;

use super::Options;
use crate::exec::grpc::go_duration;

const ENDPOINTS: &str = "127.0.0.1:2379";
/// Defaults of `--command-timeout` and `--dial-timeout`.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);
const DIAL_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two tries (clientv3/options.go, `defaultBackoffWaitBetween`).
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(25);

/// Whom to ask, and for how long.
pub(super) struct Asked {
    net: Net,
    /// As they were written.
    pub(super) endpoints: Vec<String>,
    command_timeout: Duration,
    dial_timeout: Duration,
}

/// Whether a call may be made again when it is not known what became of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
}

/// `HOST:PORT`, or a URL of it.
pub(super) fn addresses(text: &str) -> Result<Vec<String>, String> {
    let each = text.split(',').map(str::trim);
    each.map(|endpoint| match endpoint.split_once("://") {
        _ if endpoint.is_empty() => Err("etcdctl: an endpoint is missing".to_owned()),
        None | Some(("http", _)) => Ok(endpoint.to_owned()),
        Some((scheme, _)) => Err(format!("etcdctl: `{scheme}` endpoints are not known here")),
    })
    .collect()
}

impl Asked {
    pub(super) fn new(
        host: &Host,
        options: &Options,
        env: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let variable = |flag: &str, is_given: bool| {
            let name = format!("ETCDCTL_{flag}");
            match env.get(&name) {
                Some(_) if is_given => Err(format!(
                    "conflicting environment variable \"{name}\" is shadowed by corresponding command-line flag (either unset environment variable or disable flag)"
                )),
                value => Ok(value),
            }
        };
        let endpoints = variable("ENDPOINTS", options.endpoints.is_some())?;
        let endpoints = options.endpoints.as_ref().or(endpoints);
        let time = |flag: &str, given: Option<Duration>, default: Duration| {
            let text = variable(flag, given.is_some())?;
            let own = text.map(|text| go_duration(text)).transpose()?;
            Ok::<_, String>(given.or(own).unwrap_or(default))
        };
        Ok(Self {
            net: host.net.clone(),
            endpoints: addresses(endpoints.map_or(ENDPOINTS, String::as_str))?,
            command_timeout: time("COMMAND_TIMEOUT", options.command_timeout, COMMAND_TIMEOUT)?,
            dial_timeout: time("DIAL_TIMEOUT", options.dial_timeout, DIAL_TIMEOUT)?,
        })
    }

    /// The same, with only one member to ask.
    pub(super) fn only(&self, endpoint: &str) -> Self {
        Self {
            net: self.net.clone(),
            endpoints: vec![endpoint.to_owned()],
            ..*self
        }
    }

    /// A connection to one member.
    pub(super) async fn connect(&self, endpoint: &str) -> Result<Client, String> {
        let address = endpoint.trim_start_matches("http://").trim_end_matches('/');
        let to = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| format!("{endpoint}: {error}"))?;
        let connector = Connector::new(self.net.clone(), self.dial_timeout);
        let channel = to
            .connect_with_connector(connector)
            .await
            .map_err(|error| error.to_string())?;
        Client::from_channel(Channel::Tonic(channel), None)
            .await
            .map_err(|error| describe(&error))
    }

    /// Makes a call to one member after the other, until one has answered or the time is over.
    pub(super) async fn call<T, F>(
        &self,
        kind: Kind,
        mut call: impl FnMut(Client) -> F,
    ) -> Result<T, String>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let deadline = Instant::now() + self.command_timeout;
        let trying = async {
            for endpoint in self.endpoints.iter().cycle() {
                if let Ok(client) = self.connect(endpoint).await {
                    match call(client).await {
                        Err(Error::GRpcStatus(status))
                            if kind == Kind::Read && status.code() == Code::Unavailable => {}
                        answer => return answer.map_err(|error| describe(&error)),
                    }
                }
                tokio::time::sleep(RETRY_AFTER).await;
            }
            Err("no endpoint".to_owned())
        };
        let in_time = tokio::time::timeout_at(deadline, trying).await;
        in_time.unwrap_or_else(|_| Err("context deadline exceeded".to_owned()))
    }
}

/// An error as Go's client words it: etcd's own text.
pub(super) fn describe(error: &Error) -> String {
    match error {
        Error::GRpcStatus(status) => status.message().to_owned(),
        error => error.to_string(),
    }
}
