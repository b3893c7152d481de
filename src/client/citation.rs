//! The citation id: one token that says of which archive, as of which position, under which root and with how many entries a
//! question was answered.
//!
//! ```text
//! chancery:1:chancery.local/898db84e16f7df6d:502:fe6f3e938e12871585e34ed228139140:2:2026-1/1:dyad.=.IRN-PAK
//!         form  origin                  position  beginning of the root  entries  derivation  filter
//! ```
//!
//! The derivation is the version of the tables, a slash, and the version of the rules. An id of before there were versions of
//! rules has no slash there: by which rules it was answered is unknown. Who knows none takes both for a version of tables that
//! is not his, which is right.
//!
//! It is printed in papers and typed into shells, so that it holds nothing that a shell, a URL, TeX or BibTeX would read as its
//! own: letters, digits and `- . / : = ,`. In a filter a space is written `.`; what has no character of its own is `,` and two
//! hexadecimal digits for each byte. Of two hyphens in a row the second is `,2D`, since TeX would make one dash of them. The
//! empty filter is `-`.
//!
//! One id has one text: whatever differs from the text that would be written is refused. Pure; it asks no archive.

use crate::record::Hash;
use std::fmt::{self, Write as _};
use std::num::NonZeroU32;
use std::str::FromStr;

/// What every id of this form begins with.
const FORM: &str = "chancery:1:";
/// The fewest digits of a root that tell archives apart.
const ROOT_DIGITS_MIN: usize = 16;
/// The digits of a root that are written: none can be made to fit with any effort.
const ROOT_DIGITS: usize = 32;
/// The digits of a whole root.
const ROOT_DIGITS_MAX: usize = 64;
/// The parts after the form.
const PARTS: [&str; 6] = [
    "origin",
    "position",
    "root",
    "count",
    "version of tables and rules",
    "filter",
];
/// The most bytes of a text in a message.
const SHOWN_CHARS: usize = 80;

/// A fixed answer of one archive, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CitationId {
    /// The archive's name.
    pub origin: String,
    /// The answer is as of this position.
    pub position: u64,
    /// The first hexadecimal digits of the root of the tree over the records below it.
    root: String,
    /// How many entries the answer had.
    pub count: u64,
    /// By what it was answered.
    pub derivation: Derivation,
    /// The filter, in its canonical form; empty for every entry.
    pub filter: String,
}

/// By what values were derived: an answer by others may be another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation {
    /// The version of the tables of countries and types.
    pub tables: String,
    /// The version of the rules in the program; `None` where it is unknown.
    pub rules: Option<NonZeroU32>,
}

impl Derivation {
    /// What an id has of it, read back.
    fn read(text: &str) -> Option<Self> {
        let (tables, rules) = match text.split_once('/') {
            None => (text, None),
            Some((tables, rules)) => {
                let number: NonZeroU32 = rules.parse().ok()?;
                (tables, Some(number).filter(|number| number.to_string() == rules))
            }
        };
        let read = Self {
            tables: tables.to_owned(),
            rules,
        };
        (!tables.is_empty() && read.written() == text).then_some(read)
    }

    /// What an id has of it.
    fn written(&self) -> String {
        match self.rules {
            Some(rules) => format!("{}/{rules}", self.tables),
            None => self.tables.clone(),
        }
    }
}

/// For people: `tables 2026-1, rules 1`.
impl fmt::Display for Derivation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "tables {}, rules ", self.tables)?;
        match self.rules {
            Some(rules) => write!(out, "{rules}"),
            None => out.write_str("unknown"),
        }
    }
}

/// Text that is no citation id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CitationError {
    /// It is of another form.
    #[error("`{0}` is no citation id; one begins with `chancery:1:`, as `chancery cite` prints it")]
    Form(String),
    /// A part is missing.
    #[error("the citation id ends before its {0}; was it copied whole?")]
    Cut(&'static str),
    /// A part is not what stands there.
    #[error("the {part} of the citation id is `{found}`, expected {expected}; was it copied whole?")]
    Part {
        /// Which part.
        part: &'static str,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
}

impl CitationId {
    /// The id of an answer. `None` where the origin or the version of the tables is empty, that has a slash, or the filter begins or
    /// ends with a space: no archive answers so.
    pub fn new(
        origin: &str,
        position: u64,
        root: &Hash,
        count: u64,
        derivation: Derivation,
        filter: &str,
    ) -> Option<Self> {
        let tables = &derivation.tables;
        if origin.is_empty() || tables.is_empty() || tables.contains('/') || filter.trim() != filter {
            return None;
        }
        let mut root = hex::encode(root);
        root.truncate(ROOT_DIGITS);
        Some(Self {
            origin: origin.to_owned(),
            position,
            root,
            count,
            derivation,
            filter: filter.to_owned(),
        })
    }

    /// The first digits of the root, lower-case hexadecimal.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Whether a root begins as the cited one.
    pub fn agrees(&self, root: &Hash) -> bool {
        hex::encode(root).starts_with(&self.root)
    }
}

impl fmt::Display for CitationId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No colon is among the characters that stand for themselves: it divides the parts.
        let origin = written(&self.origin, ".");
        let derivation = written(&self.derivation.written(), ".");
        let (position, root, count) = (self.position, &self.root, self.count);
        let filter = written_filter(&self.filter);
        write!(
            out,
            "{FORM}{origin}:{position}:{root}:{count}:{derivation}:{filter}"
        )
    }
}

impl FromStr for CitationId {
    type Err = CitationError;

    fn from_str(text: &str) -> Result<Self, CitationError> {
        let rest = text
            .strip_prefix(FORM)
            .ok_or_else(|| CitationError::Form(shown(text)))?;
        let mut parts = rest.splitn(PARTS.len(), ':');
        let mut next = |part: &'static str| match parts.next() {
            Some("") | None => Err(CitationError::Cut(part)),
            Some(found) => Ok(found),
        };
        let [origin, position, root, count, derivation, filter] = PARTS;
        let wrong = |part, found: &str, expected| CitationError::Part {
            part,
            found: shown(found),
            expected,
        };
        let name = |part, found: &str| {
            let expected = "letters, digits, `- . /`, and other bytes as `,` and two digits";
            read(found, ".").ok_or_else(|| wrong(part, found, expected))
        };
        let number = |part, found: &str| {
            let number = found.parse::<u64>().ok();
            let number = number.filter(|number| number.to_string() == found);
            number.ok_or_else(|| wrong(part, found, "a number without leading zeros"))
        };
        let id = Self {
            origin: name(origin, next(origin)?)?,
            position: number(position, next(position)?)?,
            root: {
                let found = next(root)?;
                let is_root = (ROOT_DIGITS_MIN..=ROOT_DIGITS_MAX).contains(&found.len())
                    && found
                        .bytes()
                        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                if !is_root {
                    return Err(wrong(root, found, "16 to 64 lower-case hexadecimal digits"));
                }
                found.to_owned()
            },
            count: number(count, next(count)?)?,
            derivation: {
                let found = next(derivation)?;
                let expected = "a version of tables, and behind a slash one of rules, from 1";
                let text = name(derivation, found)?;
                Derivation::read(&text).ok_or_else(|| wrong(derivation, found, expected))?
            },
            filter: {
                let found = next(filter)?;
                let expected = "a filter as `chancery cite` writes it";
                read_filter(found).ok_or_else(|| wrong(filter, found, expected))?
            },
        };
        Ok(id)
    }
}

/// A text without what others would read as their own; `also` are the characters that stand for themselves besides letters,
/// digits, `-` and `/`.
fn written(text: &str, also: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let is_plain = c.is_ascii_alphanumeric() || c == '/' || also.contains(c);
        if is_plain || c == '-' && !out.ends_with('-') {
            out.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                // A String takes whatever is written.
                let _ = write!(out, ",{byte:02X}");
            }
        }
    }
    out
}

/// What [`written`] wrote, and nothing else.
fn read(text: &str, also: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b',' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    let found = String::from_utf8(bytes).ok()?;
    (written(&found, also) == text).then_some(found)
}

fn written_filter(filter: &str) -> String {
    match filter {
        "" => "-".to_owned(),
        // The hyphen alone is taken.
        "-" => ",2D".to_owned(),
        filter => {
            // No space is among the characters that stand for themselves, and no point either.
            written(filter, ":=").replace(",20", ".")
        }
    }
}

fn read_filter(text: &str) -> Option<String> {
    let filter = match text {
        "-" => String::new(),
        ",2D" => "-".to_owned(),
        text => read(&text.replace('.', ",20"), ":=")?,
    };
    let is_trimmed = filter.trim() == filter;
    (is_trimmed && written_filter(&filter) == text).then_some(filter)
}

/// Text for a message: not all of something long.
fn shown(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn derivation(tables: &str, rules: u32) -> Derivation {
        Derivation {
            tables: tables.to_owned(),
            rules: NonZeroU32::new(rules),
        }
    }

    fn id(origin: &str, filter: &str) -> CitationId {
        CitationId::new(origin, 502, &[0xfe; 32], 2, derivation("2026-1", 1), filter).unwrap()
    }

    #[test]
    fn an_id_from_before_there_were_versions_of_rules_is_read_and_written_as_it_was() {
        let text = "chancery:1:a:5:fe6f3e938e128715:2:2026-1:x";
        let old: CitationId = text.parse().unwrap();
        assert_eq!(old.derivation, derivation("2026-1", 0));
        assert_eq!(old.derivation.to_string(), "tables 2026-1, rules unknown");
        assert_eq!(old.to_string(), text);
        let new: CitationId = text.replace("2026-1", "2026-1/12").parse().unwrap();
        assert_eq!(new.derivation, derivation("2026-1", 12));
        assert_eq!(new.derivation.to_string(), "tables 2026-1, rules 12");
    }

    #[test]
    fn an_id_can_still_be_read_by_a_person() {
        let check = |filter, end: &str| {
            let text = id("chancery.local/898db84e16f7df6d", filter).to_string();
            let begin =
                "chancery:1:chancery.local/898db84e16f7df6d:502:fefefefefefefefefefefefefefefefe:2:2026-1/1:";
            assert_eq!(text, format!("{begin}{end}"));
            assert_eq!(text.parse::<CitationId>().unwrap().filter, filter);
        };
        check("", "-");
        check("-", ",2D");
        check("dyad = IRN-PAK", "dyad.=.IRN-PAK");
        check(
            "type = cameo:04* AND occurred >= 2021",
            "type.=.cameo:04,2A.AND.occurred.,3E=.2021",
        );
        check("source.country = PAK", "source,2Ecountry.=.PAK");
        check(
            r#"title : "100% {x} \\ a_b & ü""#,
            "title.:.,22100,25.,7Bx,7D.,5C,5C.a,5Fb.,26.,C3,BC,22",
        );
        check("key = a--b---c", "key.=.a-,2Db-,2D-c");
        check("a,20b", "a,2C20b");
        assert_eq!(
            id("example.org:80/ä", "x").to_string().split(':').nth(2),
            Some("example.org,3A80/,C3,A4")
        );
    }

    #[test]
    fn a_bad_id_is_refused_with_what_is_wrong() {
        let root = "fe6f3e938e128715";
        let check = |text: &str, says: &str| {
            let said = text.parse::<CitationId>().unwrap_err().to_string();
            assert!(said.contains(says), "{text}: {said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        };
        assert!(
            format!("chancery:1:a:5:{root}:2:2026-1:x")
                .parse::<CitationId>()
                .is_ok()
        );
        for text in ["", "x", "chancery:2:a:5:0:0:0:x", "\n"] {
            check(text, "is no citation id; one begins with `chancery:1:`");
        }
        check("chancery:1:", "ends before its origin");
        check("chancery:1:a:5", "ends before its root");
        check(
            &format!("chancery:1:a:5:{root}:2:2026-1"),
            "ends before its filter",
        );
        check(
            &format!("chancery:1:a:5:{root}:2:2026-1:"),
            "ends before its filter",
        );
        for number in ["05", "+5", "5x", "18446744073709551616"] {
            check(
                &format!("chancery:1:a:{number}:{root}:2:2026-1:x"),
                &format!("the position of the citation id is `{number}`, expected a number"),
            );
        }
        for version in ["2026-1/", "2026-1/0", "2026-1/01", "2026-1/x", "2026-1/1/2", "/1"] {
            check(
                &format!("chancery:1:a:5:{root}:2:{version}:x"),
                &format!("the version of tables and rules of the citation id is `{version}`, expected"),
            );
        }
        for short in ["fe6f3e938e12871", "FE6F3E938E128715", "fe6f3e938e12871g"] {
            check(
                &format!("chancery:1:a:5:{short}:2:2026-1:x"),
                "16 to 64 lower-case",
            );
        }
        for filter in [
            "a b", "a,2", "a,zz", "a,2d", "a,41", "a,20b", "a--b", "a,ff", ".a", "a.", "a_b", "a,FF", "--",
        ] {
            check(
                &format!("chancery:1:a:5:{root}:2:2026-1:{filter}"),
                "the filter of the citation id is",
            );
        }
        let long = format!("chancery:1:a:5:{}:2:2026-1:x", "z".repeat(9_000));
        check(&long, "…");
        assert!(long.parse::<CitationId>().unwrap_err().to_string().len() < 300);
    }

    #[test]
    fn a_root_agrees_by_its_beginning() {
        let cited = id("a", "x");
        assert!(cited.agrees(&[0xfe; 32]));
        assert_eq!(cited.root().len(), ROOT_DIGITS);
        let mut other = [0xfe; 32];
        other[31] = 0;
        assert!(cited.agrees(&other), "only the beginning is in it");
        other[0] = 0;
        assert!(!cited.agrees(&other));
    }

    proptest! {
        #[test]
        fn every_id_comes_back_from_a_text_that_nothing_reads_as_its_own(
            origin in "[^\\s\\p{Cc}+]{1,40}",
            position: u64,
            root: [u8; 32],
            count: u64,
            tables in "[0-9]{4}-[0-9]",
            rules in 0..3_u32,
            filter in "\\PC{0,80}",
        ) {
            let made = CitationId::new(&origin, position, &root, count, derivation(&tables, rules), filter.trim()).unwrap();
            let text = made.to_string();
            prop_assert_eq!(text.parse::<CitationId>(), Ok(made));
            let safe = |c: char| c.is_ascii_alphanumeric() || "-./:=,".contains(c);
            prop_assert!(text.chars().all(safe), "{}", text);
            prop_assert!(!text.contains("--") && !text.contains(",,"), "{}", text);
        }

        #[test]
        fn whatever_is_taken_is_written_again_as_it_was(text in "chancery:1:[a-c.,/:=0-9A-F-]{0,60}") {
            if let Ok(id) = text.parse::<CitationId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
