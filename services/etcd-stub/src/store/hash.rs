//! Numbers to compare members by, for `Maintenance.Hash` and `HashKV`.
//!
//! They are CRC-32C over our own bytes: equal on members that hold the same, and not etcd's numbers.

use crc::{CRC_32_ISCSI, Crc};
use prost::Message;

use super::Store;
use crate::refusal::Refusal;

pub(super) const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

impl Store {
    /// Of the keys as of `revision` (0: the present one) back to the last compaction; and the revision that
    /// was compacted, -1 if none was, as etcd says it.
    pub fn hash_kv(&self, revision: i64) -> Result<(u32, i64), Refusal> {
        if revision > 0 && revision <= self.compacted {
            return Err(Refusal::Compacted);
        }
        let revision = self.readable(revision)?;
        let mut digest = CRC.digest();
        let made = self.history.made();
        for kv in made.iter().take_while(|kv| kv.mod_revision <= revision) {
            digest.update(&kv.encode_length_delimited_to_vec());
        }
        Ok((digest.finalize(), self.compacted))
    }

    /// Of everything, leases too.
    pub fn hash(&self) -> u32 {
        CRC.checksum(&self.snapshot())
    }
}
