//! Which types of events a content stands for, in the schemes that tables know.
//!
//! What is stated in a scheme beats whatever would follow from another one: CAMEO codes are derived from ICEWS's texts only
//! where none is stated, PLOVER types from CAMEO codes only where none is stated.

use super::actor::Basis;
use super::types::{CAMEO_SCHEME, ICEWS_TEXT_SCHEME, PLOVER_SCHEME, Plover, types};
use crate::record::codec::{Content, TypeCode};

/// Whether a code of a scheme is stated.
pub fn states(content: &Content, scheme: &str) -> bool {
    content.types.iter().any(|one| is_of(one, scheme))
}

/// Whether a type has a code of a scheme, in whatever case the scheme is written.
fn is_of(one: &TypeCode, scheme: &str) -> bool {
    is_scheme(&one.scheme, scheme) && !one.code.is_empty()
}

/// Whether a scheme is this one, in whatever case it is written.
pub fn is_scheme(stated: &str, scheme: &str) -> bool {
    stated.trim().eq_ignore_ascii_case(scheme)
}

/// Whether one of the content's CAMEO codes passes `test`, which is also told the type's place: those stated, or, where none is
/// and more may be read into a record, those that its event texts stand for.
pub fn any_cameo<'c>(
    content: &'c Content,
    basis: Basis,
    mut test: impl FnMut(usize, &'c str) -> bool,
) -> bool {
    let of_scheme = |scheme: &'static str| {
        let types = content.types.iter().enumerate();
        types.filter(move |(_, one)| is_of(one, scheme))
    };
    if states(content, CAMEO_SCHEME) {
        return of_scheme(CAMEO_SCHEME).any(|(at, one)| test(at, &one.code));
    }
    basis != Basis::Stated
        && of_scheme(ICEWS_TEXT_SCHEME).any(|(at, one)| {
            types()
                .cameo_of_text(&one.code)
                .is_some_and(|cameo| test(at, cameo.code))
        })
}

/// Whether one of the PLOVER types that follow from the content's CAMEO codes passes `test`, which is also told the place of
/// the type that it follows from; none follows where one is stated.
pub fn any_plover(content: &Content, mut test: impl FnMut(usize, &'static Plover) -> bool) -> bool {
    !states(content, PLOVER_SCHEME)
        && any_cameo(content, Basis::Derived, |at, code| {
            let plover = types().cameo(code).and_then(|cameo| cameo.plover.as_ref());
            plover.is_some_and(|plover| test(at, plover))
        })
}
