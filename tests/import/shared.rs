//! The importers on real files, where the variable `CHANCERY_SHARED` names the folder that holds them.

use super::{Imported, import};
use chancery::import::Format;
use chancery::record::codec::{Content, Date};
use std::collections::HashSet;
use std::path::PathBuf;

/// A real file; `None`, with a word on standard error, where there are none.
fn real(path: &str) -> Option<Vec<u8>> {
    let Some(folder) = std::env::var_os("CHANCERY_SHARED") else {
        // What a test prints with a macro is shown only where it fails.
        let said = format!("SKIPPED for lack of data: set CHANCERY_SHARED to the folder that holds {path}\n");
        let _ = std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes());
        return None;
    };
    let path = PathBuf::from(folder).join(path);
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn rows(bytes: &[u8]) -> Vec<&[u8]> {
    bytes
        .split(|byte| *byte == b'\n')
        .filter(|row| !row.is_empty())
        .collect()
}

/// Every text that the content states, `raw` apart.
fn stated(content: &Content) -> HashSet<String> {
    let mut texts = HashSet::new();
    let mut put = |text: &str| {
        texts.insert(text.to_owned());
    };
    for Date { edtf, stated, .. } in &content.dates {
        put(edtf);
        put(stated);
    }
    for one in &content.participants {
        put(&one.name);
        one.countries.iter().for_each(|country| put(&country.code));
        one.sectors
            .iter()
            .chain(&one.codes)
            .for_each(|code| put(&code.code));
    }
    content.types.iter().for_each(|one| put(&one.code));
    content.measures.iter().for_each(|one| put(&one.value));
    content.identifiers.iter().for_each(|one| put(&one.code));
    content.extra.iter().for_each(|one| put(&one.value));
    for one in &content.places {
        [&one.name, &one.admin1, &one.admin2, &one.latitude, &one.longitude]
            .into_iter()
            .for_each(|text| put(text));
        one.country.iter().for_each(|country| put(&country.code));
        one.features.iter().for_each(|code| put(&code.code));
    }
    for one in &content.reports {
        [
            &one.publisher,
            &one.url,
            &one.citation,
            &one.document_id,
            &one.sentence,
        ]
        .into_iter()
        .for_each(|text| put(text));
    }
    if !content.flags.is_empty() {
        put("1");
    }
    texts
}

fn check(imported: &Imported, rows: &[&[u8]], lists: &[usize]) {
    assert_eq!((imported.records.len(), imported.rejects.len()), (rows.len(), 0));
    assert_eq!(
        imported.keys().iter().collect::<HashSet<_>>().len(),
        rows.len(),
        "keys are unique"
    );
    for (at, row) in rows.iter().enumerate() {
        let content = imported.payload(at).content.unwrap();
        assert_eq!(content.raw, *row);
        let stated = stated(&content);
        for (column, value) in std::str::from_utf8(row).unwrap().split('\t').enumerate() {
            let found = |part: &str| matches!(part, "" | "NA") || stated.contains(part);
            let parts: Vec<&str> = if lists.contains(&column) {
                value.split(',').collect()
            } else {
                vec![value]
            };
            assert!(parts.into_iter().all(found), "row {at}, column {column}: {value}");
        }
    }
}

#[test]
fn every_value_of_the_real_quadruples_is_stated() {
    let Some(bytes) = real("data/icews14/icews14_2014.tsv") else {
        return;
    };
    let rows = rows(&bytes);
    assert_eq!(rows.len(), 90_730);
    check(&import(Format::IcewsQuad, &bytes), &rows, &[]);
}

#[test]
fn every_value_of_the_real_icews_rows_is_stated() {
    let Some(bytes) = real("data/icews-events/events.2018-06-01.sample.tab") else {
        return;
    };
    let rows = rows(&bytes);
    assert_eq!(rows.len(), 2_360);
    check(&import(Format::Icews, &bytes), &rows[1..], &[3, 9]);
}

#[test]
fn every_value_of_the_real_gdelt_rows_is_stated() {
    for (path, count) in [
        ("data/gdelt/20191024143000.export.CSV", 2_111),
        ("data/gdelt/v2_events_20150218230000_100rows.export.csv", 100),
        (
            "data/gdelt/v2_events_20150218224500_translingual_100rows.export.csv",
            100,
        ),
    ] {
        let Some(bytes) = real(path) else { return };
        let rows = rows(&bytes);
        assert_eq!(rows.len(), count);
        let imported = import(Format::GdeltV2, &bytes);
        check(&imported, &rows, &[]);
        let warnings: usize = imported.records.iter().map(|draft| draft.warnings.len()).sum();
        assert_eq!(
            warnings,
            0,
            "{path}: {:?}",
            imported.records.iter().find(|draft| !draft.warnings.is_empty())
        );
    }
}

#[test]
fn the_real_dispatch_states_its_own_date_and_comes_back_whole() {
    let Some(bytes) = real("data/dispatch/2021-10-14-pakistan-iran.txt") else {
        return;
    };
    let imported = import(Format::Dispatch, &bytes);
    let content = imported.payload(0).content.unwrap();
    let dates: Vec<&str> = content.dates.iter().map(|date| date.edtf.as_str()).collect();
    assert_eq!(dates, ["2021-10-14"]);
    assert!(content.title.starts_with("In meeting"));
    assert_eq!(content.raw, bytes);
    assert!(imported.records[0].warnings.is_empty());
}
