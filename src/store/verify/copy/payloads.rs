//! The payloads of a copy, held against the commitments of their leaves on a thread of their own.

use super::super::{Finding, Kind, Report, VerifyError};
use super::files::{Files, Found};
use super::{covered, finding};
use crate::merkle::tile::{self, Salted, Tile};
use crate::record::{Hash, Position, commitment};
use std::sync::mpsc::Receiver;

/// What the payloads of a bundle are held against; `None` where the leaf cannot be read.
pub type Commitments = Vec<Option<(Hash, u64)>>;

/// Checks the payloads of the bundles that it is sent; says in a report what it found, and what it read.
pub fn check(
    files: &Files,
    size: u64,
    bundles: &Receiver<(Tile, Commitments)>,
) -> Result<Report, VerifyError> {
    let mut report = Report::default();
    // A copy may leave out all payloads, and proves the leaves as well.
    let has_payloads = size == 0 || files.has_payloads();
    for (tile, commitments) in bundles {
        let tile = Tile {
            kind: tile::Kind::Payloads,
            ..tile
        };
        if has_payloads {
            bundle(files, tile, &commitments, &mut report)?;
        } else {
            report.withheld += u64::from(tile.width);
        }
    }
    Ok(report)
}

fn bundle(
    files: &Files,
    tile: Tile,
    commitments: &Commitments,
    report: &mut Report,
) -> Result<(), VerifyError> {
    let file = files.there(tile);
    let (first, until) = covered(tile);
    let find = |report: &mut Report, kind, from, what: &str| {
        report.find(finding(kind, from, until, &file.to_string(), what));
    };
    let bundle = match files.tile(file)? {
        Found::Bytes(bundle) => bundle,
        Found::Missing => {
            find(report, Kind::Missing, first, "the file is missing");
            return Ok(());
        }
        Found::Unfit(what) => {
            find(report, Kind::Commitment, first, &what);
            return Ok(());
        }
    };
    report.files += 1;
    let mut payloads = tile::payloads(&bundle);
    for (at, expected) in (0..).zip(commitments) {
        let position = first.plus(at);
        match payloads.next() {
            Some(Ok(salted)) => payload(position, salted, expected.as_ref(), report),
            found => {
                let what = match found {
                    Some(Err(error)) => error.to_string(),
                    _ => "the bundle ends before this record".to_owned(),
                };
                find(report, Kind::Commitment, position, &what);
                return Ok(());
            }
        }
    }
    if file.width == tile.width && payloads.next().is_some() {
        let what = "the bundle has more payloads than its name says";
        find(report, Kind::Commitment, first, what);
    }
    Ok(())
}

fn payload(
    position: Position,
    salted: Option<Salted<'_>>,
    expected: Option<&(Hash, u64)>,
    report: &mut Report,
) {
    let Some((salt, payload)) = salted else {
        report.withheld += 1;
        return;
    };
    // Where the leaf cannot be read that is found already.
    let holds = expected.is_none_or(|(expected, size)| {
        *size == payload.len() as u64 && *expected == commitment(salt, payload)
    });
    if !holds {
        let what = "payload and salt do not give the commitment of the leaf".to_owned();
        report.find(Finding::at(Kind::Commitment, position, what));
    }
}
