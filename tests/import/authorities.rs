//! Actors by the row: names, identifiers and offices, and what is wrong with a row.

use crate::*;
use chancery::import::{Format, sniff};
use chancery::record::Kind;
use chancery::record::codec::{RelationType, decode_content};

const TABLE: &str = "key,name,language,names,identifiers,offices,part_of,kind,note\n\
    imran-khan,Imran Khan,en,عمران خان@ur|Имран Хан@ru[1992/],wikidata:Q155164,Prime Minister@PAK[2018-08-18/2022-04-10],pti|desk/cabinet,person,cricketer\n\
    pti,Pakistan Tehreek-e-Insaf,,PTI|\"\"تحریک انصاف\"\"@ur,,,,organisation,\n";

#[test]
fn a_row_is_an_actor_with_all_that_its_cells_say() {
    let imported = import(Format::Authority, TABLE.as_bytes());
    assert_eq!(
        (imported.records.len(), imported.rejects.len()),
        (2, 0),
        "{:?}",
        imported.rejects
    );
    let first = &imported.records[0];
    assert_eq!(
        (first.series.as_str(), first.kind),
        ("authority", Some(Kind::Authority))
    );
    assert_eq!(first.key.as_ref().unwrap().as_str(), "imran-khan");
    let content = decode_content(&first.payload).unwrap().unwrap();
    assert_eq!(content.title, "Imran Khan");
    let names: Vec<_> = content
        .names
        .iter()
        .map(|name| (&*name.name, &*name.language, &*name.from, &*name.to))
        .collect();
    assert_eq!(
        names,
        [
            ("Imran Khan", "en", "", ""),
            ("عمران خان", "ur", "", ""),
            ("Имран Хан", "ru", "1992", "")
        ]
    );
    assert_eq!(
        (&*content.identifiers[0].scheme, &*content.identifiers[0].code),
        ("wikidata", "Q155164")
    );
    let office = &content.offices[0];
    assert_eq!(
        (&*office.office, &*office.from, &*office.to),
        ("Prime Minister", "2018-08-18", "2022-04-10")
    );
    assert_eq!(office.country.as_ref().unwrap().code, "PAK");
    let parts: Vec<_> = content
        .relations
        .iter()
        .map(|one| (one.r#type(), &*one.series, &*one.key))
        .collect();
    assert_eq!(
        parts,
        [
            (RelationType::PartOf, "authority", "pti"),
            (RelationType::PartOf, "desk", "cabinet")
        ]
    );
    assert_eq!(
        (&*content.types[0].scheme, &*content.types[0].code),
        ("actor", "person")
    );
    assert_eq!(
        (&*content.extra[0].name, &*content.extra[0].value),
        ("note", "cricketer")
    );
    assert!(!content.raw.is_empty());
}

#[test]
fn a_name_that_has_days_is_dated_and_stands_once() {
    let table = "key,name,language,names\nd,Dup,en,DUP[2001/2002]|Other\n";
    let imported = import(Format::Authority, table.as_bytes());
    let content = decode_content(&imported.records[0].payload).unwrap().unwrap();
    let names: Vec<_> = content
        .names
        .iter()
        .map(|name| (&*name.name, &*name.language, &*name.from, &*name.to))
        .collect();
    assert_eq!(names, [("Dup", "en", "2001", "2002"), ("Other", "", "", "")]);
    assert_eq!(content.title, "Dup");
}

#[test]
fn a_row_that_cannot_be_meant_is_rejected_with_what_is_wrong() {
    let table = "key,name,names,offices\n\
        a,A,A2[2002/2001],\n\
        b,B,,President@XXX\n\
        c,C,,PM@PAK[2022/2018]\n\
        d,\u{640},,\n\
        e,E,,\n\
        e,E again,,\n";
    let imported = import(Format::Authority, table.as_bytes());
    let reasons: Vec<_> = imported
        .rejects
        .iter()
        .map(|one| (one.line, one.reason.as_str()))
        .collect();
    assert_eq!(imported.records.len(), 1);
    for ((line, reason), (expected, said)) in reasons.iter().zip([
        (
            2,
            "`names`: in `A2[2002/2001]`, `2002` is after `to`, which is `2001`",
        ),
        (3, "`President@XXX` has the country `XXX`, which is none"),
        (4, "`2022` is after `to`"),
        (5, "`names[0].name`: `\\u{640}` has no letter"),
        (7, "the key `e` is that of line 6 too"),
    ]) {
        assert_eq!(*line, expected, "{reason}");
        assert!(reason.contains(said), "{reason}");
    }
    assert_eq!(reasons.len(), 5);
    let many: Vec<String> = (0..1_001).map(|at| format!("name {at}")).collect();
    let table = format!("key,name,names\na,A,{}\n", many.join("|"));
    let imported = import(Format::Authority, table.as_bytes());
    assert!(
        imported.rejects[0]
            .reason
            .contains("too many names: more than 1000"),
        "{}",
        imported.rejects[0].reason
    );
}

#[test]
fn tabs_and_commas_are_told_apart_by_the_header_and_the_format_by_its_names() {
    let tabbed = "key\tname\tnames\nun\tUnited Nations, the\tUN|ООН@ru\n";
    let imported = import(Format::Authority, tabbed.as_bytes());
    let content = decode_content(&imported.records[0].payload).unwrap().unwrap();
    assert_eq!((content.names.len(), &*content.title), (3, "United Nations, the"));
    for table in [TABLE, tabbed] {
        assert_eq!(sniff::guess(table.as_bytes()).unwrap().format, Format::Authority);
    }
    assert!(sniff::guess(b"key,name,day\n1,a,b\n2,c,d\n").is_err());
}

#[test]
fn the_table_of_the_documents_is_imported() {
    let document = include_str!("../../docs/importing.md");
    let (_, chapter) = document.split_once("## `authority`").unwrap();
    let (_, block) = chapter.split_once("```csv\n").unwrap();
    let imported = import(Format::Authority, block.split_once("```").unwrap().0.as_bytes());
    assert_eq!(
        (imported.records.len(), imported.rejects.len()),
        (2, 0),
        "{:?}",
        imported.rejects
    );
}

#[test]
fn a_row_that_cannot_be_read_is_kept_with_what_is_wrong() {
    let table = "key,name,names,identifiers,offices,part_of,kind\n\
        ,Nobody,,,,,\n\
        a,,A,,,,\n\
        b,B,Bee[1939],,,,\n\
        c,C,,Q1,,,\n\
        d,D,,,President@Pakistan,,\n\
        e,E,,,,Desk/x,\n\
        f,F,,,,,planet\n\
        g,G\n\
        h,H,,,,,state\n";
    let imported = import(Format::Authority, table.as_bytes());
    assert_eq!(imported.records.len(), 1);
    let said = [
        "no `key`",
        "no `name`",
        "`names`: `Bee[1939]` does not end as [from/to]",
        "`identifiers`: `Q1` is no identifier",
        "`offices`: `President@Pakistan` has the country `Pakistan`",
        "`part_of`: `Desk/x`",
        "`kind`: `planet` is no sort of actor",
        "2 columns found, 7 expected",
    ];
    assert_eq!(imported.rejects.len(), said.len());
    for (reject, said) in imported.rejects.iter().zip(said) {
        assert!(reject.reason.contains(said), "{}", reject.reason);
    }
    let mut input = "name,names\nx,y\n".as_bytes();
    let refused = chancery::import::read(
        Format::Authority,
        &mut input,
        &chancery::import::Options::default(),
        &mut |_| panic!("an item was handed on"),
    );
    let sentence = refused.unwrap_err().to_string();
    assert!(sentence.contains("a column `key` is needed"), "{sentence}");
}
