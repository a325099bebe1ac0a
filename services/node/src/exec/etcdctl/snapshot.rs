//! `snapshot save` and `snapshot restore`.
//!
//! A file holds what the member sends, in its own format: a snapshot of etcd-stub is for etcd-stub. A relative
//! path is one in `/`, and folders that are absent are made.

use bytes::Bytes;
use squall_etcd_stub::Config;
use squall_host::{Host, Launch};

use super::client::{Asked, describe};
use super::{Flags, IO_FAILED, Said};

/// Streams the member's snapshot into a file beside, and renames that when it is whole and synced. It waits
/// for the member as long as it takes, as the real one does: `--command-timeout` is not for streams.
pub(super) async fn save(asked: &Asked, host: &Host, file: &str) -> Result<Said, String> {
    let [endpoint] = &asked.endpoints[..] else {
        return Err(format!(
            "snapshot must be requested to one selected node, not multiple [{}]",
            asked.endpoints.join(" ")
        ));
    };
    let mut client = loop {
        match asked.connect(endpoint).await {
            Ok(client) => break client,
            Err(_) => tokio::time::sleep(super::client::RETRY_AFTER).await,
        }
    };
    let path = absolute(file);
    let part = format!("{path}.part");
    let _ = host.disk.remove(&part).await; // one that was under way when its machine died
    let mut stream = client.snapshot().await.map_err(|error| describe(&error))?;
    loop {
        match stream.message().await.map_err(|error| describe(&error))? {
            None => break,
            Some(piece) => {
                let data = Bytes::copy_from_slice(piece.blob());
                if let Err(error) = host.disk.append(&part, data).await {
                    return Ok(Said::failed(
                        IO_FAILED,
                        format!("could not write {part} ({error})"),
                    ));
                }
            }
        }
    }
    let kept = async {
        host.disk.sync(&part).await?;
        host.disk.rename(&part, &path).await?;
        host.disk.sync(&path).await
    };
    match kept.await {
        Ok(()) => Ok(Said::output(format!("Snapshot saved at {file}\n"))),
        Err(error) => Ok(Said::failed(
            IO_FAILED,
            format!("could not rename {part} to {path} ({error})"),
        )),
    }
}

/// A data directory out of a file, for a member of a new group. Its options are etcd's own.
#[derive(Clone, Debug)]
pub(super) struct Restore {
    file: String,
    args: Vec<String>,
}

/// Options of etcd that it has, too.
const OWN: &[&str] = &[
    "--data-dir",
    "--initial-advertise-peer-urls",
    "--initial-cluster",
    "--initial-cluster-token",
    "--name",
];

pub(super) fn restore(flags: &mut Flags<'_>, file: &str) -> Result<Restore, String> {
    // The checksum that the store has itself is looked at all the same.
    flags.is_set("--skip-hash-check")?;
    let own = OWN
        .iter()
        .filter_map(|name| Some(format!("{name}={}", flags.take(name)?)));
    Ok(Restore {
        args: own.collect(),
        file: file.to_owned(),
    })
}

impl Restore {
    pub(super) async fn run(&self, host: &Host) -> Result<Said, String> {
        let launch = Launch {
            args: self.args.clone(),
            ..Launch::default()
        };
        let config = Config::read(&launch).map_err(|problems| {
            let all = problems.to_string();
            all.lines().next().unwrap_or_default().to_owned()
        })?;
        let path = absolute(&self.file);
        let file = host.disk.read(&path).await;
        let file = file.map_err(|error| format!("open {path}: {error}"))?;
        squall_etcd_stub::restore(&config, host, &file).await?;
        Ok(Said::default())
    }
}

fn absolute(path: &str) -> String {
    match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{path}"),
    }
}
