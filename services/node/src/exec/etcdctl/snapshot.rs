//! `snapshot save`.
//!
//! A file holds what the member sends, in its own format: a snapshot of etcd-stub is for etcd-stub. A relative
//! path is one in `/`, and folders that are absent are made.

use bytes::Bytes;
use squall_host::Host;

use super::client::{Asked, describe};
use super::{IO_FAILED, Said};

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

fn absolute(path: &str) -> String {
    match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{path}"),
    }
}
