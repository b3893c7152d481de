//! `chancery edit`: an entry in a person's own editor.
//!
//! The editor is given the JSON form without what only the server writes and without the raw input, which stays as it
//! is. What comes back is appended as a whole with the revision that was read: if someone else amended the entry
//! meanwhile nothing is overwritten, and the edited text is kept.

use super::act::request;
use super::append::{sent, unsent, wire};
use super::connect::{Actor, Reach, random_id};
use super::failure::Failure;
use super::name::EntryArg;
use super::output::Form;
use super::screen::Screen;
use super::shown::Shown;
use crate::client::Client;
use crate::record::json::{Input, JsonError, JsonProblem, RAW_BASE64, pretty, read};
use crate::rpc::proto;
use serde_json::{Map, Value};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use tonic::Code;

/// Edits an entry.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// SERIES/KEY, SERIES/ and the first 8 characters or more of its key, or the position of one of its records
    #[arg(value_name = "ENTRY")]
    entry: EntryArg,
    #[command(flatten)]
    actor: Actor,
    #[command(flatten)]
    reach: Reach,
    /// The form of the receipt
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// What of a record is not the editor's: written by the server, or kept as it is.
const SERVERS: [&str; 13] = [
    "position",
    "act",
    "status",
    "recorded",
    "principal",
    "erased",
    "leaf_hash",
    "derived",
    "excerpts",
    "suggested",
    "provenance",
    "held",
    "links",
];

/// The JSON form of an entry as an amendment of it begins: content and revision.
///
/// # Errors
/// Where the entry has no content to amend.
pub fn template(shown: &Shown<'_>) -> Result<Map<String, Value>, Failure> {
    if shown.payload.is_none() {
        return Err(Failure::failed(
            "the content was erased; append new content with: chancery append",
        ));
    }
    let mut members = shown.json(false);
    members.retain(|name, _| !SERVERS.contains(&name.as_str()));
    for statement in ["reason", "explanation", "authority", "details", "relation"] {
        members.remove(statement);
    }
    Ok(members)
}

/// A record of a person as input: an amendment, since it has a revision.
///
/// # Errors
/// What cannot be taken, with its path.
pub fn as_input(record: Value) -> Result<Input, JsonError> {
    Input::from_value(record)
}

/// Opens the editor, appends what came of it.
///
/// # Errors
/// An editor that fails; an edit that cannot be taken; a conflict. The edited text is then kept and named.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    let client = args.reach.client().await?;
    let found = args.entry.get(&client, None, false).await?;
    let entry = found.entry.unwrap_or_default();
    let shown = Shown::entry(&entry)?;
    let Draft { before, raw } = Draft::of(&shown)?;
    let file = Edited::create(&pretty(&Value::Object(before.clone())))?;
    let input = loop {
        open_editor(&file.path)?;
        match judge(&file.text()?, &before, &raw) {
            Ok(None) => {
                file.discard();
                screen.note("nothing changed");
                return Ok(());
            }
            Ok(Some(input)) => break input,
            Err(error) if again(screen, &error)? => {}
            Err(error) => return Err(file.keep(&error.to_string())),
        }
    };
    let name = shown.name()?;
    match send(&client, input, &args.actor).await {
        Ok(answer) => {
            file.discard();
            if answer
                .receipts
                .iter()
                .all(|one| one.outcome() == proto::Outcome::Duplicate)
            {
                screen.note("nothing changed");
                return Ok(());
            }
            super::act::print_receipts(&name, &answer.receipts, args.output, screen)
        }
        Err(problem) => Err(file.keep(&problem)),
    }
}

/// What the editor is given, and what is kept back for when it is done.
struct Draft {
    before: Map<String, Value>,
    raw: Option<(String, Value)>,
}

impl Draft {
    fn of(shown: &Shown<'_>) -> Result<Self, Failure> {
        let mut before = template(shown)?;
        let raw = before
            .remove_entry("raw")
            .or_else(|| before.remove_entry(RAW_BASE64));
        before.insert("reason".to_owned(), "corrected".into());
        before.insert("explanation".to_owned(), "".into());
        Ok(Self { before, raw })
    }
}

/// The edited text as a record; `None` where nothing but the reasons differs.
fn judge(
    text: &str,
    before: &Map<String, Value>,
    raw: &Option<(String, Value)>,
) -> Result<Option<Input>, JsonError> {
    let edited = read(text)?;
    let content = |members: &Map<String, Value>| {
        let mut members = members.clone();
        members.remove("reason");
        members.remove("explanation");
        members
    };
    if matches!(&edited, Value::Object(members) if content(members) == content(before)) {
        return Ok(None);
    }
    if let Value::Object(members) = &edited {
        check_identity(members, before)?;
    }
    let mut record = edited;
    if let (Value::Object(members), Some((name, value))) = (&mut record, raw)
        && !members.contains_key("raw")
        && !members.contains_key(RAW_BASE64)
    {
        members.insert(name.clone(), value.clone());
    }
    as_input(record).map(Some)
}

/// An edit is of the entry and revision that were read: with another name it would overwrite another entry, and with
/// another revision what someone else wrote.
fn check_identity(members: &Map<String, Value>, before: &Map<String, Value>) -> Result<(), JsonError> {
    let changed = ["series", "key", "revision"]
        .into_iter()
        .find(|name| members.get(*name) != before.get(*name));
    let Some(name) = changed else { return Ok(()) };
    let was = before.get(name).map(Value::to_string).unwrap_or_default();
    Err(JsonError {
        path: name.to_owned(),
        problem: JsonProblem::Unsettable(format!(
            "an edit is of the entry and revision that were read; write {was} there again, or use chancery append"
        )),
    })
}

async fn send(client: &Client, input: Input, actor: &Actor) -> Result<proto::AppendResponse, String> {
    let request = request(wire(input), actor).map_err(sentence)?;
    let id = String::from_utf8_lossy(&request.request_id).into_owned();
    sent(async || client.append(request.clone()).await)
        .await
        .map_err(|status| match status.code() {
            Code::Aborted => format!(
                "someone amended the entry meanwhile ({})",
                sentence(status.into())
            ),
            _ => sentence(unsent(status, &id)),
        })
}

fn sentence(failure: Failure) -> String {
    failure.sentence().unwrap_or_default().to_owned()
}

/// Asks a person at a terminal whether to edit once more.
fn again(screen: &Screen, problem: &JsonError) -> Result<bool, Failure> {
    use std::io::IsTerminal;
    if !screen.err_terminal || !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(std::io::stderr(), "{problem}\nedit again? [Y/n] ")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(!answer.trim().to_lowercase().starts_with('n') && !answer.is_empty())
}

/// Runs the person's editor as a shell would, and waits for it.
fn open_editor(path: &Path) -> Result<(), Failure> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let editor = set("VISUAL")
        .or_else(|| set("EDITOR"))
        .unwrap_or_else(|| "vi".to_owned());
    let ended = std::process::Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(path)
        .status()
        .map_err(|error| {
            Failure::failed(format!(
                "the editor `{editor}` cannot be run: {error}; set EDITOR"
            ))
        })?;
    if ended.success() {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "the editor `{editor}` failed ({ended}); nothing was appended, the text is in {}",
        path.display()
    )))
}

/// The file that the editor works on. It stays where anything goes wrong: nobody's edit is thrown away.
struct Edited {
    path: PathBuf,
}

impl Edited {
    fn create(text: &str) -> Result<Self, Failure> {
        use std::os::unix::fs::OpenOptionsExt;
        let name = format!("chancery-edit-{}.json", &random_id()?[..12]);
        let path = std::env::temp_dir().join(name);
        let failed = |cause: std::io::Error| Failure::file(path.display(), &cause);
        let mut file = std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        Ok(Self { path })
    }

    fn text(&self) -> Result<String, Failure> {
        std::fs::read_to_string(&self.path).map_err(|cause| Failure::file(self.path.display(), &cause))
    }

    fn discard(self) {
        // A file that cannot be removed does no harm.
        let _ = std::fs::remove_file(&self.path);
    }

    fn keep(self, problem: &str) -> Failure {
        let path = self.path.display();
        Failure::failed(format!(
            "{problem}; your edit is kept in {path}: mend it, with the revision that it amends, and run: chancery append {path}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn before() -> Map<String, Value> {
        let value = json!({"series": "desk", "key": "k", "title": "a", "revision": 1, "reason": "corrected", "explanation": ""});
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn reasons_alone_are_no_edit() {
        let text = pretty(&Value::Object(before())).replace("corrected", "other");
        assert_eq!(judge(&text, &before(), &None), Ok(None));
    }

    #[test]
    fn an_edit_is_an_amendment_of_the_revision_that_was_read_and_keeps_the_raw_input() {
        let text = pretty(&Value::Object(before())).replace("\"a\"", "\"b\"");
        let raw = Some(("raw".to_owned(), Value::from("row")));
        let input = judge(&text, &before(), &raw).unwrap().unwrap();
        assert_eq!(input.act, crate::record::Act::Amend);
        assert_eq!(input.expected_revision.map(crate::record::Revision::get), Some(1));
        let content = crate::record::codec::decode_content(&input.payload)
            .unwrap()
            .unwrap();
        assert_eq!((content.title.as_str(), &content.raw[..]), ("b", &b"row"[..]));
    }

    #[test]
    fn an_edit_is_of_the_entry_and_revision_that_were_read() {
        for (was, now, path) in [
            ("\"desk\"", "\"sample\"", "series"),
            ("\"k\"", "\"other\"", "key"),
            ("\"revision\": 1", "\"revision\": 7", "revision"),
            ("\"revision\": 1,", "", "revision"),
        ] {
            let text = pretty(&Value::Object(before()));
            assert!(text.contains(was), "{text}");
            let error = judge(&text.replace(was, now), &before(), &None).unwrap_err();
            assert_eq!(error.path, path, "{error}");
            assert!(error.to_string().contains("chancery append"), "{error}");
        }
    }

    #[test]
    fn a_bad_edit_is_named_by_its_path() {
        let text = pretty(&Value::Object(before())).replace("title", "titel");
        let error = judge(&text, &before(), &None).unwrap_err();
        assert_eq!(error.path, "titel");
        assert!(judge("{", &before(), &None).is_err());
    }
}
