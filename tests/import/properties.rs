//! No input makes an importer panic, and every line is a record or a reject.

use super::{import, import_with};
use chancery::import::{Format, Options, sniff};
use proptest::prelude::*;

/// Rows that are nearly right: real shapes with any values in them.
fn rows(columns: usize) -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        "[0-9]{8}",
        "2019-0[0-9]-[0-3][0-9]",
        "NA",
        "\\PC{0,8}",
        "-?[0-9]{1,3}\\.[0-9]"
    ];
    let row = proptest::collection::vec(value, columns).prop_map(|values| values.join("\t"));
    proptest::collection::vec(row, 1..4).prop_map(|rows| rows.join("\n").into_bytes())
}

fn check(format: Format, input: &[u8]) {
    let imported = import(format, input);
    let lines: Vec<&[u8]> = input
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(imported.records.len() + imported.rejects.len(), lines.len());
    for at in 0..imported.records.len() {
        let raw = imported.payload(at).content.unwrap().raw;
        assert!(lines.contains(&&raw[..]));
        assert_eq!(raw, imported.records[at].source);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_as_records_and_rejects(input in proptest::collection::vec(any::<u8>(), 1..400)) {
        prop_assume!(!input.starts_with(b"\xEF\xBB\xBF"));
        check(Format::IcewsQuad, &input);
        check(Format::GdeltV2, &input);
        let _ = sniff::guess(&input);
        import(Format::Jsonl, &input);
        let dispatch = import(Format::Dispatch, &input);
        prop_assert_eq!(dispatch.records.len() + dispatch.rejects.len(), 1);
    }

    #[test]
    fn nearly_right_quads_are_read(input in rows(4)) {
        check(Format::IcewsQuad, &input);
    }

    #[test]
    fn nearly_right_gdelt_rows_are_read(input in rows(61)) {
        check(Format::GdeltV2, &input);
    }

    #[test]
    fn nearly_right_icews_rows_are_read(rows in rows(20)) {
        let header = super::fixture("icews.tab");
        let header = header.split(|byte| *byte == b'\n').next().unwrap();
        let input = [header, b"\n", &rows].concat();
        let imported = import_with(Format::Icews, &input, &Options::default());
        let lines = rows.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
        prop_assert_eq!(imported.records.len() + imported.rejects.len(), lines);
    }
}
