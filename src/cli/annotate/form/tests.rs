//! What the plain form reads, and how it says what it cannot.

use super::*;

const TEXT: &str = "# a comment\n\
    event rawalpindi\n\
    title: They met\n\
    occurred: 2021-10-13 | on Wednesday\n\
    type: 040\n\
    party: Qamar Javed Bajwa | Chief of Army Staff | PAK | person\n\
    party: Mohammad Bagheri | | fips:IR\n\
    place: Rawalpindi | PAK\n\
    publisher: ISPR\n\
    sentence:\n\
    \n\
    event\n\
    title: Another\n";

fn content(event: Event) -> Content {
    let input = event.input().unwrap();
    decode_content(&input.payload).unwrap().unwrap()
}

fn refused(text: &str) -> String {
    let events = read(text).and_then(|events| {
        events
            .into_iter()
            .map(Event::input)
            .collect::<Result<Vec<_>, _>>()
    });
    events.map(drop).unwrap_err().to_string()
}

#[test]
fn a_block_is_an_event_and_says_what_its_lines_say() {
    let events = read(TEXT).unwrap();
    assert_eq!(events.iter().map(|event| event.line).collect::<Vec<_>>(), [2, 12]);
    let mut events = events.into_iter();
    let first = events.next().unwrap();
    assert_eq!(first.members["key"], "rawalpindi");
    let first = content(first);
    assert_eq!(
        (first.dates[0].edtf.as_str(), first.dates[0].stated.as_str()),
        ("2021-10-13", "on Wednesday")
    );
    assert_eq!(
        (first.types[0].scheme.as_str(), first.types[0].code.as_str()),
        ("cameo", "040")
    );
    assert_eq!(first.participants[0].office, "Chief of Army Staff");
    assert_eq!(first.participants[1].countries[0].scheme, "fips");
    assert_eq!(first.places[0].country.as_ref().unwrap().code, "PAK");
    assert_eq!(first.reports[0].publisher, "ISPR");
    assert_eq!(content(events.next().unwrap()).title, "Another");
}

#[test]
fn an_event_begins_with_its_word_and_perhaps_a_key() {
    for (line, key) in [
        ("event", Some("")),
        ("event:", Some("")),
        ("event talks-1", Some("talks-1")),
        ("event: talks in Geneva", Some("talks in Geneva")),
        ("event : a", Some("a")),
        ("eventual", None),
        ("events: a", None),
    ] {
        assert_eq!(begins_event(line), Ok(key), "{line}");
    }
}

#[test]
fn what_a_block_is_written_as_is_read_as_the_same() {
    let first = content(read(TEXT).unwrap().remove(0));
    let again = content(read(&block(&first)).unwrap().remove(0));
    assert_eq!(again, first);
    let as_json = content(read(&object(&first)).unwrap().remove(0));
    assert_eq!(as_json, first);
}

#[test]
fn objects_may_have_comments_between_them() {
    let text = "# one\n{\"title\": \"a\"}\n\n# two\n{\n\"title\": \"# b\"}\n# end";
    let events = read(text).unwrap();
    assert_eq!(events.iter().map(|event| event.line).collect::<Vec<_>>(), [2, 5]);
    assert!(read("# nothing\n\n").unwrap().is_empty());
}

#[test]
fn what_is_wrong_is_named_by_its_line_with_the_remedy() {
    for (text, said) in [
        (
            "title: a",
            "line 1: `title: a` stands before any event; begin each event with a line `event`",
        ),
        (
            "event\ntitel: a",
            "line 2: `titel` is no field of an event; did you mean `title`?",
        ),
        (
            "event\ntitle: a\ntitle: b",
            "line 3: `title` stands twice in the event; keep one of them",
        ),
        (
            "event\n",
            "line 1: the event says nothing; give it a title, or remove it",
        ),
        (
            "event\ntitle: Major diplomatic\nevent in Geneva\noccurred: 2021",
            "line 3: `event in Geneva` begins no event, since a key has no spaces here; write a title on one line, or a key with \
             spaces as `event: KEY`",
        ),
        (
            "event\ntitle: Major\nevent in Geneva: talks",
            "line 3: `event in Geneva: talks` begins no event, since a key has no spaces here; write a title on one line, or a key \
             with spaces as `event: KEY`",
        ),
        (
            "event\ntype: meeting",
            "line 2: `meeting` is no type; write SCHEME:CODE, as cameo:040, or the digits of a CAMEO code",
        ),
        (
            "event\nparty: a | b | PAK | person | x",
            "line 2: `party` has 5 parts between `|`, at most 4 are read; write a `|` of a text as `/`",
        ),
        (
            "event\nparty: | | | person",
            "line 2: `party` names nobody; write NAME | OFFICE | COUNTRY | KIND",
        ),
    ] {
        assert_eq!(refused(text), said);
    }
    for (text, line) in [
        ("event\ntitle: a\noccurred: sometime", "line 3: "),
        ("event\ntype: 4", "line 2: `4` is no code of CAMEO"),
        ("event\ntitle: a\ntype: 999", "line 3: `999` is no code of CAMEO"),
        ("event\nparty: | VP | PAK | person", "line 2: nobody is named"),
        ("event\nparty: \u{640}\u{200b} | VP", "line 2: nobody is named"),
        (
            "event\nparty: a\nparty: b | VP | XXX | person",
            "line 3: `XXX` is no country in `iso3`",
        ),
        ("event\nplace: | FRA", "line 2: no place is named"),
        (
            "event\nplace: a | fips:ZZZ",
            "line 2: `ZZZ` is no country in `fips`",
        ),
        (
            "# c\n{\"title\": \"a\", \"types\": [\"cameo:999\"]}",
            "line 2: `types[0]`: `999` is no code of CAMEO",
        ),
        (
            "event\noccurred: yesterday",
            "line 2: `yesterday` in `occurred` is no date in EDTF; write DATE | WORDS, as ",
        ),
        (
            "event\n\nparty: a | b | Pakistan",
            "line 3: `Pakistan` does not say enough; write ISO alpha-3 as PAK",
        ),
        (
            "event\nparty: a\nparty: b | | | king",
            "line 3: `king` is not one of the words",
        ),
        ("# c\n{\"titel\": 1}", "line 2: `titel`: unknown name"),
        ("{\n\"title\": \n}", "line 3: "),
    ] {
        assert!(refused(text).starts_with(line), "{}", refused(text));
    }
}

#[test]
fn a_code_of_a_scheme_of_ones_own_is_taken_as_it_stands() {
    let event = read("event\ntype: own:999\nparty: a | | own:XX\noccurred: | on Wednesday")
        .unwrap()
        .remove(0);
    let content = content(event);
    assert_eq!(content.types[0].code, "999");
    assert_eq!(content.dates[0].stated, "on Wednesday");
}

#[test]
fn comments_and_spaces_make_no_other_annotation() {
    let text = "# a\nevent\ntitle: x\n";
    assert!(is_same(text, "\n# b\nevent\n\n title:   x"));
    assert!(!is_same(text, "event\ntitle: y"));
    assert!(!is_same("# a", "# a"));
    assert!(!is_same("event\ntitel: a", "event\ntitel: a"));
}
