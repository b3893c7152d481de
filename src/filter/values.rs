//! The values that a record has for a field: what a condition is tried on, and what an index holds.

use super::field::Field;
use crate::derive::{
    Basis, CAMEO_SCHEME, GOLDSTEIN, ICEWS_TEXT_SCHEME, Iso3, PLOVER_SCHEME, Quad, When, any_cameo,
    any_of_participant, any_plover, is_scheme, of_place, quad_of_root, root_of_cameo, types,
};
use crate::record::codec::{Code, Content, DateRole, Participant, Side, Topic};

/// A code with its scheme and its words.
#[derive(Debug, Clone, Copy)]
pub(super) struct CodeRef<'c> {
    pub(super) scheme: &'c str,
    pub(super) code: &'c str,
    pub(super) label: &'c str,
}

impl<'c> From<&'c Code> for CodeRef<'c> {
    fn from(code: &'c Code) -> Self {
        Self {
            scheme: &code.scheme,
            code: &code.code,
            label: &code.label,
        }
    }
}

impl<'c> From<&'c Topic> for CodeRef<'c> {
    fn from(topic: &'c Topic) -> Self {
        Self {
            scheme: &topic.scheme,
            code: &topic.code,
            label: &topic.word,
        }
    }
}

/// Whether any text that the field has passes `test`; empty texts are none.
pub(super) fn any_text<'c>(
    field: &Field,
    content: &'c Content,
    mut test: impl FnMut(&'c str) -> bool,
) -> bool {
    let mut test = |text: &'c str| !text.is_empty() && test(text);
    let texts = &content.texts;
    match field {
        Field::Title => test(&content.title) || texts.iter().any(|text| test(&text.title)),
        Field::Text => {
            test(&content.title)
                || test(&content.body)
                || texts.iter().any(|text| test(&text.title) || test(&text.body))
        }
        Field::Language => test(&content.language) || texts.iter().any(|text| test(&text.language)),
        Field::Name | Field::Actor => {
            content
                .participants
                .iter()
                .any(|one| test(&one.name) || test(&one.stated_name))
                || content.names.iter().any(|name| test(&name.name))
        }
        Field::SourceName | Field::TargetName | Field::MentionedActor => {
            let side = match field {
                Field::SourceName => Side::Source,
                Field::TargetName => Side::Target,
                _ => Side::Mentioned,
            };
            let mut on_side = content.participants.iter().filter(|one| one.side() == side);
            on_side.any(|one| test(&one.name) || test(&one.stated_name))
        }
        Field::Place => content.places.iter().any(|place| {
            let mut features = place.features.iter();
            [&place.name, &place.admin1, &place.admin2, &place.admin3]
                .into_iter()
                .any(|name| test(name))
                || features.any(|feature| test(&feature.code) || test(&feature.label))
        }),
        Field::Publisher => content.reports.iter().any(|report| test(&report.publisher)),
        Field::Url => content.reports.iter().any(|report| test(&report.url)),
        Field::Extra(column) => {
            let mut named = content
                .extra
                .iter()
                .filter(|extra| is_column(&extra.name, column));
            named.any(|extra| test(&extra.value))
        }
        _ => false,
    }
}

/// Whether a column's name folds to `folded`.
fn is_column(name: &str, folded: &str) -> bool {
    match name.is_ascii() {
        true => name.trim().eq_ignore_ascii_case(folded),
        false => crate::derive::with_folded(name, |name| name.trim() == folded),
    }
}

/// Whether any mode of a type passes `test`: the stated ones, or, where none is, nor a PLOVER type, those that CAMEO codes become.
pub(super) fn any_mode<'c>(
    content: &'c Content,
    basis: Basis,
    mut test: impl FnMut(&'c str) -> bool,
) -> bool {
    let mut test = |mode: &'c str| !mode.is_empty() && test(mode);
    if basis == Basis::Stated || states_mode(content) {
        return content.types.iter().any(|one| test(&one.mode));
    }
    any_plover(content, |_, plover| test(plover.mode))
}

/// Whether a type states its mode.
pub(super) fn states_mode(content: &Content) -> bool {
    content.types.iter().any(|one| !one.mode.is_empty())
}

/// Whether any code that the field has passes `test`.
pub(super) fn any_code<'c>(
    field: &Field,
    content: &'c Content,
    basis: Basis,
    mut test: impl FnMut(CodeRef<'c>) -> bool,
) -> bool {
    let mut all = |codes: &'c [Code]| codes.iter().any(|code| test(code.into()));
    match field {
        Field::Sector => content.participants.iter().any(|one| all(&one.sectors)),
        Field::Actor => content.participants.iter().any(|one| all(&one.codes)),
        Field::Identifier => {
            content.participants.iter().any(|one| all(&one.identifiers)) || all(&content.identifiers)
        }
        Field::Type => {
            let mut types = content.types.iter();
            types.any(|one| {
                test(CodeRef {
                    scheme: &one.scheme,
                    code: &one.code,
                    label: &one.label,
                })
            }) || basis != Basis::Stated && any_derived_type(content, test)
        }
        Field::Topic => content.topics.iter().any(|topic| test(topic.into())),
        Field::Context if content.contexts.is_empty() && basis != Basis::Stated => {
            any_plover(content, |_, plover| {
                plover.contexts.iter().any(|code| {
                    test(CodeRef {
                        scheme: PLOVER_SCHEME,
                        code,
                        label: "",
                    })
                })
            })
        }
        Field::Context => content.contexts.iter().any(|topic| test(topic.into())),
        _ => false,
    }
}

/// Whether any code of a type that follows from what is stated passes `test`: the labels of CAMEO codes that have none, the CAMEO
/// codes of event texts, the PLOVER types of CAMEO codes.
fn any_derived_type<'c>(content: &'c Content, mut test: impl FnMut(CodeRef<'c>) -> bool) -> bool {
    any_cameo(content, Basis::Derived, |at, code| {
        // A label that is stated beats that of the table; a text is no label.
        let labelled = &content.types[at];
        let is_labelled = is_scheme(&labelled.scheme, CAMEO_SCHEME) && !labelled.label.is_empty();
        let label = types().cameo(code).map_or("", |cameo| cameo.label);
        !is_labelled
            && test(CodeRef {
                scheme: CAMEO_SCHEME,
                code,
                label,
            })
    }) || any_plover(content, |_, plover| {
        test(CodeRef {
            scheme: PLOVER_SCHEME,
            code: plover.code,
            label: "",
        })
    })
}

/// Whether any country that the field has passes `test`.
pub(super) fn any_country(
    field: &Field,
    content: &Content,
    basis: Basis,
    mut test: impl FnMut(Iso3) -> bool,
) -> bool {
    let side = match field {
        Field::PlaceCountry => {
            return content
                .places
                .iter()
                .any(|place| of_place(place, When::Of(content), basis).is_some_and(&mut test));
        }
        Field::SourceCountry => Some(Side::Source),
        Field::TargetCountry => Some(Side::Target),
        Field::MentionedCountry => Some(Side::Mentioned),
        _ => None,
    };
    let mut asked = content
        .participants
        .iter()
        .filter(|one| side.is_none_or(|side| one.side() == side));
    asked.any(|one| any_of_participant(one, When::Of(content), basis, &mut test))
}

/// Whether any root of a type, with its scheme, passes `test`: those of stated codes, and of the CAMEO codes that event texts stand
/// for, which have no roots of their own.
pub(super) fn any_root<'c>(
    content: &'c Content,
    basis: Basis,
    mut test: impl FnMut(&'c str, &'c str) -> bool,
) -> bool {
    any_cameo(content, basis, |_, code| {
        root_of_cameo(code).is_some_and(|root| test(CAMEO_SCHEME, root))
    }) || content.types.iter().any(|one| {
        let has_none = one.scheme.is_empty()
            || is_scheme(&one.scheme, CAMEO_SCHEME)
            || is_scheme(&one.scheme, ICEWS_TEXT_SCHEME);
        !has_none && !one.code.is_empty() && test(&one.scheme, &one.code)
    })
}

/// Whether any quad class passes `test`: the stated ones, or, where none is, those of the CAMEO codes, or, where there are none,
/// those of the PLOVER types.
pub(super) fn any_quad(content: &Content, basis: Basis, mut test: impl FnMut(Quad) -> bool) -> bool {
    let is_quad = |name: &str| matches!(name, "quad" | "quad-class" | "gdelt-quad" | "cameo-quad");
    let measures = content
        .measures
        .iter()
        .filter(|one| is_quad(&one.name))
        .map(|one| &*one.value);
    let codes = content
        .types
        .iter()
        .filter(|one| is_quad(&one.scheme))
        .map(|one| &*one.code);
    let mut stated = measures.chain(codes).filter_map(Quad::parse).peekable();
    if stated.peek().is_some() || basis == Basis::Stated {
        return stated.any(test);
    }
    let mut has_cameo = false;
    let found = any_cameo(content, basis, |_, code| {
        let quad = root_of_cameo(code).and_then(quad_of_root);
        has_cameo |= quad.is_some();
        quad.is_some_and(&mut test)
    });
    if found || has_cameo {
        return found;
    }
    let mut plover = content
        .types
        .iter()
        .filter(|one| is_scheme(&one.scheme, PLOVER_SCHEME));
    plover.any(|one| types().quad_of_plover(&one.code).is_some_and(&mut test))
}

/// The EDTF texts of the field's dates.
pub(super) fn dates<'c>(field: &Field, content: &'c Content) -> impl Iterator<Item = &'c str> {
    let role = match field {
        Field::Occurred => Some(DateRole::Occurred),
        Field::Reported => Some(DateRole::Reported),
        _ => None,
    };
    content
        .dates
        .iter()
        .filter(move |date| Some(date.role()) == role)
        .map(|date| &*date.edtf)
}

/// The stated values of a measure.
pub(super) fn measures<'c>(name: &str, content: &'c Content) -> impl Iterator<Item = &'c str> {
    let named = content
        .measures
        .iter()
        .filter(move |one| one.name.eq_ignore_ascii_case(name));
    named.map(|one| &*one.value).filter(|value| !value.is_empty())
}

/// Whether any value of a measure passes `test`: the stated ones, or, of `goldstein` where none is stated, those of the CAMEO
/// codes.
pub(super) fn any_measure(
    name: &str,
    content: &Content,
    basis: Basis,
    test: impl FnMut(&str) -> bool,
) -> bool {
    let mut stated = measures(name, content).peekable();
    if stated.peek().is_some() || basis == Basis::Stated || !name.eq_ignore_ascii_case(GOLDSTEIN) {
        return stated.any(test);
    }
    any_derived_goldstein(content, test)
}

/// Whether any value on the scale of Goldstein that follows from the content's CAMEO codes passes `test`; none follows where one is
/// stated.
pub(super) fn any_derived_goldstein(content: &Content, mut test: impl FnMut(&'static str) -> bool) -> bool {
    measures(GOLDSTEIN, content).next().is_none()
        && any_cameo(content, Basis::Derived, |_, code| {
            let value = types().cameo(code).map_or("", |cameo| cameo.goldstein);
            !value.is_empty() && test(value)
        })
}

/// The types of a content in one scheme, for counts that compare what is coded in several: CAMEO codes, also those that event texts
/// stand for, and PLOVER types, also those that CAMEO codes become.
pub(super) fn each_in_scheme(content: &Content, mut take: impl FnMut(&'static str, &str)) {
    any_cameo(content, Basis::Derived, |_, code| {
        take(CAMEO_SCHEME, code);
        false
    });
    let stated = content
        .types
        .iter()
        .filter(|one| is_scheme(&one.scheme, PLOVER_SCHEME));
    stated.for_each(|one| take(PLOVER_SCHEME, &one.code));
    any_plover(content, |_, plover| {
        take(PLOVER_SCHEME, plover.code);
        false
    });
}

/// How a participant stands in a dyad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Facing {
    Source,
    Target,
    /// A party, host, mediator, or one whose side is not said: faces everyone.
    Anyone,
}

impl Facing {
    /// `None` for those who were only mentioned.
    pub(super) fn of(one: &Participant) -> Option<Self> {
        match one.side() {
            Side::Source => Some(Self::Source),
            Side::Target => Some(Self::Target),
            Side::Mentioned => None,
            Side::Unspecified | Side::Party | Side::Host | Side::Mediator => Some(Self::Anyone),
        }
    }

    /// Whether two participants make a dyad: two sources do not, nor two targets.
    pub(super) fn faces(self, other: Self) -> bool {
        self == Self::Anyone || self != other
    }
}

/// The pairs of participants that face each other, by their places in the content; a source stands before its target.
/// They are the pairs that `dyad` and `actor_dyad` ask about.
pub fn dyads(content: &Content) -> Vec<(usize, usize)> {
    let facing = content.participants.iter().enumerate();
    let facing: Vec<_> = facing
        .filter_map(|(at, one)| Facing::of(one).map(|facing| (at, facing)))
        .collect();
    let mut pairs = Vec::new();
    for (index, (a, one)) in facing.iter().enumerate() {
        for (b, other) in &facing[index + 1..] {
            if one.faces(*other) {
                let is_turned = *one == Facing::Target || *other == Facing::Source;
                pairs.push(if is_turned { (*b, *a) } else { (*a, *b) });
            }
        }
    }
    pairs
}

/// Whether two different participants face each other, of whom `is` says the first is the one and the second
/// the other; where `directed`, the first must be a source and the second a target.
pub(super) fn any_dyad(content: &Content, directed: bool, is: impl Fn(&Participant) -> (bool, bool)) -> bool {
    // Asking whose country a participant is costs far more than comparing pairs, so each is asked once.
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for (at, one) in content.participants.iter().enumerate() {
        let Some(facing) = Facing::of(one) else { continue };
        let (first, second) = is(one);
        if first {
            ones.push((at, facing));
        }
        if second {
            others.push((at, facing));
        }
    }
    let makes = |(a, first): (usize, Facing), (b, second): (usize, Facing)| match directed {
        true => first == Facing::Source && second == Facing::Target,
        false => a != b && first.faces(second),
    };
    ones.iter()
        .any(|one| others.iter().any(|other| makes(*one, *other)))
}
