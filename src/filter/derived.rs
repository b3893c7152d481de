//! What follows from the types of a content, to be shown apart from what was stated.
//!
//! The same rules as of conditions and terms: [`super::values`] has them.

use super::values;
use crate::derive::{
    Basis, CAMEO_SCHEME, PLOVER_SCHEME, Quad, ancestors_of_cameo, any_cameo, any_plover, types,
};
use crate::record::codec::Content;

/// A type that follows from a stated one, or what a table says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DerivedType {
    /// The place of the stated type among the content's types.
    pub at: usize,
    /// The scheme: `cameo` or `plover`.
    pub scheme: &'static str,
    /// The code.
    pub code: String,
    /// Its label; empty where it has none.
    pub label: &'static str,
    /// Its mode; empty where it has none.
    pub mode: &'static str,
    /// Its contexts.
    pub contexts: Vec<&'static str>,
    /// The codes above it, the nearest first.
    pub ancestors: Vec<String>,
}

/// What follows from the types of a content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DerivedTypes {
    /// The types, those of one stated type together.
    pub types: Vec<DerivedType>,
    /// The quad classes, where none is stated; each once.
    pub quads: Vec<Quad>,
    /// The values on the scale of Goldstein, where none is stated; each once, as decimal text.
    pub goldstein: Vec<&'static str>,
}

/// What follows from the types of a content.
pub fn derived_types(content: &Content) -> DerivedTypes {
    let mut derived = DerivedTypes::default();
    any_cameo(content, Basis::Derived, |at, code| {
        derived.types.push(DerivedType {
            at,
            scheme: CAMEO_SCHEME,
            label: types().cameo(code).map_or("", |cameo| cameo.label),
            ancestors: ancestors_of_cameo(code).map(str::to_owned).collect(),
            code: code.to_owned(),
            mode: "",
            contexts: Vec::new(),
        });
        false
    });
    any_plover(content, |at, plover| {
        derived.types.push(DerivedType {
            at,
            scheme: PLOVER_SCHEME,
            code: plover.code.to_owned(),
            label: "",
            mode: plover.mode,
            contexts: plover.contexts.clone(),
            ancestors: Vec::new(),
        });
        false
    });
    derived.types.sort_by_key(|one| one.at);
    if !values::any_quad(content, Basis::Stated, |_| true) {
        values::any_quad(content, Basis::Derived, |quad| {
            if !derived.quads.contains(&quad) {
                derived.quads.push(quad);
            }
            false
        });
    }
    values::any_derived_goldstein(content, |value| {
        if !derived.goldstein.contains(&value) {
            derived.goldstein.push(value);
        }
        false
    });
    derived
}

/// The quad classes that a content states; each once.
pub fn stated_quads(content: &Content) -> Vec<Quad> {
    let mut quads = Vec::new();
    values::any_quad(content, Basis::Stated, |quad| {
        if !quads.contains(&quad) {
            quads.push(quad);
        }
        false
    });
    quads
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::codec::{Measure, TypeCode};

    fn content(types: &[(&str, &str)]) -> Content {
        let code = |(scheme, code): &(&str, &str)| TypeCode {
            scheme: (*scheme).into(),
            code: (*code).into(),
            ..Default::default()
        };
        Content {
            types: types.iter().map(code).collect(),
            ..Default::default()
        }
    }

    fn of(content: &Content) -> String {
        let derived = derived_types(content);
        let one = |one: &DerivedType| {
            format!(
                "{}:{}:{} {} {:?} {:?}",
                one.at, one.scheme, one.code, one.label, one.contexts, one.ancestors
            )
        };
        let mut lines: Vec<String> = derived.types.iter().map(one).collect();
        lines.extend(derived.quads.iter().map(|quad| format!("quad {}", quad.number())));
        lines.extend(derived.goldstein.iter().map(|value| format!("goldstein {value}")));
        lines.join("\n")
    }

    #[test]
    fn an_event_text_of_icews_gives_code_class_and_value() {
        assert_eq!(
            of(&content(&[(
                "icews-text",
                "Express intent to cooperate militarily"
            )])),
            "0:cameo:0312 Express intent to cooperate militarily [] [\"031\", \"03\"]\n\
             0:plover:AGREE  [\"military\"] []\nquad 1\ngoldstein 5.2"
        );
    }

    #[test]
    fn what_is_stated_is_not_derived() {
        let mut stated = content(&[("icews-text", "Consult"), ("cameo", "190"), ("plover", "ASSAULT")]);
        assert_eq!(
            of(&stated),
            "1:cameo:190 Use conventional military force [] [\"19\"]\nquad 4\ngoldstein -10"
        );
        for (name, value) in [("quad", "4"), ("goldstein", "-9.5")] {
            stated.measures.push(Measure {
                name: name.into(),
                value: value.into(),
            });
        }
        assert_eq!(
            of(&stated),
            "1:cameo:190 Use conventional military force [] [\"19\"]"
        );
        assert_eq!(of(&content(&[("plover", "AID")])), "quad 2");
        assert_eq!(of(&content(&[("icews-text", "Dance"), ("other", "040")])), "");
    }
}
