//! What an answer says is derived from an entry, made ready to be shown.

use crate::rpc::proto::{Derived, DerivedType};
use serde_json::{Map, Value, json};

/// The member `derived` of the JSON form; `None` where nothing is derived.
pub fn json(derived: &Derived) -> Option<Value> {
    let mut members = Map::new();
    let mut put = |name: &str, values: Vec<Value>| {
        if !values.is_empty() {
            members.insert(name.to_owned(), values.into());
        }
    };
    let countries = derived.countries.iter();
    put(
        "countries",
        countries
            .map(|one| json!({ "path": one.path, "iso3": one.iso3 }))
            .collect(),
    );
    put("types", derived.types.iter().map(of_type).collect());
    put("quads", derived.quads.iter().map(|quad| (*quad).into()).collect());
    let measures = derived.measures.iter();
    put(
        "measures",
        measures
            .map(|one| json!({ "name": one.name, "value": one.value }))
            .collect(),
    );
    if members.is_empty() {
        return None;
    }
    // By which tables comes first.
    let mut all = Map::new();
    for (name, table) in [("table", &derived.table), ("type_table", &derived.type_table)] {
        if !table.is_empty() {
            all.insert(name.to_owned(), table.as_str().into());
        }
    }
    all.extend(members);
    Some(Value::Object(all))
}

fn of_type(one: &DerivedType) -> Value {
    let mut members = Map::new();
    let texts = [
        ("path", &one.path),
        ("scheme", &one.scheme),
        ("code", &one.code),
        ("label", &one.label),
        ("mode", &one.mode),
    ];
    for (name, text) in texts {
        if !text.is_empty() {
            members.insert(name.to_owned(), text.as_str().into());
        }
    }
    for (name, list) in [("contexts", &one.contexts), ("ancestors", &one.ancestors)] {
        if !list.is_empty() {
            members.insert(name.to_owned(), list.clone().into());
        }
    }
    Value::Object(members)
}

/// What is derived from the type at a place, of one scheme.
pub fn of_type_at<'d>(derived: &'d Derived, at: usize, scheme: &str) -> Option<&'d DerivedType> {
    let path = format!("types[{at}]");
    let mut of_type = derived.types.iter().filter(|one| one.path == path);
    of_type.find(|one| one.scheme == scheme)
}

/// All that is derived from types, in a few words: `cameo:042 Make a visit`, `plover:CONSULT visit`, `quad 1`, `goldstein 1.9`.
pub fn words(derived: &Derived) -> Vec<String> {
    let said = |one: &DerivedType| {
        let code = format!("{}:{}", one.scheme, one.code);
        let parts = [code.as_str(), &one.label, &one.mode];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    };
    let mut words: Vec<String> = derived.types.iter().map(said).collect();
    words.extend(derived.quads.iter().map(|quad| format!("quad {quad}")));
    let measures = derived.measures.iter();
    words.extend(measures.map(|one| format!("{} {}", one.name, one.value)));
    words.dedup();
    words
}
