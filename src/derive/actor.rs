//! Which countries a participant and a place stand for.
//!
//! Stated countries first, in whatever scheme; where none of them names a country, the country that an actor
//! code begins with; else the country in the name. Nothing is guessed beyond that.

use super::code::Iso3;
use super::countries::countries;
use crate::record::codec::{Content, DateRole, Participant, Place};
use crate::record::date::{DaySpan, civil_day};

/// How much may be read into a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// Only countries that the record states as such, in any scheme.
    Stated,
    /// Also what follows from actor codes and names.
    Derived,
    /// Also what the text of a document seems to say.
    Suggested,
}

/// When what is told happened: a number of the Correlates of War, for one, meant several countries over the years.
#[derive(Debug, Clone, Copy)]
pub enum When<'c> {
    /// Not said: codes mean what they meant last.
    Unsaid,
    /// On the dates of this content.
    Of(&'c Content),
}

impl When<'_> {
    /// The first year in which it may have happened; else that of any date.
    fn year(self) -> Option<i32> {
        let Self::Of(content) = self else {
            return None;
        };
        let occurred = content
            .dates
            .iter()
            .filter(|date| date.role() == DateRole::Occurred);
        let year = |edtf: &str| {
            let days = DaySpan::of(edtf).ok()?;
            i32::try_from(civil_day(days.earliest.or(days.latest)?).0).ok()
        };
        occurred.chain(&content.dates).find_map(|date| year(&date.edtf))
    }
}

/// Whether one of the participant's countries passes `test`, which sees each once or more. Allocates nothing
/// for codes.
pub fn any_of_participant(
    participant: &Participant,
    when: When<'_>,
    basis: Basis,
    mut test: impl FnMut(Iso3) -> bool,
) -> bool {
    let tables = countries();
    let mut found = false;
    for country in &participant.countries {
        if let Some(code) = tables.from_code_when(&country.scheme, &country.code, || when.year()) {
            found = true;
            if test(code) {
                return true;
            }
        }
    }
    if found || basis == Basis::Stated {
        return false;
    }
    for code in participant
        .codes
        .iter()
        .filter(|code| matches!(&*code.scheme, "cameo" | "gdelt"))
    {
        if let Some(code) = tables.from_actor_code(&code.code) {
            found = true;
            if test(code) {
                return true;
            }
        }
    }
    if found {
        return false;
    }
    let name = tables.from_actor_name(&participant.name);
    name.or_else(|| tables.from_actor_name(&participant.stated_name))
        .is_some_and(test)
}

/// The participant's countries, each once, in the order stated.
pub fn of_participant(participant: &Participant, when: When<'_>, basis: Basis) -> Vec<Iso3> {
    let mut found = Vec::new();
    any_of_participant(participant, when, basis, |code| {
        if !found.contains(&code) {
            found.push(code);
        }
        false
    });
    found
}

/// [`of_participant`] with all that can be derived.
pub fn countries_of_participant(participant: &Participant, when: When<'_>) -> Vec<Iso3> {
    of_participant(participant, when, Basis::Derived)
}

/// The country of a place: as stated, else the place's own name, or what follows the last comma in it, where
/// that is a country (`Minsk, Belarus`).
pub fn of_place(place: &Place, when: When<'_>, basis: Basis) -> Option<Iso3> {
    let tables = countries();
    let stated = place
        .country
        .as_ref()
        .and_then(|country| tables.from_code_when(&country.scheme, &country.code, || when.year()));
    if stated.is_some() || basis == Basis::Stated {
        return stated;
    }
    let named = |text: &str| tables.from_name(text);
    let last = |text: &str| text.rsplit_once(',').and_then(|(_, last)| named(last));
    named(&place.name).or_else(|| last(&place.name))
}

/// [`of_place`] with all that can be derived.
pub fn country_of_place(place: &Place, when: When<'_>) -> Option<Iso3> {
    of_place(place, when, Basis::Derived)
}
