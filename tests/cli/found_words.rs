//! search by words: the order of relevance, and excerpts.

use crate::harness::{Daemon, json, lines, run};

const RECORDS: &str = r#"
{"series":"desk","key":"a","kind":"event","title":"Talks in Ankara","occurred":"2021-10-13","body":"They spoke of the border,\nof trade and of much else that day. The weather was said to be fine, and lunch was long; nobody was seen to leave before it ended. In the evening all of them went to the opera, where the anthem of Türkiye was played."}
{"series":"desk","key":"b","kind":"event","title":"Border talks","occurred":"2021-11-02"}
{"series":"desk","key":"c","kind":"event","title":"A visit","occurred":"2021-11-03"}
"#;

fn filled() -> Daemon {
    let daemon = Daemon::start();
    daemon.append(RECORDS);
    daemon
}

#[test]
fn the_order_of_relevance_needs_words() {
    let daemon = filled();
    let keys = |args: &[&str]| daemon.ok(&[&["search", "-o", "csv", "--fields", "key"], args].concat());
    assert_eq!(keys(&["border", "--order", "relevance"]), "key\nb\na\n");
    assert_eq!(
        keys(&["border", "--order", "relevance", "--ascending"]),
        "key\na\nb\n"
    );
    let ended = run(&mut daemon.ask(&["search", "kind = event", "--order", "relevance"]));
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(
        ended.err.starts_with("error: relevance needs words;"),
        "{ended:?}"
    );
    assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
}

#[test]
fn excerpts_stand_under_the_rows_of_a_table() {
    let daemon = filled();
    let table = daemon.ok(&[
        "search",
        "turkiye OR border OR visit",
        "--excerpts",
        "--order",
        "occurred",
    ]);
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 1 + 2 * 3, "{table}");
    assert!(
        rows[1].contains("desk/c") && rows[2] == "  title: A visit",
        "{table}"
    );
    assert_eq!(rows[4], "  title: Border talks");
    assert!(rows[5].contains("desk/a"), "{table}");
    assert!(
        rows[6].starts_with("  body: They spoke of the border, of trade"),
        "{table}"
    );
    assert!(rows[6].ends_with('…') && !table.contains('\x1b'), "{table}");
}

#[test]
fn excerpts_are_a_member_of_json_that_is_left_aside_on_input() {
    let daemon = filled();
    let out = daemon.ok(&["search", "turkiye", "--excerpts", "-o", "json"]);
    let found = lines(&out);
    let excerpt = &found[0]["excerpts"][0];
    assert_eq!(excerpt["path"], "body");
    let (from, to) = (
        excerpt["matches"][0]["from"].as_u64().unwrap(),
        excerpt["matches"][0]["to"].as_u64().unwrap(),
    );
    let word = found[0]["body"].as_str().unwrap().chars();
    let word: String = word.skip(from as usize).take((to - from) as usize).collect();
    assert_eq!(word, "Türkiye");
    let without = daemon.ok(&["search", "turkiye", "-o", "json"]);
    assert!(json(without.trim()).get("excerpts").is_none());

    // The record again is no news.
    let tail = daemon.tail();
    let file = daemon.file("again.jsonl", &out);
    run(&mut daemon.ask(&["append", &file]));
    let entry = json(&daemon.ok(&["get", "desk/a", "-o", "json"]));
    assert!(
        daemon.tail() <= tail + 1 && entry.get("excerpts").is_none(),
        "{entry}"
    );
}

#[test]
fn excerpts_have_no_place_in_csv_or_in_chosen_columns() {
    let daemon = filled();
    for form in [&["-o", "csv"][..], &["--fields", "key"]] {
        let ended = run(&mut daemon.ask(&[&["search", "border", "--excerpts"], form].concat()));
        assert_eq!((ended.code, ended.err.lines().count()), (2, 1), "{ended:?}");
        assert!(ended.err.starts_with("error: --excerpts "), "{ended:?}");
    }
}
