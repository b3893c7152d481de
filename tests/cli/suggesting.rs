//! suggest: what a dispatch seems to say.

use crate::harness::{Daemon, chancery, json, lines, run, skipped};
use std::collections::BTreeSet;
use std::path::Path;

const TEXT: &str = "Gen. Qamar Javed Bajwa met his Iranian counterpart in Rawalpindi on Wednesday.";

fn of_file(text: &str, args: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dispatch.txt");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let ended = run(&mut chancery(&[&["suggest", file], args].concat()));
    assert_eq!(ended.code, 0, "{}", ended.err);
    ended.out
}

#[test]
fn a_dispatch_suggests_countries_persons_places_and_days_with_the_bytes_and_the_rule() {
    let out = of_file(TEXT, &["--reported", "2021-10-14", "-o", "json"]);
    let found = lines(&out);
    let person = found.iter().find(|one| one["kind"] == "person").unwrap();
    assert_eq!(
        (&person["name"], &person["rule"]),
        (&"Qamar Javed Bajwa".into(), &"title-and-name".into())
    );
    let bytes = |at: &str| person[at].as_u64().unwrap() as usize;
    assert_eq!(&TEXT[bytes("from")..bytes("to")], "Qamar Javed Bajwa");
    let countries: BTreeSet<&str> = found.iter().filter_map(|one| one["country"].as_str()).collect();
    assert_eq!(countries, BTreeSet::from(["IRN", "PAK"]));
    let day = found.iter().find(|one| one["kind"] == "day").unwrap();
    assert_eq!(day["day"], "2021-10-13");
    let shown = of_file(TEXT, &["--reported", "2021-10-14"]);
    assert!(shown.contains("040 Consult"), "{shown}");
}

#[test]
fn the_header_of_a_dispatch_is_its_title_and_its_day() {
    let with_header = format!(" date 2021-10-14 Talks in Tehran\n\n{TEXT}\n");
    let found = lines(&of_file(&with_header, &["-o", "json"]));
    let alone = lines(&of_file(
        TEXT,
        &[
            "--reported",
            "2021-10-14",
            "--title",
            "Talks in Tehran",
            "-o",
            "json",
        ],
    ));
    assert_eq!(found, alone);
    assert!(found.iter().any(|one| one["day"] == "2021-10-13"), "{found:?}");
}

#[test]
fn what_cannot_be_read_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let file = |bytes: &[u8]| {
        let path = folder.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let refused = |args: &[&str]| {
        let ended = run(&mut chancery(args));
        (ended.code, ended.err)
    };
    let (code, err) = refused(&["suggest", &file(b"Caf\xe9")]);
    assert!(
        code == 1 && err.contains("is not UTF-8 from byte 3 on; convert it first"),
        "{err}"
    );
    let (code, err) = refused(&["suggest", "--evaluate", &file(b"{\"text\": 1}\n")]);
    assert!(code == 1 && err.contains("line 1 is no labelled text"), "{err}");
    let (code, err) = refused(&["suggest", "--reported", "2021", &file(b"")]);
    assert!(
        code == 2 && err.contains("no day; give one as 2021-10-14"),
        "{err}"
    );
}

#[test]
fn a_labelled_set_is_scored_and_differences_are_listed() {
    let set = concat!(
        r#"{"reported":"2021-10-14","text":"Iran and Iraq signed a treaty in Algiers.","countries":["IRN","IRQ","TUR"],"#,
        r#""persons":[],"days":[],"roots":["05"]}"#,
        "\n"
    );
    let out = of_file(set, &["--evaluate", "--differences"]);
    assert!(out.contains("line 1: countries, not labelled: DZA"), "{out}");
    assert!(out.contains("line 1: countries, not suggested: TUR"), "{out}");
    let scores = lines(&of_file(set, &["--evaluate", "-o", "json"]));
    assert_eq!(
        (&scores[0]["field"], &scores[0]["right"]),
        (&"countries".into(), &2.into())
    );
}

/// The dispatch with which the project began, where it is there.
#[test]
fn the_first_dispatch_says_who_met_where_and_when() {
    let path = "data/dispatch/2021-10-14-pakistan-iran.txt";
    let Some(folder) = std::env::var_os("CHANCERY_SHARED") else {
        skipped(path);
        return;
    };
    let text = std::fs::read_to_string(Path::new(&folder).join(path)).unwrap();
    let found = lines(&of_file(&text, &["--reported", "2021-10-14", "-o", "json"]));
    let has = |field: &str, value: &str| found.iter().any(|one| one[field] == value);
    for country in ["PAK", "IRN", "AFG"] {
        assert!(has("country", country), "{country}");
    }
    let office = |name: &str| {
        let of_name = found
            .iter()
            .filter(|one| one["kind"] == "person" && one["name"] == name);
        of_name
            .filter_map(|one| one["office"].as_str())
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(office("Qamar Javed Bajwa"), "Pakistan Army chief");
    assert_eq!(
        office("Mohammad Bagheri"),
        "chief of General Staff of Iran’s armed forces"
    );
    assert_eq!(
        office("Nadeem Raza"),
        "Chairman of the Joint Chiefs of Staff Committee"
    );
    assert_eq!(office("Imran Khan"), "Prime Minister");
    assert_eq!(office("Raisi"), "Iranian President");
    assert!(
        has("name", "Rawalpindi")
            && has("day", "2021-10-13")
            && has("name", "Inter-Services Public Relations")
    );
    assert!(has("code", "040") && has("code", "062"));
}

#[test]
fn a_dispatch_is_found_by_what_it_suggests_and_marked_and_shown_apart_from_what_it_states() {
    let daemon = Daemon::start();
    let dispatch = serde_json::json!({
        "series": "desk", "key": "dispatch", "kind": "document", "title": "A visit to Rawalpindi",
        "reported": "2021-10-14", "body": TEXT,
    });
    daemon.append(&format!("{dispatch}\n"));
    daemon.append("{\"series\":\"desk\",\"key\":\"talks\",\"occurred\":\"2021-10-13\",\"participants\":[{\"name\":\"Iran\"}]}\n");
    let asked = "country = IRN AND NOT mentioned.day = 2020";
    let shown = run(&mut daemon.ask(&["search", asked]));
    assert!(shown.out.contains("  ~ country IRN “Iranian”"), "{}", shown.out);
    let note = "note: 1 of 2 found by suggestions in their text (~), by the rules of ";
    assert!(shown.err.contains(note), "{}", shown.err);
    let found = lines(&daemon.ok(&["search", asked, "-o", "json"]));
    let of = |key: &str| found.iter().find(|one| one["key"] == key).unwrap();
    assert_eq!(of("talks").get("suggested"), None);
    let suggested = &of("dispatch")["suggested"];
    assert_eq!(suggested["rules"], chancery::suggest::version());
    assert_eq!(suggested["suggestions"][0]["country"], "IRN");
    let rows = daemon.ok(&["search", asked, "-o", "csv", "--fields", "key,suggested"]);
    assert_eq!(rows, "key,suggested\ntalks,\ndispatch,country IRN\n");
    for left in ["basis = derived", "basis = stated AND kind = document"] {
        let out = daemon.ok(&["search", &format!("country = IRN AND {left}"), "-o", "json"]);
        assert!(!out.contains("dispatch"), "{out}");
    }
    // What was answered may be given back.
    let edited = of("dispatch").to_string();
    let ended = run(daemon.ask(&["append", "-", "--dry-run"]).write_stdin(edited));
    assert!(ended.code == 0 && !ended.err.contains("suggested"), "{ended:?}");
    let counted = daemon.ok(&["values", "country", "kind : *", "-o", "json"]);
    assert!(counted.contains("IRN") && !counted.contains("PAK"), "{counted}");
    let explained = daemon.ok(&["explain", asked]);
    assert!(
        explained
            .contains("`country`, `mentioned.day`: documents are found by what their texts suggest, too"),
        "{explained}"
    );
}

#[test]
fn get_shows_all_that_a_dispatch_suggests_behind_what_it_states_until_it_is_erased() {
    let daemon = Daemon::start();
    let dispatch = serde_json::json!({
        "series": "desk", "key": "dispatch", "kind": "document", "reported": "2021-10-14", "body": TEXT,
    });
    daemon.append(&format!("{dispatch}\n"));
    let card = daemon.ok(&["get", "desk/dispatch"]);
    assert!(!card.contains("suggested"), "{card}");
    let card = daemon.ok(&["get", "desk/dispatch", "--suggested"]);
    let (stated, suggested) = card
        .split_once("suggested by its text, and stated by nobody")
        .unwrap();
    assert!(!stated.contains("2021-10-13"), "{card}");
    for said in [
        "country      PAK",
        "2021-10-13  “Wednesday”",
        "Qamar Javed Bajwa",
        "place-name",
    ] {
        assert!(suggested.contains(said), "{said}: {card}");
    }
    let one = json(&daemon.ok(&["get", "desk/dispatch", "--suggested", "-o", "json"]));
    let all = one["suggested"]["suggestions"].as_array().unwrap();
    assert!(all.iter().any(|one| one["day"] == "2021-10-13"), "{all:?}");
    daemon.ok(&[
        "erase",
        "desk/dispatch",
        "--authority",
        "court order 1",
        "--confirm",
        "desk/dispatch",
    ]);
    let erased = daemon.ok(&["get", "desk/dispatch", "--suggested"]);
    assert!(erased.contains("nothing is suggested"), "{erased}");
    assert_eq!(daemon.ok(&["search", "country = PAK", "-o", "json"]), "");
}
