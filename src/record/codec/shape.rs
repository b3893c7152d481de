//! The messages of `record.proto` as one table.
//!
//! Read once from the descriptor that the build embeds, so that a field added to the proto is at once checked,
//! read and written as JSON, described in the schema, and suggested after a typing error. Holds no values and does
//! no I/O; what a text must look like beyond its type is [`Check`]'s.

use super::DESCRIPTOR;
use crate::record::validate::{self, Check};
use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
};
use std::collections::HashMap;
use std::sync::LazyLock;

/// The number of `Payload.content`.
pub const PAYLOAD_CONTENT: u32 = 1;
/// The number of `Payload.statement`.
pub const PAYLOAD_STATEMENT: u32 = 3;
/// The number of `Payload.system`.
pub const PAYLOAD_SYSTEM: u32 = 4;
/// The number of `Content.title`.
pub const CONTENT_TITLE: u32 = 1;
/// The number of `Content.body`.
pub const CONTENT_BODY: u32 = 2;
/// The number of `Content.language`.
pub const CONTENT_LANGUAGE: u32 = 3;
/// The number of `Content.media_type`.
pub const CONTENT_MEDIA_TYPE: u32 = 4;
/// The number of `Content.participants`.
pub const CONTENT_PARTICIPANTS: u32 = 7;
/// The number of `Content.raw`.
pub const CONTENT_RAW: u32 = 16;
/// The number of `Content.names`.
pub const CONTENT_NAMES: u32 = 19;
/// The number of `Content.identifiers`.
pub const CONTENT_IDENTIFIERS: u32 = 20;
/// The number of `Content.offices`.
pub const CONTENT_OFFICES: u32 = 21;
/// The number of `Text.body`.
pub const TEXT_BODY: u32 = 4;

/// Every field number of `record.proto` is below this, so that a set of fields is a `u32`.
const NUMBERS_MAX: usize = 32;

const FILE: &str = "chancery/v1/record.proto";

/// Names a message of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageId(u8);

/// Names an enum of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnumId(u8);

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// UTF-8.
    Text,
    /// Any bytes.
    Bytes,
    /// A number without a sign.
    Number,
    /// A word of a list.
    Word(EnumId),
    /// A message.
    Message(MessageId),
}

/// One field of a message.
#[derive(Debug)]
pub struct Field {
    /// Its number, 1 to 31.
    pub number: u32,
    /// Its name, in the proto, in JSON and in paths.
    pub name: String,
    /// What it holds.
    pub ty: FieldType,
    /// Whether it may stand several times.
    pub repeated: bool,
    /// What its text must look like.
    pub check: Check,
    /// What the proto says about it.
    pub comment: String,
}

/// What the walk must do for a message beyond its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Plain,
    Payload,
    Content,
    Text,
    Span,
}

/// One message.
#[derive(Debug)]
pub struct Message {
    /// Its name in the proto.
    pub name: String,
    /// Its fields with ascending numbers.
    pub fields: Vec<Field>,
    /// What the proto says about it.
    pub comment: String,
    /// The set of field numbers without which it says nothing.
    pub(crate) required: u32,
    pub(super) role: Role,
    slots: [Option<Slot>; NUMBERS_MAX],
}

/// What the walk needs of a field, small enough that a message's slots lie in a few cache lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub ty: FieldType,
    pub check: Check,
    pub repeated: bool,
    index: u8,
}

impl Message {
    /// The slot of this number.
    #[inline]
    pub(super) fn slot(&self, number: u64) -> Option<Slot> {
        *self.slots.get(usize::try_from(number).ok()?)?
    }

    /// The field of this number.
    pub fn field_numbered(&self, number: u64) -> Option<&Field> {
        self.slot(number)
            .map(|slot| &self.fields[usize::from(slot.index)])
    }

    /// The field of this name.
    pub fn field_named(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The names of its fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }
}

/// One enum.
#[derive(Debug)]
pub struct Enum {
    /// Its name in the proto.
    pub name: String,
    /// What the proto says about it.
    pub comment: String,
    /// Its words; the index is the number, and 0 means "not said".
    pub words: Vec<Word>,
}

impl Enum {
    /// The word of a number; `None` for 0 and for numbers that the enum does not have.
    pub fn word(&self, number: u64) -> Option<&str> {
        let word = self.words.get(usize::try_from(number).ok()?)?;
        (number != 0).then_some(word.word.as_str())
    }

    /// The number of a word.
    pub fn number(&self, word: &str) -> Option<u64> {
        let index = self.words.iter().position(|known| known.word == word)?;
        (index != 0).then_some(index as u64)
    }

    /// The words that may be written, in the order of their numbers.
    pub fn said(&self) -> impl Iterator<Item = &Word> {
        self.words.iter().skip(1)
    }
}

/// One word of an enum.
#[derive(Debug)]
pub struct Word {
    /// As written in JSON and in filters: `reported-in`.
    pub word: String,
    /// What the proto says about it.
    pub comment: String,
}

/// The table.
#[derive(Debug)]
pub struct Shape {
    messages: Vec<Message>,
    enums: Vec<Enum>,
    payload: MessageId,
}

static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
    let set =
        FileDescriptorSet::decode(DESCRIPTOR).expect("the build embeds a descriptor that it encoded itself");
    let record = set.file.iter().find(|file| file.name() == FILE);
    Shape::of(record.expect("the build compiles record.proto"))
});

impl Shape {
    /// The table of this build.
    #[inline]
    pub fn get() -> &'static Self {
        &SHAPE
    }

    /// The message of an id.
    #[inline]
    pub fn message(&self, id: MessageId) -> &Message {
        &self.messages[usize::from(id.0)]
    }

    /// The enum of an id.
    #[inline]
    pub fn enumeration(&self, id: EnumId) -> &Enum {
        &self.enums[usize::from(id.0)]
    }

    /// The id of `Payload`.
    #[inline]
    pub fn payload(&self) -> MessageId {
        self.payload
    }

    /// A message by its name in the proto, such as `Content`.
    pub fn message_named(&self, name: &str) -> Option<&Message> {
        self.messages.iter().find(|message| message.name == name)
    }

    /// An enum by its name in the proto, such as `Kind`.
    pub fn enum_named(&self, name: &str) -> Option<&Enum> {
        self.enums.iter().find(|one| one.name == name)
    }

    /// Every message, in the order of the proto.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Every enum, in the order of the proto.
    pub fn enums(&self) -> &[Enum] {
        &self.enums
    }

    fn of(file: &FileDescriptorProto) -> Self {
        let comments = Comments::of(file);
        let names = Names::of(file);
        let messages = file
            .message_type
            .iter()
            .enumerate()
            .map(|(at, one)| message_of(at, one, &names, &comments));
        let enums = file
            .enum_type
            .iter()
            .enumerate()
            .map(|(at, one)| enum_of(at, one, &comments));
        let payload = names.messages["Payload"];
        Self {
            messages: messages.collect(),
            enums: enums.collect(),
            payload,
        }
    }
}

/// Where each message and enum stands in the table.
struct Names<'a> {
    messages: HashMap<&'a str, MessageId>,
    enums: HashMap<&'a str, EnumId>,
}

impl<'a> Names<'a> {
    fn of(file: &'a FileDescriptorProto) -> Self {
        let messages = file
            .message_type
            .iter()
            .zip(0..)
            .map(|(one, at)| (one.name(), MessageId(at)));
        let enums = file
            .enum_type
            .iter()
            .zip(0..)
            .map(|(one, at)| (one.name(), EnumId(at)));
        Self {
            messages: messages.collect(),
            enums: enums.collect(),
        }
    }
}

/// The comments of a proto file, by the path of what they stand before.
struct Comments<'a>(HashMap<&'a [i32], &'a str>);

impl<'a> Comments<'a> {
    fn of(file: &'a FileDescriptorProto) -> Self {
        let locations = file.source_code_info.iter().flat_map(|info| &info.location);
        Self(
            locations
                .map(|one| (one.path.as_slice(), one.leading_comments()))
                .collect(),
        )
    }

    /// The comment as one line of text.
    fn at(&self, path: &[i32]) -> String {
        let comment = self.0.get(path).copied().unwrap_or_default();
        comment.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// Field numbers of the descriptor's own proto, which the paths of comments are made of.
const PATH_MESSAGE: i32 = 4;
const PATH_ENUM: i32 = 5;
const PATH_MEMBER: i32 = 2;

fn message_of(at: usize, proto: &DescriptorProto, names: &Names, comments: &Comments) -> Message {
    let at = at as i32;
    let of_field = |(index, field)| {
        field_of(
            proto.name(),
            field,
            names,
            comments.at(&[PATH_MESSAGE, at, PATH_MEMBER, index]),
        )
    };
    let mut fields: Vec<Field> = (0..).zip(&proto.field).map(of_field).collect();
    fields.sort_by_key(|field| field.number);
    let mut slots = [None; NUMBERS_MAX];
    for (index, field) in (0u8..).zip(&fields) {
        let Field {
            ty, check, repeated, ..
        } = *field;
        slots[field.number as usize] = Some(Slot {
            ty,
            check,
            repeated,
            index,
        });
    }
    let required = fields
        .iter()
        .filter(|field| validate::is_required(proto.name(), &field.name));
    Message {
        name: proto.name().to_owned(),
        comment: comments.at(&[PATH_MESSAGE, at]),
        required: required.fold(0, |set, field| set | 1 << field.number),
        role: role_of(proto.name()),
        fields,
        slots,
    }
}

fn role_of(message: &str) -> Role {
    match message {
        "Payload" => Role::Payload,
        "Content" => Role::Content,
        "Text" => Role::Text,
        "Span" => Role::Span,
        _ => Role::Plain,
    }
}

fn field_of(message: &str, proto: &FieldDescriptorProto, names: &Names, comment: String) -> Field {
    Field {
        number: proto.number() as u32,
        name: proto.name().to_owned(),
        ty: type_of(proto, names),
        repeated: proto.label() == Label::Repeated,
        check: validate::check_of(message, proto.name()),
        comment,
    }
}

fn type_of(proto: &FieldDescriptorProto, names: &Names) -> FieldType {
    let name = proto.type_name().rsplit('.').next().unwrap_or_default();
    match proto.r#type() {
        Type::String => FieldType::Text,
        Type::Bytes => FieldType::Bytes,
        Type::Uint32 | Type::Uint64 | Type::Int64 => FieldType::Number,
        Type::Enum => FieldType::Word(names.enums[name]),
        Type::Message => FieldType::Message(names.messages[name]),
        other => unreachable!(
            "record.proto uses no {other:?}: the first use of the table would fail in every test"
        ),
    }
}

fn enum_of(at: usize, proto: &EnumDescriptorProto, comments: &Comments) -> Enum {
    let at = at as i32;
    let prefix = shouted(proto.name());
    let of_value = |(index, value): (i32, &prost_types::EnumValueDescriptorProto)| {
        let name = value.name().strip_prefix(&prefix).unwrap_or(value.name());
        let word = name.to_ascii_lowercase().replace('_', "-");
        Word {
            word,
            comment: comments.at(&[PATH_ENUM, at, PATH_MEMBER, index]),
        }
    };
    Enum {
        name: proto.name().to_owned(),
        comment: comments.at(&[PATH_ENUM, at]),
        words: (0..).zip(&proto.value).map(of_value).collect(),
    }
}

/// `RelationType` as the prefix of its values: `RELATION_TYPE_`.
fn shouted(name: &str) -> String {
    let mut prefix = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !prefix.is_empty() {
            prefix.push('_');
        }
        prefix.push(letter.to_ascii_uppercase());
    }
    prefix + "_"
}

#[cfg(test)]
mod tests;
