//! An index of documents by their terms, on tantivy.
//!
//! A document stands for one record: it has the record's position, by which it is forgotten, any number of terms, days, and
//! a note for whoever wants to find a few documents again after a start. Terms are bytes whose meaning [`crate::view`] knows;
//! nothing here knows a filter, a record or the log.
//!
//! ```text
//!   Writer   add, forget, commit ──> folder ──> Shelf ──> Snapshot   find, notes
//! ```
//!
//! What was committed and the mark that says through which position come to the disk together, and a [`Snapshot`] has both or
//! neither. The index is never trusted with anything: it may be deleted, and where it is damaged it is made anew from the log.

mod read;
mod write;

pub use read::{Hit, Shelf, Snapshot};
pub use write::Writer;

use crate::record::Position;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tantivy::directory::MmapDirectory;
use tantivy::schema::{BytesOptions, FAST, Field, INDEXED, NumericOptions, Schema};
use tantivy::store::Compressor;
use tantivy::{Index, IndexSettings, TantivyError};

/// A first or last day that is open or unknown.
pub const OPEN: i64 = i64::MIN;

/// One document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The record's position.
    pub position: Position,
    /// What it is found by.
    pub terms: Vec<Vec<u8>>,
    /// First and last days on which what it tells of occurred, each [`OPEN`] or days since 1970-01-01.
    pub occurred: Vec<(i64, i64)>,
    /// The same of when it was reported.
    pub reported: Vec<(i64, i64)>,
    /// A note: what happened, and to which position.
    pub note: Option<(u64, Position)>,
}

/// Which documents are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Every one.
    All,
    /// Those with this term.
    Term(Vec<u8>),
    /// Those with a term that begins so; at least one byte.
    Prefix(Vec<u8>),
    /// Those that all of these mean.
    And(Vec<Ask>),
    /// Those that any of these means.
    Or(Vec<Ask>),
    /// Those that this does not mean.
    Not(Box<Ask>),
}

/// Why an index could not be used.
#[derive(Debug, thiserror::Error)]
#[error("the index in `{folder}`: {cause}")]
pub struct IndexError {
    /// Its folder.
    pub folder: PathBuf,
    /// What tantivy or the system said.
    pub cause: String,
}

/// The fields of every document.
#[derive(Clone, Copy, Debug)]
struct Fields {
    term: Field,
    position: Field,
    occurred: (Field, Field),
    reported: (Field, Field),
    note: (Field, Field),
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let indexed = || BytesOptions::default().set_indexed();
    let column = || NumericOptions::default() | FAST;
    let fields = Fields {
        term: schema.add_bytes_field("term", indexed()),
        position: schema.add_u64_field("position", column() | INDEXED),
        occurred: (
            schema.add_i64_field("occurred_from", column()),
            schema.add_i64_field("occurred_to", column()),
        ),
        reported: (
            schema.add_i64_field("reported_from", column()),
            schema.add_i64_field("reported_to", column()),
        ),
        note: (
            schema.add_u64_field("note", column()),
            schema.add_u64_field("note_on", column()),
        ),
    };
    (schema.build(), fields)
}

/// An open index, to be written by one and read by many.
pub struct Opened {
    /// Who writes.
    pub writer: Writer,
    /// Who hands out snapshots.
    pub shelf: Arc<Shelf>,
}

/// Opens the index of a folder, or makes one there. `memory` is what may be gathered before it is written, in bytes.
///
/// # Errors
/// [`IndexError`], also where it is damaged: remove the folder then, and begin anew.
pub fn open(folder: &Path, memory: usize) -> Result<Opened, IndexError> {
    let wrap = |cause: TantivyError| error(folder, &cause);
    std::fs::create_dir_all(folder).map_err(|cause| error(folder, &cause))?;
    let directory = MmapDirectory::open(folder).map_err(|cause| error(folder, &cause))?;
    let (schema, fields) = schema();
    let settings = IndexSettings {
        docstore_compression: Compressor::None,
        ..IndexSettings::default()
    };
    let builder = Index::builder().schema(schema).settings(settings);
    let index = builder.open_or_create(directory).map_err(wrap)?;
    let shelf = Arc::new(Shelf::new(folder, &index, fields)?);
    let writer = Writer::new(folder, &index, fields, Arc::clone(&shelf), memory)?;
    Ok(Opened { writer, shelf })
}

/// Removes the index of a folder.
///
/// # Errors
/// [`IndexError`].
pub fn remove(folder: &Path) -> Result<(), IndexError> {
    match std::fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(error(folder, &cause)),
        _ => Ok(()),
    }
}

fn error(folder: &Path, cause: &dyn std::fmt::Display) -> IndexError {
    IndexError {
        folder: folder.into(),
        cause: cause.to_string(),
    }
}

/// Removes the folders in `parent` whose names begin so, all but one; says of each that it is of another version.
///
/// # Errors
/// [`IndexError`].
pub fn remove_others(parent: &Path, beginning: &str, kept: &Path) -> Result<(), IndexError> {
    let items = match std::fs::read_dir(parent) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        items => items.map_err(|cause| error(parent, &cause))?,
    };
    for item in items {
        let path = item.map_err(|cause| error(parent, &cause))?.path();
        let is_of_them = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with(beginning));
        if is_of_them && path != kept {
            tracing::warn!(
                folder = %path.display(),
                "an index of another version is removed; it is built anew"
            );
            remove(&path)?;
        }
    }
    Ok(())
}
