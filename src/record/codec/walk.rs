//! Checks a payload where it lies.
//!
//! One walk over tags, lengths and texts decides whether a payload may be stored as it was sent: every field known
//! and of its wire type, singular fields at most once, no groups, UTF-8, known words, dates that exist, numbers in
//! range. It allocates nothing unless it refuses; then it names the path of what it refused. It never changes a
//! byte and never asks what the archive already holds.

use super::shape::{self, Enum, Field, FieldType, Message, MessageId, Role, Shape, Slot};
use super::wire::{Reader, Value, WireError, WireType};
use super::{IDENTIFIERS_MAX, NAMES_MAX, PARTICIPANTS_MAX, PAYLOAD_BYTES_MAX};
use crate::record::validate::{Check, TextError};
use std::fmt;
use std::ops::Range;

/// What the walk saw in a payload. Empty texts and zeros count as absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PayloadFacts {
    content: Option<Range<usize>>,
    parts: u32,
    fields: u32,
    participants: u32,
    names: u32,
    identifiers: u32,
    text_with_body: bool,
}

/// The set of one field.
const fn bit(number: u32) -> u32 {
    1 << number
}

impl PayloadFacts {
    /// Where the encoded content lies in the payload; `None` where there is none.
    pub fn content(&self) -> Option<Range<usize>> {
        self.content.clone()
    }

    /// Whether there is content, even if it says nothing.
    pub fn has_content(&self) -> bool {
        self.content.is_some()
    }

    /// Whether the content says anything at all.
    pub fn says_something(&self) -> bool {
        self.fields != 0
    }

    /// Whether there is a statement: why.
    pub fn has_statement(&self) -> bool {
        self.parts & bit(shape::PAYLOAD_STATEMENT) != 0
    }

    /// Whether the payload is one of the archive about itself.
    pub fn has_system(&self) -> bool {
        self.parts & bit(shape::PAYLOAD_SYSTEM) != 0
    }

    /// Whether the content has a title.
    pub fn has_title(&self) -> bool {
        self.fields & bit(shape::CONTENT_TITLE) != 0
    }

    /// Whether the content has a body, its own or one of its texts'.
    pub fn has_body(&self) -> bool {
        self.fields & bit(shape::CONTENT_BODY) != 0 || self.text_with_body
    }

    /// Whether the content has the exact input.
    pub fn has_raw(&self) -> bool {
        self.fields & bit(shape::CONTENT_RAW) != 0
    }

    /// Whether the content has a title and, its language and media type apart, nothing else.
    pub fn is_title_only(&self) -> bool {
        let beside = bit(shape::CONTENT_LANGUAGE) | bit(shape::CONTENT_MEDIA_TYPE);
        self.fields & !beside == bit(shape::CONTENT_TITLE)
    }

    /// Whether an entry whose sender named no kind is a document: it has a body, or a title only. Else it is an
    /// event.
    pub fn looks_like_document(&self) -> bool {
        self.has_body() || self.is_title_only()
    }

    /// Whether the content has names or offices, as one that describes an actor does.
    pub fn describes(&self) -> bool {
        self.fields & (bit(shape::CONTENT_NAMES) | bit(shape::CONTENT_OFFICES)) != 0
    }

    /// How many participants the content names.
    pub fn participants(&self) -> u32 {
        self.participants
    }
}

/// Why a payload was refused: where and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadError {
    /// The path of the field, such as `content.participants[3].name`; empty for the payload as a whole.
    pub path: String,
    /// What is wrong there.
    pub problem: PayloadProblem,
}

impl fmt::Display for PayloadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => self.problem.fmt(out),
            path => write!(out, "`{path}`: {}", self.problem),
        }
    }
}

impl std::error::Error for PayloadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            PayloadProblem::Text(error) => Some(error),
            PayloadProblem::Wire(error) => Some(error),
            _ => None,
        }
    }
}

/// What is wrong with a payload or one of its fields. None of it heals by sending it again unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadProblem {
    /// The whole is too large.
    #[error(
        "payload too large: {0} bytes exceeds limit of {PAYLOAD_BYTES_MAX} bytes; split the text or name it as an attachment"
    )]
    TooLarge(usize),
    /// More participants than one content may name.
    #[error("too many participants: more than {PARTICIPANTS_MAX}; split the event, or name groups")]
    Participants,
    /// More names than one content may give.
    #[error(
        "too many names: more than {NAMES_MAX}; leave out those that are alike when case and accents are, or describe several actors"
    )]
    Names,
    /// More identifiers than one content may have.
    #[error(
        "too many identifiers: more than {IDENTIFIERS_MAX}; describe several actors, or keep others in `extra`"
    )]
    Identifiers,
    /// The bytes are no protobuf.
    #[error(transparent)]
    Wire(WireError),
    /// A field that this version of the payload does not have.
    #[error(
        "field number {0} is not known; this archive keeps version 1 of the payload, put other values into `extra`"
    )]
    UnknownField(u64),
    /// A value encoded in a way that its field does not use.
    #[error("wire type {found} found, {expected} expected; encode it as record.proto declares it")]
    WireType {
        /// As found.
        found: &'static str,
        /// As declared.
        expected: &'static str,
    },
    /// A singular field that stands twice.
    #[error("stands more than once; protobuf would merge the two in silence, send one")]
    Repeated,
    /// A text that is not UTF-8.
    #[error("not UTF-8 from byte {0} on; convert the text, and keep the original bytes in `raw`")]
    NotUtf8(usize),
    /// A number that its enum does not have.
    #[error("{number} is not a value of {name}; use 1 to {last}")]
    Word {
        /// As found.
        number: u64,
        /// The enum.
        name: String,
        /// Its last number.
        last: usize,
    },
    /// A field is missing without which its message says nothing.
    #[error("is missing; its message says nothing without it")]
    Missing,
    /// A range that ends before it starts.
    #[error("ends at {to}, before it starts at {from}; offsets are half open, from <= to")]
    Span {
        /// The first character.
        from: u64,
        /// The first character after it.
        to: u64,
    },
    /// A text that its field does not take.
    #[error(transparent)]
    Text(TextError),
}

/// A refusal on its way out of the nested messages, which name themselves as it passes.
struct Refusal {
    /// Innermost first.
    path: Vec<String>,
    /// How many elements of a packed field stand before the one refused.
    packed_before: usize,
    problem: PayloadProblem,
}

type Walked<T> = Result<T, Box<Refusal>>;

#[cold]
fn refuse<T>(problem: PayloadProblem) -> Walked<T> {
    Err(Box::new(Refusal {
        path: Vec::new(),
        packed_before: 0,
        problem,
    }))
}

impl From<WireError> for Box<Refusal> {
    #[cold]
    fn from(error: WireError) -> Self {
        Self::new(Refusal {
            path: Vec::new(),
            packed_before: 0,
            problem: PayloadProblem::Wire(error),
        })
    }
}

/// Checks a payload in one walk, structure and texts, and says what it holds.
///
/// # Errors
/// The first thing in the bytes that may not be stored, with its path.
pub fn check_payload(payload: &[u8]) -> Result<PayloadFacts, PayloadError> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(PayloadError {
            path: String::new(),
            problem: PayloadProblem::TooLarge(payload.len()),
        });
    }
    let shape = Shape::get();
    let mut walker = Walker {
        shape,
        facts: PayloadFacts::default(),
    };
    match walker.message(shape.payload(), payload) {
        Ok(parts) => Ok(PayloadFacts {
            parts,
            ..walker.facts
        }),
        Err(refusal) => {
            let path: Vec<String> = refusal.path.into_iter().rev().collect();
            Err(PayloadError {
                path: path.join("."),
                problem: refusal.problem,
            })
        }
    }
}

struct Walker<'a> {
    shape: &'a Shape,
    facts: PayloadFacts,
}

/// What is kept of a message while its fields pass.
#[derive(Default)]
struct Seen {
    /// The numbers that stood.
    stood: u32,
    /// Those of them whose value is not the default.
    said: u32,
    /// The values of the two fields of a `Span`.
    span: [u64; 2],
}

impl Walker<'_> {
    /// Walks one message and answers which of its fields say something.
    fn message(&mut self, id: MessageId, bytes: &[u8]) -> Walked<u32> {
        let message = self.shape.message(id);
        let mut reader = Reader::new(bytes);
        let mut seen = Seen::default();
        while !reader.is_done() {
            let start = reader.position();
            let (number, wire) = reader.tag()?;
            let Some(slot) = message.slot(number) else {
                return refuse(PayloadProblem::UnknownField(number));
            };
            let walked = self.field(message, number as u32, slot, wire, &mut reader, &mut seen);
            walked.map_err(|refusal| named(refusal, message, number, &bytes[..start]))?;
        }
        self.finish(message, &seen)?;
        Ok(seen.said)
    }

    #[inline]
    fn field(
        &mut self,
        message: &Message,
        number: u32,
        slot: Slot,
        wire: WireType,
        reader: &mut Reader,
        seen: &mut Seen,
    ) -> Walked<()> {
        let own = bit(number);
        if seen.stood & own != 0 && !slot.repeated {
            return refuse(PayloadProblem::Repeated);
        }
        seen.stood |= own;
        // An element is said even where it is the default; a singular field is then as good as absent.
        let said = |is_default: bool| if is_default && !slot.repeated { 0 } else { own };
        match (slot.ty, wire) {
            (FieldType::Text, WireType::Length) => {
                let text = reader.bytes()?;
                seen.said |= said(text.is_empty());
                check_text(slot.check, text)
            }
            (FieldType::Message(id), WireType::Length) => {
                seen.said |= own;
                self.nested(message.role, number, id, reader.range()?, reader)
            }
            (FieldType::Word(id), WireType::Varint) => {
                let value = reader.varint()?;
                seen.said |= said(value == 0);
                check_word(self.shape.enumeration(id), slot, value)
            }
            (FieldType::Number, WireType::Varint) => {
                let value = reader.varint()?;
                seen.said |= said(value == 0);
                seen.span[number as usize & 1] = value;
                Ok(())
            }
            (FieldType::Bytes, WireType::Length) => {
                seen.said |= said(reader.bytes()?.is_empty());
                Ok(())
            }
            (FieldType::Word(_) | FieldType::Number, WireType::Length) if slot.repeated => {
                let numbers = reader.bytes()?;
                seen.said |= if numbers.is_empty() { 0 } else { own };
                self.packed(slot, numbers)
            }
            (expected, found) => refuse_wire(expected, found),
        }
    }

    fn nested(
        &mut self,
        above: Role,
        number: u32,
        id: MessageId,
        range: Range<usize>,
        reader: &Reader,
    ) -> Walked<()> {
        match above {
            Role::Payload if number == shape::PAYLOAD_CONTENT => self.facts.content = Some(range.clone()),
            Role::Content => self.count(number)?,
            _ => {}
        }
        self.message(id, reader.slice(range)).map(drop)
    }

    /// Counts what a content has a bounded number of.
    #[inline]
    fn count(&mut self, number: u32) -> Walked<()> {
        let (count, most, problem) = match number {
            shape::CONTENT_PARTICIPANTS => (
                &mut self.facts.participants,
                PARTICIPANTS_MAX,
                PayloadProblem::Participants,
            ),
            shape::CONTENT_NAMES => (&mut self.facts.names, NAMES_MAX, PayloadProblem::Names),
            shape::CONTENT_IDENTIFIERS => (
                &mut self.facts.identifiers,
                IDENTIFIERS_MAX,
                PayloadProblem::Identifiers,
            ),
            _ => return Ok(()),
        };
        *count += 1;
        if *count > most { refuse(problem) } else { Ok(()) }
    }

    fn packed(&self, slot: Slot, bytes: &[u8]) -> Walked<()> {
        let mut numbers = Reader::new(bytes);
        let mut index = 0;
        while !numbers.is_done() {
            let number = numbers.varint()?;
            if let FieldType::Word(id) = slot.ty {
                let checked = check_word(self.shape.enumeration(id), slot, number);
                checked.map_err(|refusal| {
                    Box::new(Refusal {
                        packed_before: index,
                        ..*refusal
                    })
                })?;
            }
            index += 1;
        }
        Ok(())
    }

    /// What can only be said of a message as a whole.
    #[inline]
    fn finish(&mut self, message: &Message, seen: &Seen) -> Walked<()> {
        let missing = message.required & !seen.said;
        if missing != 0 {
            return refuse_missing(message, missing);
        }
        match message.role {
            Role::Content => self.facts.fields = seen.said,
            Role::Text => self.facts.text_with_body |= seen.said & bit(shape::TEXT_BODY) != 0,
            // `from` is field 1 and `to` field 2, which lie at the index of their lowest bit.
            Role::Span if seen.span[1] > seen.span[0] => {
                return refuse(PayloadProblem::Span {
                    from: seen.span[1],
                    to: seen.span[0],
                });
            }
            _ => {}
        }
        Ok(())
    }
}

#[inline]
fn check_text(check: Check, text: &[u8]) -> Walked<()> {
    if check.accepts(text) {
        return Ok(());
    }
    match std::str::from_utf8(text) {
        Ok(text) => check
            .run(text)
            .or_else(|error| refuse(PayloadProblem::Text(error))),
        Err(error) => refuse(PayloadProblem::NotUtf8(error.valid_up_to())),
    }
}

/// A word must be one of its list; 0, "not said", may stand only where a field can be left out.
#[inline]
fn check_word(words: &Enum, slot: Slot, number: u64) -> Walked<()> {
    let last = words.words.len() - 1;
    if number <= last as u64 && (number != 0 || !slot.repeated) {
        return Ok(());
    }
    refuse(PayloadProblem::Word {
        number,
        name: words.name.clone(),
        last,
    })
}

#[cold]
fn refuse_wire(expected: FieldType, found: WireType) -> Walked<()> {
    let expected = match expected {
        FieldType::Text | FieldType::Bytes | FieldType::Message(_) => WireType::Length,
        FieldType::Number | FieldType::Word(_) => WireType::Varint,
    };
    refuse(PayloadProblem::WireType {
        found: found.name(),
        expected: expected.name(),
    })
}

#[cold]
fn refuse_missing(message: &Message, missing: u32) -> Walked<()> {
    let name = message
        .field_numbered(u64::from(missing.trailing_zeros()))
        .map(|field| field.name.clone());
    Err(Box::new(Refusal {
        path: name.into_iter().collect(),
        packed_before: 0,
        problem: PayloadProblem::Missing,
    }))
}

/// Adds the field to the path, with its index among the elements of its number that stood before it.
#[cold]
fn named(mut refusal: Box<Refusal>, message: &Message, number: u64, before: &[u8]) -> Box<Refusal> {
    let Some(field) = message.field_numbered(number) else {
        return refusal;
    };
    let too_many = matches!(refusal.problem, PayloadProblem::Participants);
    let index = standing(field, before) + std::mem::take(&mut refusal.packed_before);
    refusal.path.push(match field.repeated && !too_many {
        true => format!("{}[{index}]", field.name),
        false => field.name.clone(),
    });
    refusal
}

/// How many elements of a field stand in these bytes, packed ones counted each.
fn standing(field: &Field, before: &[u8]) -> usize {
    let mut reader = Reader::new(before);
    let of_field =
        std::iter::from_fn(|| reader.field()).filter(|(number, _)| *number == u64::from(field.number));
    let elements = of_field.map(|(_, value)| match (field.ty, value) {
        (FieldType::Number | FieldType::Word(_), Value::Bytes(packed)) => {
            packed.iter().filter(|byte| **byte < 0x80).count()
        }
        _ => 1,
    });
    elements.sum()
}

#[cfg(test)]
mod tests;
