//! A published copy: the files of the tlog-tiles layout in a folder, checked with the public key and nothing else.
//!
//! Every leaf is held against its tile, every tile against the tree, the tree against the signed checkpoint, every leaf
//! against the rules that a log obeys, and every payload against its leaf. Who made the copy need not be trusted.

use super::ledger::{Checks, Ledger};
use super::{Finding, Kind, OnProgress, Pace, Progress, Report, VerifyError};
use crate::merkle::tile::{self, Salted, Tile};
use crate::merkle::{Checkpoint, SUBTREE, Tree, VerifierKey};
use crate::record::{Hash, Leaf, Position, commitment, leaf_hash};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};

/// Bundles whose payloads wait to be checked.
const BUNDLES_WAITING_MAX: usize = 64;
/// More bytes than any file of the layout has: 256 payloads of 1 MiB, and what is between them.
const FILE_BYTES_MAX: u64 = 257 << 20;

/// Reads a copy in `folder`, or in the one folder below it that holds one. `progress` is called about once a MiB.
///
/// # Errors
/// [`VerifyError::NoCopy`] where there is none, [`VerifyError::Io`]; what is found to be wrong is no error but the report.
pub fn verify_copy(
    folder: &Path,
    key: &VerifierKey,
    progress: &mut OnProgress<'_>,
) -> Result<Report, VerifyError> {
    let root = root_of(folder)?;
    let mut report = Report {
        origin: Some(key.name().to_owned()),
        ..Report::default()
    };
    let note = read(&root.join("checkpoint"))?.unwrap_or_default();
    let note = String::from_utf8_lossy(&note);
    let signed = match Checkpoint::open(&note, key) {
        Ok(signed) => signed,
        Err(error) => {
            report.find(Finding::of_file(
                Kind::Checkpoint,
                "checkpoint",
                &error.to_string(),
            ));
            return Ok(report);
        }
    };
    std::thread::scope(|scope| {
        let (leaves, waiting) = sync_channel(BUNDLES_WAITING_MAX);
        let (at, size) = (&root, signed.size);
        let payloads = scope.spawn(move || check_payloads(at, size, &waiting));
        let mut copy = Copy {
            root: &root,
            size: signed.size,
            ledger: Ledger::new(Checks::start(scope), Some(signed.clone()), true),
            tiles: Tree::default(),
            differ: Vec::new(),
            report: &mut report,
            progress: Pace {
                call: progress,
                now: Progress {
                    bytes: 0,
                    bytes_total: bytes_total(&root, signed.size)?,
                    records: 0,
                },
                told: 0,
                ended: false,
            },
        };
        for tile in Tile::all(tile::Kind::Entries, signed.size) {
            if copy.progress.ended {
                return Err(VerifyError::Ended);
            }
            let commitments = copy.bundle(tile)?;
            // The thread takes bundles until this end is dropped.
            let _ = leaves.send((tile, commitments));
        }
        drop(leaves);
        copy.upper()?;
        copy.finish(&signed);
        let checked = payloads
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("a thread was lost")));
        let checked = checked.map_err(|cause| VerifyError::Io {
            path: root.join("payload"),
            cause,
        })?;
        report.withheld = checked.withheld;
        report.files += checked.files;
        for finding in checked.findings {
            report.find(finding);
        }
        Ok::<_, VerifyError>(())
    })?;
    report.settle();
    Ok(report)
}

/// The folder that holds the checkpoint: a program that copies from a server makes one named after it.
fn root_of(folder: &Path) -> Result<PathBuf, VerifyError> {
    let wrap = |cause| VerifyError::Io {
        path: folder.into(),
        cause,
    };
    if folder.join("checkpoint").is_file() {
        return Ok(folder.into());
    }
    let mut below = Vec::new();
    for item in std::fs::read_dir(folder).map_err(wrap)? {
        let path = item.map_err(wrap)?.path();
        if path.join("checkpoint").is_file() {
            below.push(path);
        }
    }
    match (below.pop(), below.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => Err(VerifyError::NoCopy(folder.into())),
    }
}

/// Reads a file whole; `None` where there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, VerifyError> {
    let wrap = |cause| VerifyError::Io {
        path: path.into(),
        cause,
    };
    match std::fs::metadata(path) {
        Ok(is) if is.len() > FILE_BYTES_MAX => Err(wrap(io::ErrorKind::FileTooLarge.into())),
        Ok(_) => std::fs::read(path).map(Some).map_err(wrap),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(wrap(error)),
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The resource itself, or one that begins with it and is there: a log that has grown meanwhile has larger ones.
fn there(root: &Path, tile: Tile) -> Tile {
    let wider = (tile.width..=SUBTREE as u32).map(|width| Tile { width, ..tile });
    let mut there = wider.filter(|tile| root.join(tile.to_string()).is_file());
    there.next().unwrap_or(tile)
}

/// The bytes of all files that are read.
fn bytes_total(root: &Path, size: u64) -> Result<u64, VerifyError> {
    let kinds = [tile::Kind::Hashes(0), tile::Kind::Entries];
    let all = kinds.into_iter().flat_map(|kind| Tile::all(kind, size));
    Ok(all
        .filter_map(|tile| std::fs::metadata(root.join(there(root, tile).to_string())).ok())
        .map(|is| is.len())
        .sum())
}

struct Copy<'a, 'scope> {
    root: &'a Path,
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

/// What a payload is held against; `None` where the leaf cannot be read.
type Commitments = Vec<Option<(Hash, u64)>>;

impl Copy<'_, '_> {
    /// Reads 256 leaves and their tile.
    fn bundle(&mut self, tile: Tile) -> Result<Commitments, VerifyError> {
        let first = Position::new(tile.index * SUBTREE);
        let hashes = self.hashes(Tile {
            kind: tile::Kind::Hashes(0),
            ..tile
        })?;
        let file = there(self.root, tile);
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
                self.report.lose(position, position.next());
                self.ledger.lost(position, position.next());
                None
            }
        }
    }

    /// The hashes of a tile; none where it is missing or has another length, which is found.
    fn hashes(&mut self, tile: Tile) -> Result<Vec<Hash>, VerifyError> {
        let file = there(self.root, tile);
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

    /// Reads a file of the layout; where it is missing that is found, and nothing is read.
    fn file(&mut self, file: Tile) -> Result<Option<Vec<u8>>, VerifyError> {
        let bytes = read(&self.root.join(file.to_string()))?;
        if bytes.is_some() {
            self.report.files += 1;
        } else {
            let (from, until) = covered(file);
            self.find(Kind::Missing, from, until, file, "the file is missing");
        }
        Ok(bytes)
    }

    /// The tiles above the leaves' own.
    fn upper(&mut self) -> Result<(), VerifyError> {
        for level in Tile::levels(self.size).skip(1) {
            for tile in Tile::all(tile::Kind::Hashes(level), self.size) {
                let hashes = self.hashes(tile)?;
                for (at, hash) in (0..u64::from(tile.width)).zip(hashes) {
                    let index = tile.index * SUBTREE + at;
                    if self.tiles.subtree(8 * usize::from(level), index) != Some(hash) {
                        let step = 1_u64 << (8 * u32::from(level));
                        let from = Position::new(index * step);
                        let what = "the hash is not that of the tiles below";
                        self.find(Kind::Tile, from, from.plus(step), tile, what);
                    }
                }
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

/// What the thread of the payloads found.
#[derive(Default)]
struct Checked {
    files: u64,
    withheld: u64,
    findings: Vec<Finding>,
}

/// Holds every payload against its leaf's commitment.
fn check_payloads(root: &Path, size: u64, waiting: &Receiver<(Tile, Commitments)>) -> io::Result<Checked> {
    let mut checked = Checked::default();
    // A copy may leave out all payloads, and proves the leaves as well.
    let has_payloads = size == 0 || root.join("payload").is_dir();
    for (tile, commitments) in waiting {
        let tile = Tile {
            kind: tile::Kind::Payloads,
            ..tile
        };
        if has_payloads {
            checked.bundle(root, tile, &commitments)?;
        } else {
            checked.withheld += u64::from(tile.width);
        }
    }
    Ok(checked)
}

impl Checked {
    fn bundle(&mut self, root: &Path, tile: Tile, commitments: &Commitments) -> io::Result<()> {
        let file = there(root, tile);
        let name = file.to_string();
        let path = root.join(&name);
        let (first, until) = covered(tile);
        let bundle = match std::fs::read(&path) {
            Ok(bundle) => bundle,
            Err(error) if is_missing(&error) => {
                let what = "the file is missing";
                self.findings
                    .push(finding(Kind::Missing, first, until, &name, what));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.files += 1;
        let mut payloads = tile::payloads(&bundle);
        for (at, expected) in (0..).zip(commitments) {
            let position = first.plus(at);
            match payloads.next() {
                Some(Ok(salted)) => self.payload(position, salted, expected.as_ref()),
                found => {
                    let what = match found {
                        Some(Err(error)) => error.to_string(),
                        _ => "the bundle ends before this record".to_owned(),
                    };
                    self.findings
                        .push(finding(Kind::Commitment, position, until, &name, &what));
                    return Ok(());
                }
            }
        }
        if file.width == tile.width && payloads.next().is_some() {
            let what = "the bundle has more payloads than its name says";
            self.findings
                .push(finding(Kind::Commitment, first, until, &name, what));
        }
        Ok(())
    }

    fn payload(&mut self, position: Position, salted: Option<Salted<'_>>, expected: Option<&(Hash, u64)>) {
        let Some((salt, payload)) = salted else {
            self.withheld += 1;
            return;
        };
        // Where the leaf cannot be read that is found already.
        let holds = expected.is_none_or(|(expected, size)| {
            *size == payload.len() as u64 && *expected == commitment(salt, payload)
        });
        if !holds {
            let what = "payload and salt do not give the commitment of the leaf".to_owned();
            self.findings.push(Finding::at(Kind::Commitment, position, what));
        }
    }
}
