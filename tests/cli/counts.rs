//! values, timeline: what is counted, and how it is shown.

use crate::harness::{Daemon, json, lines, run, skipped};
use std::collections::{BTreeMap, BTreeSet};
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
fn values_that_differ_in_their_last_letter_alone_are_two() {
    let daemon = Daemon::start();
    let names = ["1", "2"].map(|end| "Ministry ".repeat(66) + end);
    for (name, key) in names.iter().zip(["a", "b"]) {
        daemon.append(&format!(
            r#"{{"series":"desk","key":"{key}","title":"Talks","places":["{name}"],"participants":[{{"side":"party","name":"{name}"}}]}}"#
        ));
    }
    for field in ["actor", "place"] {
        let values = daemon.ok(&["values", field, "-o", "csv"]);
        let rows: Vec<&str> = values.lines().skip(1).collect();
        assert_eq!(rows.len(), 2, "{values}");
        for row in rows {
            assert!(
                row.starts_with("Ministry Ministry") && row.ends_with(",1"),
                "{row}"
            );
        }
    }
    let count = |filter: &str| daemon.ok(&["count", filter]);
    assert_eq!(count(&format!("actor = \"{}\"", names[0])), "1\n");
    for start in [9, 300, 476, 477, 480, 500, 590] {
        assert_eq!(
            count(&format!("actor = \"{}*\"", &names[0][..start])),
            "2\n",
            "{start}"
        );
    }
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

/// Rows of the form of ICEWS that nobody coded, each of them once, in a fixed order.
fn invented() -> Vec<[String; 4]> {
    const NAMES: [&str; 7] = [
        "Foreign Ministry (Iran)",
        "Citizen (Pakistan)",
        "Japan",
        "Business (Small, Medium) (China)",
        "Iran",
        "The Oracle of Nowhere",
        "Guard (Nowhere)",
    ];
    const TEXTS: [&str; 3] = ["Make statement", "Consult", "Make an appeal or request"];
    let mut state = 1_u32;
    let mut any = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize % below
    };
    let row = |_| {
        let (source, text, target) = (NAMES[any(7)], TEXTS[any(3)], NAMES[any(7)]);
        let day = format!("2014-{:02}-{:02}", 1 + any(4), 1 + any(9));
        [source, text, target, &day].map(str::to_owned)
    };
    let mut rows: Vec<[String; 4]> = (0..1_500).map(row).collect();
    rows.sort();
    rows.dedup();
    rows
}

/// The country of a name: what stands in its last parentheses, else the name itself.
fn country_of(name: &str) -> Option<&'static str> {
    let (_, last) = name.rsplit_once('(').unwrap_or(("", name));
    match last.trim_end_matches(')') {
        "Iran" => Some("IRN"),
        "Pakistan" => Some("PAK"),
        "Japan" => Some("JPN"),
        "China" => Some("CHN"),
        _ => None,
    }
}

/// What is counted by some lines of code that know nothing of the program, as rows of CSV in the order of the values.
fn tallied(values: impl Iterator<Item = String>) -> Vec<String> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    values.for_each(|value| *counts.entry(value).or_default() += 1);
    counts
        .iter()
        .map(|(value, count)| format!("{value},{count}"))
        .collect()
}

#[test]
fn invented_rows_are_counted_as_other_code_counts_them() {
    let (daemon, rows) = (Daemon::start(), invented());
    let lines: Vec<String> = rows.iter().map(|row| row.join("\t") + "\n").collect();
    let file = daemon.file("invented.tsv", &lines.concat());
    daemon.ok(&["import", "--format", "icews-quad", &file]);
    let counted = |args: &[&str]| {
        let csv = daemon.ok(&[args, &["-o", "csv"]].concat());
        let mut rows: Vec<String> = csv.lines().skip(1).map(str::to_owned).collect();
        rows.sort();
        rows
    };
    let countries = |row: &[String; 4]| [country_of(&row[0]), country_of(&row[2])];
    let months = tallied(rows.iter().map(|row| row[3][..7].to_owned()));
    assert_eq!(counted(&["timeline"]), months);
    let days = tallied(rows.iter().map(|row| row[3].clone()));
    assert_eq!(counted(&["timeline", "--by", "day"]), days);
    let texts = tallied(rows.iter().map(|row| format!("icews-text:{}", row[1])));
    assert_eq!(counted(&["values", "type"]), texts);
    let of_any = tallied(rows.iter().flat_map(|row| {
        let own: BTreeSet<&str> = countries(row).into_iter().flatten().collect();
        own.into_iter().map(str::to_owned).collect::<Vec<_>>()
    }));
    assert_eq!(counted(&["values", "country"]), of_any);
    let pair = |row: &[String; 4]| match countries(row) {
        [Some(one), Some(other)] => Some((one.min(other), one.max(other))),
        _ => None,
    };
    let dyads = rows
        .iter()
        .filter_map(pair)
        .map(|(one, other)| format!("{one}-{other}"));
    assert_eq!(counted(&["values", "dyad"]), tallied(dyads));
    let of_two = rows.iter().filter(|row| pair(row) == Some(("IRN", "PAK")));
    assert_eq!(
        counted(&["timeline", "dyad = PAK-IRN"]),
        tallied(of_two.map(|row| row[3][..7].to_owned()))
    );
    let all: BTreeSet<&[String; 4]> = rows.iter().collect();
    let turned = |row: &[String; 4]| [&row[2], &row[1], &row[0], &row[3]].map(String::clone);
    let twins = rows
        .iter()
        .filter(|row| row[0] < row[2] && all.contains(&turned(row)));
    let (rows, twins) = (rows.len(), twins.count());
    assert!(
        rows > 300 && twins > 20,
        "{rows} rows, {twins} twins: too few to say anything"
    );
    let answer = json(&daemon.ok(&[
        "count",
        "series = icews-quad",
        "--collapse",
        "twins",
        "-o",
        "json",
    ]));
    assert_eq!(
        (&answer["count"], &answer["twins"]),
        (&(rows - twins).into(), &twins.into())
    );
}

/// A real file, copied into the test's folder; `None`, with a word on standard error, where there are none.
fn real(daemon: &Daemon, path: &str) -> Option<String> {
    let Some(folder) = std::env::var_os("CHANCERY_SHARED") else {
        skipped(path);
        return None;
    };
    let text = std::fs::read_to_string(PathBuf::from(folder).join(path)).unwrap();
    let name = path.rsplit('/').next().unwrap();
    Some(daemon.file(name, &text))
}

/// The figures were computed from the same files by a few lines of Python that know nothing of this program: they split rows at
/// tabs and count columns; the country of a name in ICEWS is what stands in its last parentheses, else the name itself.
#[test]
fn real_files_are_counted_as_others_count_them() {
    let daemon = Daemon::start();
    let (Some(icews), Some(gdelt)) = (
        real(&daemon, "data/icews14/icews14_2014.tsv"),
        real(&daemon, "data/gdelt/20191024143000.export.CSV"),
    ) else {
        return;
    };
    daemon.ok(&["import", &icews, &gdelt]);
    let csv = |args: &[&str]| daemon.ok(&[args, &["-o", "csv"]].concat());
    assert_eq!(
        csv(&["timeline", "series = icews-quad"]),
        "month,count\n\
             2014-01,6800\n2014-02,7066\n2014-03,7645\n2014-04,7009\n2014-05,7883\n2014-06,7648\n\
             2014-07,7449\n2014-08,6898\n2014-09,8171\n2014-10,8276\n2014-11,8514\n2014-12,7371\n"
    );
    assert_eq!(
        csv(&["values", "type", "series = icews-quad", "--limit", "3"]),
        "type,count\nicews-text:Make statement,15578\nicews-text:Consult,10067\nicews-text:Make an appeal or request,6266\n"
    );
    for (dyad, months) in [
        (
            "IRN-PAK",
            "2014-02,4\n2014-03,15\n2014-04,18\n2014-05,14\n2014-06,6\n2014-08,5\n\
             2014-09,3\n2014-10,1\n2014-12,5\n",
        ),
        (
            "CHN-JPN",
            "2014-01,30\n2014-02,21\n2014-03,42\n2014-04,58\n2014-05,62\n2014-06,73\n\
             2014-07,42\n2014-08,37\n2014-09,85\n2014-10,48\n2014-11,125\n2014-12,54\n",
        ),
        (
            "RUS-UKR",
            "2014-02,9\n2014-03,26\n2014-04,11\n2014-05,6\n2014-06,20\n2014-07,4\n\
             2014-08,4\n2014-09,7\n2014-10,4\n2014-11,4\n2014-12,1\n",
        ),
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
        "type.cameo,count\n010,15578\n040,10067\n020,6266\n"
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
    assert_eq!(twins("icews-quad", "none"), [90_730, 10_220, 0]);
    assert_eq!(twins("icews-quad", "twins"), [80_510, 10_220, 0]);
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
