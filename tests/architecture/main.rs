//! The layering of `src/`, kept by a test: what may name what, and what no file may do.
//!
//! It reads the source as text. Comments, literals and test code are left aside first ([`source`]); then each rule
//! ([`rules`]) looks for the names that its files must not hold, and says in one sentence why. ARCHITECTURE.md explains
//! the layers.

mod client;
mod rules;
mod source;

use source::Source;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every Rust file below a folder of the project.
fn sources(folder: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    gather(&Path::new(ROOT).join(folder), &mut paths);
    paths.sort();
    assert!(!paths.is_empty(), "{folder}/ holds no Rust file");
    paths.iter().map(|path| read(folder, path)).collect()
}

fn gather(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn read(folder: &str, path: &Path) -> Source {
    let name = path.strip_prefix(Path::new(ROOT).join(folder)).unwrap();
    let name = name.components().map(|part| part.as_os_str().to_str().unwrap());
    let name = name.collect::<Vec<_>>().join("/");
    Source::new(&name, &std::fs::read_to_string(path).unwrap())
}

#[test]
fn the_layers_hold() {
    let broken: Vec<String> = sources("src").iter().flat_map(rules::broken_by).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let folders = ["src", "tests", "benches", "examples"];
    for folder in folders
        .iter()
        .filter(|folder| Path::new(ROOT).join(folder).exists())
    {
        let named: Vec<String> = sources(folder).iter().filter_map(rules::machine_path).collect();
        assert!(named.is_empty(), "in {folder}/:\n{}\n", named.join("\n"));
    }
}

/// Each file breaks one rule, and the sentence must name what it broke.
#[test]
fn a_broken_rule_is_found_and_named() {
    let cases = [
        ("record/leaf.rs", "use tonic::Status;", "tonic"),
        (
            "log/commit.rs",
            "fn f() -> Result<(), tonic_types::Status> {}",
            "tonic",
        ),
        ("store/journal.rs", "use ::sled::Db;", "sled"),
        ("log/mod.rs", "use sled;", "sled"),
        ("log/facts.rs", "let x = prost::Message::encode(&y);", "prost"),
        ("record/json/mod.rs", "use prost_types::Any;", "prost"),
        ("log/sequencer.rs", "use tokio::sync::watch;", "tokio"),
        ("subscription/cursor.rs", "use futures::Stream;", "futures"),
        ("log/run.rs", "use crate::store::frame;", "`store`"),
        ("log/run.rs", "use super::super::rpc::wire;", "`rpc`"),
        (
            "view/mod.rs",
            "use crate::{log::Log, rpc::wire, record::Leaf};",
            "`rpc`",
        ),
        ("rpc/archive.rs", "fn f() { crate::cli::run() }", "`cli`"),
        ("brandnew/mod.rs", "fn f() {}", "layer"),
        ("log/tail.rs", "fn f() { println!(\"{}\", 1) }", "println"),
        (
            "filter/eval.rs",
            "let now = std::time::SystemTime::now();",
            "clock",
        ),
        ("log/entry.rs", "let x = getrandom::fill(&mut salt);", "random"),
        ("rpc/server.rs", "let x = std::env::var(\"HOME\");", "environment"),
        ("view/scan.rs", "use std::fs::File;", "files"),
    ];
    for (path, code, named) in cases {
        let broken = rules::broken_by(&Source::new(path, &format!("//! Head.\n{code}\n")));
        assert_eq!(broken.len(), 1, "{path}: {code}: {broken:?}");
        assert!(broken[0].contains(named), "{path}: {code}: {}", broken[0]);
        assert!(broken[0].contains(path), "{}", broken[0]);
    }
}

#[test]
fn what_is_allowed_or_only_spoken_of_breaks_nothing() {
    let cases = [
        ("record/codec/mod.rs", "use prost::Message;"),
        ("store/sled.rs", "use sled::Db;"),
        ("store/open.rs", "mod sled;\nuse super::sled::HotLog;"),
        ("log/commit.rs", "use tokio::sync::oneshot;"),
        ("cli/get.rs", "fn f() { println!(\"x\") }"),
        ("daemon.rs", "use crate::{store::open, rpc::server};"),
        (
            "record/leaf.rs",
            "// tonic::Status, and /* it */\n/* sled::Db /* nested */ */\nconst A: &str = \"prost::Message \\\" sled::x\";",
        ),
        (
            "record/leaf.rs",
            "const A: &str = r#\"tokio::x \"# ; const B: char = '\"';",
        ),
        (
            "record/leaf.rs",
            "fn f<'a>(x: &'a str) {}\n#[cfg(test)]\nmod tests {\n use prost::Message;\n}",
        ),
        ("record/leaf/tests.rs", "use prost::Message;"),
    ];
    for (path, code) in cases {
        let broken = rules::broken_by(&Source::new(path, &format!("//! Head.\n{code}\n")));
        assert!(broken.is_empty(), "{path}: {code}: {broken:?}");
    }
}

#[test]
fn a_file_needs_a_head_and_an_end() {
    let headless = rules::broken_by(&Source::new("record/act.rs", "use std::fmt;\n"));
    assert!(headless[0].contains("//!"), "{headless:?}");
    let long = format!("//! Head.\n{}", "fn f() {}\n".repeat(rules::LINES_MAX));
    let long = rules::broken_by(&Source::new("record/act.rs", &long));
    assert!(long[0].contains("701 lines"), "{long:?}");
}

#[test]
fn a_path_of_a_machine_is_found_in_any_text() {
    let folder = ["/ho", "me/someone/chancery"].concat();
    let source = Source::new("a.rs", &format!("// see {folder}\n"));
    assert!(rules::machine_path(&source).unwrap().contains("a.rs:1"));
    assert_eq!(rules::machine_path(&Source::new("a.rs", "// see /v1/home")), None);
}
