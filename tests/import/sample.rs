//! The sample archive that `demo` loads: every line is a record of the JSON form, and the whole is worth showing.

use super::{Imported, import};
use chancery::derive::{Basis, When, of_participant};
use chancery::import::Format;
use chancery::record::codec::{DateRole, RelationType};
use chancery::record::{Kind, date::DaySpan};
use std::collections::HashSet;

fn sample(name: &str) -> Imported {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("data/sample")
        .join(name);
    let imported = import(Format::Jsonl, &std::fs::read(path).unwrap());
    let refused: Vec<String> = imported
        .rejects
        .iter()
        .map(|reject| format!("{}: {}", reject.line, reject.reason))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    imported
}

fn entries(imported: &Imported) -> HashSet<String> {
    let drafts = imported.records.iter();
    drafts
        .map(|draft| format!("{}/{}", draft.series, draft.key.as_ref().unwrap()))
        .collect()
}

#[test]
fn the_sample_has_at_least_300_entries_each_once_and_arrivals_are_further_ones() {
    let (archive, arrivals) = (sample("chancery-sample.jsonl"), sample("arrivals.jsonl"));
    let (known, new) = (entries(&archive), entries(&arrivals));
    assert_eq!(
        (known.len(), new.len()),
        (archive.records.len(), arrivals.records.len())
    );
    assert!(known.len() >= 300 && new.len() >= 12);
    assert!(known.is_disjoint(&new));
}

#[test]
fn every_entry_of_the_sample_says_when_and_who_and_has_a_title() {
    let span = DaySpan::of("1815/2024").unwrap();
    let imported = sample_once();
    for at in 0..imported.records.len() {
        let content = imported.payload(at).content.unwrap();
        assert!(!content.title.is_empty());
        assert!(!content.dates.is_empty(), "{}", content.title);
        for date in &content.dates {
            assert!(
                DaySpan::of(&date.edtf).unwrap().is_within(&span),
                "{}",
                content.title
            );
        }
        if imported.records[at].kind != Some(Kind::Document) {
            assert!(
                !content.participants.is_empty() && !content.types.is_empty(),
                "{}",
                content.title
            );
            assert!(content.dates.iter().any(|date| date.role() == DateRole::Occurred));
        }
    }
}

/// Read once for all tests that look at every line.
fn sample_once() -> &'static Imported {
    static SAMPLE: std::sync::LazyLock<Imported> =
        std::sync::LazyLock::new(|| sample("chancery-sample.jsonl"));
    &SAMPLE
}

#[test]
fn the_sample_names_at_least_40_countries_and_the_archive_knows_them_all() {
    let imported = sample_once();
    let mut countries = HashSet::new();
    for at in 0..imported.records.len() {
        for participant in imported.payload(at).content.unwrap().participants {
            let found = of_participant(&participant, When::Unsaid, Basis::Stated);
            assert_eq!(found.len(), participant.countries.len(), "{}", participant.name);
            countries.extend(found);
        }
    }
    assert!(countries.len() >= 40, "{}", countries.len());
}

#[test]
fn every_relation_of_the_sample_leads_to_an_entry() {
    let imported = sample_once();
    let known = entries(imported);
    for draft in sample("arrivals.jsonl").records.iter().chain(&imported.records) {
        let payload = chancery::record::codec::decode_payload(&draft.payload).unwrap();
        for relation in payload.content.unwrap().relations {
            assert!(
                known.contains(&format!("{}/{}", relation.series, relation.key)),
                "{relation:?}"
            );
        }
    }
}

#[test]
fn the_meetings_of_13_october_2021_are_one_document_and_three_events() {
    let imported = sample_once();
    let (mut reported, mut meetings) = (Vec::new(), 0);
    for (at, draft) in imported.records.iter().enumerate() {
        let content = imported.payload(at).content.unwrap();
        let date = |role| {
            content
                .dates
                .iter()
                .find(|date| date.role() == role)
                .map(|date| date.edtf.clone())
        };
        if draft.key.as_ref().unwrap().as_str() == "dispatch-2021-10-14" {
            assert_eq!(
                (draft.kind, date(DateRole::Occurred)),
                (Some(Kind::Document), None)
            );
            reported.extend(date(DateRole::Reported));
        }
        let is_of_it = |relation: &chancery::record::codec::Relation| {
            relation.r#type() == RelationType::ReportedIn && relation.key == "dispatch-2021-10-14"
        };
        if content.relations.iter().any(is_of_it) {
            assert_eq!(date(DateRole::Occurred).as_deref(), Some("2021-10-13"));
            meetings += 1;
        }
    }
    assert_eq!((reported, meetings), (vec!["2021-10-14".to_owned()], 3));
}
