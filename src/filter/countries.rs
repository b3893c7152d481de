//! Countries and pairs as they are written in filters.
//!
//! What a code or a name means is [`crate::derive`]'s to say; this file says what is wrong with one that means nothing.

use super::field::Field;
use super::scan::{Op, Value};
use super::tree::Test;
use super::value::{Read, Wrong, only_equal, whole};
use crate::derive::{Countries, Iso3, Scheme, countries, fold};

/// A value as a country.
pub(super) fn country(value: &Value) -> Read<Iso3> {
    let text = whole(value, "a country")?;
    country_of(text).map_err(|expected| Wrong::value(value, expected))
}

/// A country by ISO alpha-3, by a known name, or as `scheme:code`.
fn country_of(text: &str) -> Result<Iso3, String> {
    let tables = countries();
    if let Some((scheme, code)) = text.split_once(':') {
        return country_in(tables, scheme, code);
    }
    let known = tables.from_code("iso3", text).or_else(|| tables.from_name(text));
    known.ok_or_else(
        || match (tables.ambiguous_bare_code(text), tables.not_a_country(text)) {
            (Some(said), _) => format!("a country: `{text}` is {said}; write `iso2:{text}` or `fips:{text}`"),
            (None, Some(label)) => format!("a country: CAMEO's `{text}` is {label}, which is none"),
            (None, None) => match tables.nearest(text) {
                Some(near) => format!(
                    "a country as ISO alpha-3, a name or scheme:code; did you mean {} ({})?",
                    near.name, near.code
                ),
                None => {
                    "a country as ISO alpha-3 (`PAK`), a name (`\"South Korea\"`) or scheme:code (`fips:RS`)"
                        .to_owned()
                }
            },
        },
    )
}

fn country_in(tables: &Countries, scheme: &str, code: &str) -> Result<Iso3, String> {
    if scheme.is_empty() || Scheme::parse(scheme).is_none() {
        let schemes = Scheme::ALL.map(Scheme::name).join(", ");
        return Err(format!("a scheme of countries: one of {schemes}"));
    }
    tables
        .from_code(scheme, code)
        .ok_or_else(|| match tables.not_a_country(code) {
            Some(label) if matches!(scheme, "cameo" | "gdelt") => {
                format!("a country: `{code}` is {label}, which is none")
            }
            _ => format!("a country of the scheme `{scheme}`"),
        })
}

/// `dyad`: undirected pairs are sorted.
pub(super) fn dyad(op: Op, value: &Value) -> Read<Test> {
    only_equal(&Field::Dyad, op, value)?;
    let expected =
        "two countries as `PAK-IRN` or `\"PAK,IRN\"`, or `PAK>IRN` for the first acting on the second";
    let text = whole(value, expected)?;
    let both = |(a, b): (&str, &str)| Some((country_of(a.trim()).ok()?, country_of(b.trim()).ok()?));
    if let Some(pair) = text.split_once('>') {
        let (first, second) = both(pair).ok_or_else(|| Wrong::value(value, expected))?;
        return Ok(Test::Dyad {
            first,
            second,
            directed: true,
        });
    }
    // Names of countries may hold hyphens too: the first hyphen between two countries counts.
    let hyphens = text
        .match_indices('-')
        .map(|(at, _)| (&text[..at], &text[at + 1..]));
    let pair = text.split_once(',').into_iter().chain(hyphens).find_map(both);
    let (a, b) = pair.ok_or_else(|| Wrong::value(value, expected))?;
    Ok(Test::Dyad {
        first: a.min(b),
        second: a.max(b),
        directed: false,
    })
}

/// `actor_dyad`: folded, undirected pairs sorted.
pub(super) fn actor_dyad(op: Op, value: &Value) -> Read<Test> {
    only_equal(&Field::ActorDyad, op, value)?;
    let expected = "two actors as `\"A,B\"`, or `\"A>B\"` for the first acting on the second";
    let text = fold(whole(value, expected)?);
    let (pair, directed) = match text.split_once('>') {
        Some(pair) => (Some(pair), true),
        None => (text.split_once(','), false),
    };
    let pair = pair.map(|(a, b)| (a.trim().to_owned(), b.trim().to_owned()));
    let pair =
        pair.filter(|(a, b)| !a.is_empty() && !b.is_empty() && !b.contains(['>', ',']) && !a.contains(','));
    let (a, b) = pair.ok_or_else(|| Wrong::value(value, expected))?;
    let (first, second) = if directed || a <= b { (a, b) } else { (b, a) };
    Ok(Test::ActorDyad {
        first,
        second,
        directed,
    })
}
