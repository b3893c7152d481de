//! The documents are true where a machine can tell: their links lead somewhere, and their commands can be typed.

use clap::error::ErrorKind;
use prost_reflect::{DescriptorPool, DynamicMessage};
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Folders that hold no documents of ours.
const NOT_OURS: [&str; 4] = ["target", ".git", "node_modules", "venv"];

/// A Markdown file.
struct Document {
    /// Below the project, for messages.
    name: String,
    folder: PathBuf,
    text: String,
}

/// A line of a document, and whether it stands in a fenced block of some language.
struct Line<'a> {
    number: usize,
    fence: Option<&'a str>,
    text: &'a str,
}

fn documents() -> Vec<Document> {
    let mut paths = Vec::new();
    gather(Path::new(ROOT), &mut paths);
    paths.sort();
    assert!(paths.len() > 5, "{paths:?}");
    paths.iter().map(|path| read(path)).collect()
}

fn gather(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !NOT_OURS.contains(&name) {
            gather(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            into.push(path);
        }
    }
}

fn read(path: &Path) -> Document {
    Document {
        name: path.strip_prefix(ROOT).unwrap().display().to_string(),
        folder: path.parent().unwrap().to_owned(),
        text: std::fs::read_to_string(path).unwrap(),
    }
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut fence = None;
    let mut lines = Vec::new();
    for (number, text) in text.lines().enumerate() {
        let mark = text.trim_start().strip_prefix("```");
        match (mark, fence) {
            (Some(language), None) => fence = Some(language.trim()),
            (Some(_), Some(_)) => fence = None,
            (None, fence) => lines.push(Line {
                number: number + 1,
                fence,
                text,
            }),
        }
    }
    lines
}

/// Where the links of a line lead: `[text](here)`.
fn links(line: &str) -> Vec<&str> {
    let after = line.split("](").skip(1);
    after
        .filter_map(|rest| rest.split_once(')').map(|(link, _)| link))
        .collect()
}

/// The name under which a heading can be linked to, as the usual renderers make it.
fn anchor(heading: &str) -> String {
    let kept = |c: char| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c if c.is_alphanumeric() => Some(c),
        _ => None,
    };
    heading.trim().to_lowercase().chars().filter_map(kept).collect()
}

fn anchors(text: &str) -> Vec<String> {
    let headings = lines(text).into_iter().filter(|line| line.fence.is_none());
    headings
        .filter_map(|line| {
            line.text
                .starts_with('#')
                .then(|| anchor(line.text.trim_start_matches('#')))
        })
        .collect()
}

/// What is wrong with a link, if anything.
fn broken(link: &str, document: &Document) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let path = document.folder.join(file);
    if !file.is_empty() && !path.exists() {
        return Some(format!("`{link}` leads to no file"));
    }
    let text = match file.is_empty() {
        true => document.text.clone(),
        false if heading.is_empty() => return None,
        false => std::fs::read_to_string(&path).ok()?,
    };
    let known = anchors(&text);
    (!known.iter().any(|known| known == heading))
        .then(|| format!("`{link}` leads to no heading of {known:?}"))
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for document in documents() {
        for line in lines(&document.text).iter().filter(|line| line.fence.is_none()) {
            let found = links(line.text)
                .into_iter()
                .filter_map(|link| broken(link, &document));
            wrong.extend(found.map(|problem| format!("{}:{}: {problem}", document.name, line.number)));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn a_link_to_nothing_is_found() {
    let document = Document {
        name: "x.md".into(),
        folder: PathBuf::from(ROOT),
        text: "# One\n## Two words\n".into(),
    };
    for link in [
        "README.md",
        "#two-words",
        "https://example.org/x",
        "docs/errors.md#the-request",
    ] {
        assert_eq!(broken(link, &document), None);
    }
    for link in ["nowhere.md", "#three", "docs/errors.md#nowhere"] {
        assert!(broken(link, &document).is_some(), "{link}");
    }
    assert_eq!(links("see [a](b.md) and [c](d.md#e)."), ["b.md", "d.md#e"]);
}

#[test]
fn no_document_knows_the_machine_it_was_written_on() {
    // Put together here, so that this file does not name what it looks for.
    let folders = ["home", "root", "work", "tmp", "Users"].map(|folder| format!("/{folder}/"));
    for document in documents() {
        for folder in &folders {
            let named = document.text.lines().position(|line| line.contains(folder));
            assert_eq!(
                named, None,
                "{} names {folder} on the line after this many",
                document.name
            );
        }
    }
}

#[test]
fn the_readme_names_the_two_commands() {
    let readme = read(&Path::new(ROOT).join("README.md"));
    for command in ["cargo run --release -- demo", "cargo test"] {
        let named = lines(&readme.text)
            .iter()
            .any(|line| line.fence.is_some() && line.text == command);
        assert!(named, "README.md has no line `{command}` in a block");
    }
}

/// What is typed on the lines of shell blocks, continuation lines joined, with the number of the first line.
fn shell_lines(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut begun: Option<(usize, String)> = None;
    for line in lines(text) {
        let typed = match (line.fence, &begun) {
            (Some("sh"), _) | (Some("console"), Some(_)) => Some(line.text),
            // Of a session only what follows the prompt was typed.
            (Some("console"), None) => line.text.strip_prefix("$ "),
            _ => None,
        };
        let Some(typed) = typed else { continue };
        let (number, mut whole) = begun.take().unwrap_or((line.number, String::new()));
        if let Some(open) = typed.strip_suffix('\\') {
            whole.push_str(open);
            begun = Some((number, whole));
        } else {
            whole.push_str(typed);
            found.push((number, whole));
        }
    }
    found
}

/// The words of every `chancery` command on the lines of shell blocks.
fn commands(text: &str) -> Vec<(usize, Vec<String>)> {
    let typed = shell_lines(text).into_iter();
    typed
        .flat_map(|(number, line)| {
            chancery_commands(&line)
                .into_iter()
                .map(move |words| (number, words))
        })
        .collect()
}

/// The commands of a shell line whose program is chancery, without redirections.
fn chancery_commands(line: &str) -> Vec<Vec<String>> {
    let line = line.replace("cargo run --release -- ", "chancery ");
    let parts = words(&line);
    let commands = parts.split(|word| ["|", "||", "&&", "&", ";"].contains(&word.as_str()));
    commands
        .filter(|command| command.first().is_some_and(|program| program == "chancery"))
        .map(|command| {
            let end = command.iter().position(|word| word.starts_with(['<', '>']));
            command[..end.unwrap_or(command.len())].to_vec()
        })
        .collect()
}

/// Divides a line as a shell does, as far as the documents need it: quotes, a comment, marks between commands.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            ('#', None) if word.is_none() => break,
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[test]
fn a_shell_line_is_divided_as_a_shell_does() {
    let text = "```sh\nchancery search 'country = PAK' \\\n  -o json | chancery append - > x # or not\n```\n\
                ```console\n$ chancery get desk/\"a b\"\nchancery is not typed here\n```\n";
    let found: Vec<Vec<String>> = commands(text).into_iter().map(|(_, words)| words).collect();
    assert_eq!(
        found,
        [
            vec!["chancery", "search", "country = PAK", "-o", "json"],
            vec!["chancery", "append", "-"],
            vec!["chancery", "get", "desk/a b"],
        ]
    );
}

#[test]
fn every_command_of_the_documents_can_be_typed() {
    let mut wrong = Vec::new();
    let mut typed = 0;
    for document in documents() {
        for (number, words) in commands(&document.text) {
            typed += 1;
            if let Err(error) = chancery::cli::command().try_get_matches_from(&words)
                && !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
            {
                wrong.push(format!(
                    "{}:{number}: {}: {error}",
                    document.name,
                    words.join(" ")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert!(typed > 10, "only {typed} commands were found");
}

/// What a grpcurl line calls, and the request that it sends; `None` where it only looks around.
fn call(words: &[String]) -> Option<(&str, &str)> {
    let method = words.last().filter(|last| last.contains('/'))?;
    let sent = words.iter().position(|word| word == "-d")?;
    Some((method, &words[sent + 1]))
}

/// Reads the request as the published protos type it.
fn request(method: &str, body: &str) -> Result<(), String> {
    let pool =
        DescriptorPool::decode(chancery::record::codec::DESCRIPTOR).map_err(|error| error.to_string())?;
    let (service, name) = method.split_once('/').ok_or("no method")?;
    let service = pool.get_service_by_name(service).ok_or("no such service")?;
    let method = service.methods().find(|method| method.name() == name);
    let input = method.ok_or("no such method")?.input();
    let mut json = serde_json::Deserializer::from_str(body);
    DynamicMessage::deserialize(input, &mut json).map_err(|error| error.to_string())?;
    json.end().map_err(|error| error.to_string())
}

#[test]
fn every_grpcurl_line_is_a_request_that_the_services_know() {
    let mut calls = 0;
    for document in documents() {
        for (number, line) in shell_lines(&document.text) {
            let words = words(&line);
            let Some((method, body)) = call(&words).filter(|_| words[0] == "grpcurl") else {
                continue;
            };
            // `-d @` reads a file: the request stands in a block of its own.
            if body != "@" {
                calls += 1;
                let read = request(method, body);
                assert_eq!(read, Ok(()), "{}:{number}: {line}", document.name);
            }
        }
    }
    assert!(calls > 2, "only {calls} calls were found");
    assert!(request("chancery.v1.Query/Count", r#"{"filtre": ""}"#).is_err());
    assert!(request("chancery.v1.Query/Cound", "{}").is_err());
}

/// Each promise names the tests that hold it.
#[test]
fn the_tests_that_the_contract_of_subscriptions_names_are_there() {
    let contract = read(&Path::new(ROOT).join("docs/subscriptions.md"));
    let mut sources = String::new();
    for folder in ["src", "tests"] {
        gather_sources(&Path::new(ROOT).join(folder), &mut sources);
    }
    // Names of tests are sentences; those of fields have fewer words.
    let is_sentence = |span: &&str| span.matches('_').count() > 3 && !span.contains(' ');
    let spans = contract.text.split('`').skip(1).step_by(2);
    let named = spans.filter(is_sentence);
    let names: Vec<&str> = named.collect();
    assert!(names.len() > 35, "{names:?}");
    for name in names {
        let is_there = sources.contains(&format!("fn {name}("));
        assert!(is_there, "docs/subscriptions.md names `{name}`, which is no test");
    }
    for promise in ["Ordered", "Unique", "Complete", "Resumable", "Bounded", "Durable"] {
        assert!(contract.text.contains(&format!("**{promise}.**")), "{promise}");
    }
}

fn gather_sources(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather_sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            *into += &std::fs::read_to_string(path).unwrap();
        }
    }
}
