//! What the texts of a record must look like beyond being texts: dates, decimals, names of schemes and so on.
//!
//! `check_of` says which field needs which check; [`super::codec::check_payload`] runs them in its one walk over
//! the bytes, so that a usual event is checked without allocating. Absent and empty texts are always fine: what a
//! source leaves out is left out.

use super::{date, name};
use std::fmt;

/// What a text must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Anything.
    Free,
    /// EDTF, levels 0 to 2.
    Edtf,
    /// A time of day: `14:30` or `14:30:00`.
    Time,
    /// An offset from UTC: `+05:00` or `Z`.
    Offset,
    /// RFC 3339 with a zone.
    Moment,
    /// A decimal number as text.
    Decimal,
    /// A decimal number from -90 to 90.
    Latitude,
    /// A decimal number from -180 to 180.
    Longitude,
    /// The name of a scheme or a measure: lower-case letters, digits, hyphens.
    Word,
    /// A BCP 47 tag, by its characters only.
    Language,
    /// The name of a series.
    Series,
    /// The key of an entry.
    Key,
    /// Lower-case hex SHA-256.
    Digest,
}

/// The check of a field of `record.proto`, by the names of message and field.
pub(super) fn check_of(message: &str, field: &str) -> Check {
    match (message, field) {
        ("Date", "edtf") | ("Report", "published") | ("Name" | "Office", "from" | "to") => Check::Edtf,
        ("Date", "time") => Check::Time,
        ("Date", "offset") => Check::Offset,
        ("Provenance", "retrieved") => Check::Moment,
        ("Measure", "value") | ("Report", "confidence") => Check::Decimal,
        ("Place", "latitude") => Check::Latitude,
        ("Place", "longitude") => Check::Longitude,
        ("Code" | "Country" | "TypeCode" | "Topic", "scheme") | ("Measure", "name") => Check::Word,
        ("Content" | "Text" | "Name", "language") => Check::Language,
        ("Relation", "series") => Check::Series,
        ("Relation", "key") => Check::Key,
        ("Attachment", "sha256") => Check::Digest,
        _ => Check::Free,
    }
}

/// Whether a message says nothing without this field.
pub(super) fn is_required(message: &str, field: &str) -> bool {
    matches!(
        (message, field),
        ("Relation", "type" | "series" | "key")
            | ("Measure", "name")
            | ("Attachment", "name" | "sha256")
            | ("Extra", "name")
            | ("Office", "office")
    )
}

/// A text that is not what its field needs: the text, what is wrong, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextError {
    text: String,
    problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    Date(date::DateError),
    Not {
        what: &'static str,
        remedy: &'static str,
    },
    Name(name::NameError),
}

impl fmt::Display for TextError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        match &self.problem {
            Problem::Date(error) => write!(
                out,
                "`{text}` is not a date: {} (at byte {}); write EDTF, such as 2021-10-13, 1939-05~ or 1939, and keep \
                 the source's own words in `stated`",
                error.problem, error.at
            ),
            Problem::Not { what, remedy } => write!(out, "`{text}` is not {what}; {remedy}"),
            Problem::Name(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for TextError {}

impl Check {
    /// Checks a text. The empty text, which is the absent one, always passes.
    ///
    /// # Errors
    /// What the text is not, and what to write instead.
    #[inline]
    pub fn run(self, text: &str) -> Result<(), TextError> {
        if self == Self::Free || text.is_empty() {
            return Ok(());
        }
        self.judge(text).map_err(|problem| TextError {
            text: shown(text),
            problem,
        })
    }

    /// The short way, for the usual texts: whether these bytes certainly pass. They are ASCII then. What this does not
    /// accept may still pass [`Check::run`].
    #[inline]
    pub(super) fn accepts(self, text: &[u8]) -> bool {
        match self {
            Self::Free => text.is_ascii(),
            Self::Edtf => date::is_plain(text),
            Self::Word => is_word(text),
            Self::Decimal => is_decimal(text),
            Self::Latitude => is_small_decimal(text, 1),
            Self::Longitude => is_small_decimal(text, 2),
            _ => false,
        }
    }

    fn judge(self, text: &str) -> Result<(), Problem> {
        let bytes = text.as_bytes();
        let passes = match self {
            Self::Free => true,
            Self::Edtf => return date::check(text).map_err(Problem::Date),
            Self::Series => return name::check_series(text).map_err(Problem::Name),
            Self::Key => return name::check_key(text).map_err(Problem::Name),
            Self::Time => is_time(bytes),
            Self::Offset => is_offset(bytes),
            Self::Moment => text.parse::<jiff::Timestamp>().is_ok(),
            Self::Decimal => is_decimal(bytes),
            Self::Latitude => is_within(text, 90.0),
            Self::Longitude => is_within(text, 180.0),
            Self::Word => is_word(bytes),
            Self::Language => {
                bytes.len() <= 64
                    && bytes
                        .iter()
                        .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            }
            Self::Digest => {
                bytes.len() == 64 && bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            }
        };
        if passes { Ok(()) } else { Err(self.refusal()) }
    }

    fn refusal(self) -> Problem {
        let (what, remedy) = match self {
            Self::Time => ("a time of day", "write 14:30 or 14:30:00"),
            Self::Offset => ("an offset from UTC", "write +05:00, -03:30 or Z"),
            Self::Moment => ("a time", "write RFC 3339 with a zone, as 2026-11-23T10:00:00Z"),
            Self::Latitude => (
                "a latitude",
                "write degrees north from -90 to 90 as a decimal number",
            ),
            Self::Longitude => (
                "a longitude",
                "write degrees east from -180 to 180 as a decimal number",
            ),
            Self::Word => (
                "a name of 1 to 63 lower-case letters, digits and hyphens",
                "write it as cameo, iso3 or fatalities-best",
            ),
            Self::Language => ("a language", "write a BCP 47 tag, as en, fa or zh-Hant"),
            Self::Digest => ("a SHA-256 digest", "write 64 lower-case hexadecimal digits"),
            Self::Free | Self::Edtf | Self::Series | Self::Key | Self::Decimal => (
                "a decimal number",
                "write digits as stated, as -2.5; keep other words in `extra`",
            ),
        };
        Problem::Not { what, remedy }
    }
}

/// Lower-case letters, digits, hyphens.
fn is_word(text: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 63
        && text.first().is_some_and(plain)
        && text.iter().all(|byte| plain(byte) || *byte == b'-')
}

/// Digits, at most one point, a sign before them, an exponent after them: `-2.5`, `4.4e-16`.
fn is_decimal(text: &[u8]) -> bool {
    let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    is_plain_decimal(without_sign(mantissa)) && exponent.is_none_or(|digits| is_digits(without_sign(digits)))
}

fn without_sign(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"-")
        .or_else(|| text.strip_prefix(b"+"))
        .unwrap_or(text)
}

fn is_plain_decimal(text: &[u8]) -> bool {
    let mut digits = 0;
    let mut points = 0;
    for byte in text {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'.' => points += 1,
            _ => return false,
        }
    }
    digits > 0 && points <= 1
}

/// A decimal without an exponent and with at most so many digits before its point, or a first digit below 9 and one
/// more: within the degrees of a latitude for 1 and of a longitude for 2.
fn is_small_decimal(text: &[u8], digits: usize) -> bool {
    let text = without_sign(text);
    let whole = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let below = whole == digits + 1 && digits == 1 && text[0] < b'9';
    (whole <= digits || below) && is_plain_decimal(text)
}

fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

fn is_within(text: &str, limit: f64) -> bool {
    is_decimal(text.as_bytes()) && text.parse().is_ok_and(|degrees: f64| degrees.abs() <= limit)
}

fn two_digits(text: &[u8]) -> Option<u8> {
    match text {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some((tens - b'0') * 10 + (ones - b'0')),
        _ => None,
    }
}

/// `HH:MM` or `HH:MM:SS`; 60 seconds are a leap second.
fn is_time(text: &[u8]) -> bool {
    let below = |text: &[u8], limit| two_digits(text).is_some_and(|number| number < limit);
    match text {
        [hour @ .., b':', m1, m2] if hour.len() == 2 => below(hour, 24) && below(&[*m1, *m2], 60),
        [hour_minute @ .., b':', s1, s2] if hour_minute.len() == 5 => {
            is_time(hour_minute) && below(&[*s1, *s2], 61)
        }
        _ => false,
    }
}

fn is_offset(text: &[u8]) -> bool {
    match text {
        b"Z" => true,
        [b'+' | b'-', time @ ..] => time.len() == 5 && is_time(time),
        _ => false,
    }
}

/// At most 80 characters of a text, escaped, for a message.
pub(super) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::codec::shape::Shape;

    fn check(check: Check, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(check.run(text).is_ok(), "{check:?} must accept {text}");
        }
        for text in bad {
            let error = check.run(text).expect_err(text).to_string();
            assert!(
                error.contains(text) && error.contains(';'),
                "value and remedy: {error}"
            );
        }
    }

    #[test]
    fn each_check_takes_what_it_should_and_says_what_to_write() {
        check(
            Check::Edtf,
            &["", "2021-10-13", "1939-05~", "1939-05-23/1939-08-31"],
            &["2021-02-30", "13.10.2021"],
        );
        check(
            Check::Time,
            &["14:30", "14:30:00", "23:59:60"],
            &["24:00", "1430", "14:3", "14:30:61", "ab:cd"],
        );
        check(
            Check::Offset,
            &["Z", "+05:00", "-03:30"],
            &["5", "+5:00", "+25:00", "+05:00:00"],
        );
        check(
            Check::Moment,
            &["2026-11-23T10:00:00Z", "2026-11-23T10:00:00.5+05:00"],
            &["2026-11-23"],
        );
        check(
            Check::Decimal,
            &["1.0", "-2", "+0.50", ".5", "4.4e-16"],
            &["1,5", "NaN", "-", "1e", "1.2.3", "five"],
        );
        check(Check::Latitude, &["33.6", "-90", "90.0"], &["90.1", "N33"]);
        check(Check::Longitude, &["180", "-180.0"], &["180.5", "73E"]);
        check(Check::Word, &["iso3", "fatalities-best"], &["ISO3", "a b", "-a"]);
        check(
            Check::Language,
            &["en", "zh-Hant", "en-GB"],
            &["english language"],
        );
        check(Check::Series, &["desk"], &["Desk"]);
        check(Check::Digest, &[&"0a".repeat(32)], &["0A", "ab"]);
    }

    #[test]
    fn the_short_way_accepts_nothing_that_is_refused() {
        let texts = [
            "",
            "0",
            "-8.9",
            "89.9",
            "90.0",
            "90.1",
            "99",
            "+7",
            "179.9",
            "180.1",
            "1e9",
            ".5",
            ".",
            "2021-10-13",
            "2021-02-30",
            "iso3",
            "ISO3",
            "Ankara",
            "é",
            "9999-99",
        ];
        for check in [
            Check::Free,
            Check::Edtf,
            Check::Word,
            Check::Decimal,
            Check::Latitude,
            Check::Longitude,
            Check::Time,
        ] {
            for text in texts.into_iter().filter(|text| check.accepts(text.as_bytes())) {
                assert!(check.run(text).is_ok() && text.is_ascii(), "{check:?} {text}");
            }
        }
    }

    #[test]
    fn an_impossible_date_is_named_with_its_remedy() {
        let error = Check::Edtf.run("2021-02-30").unwrap_err().to_string();
        assert!(error.starts_with("`2021-02-30` is not a date: "), "{error}");
        assert!(error.contains("write EDTF, such as 2021-10-13"), "{error}");
    }

    #[test]
    fn every_field_named_here_exists() {
        let shape = Shape::get();
        let checked = |message: &str| {
            let fields = &shape.message_named(message).unwrap().fields;
            fields.iter().filter(|field| field.check != Check::Free).count()
        };
        let counts: Vec<usize> = [
            "Date",
            "Report",
            "Name",
            "Provenance",
            "Measure",
            "Place",
            "Code",
            "Country",
            "TypeCode",
            "Topic",
            "Content",
            "Text",
            "Relation",
            "Attachment",
            "Office",
        ]
        .into_iter()
        .map(checked)
        .collect();
        assert_eq!(counts, [3, 2, 3, 1, 2, 2, 1, 1, 1, 1, 1, 1, 2, 1, 2]);
        let required = |message: &str| shape.message_named(message).unwrap().required.count_ones();
        assert_eq!(
            ["Relation", "Measure", "Attachment", "Extra", "Office"].map(required),
            [3, 1, 2, 1, 1]
        );
    }
}
