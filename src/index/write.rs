//! Writing an index.

use super::read::Shelf;
use super::{Document, Fields, IndexError, error};
use crate::record::Position;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::{Index, IndexWriter, TantivyDocument, Term};

/// Segments of up to so many documents are merged with one another.
const MERGED_DOCUMENTS_MAX: usize = 1 << 20;

/// Adds documents, one at a time, and has them appear in snapshots.
pub struct Writer {
    folder: PathBuf,
    index: Index,
    inner: IndexWriter,
    fields: Fields,
    shelf: Arc<Shelf>,
}

impl Writer {
    pub(super) fn new(
        folder: &Path,
        index: &Index,
        fields: Fields,
        shelf: Arc<Shelf>,
        memory: usize,
    ) -> Result<Self, IndexError> {
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .num_merge_threads(1)
            .memory_budget_per_thread(memory)
            .build();
        let inner = index.writer_with_options(options);
        let inner = inner.map_err(|cause| error(folder, &cause))?;
        let mut policy = LogMergePolicy::default();
        policy.set_max_docs_before_merge(MERGED_DOCUMENTS_MAX);
        inner.set_merge_policy(Box::new(policy));
        Ok(Self {
            folder: folder.into(),
            index: index.clone(),
            inner,
            fields,
            shelf,
        })
    }

    /// The mark of the newest commit.
    pub fn through(&self) -> Position {
        self.shelf.snapshot().through()
    }

    /// Adds a document; it appears with the next commit.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn add(&mut self, document: &Document) -> Result<(), IndexError> {
        let fields = &self.fields;
        let bytes: usize = document.terms.iter().map(Vec::len).sum();
        let mut one = TantivyDocument::with_capacity(bytes + 256);
        one.add_u64(fields.position, document.position.get());
        for term in &document.terms {
            one.add_bytes(fields.term, term);
        }
        for (columns, spans) in [
            (fields.occurred, &document.occurred),
            (fields.reported, &document.reported),
        ] {
            for (from, to) in spans {
                one.add_i64(columns.0, *from);
                one.add_i64(columns.1, *to);
            }
        }
        if let Some((note, on)) = document.note {
            one.add_u64(fields.note.0, note);
            one.add_u64(fields.note.1, on.get());
        }
        let added = self.inner.add_document(one);
        added.map(drop).map_err(|cause| error(&self.folder, &cause))
    }

    /// Forgets every document of a position, also those that were added since the last commit; with the next commit none is found
    /// any more.
    pub fn forget(&mut self, position: Position) {
        let position = Term::from_field_u64(self.fields.position, position.get());
        self.inner.delete_term(position);
    }

    /// Brings to the disk what was added and forgotten, with the mark: through which position it is, and a text without spaces that
    /// says of which log. Waits for the disk.
    ///
    /// # Errors
    /// [`IndexError`]; nothing of it is there then.
    pub fn commit(&mut self, through: Position, of: &str) -> Result<(), IndexError> {
        let wrap = |cause: tantivy::TantivyError| error(&self.folder, &cause);
        let mut commit = self.inner.prepare_commit().map_err(wrap)?;
        commit.set_payload(&format!("{through} {of}"));
        commit.commit().map_err(wrap)?;
        self.shelf.renew()
    }

    /// Takes back what was added and forgotten since the last commit, and begins anew where a failure has left the writer dead.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn take_back(&mut self) -> Result<(), IndexError> {
        let taken = self.inner.rollback();
        taken.map(drop).map_err(|cause| error(&self.folder, &cause))
    }

    /// Writes the segments anew that hold documents which were forgotten, so that no file has anything of them. Waits for the
    /// disk.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn purge(&mut self) -> Result<(), IndexError> {
        let wrap = |cause: tantivy::TantivyError| error(&self.folder, &cause);
        let metas = self.index.searchable_segment_metas().map_err(wrap)?;
        for meta in metas.iter().filter(|meta| meta.has_deletes()) {
            self.inner.merge(&[meta.id()]).wait().map_err(wrap)?;
        }
        self.shelf.renew()?;
        // The files of the old ones go once nobody reads them.
        self.inner
            .garbage_collect_files()
            .wait()
            .map(drop)
            .map_err(|cause| error(&self.folder, &cause))
    }
}
