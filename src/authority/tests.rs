//! What is shipped holds together, and a name means whom it should.

use super::*;
use crate::derive::countries;
use crate::record::codec;
use std::collections::HashSet;

fn entry(key: &str, names: &[(&str, &str, &str)], identifiers: &[&str]) -> Authority {
    let name = |(name, from, to): &(&str, &str, &str)| codec::Name {
        name: (*name).to_owned(),
        from: (*from).to_owned(),
        to: (*to).to_owned(),
        ..codec::Name::default()
    };
    let identifier = |text: &&str| {
        let (scheme, code) = text.split_once(':').unwrap();
        Code {
            scheme: scheme.to_owned(),
            code: code.to_owned(),
            ..Code::default()
        }
    };
    let content = Content {
        names: names.iter().map(name).collect(),
        identifiers: identifiers.iter().map(identifier).collect(),
        ..Content::default()
    };
    Authority::of_content(format!("authority/{key}").parse().unwrap(), &content)
}

#[test]
fn every_line_that_is_shipped_can_be_read() {
    for line in shipped::organisations() {
        let organisation = line.unwrap();
        let keys: HashSet<&str> = organisation.part_of.iter().map(String::as_str).collect();
        for key in keys {
            let (scheme, key) = key.split_once(':').unwrap();
            let whole = shipped().identified(&(scheme.to_owned(), key.to_owned()));
            assert_eq!(whole.count(), 1, "{key}");
        }
        assert!(!organisation.source.is_empty(), "{}", organisation.origin);
    }
    let dated = |one: &&Authority| one.names.iter().any(|name| !name.validity.is_open());
    assert!(shipped().list().iter().filter(dated).count() > 60);
    for one in shipped().list() {
        assert!(!one.names.is_empty(), "{}", one.origin);
        for name in &one.names {
            assert!(
                name.validity.is_open() || name.validity.days().is_some(),
                "{}",
                name.text
            );
        }
    }
    // Citations name the version of those tables.
    assert_eq!(shipped().version(), countries().version());
}

#[test]
fn no_name_and_no_identifier_that_is_shipped_is_claimed_by_two() {
    let (mut names, mut identifiers) = (HashSet::new(), HashSet::new());
    for one in shipped().list() {
        for name in one.names.iter().map(|name| &name.folded).collect::<HashSet<_>>() {
            assert!(names.insert(name.clone()), "{name} of {}", one.origin);
        }
        for identifier in one.identifiers.iter().map(Identifier::folded) {
            assert!(identifiers.insert(identifier.clone()), "{identifier:?}");
        }
    }
}

#[test]
fn every_dated_name_of_a_state_is_one_of_its_names() {
    let state = |code: &str| {
        shipped()
            .identified(&("iso3".to_owned(), code.to_owned()))
            .next()
            .unwrap()
    };
    let days = |code: &str, name: &str| {
        let names = state(code).names.iter();
        let validity = names
            .filter(|one| one.text == name)
            .map(|one| one.validity.to_string());
        validity.collect::<Vec<_>>()
    };
    assert_eq!(days("mmr", "Burma"), ["until 1989-06-18"]);
    assert_eq!(days("mmr", "Myanmar"), ["from 1989-06-18"]);
    assert_eq!(days("cod", "Zaire"), ["1971-10-27 to 1997-05-17"]);
    assert_eq!(
        days("cod", "Democratic Republic of the Congo"),
        ["1964-08-01 to 1971-10-27", "from 1997-05-17"]
    );
    assert_eq!(days("sun", "USSR"), ["1922 to 1991"]);
    assert_eq!(days("fra", "France"), [""]);
    assert_eq!(state("yug").lived.to_string(), "1918 to 2003");
}

#[test]
fn a_name_means_nobody_one_or_several() {
    let (khan, other) = (
        entry(
            "imran-khan",
            &[("Imran Khan", "", ""), ("عمران خان", "", "")],
            &["wikidata:Q155164"],
        ),
        entry(
            "imran-khan-actor",
            &[("Imran Khan", "", "")],
            &["wikidata:Q1354107"],
        ),
    );
    let known = [&khan, &other];
    assert_eq!(resolve(&known, None, "nawaz sharif"), Resolved::Nobody);
    assert_eq!(resolve(&known, None, "عمران خان"), Resolved::One(vec![&khan]));
    assert_eq!(
        resolve(&known, Some("wikidata"), "q1354107"),
        Resolved::One(vec![&other])
    );
    let several = resolve(&known, None, "imran khan");
    assert_eq!(several, Resolved::Several(vec![vec![&khan], vec![&other]]));
    assert_eq!(
        several.note(None, "imran khan").unwrap(),
        "actor \"Imran Khan\" is claimed by authority/imran-khan, by authority/imran-khan-actor: it is looked for by this name alone; \
         choose one by an identifier, as actor = \"wikidata:Q155164\", or by a name that only one has"
    );
    assert_eq!(
        resolve(&known, Some("wikidata"), "q155164")
            .note(Some("wikidata"), "q155164")
            .unwrap(),
        "actor \"wikidata:Q155164\" also by 2 other names of authority/imran-khan"
    );
}

#[test]
fn an_identifier_in_common_makes_them_one() {
    let own = entry("pakistan", &[("Pak Sarzamin", "", "")], &["iso3:pak"]);
    let further = entry(
        "pakistan-2",
        &[("Land of the Pure", "1947", "")],
        &["desk:7", "ISO3:PAK"],
    );
    let shipped = shipped()
        .identified(&("iso3".to_owned(), "pak".to_owned()))
        .next()
        .unwrap();
    let known = [&own, shipped, &further];
    for name in ["pakistan", "pak sarzamin", "land of the pure"] {
        let Resolved::One(group) = resolve(&known, None, name) else {
            panic!("{name}");
        };
        assert_eq!(group.len(), 3, "{name}");
    }
    let note = resolve(&known, None, "pak sarzamin")
        .note(None, "pak sarzamin")
        .unwrap();
    assert!(note.starts_with("actor \"Pak Sarzamin\" also by "), "{note}");
    assert!(
        note.ends_with(
            "of authority/pakistan and iso3:PAK (shipped) and authority/pakistan-2, each while it was one"
        ),
        "{note}"
    );
}

#[test]
fn what_folds_to_nothing_is_no_name_and_no_identifier() {
    let one = entry(
        "one",
        &[("\u{640}", "", ""), (" ", "", ""), ("One", "", "")],
        &["desk:\u{640}"],
    );
    let two = entry("two", &[("\u{640}", "", ""), ("Two", "", "")], &["desk:\u{640}"]);
    assert_eq!((one.names.len(), one.identifiers.len()), (1, 0));
    let known = [&one, &two];
    assert_eq!(resolve(&known, None, ""), Resolved::Nobody);
    assert_eq!(resolve(&known, None, "one"), Resolved::One(vec![&one]));
}

#[test]
fn who_is_the_same_is_the_same_from_each_of_a_chain_of_a_thousand() {
    // Each has an identifier in common with the next alone: all are one, whichever is asked for.
    let chain: Vec<Authority> = (0..1_000)
        .map(|at| {
            let key = format!("link-{at}");
            let identifiers = [format!("desk:{at}"), format!("desk:{}", at + 1)];
            entry(&key, &[(&key, "", "")], &[&identifiers[0], &identifiers[1]])
        })
        .collect();
    let known: Vec<&Authority> = chain.iter().collect();
    for at in [0, 499, 999] {
        let Resolved::One(group) = resolve(&known, None, &format!("link-{at}")) else {
            panic!("link-{at}");
        };
        assert_eq!(group.len(), 1_000, "link-{at}");
        assert_eq!(group[0].origin.to_string(), format!("authority/link-{at}"));
    }
    let note = resolve(&known, None, "link-0").note(None, "link-0").unwrap();
    assert!(note.ends_with("authority/link-7 and 992 others"), "{note}");
    let claimed = (0..10).map(|at| entry(&format!("claim-{at}"), &[("One", "", "")], &[]));
    let claimed: Vec<Authority> = claimed.collect();
    let known: Vec<&Authority> = claimed.iter().collect();
    let note = resolve(&known, None, "one").note(None, "one").unwrap();
    assert!(
        note.contains("by authority/claim-7, by 2 others: it is looked for by this name alone"),
        "{note}"
    );
}

#[test]
fn names_and_identifiers_by_the_ten_thousand_end_when_they_are_held_against_each_other() {
    let texts = |text: &str| -> Vec<String> { (0..20_000).map(|at| format!("{text}{at}")).collect() };
    let (names, identifiers) = (texts("name "), texts("desk:"));
    let names: Vec<(&str, &str, &str)> = names.iter().map(|name| (name.as_str(), "", "")).collect();
    let identifiers: Vec<&str> = identifiers.iter().map(String::as_str).collect();
    let (one, two) = (
        entry("one", &names, &identifiers),
        entry("two", &[("Two", "", "")], &identifiers),
    );
    let known = [&one, &two];
    let resolved = resolve(&known, None, "two");
    assert_eq!(resolved, Resolved::One(vec![&two, &one]));
    assert_eq!(
        resolved.note(None, "two").unwrap(),
        "actor \"Two\" also by 20000 other names of authority/two and authority/one"
    );
}

#[test]
fn the_title_of_an_entry_is_a_name_of_it() {
    let content = Content {
        title: "Imran Khan".to_owned(),
        language: "en".to_owned(),
        ..Content::default()
    };
    let authority = Authority::of_content("authority/k".parse().unwrap(), &content);
    assert!(authority.has_name("imran khan"));
    assert_eq!(authority.names.len(), 1);
}

#[test]
fn cells_are_read_as_they_are_written_and_what_is_wrong_is_named() {
    let names = cells::names("Burma@en[/1989-06-18] | မြန်မာ@my|Myanmar[1989-06-18/..]").unwrap();
    let shown: Vec<String> = names
        .iter()
        .map(|name| format!("{} {} {}", name.text, name.language, name.validity))
        .collect();
    assert_eq!(
        shown,
        [
            "Burma en until 1989-06-18",
            "မြန်မာ my ",
            "Myanmar  from 1989-06-18"
        ]
    );
    let offices = cells::offices("Prime Minister@pak[2018-08-18/2022-04-10]|Secretary-General").unwrap();
    assert_eq!(
        (offices[0].country.as_str(), offices[1].country.as_str()),
        ("PAK", "")
    );
    assert_eq!(cells::identifiers("wikidata:Q1|viaf:2").unwrap().len(), 2);
    for (wrong, said) in [
        (
            cells::names("Burma[1989]").unwrap_err(),
            "write dates in EDTF, as [2018-08/2022-04]",
        ),
        (cells::names("Burma[soon/]").unwrap_err(), "`soon` is not a date"),
        (cells::names("@en").unwrap_err(), "has no name"),
        (cells::names("\u{640}@ar").unwrap_err(), "has no letter"),
        (
            cells::names("Burma[1990/1989]").unwrap_err(),
            "in `Burma[1990/1989]`, `1990` is after `to`, which is `1989`",
        ),
        (
            cells::offices("PM@PAK[2022-04/2018]").unwrap_err(),
            "`2022-04` is after `to`",
        ),
        (cells::identifiers("Q1").unwrap_err(), "write it as scheme:code"),
        (
            cells::offices("PM@Pakistan").unwrap_err(),
            "write its three letters",
        ),
        (
            cells::offices("President@XXX").unwrap_err(),
            "has the country `XXX`, which is none; write its three letters",
        ),
        (
            cells::names("Burma[soon/]").unwrap_err(),
            "write dates in EDTF, as [2018-08/2022-04] or [2018/]",
        ),
    ] {
        assert!(wrong.contains(said), "{wrong}");
    }
}
