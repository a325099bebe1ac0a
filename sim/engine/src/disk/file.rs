//! One file: what processes see of it (the page cache), and what the platter has.
//!
//! Deliberately absent: names, time.

use std::ops::Range;

use crate::random::Random;

/// The kernel writes whole pages, and a write that is interrupted ends between two.
pub(super) const PAGE: usize = 4_096;

/// Of how many power losses one leaves a file longer than what was written of it.
const SIZE_FIRST: f64 = 0.25;

#[derive(Clone, Debug, Default)]
pub(super) struct File {
    /// What processes read.
    data: Vec<u8>,
    /// So many bytes of it are not waiting to be written.
    clean: usize,
    /// What the platter has beyond `clean`: cut off by a `truncate` that is not durable yet.
    cut: Vec<u8>,
    /// Parts of the clean bytes that the platter does not have, because a sync failed; ascending.
    lost: Vec<Range<usize>>,
}

impl File {
    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }

    pub(super) fn append(&mut self, data: &[u8]) {
        self.data.extend_from_slice(data);
    }

    /// Cuts off what is beyond `length`.
    pub(super) fn truncate(&mut self, length: usize) {
        if length < self.clean {
            let mut cut = self.platter(length..self.clean);
            cut.append(&mut self.cut);
            self.cut = cut;
            self.clean = length;
            self.lost.retain_mut(|lost| {
                lost.end = lost.end.min(length);
                lost.start < lost.end
            });
        }
        self.data.truncate(length);
    }

    /// All of it is on the platter now, but for what an earlier sync has failed to write.
    pub(super) fn sync(&mut self) {
        self.clean = self.data.len();
        self.cut.clear();
    }

    /// The sync has failed. Some pages were written; none is written again, because the kernel holds
    /// them all for clean from now on. Processes read them as before.
    pub(super) fn fail_sync(&mut self, random: &mut Random) {
        let pages = (self.data.len() - self.clean).div_ceil(PAGE) as u64;
        let first = (self.clean / PAGE + random.below(pages + 1) as usize) * PAGE;
        let lost = first.clamp(self.clean, self.data.len())..self.data.len();
        self.sync();
        if lost.start < lost.end {
            self.lost.push(lost);
        }
    }

    /// The power is gone: what was not synced has reached the platter from its beginning to any
    /// point, even in the middle of a record.
    pub(super) fn lose_power(&mut self, random: &mut Random) {
        if !self.cut.is_empty() && random.chance(0.5) {
            let mut data = self.platter(0..self.clean);
            data.append(&mut self.cut);
            self.data = data;
        } else {
            let unsynced = self.data.len() - self.clean;
            let reached = self.clean + draw_prefix(random, unsynced);
            // The size may be on the platter before the bytes are (ext4 without `data=ordered`, XFS).
            let size = match random.chance(SIZE_FIRST) {
                true => reached + draw_prefix(random, self.data.len() - reached),
                false => reached,
            };
            let mut data = self.platter(0..self.clean);
            data.extend_from_slice(&self.data[self.clean..reached]);
            // What a failed sync has lost at the end never came to count in the file's size.
            if size == self.clean
                && let Some(last) = self.lost.last()
                && last.end == self.clean
            {
                data.truncate(last.start);
            } else {
                data.resize(size, 0);
            }
            self.data = data;
        }
        self.clean = self.data.len();
        self.cut.clear();
        self.lost.clear();
    }

    /// Clean bytes as the platter has them: zeros where a sync has failed.
    fn platter(&self, range: Range<usize>) -> Vec<u8> {
        let mut data = self.data[range.clone()].to_vec();
        for lost in &self.lost {
            let (start, end) = (lost.start.max(range.start), lost.end.min(range.end));
            if start < end {
                data[start - range.start..end - range.start].fill(0);
            }
        }
        data
    }
}

/// How much of `length` is there: often nothing or everything, which are the cases that differ most.
pub(super) fn draw_prefix(random: &mut Random, length: usize) -> usize {
    match random.below(4) {
        0 => 0,
        1 => length,
        _ => random.below(length as u64 + 1) as usize,
    }
}
