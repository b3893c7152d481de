//! Actors by every name that authorities give them: what is found, and as of when.

use super::*;
use chancery::record::codec::{Code, Name};
use chancery::record::{Kind, Series};

/// An authority is described, amended or taken back, under a key that entries of another series have too.
pub fn describe(viewed: &mut Viewed, key: &str, any: usize) {
    let drafts = match any % 5 {
        4 => vec![of_series(act(Act::Retract, key))],
        _ => [Act::Create, Act::Amend]
            .map(|act| of_series(draft(act, key, encode_content(authority(any)))))
            .into(),
    };
    let said = drafts
        .into_iter()
        .any(|draft| append(viewed.log(), batch(vec![draft])).is_ok());
    viewed.said += u64::from(said);
}

fn of_series(draft: chancery::log::Draft) -> chancery::log::Draft {
    chancery::log::Draft {
        series: Series::new("authority").unwrap(),
        kind: Some(Kind::Authority),
        ..draft
    }
}

/// One of a few actors, who have some names and identifiers in common.
fn authority(any: usize) -> Content {
    let dates = [("", ""), ("", "2021-09"), ("2020", ""), ("1939", "1940")][any / 5 % 4];
    let name = |name: &str, (from, to): (&str, &str)| Name {
        name: name.into(),
        from: from.into(),
        to: to.into(),
        ..Name::default()
    };
    let other = ["Kaptaan", "Iran"][any / 3 % 2];
    Content {
        title: ["Imran Khan", "Kaptaan", "A captain"][any % 3].into(),
        names: vec![name("Imran Khan", dates), name(other, ("", ""))],
        identifiers: vec![Code {
            scheme: "wikidata".into(),
            code: ["Q1", "Q2", "Q3"][any / 7 % 3].into(),
            label: String::new(),
        }],
        ..Content::default()
    }
}

/// The positions that a filter finds as of a position, by the view, after it was seen that a look at every record finds the same; and
/// what is said of its actors.
fn found(viewed: &Viewed, text: &str, as_of: u64) -> (Vec<u64>, Vec<String>) {
    let filter = Filter::parse(text).unwrap();
    let as_of = Position::new(as_of);
    let scan = Scanner::new(viewed.log().clone(), options(), Arc::default());
    let view = Scanner::new(
        viewed.log().clone(),
        options(),
        Arc::new(OnceLock::from(viewed.search())),
    );
    let of = |scanner: &Scanner| answer(scanner, &filter, as_of, Order::Newest, Collapse::None);
    let (by_view, by_scan) = (of(&view), of(&scan));
    assert_eq!(by_view, by_scan, "{text}");
    let positions = by_view.0.into_iter().map(|(position, _)| position).collect();
    (positions, by_view.2.actors)
}

fn event(key: &str, occurred: &str, actor: &str) -> chancery::log::Draft {
    let content = Content {
        title: "talks".into(),
        dates: vec![Date {
            role: 1,
            edtf: occurred.into(),
            ..Date::default()
        }],
        participants: vec![Participant {
            name: actor.into(),
            side: 1,
            ..Participant::default()
        }],
        ..Content::default()
    };
    draft(Act::Create, key, encode_content(content))
}

fn described(
    act: Act,
    key: &str,
    names: &[(&str, &str, &str)],
    identifiers: &[(&str, &str)],
) -> chancery::log::Draft {
    let content = Content {
        names: names
            .iter()
            .map(|(name, from, to)| Name {
                name: (*name).into(),
                from: (*from).into(),
                to: (*to).into(),
                ..Name::default()
            })
            .collect(),
        identifiers: identifiers
            .iter()
            .map(|(scheme, code)| Code {
                scheme: (*scheme).into(),
                code: (*code).into(),
                label: String::new(),
            })
            .collect(),
        ..Content::default()
    };
    of_series(draft(act, key, encode_content(content)))
}

/// Events of Imran Khan under four names at 0 to 3, what he is called at 4.
fn khan() -> Viewed {
    let mut viewed = Viewed::new();
    for (key, actor) in [
        ("a", "Imran Khan"),
        ("b", "عمران خان"),
        ("c", "Имран Хан"),
        ("d", "伊姆兰·汗"),
    ] {
        append(viewed.log(), batch(vec![event(key, "2021-10-13", actor)])).unwrap();
    }
    let names = [
        ("Imran Khan", "", ""),
        ("عمران خان", "", ""),
        ("Имран Хан", "", ""),
    ];
    let khan = described(Act::Create, "imran-khan", &names, &[("wikidata", "Q155164")]);
    append(viewed.log(), batch(vec![khan])).unwrap();
    viewed.follow();
    viewed
}

#[test]
fn an_actor_is_found_by_every_name_in_any_script_as_of_when_it_was_recorded() {
    let viewed = khan();
    let filter = "kind = event AND actor = \"imran khan\"";
    let (positions, notes) = found(&viewed, filter, 5);
    assert_eq!(positions, [2, 1, 0]);
    assert_eq!(
        notes,
        ["actor \"Imran Khan\" also by 2 other names of authority/imran-khan"]
    );
    assert_eq!(
        found(&viewed, filter, 4),
        (vec![0], vec![]),
        "before it was recorded"
    );
    let other = "kind = event AND actor = \"Имран Хан\"";
    assert_eq!(found(&viewed, other, 5).0, [2, 1, 0]);
    assert_eq!(
        found(&viewed, "kind = event AND actor = \"=Imran Khan\"", 5),
        (vec![0], vec![])
    );
    assert_eq!(
        found(&viewed, "kind = event AND actor = \"wikidata:Q155164\"", 5).0,
        [2, 1, 0]
    );
    assert_eq!(
        found(&viewed, "kind = event AND actor != \"Imran Khan\"", 5).0,
        [3]
    );
    assert_eq!(
        found(&viewed, "kind = event AND actor = \"伊姆兰·汗\"", 5),
        (vec![3], vec![])
    );
}

#[test]
fn what_was_amended_retracted_or_erased_counts_as_it_is() {
    let mut viewed = khan();
    let filter = "kind = event AND actor = \"Imran Khan\"";
    let names = [("Imran Khan", "", ""), ("伊姆兰·汗", "", "")];
    let amended = described(Act::Amend, "imran-khan", &names, &[]);
    append(viewed.log(), batch(vec![amended])).unwrap();
    assert_eq!(found(&viewed, filter, 6).0, [3, 0]);
    assert_eq!(found(&viewed, filter, 5).0, [2, 1, 0]);
    append(
        viewed.log(),
        batch(vec![of_series(act(Act::Retract, "imran-khan"))]),
    )
    .unwrap();
    viewed.follow();
    assert_eq!(found(&viewed, filter, 7), (vec![0], vec![]));
    append(
        viewed.log(),
        batch(vec![of_series(act(Act::Reinstate, "imran-khan"))]),
    )
    .unwrap();
    viewed.follow();
    assert_eq!(found(&viewed, filter, 8).0, [3, 0]);
    erase_entry(
        &mut viewed,
        EntryKey::new("authority", "imran-khan").unwrap(),
        None,
    );
    viewed.follow();
    let tail = viewed.log().tail().get();
    assert_eq!(found(&viewed, filter, tail), (vec![0], vec![]));
    assert_eq!(
        found(&viewed, filter, 5),
        (vec![0], vec![]),
        "nobody can say what it was"
    );
}

#[test]
fn two_who_claim_a_name_are_shown_and_none_is_chosen() {
    let viewed = khan();
    let other = described(
        Act::Create,
        "imran-khan-actor",
        &[("Imran Khan", "", ""), ("伊姆兰·汗", "", "")],
        &[("wikidata", "Q1354107")],
    );
    append(viewed.log(), batch(vec![other])).unwrap();
    let (positions, notes) = found(&viewed, "kind = event AND actor = \"Imran Khan\"", 6);
    assert_eq!(positions, [0]);
    assert_eq!(
        notes,
        [
            "actor \"Imran Khan\" is claimed by authority/imran-khan, by authority/imran-khan-actor: it is looked for by this name alone; \
             choose one by an identifier, as actor = \"wikidata:Q155164\", or by a name that only one has"
        ]
    );
    assert_eq!(
        found(&viewed, "kind = event AND actor = \"wikidata:Q155164\"", 6).0,
        [2, 1, 0]
    );
    assert_eq!(
        found(&viewed, "kind = event AND actor = \"伊姆兰·汗\"", 6).0,
        [3, 0]
    );
}

#[test]
fn names_that_are_shipped_hold_on_their_days_and_take_more_by_an_identifier() {
    let mut viewed = Viewed::new();
    for (key, occurred, actor) in [
        ("a", "1980", "Burma"),
        ("b", "2000", "Myanmar"),
        ("c", "2000", "Burma"),
        ("d", "1980", "Бирма"),
        ("e", "2000", "Мьянма"),
        ("f", "1980", "Myanmar"),
    ] {
        append(viewed.log(), batch(vec![event(key, occurred, actor)])).unwrap();
    }
    viewed.follow();
    assert_eq!(found(&viewed, "actor = Burma", 6).0, [4, 2, 1, 0]);
    assert_eq!(found(&viewed, "actor = Myanmar", 6).0, [5, 4, 1, 0]);
    let own = described(Act::Create, "burma", &[("Бирма", "", "")], &[("iso3", "mmr")]);
    append(viewed.log(), batch(vec![own])).unwrap();
    let (positions, notes) = found(&viewed, "kind = event AND actor = Burma", 7);
    assert_eq!(positions, [4, 3, 2, 1, 0]);
    assert!(
        notes[0].ends_with("of iso3:MMR (shipped) and authority/burma, each while it was one"),
        "{notes:?}"
    );
    assert_eq!(
        found(&viewed, "kind = event AND actor = \"iso3:MMR\"", 7).0,
        [4, 3, 1, 0]
    );
    assert_eq!(
        found(&viewed, "kind = event AND actor = Бирма", 7).0,
        [4, 3, 1, 0]
    );
}

#[test]
fn both_actors_of_a_dyad_are_found_by_their_names() {
    let viewed = Viewed::new();
    let content = Content {
        title: "talks".into(),
        participants: ["NATO", "USSR"]
            .map(|name| Participant {
                name: name.into(),
                side: 3,
                ..Participant::default()
            })
            .into(),
        ..Content::default()
    };
    append(
        viewed.log(),
        batch(vec![draft(Act::Create, "a", encode_content(content))]),
    )
    .unwrap();
    let filter = "actor_dyad = \"Soviet Union,North Atlantic Treaty Organisation\"";
    let (positions, notes) = found(&viewed, filter, 1);
    assert_eq!((positions, notes.len()), (vec![0], 2));
    assert_eq!(
        found(&viewed, "actor_dyad = \"Soviet Union,Warsaw Pact\"", 1).0,
        [0_u64; 0]
    );
}

/// Entries of kind `authority` with these titles and identifiers, appended in as many batches as they need.
fn describe_all(viewed: &Viewed, all: impl Iterator<Item = (String, String, Vec<String>)>) {
    let drafts: Vec<_> = all
        .map(|(key, title, identifiers)| {
            let identifiers = identifiers.iter().map(|code| Code {
                scheme: "desk".into(),
                code: code.clone(),
                label: String::new(),
            });
            let content = Content {
                title,
                identifiers: identifiers.collect(),
                ..Content::default()
            };
            of_series(draft(Act::Create, &key, encode_content(content)))
        })
        .collect();
    for some in drafts.chunks(500) {
        append(viewed.log(), batch(some.to_vec())).unwrap();
    }
}

#[test]
fn an_actor_is_found_behind_a_thousand_others_whose_titles_have_the_words_of_its_name() {
    let mut viewed = Viewed::new();
    append(viewed.log(), batch(vec![event("a", "2021-10-13", "Имран Хан")])).unwrap();
    let others = (0..1_100).map(|at| (format!("other-{at}"), format!("Imran Khan the {at}th"), vec![]));
    describe_all(&viewed, others);
    let names = [("Imran Khan", "", ""), ("Имран Хан", "", "")];
    append(
        viewed.log(),
        batch(vec![described(Act::Create, "imran-khan", &names, &[])]),
    )
    .unwrap();
    viewed.follow();
    let tail = viewed.log().tail().get();
    let (positions, notes) = found(&viewed, "kind = event AND actor = \"Imran Khan\"", tail);
    assert_eq!(positions, [0]);
    assert_eq!(
        notes,
        ["actor \"Imran Khan\" also by 1 other name of authority/imran-khan"]
    );
}

#[test]
fn who_is_the_same_through_a_chain_of_others_is_found_from_both_ends() {
    let mut viewed = Viewed::new();
    for (key, actor) in [("a", "Link 0"), ("b", "Link 11")] {
        append(viewed.log(), batch(vec![event(key, "2021", actor)])).unwrap();
    }
    let chain = (0..12).map(|at| {
        let identifiers = vec![at.to_string(), (at + 1).to_string()];
        (format!("link-{at}"), format!("Link {at}"), identifiers)
    });
    describe_all(&viewed, chain);
    viewed.follow();
    for name in ["Link 0", "Link 5", "Link 11"] {
        let (positions, notes) = found(&viewed, &format!("kind = event AND actor = \"{name}\""), 14);
        assert_eq!(positions, [1, 0], "{name}");
        assert!(
            notes[0].contains("also by 11 other names of authority/link-"),
            "{notes:?}"
        );
    }
}

#[test]
fn where_more_authorities_have_a_name_than_are_looked_at_a_note_says_so() {
    let mut viewed = Viewed::new();
    append(viewed.log(), batch(vec![event("a", "2021", "Imran Khan")])).unwrap();
    describe_all(
        &viewed,
        (0..1_001).map(|at| {
            (
                format!("khan-{at}"),
                "Imran Khan".to_owned(),
                vec!["1".to_owned()],
            )
        }),
    );
    viewed.follow();
    let (positions, notes) = found(&viewed, "kind = event AND actor = \"Imran Khan\"", 1_002);
    assert_eq!((positions, notes.len()), (vec![0], 1));
    assert!(
        notes[0].starts_with("more authorities have the names of an actor")
            && notes[0].contains("the first 1000 of them"),
        "{notes:?}"
    );
}
