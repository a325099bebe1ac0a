//! The counter's value as it is kept: decimal text.

/// What a stored text says. What is not a digit is stripped, as in the original, signs too; nothing is 0.
/// `None` for what 64 bits do not hold.
pub(crate) fn parse(text: &[u8]) -> Option<i64> {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit());
    let mut value: i64 = 0;
    for digit in digits {
        value = value.checked_mul(10)?.checked_add((digit - b'0').into())?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_a_digit_is_stripped() {
        assert_eq!(parse(b""), Some(0));
        assert_eq!(parse(b" 4 2\n"), Some(42));
        assert_eq!(parse(b"-7"), Some(7));
        assert_eq!(parse("\u{663}1".as_bytes()), Some(1)); // an Arabic digit is none
        assert_eq!(parse(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(parse(b"9223372036854775808"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in 0..=i64::MAX) {
            prop_assert_eq!(parse(value.to_string().as_bytes()), Some(value));
        }
    }
}
