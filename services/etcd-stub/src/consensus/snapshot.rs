//! All that the log has led to, as bytes: for a follower that is too far behind, and as a file that the log
//! goes on from.
//!
//! The file is `snapshot-INDEX`, a CRC-32C and the bytes. The head of the log says which one is meant; others
//! are left over and removed at the start.

use bytes::Bytes;
use prost::Message;
use squall_host::disk::Disk;

use super::error::Error;
use super::log::replace;
use super::membership::Membership;
use super::record::checksum;
use crate::store::Store;

#[derive(Clone, PartialEq, Message)]
struct Image {
    #[prost(bytes = "bytes", tag = "1")]
    store: Bytes,
    #[prost(bytes = "vec", tag = "2")]
    members: Vec<u8>,
}

/// The state as bytes.
pub(super) fn encode(store: &Store, members: &Membership) -> Vec<u8> {
    let image = Image {
        store: store.snapshot(),
        members: members.encode(),
    };
    image.encode_to_vec()
}

/// The state out of what [`encode`] gave; what does not fit is told in words.
pub(super) fn decode(bytes: &[u8]) -> Result<(Store, Membership), String> {
    let image = Image::decode(bytes).map_err(|error| error.to_string())?;
    let members = Membership::decode(&image.members).map_err(|error| error.to_string())?;
    Ok((Store::restore(&image.store)?, members))
}

fn name(index: u64) -> String {
    format!("snapshot-{index:020}")
}

/// Makes a snapshot durable.
pub(super) async fn write(
    disk: &Disk,
    folder: &str,
    index: u64,
    image: &[u8],
) -> Result<(), Error> {
    let mut file = checksum(image).to_be_bytes().to_vec();
    file.extend_from_slice(image);
    replace(disk, folder, &name(index), file.into()).await
}

/// The state after entry `index`.
pub(super) async fn read(
    disk: &Disk,
    folder: &str,
    index: u64,
    member_id: u64,
) -> Result<(Store, Membership), Error> {
    let path = format!("{folder}/{}", name(index));
    let file = disk.read(&path).await.map_err(Error::disk("read", &path))?;
    let damaged = |found: String| Error::Damaged {
        file: path.clone(),
        offset: 0,
        found,
        member_id,
    };
    match file.split_first_chunk::<4>() {
        Some((sum, image)) if *sum == checksum(image).to_be_bytes() => {
            decode(image).map_err(damaged)
        }
        _ => Err(damaged(
            "a snapshot whose checksum does not fit it".to_owned(),
        )),
    }
}

/// Removes all snapshots but the one after entry `kept`, which is durable, and so is the log that names it.
pub(super) async fn remove_others(disk: &Disk, folder: &str, kept: u64) -> Result<(), Error> {
    let names = disk
        .list(folder)
        .await
        .map_err(Error::disk("list", folder))?;
    for other in names {
        if other.starts_with("snapshot-") && other != name(kept) {
            let path = format!("{folder}/{other}");
            let removed = disk.remove(&path).await;
            removed.map_err(Error::disk("remove", &path))?;
        }
    }
    Ok(())
}
