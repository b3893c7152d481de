//! What follows from what was stated: pure functions of content and of versioned tables.
//!
//! Sources write countries in many ways: ISO 3166 codes, FIPS 10-4, Correlates of War numbers, CAMEO
//! prefixes, names in any language, `Ministry (Japan)`. [`Countries`] reads them all as one code, and
//! [`of_participant`] and [`of_place`] say which countries a part of a record stands for. [`Types`] does the same for types
//! of events: CAMEO codes, their labels and values, what they become in PLOVER, and the texts of ICEWS. The filter language
//! and every view ask here, so that they agree.
//!
//! Nothing here is ever written into a record, reads a file or a clock, or depends on the order of records. A
//! changed table is a new [`Countries::version`] or [`Types::version`], a changed rule a new [`RULES`], and old records profit from
//! it.

mod actor;
mod code;
mod countries;
mod fold;
mod likeness;
mod quad;
mod stated;
#[cfg(test)]
mod tests;
mod types;

/// The version of the rules by which values are derived with the tables: those here, and those of filters that decide what
/// beats what. It is raised with every change to them by which some content is read otherwise: views are then made anew, and
/// citations say so.
pub const RULES: u32 = 3;

pub use actor::{
    Basis, When, any_of_participant, countries_of_participant, country_of_place, of_participant, of_place,
};
pub use code::{Iso3, NotACode};
pub use countries::{BareCode, Countries, Country, Scheme, countries};
pub use fold::{fold, fold_into, with_folded};
pub use likeness::{LIKENESS_RULES, Likeness};
pub use quad::{CAMEO_QUAD, Quad, quad_of_root, root_of_cameo};
pub use stated::{any_cameo, any_plover, is_scheme, states};
pub use types::{
    CAMEO_SCHEME, Cameo, GOLDSTEIN, ICEWS_TEXT_SCHEME, PLOVER_SCHEME, Plover, Types, ancestors_of_cameo,
    types,
};
