//! Answers made of the log.
//!
//! Whatever is here can be thrown away and made again from the records alone. A scan looks at every record: slow on a large
//! archive, and right by construction, so that it is the judge of the index behind [`search`].
//!
//! Read [`matching`] first (does this record, or this state of an entry, match?), then [`reader`] (records in order,
//! cut into messages), [`scan`] (entries at their newest content; [`kept`] holds its results), [`search`] (the same by an
//! index; [`fates`] judges what it finds; [`relevance`] ranks it), [`aggregate`] (counts by what entries have in common, of
//! [`contents`]) and [`series`]. What lies in files is a view: [`runner`] says what that is and keeps it going; there are
//! [`search`] and [`names`]. Nothing here knows a socket, and nothing here writes to the log.

pub mod aggregate;
pub mod ahead;
mod annotated;
mod answers;
pub mod authorities;
pub mod contents;
pub mod entry;
pub mod error;
pub mod fates;
mod fetched;
pub mod kept;
pub mod likeness;
pub mod links;
pub mod matching;
pub mod names;
pub mod page;
pub mod reader;
pub mod relevance;
pub mod runner;
pub mod scan;
pub mod search;
pub mod selection;
pub mod series;
mod turns;
mod withdrawn;

pub use answers::Write;
pub use entry::{EntryAnswer, EntryRef};
pub use error::{EntryError, QueryError};
pub use matching::{Matcher, Mode};
pub use reader::{Plan, Reader};
pub use scan::{Options, Order, Page, Scanner, Search};
pub use selection::{Change, Parts, Picked, Selection};
