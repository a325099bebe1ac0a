//! Kubernetes' quantities: `100m`, `0.5`, `64Mi`, `1e3`
//! (apimachinery, `pkg/api/resource/quantity.go`).

/// A billionth is the smallest part that a quantity can have.
const NANOS: i128 = 1_000_000_000;

/// Suffixes and their powers; decimal ones of ten, binary ones of two.
const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
const BINARY: [(&str, u32); 6] = [
    ("Ki", 10),
    ("Mi", 20),
    ("Gi", 30),
    ("Ti", 40),
    ("Pi", 50),
    ("Ei", 60),
];

/// An amount of something, in billionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Quantity(i128);

impl Quantity {
    /// Reads one; `None` when it is none, is below zero, or is too big for any machine.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('+').unwrap_or(text);
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if part.contains('.') || (whole.is_empty() && part.is_empty()) {
            return None;
        }
        // Digits beyond these say nothing about any machine.
        const DIGITS_MAX: usize = 18;
        if whole.len() > DIGITS_MAX || part.len() > DIGITS_MAX {
            return None;
        }
        let digits: i128 = format!("{whole}{part}").parse().ok()?;
        let places = i32::try_from(part.len()).ok()?;
        if let Some((_, power)) = BINARY.iter().find(|(s, _)| *s == suffix) {
            let scaled = digits.checked_mul(1 << power)?;
            return Self::of(scaled, -places);
        }
        let power = match DECIMAL.iter().find(|(s, _)| *s == suffix) {
            Some((_, power)) => *power,
            None => {
                let exponent = suffix.strip_prefix(['e', 'E'])?;
                exponent.parse().ok().filter(|e| (-18..=18).contains(e))?
            }
        };
        Self::of(digits, power - places)
    }

    /// `digits` times ten to the `power`, a part of a billionth counting as a whole one.
    fn of(digits: i128, power: i32) -> Option<Self> {
        let power = power + 9;
        let factor = 10_i128.checked_pow(power.unsigned_abs())?;
        Some(Self(match power {
            0.. => digits.checked_mul(factor)?,
            _ => digits.div_euclid(factor) + i128::from(digits.rem_euclid(factor) != 0),
        }))
    }

    /// As a number of cores.
    pub(super) fn cores(self) -> f64 {
        self.0 as f64 / NANOS as f64
    }

    /// As a whole number, rounded up.
    pub(super) fn whole(self) -> u64 {
        u64::try_from(self.over(Self(NANOS))).unwrap_or(u64::MAX)
    }

    /// How often the other is in it, rounded up.
    pub(super) fn over(self, divisor: Self) -> i128 {
        let divisor = divisor.0.max(1);
        self.0.div_euclid(divisor) + i128::from(self.0.rem_euclid(divisor) != 0)
    }

    /// One.
    pub(super) const ONE: Self = Self(NANOS);

    /// Whether it is nothing.
    pub(super) fn is_zero(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (text, nanos) in [
            ("0", Some(0)),
            ("1", Some(NANOS)),
            ("100m", Some(100_000_000)),
            ("0.5", Some(500_000_000)),
            (".5", Some(500_000_000)),
            ("1.", Some(NANOS)),
            ("64Mi", Some(64 * 1024 * 1024 * NANOS)),
            ("1.5Gi", Some(3 * 512 * 1024 * 1024 * NANOS)),
            ("2k", Some(2000 * NANOS)),
            ("1e3", Some(1000 * NANOS)),
            ("1E-3", Some(1_000_000)),
            ("1E", Some(1_000_000_000_000_000_000 * NANOS)),
            ("0.1n", Some(1)),
            ("+1", Some(NANOS)),
            ("", None),
            ("m", None),
            ("1.2.3", None),
            ("1 Gi", None),
            ("1gb", None),
            ("1mi", None),
            ("-1", None),
            ("1e", None),
            ("0x1", None),
        ] {
            assert_eq!(Quantity::parse(text).map(|q| q.0), nanos, "{text}");
        }
        assert_eq!(Quantity::parse("1500m").unwrap().whole(), 2);
        let over = |a, b| {
            Quantity::parse(a)
                .unwrap()
                .over(Quantity::parse(b).unwrap())
        };
        assert_eq!(over("500m", "1"), 1);
        assert_eq!(over("500m", "1m"), 500);
        assert_eq!(over("64Mi", "1Mi"), 64);
    }

    proptest::proptest! {
        #[test]
        fn thousandths_and_decimals_are_the_same(thousandths in 0_u32..10_000_000) {
            let decimal = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
            let milli = Quantity::parse(&format!("{thousandths}m"));
            assert!(milli.is_some());
            assert_eq!(milli, Quantity::parse(&decimal));
        }

        #[test]
        fn nothing_panics(text in "[-+]?[0-9.]{0,40}[a-zA-Z]{0,3}[-+]?[0-9]{0,25}|.{0,20}") {
            if let Some(quantity) = Quantity::parse(&text) {
                quantity.whole();
                quantity.over(Quantity(1));
            }
        }
    }
}
