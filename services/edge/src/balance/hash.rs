//! CRC-32 and the ring of `hash … consistent` (compatible with Cache::Memcached::Fast, as nginx's
//! manual says).

use std::sync::Arc;

use super::Peer;

/// Points on the ring for each unit of weight.
const POINTS_PER_WEIGHT: i64 = 160;

/// One point of a server on the ring.
#[derive(Debug)]
pub(super) struct Point {
    pub(super) hash: u32,
    pub(super) server: Arc<str>,
}

/// The ring, in order.
pub(super) fn points(peers: &[Peer]) -> Vec<Point> {
    let mut points = Vec::new();
    for peer in peers {
        let (host, port) = match peer.text.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, port),
            _ => (&*peer.text, ""),
        };
        let mut base = Crc32::new();
        base.update(host.as_bytes());
        base.update(&[0]);
        base.update(port.as_bytes());
        let mut previous: u32 = 0;
        for _ in 0..peer.weight * POINTS_PER_WEIGHT {
            let mut crc = base;
            crc.update(&previous.to_le_bytes());
            previous = crc.finish();
            points.push(Point {
                hash: previous,
                server: peer.text.clone(),
            });
        }
    }
    points.sort_by_key(|point| point.hash);
    points.dedup_by_key(|point| point.hash);
    points
}

/// CRC-32 of IEEE 802.3.
#[derive(Clone, Copy)]
pub(super) struct Crc32(u32);

impl Crc32 {
    pub(super) fn new() -> Self {
        Self(u32::MAX)
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = TABLE[((self.0 ^ u32::from(*byte)) & 0xff) as usize] ^ (self.0 >> 8);
        }
    }

    pub(super) fn finish(self) -> u32 {
        !self.0
    }
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut value = at as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                0xedb8_8320 ^ (value >> 1)
            } else {
                value >> 1
            };
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_of_the_standard_check_value() {
        let mut crc = Crc32::new();
        crc.update(b"123456789");
        assert_eq!(crc.finish(), 0xcbf4_3926);
    }
}
