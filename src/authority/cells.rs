//! How names, identifiers and offices are written in one cell of a table: several with `|` between.
//!
//! A name is `name`, `name@language`, `name[from/to]` or `name@language[from/to]`; an office `office@country[from/to]`; an identifier
//! `scheme:code`. The files of the project and the tables that users import are written alike.

use super::{Identifier, Name, Office, Validity, bounds};
use crate::derive::{Scheme, countries};
use crate::record::validate::Check;

/// The names of a cell.
///
/// # Errors
/// What is wrong with one, and how it is written.
pub fn names(cell: &str) -> Result<Vec<Name>, String> {
    parts(cell)
        .map(|part| {
            let (rest, validity) = with_validity(part)?;
            let (text, language) = rest.rsplit_once('@').unwrap_or((rest, ""));
            check(Check::Language, language, part)?;
            match text.trim() {
                "" => Err(format!(
                    "`{part}` has no name; write it as name@language[from/to]"
                )),
                text => {
                    bounds::of_text(text).map_err(|problem| format!("in `{part}`, {problem}"))?;
                    Ok(Name::new(text, language.trim(), validity))
                }
            }
        })
        .collect()
}

/// The identifiers of a cell.
///
/// # Errors
/// As [`names`].
pub fn identifiers(cell: &str) -> Result<Vec<Identifier>, String> {
    parts(cell)
        .map(|part| match part.split_once(':') {
            Some((scheme, code)) if !scheme.trim().is_empty() && !code.trim().is_empty() => {
                check(Check::Word, scheme.trim(), part)?;
                bounds::of_text(code.trim()).map_err(|problem| format!("in `{part}`, {problem}"))?;
                Ok(Identifier::new(scheme.trim(), code.trim()))
            }
            _ => Err(format!(
                "`{part}` is no identifier; write it as scheme:code, as wikidata:Q1065"
            )),
        })
        .collect()
}

/// The offices of a cell.
///
/// # Errors
/// As [`names`].
pub fn offices(cell: &str) -> Result<Vec<Office>, String> {
    parts(cell)
        .map(|part| {
            let (rest, validity) = with_validity(part)?;
            let (office, country) = rest.rsplit_once('@').unwrap_or((rest, ""));
            let (office, country) = (office.trim(), country.trim());
            if office.is_empty() {
                return Err(format!(
                    "`{part}` has no office; write it as office@country[from/to]"
                ));
            }
            if !country.is_empty() && countries().from_code(Scheme::Iso3.name(), country).is_none() {
                return Err(format!(
                    "`{part}` has the country `{country}`, which is none; write its three letters, as Prime Minister@PAK"
                ));
            }
            Ok(Office {
                office: office.to_owned(),
                country: country.to_ascii_uppercase(),
                validity,
            })
        })
        .collect()
}

/// The texts between the bars, without spaces around them; empty ones are none.
pub fn parts(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('|').map(str::trim).filter(|part| !part.is_empty())
}

/// What stands before `[from/to]`, and these two.
fn with_validity(part: &str) -> Result<(&str, Validity), String> {
    let Some(inside) = part.strip_suffix(']') else {
        return Ok((part, Validity::default()));
    };
    let wrong = || {
        format!("`{part}` does not end as [from/to]; write dates in EDTF, as [2018-08/2022-04] or [2018/]")
    };
    let (rest, dates) = inside.rsplit_once('[').ok_or_else(wrong)?;
    let (from, to) = dates.split_once('/').ok_or_else(wrong)?;
    let date = |text: &str| match text.trim() {
        "" | ".." => Ok(String::new()),
        text if Check::Edtf.run(text).is_ok() => Ok(text.to_owned()),
        text => Err(format!(
            "in `{part}`, `{text}` is not a date; write dates in EDTF, as [2018-08/2022-04] or [2018/]"
        )),
    };
    let (from, to) = (date(from)?, date(to)?);
    bounds::of_days(&from, &to).map_err(|problem| format!("in `{part}`, {problem}"))?;
    Ok((rest.trim_end(), Validity { from, to }))
}

fn check(check: Check, text: &str, part: &str) -> Result<(), String> {
    let checked = check.run(text.trim());
    checked.map_err(|error| format!("in `{part}`, {error}"))
}
