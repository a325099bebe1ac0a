//! The store as a file: what `Maintenance.Snapshot` sends, `etcdctl snapshot save` writes and a member can be
//! started from.
//!
//! A length (8 bytes, big-endian), the store, and zeros up to a multiple of 512 bytes, by which etcdctl tells
//! a file with a checksum after it from one without. Deliberately absent: bbolt's format, so the real
//! `etcdctl snapshot status` and `restore` do not read it.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::store::Store;

const LENGTH_BYTES: usize = 8;
/// A sector.
const PAGE_BYTES: usize = 512;
/// What etcdctl leaves at the end of the file that it writes: SHA-256 of what is before.
const DIGEST_BYTES: usize = 32;

/// The store as a file, without a digest.
pub fn file(store: &Store) -> Bytes {
    let content = store.snapshot();
    let mut file = Vec::with_capacity(content.len() + PAGE_BYTES);
    file.extend((content.len() as u64).to_be_bytes());
    file.extend_from_slice(&content);
    file.resize(file.len().next_multiple_of(PAGE_BYTES), 0);
    file.into()
}

/// The store out of a file, with or without a digest; what is wrong with it is told in words.
pub fn read(file: &[u8]) -> Result<Store, String> {
    let file = match file.len() % PAGE_BYTES {
        0 => file,
        DIGEST_BYTES => {
            let (content, digest) = file.split_at(file.len() - DIGEST_BYTES);
            if Sha256::digest(content).as_slice() != digest {
                return Err("its SHA-256 is not that of its content".to_owned());
            }
            content
        }
        _ => return Err(format!("it is cut: {} bytes", file.len())),
    };
    let (length, rest) = file
        .split_first_chunk::<LENGTH_BYTES>()
        .ok_or("it is empty")?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok();
    let content = length
        .and_then(|length| rest.get(..length))
        .ok_or("its length is not what it says")?;
    Store::restore(content)
}
