//! The JSON form of records: the one that append, import, get, search, watch and export share.
//!
//! One object per line. Content and statement lie flat beside what the leaf says; names are those of
//! `record.proto`, and [`super::codec::shape`] is where all of them come from. [`Input`] reads a line, short forms
//! included; [`record`] writes one, in long forms only; [`set_path`] changes one value by its path, and [`pretty`]
//! prints for an editor. What only the server knows is written and, on the way in, left aside.
//!
//! Nothing here decides whether a record is taken: that is the log's.

mod encode;
mod error;
mod input;
mod output;
mod path;
mod pretty;
mod short;
mod syntax;

pub use error::{JsonError, JsonProblem, nearest};
pub use input::{ENVELOPE, Input, Member, SHORT_DATES};
pub use output::{RecordView, line, payload, record, with_change};
pub use path::set_path;
pub use pretty::pretty;
pub use short::{forms, is_pair};
pub use syntax::read;

/// The name under which `raw` stands where it is not UTF-8.
pub const RAW_BASE64: &str = "raw_base64";

#[cfg(test)]
mod tests;
