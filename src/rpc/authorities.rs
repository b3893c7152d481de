//! `Query.ResolveActor`: whom a name means.

use super::proto;
use super::status::RequestError;
use crate::authority::{Authority, Origin, Resolved, Validity, shipped};
use crate::filter::AskedActor;
use crate::record::Position;
use crate::record::codec::{Code, Country, Name, Office};
use crate::view::authorities::{Actor, Named};

/// The most bytes of a name that is asked for.
const NAME_BYTES_MAX: usize = 1_024;

/// The actor that a request asks for.
pub fn asked(name: &str) -> Result<AskedActor, RequestError> {
    if name.len() > NAME_BYTES_MAX {
        return Err(RequestError::too_large(
            "name",
            format!(
                "{} bytes exceed the limit of {NAME_BYTES_MAX}; ask for a shorter name",
                name.len()
            ),
            name.len(),
            NAME_BYTES_MAX,
        ));
    }
    let asked = AskedActor::written(name);
    match asked.text.is_empty() {
        true => Err(RequestError::field(
            "name",
            "is empty; give a name, or an identifier as wikidata:Q1065",
        )),
        false => Ok(asked),
    }
}

/// The answer.
pub fn answer(named: &Named, asked: &AskedActor, as_of: Position) -> proto::ResolveActorResponse {
    let actors = &named.actors;
    let groups = || actors.iter().map(|actor| actor.iter().collect());
    let resolved = match actors.len() {
        0 => Resolved::Nobody,
        1 => groups().next().map_or(Resolved::Nobody, Resolved::One),
        _ => Resolved::Several(groups().collect()),
    };
    let note = resolved.note(asked.scheme.as_deref(), &asked.text);
    let actor = |actor: &Actor| proto::Actor {
        authorities: actor.iter().map(authority).collect(),
    };
    proto::ResolveActorResponse {
        actors: actors.iter().map(actor).collect(),
        view_position: as_of.get(),
        notes: note.into_iter().chain(named.note.clone()).collect(),
        version: shipped().version().to_owned(),
    }
}

fn authority(one: &Authority) -> proto::Authority {
    let origin = match &one.origin {
        Origin::Entry(entry) => proto::authority::Origin::Entry(entry.to_string()),
        Origin::Shipped(identifier) => proto::authority::Origin::Shipped(identifier.clone()),
    };
    let ends = |validity: &Validity| (validity.from.clone(), validity.to.clone());
    let names = one.names.iter().map(|name| {
        let (from, to) = ends(&name.validity);
        Name {
            name: name.text.clone(),
            language: name.language.clone(),
            from,
            to,
        }
    });
    let offices = one.offices.iter().map(|office| {
        let (from, to) = ends(&office.validity);
        let country = Some(office.country.clone()).filter(|code| !code.is_empty());
        Office {
            office: office.office.clone(),
            country: country.map(|code| Country {
                scheme: "iso3".to_owned(),
                code,
            }),
            from,
            to,
        }
    });
    let identifiers = one.identifiers.iter().map(|own| Code {
        scheme: own.scheme.clone(),
        code: own.code.clone(),
        label: String::new(),
    });
    let (from, to) = ends(&one.lived);
    proto::Authority {
        origin: Some(origin),
        names: names.collect(),
        identifiers: identifiers.collect(),
        offices: offices.collect(),
        part_of: one.part_of.clone(),
        from,
        to,
        source: one.source.clone(),
    }
}
