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

/// The number of IEEE 754 binary64 that is nearest to a decimal, and how the decimal compares with what is written for it.
///
/// This is how decimals are put in order by fixed bytes. Numbers are read rounded to the nearest one, as the standard library
/// promises (`f64::from_str`: the closest that can be represented), and rounding to the nearest never turns two decimals round:
/// where their numbers differ, the decimals differ in the same direction, zeros, subnormals and infinities included. What is left
/// are decimals of the same number. One decimal of each is the shortest, the one that is written for it (`LowerExp`), and every
/// decimal is compared with that one digit by digit, not by a count of its digits: whatever digits are written, two decimals that
/// are both found to be the written one are the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nearest {
    /// The number; infinite where the decimal is beyond the greatest.
    pub(super) number: f64,
    /// How the decimal compares with the written one; `None` where the number is infinite, as no decimal is written for that.
    pub(super) to_written: Option<Ordering>,
}

impl Nearest {
    /// `None` where the text is no decimal of the language.
    pub(super) fn to(text: &str) -> Option<Self> {
        let decimal = Decimal::parse(text)?;
        // Reads every decimal of the language, and more: `inf`, `NaN`, exponents beyond 32 bits.
        let number: f64 = text.trim().parse().ok()?;
        let written = number.is_finite().then(|| format!("{number:e}"));
        let written = written.as_deref().and_then(Decimal::parse);
        Some(Self {
            number,
            to_written: written.map(|written| decimal.compare(&written)),
        })
    }

    /// Whether the decimal is the one that is written for its number.
    pub(super) fn is_written(&self) -> bool {
        self.to_written == Some(Ordering::Equal)
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

    /// Decimals that are awkward for numbers: of many digits, beside written ones, and at both ends.
    fn awkward() -> impl Strategy<Value = String> {
        let digits = prop_oneof![
            "[0-9]{1,20}",
            "[0-9]{0,20}\\.[0-9]{1,20}",
            "[0-9]{1,4}\\.",
            "0{0,3}(1|10|9007199254740992|9007199254740993|9007199254740994)0{0,3}",
            any::<f64>()
                .prop_filter("finite", |number| number.is_finite())
                .prop_map(|number| format!("{:e}", number.abs())),
            any::<f64>()
                .prop_filter("finite", |number| number.is_finite())
                .prop_map(|number| format!("{:.30}", number.abs() % 10.0)),
        ];
        let powers = prop_oneof![
            3 => Just(String::new()),
            1 => (-30_i32..30).prop_map(|power| format!("e{power}")),
            1 => prop_oneof![-345_i32..-300, 290_i32..320].prop_map(|power| format!("E{power}")),
            1 => prop::sample::select(vec!["e+2147483647", "e-2147483648", "e2147483648", "e-2147483649"]).prop_map(str::to_owned),
        ];
        (prop::sample::select(vec!["", "", "-", "+"]), digits, powers).prop_map(|(sign, digits, power)| {
            // What is written for a number may have an exponent already.
            if digits.contains('e') {
                format!("{sign}{digits}")
            } else {
                format!("{sign}{digits}{power}")
            }
        })
    }

    #[test]
    fn what_a_number_writes_is_told_from_what_it_does_not() {
        for text in [
            "0",
            "-0",
            "0.1",
            "1e2",
            "100.00",
            "-3.4482758620689653",
            "5e-324",
            "9007199254740992",
            "0e999999",
        ] {
            assert!(Nearest::to(text).unwrap().is_written(), "{text}");
        }
        for (text, order) in [
            ("9007199254740993", Some(Ordering::Greater)),
            ("0.1000000000000000055511151231257827", Some(Ordering::Greater)),
            ("0.30000000000000002", Some(Ordering::Less)),
            ("-1e-400", Some(Ordering::Less)),
            ("3e-324", Some(Ordering::Less)),
            ("1e400", None),
            ("-1e400", None),
        ] {
            let nearest = Nearest::to(text).unwrap();
            assert_eq!(nearest.to_written, order, "{text} {}", nearest.number);
            assert!(!nearest.is_written());
        }
        for text in ["inf", "NaN", "1e99999999999", "1e-99999999999", "", "x"] {
            assert!(Nearest::to(text).is_none(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_096, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nearest_numbers_are_in_the_order_of_decimals(a in awkward(), b in awkward()) {
            let (one, other) = (Decimal::parse(&a), Decimal::parse(&b));
            prop_assert_eq!(one.is_some(), Nearest::to(&a).is_some(), "{}", &a);
            if let (Some(one), Some(other), Some(near), Some(far)) = (one, other, Nearest::to(&a), Nearest::to(&b)) {
                let numbers = near.number.total_cmp(&far.number);
                let order = one.compare(&other);
                // Zeros of both signs are one number.
                if near.number != far.number {
                    prop_assert_eq!(order, numbers, "{} {}", &a, &b);
                } else if near.is_written() && far.is_written() {
                    prop_assert_eq!(order, Ordering::Equal, "{} {}", &a, &b);
                } else if near.is_written() && let Some(far) = far.to_written {
                    prop_assert_eq!(order, far.reverse(), "{} {}", &a, &b);
                }
            }
        }

        #[test]
        fn comparing_agrees_with_integers(a in -1000_i64..1000, b in -1000_i64..1000, shift in 0_usize..4) {
            let text = |n: i64| format!("{n}{}e-{shift}", "0".repeat(shift));
            prop_assert_eq!(compare(&text(a), &text(b)), a.cmp(&b));
        }
    }
}
