//! One format after the other, on invented rows of the published shapes.

use super::{fixture, import, import_with};
use chancery::import::{Format, ImportError, Item, Keys, Mapping, Options, auto, read, sniff};
use chancery::record::codec::{DateRole, Flag, Side, decode_content};
use chancery::record::{Act, Kind, Series};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[test]
fn the_default_series_are_well_formed() {
    for format in Format::ALL {
        assert!(Series::new(format.default_series()).is_ok());
        assert_eq!(format.name().parse(), Ok(format));
    }
}

#[test]
fn one_row_of_each_format_states_what_its_golden_file_says() {
    insta::assert_snapshot!("icews", import(Format::Icews, &fixture("icews.tab")).json(0));
    insta::assert_snapshot!(
        "icews_quad",
        import(Format::IcewsQuad, &fixture("icews-quad.tsv")).json(0)
    );
    insta::assert_snapshot!(
        "gdelt_v2",
        import(Format::GdeltV2, &fixture("gdelt-v2.export.CSV")).json(0)
    );
    insta::assert_snapshot!(
        "dispatch",
        import(Format::Dispatch, &fixture("dispatch.txt")).json(0)
    );
    insta::assert_snapshot!("jsonl", import(Format::Jsonl, &fixture("records.jsonl")).json(0));
}

#[test]
fn bad_fields_are_warnings_and_their_texts_are_kept() {
    let check = |format, file: &str, row: usize, fields: &[(&str, &str)]| {
        let imported = import(format, &fixture(file));
        assert!(imported.rejects.is_empty());
        let payload = imported.payload(row);
        let (content, provenance) = (payload.content.unwrap(), payload.provenance.unwrap());
        let warned: Vec<(&str, &str)> = provenance
            .warnings
            .iter()
            .map(|one| (one.field.as_str(), one.value.as_str()))
            .collect();
        assert_eq!(warned, fields);
        assert_eq!(imported.records[row].warnings, provenance.warnings);
        for (field, value) in fields {
            assert!(
                content
                    .extra
                    .iter()
                    .any(|one| one.name == *field && one.value == *value),
                "{field}"
            );
        }
    };
    let icews = [
        ("Event Date", "2019-02-30"),
        ("CAMEO Code", "40"),
        ("Intensity", "none"),
        ("Latitude", "95.5"),
    ];
    check(Format::Icews, "icews.tab", 2, &icews);
    let gdelt = [
        ("SQLDATE", "20190231"),
        ("DATEADDED", "2019030425"),
        ("IsRootEvent", "yes"),
        ("EventCode", "43"),
        ("QuadClass", "7"),
        ("GoldsteinScale", "n/a"),
        ("Actor1Geo_Lat", "-134.8"),
    ];
    check(Format::GdeltV2, "gdelt-v2.export.CSV", 2, &gdelt);
}

#[test]
fn absent_words_state_nothing() {
    let imported = import(Format::Icews, &fixture("icews.tab"));
    let content = imported.payload(2).content.unwrap();
    assert!(content.participants.iter().all(|one| one.countries.is_empty()));
    assert!(content.places.is_empty(), "no place but a latitude that is none");
    for absent in ["", "NA", "NULL", "None", "---", " NA "] {
        let row = format!("Japan\tConsult\t{absent}\t2014-01-01");
        let imported = import(Format::IcewsQuad, row.as_bytes());
        let content = imported.payload(0).content.unwrap();
        assert_eq!(
            (content.participants.len(), content.raw),
            (1, row.into_bytes().into())
        );
    }
}

#[test]
fn keys_are_those_of_the_source() {
    assert_eq!(
        import(Format::Icews, &fixture("icews.tab")).keys(),
        ["900001@2019-03-04", "900002@2019-03-04", "900003@2019-02-30"]
    );
    assert_eq!(
        import(Format::GdeltV2, &fixture("gdelt-v2.export.CSV")).keys(),
        ["990000001", "990000002", "990000003"]
    );
    let quads = fixture("icews-quad.tsv");
    let lines: Vec<String> = quads.split(|byte| *byte == b'\n').take(2).map(sha256).collect();
    assert_eq!(import(Format::IcewsQuad, &quads).keys(), lines);
    let dispatch = fixture("dispatch.txt");
    assert_eq!(import(Format::Dispatch, &dispatch).keys(), [sha256(&dispatch)]);
}

#[test]
fn keys_can_be_asked_for() {
    let keys = |format, file: &str, keys| {
        let options = Options {
            keys,
            file: "feed/one.txt".to_owned(),
            ..Options::default()
        };
        let imported = import_with(format, &fixture(file), &options);
        imported.records[0]
            .key
            .as_ref()
            .map(|key| key.as_str().to_owned())
    };
    let header = "date 2019-03-05 Uruguay’s foreign ministry receives an Estonian envoy";
    assert_eq!(
        keys(Format::Dispatch, "dispatch.txt", Keys::Header).unwrap(),
        header
    );
    assert_eq!(
        keys(Format::Dispatch, "dispatch.txt", Keys::File).unwrap(),
        "feed/one.txt"
    );
    assert_eq!(keys(Format::Dispatch, "dispatch.txt", Keys::Random), None);
    assert_eq!(keys(Format::GdeltV2, "gdelt-v2.export.CSV", Keys::Random), None);
    assert_eq!(
        keys(Format::GdeltV2, "gdelt-v2.export.CSV", Keys::Hash)
            .unwrap()
            .len(),
        64
    );
}

#[test]
fn one_key_a_file_is_refused_where_a_file_has_many_rows() {
    let options = Options {
        keys: Keys::File,
        ..Options::default()
    };
    let ended = read(Format::GdeltV2, &mut "".as_bytes(), &options, &mut |_| {
        ControlFlow::Continue(())
    });
    let text = ended.unwrap_err().to_string();
    assert!(
        text.starts_with("keys `file` name one entry a file, but `gdelt-v2` has one a row"),
        "{text}"
    );
}

#[test]
fn a_wrong_shape_is_a_reject_with_line_reason_and_bytes() {
    let rejected = |format, input: &[u8], line, reason: &str, bytes: &[u8]| {
        let imported = import(format, input);
        let reject = &imported.rejects[0];
        assert_eq!((reject.line, &reject.bytes[..]), (line, bytes));
        assert!(reject.reason.starts_with(reason), "{}", reject.reason);
    };
    let quads = b"Japan\tConsult\tVietnam\t2014-01-01\r\n\none\ttwo\xFF\r\n";
    rejected(
        Format::IcewsQuad,
        quads,
        3,
        "2 tab-separated columns found, 4 expected",
        b"one\ttwo\xFF",
    );
    let mut icews = fixture("icews.tab");
    icews.extend_from_slice(b"900004\t2019-03-04");
    rejected(
        Format::Icews,
        &icews,
        5,
        "2 tab-separated columns found, 20 expected",
        b"900004\t2019-03-04",
    );
    let old = vec![b'\t'; 57];
    rejected(
        Format::GdeltV2,
        &old,
        1,
        "58 tab-separated columns found, 61 expected; GDELT 1.0",
        &old,
    );
    let tabs = vec![b'\t'; 60];
    rejected(
        Format::GdeltV2,
        &tabs,
        1,
        "GLOBALEVENTID `` is not a number",
        &tabs,
    );
    rejected(Format::Dispatch, b"\n \n", 1, "the file is empty", b"\n \n");
    rejected(Format::Jsonl, b"{\n", 1, "", b"{");
}

#[test]
fn a_mark_crlf_and_a_missing_last_line_end_change_nothing() {
    for (format, file) in [
        (Format::Icews, "icews.tab"),
        (Format::IcewsQuad, "icews-quad.tsv"),
        (Format::GdeltV2, "gdelt-v2.export.CSV"),
        (Format::Jsonl, "records.jsonl"),
    ] {
        let plain = fixture(file);
        let text = String::from_utf8(plain.clone()).unwrap();
        let windows = format!("\u{FEFF}{}", text.replace('\n', "\r\n"));
        let unended = text.trim_end_matches('\n');
        let expected = import(format, &plain);
        for other in [windows.as_str(), unended] {
            let other = import(format, other.as_bytes());
            assert_eq!(other.records, expected.records);
            assert_eq!(other.rejects, expected.rejects);
        }
    }
}

#[test]
fn icews_columns_are_found_by_name_in_any_order_and_spelling() {
    let text = String::from_utf8(fixture("icews.tab")).unwrap();
    let turned: Vec<String> = text
        .lines()
        .map(|line| {
            let mut columns: Vec<&str> = line.split('\t').collect();
            columns.reverse();
            columns.push(if line.starts_with("Event ID") {
                "Coder Note"
            } else {
                "second look"
            });
            columns.join("\t")
        })
        .collect();
    let turned = turned
        .join("\n")
        .replace("Event ID", "event.id")
        .replace("CAMEO Code", "cameo_code");
    let (expected, found) = (
        import(Format::Icews, text.as_bytes()),
        import(Format::Icews, turned.as_bytes()),
    );
    assert_eq!(found.keys(), expected.keys());
    for at in 0..3 {
        let (mut expected, mut found) = (
            expected.payload(at).content.unwrap(),
            found.payload(at).content.unwrap(),
        );
        let note = found.extra.pop().unwrap();
        assert_eq!(
            (note.name.as_str(), note.value.as_str()),
            ("Coder Note", "second look")
        );
        (expected.raw, found.raw) = Default::default();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_quoted_icews_file_says_the_same() {
    let text = String::from_utf8(fixture("icews.tab")).unwrap();
    let quoted: Vec<String> = text
        .lines()
        .map(|line| format!("\"{}\"", line.replace('\t', "\"\t\"")))
        .collect();
    let (expected, found) = (
        import(Format::Icews, text.as_bytes()),
        import(Format::Icews, quoted.join("\n").as_bytes()),
    );
    assert_eq!(found.keys(), expected.keys());
    assert_eq!(
        found.payload(0).content.unwrap().participants,
        expected.payload(0).content.unwrap().participants
    );
    assert!(
        found.payload(0).content.unwrap().raw.starts_with(b"\"900001\""),
        "raw is the row as it was"
    );
}

#[test]
fn icews_without_its_header_has_the_published_order_and_another_table_is_refused() {
    let text = String::from_utf8(fixture("icews.tab")).unwrap();
    let bare = text.split_once('\n').unwrap().1;
    assert_eq!(
        import(Format::Icews, bare.as_bytes()).keys(),
        import(Format::Icews, text.as_bytes()).keys()
    );
    let mut table = "name\tcapital\nUruguay\tMontevideo\n".as_bytes();
    let ended = read(Format::Icews, &mut table, &Options::default(), &mut |_| {
        ControlFlow::Continue(())
    });
    assert!(matches!(
        ended,
        Err(ImportError::Header {
            format: Format::Icews,
            ..
        })
    ));
}

#[test]
fn bytes_that_are_not_utf8_stay_in_raw_and_are_warned_of() {
    let row = b"M\xFCller\tConsult\tVietnam\t2014-01-01";
    let imported = import(Format::IcewsQuad, row);
    let payload = imported.payload(0);
    let content = payload.content.unwrap();
    assert_eq!(&content.raw[..], row);
    assert_eq!(content.participants[0].name, "M\u{FFFD}ller");
    assert_eq!(payload.provenance.unwrap().warnings[0].field, "Source Name");
    assert_eq!(imported.keys(), [sha256(row)]);
}

#[test]
fn gdelt_keeps_leading_zeros_roots_and_the_time_it_was_added() {
    let imported = import(Format::GdeltV2, &fixture("gdelt-v2.export.CSV"));
    let content = imported.payload(0).content.unwrap();
    assert_eq!(content.types[0].code, "043");
    assert_eq!(content.flags, [i32::from(Flag::Root)]);
    let added = &content.dates[1];
    assert_eq!(added.role(), DateRole::SourceRecorded);
    assert_eq!(
        (added.edtf.as_str(), added.time.as_str()),
        ("2019-03-04", "14:30:00")
    );
    let without_source = imported.payload(1).content.unwrap();
    assert_eq!(
        (without_source.participants.len(), without_source.places.len()),
        (1, 2)
    );
    assert_eq!(
        imported.payload(2).content.unwrap().reports[0].citation,
        "INVENTED MONITORING SERVICE"
    );
}

#[test]
fn a_dispatch_states_when_it_was_reported_and_nothing_about_when_it_happened() {
    let imported = import(Format::Dispatch, &fixture("dispatch.txt"));
    let content = imported.payload(0).content.unwrap();
    assert_eq!(imported.records[0].kind, Some(Kind::Document));
    assert_eq!(content.dates.len(), 1);
    assert_eq!(
        (content.dates[0].role(), content.dates[0].edtf.as_str()),
        (DateRole::Reported, "2019-03-05")
    );
    assert!(content.body.starts_with("An envoy") && content.body.ends_with("their seas."));
    assert_eq!(content.raw, fixture("dispatch.txt"));
    assert!(content.types.is_empty() && content.participants.is_empty());
}

#[test]
fn a_dispatch_without_a_header_has_its_first_line_as_title_and_a_warning() {
    let check = |text: &str, title: &str, dates: usize, warnings: usize| {
        let imported = import(Format::Dispatch, text.as_bytes());
        assert!(imported.rejects.is_empty());
        let content = imported.payload(0).content.unwrap();
        assert_eq!((content.title.as_str(), content.dates.len()), (title, dates));
        assert_eq!(imported.records[0].warnings.len(), warnings);
    };
    check(
        "Envoys meet in Montevideo\n\nThey spoke.",
        "Envoys meet in Montevideo",
        0,
        1,
    );
    check(
        "\u{FEFF}Date: 2019-03-05  Envoys meet\r\n\r\nThey spoke.\r\n",
        "Envoys meet",
        1,
        0,
    );
    check(" date 2019-02-30 Envoys meet\n", "Envoys meet", 0, 1);
    check("Dates for talks are open", "Dates for talks are open", 0, 1);
    check(" date 2019-03-05", "", 1, 0);
}

#[test]
fn an_exported_line_loads_into_another_archive() {
    let imported = import(Format::Jsonl, &fixture("records.jsonl"));
    let exported = &imported.records[1];
    assert_eq!((exported.act, exported.expected_revision), (Act::Create, None));
    assert_eq!(imported.records[2].series.as_str(), "desk");
    assert_eq!(
        imported.records[2].key.as_ref().unwrap().as_str(),
        sha256(br#"{"title":"Without series and key"}"#)
    );
    let reasons: Vec<&str> = imported
        .rejects
        .iter()
        .map(|reject| reject.reason.as_str())
        .collect();
    assert_eq!(
        reasons[0],
        "status is `retracted`; only lines that are current are imported"
    );
    assert!(
        reasons[1].contains("titel") && reasons[1].contains("title"),
        "{}",
        reasons[1]
    );
    let options = Options {
        expect_revision: true,
        ..Options::default()
    };
    let imported = import_with(Format::Jsonl, &fixture("records.jsonl"), &options);
    let edited = &imported.records[1];
    assert_eq!(
        (edited.act, edited.expected_revision.unwrap().get()),
        (Act::Amend, 3)
    );
}

#[test]
fn an_import_ends_where_its_sink_breaks() {
    let mut seen = 0;
    let ended = read(
        Format::Icews,
        &mut fixture("icews.tab").as_slice(),
        &Options::default(),
        &mut |item| {
            seen += 1;
            assert!(matches!(item, Item::Record(_)));
            ControlFlow::Break(())
        },
    );
    assert!(ended.unwrap().is_break());
    assert_eq!(seen, 1);
}

#[test]
fn each_format_is_recognised_and_the_input_comes_back_whole() {
    for (format, file) in [
        (Format::Icews, "icews.tab"),
        (Format::IcewsQuad, "icews-quad.tsv"),
        (Format::GdeltV2, "gdelt-v2.export.CSV"),
        (Format::Dispatch, "dispatch.txt"),
        (Format::Jsonl, "records.jsonl"),
    ] {
        let bytes = fixture(file);
        let (guess, mut input) = auto(bytes.as_slice()).unwrap();
        assert_eq!(guess.format, format, "{guess}");
        let mut whole = Vec::new();
        input.read_to_end(&mut whole).unwrap();
        assert_eq!(whole, bytes);
    }
    let plain = sniff::guess("Envoys meet in Montevideo\n\nThey spoke.\n".as_bytes()).unwrap();
    assert_eq!(plain.format, Format::Dispatch);
}

#[test]
fn a_text_that_is_no_table_is_a_dispatch_whatever_it_lacks() {
    for text in [
        &b"Memo\n\nThe envoys met.\n"[..],
        b"Communique final\n",
        b"Envoys meet in Montevideo\n\n\tThey spoke.\n\tThey left.\n",
        b"Envoys of Chile, Peru, and Kenya meet\nThey spoke of trade, fish, and ports at length.\n",
        b"Some 1,204,567 people fled, the envoy said\n",
        b"R\xe9union \xe0 Gen\xe8ve\n\nIls ont parl\xe9.\n",
        b"\xc9lections au Chili\n",
        b" date 2019-03-05 L'envoy\xe9 arrive\n\nIl est arriv\xe9.\n",
    ] {
        let guess = sniff::guess(text);
        assert_eq!(
            guess.map(|guess| guess.format),
            Ok(Format::Dispatch),
            "{}",
            String::from_utf8_lossy(text)
        );
        let imported = import(Format::Dispatch, text);
        assert_eq!((imported.records.len(), imported.rejects.len()), (1, 0));
    }
    // What a table is claimed by is still refused.
    for table in [
        "a, b, c\n1, 2, 3\n4, 5, 6\n",
        "id;name;day\n1;a;b\n",
        "name\tday\nChile\t2021\n",
        "%PDF-1.7\nwords and words\n",
    ] {
        assert!(sniff::guess(table.as_bytes()).is_err(), "{table}");
    }
}

#[test]
fn json_lines_are_recognised_by_a_first_line_that_is_longer_than_what_is_looked_at() {
    let long = format!(
        "{{\"series\":\"desk\",\"title\":\"a\",\"body\":\"{}\"}}\n",
        "x".repeat(100_000)
    );
    let (guess, mut input) = auto(long.as_bytes()).unwrap();
    assert_eq!(guess.format, Format::Jsonl, "{guess}");
    let mut whole = String::new();
    input.read_to_string(&mut whole).unwrap();
    assert_eq!(whole, long);
    let spread = format!("{{\n \"body\": \"{}\"}}\n", "x".repeat(100_000));
    assert!(
        auto(spread.as_bytes()).is_err(),
        "an object over several lines is none"
    );
}

#[test]
fn an_unknown_file_is_answered_with_what_was_found_and_the_formats() {
    for (input, found) in [
        ("", "the file is empty"),
        (
            "{\n \"a\": 1\n}\n",
            "it looks like JSON that is not one object a line",
        ),
        ("a\tb\tc\n1\t2\t3\n", "the first line has 3 tab-separated columns"),
        ("<?xml version=\"1.0\"?>", "it looks like XML or HTML"),
        (
            "id,name,day\n1,a,b\n2,c,d\n",
            "it looks like columns separated by something other than tabs",
        ),
        ("PK\u{3}\u{4}zip", "neither tab-separated rows"),
    ] {
        let text = sniff::guess(input.as_bytes()).unwrap_err().to_string();
        assert!(
            text.starts_with(&format!("format not recognised: {found}")),
            "{text}"
        );
        assert!(
            text.ends_with("dispatch, icews, icews-quad, gdelt-v2, jsonl, authority"),
            "{text}"
        );
    }
}

/// The blocks of a language in the chapter of a document.
fn blocks(chapter: &str, language: &str) -> String {
    let document = include_str!("../../docs/importing.md");
    let chapter = document
        .split("\n## ")
        .find(|part| part.starts_with(chapter))
        .unwrap();
    let (_, block) = chapter.split_once(&format!("```{language}\n")).unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_mapping_of_the_documents_imports_the_table_of_the_documents() {
    let mapping = Mapping::parse(&blocks("Other tables", "toml")).unwrap();
    let table = blocks("Other tables", "csv");
    let import = |table: &str| {
        let options = Options {
            mapping: Some(Arc::new(mapping.clone())),
            ..Options::default()
        };
        import_with(Format::Table, table.as_bytes(), &options)
    };
    let imported = import(&table);
    assert_eq!(
        (imported.records.len(), imported.rejects.len()),
        (2, 0),
        "{:?}",
        imported.rejects
    );
    let [first, second] = &imported.records[..] else {
        panic!()
    };
    assert_eq!(first.series.as_str(), "conflicts");
    assert_eq!(first.key.as_ref().unwrap().as_str(), "17@2021-10-13");
    let content = decode_content(&first.payload).unwrap().unwrap();
    assert_eq!(content.dates[0].edtf, "2021-10-13");
    assert_eq!(
        (&*content.types[0].scheme, &*content.types[0].code),
        ("our-types", "battle")
    );
    let names: Vec<&str> = content.participants.iter().map(|one| &*one.name).collect();
    assert_eq!(names, ["Rebels", "Army, northern"]);
    assert_eq!(content.participants[1].countries[0].code, "NGA");
    assert_eq!(
        (&*content.measures[0].name, &*content.measures[0].value),
        ("fatalities-best", "4")
    );
    assert_eq!(
        (&*content.extra[0].name, &*content.extra[0].value),
        ("event_id", "17")
    );
    assert_eq!(
        (&*content.extra[1].name, &*content.extra[1].value),
        ("notes", "said by\ntwo sources")
    );
    let raw = &table[table.find("17,").unwrap()..table.find("\n18,").unwrap()];
    assert_eq!(&content.raw[..], raw.as_bytes());

    let content = decode_content(&second.payload).unwrap().unwrap();
    assert_eq!(content.participants.len(), 1);
    assert_eq!(content.participants[0].side(), Side::Target);
    assert_eq!(second.warnings[0].field, "day");
    assert!(content.extra.iter().any(|extra| extra.value == "soon"));
    assert!(content.dates.is_empty());

    let windows = import(&table.replace('\n', "\r\n"));
    let content = decode_content(&windows.records[0].payload).unwrap().unwrap();
    assert_eq!(&content.raw[..], raw.replace('\n', "\r\n").as_bytes());
    assert_eq!((windows.records.len(), windows.records[1].line), (2, 4));
    let bad = import(&format!("{table}19,2021\n,2021-10-14,battle,A,B,NGA,Kano,1,\n"));
    assert_eq!((bad.records.len(), bad.rejects.len()), (2, 2));
    assert!(bad.rejects[0].reason.contains("2 columns found, 9 expected"));
    assert!(bad.rejects[1].reason.contains("no `event_id`"));
}

#[test]
fn a_mapping_of_columns_that_a_table_does_not_have_imports_nothing() {
    let options = Options {
        mapping: Some(Arc::new(Mapping::parse("[columns]\nday = \"occurred\"").unwrap())),
        ..Options::default()
    };
    let ended = read(
        Format::Table,
        &mut "date,what\n2021,x\n".as_bytes(),
        &options,
        &mut |_| panic!("an item was handed on"),
    );
    let sentence = ended.unwrap_err().to_string();
    assert!(
        sentence.contains("`day`") && sentence.contains("date, what"),
        "{sentence}"
    );
}
