//! Names and numbers that Kubernetes leaves to chance, drawn from the seed.

/// Kubernetes' letters for names: none that make words or are mistaken for each other
/// (k8s.io/apimachinery, `util/rand`).
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// SplitMix64 (Steele, Lea, Flood 2014), a stream for each purpose.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64, purpose: &str) -> Self {
        let mut random = Self(seed ^ fnv(purpose));
        random.next();
        random
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// What the API server appends to `generateName`.
    pub(super) fn suffix(&mut self) -> String {
        (0..5).map(|_| letter(self.next())).collect()
    }

    /// A `metadata.uid`.
    pub(super) fn uid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        // Version 4, variant 1 (RFC 9562, 5.4).
        let high = high & !0xf000 | 0x4000;
        let low = low & !(0b11 << 62) | 1 << 63;
        let text = format!("{high:016x}{low:016x}");
        let cuts = [0..8, 8..12, 12..16, 16..20, 20..32];
        cuts.map(|cut| text[cut].to_owned()).join("-")
    }
}

/// `pod-template-hash`: a 32-bit number in decimal digits, each as a letter
/// (`rand.SafeEncodeString`), here always ten.
pub(super) fn template_hash(of: &str) -> String {
    let folded = fnv(of);
    let number = (folded ^ (folded >> 32)) & 0xffff_ffff;
    let digits = format!("{number:010}");
    digits.bytes().map(|digit| letter(digit.into())).collect()
}

fn letter(number: u64) -> char {
    let at = number % LETTERS.len() as u64;
    LETTERS[at as usize].into()
}

/// FNV-1a.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
