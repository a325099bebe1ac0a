//! The whole store as bytes, for a member that is too far behind, and for a backup.
//!
//! `MAGIC`, the length of the body (8 bytes, little-endian), the body, the CRC-32C of all before it. The body
//! is a row of protobuf messages, each with its length before it: a [`Head`], the leases by number, every
//! version that is kept in the order in which it was made. The same store gives the same bytes. It says
//! where it ends, so that a backup padded to etcd's blocks can be cut. Deliberately absent: bbolt's file format,
//! reading other versions of this one.

use bytes::Bytes;
use etcd_client::proto::PbKeyValue;
use prost::Message;

use super::Store;
use super::hash::CRC;
use super::history::History;
use super::leases::{Lease, Leases, reattach};
use crate::lessor::TTL_MAX_S;

const MAGIC: &[u8; 8] = b"SQETCD\x00\x01";
const LENGTH_BYTES: usize = 8;
const CRC_BYTES: usize = 4;
const FRAME_BYTES: usize = MAGIC.len() + LENGTH_BYTES + CRC_BYTES;

/// Revisions beyond are no store's; room for what is added to one.
const REVISION_MAX: i64 = i64::MAX / 2;

#[derive(Clone, PartialEq, Message)]
struct Head {
    #[prost(int64, tag = "1")]
    revision: i64,
    #[prost(int64, tag = "2")]
    compacted: i64,
    #[prost(uint64, tag = "3")]
    leases: u64,
    #[prost(uint64, tag = "4")]
    versions: u64,
}

/// The keys of a lease are those whose present version names it.
#[derive(Clone, PartialEq, Message)]
struct LeaseRecord {
    #[prost(int64, tag = "1")]
    id: i64,
    #[prost(int64, tag = "2")]
    ttl_s: i64,
}

impl Store {
    /// The whole store, for a member that is too far behind and for `Maintenance.Snapshot`.
    pub fn snapshot(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.history.bytes() + FRAME_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[0; LENGTH_BYTES]);
        write(
            &mut out,
            &Head {
                revision: self.revision,
                compacted: self.compacted,
                leases: self.leases.len() as u64,
                versions: self.history.made().len() as u64,
            },
        );
        for (&id, lease) in &self.leases {
            let ttl_s = lease.ttl_s;
            write(&mut out, &LeaseRecord { id, ttl_s });
        }
        for kv in self.history.made() {
            write(&mut out, kv.as_ref());
        }
        let body = (out.len() - MAGIC.len() - LENGTH_BYTES) as u64;
        out[MAGIC.len()..][..LENGTH_BYTES].copy_from_slice(&body.to_le_bytes());
        let crc = CRC.checksum(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out.into()
    }

    /// A store out of what [`Store::snapshot`] gave; what does not fit is told in words.
    pub fn restore(snapshot: &[u8]) -> Result<Self, String> {
        let mut body = body(snapshot)?;
        let head: Head = read(&mut body, || "head".into())?;
        if !(1..=REVISION_MAX).contains(&head.revision)
            || !(-1..=head.revision).contains(&head.compacted)
        {
            return Err(format!(
                "a snapshot at revision {}, compacted at {}, cannot be",
                head.revision, head.compacted
            ));
        }
        let leases = read_leases(&mut body, head.leases)?;
        let mut store = Self {
            revision: head.revision,
            compacted: head.compacted,
            history: History::default(),
            leases,
        };
        for index in 0..head.versions {
            let what = || format!("version {index} of {}", head.versions);
            let kv: PbKeyValue = read(&mut body, what)?;
            store.check_next(&kv).map_err(|why| {
                format!(
                    "the snapshot's {}, of key {:?} at revision {}, {why}",
                    what(),
                    String::from_utf8_lossy(&kv.key),
                    kv.mod_revision
                )
            })?;
            let before = store.history.at(&kv.key, i64::MAX).map_or(0, |kv| kv.lease);
            reattach(&mut store.leases, &kv.key, before, kv.lease);
            store.history.push(kv);
        }
        if !body.is_empty() {
            return Err(format!(
                "the snapshot has {} bytes more than it counts",
                body.len()
            ));
        }
        store.check_attached()?;
        Ok(store)
    }

    /// Whether a version can follow those before it.
    fn check_next(&self, kv: &PbKeyValue) -> Result<(), &'static str> {
        let before = self.history.at(&kv.key, i64::MAX);
        let is_new = match before {
            Some(before) => {
                kv.create_revision == before.create_revision && kv.version == before.version + 1
            }
            None if kv.mod_revision > self.compacted => {
                kv.create_revision == kv.mod_revision && kv.version == 1
            }
            None => kv.create_revision <= kv.mod_revision && kv.version <= kv.mod_revision,
        };
        let ends = before.is_some() || kv.mod_revision == self.compacted;
        match kv.version {
            _ if kv.key.is_empty() => Err("has no key"),
            _ if kv.mod_revision < self.history.newest().max(1)
                || kv.mod_revision > self.revision =>
            {
                Err("is out of order")
            }
            0 if kv.create_revision != 0 || kv.lease != 0 || !kv.value.is_empty() => {
                Err("is a deletion with more than a key")
            }
            0 if !ends => Err("deletes what was not there"),
            1.. if !is_new => Err("does not follow the one before"),
            0.. => Ok(()),
            _ => Err("has a version below 0"),
        }
    }

    /// Whether every key that names a lease hangs on one.
    fn check_attached(&self) -> Result<(), String> {
        let mut there = self
            .history
            .all_at(super::Span::new(b"\0", b"\0"), i64::MAX);
        match there.find(|kv| kv.lease != 0 && !self.leases.contains_key(&kv.lease)) {
            Some(kv) => Err(format!(
                "the snapshot's key {:?} hangs on lease {:x}, which it does not have",
                String::from_utf8_lossy(&kv.key),
                kv.lease
            )),
            None => Ok(()),
        }
    }
}

fn write(out: &mut Vec<u8>, message: &impl Message) {
    message
        .encode_length_delimited(out)
        .unwrap_or_else(|_| unreachable!("a Vec grows"));
}

fn body(snapshot: &[u8]) -> Result<&[u8], String> {
    let Some(rest) = snapshot.strip_prefix(MAGIC) else {
        return Err("this is no snapshot of etcd-stub: it begins otherwise".into());
    };
    let (length, rest) = rest
        .split_first_chunk::<LENGTH_BYTES>()
        .ok_or("the snapshot ends within its length")?;
    let length = u64::from_le_bytes(*length);
    if rest.len().checked_sub(CRC_BYTES).map(|has| has as u64) != Some(length) {
        return Err(format!(
            "the snapshot says that its body has {length} bytes, and has {} with its checksum",
            rest.len()
        ));
    }
    let (body, crc) = rest
        .split_last_chunk::<CRC_BYTES>()
        .ok_or("the snapshot has no checksum")?;
    let is = CRC.checksum(&snapshot[..snapshot.len() - CRC_BYTES]);
    let says = u32::from_le_bytes(*crc);
    if is != says {
        return Err(format!(
            "the snapshot is damaged: its checksum is {is:08x} and it says {says:08x}"
        ));
    }
    Ok(body)
}

fn read<T: Message + Default>(body: &mut &[u8], what: impl Fn() -> String) -> Result<T, String> {
    T::decode_length_delimited(body).map_err(|why| format!("the snapshot's {}: {why}", what()))
}

fn read_leases(body: &mut &[u8], count: u64) -> Result<Leases, String> {
    let mut leases = Leases::new();
    for index in 0..count {
        let LeaseRecord { id, ttl_s } = read(body, || format!("lease {index} of {count}"))?;
        if id == 0 || leases.last_key_value().is_some_and(|(&last, _)| last >= id) {
            return Err(format!("the snapshot's lease {id:x} is out of order"));
        }
        if ttl_s > TTL_MAX_S {
            return Err(format!(
                "the snapshot's lease {id:x} has a TTL of {ttl_s} s"
            ));
        }
        let lease = Lease {
            ttl_s,
            ..Default::default()
        };
        leases.insert(id, lease);
    }
    Ok(leases)
}
