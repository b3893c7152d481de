//! values, timeline: what is counted, and how it is shown.

use crate::harness::{Daemon, json, lines, run};
use std::path::PathBuf;

const RECORDS: &str = r#"
{"series":"desk","key":"a","title":"Bajwa and Bagheri meet","occurred":"2021-10-13","types":["cameo:040"],
 "participants":[{"side":"party","name":"Bajwa","countries":["PAK"]},{"side":"party","name":"Bagheri","countries":["IRN"]}],
 "measures":[{"name":"goldstein","value":"1.1"}]}
{"series":"desk","key":"b","title":"A note","occurred":"2022-01","types":["cameo:112"],
 "participants":[{"side":"source","name":"Iran","countries":["IRN"]},{"side":"target","name":"Pakistan","countries":["PAK"]}],
 "measures":[{"name":"goldstein","value":"-2.2"}]}
{"series":"desk","key":"c","title":"A visit","occurred":"2021-10-30",
 "participants":[{"side":"source","name":"Iran","countries":["IRN"]},{"side":"target","name":"Japan","countries":["JPN"]}]}
{"series":"desk","key":"d","kind":"event","title":"A strike"}
"#;

fn filled() -> Daemon {
    let daemon = Daemon::start();
    daemon.append(RECORDS);
    daemon
}

#[test]
fn values_are_listed_with_the_most_frequent_first() {
    let daemon = filled();
    assert_eq!(
        daemon.ok(&["values", "country", "-o", "csv"]),
        "country,count\nIRN,3\nPAK,2\nJPN,1\n"
    );
    assert_eq!(
        daemon.ok(&["values", "actor", "country = PAK", "--limit", "1", "-o", "csv"]),
        "actor,count\nBagheri,1\n"
    );
    let ended = run(&mut daemon.ask(&["values", "dyad"]));
    assert_eq!(ended.out, "dyad     count\nIRN-PAK      2\nIRN-JPN      1\n");
    assert!(
        ended
            .err
            .contains("note: 1 of 4 entries have no dyad and are in no row"),
        "{}",
        ended.err
    );
    let error = daemon.refused(&["values", "contry"]);
    assert!(error.contains("did you mean `country`?"), "{error}");
}

#[test]
fn a_timeline_counts_by_stretch_and_field_and_adds_up_a_measure() {
    let daemon = filled();
    assert_eq!(
        daemon.ok(&["timeline", "-o", "csv"]),
        "month,count\n2021-10,2\n2022-01,1\nundated,1\n"
    );
    assert_eq!(
        daemon.ok(&[
            "timeline", "--by", "year", "--group", "dyad", "--order", "count", "-o", "csv"
        ]),
        "year,dyad,count\n2021,IRN-JPN,1\n2021,IRN-PAK,1\n2022,IRN-PAK,1\n"
    );
    let out = daemon.ok(&[
        "timeline",
        "dyad = IRN-PAK",
        "--by",
        "year",
        "--measure",
        "goldstein",
        "-o",
        "json",
    ]);
    let rows = lines(&out);
    assert_eq!(rows.len(), 2);
    assert_eq!(
        rows[1],
        json(
            r#"{"year":"2022","count":1,"measure":{"name":"goldstein","n":1,"sum":-2.2,"mean":-2.2,"min":-2.2,"max":-2.2}}"#
        )
    );
    let sums = daemon.ok(&[
        "timeline",
        "dyad = IRN-PAK",
        "--dates",
        "recorded",
        "--by",
        "year",
        "--measure",
        "goldstein",
        "-o",
        "csv",
    ]);
    assert!(sums.ends_with(",2,2,-1.1,-0.55,-2.2,1.1\n"), "{sums}");
}

#[test]
fn a_timeline_is_drawn() {
    let daemon = filled();
    assert_eq!(
        daemon.ok(&["timeline", "--plot"]),
        "2021-10  2  ██████████████████████████████████████████████████\n\
         2021-11  0\n\
         2021-12  0\n\
         2022-01  1  █████████████████████████\n\
         undated  1  █████████████████████████\n"
    );
    assert_eq!(
        daemon.ok(&["timeline", "--plot", "--group", "dyad"]),
        "dyad     count  2021-10 to 2022-01\nIRN-PAK      2  █▁▁█\nIRN-JPN      1  █▁▁▁\n"
    );
    let signed = daemon.ok(&["timeline", "--plot", "--by", "year", "--measure", "goldstein"]);
    assert!(
        signed.starts_with("2021      1.1  ") && signed.contains("█│\n"),
        "{signed}"
    );
}

#[test]
fn an_answer_without_entries_says_so_beside_it() {
    let daemon = filled();
    let ended = run(&mut daemon.ask(&["timeline", "--measure", "tone", "-o", "csv"]));
    assert!(
        ended.err.contains("none of these entries has a measure `tone`"),
        "{}",
        ended.err
    );
    let ended = run(&mut daemon.ask(&["timeline", "country = FRA", "-o", "csv"]));
    assert_eq!((ended.code, ended.out.as_str()), (0, "month,count\n"));
    assert!(ended.err.contains("no entry matches"), "{}", ended.err);
}

/// Two that tell of one visit from both sides, and one that tells it again under another key.
const TWICE: &str = r#"
{"series":"wire","key":"a","occurred":"2021-10-13","types":["cameo:042"],"reports":[{"document_id":"7","sentence":"2"}],
 "participants":[{"side":"source","name":"Iran"},{"side":"target","name":"Pakistan"}]}
{"series":"wire","key":"b","occurred":"2021-10-13","types":["cameo:042"],"reports":[{"document_id":"7","sentence":"2"}],
 "participants":[{"side":"source","name":"PAKISTAN"},{"side":"target","name":"Iran"}]}
{"series":"wire","key":"c","occurred":"2021-10-13","types":["cameo:042"],"reports":[{"document_id":"7","sentence":"2"}],
 "participants":[{"side":"source","name":"Iran"},{"side":"target","name":"Pakistan"}],"measures":{"tone":"2"}}
{"series":"wire","key":"d","occurred":"2021-10-13","types":["cameo:042"],"reports":[{"document_id":"8","sentence":"2"}],
 "participants":[{"side":"source","name":"Iran"},{"side":"target","name":"Pakistan"}]}
"#;

#[test]
fn what_is_told_twice_is_said_and_left_out_where_that_is_wanted() {
    let daemon = Daemon::start();
    daemon.append(TWICE);
    for (collapse, count, note) in [
        (
            "none",
            4,
            "note: includes 1 swapped twin, 1 alike, by the rules `swapped-twins 1, same-report 1`",
        ),
        ("twins", 3, "note: leaves out 1 swapped twin, includes 1 alike,"),
        ("alike", 2, "note: leaves out 1 swapped twin, 1 alike,"),
    ] {
        let ended = run(&mut daemon.ask(&["count", "--collapse", collapse]));
        assert_eq!(ended.out, format!("{count}\n"), "{collapse}");
        assert!(
            ended.err.lines().last().unwrap().starts_with(note),
            "{}",
            ended.err
        );
        let ended = run(&mut daemon.ask(&["timeline", "--collapse", collapse, "-o", "csv"]));
        assert_eq!(ended.out, format!("month,count\n2021-10,{count}\n"));
        assert!(ended.err.contains(note), "{}", ended.err);
        let values = daemon.ok(&["values", "series", "--collapse", collapse, "-o", "csv"]);
        assert_eq!(values, format!("series,count\nwire,{count}\n"));
    }
    let keys = |args: &[&str]| -> Vec<String> {
        let out = daemon.ok(&[&["search", "-o", "csv", "--fields", "key", "--ascending"], args].concat());
        out.lines().skip(1).map(str::to_owned).collect()
    };
    assert_eq!(keys(&[]), ["a", "b", "c", "d"]);
    assert_eq!(keys(&["--collapse", "twins"]), ["a", "c", "d"]);
    assert_eq!(keys(&["--collapse", "alike", "--order", "occurred"]), ["a", "d"]);
    // Of those that match, the first stands for the others.
    assert_eq!(
        keys(&["--collapse", "alike", "has:measure.tone OR key = b"]),
        ["b"]
    );
    daemon.ok(&["retract", "wire/a", "--reason", "error"]);
    assert_eq!(keys(&["--collapse", "alike"]), ["b", "d"]);
}

#[test]
fn types_are_derived_where_none_is_stated() {
    let daemon = Daemon::start();
    daemon.append(
        r#"{"series":"icews","key":"a","kind":"event","occurred":"2014-03-01","types":["icews-text:Host a visit"]}
           {"series":"polecat","key":"b","kind":"event","occurred":"2014-03-02","types":[{"scheme":"plover","code":"CONSULT","mode":"visit"}]}
           {"series":"gdelt","key":"c","kind":"event","occurred":"2014-03-03","types":["cameo:0312"],"measures":{"goldstein":"5"}}"#,
    );
    let count = |filter: &str| daemon.ok(&["count", filter]).trim().to_owned();
    for (filter, expected) in [
        ("type = cameo:043", "1"),
        ("type = 'host a visit'", "1"),
        ("type = 'Express intent to cooperate militarily'", "1"),
        ("type = plover:CONSULT", "2"),
        ("type = plover:CONSULT basis = stated", "1"),
        ("root = 04", "1"),
        ("root = 04 basis = stated", "0"),
        ("mode = visit", "2"),
        ("context = plover:military", "1"),
        ("quad = 1", "3"),
        ("measure.goldstein = 2.8", "1"),
        ("measure.goldstein >= 0 basis = stated", "1"),
    ] {
        assert_eq!(count(filter), expected, "{filter}");
    }
    assert_eq!(
        daemon.ok(&["values", "type.plover", "-o", "csv"]),
        "type.plover,count\nCONSULT,2\nAGREE,1\n"
    );
    assert_eq!(
        daemon.ok(&["values", "type.cameo", "-o", "csv"]),
        "type.cameo,count\n0312,1\n043,1\n"
    );
    let sums = daemon.ok(&["timeline", "--measure", "goldstein", "-o", "csv"]);
    assert!(sums.ends_with("2014-03,3,2,7.8,3.9,2.8,5\n"), "{sums}");
    let shown = daemon.ok(&["get", "icews/a"]);
    assert!(
        shown.contains(
            "derived       cameo:043 Host a visit · plover:CONSULT visit · quad 1 · goldstein 2.8\n"
        ),
        "{shown}"
    );
    let entry = json(&daemon.ok(&["get", "gdelt/c", "-o", "json"]));
    assert_eq!(
        entry["derived"],
        json(
            r#"{"table":"countries 2026-1","type_table":"types 2026-1","types":[
                {"path":"types[0]","scheme":"cameo","code":"0312","label":"Express intent to cooperate militarily","ancestors":["031","03"]},
                {"path":"types[0]","scheme":"plover","code":"AGREE","contexts":["military"]}],"quads":[1]}"#
        )
    );
}

#[test]
fn a_very_large_measure_keeps_the_table_narrow_and_stays_a_number_in_json() {
    let daemon = Daemon::start();
    daemon.append(
        r#"{"series":"desk","key":"a","title":"Talks","occurred":"2021-10-13","measures":[{"name":"goldstein","value":"1e308"}]}"#,
    );
    let asked = ["timeline", "--measure", "goldstein"];
    let table = daemon.ok(&asked);
    assert!(
        table.contains(" 1e308 ") && table.lines().all(|line| line.len() < 120),
        "{table}"
    );
    let plot = daemon.ok(&[&asked[..], &["--plot"]].concat());
    assert!(plot.starts_with("2021-10  1e308  █"), "{plot}");
    let row = json(&daemon.ok(&[&asked[..], &["-o", "json"]].concat()));
    assert_eq!(row["measure"]["sum"], 1e308);
}

#[test]
fn a_date_beyond_the_days_that_are_counted_is_in_no_day() {
    let daemon = Daemon::start();
    daemon.append(r#"{"series":"desk","key":"a","title":"The end of days","occurred":"Y17E7"}"#);
    for by in ["day", "month", "year"] {
        let counted = daemon.ok(&["timeline", "--by", by, "-o", "csv"]);
        assert_eq!(counted, format!("{by},count\nundated,1\n"));
    }
}

#[test]
fn superseded_contents_are_told_with_their_revision_and_counted() {
    let daemon = filled();
    for title in ["Another note", "A third note"] {
        let set = format!("title={title}");
        daemon.ok(&["amend", "desk/b", "--set", &set, "--reason", "corrected"]);
    }
    let fields = ["--fields", "key,revision,status,title", "-o", "csv"];
    assert_eq!(
        daemon.ok(&[&["search", "status = superseded"], &fields[..]].concat()),
        "key,revision,status,title\nb,2,superseded,Another note\nb,1,superseded,A note\n"
    );
    let ended = run(&mut daemon.ask(&["count", "status = superseded"]));
    assert_eq!(ended.out, "2\n");
    let said = "note: has superseded contents too: each revision is an answer of its own";
    assert!(ended.err.contains(said), "{}", ended.err);
    assert_eq!(
        daemon.ok(&["timeline", "status = superseded", "-o", "csv"]),
        "month,count\n2022-01,2\n"
    );
    assert_eq!(daemon.ok(&["count", "status != current"]), "0\n");
}

/// A real file, copied into the test's folder; `None`, with a word on standard error, where there are none.
fn real(daemon: &Daemon, path: &str, rows: usize) -> Option<String> {
    let Some(folder) = std::env::var_os("CHANCERY_SHARED") else {
        eprintln!("skipped: set CHANCERY_SHARED to the folder that holds {path}");
        return None;
    };
    let text = std::fs::read_to_string(PathBuf::from(folder).join(path)).unwrap();
    let rows: Vec<&str> = text.lines().take(rows).collect();
    let name = path.rsplit('/').next().unwrap();
    Some(daemon.file(name, &(rows.join("\n") + "\n")))
}

/// The figures were computed from the same files by a few lines of Python that know nothing of this program: they split rows at
/// tabs and count columns; the country of a name in ICEWS is what stands in its last parentheses, else the name itself.
#[test]
fn real_files_are_counted_as_others_count_them() {
    let daemon = Daemon::start();
    let (Some(icews), Some(gdelt)) = (
        real(&daemon, "data/icews14/icews14_2014.tsv", 20_000),
        real(&daemon, "data/gdelt/20191024143000.export.CSV", 9_999),
    ) else {
        return;
    };
    daemon.ok(&["import", &icews, &gdelt]);
    let csv = |args: &[&str]| daemon.ok(&[args, &["-o", "csv"]].concat());
    assert_eq!(
        csv(&["timeline", "series = icews-quad"]),
        "month,count\n2014-01,6800\n2014-02,7066\n2014-03,6134\n"
    );
    assert_eq!(
        csv(&["values", "type", "series = icews-quad", "--limit", "3"]),
        "type,count\nicews-text:Make statement,3420\nicews-text:Consult,2234\nicews-text:Make an appeal or request,1419\n"
    );
    for (dyad, months) in [
        ("IRN-PAK", "2014-02,4\n2014-03,3\n"),
        ("CHN-JPN", "2014-01,30\n2014-02,21\n2014-03,35\n"),
        ("RUS-UKR", "2014-02,9\n2014-03,21\n"),
    ] {
        let filter = format!("series = icews-quad AND dyad = {dyad}");
        assert_eq!(
            csv(&["timeline", &filter]),
            format!("month,count\n{months}"),
            "{dyad}"
        );
    }
    assert_eq!(
        csv(&["values", "type.cameo", "series = icews-quad", "--limit", "3"]),
        "type.cameo,count\n010,3420\n040,2234\n020,1419\n"
    );
    let twins = |series: &str, collapse: &str| {
        let answer = daemon.ok(&[
            "count",
            &format!("series = {series}"),
            "--collapse",
            collapse,
            "-o",
            "json",
        ]);
        let answer = json(&answer);
        [&answer["count"], &answer["twins"], &answer["alike"]].map(|number| number.as_u64().unwrap())
    };
    assert_eq!(twins("icews-quad", "none"), [20_000, 2_199, 0]);
    assert_eq!(twins("icews-quad", "twins"), [17_801, 2_199, 0]);
    assert_eq!(twins("gdelt", "none"), [2_111, 209, 354]);
    assert_eq!(twins("gdelt", "alike"), [1_548, 209, 354]);
    assert_eq!(
        csv(&["values", "quad", "series = gdelt"]),
        "quad,count\n1,1222\n4,337\n2,281\n3,271\n"
    );
    let roots = csv(&["values", "root", "series = gdelt"]);
    assert!(
        roots.starts_with("root,count\ncameo:04,460\ncameo:01,297\ncameo:19,176\ncameo:03,169\n"),
        "{roots}"
    );
    let dyads = csv(&["values", "dyad", "series = gdelt", "--limit", "6"]);
    assert_eq!(
        dyads,
        "dyad,count\nUSA-USA,55\nJPN-TKM,18\nNOR-RUS,17\nGBR-USA,15\nSYR-USA,14\nBRA-CHN,13\n"
    );
    let goldstein = csv(&[
        "timeline",
        "series = gdelt",
        "--group",
        "quad",
        "--by",
        "month",
        "--measure",
        "goldstein",
    ]);
    let sum = |quad: &str| -> f64 {
        let of = goldstein.lines().map(|line| line.split(',').collect::<Vec<_>>());
        of.filter(|row| row[1] == quad)
            .map(|row| row[4].parse::<f64>().unwrap())
            .sum()
    };
    for (quad, expected) in [("1", 3104.6), ("2", 1532.9), ("3", -919.5), ("4", -2763.4)] {
        assert!((sum(quad) - expected).abs() < 1e-6, "{quad}: {goldstein}");
    }
}
