//! Texts that were made to cost their reader much. Each is 1 MiB of the worst that a rule may be given: a rule whose time grows with
//! the square of the text would not come to an end.

use super::drafts::{DRAFTS_MAX, drafts};
use super::{Document, Part, Rule, SUGGESTIONS_MAX, Suggested, Suggestion, suggest};
use crate::record::date::day_number;
use std::collections::HashSet;

const BYTES: usize = 1 << 20;

fn document(text: &str) -> Document<'_> {
    Document {
        text,
        reported: Some(day_number(2021, 10, 14)),
        ..Document::default()
    }
}

/// 1 MiB of the same words.
fn mebibyte(of: &str) -> String {
    of.repeat(BYTES / of.len())
}

/// 1 MiB of the first words, and 128 KiB of each of the others, which are variants of it.
fn read_all(texts: &[&str]) {
    for (at, of) in texts.iter().enumerate() {
        let bytes = if at == 0 { BYTES } else { BYTES / 8 };
        read(&of.repeat(bytes / of.len()));
    }
}

/// Reads a text that must be read in a moment.
fn read(text: &str) -> Vec<Suggestion> {
    let found = suggest(document(text));
    assert!(found.len() <= SUGGESTIONS_MAX, "{}", found.len());
    found
}

#[test]
fn a_mebibyte_of_titles_that_no_name_follows_ends() {
    for titles in [
        "Mr ",
        "Mr. ",
        "president ",
        "Chief Gen. ",
        "President of Iran ",
        "Iranian chief ",
    ] {
        assert!(
            !read(&mebibyte(titles)).iter().any(|one| one.rule == Rule::Titled),
            "{titles}"
        );
    }
    let named = format!("{}Xx", mebibyte("Mr "));
    assert!(
        matches!(&read(&named)[..], [one] if one.what.to_string() == "Xx"),
        "whoever follows is named"
    );
    let long = format!("{}Xx.", mebibyte("president "));
    assert!(
        matches!(&read(&long)[..], [one] if one.what.to_string() == "Xx"),
        "no office is that long"
    );
}

#[test]
fn a_mebibyte_of_quotations_in_one_sentence_ends() {
    read_all(&[
        "\"a b c\" ",
        "“a b c” ",
        "\"a b c\" said ",
        "\"a b c\" said Mr Xx ",
        "\"",
        "“",
        "said ",
    ]);
    read(&format!("Mr Xx said {}", mebibyte("\"a b c\" ")));
    read(&format!("{}said Mr Xx", mebibyte("\"a b c\" ")));
}

#[test]
fn a_mebibyte_of_names_and_appositions_ends() {
    read_all(&[
        "the army chief, Xx Yy, ",
        "Mr Xx, ",
        "Mr Xx, chief ",
        "Mr Xx, the chief of Iran, ",
        "Iran Mr Xx ",
        "John Smith, head of Iran ",
        "chief of Iran Mr Xx ",
        "the army chief, ",
        "Xx Yy, the chief of Iran, ",
        "Xx Yy, the ",
        "John ",
        "al-Xx ",
        "Mr Xx bin ",
    ]);
    read(&format!("Mr Xx, chief {}", mebibyte("a ")));
    let other: String = (0..BYTES / 10).map(|at| format!("Mr A{at:06x} ")).collect();
    read(&other);
    let namesakes: String = (0..BYTES / 16)
        .map(|at| format!("Mr A{at:06x} Sharif "))
        .collect();
    read(&namesakes);
}

#[test]
fn a_mebibyte_of_weekdays_months_and_numbers_ends() {
    read_all(&[
        "Wednesday ",
        "will Wednesday ",
        "On Friday will ",
        "May 3 ",
        "3 ",
        "May ",
        "last month ",
        "3 of ",
        "2021-10-13 ",
    ]);
    read(&format!("will {}", mebibyte("wed Wednesday ")));
}

#[test]
fn a_mebibyte_of_capitals_organisations_and_places_ends() {
    read_all(&[
        "Xx ",
        "Council ",
        "Council of ",
        "Foreign Ministry ",
        "Xx Army and ",
        "UN ",
        "UN Rawalpindi Iran ",
        "Iran's ",
        "U.S. ",
        "A. ",
        "Gen",
    ]);
}

#[test]
fn a_mebibyte_without_words_or_of_one_word_ends() {
    read_all(&[
        ",", ", ", ".", ". ", "\n", "\n\n", " ", "'", "a'", "a", "A", "é", "A.", "a.", "a.b", "1",
    ]);
    for (before, of, behind) in [
        ("Mr ", "A", ""),
        ("Mr ", "Aa", " Bb"),
        ("Mr Xx", " ", "Yy"),
        ("John ", "a", ""),
        ("Mr Xx, chief ", "a", ", Xx said"),
        ("Foreign ", "A", " Ministry"),
    ] {
        let text = format!("{before}{}{behind}", mebibyte(of));
        for one in read(&text) {
            assert!(one.what.to_string().len() < 1_024, "{before}");
        }
    }
}

#[test]
fn a_mebibyte_of_events_ends_and_gives_few_drafts() {
    let mut texts: Vec<String> = [
        "He met. ",
        "Mr Xx met. ",
        "Mr Xx met Iran in Paris. ",
        "He met the UN. ",
        "Xx said. ",
        "met ",
    ]
    .map(mebibyte)
    .into();
    texts.push((0..BYTES / 16).map(|at| format!("Mr A{at:06x} met. ")).collect());
    texts.push((0..BYTES / 16).map(|at| format!("Mr A{at:06x} said. ")).collect());
    texts.push(format!(
        "{} met.",
        (0..BYTES / 11)
            .map(|at| format!("Mr A{at:06x} "))
            .collect::<String>()
    ));
    texts.push(format!("{} met.", mebibyte("Iran Paris UN ")));
    for text in texts {
        let drafts = drafts(&document(&text), &read(&text));
        assert!(drafts.len() <= DRAFTS_MAX);
        let is_short =
            |draft: &crate::record::codec::Content| draft.participants.len() + draft.places.len() <= 24;
        assert!(drafts.iter().all(is_short));
    }
}

/// 160 KB that once took 4 GB: each mention had the whole office, of 80,000 bytes.
#[test]
fn mentions_share_one_name_and_no_office_is_longer_than_256_bytes() {
    let text = format!("Mr Xx, chief {}, {}", "a".repeat(80_000), "Xx, ".repeat(27_000));
    let found = read(&text);
    assert_eq!(found.len(), SUGGESTIONS_MAX);
    let mut names = HashSet::new();
    for one in &found {
        let Suggested::Person { name, office, .. } = &one.what else {
            panic!("{one:?}");
        };
        assert_eq!((&**name, &**office), ("Xx", ""));
        names.insert(name.as_ptr());
    }
    assert!(names.len() <= 2, "{} copies of a name", names.len());
    let least = format!("Mr Xx, chief of {}, came.", "a".repeat(256 - 9));
    assert!(matches!(&read(&least)[0].what, Suggested::Person { office, .. } if office.len() == 256));
}

#[test]
fn a_name_has_no_word_of_more_than_64_bytes() {
    let named = |bytes: usize| {
        read(&format!("Mr Xx A{} came.", "a".repeat(bytes - 1)))[0]
            .what
            .to_string()
    };
    assert_eq!(named(64).len(), 3 + 64);
    assert_eq!(named(65), "Xx");
}

#[test]
fn a_document_has_the_first_10_000_suggestions_and_its_title_comes_first() {
    let text = mebibyte("Iran met Mr Xx in Paris on Wednesday. ");
    let all = suggest(Document {
        title: "Iran",
        ..document(&text)
    });
    assert_eq!(all.len(), SUGGESTIONS_MAX);
    assert_eq!(all[0].part, Part::Title);
    let bound = all.last().map_or(0, |last| last.range.start);
    // What stands before the bound is all there, and as it is in a text of that length.
    let end = text[bound..].find(". ").map_or(text.len(), |at| bound + at + 2);
    let short = suggest(document(&text[..end]));
    assert_eq!(&short[..SUGGESTIONS_MAX - 1], &all[1..]);
}
