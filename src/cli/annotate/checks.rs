//! What a person who annotates hardly means, though a record may have it: codes that the tables do not know, and nobody and nowhere.
//!
//! A source's own words are kept as they stand, whatever they are. An annotation is written by hand, so that a slip of the hand can be
//! told at once.

use crate::authority::bounds;
use crate::derive::{Scheme, countries, types};
use crate::record::codec::{Content, Country};

/// The first such thing: its path, and what is wrong with it.
pub fn first_slip(content: &Content) -> Option<(String, String)> {
    of_types(content)
        .or_else(|| of_participants(content))
        .or_else(|| of_places(content))
}

fn of_types(content: &Content) -> Option<(String, String)> {
    let mut all = content.types.iter().enumerate();
    all.find_map(|(at, one)| {
        let is_slip = one.scheme == "cameo" && types().cameo(&one.code).is_none();
        is_slip.then(|| {
            let problem = format!(
                "`{}` is no code of CAMEO; write one with its zeros, as 040, or another scheme, as own:{}",
                one.code, one.code
            );
            (format!("types[{at}]"), problem)
        })
    })
}

fn of_participants(content: &Content) -> Option<(String, String)> {
    let mut all = content.participants.iter().enumerate();
    all.find_map(|(at, one)| {
        let path = format!("participants[{at}]");
        if is_nothing(&one.name) {
            let problem = "nobody is named; write NAME | OFFICE | COUNTRIES | KIND, with the office as NAME where only that is known";
            return Some((path, problem.to_owned()));
        }
        one.countries.iter().find_map(of_country).map(|problem| (path, problem))
    })
}

fn of_places(content: &Content) -> Option<(String, String)> {
    let mut all = content.places.iter().enumerate();
    all.find_map(|(at, one)| {
        let path = format!("places[{at}]");
        if is_nothing(&one.name) {
            let problem = "no place is named; write NAME | COUNTRY, as France | FRA";
            return Some((path, problem.to_owned()));
        }
        one.country
            .as_ref()
            .and_then(of_country)
            .map(|problem| (path, problem))
    })
}

/// Whether a name has nothing that anybody could look for.
fn is_nothing(name: &str) -> bool {
    name.is_empty() || bounds::of_text(name).is_err()
}

/// What is wrong with a country in a scheme that the tables have; in another one nobody can say.
fn of_country(country: &Country) -> Option<String> {
    let (scheme, code) = (country.scheme.as_str(), country.code.as_str());
    let is_known = countries().from_code(scheme, code).is_some()
        || scheme == Scheme::Cameo.name() && countries().not_a_country(code).is_some();
    let is_of_tables = Scheme::ALL.iter().any(|known| known.name() == scheme);
    (is_of_tables && !is_known).then(|| {
        format!("`{code}` is no country in `{scheme}`; write ISO alpha-3, as PAK, or a scheme before it, as fips:PK")
    })
}
