//! `chancery edit`: an entry in a person's own editor.
//!
//! The editor is given the JSON form without what only the server writes and without the raw input, which stays as it
//! is. What comes back is appended as a whole with the revision that was read: if someone else amended the entry
//! meanwhile nothing is overwritten, and the edited text is kept. An entry that is not there yet begins as a form with what its kind
//! is usually told by; what is left empty is not said. An edit that could not be appended is kept, and `--from` goes on with it.

use super::act::request;
use super::append::{is_unknown, sent, unknown_fate, wire};
use super::connect::{Actor, Reach};
use super::editor::{Desk, Edited, Further};
use super::failure::Failure;
use super::input;
use super::name::EntryArg;
use super::output::Form;
use super::screen::Screen;
use super::shown::Shown;
use crate::client::Client;
use crate::record::json::{Input, JsonError, JsonProblem, RAW_BASE64, pretty, read};
use crate::record::{EntryKey, Kind};
use crate::rpc::proto;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use tonic::{Code, Status};

/// The most bytes of an edited text.
const INPUT_BYTES_MAX: u64 = 16 << 20;
/// What to do with more.
const TOO_LARGE: &str = "a record has at most 1 MiB, so this is no edit of one";

/// Edits an entry.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// SERIES/KEY, SERIES/ and the first 8 characters or more of its key, or the position of one of its records
    #[arg(value_name = "ENTRY")]
    entry: EntryArg,
    /// Begin a new entry of this kind, SERIES/KEY whole, where there is none; in the series `authority` that is the default
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// Take the edited text from a file, as one that was kept, instead of opening an editor; - for stdin
    #[arg(long, value_name = "FILE|-")]
    from: Option<PathBuf>,
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
    let (draft, name) = begin(&args, &client).await?;
    match &args.from {
        Some(path) => from_file(&client, &draft, &name, path, &args, screen).await,
        None => by_hand(&client, &draft, &name, &args, screen).await,
    }
}

/// Appends an edit that stands in a file, which stays as it is.
async fn from_file(
    client: &Client,
    draft: &Draft,
    name: &EntryKey,
    path: &Path,
    args: &Args,
    screen: &Screen,
) -> Result<(), Failure> {
    let text = input::text(path, INPUT_BYTES_MAX, TOO_LARGE)?;
    if text.trim().is_empty() {
        return Err(Failure::failed(format!(
            "`{}` is empty, so nothing is recorded",
            path.display()
        )));
    }
    let judged = draft.judge_again(&text);
    let judged = judged.map_err(|error| Failure::failed(format!("`{}`, {error}", path.display())))?;
    let Some(input) = judged else {
        screen.note("nothing changed");
        return Ok(());
    };
    let request = request(wire(input), &args.actor)?;
    match sent(async || client.append(request.clone()).await).await {
        Ok(answer) => tell(name, &answer.receipts, args, screen),
        Err(status) if is_unknown(&status) => Err(Failure::failed(unknown_fate(&id_of(&request)))),
        Err(status) => Err(Failure::failed(refusal(status))),
    }
}

/// Has a person edit, and appends what came of it.
async fn by_hand(
    client: &Client,
    draft: &Draft,
    name: &EntryKey,
    args: &Args,
    screen: &Screen,
) -> Result<(), Failure> {
    let mut desk = Desk::open(screen)?;
    let file = Edited::create(&pretty(&Value::Object(draft.before.clone())), "json")?;
    let again = further(&args.actor, args).from(name, &file.path);
    let request = match edited(&mut desk, &file, draft).await {
        Ok(Some(input)) => request(wire(input), &args.actor),
        Ok(None) => {
            file.discard();
            screen.note("nothing changed");
            return Ok(());
        }
        Err(problem) => return Err(file.end(&problem, &again)),
    };
    let request = match request {
        Ok(request) => request,
        Err(failure) => return Err(file.end(failure.sentence().unwrap_or_default(), &again)),
    };
    let call = sent(async || client.append(request.clone()).await);
    match desk.unless_interrupted(call).await {
        Ok(Ok(answer)) => {
            file.discard();
            tell(name, &answer.receipts, args, screen)
        }
        Ok(Err(status)) if !is_unknown(&status) => Err(file.end(&refusal(status), &again)),
        Ok(Err(_)) | Err(_) => {
            let actor = Actor {
                request_id: Some(id_of(&request)),
                ..args.actor.clone()
            };
            let again = further(&actor, args).from(name, &file.path);
            Err(file.end_in_doubt(&again))
        }
    }
}

/// What a person made of the text; `None` where nothing but the reasons differs.
async fn edited(desk: &mut Desk<'_>, file: &Edited, draft: &Draft) -> Result<Option<Input>, String> {
    loop {
        desk.edit(&file.path).await?;
        let text = file
            .text()
            .map_err(|failure| failure.sentence().unwrap_or_default().to_owned())?;
        if text.trim().is_empty() {
            return Err("the text was emptied".to_owned());
        }
        match draft.judge(&text) {
            Ok(input) => return Ok(input),
            Err(error) if desk.ask(format_args!("{error}\nedit again?"), true).await? => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// The command that goes on with an edit.
fn further(actor: &Actor, args: &Args) -> Further {
    Further::of("chancery edit", actor, &args.reach).with("--kind", args.kind.map(Kind::word))
}

fn id_of(request: &proto::AppendRequest) -> String {
    String::from_utf8_lossy(&request.request_id).into_owned()
}

fn tell(name: &EntryKey, receipts: &[proto::Receipt], args: &Args, screen: &Screen) -> Result<(), Failure> {
    let is_duplicate = |one: &proto::Receipt| one.outcome() == proto::Outcome::Duplicate;
    if receipts.iter().all(is_duplicate) {
        screen.note("nothing changed");
        return Ok(());
    }
    super::act::print_receipts(name, receipts, args.output, screen)
}

/// Why an edit was not recorded.
fn refusal(status: Status) -> String {
    let is_conflict = status.code() == Code::Aborted;
    let sentence = Failure::from(status).sentence().unwrap_or_default().to_owned();
    match is_conflict {
        true => format!(
            "someone amended the entry meanwhile ({sentence}); see what changed, and write the revision that you amend"
        ),
        false => sentence,
    }
}

/// What the editor begins with: the entry, or a form for a new one.
async fn begin(args: &Args, client: &Client) -> Result<(Draft, EntryKey), Failure> {
    let kind = new_kind(args);
    // Where a new entry would begin, a key is not the beginning of another.
    let found = args.entry.find(client, kind.is_some()).await?;
    if let Some(found) = found {
        let entry = found.entry.unwrap_or_default();
        let shown = Shown::entry(&entry)?;
        return Ok((Draft::of(&shown)?, shown.name()?));
    }
    let EntryArg::Name { series, key } = &args.entry else {
        return Err(Failure::failed("there is no record at this position"));
    };
    let name = EntryKey::new(series, key).map_err(|error| Failure::usage(error.to_string()))?;
    match kind {
        Some(kind) => Ok((Draft::new(&name, kind), name)),
        None => Err(Failure::failed(format!(
            "`{name}` is not in the archive; to begin it say of which kind it is, as --kind event"
        ))),
    }
}

/// The kind of the entry that would be begun; `None` where none would.
fn new_kind(args: &Args) -> Option<Kind> {
    let of_series = match &args.entry {
        EntryArg::Name { series, .. } if series == Kind::Authority.word() => Some(Kind::Authority),
        _ => None,
    };
    args.kind.or(of_series)
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

    /// The edited text as a record; `None` where nothing but the reasons differs.
    fn judge(&self, text: &str) -> Result<Option<Input>, JsonError> {
        self.judge_value(read(text)?)
    }

    /// The same of a text that was edited some time ago. If it is recorded by now, nothing but its revision differs.
    fn judge_again(&self, text: &str) -> Result<Option<Input>, JsonError> {
        let edited = read(text)?;
        if let Value::Object(members) = &edited {
            let stands = |members: &Map<String, Value>| {
                let mut members = Value::Object(said(members));
                drop_empty(&mut members);
                if let Value::Object(members) = &mut members {
                    members.remove("revision");
                }
                members
            };
            if self.before.contains_key("revision") && stands(members) == stands(&self.before) {
                return Ok(None);
            }
            check_newest(members, &self.before)?;
        }
        self.judge_value(edited)
    }

    fn judge_value(&self, mut edited: Value) -> Result<Option<Input>, JsonError> {
        if let Value::Object(members) = &edited {
            if said(members) == said(&self.before) {
                return Ok(None);
            }
            check_identity(members, &self.before)?;
        }
        if !self.before.contains_key("revision") {
            drop_empty(&mut edited);
        }
        if let (Value::Object(members), Some((name, value))) = (&mut edited, &self.raw)
            && !members.contains_key("raw")
            && !members.contains_key(RAW_BASE64)
        {
            members.insert(name.clone(), value.clone());
        }
        as_input(edited).map(Some)
    }
}

/// What an edit says besides why.
fn said(members: &Map<String, Value>) -> Map<String, Value> {
    let mut members = members.clone();
    members.remove("reason");
    members.remove("explanation");
    members
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

/// A text that was kept is of the revision that stood then. Whoever writes the newest one into it must know what it replaces.
fn check_newest(members: &Map<String, Value>, before: &Map<String, Value>) -> Result<(), JsonError> {
    let revision = |members: &Map<String, Value>| members.get("revision").and_then(Value::as_u64);
    match (revision(members), revision(before)) {
        (Some(read), Some(now)) if read < now => Err(JsonError {
            path: "revision".to_owned(),
            problem: JsonProblem::Unsettable(format!(
                "the text is of revision {read}, and someone has amended the entry since; see what changed with chancery get ENTRY \
                 --history, take it over, and write {now}"
            )),
        }),
        _ => Ok(()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn before() -> Map<String, Value> {
        let value = json!({"series": "desk", "key": "k", "title": "a", "revision": 1, "reason": "corrected", "explanation": ""});
        value.as_object().cloned().unwrap()
    }

    fn draft(raw: Option<(String, Value)>) -> Draft {
        Draft {
            before: before(),
            raw,
        }
    }

    #[test]
    fn an_edit_that_is_recorded_by_now_changes_nothing_when_it_is_taken_again() {
        let edited = pretty(&Value::Object(before())).replace("\"a\"", "\"b\"");
        let mut now = draft(None);
        now.before.insert("title".to_owned(), "b".into());
        now.before.insert("revision".to_owned(), 2.into());
        assert_eq!(now.judge_again(&edited), Ok(None));
        assert_eq!(now.judge(&edited).unwrap_err().path, "revision");
        let other = edited.replace("\"b\"", "\"c\"");
        let error = now.judge_again(&other).unwrap_err();
        assert_eq!(error.path, "revision");
        let said = error.to_string();
        assert!(
            said.contains("of revision 1, and someone has amended the entry since"),
            "{said}"
        );
        assert!(said.ends_with("and write 2"), "{said}");
        // A form of a new entry has no revision, and empty fields.
        let form = edited
            .replace("\"revision\": 1,", "")
            .replace("\"title\"", "\"body\": \"\", \"title\"");
        assert_eq!(now.judge_again(&form), Ok(None));
    }

    #[test]
    fn reasons_alone_are_no_edit() {
        let text = pretty(&Value::Object(before())).replace("corrected", "other");
        assert_eq!(draft(None).judge(&text), Ok(None));
    }

    #[test]
    fn an_edit_is_an_amendment_of_the_revision_that_was_read_and_keeps_the_raw_input() {
        let text = pretty(&Value::Object(before())).replace("\"a\"", "\"b\"");
        let raw = Some(("raw".to_owned(), Value::from("row")));
        let input = draft(raw).judge(&text).unwrap().unwrap();
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
            let error = draft(None).judge(&text.replace(was, now)).unwrap_err();
            assert_eq!(error.path, path, "{error}");
            assert!(error.to_string().contains("chancery append"), "{error}");
        }
    }

    #[test]
    fn what_is_left_empty_in_the_form_of_a_new_entry_is_not_said() {
        let name: EntryKey = "authority/imran-khan".parse().unwrap();
        let form = Draft::new(&name, Kind::Authority);
        let text = pretty(&Value::Object(form.before.clone()));
        assert_eq!(form.judge(&text), Ok(None));
        let text = text.replacen("\"name\": \"\"", "\"name\": \"Imran Khan\"", 1);
        let input = form.judge(&text).unwrap().unwrap();
        assert_eq!(input.act, crate::record::Act::Create);
        let content = crate::record::codec::decode_content(&input.payload)
            .unwrap()
            .unwrap();
        assert_eq!(content.names[0].name, "Imran Khan");
        assert!(content.identifiers.is_empty() && content.offices.is_empty() && content.relations.is_empty());
        for kind in [Kind::Event, Kind::Document, Kind::Agreement] {
            let form = Draft::new(&name, kind);
            let text = pretty(&Value::Object(form.before.clone()));
            let text = text.replacen("\"title\": \"\"", "\"title\": \"x\"", 1);
            let input = form.judge(&text).unwrap().unwrap();
            assert_eq!(input.kind, Some(kind));
        }
    }

    #[test]
    fn a_bad_edit_is_named_by_its_path() {
        let text = pretty(&Value::Object(before())).replace("title", "titel");
        let error = draft(None).judge(&text).unwrap_err();
        assert_eq!(error.path, "titel");
        assert!(draft(None).judge("{").is_err());
    }
}
