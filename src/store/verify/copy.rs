//! A published copy: the files of the tlog-tiles layout in a folder, checked with the public key and nothing else.
//!
//! Every leaf is held against its tile, every tile against the tree, the tree against the signed checkpoint, every leaf
//! against the rules that a log obeys, and every payload against its leaf. Who made the copy need not be trusted.

mod files;
mod payloads;
mod shelf;

pub use shelf::PublishedCopy;

use super::ledger::{Checks, Ledger, take_in};
use super::{Finding, Kind, OnProgress, Pace, Progress, Report, VerifyError};
use crate::log::fixity::FINDINGS_MAX;
use crate::merkle::tile::{self, Tile};
use crate::merkle::{Checkpoint, SUBTREE, Tree, VerifierKey};
use crate::record::{Hash, Leaf, Position, leaf_hash};
use files::{Files, Found};
use payloads::Commitments;
use std::io;
use std::path::Path;
use std::sync::mpsc::sync_channel;

/// Bundles whose payloads wait to be checked.
const BUNDLES_WAITING_MAX: usize = 64;
/// So many bundles in a row of which nothing is there end the reading: a key may sign for any size.
const MISSING_MAX: u64 = 1_000;

/// Reads a copy in `folder`, or in the one folder below it that holds one, and holds it to its own checkpoint and to one that
/// was kept earlier. `progress` is called about once a MiB.
///
/// # Errors
/// [`VerifyError::NoCopy`] where there is none, [`VerifyError::Io`]; what is found to be wrong is no error but the report.
pub fn verify_copy(
    folder: &Path,
    key: &VerifierKey,
    since: Option<&Checkpoint>,
    progress: &mut OnProgress<'_>,
) -> Result<Report, VerifyError> {
    let files = Files::below(folder)?;
    let mut report = Report {
        origin: Some(key.name().to_owned()),
        ..Report::default()
    };
    match signed(&files, key)? {
        Ok(signed) => read_all(&files, &signed, since, &mut report, progress)?,
        Err(what) => report.find(Finding::of_file(Kind::Checkpoint, "checkpoint", &what)),
    }
    report.settle();
    Ok(report)
}

/// The copy's checkpoint, or what is wrong with it.
fn signed(files: &Files, key: &VerifierKey) -> Result<Result<Checkpoint, String>, VerifyError> {
    let note = match files.checkpoint()? {
        Found::Bytes(note) => note,
        Found::Missing => Vec::new(),
        Found::Unfit(what) => return Ok(Err(what)),
    };
    let note = String::from_utf8_lossy(&note);
    Ok(Checkpoint::open(&note, key).map_err(|error| error.to_string()))
}

/// Reads all that the checkpoint covers, payloads on a thread of their own.
fn read_all(
    files: &Files,
    signed: &Checkpoint,
    since: Option<&Checkpoint>,
    report: &mut Report,
    progress: &mut OnProgress<'_>,
) -> Result<(), VerifyError> {
    let bytes_total = match files.bytes_total() {
        Ok(bytes) => bytes,
        Err(link) => {
            let what =
                "this is a link to a folder, and nothing was checked; put the folder itself in its place";
            report.find(Finding::of_file(Kind::Missing, &link.to_string_lossy(), what));
            return Ok(());
        }
    };
    std::thread::scope(|scope| {
        let (leaves, waiting) = sync_channel(BUNDLES_WAITING_MAX);
        let payloads = scope.spawn(move || payloads::check(files, signed.size, &waiting));
        let mut ledger = Ledger::new(Checks::start(scope), Some(signed.clone()), true);
        if let Some(since) = since {
            ledger.hold_to(since.clone());
        }
        let mut copy = Copy {
            files,
            size: signed.size,
            ledger,
            tiles: Tree::default(),
            differ: Vec::new(),
            report: &mut *report,
            progress: Pace {
                call: progress,
                now: Progress {
                    bytes: 0,
                    bytes_total,
                    records: 0,
                },
                told: 0,
                ended: false,
            },
        };
        let looked_at = copy.bundles(|tile, commitments| {
            // The thread takes bundles until this end is dropped.
            let _ = leaves.send((tile, commitments));
        })?;
        drop(leaves);
        copy.upper(looked_at)?;
        copy.finish(signed);
        let lost = |_| {
            Err(VerifyError::Io {
                path: "payload".into(),
                cause: io::Error::other("a thread was lost"),
            })
        };
        let checked = payloads.join().unwrap_or_else(lost)?;
        report.withheld = checked.withheld;
        report.files += checked.files;
        take_in(report, checked);
        Ok(())
    })
}

struct Copy<'a, 'scope> {
    files: &'a Files,
    size: u64,
    /// Follows the leaves.
    ledger: Ledger<'scope>,
    /// Follows the tiles.
    tiles: Tree,
    /// Where leaf and tile differ.
    differ: Vec<Position>,
    report: &'a mut Report,
    progress: Pace<'a>,
}

impl Copy<'_, '_> {
    /// Reads all leaves and their tiles; says before which position it has ended.
    fn bundles(&mut self, mut check: impl FnMut(Tile, Commitments)) -> Result<Position, VerifyError> {
        let mut missing = 0;
        for tile in Tile::all(tile::Kind::Entries, self.size) {
            if self.progress.ended {
                return Err(VerifyError::Ended);
            }
            if missing == MISSING_MAX {
                let (from, _) = covered(tile);
                self.not_looked_at(from);
                return Ok(from);
            }
            let files = self.report.files;
            check(tile, self.bundle(tile)?);
            missing = if self.report.files == files {
                missing + 1
            } else {
                0
            };
        }
        Ok(Position::new(self.size))
    }

    fn not_looked_at(&mut self, from: Position) {
        let what = format!(
            "nothing is there of the {MISSING_MAX} bundles before, and what should follow was not looked for"
        );
        // It is listed, however much was found before.
        self.report.findings.truncate(FINDINGS_MAX - 1);
        self.report.find(Finding {
            until: Some(self.size),
            ..Finding::at(Kind::Missing, from, what)
        });
    }

    /// Reads 256 leaves and their tile.
    fn bundle(&mut self, tile: Tile) -> Result<Commitments, VerifyError> {
        let first = Position::new(tile.index * SUBTREE);
        let hashes = self.hashes(Tile {
            kind: tile::Kind::Hashes(0),
            ..tile
        })?;
        let file = self.files.there(tile);
        let bundle = self.file(file)?;
        // A file that is missing is found already.
        let mut ended = bundle.is_none();
        let bundle = bundle.unwrap_or_default();
        let mut entries = tile::entries(&bundle);
        let mut commitments = Vec::new();
        for at in 0..tile.width {
            let position = first.plus(at.into());
            let hash = hashes.get(at as usize).copied();
            let next = entries.next();
            if !matches!(next, Some(Ok(_))) && !std::mem::replace(&mut ended, true) {
                let until = first.plus(tile.width.into());
                self.find(
                    Kind::Leaf,
                    position,
                    until,
                    file,
                    "the bundle is cut before this record",
                );
            }
            let entry = next.and_then(Result::ok);
            commitments.push(self.leaf(position, entry, hash));
        }
        if file.width == tile.width && entries.next().is_some() {
            let (from, until) = covered(tile);
            self.find(
                Kind::Leaf,
                from,
                until,
                file,
                "the bundle has more entries than its name says",
            );
        }
        self.progress.add(bundle.len() as u64, tile.width.into());
        Ok(commitments)
    }

    fn leaf(&mut self, position: Position, entry: Option<&[u8]>, hash: Option<Hash>) -> Option<(Hash, u64)> {
        let found = entry.map(leaf_hash);
        self.tiles.push(hash.or(found).unwrap_or_default());
        if let (Some(found), Some(hash)) = (found, hash)
            && found != hash
        {
            self.differ.push(position);
        }
        match (entry, found) {
            (Some(entry), Some(found)) => {
                self.ledger.sealed(position, entry, found, self.report);
                let leaf = Leaf::decode(entry).ok()?;
                Some((leaf.commitment, leaf.payload_size))
            }
            _ => {
                self.lose(position);
                None
            }
        }
    }

    /// A record that the copy does not have.
    fn lose(&mut self, position: Position) {
        let next = position.next();
        self.ledger.lost(position, next);
        let lost = &mut self.report.lost;
        // What is lost beyond the list is among the findings, as all of it is.
        let is_full = lost.len() == FINDINGS_MAX;
        match lost.last_mut() {
            Some((_, until)) if *until == position.get() => *until = next.get(),
            _ if is_full => {}
            _ => self.report.lose(position, next),
        }
    }

    /// The hashes of a tile; none where it is missing or has another length, which is found.
    fn hashes(&mut self, tile: Tile) -> Result<Vec<Hash>, VerifyError> {
        let file = self.files.there(tile);
        let Some(bytes) = self.file(file)? else {
            return Ok(Vec::new());
        };
        self.progress.add(bytes.len() as u64, 0);
        let needed = 32 * file.width as usize;
        if bytes.len() != needed {
            let what = format!("the tile has {} bytes and should have {needed}", bytes.len());
            let (from, until) = covered(tile);
            self.find(Kind::Tile, from, until, file, &what);
        }
        Ok(bytes.as_chunks::<32>().0.to_vec())
    }

    /// Reads a file of the layout; where it is missing or none that is read, that is found.
    fn file(&mut self, file: Tile) -> Result<Option<Vec<u8>>, VerifyError> {
        let (kind, what) = match self.files.tile(file)? {
            Found::Bytes(bytes) => {
                self.report.files += 1;
                return Ok(Some(bytes));
            }
            Found::Missing => (Kind::Missing, "the file is missing".to_owned()),
            Found::Unfit(what) if file.kind == tile::Kind::Entries => (Kind::Leaf, what),
            Found::Unfit(what) => (Kind::Tile, what),
        };
        let (from, until) = covered(file);
        self.find(kind, from, until, file, &what);
        Ok(None)
    }

    /// The tiles above the leaves' own, as far as these were looked at.
    fn upper(&mut self, looked_at: Position) -> Result<(), VerifyError> {
        for level in Tile::levels(self.size).skip(1) {
            let tiles = Tile::all(tile::Kind::Hashes(level), self.size);
            for tile in tiles.take_while(|tile| covered(*tile).0 < looked_at) {
                self.upper_tile(level, tile, looked_at)?;
            }
        }
        Ok(())
    }

    fn upper_tile(&mut self, level: u8, tile: Tile, looked_at: Position) -> Result<(), VerifyError> {
        let hashes = self.hashes(tile)?;
        let step = 1_u64 << (8 * u32::from(level));
        for (at, hash) in (0..u64::from(tile.width)).zip(hashes) {
            let index = tile.index * SUBTREE + at;
            let from = Position::new(index * step);
            if from.plus(step) > looked_at {
                break;
            }
            if self.tiles.subtree(8 * usize::from(level), index) != Some(hash) {
                let what = "the hash is not that of the tiles below";
                self.find(Kind::Tile, from, from.plus(step), tile, what);
            }
        }
        Ok(())
    }

    /// Where leaf and tile differ, the signed root says which of them is wrong.
    fn finish(self, signed: &Checkpoint) {
        let Self {
            ledger,
            tiles,
            differ,
            report,
            ..
        } = self;
        let tiles_hold = tiles.root() == signed.root;
        let leaves_hold = ledger.root() == signed.root;
        for position in differ {
            let (kind, what) = match (leaves_hold, tiles_hold) {
                (true, _) => (
                    Kind::Tile,
                    "the tile has another hash than that of the leaf, which was signed for",
                ),
                (_, true) => (Kind::Leaf, "the leaf is not the one that was signed for"),
                _ => (
                    Kind::Leaf,
                    "the leaf has another hash than its tile, and the signed root is neither's",
                ),
            };
            report.find(Finding::at(kind, position, what.into()));
        }
        ledger.finish(report);
    }

    fn find(&mut self, kind: Kind, from: Position, until: Position, file: Tile, what: &str) {
        self.report
            .find(finding(kind, from, until, &file.to_string(), what));
    }
}

fn finding(kind: Kind, from: Position, until: Position, name: &str, what: &str) -> Finding {
    Finding {
        from: Some(from.get()),
        until: Some(until.get()),
        ..Finding::of_file(kind, name, what)
    }
}

/// The positions that a file of the layout is about.
fn covered(tile: Tile) -> (Position, Position) {
    let level = match tile.kind {
        tile::Kind::Hashes(level) => level,
        tile::Kind::Entries | tile::Kind::Payloads => 0,
    };
    let step = 1_u64.checked_shl(8 * u32::from(level)).unwrap_or(u64::MAX);
    let first = (tile.index * SUBTREE).saturating_mul(step);
    let until = first.saturating_add(u64::from(tile.width).saturating_mul(step));
    (Position::new(first), Position::new(until))
}
