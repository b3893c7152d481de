//! The rules, each with the sentence that a reader needs who has just broken it.

use crate::source::Source;

/// The most lines of a file.
pub const LINES_MAX: usize = 700;

/// What each module at the top of the crate may name of the others, from the bottom up.
///
/// A module that is missing here has no layer yet: give it the lowest that it can do with.
const LAYERS: &[(&str, &[&str])] = &[
    ("record", &[]),
    ("merkle", &["record"]),
    ("derive", &["record"]),
    ("suggest", &["record", "derive"]),
    ("authority", &["record", "derive"]),
    ("filter", &["record", "derive", "suggest"]),
    ("log", &["record", "merkle", "derive", "authority", "filter"]),
    ("index", &["record"]),
    (
        "view",
        &[
            "record",
            "merkle",
            "derive",
            "authority",
            "suggest",
            "filter",
            "log",
            "index",
        ],
    ),
    (
        "subscription",
        &["record", "merkle", "derive", "filter", "log", "view"],
    ),
    ("alert", &["record", "filter", "log", "view", "subscription"]),
    ("store", &["record", "merkle", "log"]),
    ("import", &["record", "derive", "authority"]),
    (
        "rpc",
        &[
            "record",
            "merkle",
            "derive",
            "suggest",
            "authority",
            "filter",
            "log",
            "view",
            "subscription",
            // `GetStatus` shows how alerts stand.
            "alert",
        ],
    ),
    ("http", &["record", "merkle", "log"]),
    ("scrub", &["record", "log"]),
    // A client proves for itself that nothing was skipped, by the same pure cursor as the server.
    ("client", &["record", "merkle", "filter", "subscription", "rpc"]),
    // Alerts read their own settings; config only gathers them.
    ("config", &["alert"]),
    ("telemetry", &[]),
    (
        "daemon",
        &[
            "record",
            "filter",
            "log",
            "view",
            "subscription",
            "alert",
            "store",
            "rpc",
            "http",
            "scrub",
            "config",
            "telemetry",
        ],
    ),
];

/// Files that may name everything: the command line and what starts it.
const TOP: [&str; 3] = ["cli", "main", "lib"];

/// A pure file computes: what comes in are arguments, what goes out is a value.
const PURE: &[&str] = &[
    "record/",
    "filter/",
    "derive/",
    "authority/",
    "merkle/",
    "log/sequencer.rs",
    "log/prepare.rs",
    "log/entry.rs",
    "subscription/cursor.rs",
    "subscription/group/state.rs",
];

/// One rule about names.
struct Rule {
    /// Whether the rule speaks of the file at this path.
    of: fn(&str) -> bool,
    /// Whether the file breaks it.
    broken: fn(&Source) -> bool,
    /// What to do instead.
    sentence: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        of: |path| !within(path, &["rpc/", "client/", "cli/", "daemon", "main.rs"]),
        broken: |source| names(source, &["tonic"]),
        sentence: "names tonic; only rpc, client, daemon and cli know the transport: give the domain a plain value and \
                   convert it in rpc",
    },
    Rule {
        of: |path| !within(path, &["store/sled"]),
        broken: |source| names(source, &["sled"]),
        sentence: "names sled; only store/sled.rs does, behind the traits of log/store.rs, because every call into it \
                   must be guarded",
    },
    Rule {
        of: |path| !within(path, &["record/codec/", "rpc/", "client/", "cli/", "import/"]),
        broken: |source| names(source, &["prost"]),
        sentence: "names prost; in the domain only record/codec does: ask it for what you need",
    },
    Rule {
        of: |path| !within(path, &["cli/rows"]),
        broken: |source| names(source, &["parquet"]),
        sentence: "names parquet; only cli/rows/parquet.rs does, which is given rows and makes a file of them",
    },
    Rule {
        of: |path| within(path, PURE),
        broken: |source| names(source, &["tokio", "futures", "async_trait"]),
        sentence: "is pure and names an async runtime (tokio, futures); let the caller wait, and hand over values",
    },
    Rule {
        of: |path| within(path, PURE),
        broken: |source| {
            let clocks = ["SystemTime", "Instant", "Zoned", "Timestamp"];
            clocks.iter().any(|clock| source.says(&[clock, "::", "now"]))
        },
        sentence: "is pure and reads a clock; take the time as an argument",
    },
    Rule {
        // Salts and keys are made in log/prepare.rs, from the generator of its thread.
        of: |path| within(path, PURE) && path != "log/prepare.rs",
        broken: |source| names(source, &["getrandom", "rand", "rand_chacha"]),
        sentence: "is pure and draws random numbers; take them as an argument",
    },
    Rule {
        of: |path| {
            !within(
                path,
                &[
                    "store/",
                    "index/",
                    "import/",
                    "client/",
                    "cli/",
                    "daemon",
                    "config.rs",
                    "main.rs",
                ],
            )
        },
        broken: |source| source.says(&["std", "::", "fs"]) || source.says(&["tokio", "::", "fs"]),
        sentence: "opens files; in the daemon only store does, behind the seam of store/disk.rs, and index, whose files are worth nothing",
    },
    Rule {
        of: |path| !within(path, &["cli/", "main.rs"]),
        broken: |source| {
            let reads = ["var", "var_os", "vars", "vars_os", "args", "args_os"];
            reads.iter().any(|read| source.says(&["env", "::", read]))
        },
        sentence: "reads the environment; main and cli do, and hand over settings",
    },
    Rule {
        of: |path| !within(path, &["cli/", "main.rs"]),
        broken: |source| {
            let prints = ["println", "print", "eprintln", "eprint", "dbg"];
            prints.iter().any(|print| source.says(&[print, "!"]))
        },
        sentence: "prints (println! or the like); the library answers values and writes its log with tracing, only cli prints",
    },
];

/// Every rule that a file breaks, as sentences.
pub fn broken_by(source: &Source) -> Vec<String> {
    let rules = RULES.iter().filter(|rule| (rule.of)(&source.path));
    let mut broken: Vec<String> = rules
        .filter(|rule| (rule.broken)(source))
        .map(|rule| format!("src/{} {}", source.path, rule.sentence))
        .collect();
    broken.extend(wrong_layer(source));
    broken.extend(form(source));
    broken
}

/// What the file names of the modules above its own.
fn wrong_layer(source: &Source) -> Vec<String> {
    let module = source.module();
    let Some(own) = module.first().filter(|own| !TOP.contains(own)) else {
        return Vec::new();
    };
    let path = &source.path;
    let Some((_, below)) = LAYERS.iter().find(|(name, _)| name == own) else {
        return vec![format!(
            "src/{path} belongs to `{own}`, which has no layer: say in tests/architecture/rules.rs what it may name"
        )];
    };
    let known = |name: &str| TOP.contains(&name) || LAYERS.iter().any(|(layer, _)| *layer == name);
    let mut named = source.top_modules();
    named.retain(|name| known(name) && name != own && !below.contains(name));
    named.sort_unstable();
    named.dedup();
    let sentence = |name: &str| {
        format!(
            "src/{path} names `{name}`, which stands above or beside `{own}`; `{own}` may name {below:?} only"
        )
    };
    named.into_iter().map(sentence).collect()
}

fn form(source: &Source) -> Vec<String> {
    let path = &source.path;
    let mut broken = Vec::new();
    if !source.is_test() && !source.text.starts_with("//!") {
        broken.push(format!(
            "src/{path} has no head: begin it with //! lines that say what it does, whom it talks to, what it never does"
        ));
    }
    let lines = source.text.lines().count();
    if lines > LINES_MAX {
        broken.push(format!(
            "src/{path} has {lines} lines, and {LINES_MAX} are the most that a reader can be asked to keep in mind; divide it"
        ));
    }
    broken
}

/// Where the file names a folder of somebody's machine.
pub fn machine_path(source: &Source) -> Option<String> {
    // Put together here, so that this file does not name what it looks for.
    let folders = ["home", "root", "work", "tmp", "Users"].map(|folder| format!("/{folder}/"));
    let names_one = |line: &&str| folders.iter().any(|folder| starts_a_path(line, folder));
    let line = source.text.lines().position(|line| names_one(&line))?;
    Some(format!(
        "{}:{} names a folder of a machine; use a relative path or a temporary folder",
        source.path,
        line + 1
    ))
}

/// Whether `folder` stands in `line` as the start of a path, and not in the midst of one.
fn starts_a_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric() && !"._-/:}".contains(before))
    })
}

fn within(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| path.starts_with(place))
}

/// Whether the file names one of these crates, or one of their family: `tonic` and `tonic_types`.
fn names(source: &Source, crates: &[&str]) -> bool {
    source.names_crate(|word| {
        crates.iter().any(|one| {
            word.strip_prefix(one)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        })
    })
}
