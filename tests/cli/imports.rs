//! import: every row ends in exactly one count.

use crate::harness::{Daemon, Ended, interrupt, json, lines, run};
use serde_json::{Value, json as value};
use std::io::Write;

const QUADS: &str = "Japan\tConsult\tVietnam\t2014-01-01\nChina\tMake a visit\tFrance\t2014-01-02\n";
const DISPATCH: &str = " date 2019-03-05 Uruguay’s foreign ministry receives an Estonian envoy\n\nAn envoy of Estonia was received in Montevideo on Monday.\n";

fn import(daemon: &Daemon, args: &[&str]) -> (Value, Ended) {
    let ended = run(&mut daemon.ask(&[&["import", "-o", "json"], args].concat()));
    (json(&ended.out), ended)
}

fn counts(recorded: u64, amended: u64, duplicates: u64, rejected: u64) -> Value {
    let read = recorded + amended + duplicates + rejected;
    value!({"read": read, "recorded": recorded, "amended": amended, "duplicates": duplicates, "rejected": rejected})
}

#[test]
fn importing_again_changes_nothing_not_even_from_another_path() {
    let daemon = Daemon::start();
    let file = daemon.file("quads.tsv", QUADS);
    let (first, ended) = import(&daemon, &[&file]);
    assert_eq!(first, counts(2, 0, 0, 0));
    assert!(ended.err.contains("taken for icews-quad"), "{}", ended.err);
    let tail = daemon.tail();
    assert_eq!(tail, 3, "the rows, and what the archive says of the import");
    assert_eq!(import(&daemon, &[&file]).0, counts(0, 0, 2, 0));
    let copy = daemon.file("copy.tsv", QUADS);
    assert_eq!(
        import(&daemon, &[&copy, "--format", "icews-quad"]).0,
        counts(0, 0, 2, 0)
    );
    assert_eq!(daemon.tail(), tail);
}

#[test]
fn a_correction_is_not_undone_by_importing_again() {
    let daemon = Daemon::start();
    let file = daemon.file("dispatch.txt", DISPATCH);
    assert_eq!(import(&daemon, &[&file]).0, counts(1, 0, 0, 0));
    daemon.ok(&["amend", "0", "--set", "title=Corrected", "--reason", "corrected"]);
    assert_eq!(import(&daemon, &[&file]).0, counts(0, 0, 1, 0));
    let found = json(&daemon.ok(&["get", "0", "-o", "json"]));
    assert_eq!(
        (&found["title"], &found["revision"]),
        (&"Corrected".into(), &2.into())
    );
    assert_eq!(daemon.ok(&["get", "0", "-o", "original"]), DISPATCH);
}

#[test]
fn bad_rows_are_kept_with_line_reason_and_bytes_and_keep_no_good_row_out() {
    let daemon = Daemon::start();
    let file = daemon.file(
        "rows.tsv",
        &format!("{QUADS}only\ttwo\nIndia\tConsult\tNepal\t2014-01-03\n"),
    );
    let (found, ended) = import(&daemon, &[&file, "--format", "icews-quad"]);
    assert_eq!(found, counts(3, 0, 0, 1));
    assert_eq!(ended.code, 0, "{ended:?}");
    let rejects = lines(&std::fs::read_to_string(format!("{file}.rejects")).unwrap());
    assert_eq!(rejects.len(), 1);
    assert_eq!(
        (&rejects[0]["line"], &rejects[0]["text"]),
        (&3.into(), &"only\ttwo".into())
    );
    assert!(ended.err.contains(".rejects"), "{}", ended.err);
}

#[test]
fn rejects_of_a_file_that_was_mended_are_gone() {
    let daemon = Daemon::start();
    let bad = format!("{QUADS}only\ttwo\n");
    let file = daemon.file("rows.tsv", &bad);
    let rejects = format!("{file}.rejects");
    import(&daemon, &[&file, "--format", "icews-quad"]);
    assert!(std::fs::exists(&rejects).unwrap());
    daemon.file("rows.tsv", QUADS);
    import(&daemon, &[&file, "--dry-run"]);
    assert!(std::fs::exists(&rejects).unwrap(), "a dry run changes no file");
    import(&daemon, &[&file]);
    assert!(!std::fs::exists(&rejects).unwrap());
}

#[test]
fn a_file_for_all_rejects_holds_those_of_one_run() {
    let daemon = Daemon::start();
    let one = daemon.file("one.tsv", &format!("{QUADS}only\ttwo\n"));
    let other = daemon.file("other.tsv", &format!("{QUADS}and\tmore\n"));
    let rejects = daemon.folder().join("all.jsonl");
    let rejects = rejects.to_str().unwrap();
    let count = || std::fs::read_to_string(rejects).map_or(0, |text| text.lines().count());
    let run_all = |inputs: &[&str]| {
        let how = ["import", "--format", "icews-quad", "--rejects", rejects];
        run(&mut daemon.ask(&[&how, inputs].concat()))
    };
    run_all(&[&one, &other]);
    assert_eq!(count(), 2);
    run_all(&[&one, &other]);
    assert_eq!(count(), 2, "it does not grow from run to run");
    let ended = run_all(&[&one, rejects]);
    assert_eq!((ended.code, count()), (2, 2), "{ended:?}");
    daemon.file("one.tsv", QUADS);
    run_all(&[&one, &other]);
    assert_eq!(count(), 1);
    daemon.file("other.tsv", QUADS);
    run_all(&[&one, &other]);
    assert!(!std::fs::exists(rejects).unwrap());
}

#[test]
fn an_import_in_which_every_row_is_rejected_failed() {
    let daemon = Daemon::start();
    let file = daemon.file("rows.tsv", "only\ttwo\n");
    let (found, ended) = import(&daemon, &[&file, "--format", "icews-quad"]);
    assert_eq!((found, ended.code), (counts(0, 0, 0, 1), 1));
}

#[test]
fn a_retracted_entry_is_rejected_and_its_neighbours_are_not() {
    let daemon = Daemon::start();
    let file = daemon.file("quads.tsv", QUADS);
    import(&daemon, &[&file]);
    daemon.ok(&["retract", "0", "--reason", "error"]);
    let (found, _) = import(&daemon, &[&file]);
    assert_eq!(found, counts(0, 0, 1, 1));
    let rejects = std::fs::read_to_string(format!("{file}.rejects")).unwrap();
    assert!(rejects.contains("was retracted at position 3"), "{rejects}");
}

/// A file says what its source did; what a person decided since stays.
#[test]
fn acts_of_a_file_are_made_once_and_undo_nothing() {
    let daemon = Daemon::start();
    let file = daemon.file(
        "acts.jsonl",
        concat!(
            "{\"series\":\"feed\",\"key\":\"a\",\"kind\":\"event\",\"title\":\"a\"}\n",
            "{\"series\":\"feed\",\"key\":\"b\",\"kind\":\"event\",\"title\":\"b\"}\n",
            "{\"series\":\"feed\",\"key\":\"a\",\"act\":\"retract\",\"reason\":\"error\",\"explanation\":\"one\"}\n",
            "{\"series\":\"feed\",\"key\":\"a\",\"act\":\"reinstate\",\"reason\":\"error\"}\n",
            "{\"series\":\"feed\",\"key\":\"a\",\"act\":\"retract\",\"reason\":\"error\",\"explanation\":\"one\"}\n",
            "{\"series\":\"feed\",\"key\":\"b\",\"act\":\"link\",\"relation\":{\"type\":\"part-of\",\"series\":\"feed\",\"key\":\"a\"}}\n",
        ),
    );
    assert_eq!(import(&daemon, &[&file]).0, counts(6, 0, 0, 0));
    let status = || json(&daemon.ok(&["get", "feed/a", "-o", "json"]))["status"].clone();
    assert_eq!(status(), "retracted");
    daemon.ok(&["reinstate", "feed/a", "--reason", "error"]);
    daemon.ok(&["unlink", "feed/b", "part-of", "feed/a"]);
    let tail = daemon.tail();
    let (again, ended) = import(&daemon, &[&file, "--dry-run"]);
    assert_eq!(again, counts(0, 0, 6, 0), "{ended:?}");
    assert_eq!(import(&daemon, &[&file]).0, counts(0, 0, 6, 0));
    assert_eq!((daemon.tail(), status()), (tail, "current".into()));
    // Another reason is another act.
    let other = daemon.file(
        "other.jsonl",
        "{\"series\":\"feed\",\"key\":\"a\",\"act\":\"retract\",\"reason\":\"fabricated\"}\n",
    );
    assert_eq!(import(&daemon, &[&other]).0, counts(1, 0, 0, 0));
    assert_eq!(status(), "retracted");
}

#[test]
fn what_exists_with_other_content_is_amended_or_rejected_as_asked() {
    let row = |title: &str| {
        format!(
            "{{\"series\":\"feed\",\"key\":\"k1\",\"kind\":\"event\",\"title\":\"{title}\"}}\n{{\"series\":\"feed\",\"key\":\"{title}\",\"title\":\"x\"}}\n"
        )
    };
    let daemon = Daemon::start();
    let first = daemon.file("first.jsonl", &row("first"));
    assert_eq!(import(&daemon, &[&first]).0, counts(2, 0, 0, 0));
    let second = daemon.file("second.jsonl", &row("second"));
    assert_eq!(
        import(&daemon, &[&second, "--on-existing", "fail"]).0,
        counts(1, 0, 0, 1)
    );
    assert_eq!(
        import(&daemon, &[&second, "--on-existing", "skip"]).0,
        counts(0, 0, 1, 1)
    );
    assert_eq!(import(&daemon, &[&second]).0, counts(0, 1, 1, 0));
    let found = json(&daemon.ok(&["get", "0", "-o", "json"]));
    assert_eq!(
        (&found["title"], &found["reason"]),
        (&"second".into(), &"reissued".into())
    );
    // The first issue is known, so that it does not undo the second.
    assert_eq!(import(&daemon, &[&first]).0, counts(0, 0, 2, 0));
}

#[test]
fn several_contents_of_one_entry_are_recorded_in_their_order() {
    let daemon = Daemon::start();
    let rows: String = (0..1_100)
        .map(|n| {
            format!(
                "{{\"series\":\"feed\",\"key\":\"k{}\",\"kind\":\"event\",\"title\":\"t{n}\"}}\n",
                n % 700
            )
        })
        .collect();
    let file = daemon.file("rows.jsonl", &rows);
    assert_eq!(import(&daemon, &[&file]).0, counts(700, 400, 0, 0));
    let title = |key: &str| json(&daemon.ok(&["get", &format!("feed/{key}"), "-o", "json"]))["title"].clone();
    assert_eq!(
        (title("k0"), title("k399"), title("k400")),
        ("t700".into(), "t1099".into(), "t400".into())
    );
    assert_eq!(import(&daemon, &[&file]).0, counts(0, 0, 1_100, 0));
}

#[test]
fn a_dry_run_counts_and_writes_nothing() {
    let daemon = Daemon::start();
    let file = daemon.file("rows.tsv", &format!("{QUADS}only\ttwo\n"));
    let (found, _) = import(&daemon, &[&file, "--format", "icews-quad", "--dry-run"]);
    assert_eq!(found, counts(2, 0, 0, 1));
    assert_eq!(daemon.tail(), 0);
    assert!(!std::path::Path::new(&format!("{file}.rejects")).exists());
}

#[test]
fn stdin_and_folders_are_inputs() {
    let daemon = Daemon::start();
    let ended = run(daemon.ask(&["import", "-", "-o", "json"]).write_stdin(QUADS));
    assert_eq!(json(&ended.out), counts(2, 0, 0, 0));
    let folder = daemon.folder().join("in");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("b.tsv"), QUADS).unwrap();
    std::fs::write(folder.join("a.txt"), DISPATCH).unwrap();
    std::fs::write(folder.join("b.tsv.rejects"), "{}").unwrap();
    let (found, ended) = import(&daemon, &[folder.to_str().unwrap()]);
    assert_eq!(found, counts(1, 0, 2, 0));
    assert_eq!(ended.code, 0);
}

#[test]
fn a_table_of_other_columns_is_imported_by_its_mapping() {
    let daemon = Daemon::start();
    let table = daemon.file("table.csv", "day,who,note\n2021-10-13,Chile,\"a, b\"\n");
    let mapping = daemon.file(
        "mapping.toml",
        "series = \"mine\"\nkey = [\"day\"]\n[columns]\nday = \"occurred\"\nwho = \"participants[0].name\"\n",
    );
    assert_eq!(
        import(&daemon, &[&table, "--mapping", &mapping]).0,
        counts(1, 0, 0, 0)
    );
    assert_eq!(
        import(&daemon, &[&table, "--mapping", &mapping]).0,
        counts(0, 0, 1, 0)
    );
    let found = json(&daemon.ok(&["get", "mine/2021-10-13", "-o", "json"]));
    assert_eq!(found["participants"][0]["name"], "Chile");
    assert_eq!(found["extra"][0]["value"], "a, b");
    let refused = |args: &[&str]| {
        let ended = run(&mut daemon.ask(&[&["import", &table, "--mapping"], args].concat()));
        assert_eq!(ended.code, 2, "{ended:?}");
        ended.err
    };
    assert!(refused(&[&mapping, "--format", "jsonl"]).contains("leave --format out"));
    let bad = daemon.file("bad.toml", "series = \"mine\"\n[columns]\nday = \"ocurred\"\n");
    assert!(refused(&[&bad]).contains("did you mean `occurred`"));
    let nameless = daemon.file("nameless.toml", "[columns]\nday = \"occurred\"\n");
    assert!(refused(&[&nameless]).contains("--series"));
}

#[test]
fn a_file_that_fits_nothing_is_refused_with_what_was_found() {
    let daemon = Daemon::start();
    let file = daemon.file("page.html", "<html><body>no</body></html>\n");
    let ended = run(&mut daemon.ask(&["import", &file]));
    assert_eq!(ended.code, 1);
    assert!(
        ended.err.contains("format not recognised") && ended.err.contains("page.html"),
        "{}",
        ended.err
    );
    let ended = run(&mut daemon.ask(&["import", "missing.tsv"]));
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("missing.tsv"), "{}", ended.err);
}

#[test]
fn an_export_loads_into_another_archive() {
    let (one, other) = (Daemon::start(), Daemon::start());
    one.append(r#"{"series":"desk","key":"k","kind":"event","title":"a"}"#);
    one.ok(&["amend", "desk/k", "--set", "title=b", "--reason", "corrected"]);
    let export = one.ok(&["search", "-o", "json"]);
    let file = other.file("export.jsonl", &export);
    assert_eq!(import(&other, &[&file]).0, counts(1, 0, 0, 0));
    let found = json(&other.ok(&["get", "desk/k", "-o", "json"]));
    assert_eq!((&found["title"], &found["revision"]), (&"b".into(), &1.into()));
}

#[test]
fn for_people_the_counts_are_a_sentence() {
    let daemon = Daemon::start();
    let file = daemon.file("quads.tsv", QUADS);
    let out = daemon.ok(&["import", &file]);
    assert!(
        out.contains("read 2 = recorded 2 + amended 0 + duplicates 0 + rejected 0"),
        "{out}"
    );
}

#[test]
fn a_stopped_import_says_what_it_did_and_the_next_one_repeats_nothing() {
    let daemon = Daemon::start();
    let mut child = daemon.spawn(&["import", "-", "-o", "json"]);
    let mut feed = child.stdin.take().unwrap();
    feed.write_all(QUADS.as_bytes()).unwrap();
    feed.write_all(&b"Peru\tConsult\tChile\t2014-01-03\n".repeat(2_000))
        .unwrap();
    feed.flush().unwrap();
    // The rows of a live feed are recorded as they come, not when it ends.
    while daemon.tail() < 3 {}
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    drop(feed);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("run the same import again"), "{said}");
    let done = json(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(done["recorded"], 3);
    let sum: u64 = ["recorded", "amended", "duplicates", "rejected"]
        .map(|name| done[name].as_u64().unwrap())
        .iter()
        .sum();
    assert_eq!(done["read"], sum);
    let file = daemon.file("quads.tsv", QUADS);
    assert_eq!(import(&daemon, &[&file]).0, counts(0, 0, 2, 0));
}
