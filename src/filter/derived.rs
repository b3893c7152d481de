//! What follows from the types of a content, to be shown apart from what was stated.
//!
//! The same rules as of conditions and terms: [`super::values`] has them.

use super::values;
use crate::derive::{Basis, CAMEO_SCHEME, PLOVER_SCHEME, Quad, any_cameo, states, types};
use crate::record::codec::Content;

/// A type that follows from a stated one, or what a table says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DerivedType<'c> {
    /// The place of the stated type among the content's types.
    pub at: usize,
    /// The scheme: `cameo` or `plover`.
    pub scheme: &'static str,
    /// The code.
    pub code: &'c str,
    /// Its label; empty where it has none.
    pub label: &'static str,
    /// Its mode; empty where it has none.
    pub mode: &'static str,
    /// Its contexts.
    pub contexts: &'static [&'static str],
    /// Whether codes stand above it: those of [`crate::derive::ancestors_of_cameo`].
    pub has_ancestors: bool,
}

/// Something that follows from the types of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DerivedValue<'c> {
    /// A type.
    Type(DerivedType<'c>),
    /// A quad class.
    Quad(Quad),
    /// A value on the scale of Goldstein, as decimal text.
    Goldstein(&'static str),
}

/// Tells what follows from the types of a content: the types, those of one stated type together; then the quad classes, where
/// none is stated; then the values on the scale of Goldstein, where none is stated. Each class and value once.
pub fn each_derived<'c>(content: &'c Content, mut take: impl FnMut(DerivedValue<'c>)) {
    let states_plover = states(content, PLOVER_SCHEME);
    // What a stated mode or context beats is not told either.
    let (states_mode, states_context) = (values::states_mode(content), !content.contexts.is_empty());
    any_cameo(content, Basis::Derived, |at, code| {
        let known = types().cameo(code);
        take(DerivedValue::Type(DerivedType {
            at,
            scheme: CAMEO_SCHEME,
            code,
            label: known.map_or("", |cameo| cameo.label),
            mode: "",
            contexts: &[],
            has_ancestors: true,
        }));
        if let Some(plover) = known
            .and_then(|cameo| cameo.plover.as_ref())
            .filter(|_| !states_plover)
        {
            take(DerivedValue::Type(DerivedType {
                at,
                scheme: PLOVER_SCHEME,
                code: plover.code,
                label: "",
                mode: if states_mode { "" } else { plover.mode },
                contexts: if states_context { &[] } else { &plover.contexts },
                has_ancestors: false,
            }));
        }
        false
    });
    if !values::any_quad(content, Basis::Stated, |_| true) {
        let mut told = [false; 5];
        values::any_quad(content, Basis::Derived, |quad| {
            if !std::mem::replace(&mut told[usize::from(quad.number())], true) {
                take(DerivedValue::Quad(quad));
            }
            false
        });
    }
    let mut told: Vec<&str> = Vec::new();
    values::any_derived_goldstein(content, |value| {
        if !told.contains(&value) {
            told.push(value);
            take(DerivedValue::Goldstein(value));
        }
        false
    });
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
        let mut lines = Vec::new();
        each_derived(content, |value| {
            lines.push(match value {
                DerivedValue::Type(one) => {
                    format!(
                        "{}:{}:{} {} {:?}",
                        one.at, one.scheme, one.code, one.label, one.contexts
                    )
                }
                DerivedValue::Quad(quad) => format!("quad {}", quad.number()),
                DerivedValue::Goldstein(value) => format!("goldstein {value}"),
            });
        });
        lines.join("\n")
    }

    #[test]
    fn an_event_text_of_icews_gives_code_class_and_value() {
        assert_eq!(
            of(&content(&[(
                "icews-text",
                "Express intent to cooperate militarily"
            )])),
            "0:cameo:0312 Express intent to cooperate militarily []\n0:plover:AGREE  [\"military\"]\nquad 1\ngoldstein 5.2"
        );
    }

    #[test]
    fn what_is_stated_is_not_derived() {
        let mut stated = content(&[("icews-text", "Consult"), ("cameo", "190"), ("plover", "ASSAULT")]);
        assert_eq!(
            of(&stated),
            "1:cameo:190 Use conventional military force []\nquad 4\ngoldstein -10"
        );
        for (name, value) in [("quad", "4"), ("goldstein", "-9.5")] {
            stated.measures.push(Measure {
                name: name.into(),
                value: value.into(),
            });
        }
        assert_eq!(of(&stated), "1:cameo:190 Use conventional military force []");
        assert_eq!(of(&content(&[("plover", "AID")])), "quad 2");
        assert_eq!(of(&content(&[("icews-text", "Dance"), ("other", "040")])), "");
    }
}
