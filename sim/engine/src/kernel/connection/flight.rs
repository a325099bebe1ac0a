//! What was sent and is not acknowledged, segment by segment, and which of it is lost: SACK's
//! scoreboard (RFC 6675) with RACK's rule (RFC 8985, net/ipv4/tcp_recovery.c).
//!
//! RACK looks at times, not at counts: a segment is lost when another one that was sent after it has
//! arrived, and a round trip (and some leeway, if the path has reordered) has passed since.

use std::collections::VecDeque;

use super::super::packet::Range;

#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) start: u64,
    /// After its last byte, or after its FIN.
    pub(super) end: u64,
    pub(super) sent_ns: u64,
    is_sacked: bool,
    is_lost: bool,
    /// It is lost, and was sent again since.
    is_repaired: bool,
    was_sent_again: bool,
}

#[derive(Debug, Default)]
pub(super) struct Flight {
    segments: VecDeque<Sent>,
    sacked: usize,
    lost: usize,
    repaired: usize,
    highest_sacked: u64,
    /// RACK's memory: the segment sent last among those that arrived, and its round trip.
    latest: (u64, u64),
    latest_rtt_ns: u64,
    /// The path is known to reorder.
    pub(super) is_reordered: bool,
}

impl Flight {
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.segments.len()
    }

    pub(super) fn has_sacked(&self) -> bool {
        self.sacked > 0
    }

    pub(super) fn sacked(&self) -> usize {
        self.sacked
    }

    /// How many segments are held to be on the wire.
    pub(super) fn on_the_wire(&self) -> usize {
        self.segments.len() + self.repaired - self.sacked - self.lost
    }

    pub(super) fn first(&self) -> Option<Sent> {
        self.segments.front().copied()
    }

    pub(super) fn push(&mut self, start: u64, end: u64, sent_ns: u64) {
        self.segments.push_back(Sent {
            start,
            end,
            sent_ns,
            is_sacked: false,
            is_lost: false,
            is_repaired: false,
            was_sent_again: false,
        });
    }

    /// Everything below `until` has arrived; how many segments that were not known to have.
    pub(super) fn acknowledge(&mut self, until: u64, now_ns: u64, least_rtt_ns: u64) -> usize {
        let mut count = 0;
        while let Some(&segment) = self.segments.front()
            && segment.end <= until
        {
            self.segments.pop_front();
            self.lost -= usize::from(segment.is_lost);
            self.repaired -= usize::from(segment.is_repaired);
            self.sacked -= usize::from(segment.is_sacked);
            if !segment.is_sacked {
                count += 1;
                self.arrived(segment, self.highest_sacked, now_ns, least_rtt_ns);
            }
        }
        if let Some(segment) = self.segments.front_mut() {
            segment.start = segment.start.max(until);
        }
        count
    }

    /// These have arrived beyond a gap; how many segments that were not known to have.
    pub(super) fn sack(&mut self, ranges: &[Range], now_ns: u64, least_rtt_ns: u64) -> usize {
        let (mut count, highest) = (0, self.highest_sacked);
        for index in 0..self.segments.len() {
            let segment = &mut self.segments[index];
            let is_inside =
                |range: &Range| range.start <= segment.start && segment.end <= range.end;
            if segment.is_sacked || !ranges.iter().any(is_inside) {
                continue;
            }
            let before = *segment;
            segment.is_sacked = true;
            (segment.is_lost, segment.is_repaired) = (false, false);
            self.sacked += 1;
            self.lost -= usize::from(before.is_lost);
            self.repaired -= usize::from(before.is_repaired);
            self.highest_sacked = self.highest_sacked.max(before.end);
            self.arrived(before, highest, now_ns, least_rtt_ns);
            count += 1;
        }
        count
    }

    /// `tcp_rack_advance` and `tcp_check_sack_reordering`.
    fn arrived(&mut self, segment: Sent, highest_sacked: u64, now_ns: u64, least_rtt_ns: u64) {
        let rtt_ns = now_ns.saturating_sub(segment.sent_ns);
        if segment.was_sent_again && rtt_ns < least_rtt_ns {
            return; // it was the first copy that arrived
        }
        if !segment.was_sent_again && segment.end < highest_sacked {
            self.is_reordered = true;
        }
        self.latest_rtt_ns = rtt_ns;
        self.latest = self.latest.max((segment.sent_ns, segment.end));
    }

    /// Marks what is lost by now; how long until the next segment may be, if one may.
    pub(super) fn detect_lost(&mut self, now_ns: u64, leeway_ns: u64) -> Option<u64> {
        let mut wait_ns = None;
        for segment in &mut self.segments {
            let is_known = segment.is_sacked || (segment.is_lost && !segment.is_repaired);
            if is_known || (segment.sent_ns, segment.end) >= self.latest {
                continue;
            }
            let due_ns = segment
                .sent_ns
                .saturating_add(self.latest_rtt_ns + leeway_ns);
            if due_ns <= now_ns {
                lose(segment, &mut self.lost, &mut self.repaired);
            } else {
                wait_ns = wait_ns.max(Some(due_ns - now_ns));
            }
        }
        wait_ns
    }

    /// The retransmission timer fired: the first segment is lost, and all that was sent longer than a
    /// round trip ago (`tcp_timeout_mark_lost`).
    pub(super) fn lose_old(&mut self, now_ns: u64) {
        for (index, segment) in self.segments.iter_mut().enumerate() {
            let is_old = segment.sent_ns.saturating_add(self.latest_rtt_ns) <= now_ns;
            if !segment.is_sacked && (index == 0 || is_old) {
                lose(segment, &mut self.lost, &mut self.repaired);
            }
        }
    }

    /// What was held to be lost is not.
    pub(super) fn forgive(&mut self) {
        for segment in &mut self.segments {
            (segment.is_lost, segment.is_repaired) = (false, false);
        }
        (self.lost, self.repaired) = (0, 0);
    }

    pub(super) fn has_lost(&self) -> bool {
        self.lost > self.repaired
    }

    /// The first lost segment that was not sent again; it is sent again now.
    pub(super) fn repair_next(&mut self, now_ns: u64) -> Option<Sent> {
        if !self.has_lost() {
            return None;
        }
        let mut segments = self.segments.iter_mut();
        let segment = segments.find(|segment| segment.is_lost && !segment.is_repaired)?;
        segment.is_repaired = true;
        segment.was_sent_again = true;
        segment.sent_ns = now_ns;
        self.repaired += 1;
        Some(*segment)
    }

    /// The last segment is sent again, not because it is held to be lost.
    pub(super) fn probe_last(&mut self, now_ns: u64) -> Option<Sent> {
        let segment = self.segments.back_mut()?;
        segment.was_sent_again = true;
        segment.sent_ns = now_ns;
        Some(*segment)
    }

    /// The path takes no more than `length` bytes: longer segments did not pass, and go in pieces.
    pub(super) fn split(&mut self, length: u64) {
        let mut pieces = VecDeque::with_capacity(self.segments.len());
        for mut segment in self.segments.drain(..) {
            if segment.end - segment.start <= length || segment.is_sacked {
                pieces.push_back(segment);
                continue;
            }
            lose(&mut segment, &mut self.lost, &mut self.repaired);
            let mut start = segment.start;
            while start < segment.end {
                let end = segment.end.min(start + length);
                pieces.push_back(Sent {
                    start,
                    end,
                    ..segment
                });
                start = end;
                self.lost += 1;
            }
            self.lost -= 1; // the whole was counted
        }
        self.segments = pieces;
    }
}

fn lose(segment: &mut Sent, lost: &mut usize, repaired: &mut usize) {
    *lost += usize::from(!segment.is_lost);
    *repaired -= usize::from(segment.is_repaired);
    (segment.is_lost, segment.is_repaired) = (true, false);
}
