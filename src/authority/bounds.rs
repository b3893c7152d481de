//! What is said of an actor and cannot be meant: a name by which nobody can be looked for, an end before its beginning.
//!
//! It is refused when it is appended or imported. What was recorded before such a check is read as if it were not said.

use crate::derive::{Scheme, countries, fold};
use crate::record::codec::Content;
use crate::record::date::DaySpan;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}`: {problem}")]
pub struct Unmeant {
    /// The path of the field within the content, such as `names[3].from`.
    pub path: String,
    /// The value, what is wrong with it, and what to write.
    pub problem: String,
}

/// Checks the names, identifiers and offices of a content.
///
/// # Errors
/// The first that cannot be meant.
pub fn check(content: &Content) -> Result<(), Unmeant> {
    let wrong = |path: String| move |problem: String| Unmeant { path, problem };
    for (at, name) in content.names.iter().enumerate() {
        of_text(&name.name).map_err(wrong(format!("names[{at}].name")))?;
        of_days(&name.from, &name.to).map_err(wrong(format!("names[{at}].from")))?;
    }
    for (at, identifier) in content.identifiers.iter().enumerate() {
        of_text(&identifier.code).map_err(wrong(format!("identifiers[{at}].code")))?;
        if identifier.scheme.is_empty() {
            let problem = format!(
                "`{}` has no scheme, without which nobody can be found by it; write both, as wikidata and Q1065",
                identifier.code
            );
            return Err(wrong(format!("identifiers[{at}].scheme"))(problem));
        }
    }
    for (at, office) in content.offices.iter().enumerate() {
        of_days(&office.from, &office.to).map_err(wrong(format!("offices[{at}].from")))?;
        let country = office.country.as_ref();
        let country = country.filter(|country| country.scheme == Scheme::Iso3.name());
        if let Some(country) = country
            && countries().from_code(&country.scheme, &country.code).is_none()
        {
            let problem = format!(
                "`{}` is no country; write its three letters, as PAK, or leave it out",
                country.code
            );
            return Err(wrong(format!("offices[{at}].country"))(problem));
        }
    }
    // An import makes a name of it too, and says so of that.
    of_text(&content.title).map_err(wrong("title".to_owned()))
}

/// Checks a name or a code: something of it must be left when it is folded, or it would be that of everybody. An empty one is not said.
///
/// # Errors
/// What is wrong, and what to write.
pub fn of_text(text: &str) -> Result<(), String> {
    match text.is_empty() || !fold(text).trim().is_empty() {
        true => Ok(()),
        false => {
            let shown: String = text.chars().take(20).flat_map(char::escape_unicode).collect();
            Err(format!(
                "`{shown}` has no letter, digit or sign that is looked for; write it in full, or leave it out"
            ))
        }
    }
}

/// Checks that a beginning does not certainly lie behind its end. Either may be left out.
///
/// # Errors
/// What is wrong, and what to write.
pub fn of_days(from: &str, to: &str) -> Result<(), String> {
    match (DaySpan::of(from), DaySpan::of(to)) {
        (Ok(first), Ok(last)) if first.is_after(&last) => Err(format!(
            "`{from}` is after `to`, which is `{to}`; write the first day in `from` and the last in `to`"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::codec::{Code, Country, Name, Office};

    fn said(content: &Content) -> String {
        check(content).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_path() {
        let name = |text: &str, from: &str, to: &str| Name {
            name: text.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            ..Name::default()
        };
        let names = |names: Vec<Name>| Content {
            names,
            ..Content::default()
        };
        let good = [
            name("Burma", "", "1989-06-18"),
            name("ﷺ", "", ""),
            name("", "2001", "2001"),
            name("b", "1989-06", "1989"),
            name("c", "..", "1900"),
        ];
        assert_eq!(check(&names(good.into())), Ok(()));
        assert_eq!(
            said(&names(vec![name("a", "", ""), name("\u{640}", "", "")])),
            "`names[1].name`: `\\u{640}` has no letter, digit or sign that is looked for; write it in full, or leave it out"
        );
        assert_eq!(
            said(&names(vec![name("a", "2022", "2018-03")])),
            "`names[0].from`: `2022` is after `to`, which is `2018-03`; write the first day in `from` and the last in `to`"
        );
        let offices = Content {
            offices: vec![Office {
                office: "Prime Minister".to_owned(),
                from: "2001-02".to_owned(),
                to: "2001-01-31".to_owned(),
                ..Office::default()
            }],
            ..Content::default()
        };
        assert!(
            said(&offices).starts_with("`offices[0].from`: "),
            "{}",
            said(&offices)
        );
        let nowhere = Content {
            offices: vec![Office {
                office: "President".to_owned(),
                country: Some(Country {
                    scheme: "iso3".to_owned(),
                    code: "QQQ".to_owned(),
                }),
                ..Office::default()
            }],
            ..Content::default()
        };
        assert_eq!(
            said(&nowhere),
            "`offices[0].country`: `QQQ` is no country; write its three letters, as PAK, or leave it out"
        );
        let titled = Content {
            title: "\u{640}".to_owned(),
            ..Content::default()
        };
        assert!(said(&titled).starts_with("`title`: "), "{}", said(&titled));
        let identifiers = Content {
            identifiers: vec![Code {
                scheme: "desk".to_owned(),
                code: " ".to_owned(),
                ..Code::default()
            }],
            ..Content::default()
        };
        assert!(said(&identifiers).starts_with("`identifiers[0].code`: "));
        let bare = Content {
            identifiers: vec![Code {
                code: "XX".to_owned(),
                ..Code::default()
            }],
            ..Content::default()
        };
        assert!(said(&bare).starts_with("`identifiers[0].scheme`: `XX` has no scheme"));
    }
}
