//! A record or an entry of an answer, made ready to be shown: as JSON, as a line; [`super::rows`] makes flat rows of it.

use super::derived;
use super::excerpts;
use super::failure::Failure;
use super::screen::plain;
use super::suggested;
use crate::derive::{CAMEO_SCHEME, is_scheme};
use crate::filter::{dyads, stated_quads};
use crate::record::codec::shape::Shape;
use crate::record::codec::{Content, DateRole, Participant, Place, Side, TypeCode, decode_content};
use crate::record::json::{self, RecordView};
use crate::record::{EntryKey, Hash, Kind, Leaf, Position, Recorded, Status, leaf_hash};
use crate::rpc::proto;
use clap::ValueEnum;
use prost::Message as _;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// A record, decoded as far as people and rows need it.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    /// Its position.
    pub position: Position,
    /// Its leaf.
    pub leaf: Leaf<'a>,
    /// Its payload; absent where it was erased or not sent.
    pub payload: Option<&'a [u8]>,
    /// Its content; empty where it has none. All rows of an entry share it.
    pub content: Arc<Content>,
    /// The status, where the answer says one.
    pub status: Option<Status>,
    /// What is derived from it, where the answer says so.
    pub derived: Arc<proto::Derived>,
    /// The documents that it is reported in and that are retracted, where the answer says so.
    pub withdrawn: &'a [proto::EntryKey],
    /// Where the words of the search stand in it, where that was asked for.
    pub excerpts: Option<&'a proto::Excerpts>,
    /// What its text suggests, as far as the answer says it: in a search, what it was found by.
    pub suggested: &'a [proto::Suggestion],
    /// The version of the rules by which that was found.
    pub suggested_by: &'a str,
    /// The participants that this row tells of, where it is one of several of its entry.
    only: Option<(Explode, Vec<usize>)>,
    leaf_bytes: &'a [u8],
}

impl<'a> Shown<'a> {
    /// A record of the log.
    ///
    /// # Errors
    /// Where the answer is not one that this program understands.
    pub fn record(record: &'a proto::Record) -> Result<Self, Failure> {
        let unreadable = |cause: String| Failure::failed(format!("position {}: {cause}", record.position));
        let leaf = Leaf::decode(&record.leaf).map_err(|error| unreadable(error.to_string()))?;
        let content = decode_content(&record.payload).map_err(|error| unreadable(error.to_string()))?;
        Ok(Self {
            position: Position::new(record.position),
            leaf,
            payload: (!record.erased).then_some(&record.payload),
            content: Arc::new(content.unwrap_or_default()),
            status: record.erased.then_some(Status::Erased),
            derived: Arc::default(),
            withdrawn: &[],
            excerpts: None,
            suggested: &[],
            suggested_by: "",
            only: None,
            leaf_bytes: &record.leaf,
        })
    }

    /// An entry of an answer.
    ///
    /// # Errors
    /// Where the answer is not one that this program understands.
    pub fn entry(entry: &'a proto::Entry) -> Result<Self, Failure> {
        let none = || Failure::failed("the daemon answered an entry without a record; use a newer chancery");
        let mut shown = Self::record(entry.record.as_ref().ok_or_else(none)?)?;
        shown.status = status(entry.status());
        shown.withdrawn = &entry.retracted_documents;
        (shown.suggested, shown.suggested_by) = (&entry.suggested, &entry.suggested_by);
        let derived = proto::Derived::decode(entry.derived.clone());
        shown.derived = Arc::new(derived.map_err(|error| {
            Failure::failed(format!("position {}: what is derived: {error}", shown.position))
        })?);
        Ok(shown)
    }

    /// The hash of its leaf, as its receipt has it: no other record has the same, wherever it stands.
    pub fn leaf_hash(&self) -> Hash {
        leaf_hash(self.leaf_bytes)
    }

    /// The record in the JSON form.
    pub fn json(&self, with_hash: bool) -> Map<String, Value> {
        let derived = derived::json(&self.derived);
        let view = RecordView {
            position: self.position,
            leaf: self.leaf,
            payload: self.payload,
            status: self.status,
            leaf_hash: with_hash.then(|| self.leaf_hash()),
            derived: derived.as_ref(),
        };
        let Value::Object(mut members) = json::record(&view) else {
            return Map::new();
        };
        if !self.withdrawn.is_empty() {
            let document = |one: &proto::EntryKey| json!({ "series": one.series, "key": one.key });
            let documents: Vec<Value> = self.withdrawn.iter().map(document).collect();
            members.insert("retracted_documents".to_owned(), documents.into());
        }
        let suggested = suggested::json(self.suggested, self.suggested_by);
        members.extend(suggested.map(|all| ("suggested".to_owned(), all)));
        members.extend(
            self.excerpts
                .map(|all| ("excerpts".to_owned(), excerpts::json(all))),
        );
        if let Some((by, only)) = &self.only {
            keep_only(&mut members, *by, only);
        }
        members
    }

    /// A row for each dyad or participant of the entry, made when it is asked for; none where it has none.
    pub fn exploded(&self, by: Explode) -> impl Iterator<Item = Self> {
        let groups: Vec<Vec<usize>> = match by {
            Explode::Participant => (0..self.content.participants.len()).map(|at| vec![at]).collect(),
            Explode::Dyad => dyads(&self.content)
                .into_iter()
                .map(|(a, b)| vec![a, b])
                .collect(),
        };
        let row = move |only| Self {
            only: Some((by, only)),
            ..self.clone()
        };
        groups.into_iter().map(row)
    }

    /// When it happened; else when it was reported, published, or is dated otherwise.
    pub fn date(&self) -> String {
        let roles = [
            DateRole::Occurred,
            DateRole::Signed,
            DateRole::Reported,
            DateRole::Published,
        ];
        let found = roles
            .into_iter()
            .map(|role| self.dates(role))
            .find(|dates| !dates.is_empty());
        found
            .or_else(|| self.content.dates.first().map(|date| date.edtf.clone()))
            .unwrap_or_default()
    }

    /// Who acted on whom, or who met: `Iran → Pakistan`, `Bajwa · Bagheri`.
    pub fn who(&self) -> String {
        let (source, target) = (self.people(Side::Source), self.people(Side::Target));
        if !source.is_empty() || !target.is_empty() {
            return format!("{} → {}", or_dash(source), or_dash(target));
        }
        let sides = [Side::Party, Side::Host, Side::Mediator, Side::Unspecified];
        let met: Vec<String> = sides
            .into_iter()
            .map(|side| self.people(side))
            .filter(|all| !all.is_empty())
            .collect();
        if met.is_empty() {
            return self.people(Side::Mentioned);
        }
        met.join(" · ")
    }

    /// What it was: `040 consult`.
    pub fn what(&self) -> String {
        let Some((at, one)) = self.main_type() else {
            return String::new();
        };
        let cameo = derived::of_type_at(&self.derived, at, CAMEO_SCHEME);
        // A text is shown as it was stated, a code with its label.
        let is_code = is_scheme(&one.scheme, CAMEO_SCHEME);
        if let Some(cameo) = cameo.filter(|_| is_code && one.label.is_empty()) {
            return format!("{} {}", cameo.code, cameo.label).trim_end().to_owned();
        }
        let code = match one.scheme.as_str() {
            "cameo" | "" => one.code.clone(),
            scheme if one.code.is_empty() => scheme.to_owned(),
            scheme => format!("{scheme}:{}", one.code),
        };
        if one.label.is_empty() {
            code
        } else {
            format!("{code} {}", one.label)
        }
    }

    /// Where: `Rawalpindi, PAK`.
    pub fn place(&self) -> String {
        let Some((at, place)) = self.main_place() else {
            return String::new();
        };
        let parts = [place.name.clone(), self.country_of_place(at, place)];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(", ")
    }

    /// The title, or the first words of the body, or what an act without content says.
    pub fn headline(&self) -> String {
        let said = if !self.content.title.is_empty() {
            self.content.title.clone()
        } else if !self.content.body.is_empty() {
            self.content.body.lines().next().unwrap_or_default().to_owned()
        } else if self.leaf.act.has_content() {
            self.content
                .topics
                .first()
                .map(|topic| either(&topic.word, &topic.code))
                .unwrap_or_default()
        } else {
            self.leaf.reason.to_owned()
        };
        plain(&said).into_owned()
    }

    /// Series and key.
    ///
    /// # Errors
    /// Where the server answered a name that this program does not allow.
    pub fn name(&self) -> Result<EntryKey, Failure> {
        EntryKey::new(self.leaf.series, self.leaf.key).map_err(|error| Failure::failed(error.to_string()))
    }

    /// The entry as short as it can be typed: a long key by its first characters.
    pub fn entry_short(&self) -> String {
        short_entry(self.leaf.series, self.leaf.key)
    }

    /// A participant's derived countries, else the codes it states.
    pub fn countries_of(&self, at: usize, participant: &Participant) -> Vec<String> {
        let derived = self.derived_countries("participants", at);
        if !derived.is_empty() {
            return derived.into_iter().map(str::to_owned).collect();
        }
        let stated = participant.countries.iter();
        stated.map(|country| country.code.clone()).collect()
    }

    /// The codes derived from the part of the record at a place of a list.
    fn derived_countries(&self, list: &str, at: usize) -> Vec<&str> {
        let path = format!("{list}[{at}]");
        let of_it = self.derived.countries.iter().filter(|one| one.path == path);
        of_it.map(|one| one.iso3.as_str()).collect()
    }

    /// The types that follow from those stated.
    pub fn derived_types(&self) -> impl Iterator<Item = &proto::DerivedType> {
        self.derived.types.iter()
    }

    /// Whether a quad class is stated, so that none is derived.
    pub fn states_quads(&self) -> bool {
        !stated_quads(&self.content).is_empty()
    }

    /// Its quad classes, stated or derived.
    pub fn quads(&self) -> Vec<u32> {
        let stated = stated_quads(&self.content);
        if stated.is_empty() {
            return self.derived.quads.clone();
        }
        stated.into_iter().map(|quad| u32::from(quad.number())).collect()
    }

    /// Whether a country of a participant is known, stated or derived.
    pub fn is_of_a_country(&self, at: usize) -> bool {
        !self.derived_countries("participants", at).is_empty()
    }

    fn tells_of(&self, participant: usize) -> bool {
        self.only
            .as_ref()
            .is_none_or(|(_, only)| only.contains(&participant))
    }

    /// Its dates of a role, as stated.
    pub fn dates(&self, role: DateRole) -> String {
        let dates = self.content.dates.iter().filter(|date| date.role() == role);
        joined(dates.map(|date| date.edtf.clone()))
    }

    /// The participants of a side that this row tells of, with their places in the record.
    pub fn on_side(&self, is: fn(Side) -> bool) -> impl Iterator<Item = (usize, &Participant)> {
        let all = self.content.participants.iter().enumerate();
        all.filter(move |(at, one)| is(one.side()) && self.tells_of(*at))
    }

    /// The participants of a side: the first two by name, the others by their number.
    fn people(&self, side: Side) -> String {
        let on_it = || {
            self.content
                .participants
                .iter()
                .enumerate()
                .filter(|(_, one)| one.side() == side)
        };
        let mut names: Vec<String> = Vec::new();
        for (at, one) in on_it().take(2) {
            let name = named(one);
            names.push(if name.is_empty() {
                self.countries_of(at, one).join("/")
            } else {
                name
            });
        }
        let more = on_it().count().saturating_sub(names.len());
        let mut text = names.join(" · ");
        if more > 0 {
            text.push_str(&format!(" +{more}"));
        }
        plain(&text).into_owned()
    }

    /// Its type, with where it stands in the record: the CAMEO one, else the first.
    pub fn main_type(&self) -> Option<(usize, &TypeCode)> {
        let types = || self.content.types.iter().enumerate();
        types()
            .find(|(_, one)| one.scheme == CAMEO_SCHEME)
            .or_else(|| types().next())
    }

    /// Its place, with where it stands in the record: that of the action, else the first.
    pub fn main_place(&self) -> Option<(usize, &Place)> {
        use crate::record::codec::PlaceRole;
        let places = || self.content.places.iter().enumerate();
        places()
            .find(|(_, place)| place.role() == PlaceRole::Action)
            .or_else(|| places().next())
    }

    /// A place's derived countries, else the code it states.
    pub fn country_of_place(&self, at: usize, place: &Place) -> String {
        let derived = self.derived_countries("places", at);
        if !derived.is_empty() {
            return derived.join("; ");
        }
        let stated = place.country.as_ref();
        stated.map(|country| country.code.clone()).unwrap_or_default()
    }
}

/// What an entry is taken apart into, a row for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Explode {
    /// Two participants that face each other, as the filter `dyad` has it
    Dyad,
    /// One participant
    Participant,
}

/// Leaves the participants of one row in a record, in the row's order. `exploded` says which they were; it is no member
/// of a record, so that such a line is never taken for one by an import.
fn keep_only(members: &mut Map<String, Value>, by: Explode, only: &[usize]) {
    if let Some(Value::Array(all)) = members.get_mut("participants") {
        *all = only.iter().filter_map(|at| all.get(*at).cloned()).collect();
    }
    if let Some(Value::Array(derived)) = members
        .get_mut("derived")
        .and_then(|one| one.get_mut("countries"))
    {
        derived.retain_mut(|country| keep_derived(country, only));
    }
    let by = by.to_possible_value().map(|by| by.get_name().to_owned());
    members.insert("exploded".to_owned(), json!({ "by": by, "participants": only }));
}

/// Whether a derived country stays; one of a participant is given the participant's new place.
fn keep_derived(country: &mut Value, only: &[usize]) -> bool {
    let path = country.get("path").and_then(Value::as_str).unwrap_or_default();
    let Some(at) = path
        .strip_prefix("participants[")
        .and_then(|rest| rest.strip_suffix(']'))
    else {
        return true;
    };
    let place = only.iter().position(|only| at.parse() == Ok(*only));
    if let Some(place) = place {
        country["path"] = format!("participants[{place}]").into();
    }
    place.is_some()
}

/// An entry as short as it can be typed.
pub fn short_entry(series: &str, key: &str) -> String {
    const KEY_CHARS_MAX: usize = 32;
    const HASH_CHARS: usize = 10;
    let is_hash = key.len() >= 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
    let chars = if is_hash { HASH_CHARS } else { KEY_CHARS_MAX };
    let short: String = key.chars().take(chars).collect();
    plain(&format!("{series}/{short}")).into_owned()
}

/// The name of a participant: as stated, else its office, its role, a code.
pub fn named(one: &Participant) -> String {
    let code = one.codes.first().map_or("", |code| code.code.as_str());
    let names = [&one.name, &one.stated_name, &one.office, &one.role_text];
    let name = names.into_iter().find(|name| !name.is_empty());
    name.map_or(code, String::as_str).to_owned()
}

/// The word of a number of an enum of the record.
pub fn word(name: &str, number: i32) -> String {
    let words = Shape::get().enum_named(name);
    let word = words.and_then(|words| words.word(u64::try_from(number).ok()?));
    word.unwrap_or_default().to_owned()
}

/// A status of an answer.
pub fn status(status: proto::Status) -> Option<Status> {
    match status {
        proto::Status::Unspecified => None,
        proto::Status::Current => Some(Status::Current),
        proto::Status::Superseded => Some(Status::Superseded),
        proto::Status::Retracted => Some(Status::Retracted),
        proto::Status::Erased => Some(Status::Erased),
    }
}

/// The word of a kind by its number.
pub fn kind_word(number: i32) -> &'static str {
    Kind::from_number(number).map_or("?", Kind::word)
}

/// A moment to the second, for people.
pub fn moment(recorded: Recorded) -> String {
    let text = recorded.to_string();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{}Z", seconds.replace('T', " ")),
        None => text,
    }
}

/// Texts joined by `; `, each once, without those that are empty.
pub fn joined(texts: impl Iterator<Item = String>) -> String {
    let mut said: Vec<String> = Vec::new();
    for text in texts {
        if !text.is_empty() && !said.contains(&text) {
            said.push(text);
        }
    }
    said.join("; ")
}

/// The first text, or the second where it is empty.
pub fn either(first: &str, second: &str) -> String {
    if first.is_empty() {
        second.to_owned()
    } else {
        first.to_owned()
    }
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "—".to_owned() } else { text }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::record::json::Input;
    use crate::record::{Act, Epoch, Revision};
    use bytes::Bytes;

    /// The record that a JSON text makes, as a server answers it.
    pub fn record(text: &str) -> proto::Record {
        let input = Input::parse(text).unwrap();
        let leaf = Leaf {
            act: Act::Create,
            kind: Kind::Event,
            series: "desk",
            key: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            revision: Revision::FIRST,
            previous: None,
            recorded: Recorded::from_nanos(1_795_428_000_000_000_001),
            batch_id: b"b",
            batch_index: 0,
            batch_count: 1,
            principal: "anonymous",
            epoch: Epoch::default(),
            reason: "",
            relation: None,
            erased: None,
            payload_size: input.payload.len() as u64,
            commitment: [0; 32],
        };
        let mut bytes = Vec::new();
        leaf.encode(&mut bytes);
        proto::Record {
            position: 7,
            leaf: Bytes::from(bytes),
            payload: input.payload,
            ..proto::Record::default()
        }
    }

    #[test]
    fn a_line_says_when_who_and_where() {
        let record = record(
            r#"{"series":"desk","title":"Talks","occurred":"2021-10-13","reported":"2021-10-14",
                "participants":[{"side":"source","name":"Iran","countries":["IRN"]},
                {"side":"target","name":"Pakistan","countries":["PAK"]},{"side":"mentioned","name":"UN"}],
                "types":[{"scheme":"plover","code":"CONSULT"},"cameo:040"],"places":["Rawalpindi"]}"#,
        );
        let shown = Shown::record(&record).unwrap();
        assert_eq!(shown.date(), "2021-10-13");
        assert_eq!(shown.who(), "Iran → Pakistan");
        assert_eq!(shown.place(), "Rawalpindi");
        assert_eq!(shown.entry_short(), "desk/0123456789");
    }

    #[test]
    fn a_meeting_has_parties_and_only_two_of_them_are_named() {
        let record = record(
            r#"{"series":"desk","title":"Summit","participants":[{"side":"party","name":"A"},
                {"side":"party","name":"B"},{"side":"party","name":"C"},{"side":"host","name":"D"}]}"#,
        );
        assert_eq!(Shown::record(&record).unwrap().who(), "A · B +1 · D");
    }

    #[test]
    fn the_rows_of_an_entry_share_its_content() {
        let parties: Vec<String> = (0..256)
            .map(|n| format!(r#"{{"side":"party","name":"P{n}"}}"#))
            .collect();
        let record = record(&format!(
            r#"{{"series":"desk","title":"Summit","participants":[{}]}}"#,
            parties.join(",")
        ));
        let shown = Shown::record(&record).unwrap();
        for (by, rows) in [(Explode::Dyad, 256 * 255 / 2), (Explode::Participant, 256)] {
            let shared = shown
                .exploded(by)
                .filter(|row| Arc::ptr_eq(&row.content, &shown.content));
            assert_eq!(shared.count(), rows);
        }
    }

    #[test]
    fn the_json_of_a_record_is_an_amendment_of_it_on_input() {
        let record = record(r#"{"series":"desk","title":"Talks"}"#);
        let json = Value::Object(Shown::record(&record).unwrap().json(true));
        let input = Input::parse(&json.to_string()).unwrap();
        assert_eq!(
            (input.act, input.expected_revision),
            (Act::Amend, Some(Revision::FIRST))
        );
    }

    #[test]
    fn moments_are_shown_to_the_second() {
        assert_eq!(
            moment(Recorded::from_nanos(1_795_428_000_000_000_001)),
            "2026-11-23 10:00:00Z"
        );
    }
}
