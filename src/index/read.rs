//! Reading an index.

use super::{Ask, Fields, IndexError, error};
use crate::record::Position;
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tantivy::columnar::{Column, ColumnIndex};
use tantivy::query::{
    AllQuery, BooleanQuery, EmptyQuery, EnableScoring, Occur, Query, RangeQuery, TermQuery,
};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, Index, IndexReader, ReloadPolicy, Searcher, SegmentReader, Term};

/// Hands out what was committed last.
pub struct Shelf {
    folder: PathBuf,
    index: Index,
    reader: IndexReader,
    fields: Fields,
    newest: RwLock<Arc<Snapshot>>,
}

impl Shelf {
    pub(super) fn new(folder: &Path, index: &Index, fields: Fields) -> Result<Self, IndexError> {
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into();
        let reader: IndexReader = reader.map_err(|cause| error(folder, &cause))?;
        let newest = Arc::new(snapshot(folder, index, &reader, fields)?);
        Ok(Self {
            folder: folder.into(),
            index: index.clone(),
            reader,
            fields,
            newest: RwLock::new(newest),
        })
    }

    /// What was committed last.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.newest.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes in a commit. Only the one writer calls it, so that files and mark are of the same commit.
    pub(super) fn renew(&self) -> Result<(), IndexError> {
        self.reader
            .reload()
            .map_err(|cause| error(&self.folder, &cause))?;
        let newest = snapshot(&self.folder, &self.index, &self.reader, self.fields)?;
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(newest);
        Ok(())
    }
}

fn snapshot(
    folder: &Path,
    index: &Index,
    reader: &IndexReader,
    fields: Fields,
) -> Result<Snapshot, IndexError> {
    let metas = index.load_metas().map_err(|cause| error(folder, &cause))?;
    let payload = metas.payload.unwrap_or_else(|| "0 ".to_owned());
    let (through, of) = payload.split_once(' ').unwrap_or((&payload, ""));
    let through = through.parse().map_err(|cause| error(folder, &cause))?;
    Ok(Snapshot {
        folder: folder.into(),
        searcher: reader.searcher(),
        fields,
        through: Position::new(through),
        of: of.to_owned(),
    })
}

/// The index as of one commit.
pub struct Snapshot {
    folder: PathBuf,
    searcher: Searcher,
    fields: Fields,
    through: Position,
    of: String,
}

/// A document that was found.
pub struct Hit<'a> {
    /// The record's position.
    pub position: Position,
    doc: DocId,
    columns: &'a Columns,
}

impl Hit<'_> {
    /// First and last days on which what it tells of occurred.
    pub fn occurred(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.spans(&self.columns.occurred)
    }

    /// The number of its note.
    pub fn note(&self) -> Option<u64> {
        self.columns.note.first(self.doc)
    }

    /// The same of when it was reported.
    pub fn reported(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.spans(&self.columns.reported)
    }

    fn spans<'s>(
        &self,
        columns: &'s (Column<i64>, Column<i64>),
    ) -> impl Iterator<Item = (i64, i64)> + use<'s> {
        let (from, to) = (
            columns.0.values_for_doc(self.doc),
            columns.1.values_for_doc(self.doc),
        );
        from.zip(to)
    }
}

struct Columns {
    position: Column<u64>,
    note: Column<u64>,
    occurred: (Column<i64>, Column<i64>),
    reported: (Column<i64>, Column<i64>),
}

impl Columns {
    fn of(segment: &SegmentReader, fields: Fields) -> tantivy::Result<Self> {
        let name = |field| segment.schema().get_field_name(field);
        let days = |(from, to)| {
            let fast = segment.fast_fields();
            tantivy::Result::Ok((fast.i64(name(from))?, fast.i64(name(to))?))
        };
        Ok(Self {
            position: segment.fast_fields().u64(name(fields.position))?,
            note: segment.fast_fields().u64(name(fields.note.0))?,
            occurred: days(fields.occurred)?,
            reported: days(fields.reported)?,
        })
    }
}

impl Snapshot {
    /// Every record below this position is in it, or has nothing to be found by.
    pub fn through(&self) -> Position {
        self.through
    }

    /// Of which log it is, as the commit said.
    pub fn of(&self) -> &str {
        &self.of
    }

    /// How many documents there are.
    pub fn documents(&self) -> u64 {
        self.searcher.num_docs()
    }

    /// The bytes of its files.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn bytes(&self) -> Result<u64, IndexError> {
        let space = self.searcher.space_usage();
        let space = space.map_err(|cause| error(&self.folder, &cause))?;
        Ok(space.total().get_bytes())
    }

    /// How many documents the files have under a term, those that are forgotten and not purged included.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn held(&self, term: &[u8]) -> Result<u64, IndexError> {
        let term = Term::from_field_bytes(self.fields.term, term);
        let held = self.searcher.doc_freq(&term);
        held.map_err(|cause| error(&self.folder, &cause))
    }

    /// Hands over every document that is meant, in no order, until `take` answers that it was enough.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn find(
        &self,
        ask: &Ask,
        mut take: impl FnMut(&Hit<'_>) -> ControlFlow<()>,
    ) -> Result<(), IndexError> {
        let wrap = |cause: tantivy::TantivyError| error(&self.folder, &cause);
        let query = query_of(ask, self.fields);
        let scoring = EnableScoring::disabled_from_searcher(&self.searcher);
        let weight = query.weight(scoring).map_err(wrap)?;
        for segment in self.searcher.segment_readers() {
            let columns = Columns::of(segment, self.fields).map_err(wrap)?;
            let mut enough = ControlFlow::Continue(());
            let mut each = |docs: &[DocId]| {
                for doc in docs.iter().filter(|doc| !segment.is_deleted(**doc)) {
                    if let (ControlFlow::Continue(()), Some(position)) =
                        (enough, columns.position.first(*doc))
                    {
                        enough = take(&Hit {
                            position: Position::new(position),
                            doc: *doc,
                            columns: &columns,
                        });
                    }
                }
            };
            weight.for_each_no_score(segment, &mut each).map_err(wrap)?;
            if enough.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Hands over every note: the position of its document, what it says, and of which position.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn notes(&self, mut take: impl FnMut(Position, u64, Position)) -> Result<(), IndexError> {
        let wrap = |cause: tantivy::TantivyError| error(&self.folder, &cause);
        for segment in self.searcher.segment_readers() {
            let column = |field| {
                let name = segment.schema().get_field_name(field);
                segment.fast_fields().u64(name)
            };
            let (note, on) = self.fields.note;
            let (note, on) = (column(note).map_err(wrap)?, column(on).map_err(wrap)?);
            let position = column(self.fields.position).map_err(wrap)?;
            let mut one = |doc: DocId| {
                let noted = (position.first(doc), note.first(doc), on.first(doc));
                if let (false, (Some(at), Some(note), Some(on))) = (segment.is_deleted(doc), noted) {
                    take(Position::new(at), note, Position::new(on));
                }
            };
            match &note.index {
                ColumnIndex::Empty { .. } => {}
                // Few documents have one.
                ColumnIndex::Optional(those) => those.iter_non_null_docs().for_each(&mut one),
                ColumnIndex::Full | ColumnIndex::Multivalued(_) => {
                    (0..segment.max_doc()).for_each(&mut one);
                }
            }
        }
        Ok(())
    }
}

fn query_of(ask: &Ask, fields: Fields) -> Box<dyn Query> {
    let term = |bytes: &[u8]| Term::from_field_bytes(fields.term, bytes);
    let each = |asks: &[Ask], occur: Occur| {
        asks.iter()
            .map(|one| (occur, query_of(one, fields)))
            .collect::<Vec<_>>()
    };
    match ask {
        Ask::All => Box::new(AllQuery),
        Ask::Term(bytes) => Box::new(TermQuery::new(term(bytes), IndexRecordOption::Basic)),
        Ask::Prefix(bytes) => Box::new(RangeQuery::new(
            Bound::Included(term(bytes)),
            after(bytes).map_or(Bound::Unbounded, |end| Bound::Excluded(term(&end))),
        )),
        Ask::And(asks) if asks.is_empty() => Box::new(AllQuery),
        Ask::And(asks) => Box::new(BooleanQuery::new(each(asks, Occur::Must))),
        Ask::Or(asks) if asks.is_empty() => Box::new(EmptyQuery),
        Ask::Or(asks) => Box::new(BooleanQuery::new(each(asks, Occur::Should))),
        Ask::Not(inner) => Box::new(BooleanQuery::new(vec![
            (Occur::Must, Box::new(AllQuery) as Box<dyn Query>),
            (Occur::MustNot, query_of(inner, fields)),
        ])),
    }
}

/// The first bytes that come after everything that begins so; `None` where nothing does.
fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}
