//! What single conditions mean, where the page of the language leaves no room for doubt.

use chancery::filter::{Filter, LazyContent, Subject};
use chancery::record::codec::{Content, Country, Date, Measure, Participant, Place, Side, Text, TypeCode};
use chancery::record::{Act, Kind, Position, Recorded, Revision, Status};

fn subject(content: LazyContent<'_>) -> Subject<'_> {
    Subject {
        position: Position::new(7),
        act: Act::Create,
        kind: Kind::Event,
        series: "icews-quad",
        key: "k",
        revision: Revision::new(1),
        recorded: Recorded::from_nanos(0),
        status: Status::Current,
        principal: "",
        content,
    }
}

fn check(content: &Content, truths: &[&str], lies: &[&str]) {
    let holds = |text: &str| {
        Filter::parse(text)
            .unwrap()
            .matches(&subject(LazyContent::ready(content)))
    };
    for text in truths {
        assert!(holds(text), "{text} should hold");
    }
    for text in lies {
        assert!(!holds(text), "{text} should not hold");
    }
}

fn occurred(edtf: &str) -> Content {
    let date = Date {
        role: 1,
        edtf: edtf.into(),
        ..Default::default()
    };
    Content {
        dates: vec![date],
        ..Default::default()
    }
}

fn who(side: Side, name: &str, country: &str) -> Participant {
    let country = Country {
        scheme: "iso3".into(),
        code: country.into(),
    };
    let countries = if country.code.is_empty() {
        vec![]
    } else {
        vec![country]
    };
    Participant {
        side: side as i32,
        name: name.into(),
        countries,
        ..Default::default()
    }
}

#[test]
fn dates_compare_by_earliest_and_latest_day() {
    check(
        &occurred("1939"),
        &[
            "occurred = 1939",
            "occurred = 193X",
            "possibly(occurred, 1939-05)",
            "occurred >= 1939",
            "occurred <= 1939",
            "occurred < 1940",
        ],
        &[
            "occurred = 1939-05",
            "occurred > 1939",
            "occurred < 1939",
            "occurred <= 1939-06",
            "possibly(occurred, 1940)",
            "reported = 1939",
        ],
    );
    check(
        &occurred("1939-09-01/.."),
        &[
            "occurred >= 1939",
            "possibly(occurred, 1980)",
            "occurred > 1939-08",
        ],
        &["occurred = 1939", "occurred <= 1980", "possibly(occurred, 1938)"],
    );
    check(
        &occurred("193X"),
        &["possibly(occurred, 1935)", "occurred >= 1930"],
        &["occurred >= 1939", "occurred = 1939"],
    );
    check(
        &occurred("nonsense"),
        &["NOT has:occurred"],
        &["possibly(occurred, 1939)", "has:occurred"],
    );
}

#[test]
fn a_dyad_needs_two_participants_who_face_each_other() {
    let of = |participants: Vec<Participant>| Content {
        participants,
        ..Default::default()
    };
    let directed = of(vec![who(Side::Source, "a", "PAK"), who(Side::Target, "b", "IRN")]);
    check(
        &directed,
        &["dyad = IRN-PAK", "dyad = PAK>IRN", "actor_dyad = \"b,a\""],
        &["dyad = IRN>PAK", "dyad = PAK-PAK"],
    );
    let allies = of(vec![who(Side::Source, "a", "PAK"), who(Side::Source, "b", "IRN")]);
    check(&allies, &["NOT has:dyad"], &["dyad = IRN-PAK"]);
    let summit = of(vec![who(Side::Party, "a", "PAK"), who(Side::Party, "b", "IRN")]);
    check(&summit, &["dyad = IRN-PAK"], &["dyad = PAK>IRN"]);
    let mentioned = of(vec![
        who(Side::Source, "a", "PAK"),
        who(Side::Mentioned, "b", "IRN"),
    ]);
    check(&mentioned, &["country = IRN"], &["dyad = IRN-PAK"]);
    let mut both = who(Side::Party, "a", "PAK");
    both.countries.push(Country {
        scheme: "iso3".into(),
        code: "IRN".into(),
    });
    check(
        &of(vec![both]),
        &["country = IRN"],
        &["dyad = IRN-PAK", "dyad = PAK-PAK"],
    );
}

#[test]
fn numbers_compare_as_numbers_and_texts_that_are_none_pass_nothing() {
    let measure = |value: &str| Measure {
        name: "goldstein".into(),
        value: value.into(),
    };
    let content = Content {
        measures: vec![measure("-10.0"), measure("n/a")],
        ..Default::default()
    };
    check(
        &content,
        &[
            "measure.goldstein = -10",
            "measure.goldstein < -9.9",
            "measure.goldstein != 0",
            "has:measure.goldstein",
        ],
        &["measure.goldstein > -10", "measure.tone < 0", "has:measure.tone"],
    );
}

#[test]
fn a_stated_quad_class_beats_the_derived_one() {
    let types = vec![TypeCode {
        scheme: "cameo".into(),
        code: "091".into(),
        ..Default::default()
    }];
    let derived = Content {
        types,
        ..Default::default()
    };
    check(
        &derived,
        &["quad = 3", "NOT quad = 3 basis = stated"],
        &["quad = 1"],
    );
    let measure = Measure {
        name: "quad-class".into(),
        value: "1".into(),
    };
    let stated = Content {
        measures: vec![measure],
        ..derived
    };
    check(&stated, &["quad = 1", "quad = 1 basis = stated"], &["quad = 3"]);
}

#[test]
fn words_are_found_in_titles_bodies_forms_and_names_only() {
    let text = Text {
        body: "Trata de una reunión".into(),
        ..Default::default()
    };
    let place = Place {
        name: "Rawalpindi".into(),
        ..Default::default()
    };
    let content = Content {
        title: "Talks".into(),
        texts: vec![text],
        places: vec![place],
        participants: vec![who(Side::Source, "Erdoğan", "")],
        ..Default::default()
    };
    check(
        &content,
        &[
            "reunion",
            "erdogan",
            "talks reunión",
            "text : reunion",
            "place : rawalpindi",
        ],
        &["rawalpindi", "text : erdogan", "title : reunion"],
    );
}

#[test]
fn without_content_only_the_envelope_decides() {
    let holds = |text: &str| {
        Filter::parse(text)
            .unwrap()
            .matches(&subject(LazyContent::absent()))
    };
    assert!(holds("series = icews-quad position = 7 NOT country = PAK"));
    assert!(holds("country != PAK"));
    assert!(!holds("country = PAK"));
    assert!(!holds("NOT act = create OR has:country"));
    assert!(!Filter::parse("act = create").unwrap().needs_content());
    let broken = subject(LazyContent::payload(b"\x0a\xff"));
    assert!(!Filter::parse("has:country").unwrap().matches(&broken));
}
