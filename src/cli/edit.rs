//! `chancery edit`: an entry in a person's own editor.
//!
//! The editor is given the JSON form without what only the server writes and without the raw input, which stays as it
//! is. What comes back is appended as a whole with the revision that was read: if someone else amended the entry
//! meanwhile nothing is overwritten, and the edited text is kept. An entry that is not there yet begins as a form with what its kind
//! is usually told by; what is left empty is not said.

use super::act::request;
use super::append::{sent, unsent, wire};
use super::connect::{Actor, Reach};
use super::editor::{self, Edited};
use super::failure::Failure;
use super::name::EntryArg;
use super::output::Form;
use super::screen::Screen;
use super::shown::Shown;
use crate::client::Client;
use crate::record::json::{Input, JsonError, JsonProblem, RAW_BASE64, pretty, read};
use crate::record::{EntryKey, Kind};
use crate::rpc::proto;
use serde_json::{Map, Value, json};
use tonic::Code;

/// Edits an entry.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// SERIES/KEY, SERIES/ and the first 8 characters or more of its key, or the position of one of its records
    #[arg(value_name = "ENTRY")]
    entry: EntryArg,
    /// Begin a new entry of this kind, SERIES/KEY whole, where there is none; in the series `authority` that is the default
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
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
    let (Draft { before, raw }, name) = begin(&args, &client).await?;
    let file = Edited::create(&pretty(&Value::Object(before.clone())), "json")?;
    let input = loop {
        editor::open(&file.path)?;
        match judge(&file.text()?, &before, &raw) {
            Ok(None) => {
                file.discard();
                screen.note("nothing changed");
                return Ok(());
            }
            Ok(Some(input)) => break input,
            Err(error) if again(screen, &error)? => {}
            Err(error) => return Err(keep(&file, &error.to_string())),
        }
    };
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
        Err(problem) => Err(keep(&file, &problem)),
    }
}

/// What the editor begins with: the entry, or a form for a new one.
async fn begin(args: &Args, client: &Client) -> Result<(Draft, EntryKey), Failure> {
    let found = args.entry.find(client, args.kind.is_some()).await?;
    if let Some(found) = found {
        let entry = found.entry.unwrap_or_default();
        let shown = Shown::entry(&entry)?;
        return Ok((Draft::of(&shown)?, shown.name()?));
    }
    let EntryArg::Name { series, key } = &args.entry else {
        return Err(Failure::failed("there is no record at this position"));
    };
    let name = EntryKey::new(series, key).map_err(|error| Failure::usage(error.to_string()))?;
    let is_authority = series == Kind::Authority.word();
    match args.kind.or(is_authority.then_some(Kind::Authority)) {
        Some(kind) => Ok((Draft::new(&name, kind), name)),
        None => Err(Failure::failed(format!(
            "`{name}` is not in the archive; to begin it say of which kind it is, as --kind event"
        ))),
    }
}

/// What the editor is given, and what is kept back for when it is done.
struct Draft {
    before: Map<String, Value>,
    raw: Option<(String, Value)>,
}

impl Draft {
    /// The form for a new entry.
    fn new(name: &EntryKey, kind: Kind) -> Self {
        let mut form = json!({
            "series": name.series.to_string(), "key": name.key.to_string(), "kind": kind.word(), "title": "",
        });
        let further = match kind {
            Kind::Authority => json!({
                "names": [{"name": "", "language": "", "from": "", "to": ""}],
                "identifiers": [{"scheme": "", "code": ""}],
                "offices": [{"office": "", "country": {"scheme": "iso3", "code": ""}, "from": "", "to": ""}],
                "relations": [{"type": "part-of", "series": name.series.to_string(), "key": ""}],
            }),
            _ => json!({
                "body": "",
                "dates": [{"role": "occurred", "edtf": ""}, {"role": "reported", "edtf": ""}],
                "participants": [{"side": "source", "name": ""}, {"side": "target", "name": ""}],
                "places": [{"role": "action", "name": ""}],
            }),
        };
        if let (Value::Object(form), Value::Object(further)) = (&mut form, further) {
            form.extend(further);
            form.insert("explanation".to_owned(), "".into());
        }
        let before = match form {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        Self { before, raw: None }
    }

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
    if !before.contains_key("revision") {
        drop_empty(&mut record);
    }
    if let (Value::Object(members), Some((name, value))) = (&mut record, raw)
        && !members.contains_key("raw")
        && !members.contains_key(RAW_BASE64)
    {
        members.insert(name.clone(), value.clone());
    }
    as_input(record).map(Some)
}

/// What only says of which sort or series something would be.
const SORTS: [&str; 5] = ["scheme", "type", "role", "side", "series"];

/// Takes out of a form what was left empty, and what then says nothing but its sort. Answers whether anything is left.
fn drop_empty(value: &mut Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => {
            list.retain_mut(drop_empty);
            !list.is_empty()
        }
        Value::Object(members) => {
            members.retain(|_, value| drop_empty(value));
            members.keys().any(|name| !SORTS.contains(&name.as_str()))
        }
        _ => true,
    }
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
    editor::ask(screen, format_args!("{problem}\nedit again?"), true)
}

/// Keeps an edit that was not appended, and says how it can be.
fn keep(file: &Edited, problem: &str) -> Failure {
    let path = file.path.display();
    Failure::failed(format!(
        "{problem}; your edit is kept in {path}: mend it, with the revision that it amends, and run: chancery append {path}"
    ))
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
    fn what_is_left_empty_in_the_form_of_a_new_entry_is_not_said() {
        let name: EntryKey = "authority/imran-khan".parse().unwrap();
        let form = Draft::new(&name, Kind::Authority).before;
        let text = pretty(&Value::Object(form.clone()));
        assert_eq!(judge(&text, &form, &None), Ok(None));
        let text = text.replacen("\"name\": \"\"", "\"name\": \"Imran Khan\"", 1);
        let input = judge(&text, &form, &None).unwrap().unwrap();
        assert_eq!(input.act, crate::record::Act::Create);
        let content = crate::record::codec::decode_content(&input.payload)
            .unwrap()
            .unwrap();
        assert_eq!(content.names[0].name, "Imran Khan");
        assert!(content.identifiers.is_empty() && content.offices.is_empty() && content.relations.is_empty());
        for kind in [Kind::Event, Kind::Document, Kind::Agreement] {
            let form = Draft::new(&name, kind).before;
            let text =
                pretty(&Value::Object(form.clone())).replacen("\"title\": \"\"", "\"title\": \"x\"", 1);
            let input = judge(&text, &form, &None).unwrap().unwrap();
            assert_eq!(input.kind, Some(kind));
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
