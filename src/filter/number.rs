//! Decimal numbers compared as text, digit by digit: no rounding, no bound on the digits.

use std::cmp::Ordering;

/// A decimal number as it is written: sign, digits, a point, an exponent. Borrows the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    /// The power of ten of the first digit of all, plus one; 0 for zero.
    exponent: i64,
    zero: bool,
}

impl<'a> Decimal<'a> {
    /// Reads `-12`, `+3.50`, `.5`, `1e-05`; `None` for anything else, such as `NaN` and `1,000`.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim().as_bytes();
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let (number, power) = match rest.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(at) => (
                &rest[..at],
                std::str::from_utf8(&rest[at + 1..]).ok()?.parse::<i32>().ok()?,
            ),
            None => (rest, 0),
        };
        let (whole, fraction) = match number.iter().position(|byte| *byte == b'.') {
            Some(at) => (&number[..at], &number[at + 1..]),
            None => (number, &[][..]),
        };
        let digits = || whole.iter().chain(fraction);
        if digits().next().is_none() || !digits().all(u8::is_ascii_digit) {
            return None;
        }
        let zeros = digits().take_while(|digit| **digit == b'0').count();
        let exponent = whole.len() as i64 - zeros as i64 + i64::from(power);
        Some(Self {
            negative,
            whole,
            fraction,
            exponent,
            zero: zeros == whole.len() + fraction.len(),
        })
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        let digits = self.whole.iter().chain(self.fraction).copied();
        digits
            .skip_while(|digit| *digit == b'0')
            .chain(std::iter::repeat(b'0'))
    }

    fn sign(&self) -> i8 {
        match (self.zero, self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    /// Compares the values exactly.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let signs = self.sign().cmp(&other.sign());
        if signs.is_ne() || self.zero {
            return signs;
        }
        let length = (self.whole.len() + self.fraction.len()).max(other.whole.len() + other.fraction.len());
        let size = self.exponent.cmp(&other.exponent);
        let size = size.then_with(|| self.digits().take(length).cmp(other.digits().take(length)));
        if self.negative { size.reverse() } else { size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compare(a: &str, b: &str) -> Ordering {
        Decimal::parse(a).unwrap().compare(&Decimal::parse(b).unwrap())
    }

    #[test]
    fn numbers_are_compared_exactly() {
        for (a, b) in [
            ("-5", "-5.0"),
            ("1e-05", "0.00001"),
            ("0", "-0.00"),
            ("007", "7"),
            (".5", "0.50"),
            ("1e2", "100"),
        ] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
        for (a, b) in [
            ("-10", "-9.99"),
            ("0.1", "0.10000000000000000000001"),
            ("9", "10"),
            ("-1", "0"),
            ("9007199254740992", "9007199254740993"),
        ] {
            assert_eq!(compare(a, b), Ordering::Less, "{a} {b}");
            assert_eq!(compare(b, a), Ordering::Greater, "{b} {a}");
        }
        for text in [
            "",
            "-",
            ".",
            "e5",
            "1e",
            "NaN",
            "1,000",
            "0x1",
            "1e99999999999",
            "--1",
            "1 2",
        ] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn comparing_agrees_with_integers(a in -1000_i64..1000, b in -1000_i64..1000, shift in 0_usize..4) {
            let text = |n: i64| format!("{n}{}e-{shift}", "0".repeat(shift));
            prop_assert_eq!(compare(&text(a), &text(b)), a.cmp(&b));
        }
    }
}
