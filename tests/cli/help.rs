//! What `--help` says is part of the interface: a change to it is seen in review.

use crate::harness::{chancery, run};

const COMMANDS: [&str; 30] = [
    "",
    "serve",
    "import",
    "append",
    "annotate",
    "edit",
    "amend",
    "retract",
    "reinstate",
    "link",
    "unlink",
    "hold",
    "release",
    "erase",
    "get",
    "search",
    "count",
    "cite",
    "explain",
    "authority",
    "series",
    "watch",
    "status",
    "verify",
    "checkpoint",
    "prove",
    "key",
    "bench",
    "demo",
    "help",
];

#[test]
fn every_command_says_what_it_is_for() {
    for command in COMMANDS.into_iter().filter(|command| *command != "help") {
        let args: Vec<&str> = [command, "--help"]
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect();
        let ended = run(&mut chancery(&args));
        assert_eq!(ended.code, 0, "{ended:?}");
        let name = if command.is_empty() {
            "chancery".to_owned()
        } else {
            format!("chancery-{command}")
        };
        insta::with_settings!({
            snapshot_path => "../golden/help",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(name, ended.out);
        });
    }
}

#[test]
fn the_overview_lists_every_command() {
    let out = run(&mut chancery(&["--help"])).out;
    for command in COMMANDS.into_iter().filter(|command| !command.is_empty()) {
        assert!(
            out.lines()
                .any(|line| line.trim_start().starts_with(&format!("{command} "))),
            "{command}"
        );
    }
}
