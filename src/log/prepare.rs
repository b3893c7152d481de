//! What can be done for a batch before anyone holds the commit lock: every check that needs no other record, the
//! kinds, the keys that the log makes, the salts and the commitments.
//!
//! All broken rules of a batch are reported together. Randomness comes from a generator of the thread, seeded by the
//! operating system.

use super::batch::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX, Batch, Door, Draft};
use super::erasure::Erasing;
use super::error::{Rule, Violation};
use super::names::{NameHash, NameMap};
use crate::authority::bounds;
use crate::filter::Filter;
use crate::record::codec::walk::{PayloadFacts, PayloadProblem, check_payload};
use crate::record::codec::{PAYLOAD_BYTES_MAX, RelationType, decode_content};
use crate::record::{
    Act, BatchId, EntryKey, Hash, Key, Kind, Position, Principal, Reason, Revision, SALT_BYTES, commitment,
};
use bytes::Bytes;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::cell::RefCell;
use std::hash::BuildHasherDefault;

/// A batch that breaks no rule by itself.
pub struct Prepared {
    /// The records.
    pub drafts: Vec<PreparedDraft>,
    /// The client's name for the batch.
    pub request_id: Option<BatchId>,
    /// The hash of that name.
    pub hash: Option<NameHash>,
    /// The tail that the log must have.
    pub expected_tail: Option<Position>,
    /// No record at or after the position may match.
    pub fail_if_match: Option<(Filter, Position)>,
    /// Write nothing.
    pub validate_only: bool,
    /// Who appends.
    pub principal: Principal,
    /// Whether an entry stands in the batch more than once.
    pub repeats: bool,
    /// At most so many bytes in the frame.
    pub frame_bytes: usize,
}

/// A record ready for the sequencer.
#[derive(Clone)]
pub struct PreparedDraft {
    /// What to do.
    pub act: Act,
    /// The kind, where the record makes the entry.
    pub kind: Kind,
    /// The entry.
    pub entry: EntryKey,
    /// The hash of its name.
    pub hash: NameHash,
    /// Whether the log made the key.
    pub made_key: bool,
    /// The payload.
    pub payload: Bytes,
    /// The salt of its commitment.
    pub salt: [u8; SALT_BYTES],
    /// SHA-256(salt ‖ payload).
    pub commitment: Hash,
    /// The revision that the entry must be at.
    pub expected_revision: Option<Revision>,
    /// Why.
    pub reason: Reason,
    /// LINK and UNLINK: relation and other entry, with the hash of its name.
    pub relation: Option<(RelationType, EntryKey, NameHash)>,
    /// ERASE: the revisions.
    pub erased: Option<Erasing>,
}

/// What a record takes in a frame beside its payload and the texts in its leaf: numbers, tags, salt, slot.
const RECORD_OVERHEAD_BYTES: usize = 256;

/// Checks a batch and makes it ready.
///
/// # Errors
/// Every rule that it breaks.
pub fn prepare(batch: Batch) -> Result<Prepared, Vec<Violation>> {
    let mut broken = Vec::new();
    check_size(&batch, &mut broken);
    if !broken.is_empty() {
        // A batch that is too large is not looked into.
        return Err(broken);
    }
    let door = batch.door;
    let mut drafts = Vec::with_capacity(batch.records.len());
    for (index, draft) in batch.records.into_iter().enumerate() {
        let before = broken.len();
        let facts = check(index, &draft, door, &mut broken);
        if let (Some(facts), true) = (facts, broken.len() == before) {
            drafts.push(ready(draft, &facts));
        }
    }
    if !broken.is_empty() {
        return Err(broken);
    }
    let repeats = repeats(&drafts);
    let principal = batch.principal.as_str().len();
    let frame_bytes = drafts.iter().map(|draft| draft.frame_bytes() + principal).sum();
    Ok(Prepared {
        drafts,
        hash: (batch.request_id.as_ref()).map(|id| NameHash::of_batch(id.as_bytes())),
        request_id: batch.request_id,
        expected_tail: batch.expected_tail,
        // What a text only seems to say refuses nothing.
        fail_if_match: (batch.fail_if_match).map(|(filter, after)| (filter.without_suggestions(), after)),
        validate_only: batch.validate_only,
        principal: batch.principal,
        repeats,
        frame_bytes,
    })
}

fn check_size(batch: &Batch, broken: &mut Vec<Violation>) {
    let count = batch.records.len();
    if count == 0 {
        broken.push(Violation::batch("records", Rule::Empty));
    }
    let too_large = |what, actual: usize, limit: usize, remedy| Rule::TooLarge {
        what,
        actual: actual as u64,
        limit: limit as u64,
        remedy,
    };
    if count > BATCH_RECORDS_MAX {
        let rule = too_large(
            "batch (records)",
            count,
            BATCH_RECORDS_MAX,
            "send several batches",
        );
        broken.push(Violation::batch("records", rule));
    }
    let key_len = |draft: &Draft| draft.key.as_ref().map_or(0, |key| key.as_str().len());
    let bytes: usize = batch
        .records
        .iter()
        .map(|draft| draft.payload.len() + key_len(draft))
        .sum();
    if bytes > BATCH_BYTES_MAX {
        let rule = too_large("batch (bytes)", bytes, BATCH_BYTES_MAX, "send several batches");
        broken.push(Violation::batch("records", rule));
    }
}

/// Checks one record; answers what its payload holds where that can be told.
fn check(index: usize, draft: &Draft, door: Door, broken: &mut Vec<Violation>) -> Option<PayloadFacts> {
    let mut refuse = |field: &str, rule: Rule| broken.push(Violation::of(index, field, rule));
    check_door(draft, door, &mut refuse);
    check_shape(draft, &mut refuse);
    match check_payload(&draft.payload) {
        Err(error) => {
            let path = if error.path.is_empty() {
                "payload".into()
            } else {
                format!("payload.{}", error.path)
            };
            let rule = match error.problem {
                PayloadProblem::TooLarge(bytes) => Rule::TooLarge {
                    what: "payload (bytes)",
                    actual: bytes as u64,
                    limit: PAYLOAD_BYTES_MAX as u64,
                    remedy: "split the text or name it as an attachment",
                },
                problem => Rule::Invalid(problem.to_string()),
            };
            refuse(&path, rule);
            None
        }
        Ok(facts) => {
            check_parts(draft, &facts, &mut refuse);
            check_described(draft, &facts, &mut refuse);
            Some(facts)
        }
    }
}

fn check_door(draft: &Draft, door: Door, refuse: &mut impl FnMut(&str, Rule)) {
    let wanted = match draft.act {
        Act::Hold | Act::Release | Act::Erase => Door::Admin,
        Act::Epoch | Act::Audit => Door::System,
        Act::Create | Act::Amend | Act::Retract | Act::Reinstate | Act::Link | Act::Unlink => Door::Archive,
    };
    // The administration writes down what it does in the same batch, and replaces there what it erases.
    let is_beside = door == Door::Admin && matches!(draft.act, Act::Audit | Act::Amend);
    let is_own = door == Door::System || is_beside && draft.act == Act::Audit;
    if wanted != door && !is_beside {
        let door = match wanted {
            Door::Archive => "Archive.Append",
            Door::Admin => "Admin",
            Door::System => "the archive itself",
        };
        refuse(
            "act",
            Rule::Door {
                act: draft.act.word(),
                door,
            },
        );
    }
    if draft.series.is_system() && !is_own {
        let text = "series `chancery` is the archive's own; use another series";
        refuse("series", Rule::Invalid(text.into()));
    }
    if draft.kind == Some(Kind::System) && !is_own {
        let text = "kind `system` is the archive's own; use event, document, report, agreement or authority";
        refuse("kind", Rule::Invalid(text.into()));
    }
}

fn check_shape(draft: &Draft, refuse: &mut impl FnMut(&str, Rule)) {
    let act = draft.act;
    let links = matches!(act, Act::Link | Act::Unlink);
    match &draft.relation {
        None if links => refuse(
            "relation",
            Rule::Invalid(format!("{act} needs a relation and the other entry")),
        ),
        Some(_) if !links => refuse(
            "relation",
            Rule::Invalid(format!("{act} takes no relation; leave it out")),
        ),
        Some((RelationType::Unspecified, _)) => {
            refuse(
                "relation.type",
                Rule::Invalid("the relation has no type; name one, as part-of".into()),
            );
        }
        Some((_, other)) if Some(&other.key) == draft.key.as_ref() && other.series == draft.series => {
            refuse(
                "relation.key",
                Rule::Invalid(format!("`{other}` cannot be linked to itself")),
            );
        }
        _ => {}
    }
    if (act == Act::Erase) != draft.erased.is_some() {
        let text = "erase, and nothing else, says which revisions it takes";
        refuse("erased", Rule::Invalid(text.into()));
    }
    if draft.key.is_none() && !matches!(act, Act::Create | Act::Audit | Act::Epoch) {
        refuse(
            "key",
            Rule::Invalid(format!(
                "{act} needs the key of an entry; only create may leave it out"
            )),
        );
    }
    if act == Act::Retract && draft.reason.is_empty() {
        let text = "retract needs a cause: source-retracted, error, fabricated or duplicate";
        refuse("reason", Rule::Invalid(text.into()));
    }
}

fn check_parts(draft: &Draft, facts: &PayloadFacts, refuse: &mut impl FnMut(&str, Rule)) {
    let act = draft.act;
    if act.has_content() && !facts.says_something() {
        let text = format!("{act} needs content; state at least a title");
        refuse("payload.content", Rule::Invalid(text));
    }
    if !act.has_content() && facts.has_content() {
        let text = format!("{act} takes no content; put the explanation into payload.statement");
        refuse("payload.content", Rule::Invalid(text));
    }
    if facts.has_system() && !draft.series.is_system() {
        let text = "payload.system is the archive's own; leave it out";
        refuse("payload.system", Rule::Invalid(text.into()));
    }
    if matches!(act, Act::Hold | Act::Release | Act::Erase) && !facts.has_statement() {
        let text = format!("{act} needs an authority; say on whose decision");
        refuse("payload.statement.authority", Rule::Invalid(text));
    }
}

/// What is said of an actor must be something that can be looked for. Of what describes none only the bounds are checked.
fn check_described(draft: &Draft, facts: &PayloadFacts, refuse: &mut impl FnMut(&str, Rule)) {
    if !facts.describes() && draft.kind != Some(Kind::Authority) {
        return;
    }
    if let Ok(Some(content)) = decode_content(&draft.payload)
        && let Err(unmeant) = bounds::check(&content)
    {
        let path = format!("payload.content.{}", unmeant.path);
        refuse(&path, Rule::Invalid(unmeant.problem));
    }
}

impl PreparedDraft {
    /// At most so many bytes in a frame, its principal apart.
    fn frame_bytes(&self) -> usize {
        let entry = |entry: &EntryKey| entry.series.as_str().len() + entry.key.as_str().len();
        let other = self.relation.as_ref().map_or(0, |(_, other, _)| entry(other));
        RECORD_OVERHEAD_BYTES + entry(&self.entry) + other + self.reason.as_str().len() + self.payload.len()
    }
}

fn ready(draft: Draft, facts: &PayloadFacts) -> PreparedDraft {
    let guessed = if facts.looks_like_document() {
        Kind::Document
    } else {
        Kind::Event
    };
    let kind = match draft.kind {
        _ if draft.series.is_system() => Kind::System,
        stated => stated.unwrap_or(guessed),
    };
    let made_key = draft.key.is_none();
    let key = draft.key.unwrap_or_else(make_key);
    let hash = NameHash::of_entry(draft.series.as_str(), key.as_str());
    let salt = random();
    let relation = draft.relation.map(|(relation, other)| {
        let hash = NameHash::of_entry(other.series.as_str(), other.key.as_str());
        (relation, other, hash)
    });
    PreparedDraft {
        act: draft.act,
        kind,
        entry: EntryKey {
            series: draft.series,
            key,
        },
        hash,
        made_key,
        commitment: commitment(&salt, &draft.payload),
        payload: draft.payload,
        salt,
        expected_revision: draft.expected_revision,
        reason: draft.reason,
        relation,
        erased: draft.erased,
    }
}

/// A batch of one draft of another, to be judged by itself and never written.
pub fn alone(batch: &Prepared, draft: &PreparedDraft) -> Prepared {
    Prepared {
        drafts: vec![draft.clone()],
        request_id: None,
        hash: None,
        expected_tail: None,
        fail_if_match: None,
        validate_only: true,
        principal: batch.principal.clone(),
        repeats: false,
        frame_bytes: 0,
    }
}

/// Whether two drafts are of one entry. Names that collide are taken for one here: the sequencer compares them truly.
fn repeats(drafts: &[PreparedDraft]) -> bool {
    let mut seen = NameMap::with_capacity_and_hasher(drafts.len(), BuildHasherDefault::default());
    drafts.len() > 1 && drafts.iter().any(|draft| seen.insert(draft.hash, ()).is_some())
}

thread_local! {
    static RANDOM: RefCell<Option<ChaCha12Rng>> = const { RefCell::new(None) };
}

/// Random bytes that nobody can guess.
///
/// # Panics
/// Where the operating system has no randomness to seed from: then no salt could be trusted.
fn random<const N: usize>() -> [u8; N] {
    RANDOM.with_borrow_mut(|random| {
        let random = random.get_or_insert_with(|| {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).expect("the operating system gives random bytes");
            ChaCha12Rng::from_seed(seed)
        });
        let mut bytes = [0; N];
        random.fill_bytes(&mut bytes);
        bytes
    })
}

/// A random key: 32 hexadecimal digits.
fn make_key() -> Key {
    let key = hex::encode(random::<16>());
    Key::new(&key).expect("hexadecimal digits are a key")
}
