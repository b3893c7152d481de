//! Numbers as they are written on the command line: what is none is told what is one.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A position.
///
/// # Errors
/// What a position is.
pub fn position(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| {
        format!(
            "a position is a whole number, 0 to {}; `chancery status` shows the tail, which is behind the last",
            u64::MAX
        )
    })
}

/// Reads numbers within bounds.
pub fn within<T>(bounds: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr + PartialOrd + Display + Clone,
{
    move |text| {
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        number.ok_or_else(|| {
            format!(
                "allowed is a whole number from {} to {}",
                bounds.start(),
                bounds.end()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_within_its_bounds() {
        let read = within(1..=10_u32);
        assert_eq!((read("1"), read("10")), (Ok(1), Ok(10)));
        for bad in ["0", "11", "-1", "x", "", "99999999999999999999"] {
            assert_eq!(
                read(bad),
                Err("allowed is a whole number from 1 to 10".to_owned())
            );
        }
        assert_eq!(position("18446744073709551615"), Ok(u64::MAX));
        for bad in ["-1", "x", "18446744073709551616"] {
            assert!(position(bad).unwrap_err().contains("0 to 18446744073709551615"));
        }
    }
}
