//! The table against the proto that it was read from.
use super::*;

#[test]
fn every_message_field_and_word_is_commented() {
    let shape = Shape::get();
    for message in shape.messages() {
        assert!(!message.comment.is_empty(), "{}", message.name);
        for field in &message.fields {
            assert!(!field.comment.is_empty(), "{}.{}", message.name, field.name);
        }
    }
    for one in shape.enums() {
        assert!(
            one.words.iter().all(|word| !word.comment.is_empty()),
            "{}",
            one.name
        );
    }
}

#[test]
fn enum_numbers_are_dense_so_that_an_index_is_a_number() {
    let set = FileDescriptorSet::decode(DESCRIPTOR).unwrap();
    let record = set.file.iter().find(|file| file.name() == FILE).unwrap();
    for one in &record.enum_type {
        let numbers: Vec<i32> = one.value.iter().map(|value| value.number()).collect();
        assert_eq!(
            numbers,
            (0..one.value.len() as i32).collect::<Vec<_>>(),
            "{}",
            one.name()
        );
    }
}

#[test]
fn words_are_lower_case_without_their_prefix() {
    let shape = Shape::get();
    let relations: Vec<&str> = shape
        .enum_named("RelationType")
        .unwrap()
        .said()
        .map(|word| word.word.as_str())
        .collect();
    assert_eq!(relations[0], "reported-in");
    assert_eq!(
        shape.enum_named("DateRole").unwrap().word(4),
        Some("source-recorded")
    );
    assert_eq!(shape.enum_named("Kind").unwrap().number("agreement"), Some(4));
    assert_eq!(shape.enum_named("Kind").unwrap().number("unspecified"), None);
}

#[test]
fn the_numbers_named_here_are_those_of_the_proto() {
    let shape = Shape::get();
    let number = |message: &str, field: &str| {
        shape
            .message_named(message)
            .unwrap()
            .field_named(field)
            .unwrap()
            .number
    };
    assert_eq!(number("Payload", "content"), PAYLOAD_CONTENT);
    assert_eq!(number("Payload", "statement"), PAYLOAD_STATEMENT);
    assert_eq!(number("Payload", "system"), PAYLOAD_SYSTEM);
    assert_eq!(number("Content", "title"), CONTENT_TITLE);
    assert_eq!(number("Content", "language"), CONTENT_LANGUAGE);
    assert_eq!(number("Content", "media_type"), CONTENT_MEDIA_TYPE);
    assert_eq!(number("Text", "body"), TEXT_BODY);
    assert_eq!((number("Span", "from"), number("Span", "to")), (1, 2));
    assert_eq!(number("Content", "body"), CONTENT_BODY);
    assert_eq!(number("Content", "participants"), CONTENT_PARTICIPANTS);
    assert_eq!(number("Content", "raw"), CONTENT_RAW);
    assert_eq!(number("Content", "names"), CONTENT_NAMES);
    assert_eq!(number("Content", "identifiers"), CONTENT_IDENTIFIERS);
    assert_eq!(number("Content", "offices"), CONTENT_OFFICES);
}

#[test]
fn messages_do_not_contain_themselves_so_that_nesting_is_bounded() {
    fn depth(shape: &Shape, id: MessageId, above: usize) -> usize {
        assert!(above < 8, "a message of record.proto nests too deep, or for ever");
        let nested = shape
            .message(id)
            .fields
            .iter()
            .filter_map(|field| match field.ty {
                FieldType::Message(id) => Some(depth(shape, id, above + 1)),
                _ => None,
            });
        nested.max().unwrap_or(above)
    }
    assert!(depth(Shape::get(), Shape::get().payload(), 0) <= 4);
}
