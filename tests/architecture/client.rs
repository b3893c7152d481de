//! What a program depends on that only wants the client.

use std::process::Command;

/// What a client never does: keep a database, serve pages, write tables for analysts, read a command line.
const SERVER_ONLY: [&str; 10] = [
    "axum",
    "clap",
    "comfy-table",
    "indicatif",
    "mimalloc",
    "parquet",
    "roaring",
    "rustix",
    "sled",
    "tracing-subscriber",
];

#[test]
fn a_client_alone_depends_on_nothing_that_only_the_server_needs() {
    let output = Command::new(env!("CARGO"))
        .current_dir(super::ROOT)
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "none"])
        .args(["--no-default-features", "--features", "client"])
        .output()
        .unwrap();
    let tree = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && tree.contains("tonic v"),
        "{tree}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    let found: Vec<&str> = names.filter(|name| SERVER_ONLY.contains(name)).collect();
    assert!(
        found.is_empty(),
        "the feature `client` brings {found:?}: make it optional in Cargo.toml, under the feature `server`"
    );
}
