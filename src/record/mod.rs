//! The words of the domain: what a record is, what entries are called, what can happen to them.
//!
//! Everything here is a plain value or a pure function; nothing does I/O, reads a clock or draws a random number.
//! Read [`act`] first, then [`leaf`] and [`codec`] for the bytes.

pub mod act;
pub mod codec;
pub mod date;
pub mod json;
pub mod leaf;
pub mod name;
pub mod position;
pub mod same;
pub mod schema;
pub mod validate;

pub use act::{Act, Kind, Outcome, Status, WordError};
pub use leaf::{Hash, Leaf, LeafError, Link, SALT_BYTES, commitment, leaf_hash};
pub use name::{BatchId, EntryKey, Key, NameError, Principal, Reason, Series};
pub use position::{Epoch, Position, Recorded, Revision};
