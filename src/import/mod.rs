//! Reads what analysts and desks already have, and makes records of it.
//!
//! One file of this folder reads one format: [`icews`], [`quad`], [`gdelt`], [`dispatch`], [`jsonl`], [`authority`], and
//! [`table`] any other table by a [`mapping`]. Each row or
//! document becomes an [`Item`]: a draft of a record, or a reject that keeps its bytes. What a field says is stated
//! as it stands; a field that cannot be what it should be is a warning, kept with its text, and never stops its
//! row. [`sniff`] tells which format a file has.
//!
//! Importers read a [`BufRead`] and know nothing of files, servers or clocks. They hold one line at a time, so a
//! file of any size needs the memory of its longest row. They never derive anything (a country from a name, a date
//! from a weekday): that is done when a question is asked, from the content as it was stated.

mod authority;
pub mod dispatch;
mod gdelt;
mod icews;
mod jsonl;
mod line;
pub mod mapping;
mod quad;
mod reading;
pub mod sniff;
mod table;

use crate::record::codec::{RelationType, Warning};
use crate::record::{Act, EntryKey, Key, Kind, Reason, Revision, Series};
use bytes::Bytes;
use std::fmt;
use std::io::{self, BufRead};
use std::ops::ControlFlow;
use std::str::FromStr;
use std::sync::Arc;

pub use line::LINE_BYTES_MAX;
pub use mapping::{Mapping, MappingError};
pub use sniff::{Guess, UnknownFormat, auto};

/// A format that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A text with the header ` date YYYY-MM-DD headline`: one document a file.
    Dispatch,
    /// ICEWS events: tab-separated, a header of 20 names, mapped by name.
    Icews,
    /// ICEWS as source, event text, target and date: four tab-separated columns without a header.
    IcewsQuad,
    /// GDELT 2.0 events: 61 tab-separated columns without a header.
    GdeltV2,
    /// Records in the JSON form, one object a line.
    Jsonl,
    /// Actors: a table with the columns `key`, `name` and others, comma- or tab-separated.
    Authority,
    /// A table of any columns, read by a mapping; chosen by giving one.
    Table,
}

impl Format {
    /// Every format that can be named, in the order in which they are listed to people.
    pub const ALL: [Self; 6] = [
        Self::Dispatch,
        Self::Icews,
        Self::IcewsQuad,
        Self::GdeltV2,
        Self::Jsonl,
        Self::Authority,
    ];

    /// The name for `--format`, and the importer's name in provenance.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dispatch => "dispatch",
            Self::Icews => "icews",
            Self::IcewsQuad => "icews-quad",
            Self::GdeltV2 => "gdelt-v2",
            Self::Jsonl => "jsonl",
            Self::Authority => "authority",
            Self::Table => "table",
        }
    }

    /// The importer's version in provenance. It rises whenever the same bytes are read into other content.
    pub const fn version(self) -> &'static str {
        "1"
    }

    /// The series of its entries where none is named.
    pub const fn default_series(self) -> &'static str {
        match self {
            Self::Dispatch | Self::Jsonl | Self::Table => "desk",
            Self::Icews => "icews",
            Self::IcewsQuad => "icews-quad",
            Self::GdeltV2 => "gdelt",
            Self::Authority => "authority",
        }
    }

    /// Whether a file is one entry, so that its path can be the key.
    pub const fn is_whole_file(self) -> bool {
        matches!(self, Self::Dispatch)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|format| format.name() == text);
        named.ok_or_else(|| FormatError {
            text: text.chars().take(64).collect(),
        })
    }
}

/// A format that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("format `{text}` is not known; use one of {}, or auto", names())]
pub struct FormatError {
    text: String,
}

fn names() -> String {
    Format::ALL.map(Format::name).join(", ")
}

/// Where the keys of entries come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keys {
    /// The format's own: an id in the row where it has one, else the hash of its bytes.
    #[default]
    Natural,
    /// The dispatch's header line, for a feed that corrects texts under the same headline.
    Header,
    /// The path as given, for a feed that corrects its files in place.
    File,
    /// Lower-case hex SHA-256 of the row's or the file's bytes.
    Hash,
    /// Made by the server, where even a hash says too much. Importing twice then records twice.
    Random,
}

impl FromStr for Keys {
    type Err = KeysError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "header" => Ok(Self::Header),
            "file" => Ok(Self::File),
            "hash" => Ok(Self::Hash),
            "random" => Ok(Self::Random),
            _ => Err(KeysError::Unknown(text.chars().take(64).collect())),
        }
    }
}

/// Keys that a format cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// No such way.
    #[error("keys `{0}` are not known; use one of header, file, hash, random, or leave --key out")]
    Unknown(String),
    /// One file has many entries.
    #[error(
        "keys `{keys}` name one entry a file, but `{format}` has one a row; leave --key out, or use hash or random"
    )]
    OnePerFile {
        /// As asked.
        keys: &'static str,
        /// The format that has many rows.
        format: Format,
    },
}

/// How to import.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The series of the entries; the format's own where absent. JSON lines keep the series that they name.
    pub series: Option<Series>,
    /// Where the keys come from.
    pub keys: Keys,
    /// The file as given, for provenance and [`Keys::File`]; `-` for standard input.
    pub file: String,
    /// JSON lines only: take `revision` as the revision that the entry must be at, instead of ignoring it.
    pub expect_revision: bool,
    /// [`Format::Table`] only: which column becomes which field.
    pub mapping: Option<Arc<Mapping>>,
}

impl Options {
    /// Checks that the format can have these keys.
    ///
    /// # Errors
    /// [`KeysError::OnePerFile`].
    pub fn check(&self, format: Format) -> Result<(), KeysError> {
        let keys = match self.keys {
            Keys::Header => "header",
            Keys::File => "file",
            Keys::Natural | Keys::Hash | Keys::Random => return Ok(()),
        };
        if format.is_whole_file() {
            Ok(())
        } else {
            Err(KeysError::OnePerFile { keys, format })
        }
    }

    fn series(&self, format: Format) -> Series {
        let mapped = || self.mapping.as_ref().and_then(|mapping| mapping.series.clone());
        let named = self.series.clone().or_else(mapped);
        named.unwrap_or_else(|| {
            Series::new(format.default_series()).expect("the default series are well formed, as a test shows")
        })
    }
}

/// What a row or a document became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A record to append.
    Record(Box<Draft>),
    /// What could not be taken, whole.
    Reject(Reject),
}

impl Item {
    /// The line it came from, from 1.
    pub fn line(&self) -> u64 {
        match self {
            Self::Record(draft) => draft.line,
            Self::Reject(reject) => reject.line,
        }
    }
}

/// A record to append, its payload already checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What to do: CREATE, for JSON lines also other acts.
    pub act: Act,
    /// The entry's series.
    pub series: Series,
    /// The entry's key; absent where the server is to make one.
    pub key: Option<Key>,
    /// The entry's kind; absent where the server is to decide.
    pub kind: Option<Kind>,
    /// The encoded payload: content and provenance, at most 1 MiB.
    pub payload: Bytes,
    /// Why, as a code.
    pub reason: Reason,
    /// The revision that the entry must be at; JSON lines with [`Options::expect_revision`] only.
    pub expected_revision: Option<Revision>,
    /// LINK and UNLINK: the relation and the other entry.
    pub relation: Option<(RelationType, EntryKey)>,
    /// The line it came from, from 1; for a dispatch its first.
    pub line: u64,
    /// What could not be taken as what it should be; the payload's provenance has the same.
    pub warnings: Vec<Warning>,
    /// The row's bytes without the line end, so that a record which the server refuses can be kept as a reject.
    pub source: Bytes,
}

/// Input that could not become a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The line, from 1.
    pub line: u64,
    /// Why: a lowercase fragment with what was found and what was expected.
    pub reason: String,
    /// Its bytes without the line end; the first [`LINE_BYTES_MAX`] of a longer line.
    pub bytes: Bytes,
}

/// Why an import stopped before the end of its input.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The input could not be read further. What was handed on before stays.
    #[error("input cannot be read: {0}")]
    Read(#[from] io::Error),
    /// Nothing was handed on: the options do not fit the format.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Nothing was handed on: the first line is no header of the format.
    #[error("no header of format `{format}`: {problem}; name another format with --format")]
    Header {
        /// The format that was asked for.
        format: Format,
        /// What was found and what was expected.
        problem: String,
    },
}

/// Reads the input to its end, or until the sink breaks, and hands on one item a row.
///
/// Items come in the order of the input, each exactly once; a row is never dropped. Empty lines are no rows, and
/// neither are the header and a byte order mark.
///
/// # Errors
/// [`ImportError`]; bad rows are no errors but [`Item::Reject`].
///
/// # Example
/// ```
/// use chancery::import::{Format, Item, Options, read};
/// use std::ops::ControlFlow;
///
/// let mut rows = "Japan\tConsult\tVietnam\t2014-01-01\nnot a row\n".as_bytes();
/// let (mut records, mut rejects) = (0, 0);
/// let ended = read(Format::IcewsQuad, &mut rows, &Options::default(), &mut |item| {
///     match item {
///         Item::Record(_) => records += 1,
///         Item::Reject(_) => rejects += 1,
///     }
///     ControlFlow::Continue(())
/// })?;
/// assert_eq!((records, rejects, ended.is_continue()), (1, 1, true));
/// # Ok::<(), chancery::import::ImportError>(())
/// ```
pub fn read(
    format: Format,
    input: &mut dyn BufRead,
    options: &Options,
    sink: &mut Sink<'_>,
) -> Result<ControlFlow<()>, ImportError> {
    options.check(format)?;
    match format {
        Format::Dispatch => dispatch::read(input, options, sink),
        Format::Icews => icews::read(input, options, sink),
        Format::IcewsQuad => quad::read(input, options, sink),
        Format::GdeltV2 => gdelt::read(input, options, sink),
        Format::Jsonl => jsonl::read(input, options, sink),
        Format::Authority => authority::read(input, options, sink),
        Format::Table => table::read(input, options, sink),
    }
}

/// Takes the items of an import; breaking ends it.
pub type Sink<'a> = dyn FnMut(Item) -> ControlFlow<()> + 'a;
