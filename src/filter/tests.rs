//! The promises of the parser: what is read, in which one form, and what is said about the rest.

use super::*;
use crate::record::{Act, Position, Recorded, Revision, Status};

fn canonical(text: &str) -> String {
    Filter::parse(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .canonical()
        .to_owned()
}

fn refused(text: &str) -> FilterError {
    Filter::parse(text)
        .map(|filter| panic!("{text} was read as {filter}"))
        .unwrap_err()
}

#[test]
fn a_record_whose_content_is_gone_is_left_out_only_where_no_content_could_make_it_pass() {
    let subject = Subject {
        position: Position::new(7),
        act: Act::Create,
        kind: Kind::Event,
        series: "desk",
        key: "talks",
        revision: Revision::new(1),
        recorded: Recorded::from_nanos(0),
        status: Status::Current,
        principal: "local:desk",
        content: LazyContent::absent(),
    };
    for (text, could) in [
        ("", true),
        ("country = PAK", true),
        ("NOT country = PAK", true),
        ("series = desk AND country = PAK", true),
        ("series = wire AND country = PAK", false),
        ("series = wire AND NOT country = PAK", false),
        ("series = wire OR country = PAK", true),
        ("NOT (series = desk OR country = PAK)", false),
        ("NOT (series = desk AND country = PAK)", true),
        ("kind = document talks", false),
        ("key = talk* near(33.7, 73.1, 30)", true),
        ("position > 7 AND geneva", false),
        ("act = retract", true),
        ("status = retracted", false),
    ] {
        assert_eq!(
            Filter::parse(text).unwrap().could_match(&subject),
            could,
            "{text}"
        );
    }
}

#[test]
fn every_short_form_is_written_out() {
    for (text, wanted) in [
        ("", ""),
        ("  ", ""),
        ("country = PAK", "country = PAK"),
        ("country=pakistan", "country = PAK"),
        ("country : Pakistan", "country = PAK"),
        ("country = fips:RS", "country = RUS"),
        ("country = cow:700", "country = AFG"),
        ("country = \"South Korea\"", "country = KOR"),
        ("country = US", "country = USA"),
        ("country = AND", "country = AND"),
        ("country != PAK", "NOT country = PAK"),
        ("-country = PAK", "NOT country = PAK"),
        ("NOT NOT country = PAK", "country = PAK"),
        ("country = (PAK OR IRN)", "country = PAK OR country = IRN"),
        ("country != (PAK OR IRN)", "NOT (country = PAK OR country = IRN)"),
        ("kind = event country = PAK", "kind = event AND country = PAK"),
        (
            "(kind = event) AND ((country = PAK) AND act = create)",
            "kind = event AND country = PAK AND act = create",
        ),
        ("dyad = PAK-IRN", "dyad = IRN-PAK"),
        ("reported_in = desk/dispatch-1", "reported_in = desk/dispatch-1"),
        ("part_of:\"desk/a b/c\"", "part_of = \"desk/a b/c\""),
        ("dyad = \"PAK,IRN\"", "dyad = IRN-PAK"),
        ("dyad = PAK>IRN", "dyad = PAK>IRN"),
        ("dyad = \"Guinea-Bissau-Pakistan\"", "dyad = GNB-PAK"),
        (
            "actor_dyad = \"Imran Khan, Barack Obama\"",
            "actor_dyad = \"barack obama,imran khan\"",
        ),
        ("actor_dyad = \"B > A\"", "actor_dyad = \"b>a\""),
        ("type = \"04*\"", "type = cameo:04*"),
        ("type = 04*", "type = cameo:04*"),
        ("type : 04", "type = cameo:04*"),
        ("type = plover:CONSULT", "type = plover:consult"),
        ("type : visit", "type : \"visit\""),
        ("type = cameo:*", "type = cameo:*"),
        ("root = 4", "root = cameo:04"),
        ("quad = 4", "quad = material-conflict"),
        ("occurred = 2021-10", "occurred = 2021-10"),
        ("occurred >= 1939", "occurred >= 1939"),
        ("possibly(occurred, 1939-05~)", "possibly(occurred, 1939-05~)"),
        ("recorded >= 2026-11-23", "recorded >= 2026-11-23"),
        (
            "recorded < 2026-11-23T10:00:00+01:00",
            "recorded < 2026-11-23T09:00:00.000000000Z",
        ),
        ("near(33.6, 73.05, 50)", "near(33.6, 73.05, 50)"),
        ("measure.Goldstein < -5.0", "measure.goldstein < -5.0"),
        (
            "extra.\"Source Sectors\" : Army",
            "extra.\"source sectors\" : \"army\"",
        ),
        ("extra.NumArticles >= 10", "extra.numarticles >= 10"),
        ("has:place.country", "has:place.country"),
        ("place : *", "has:place"),
        ("has:extra.\"Story ID\"", "has:extra.\"story id\""),
        ("actor = \"=Imran Khan\"", "actor = \"=Imran Khan\""),
        ("name = \"Côte d’Ivoire*\"", "name = \"cote d'ivoire*\""),
        ("\"counter terrorism\"", "\"counter terrorism\""),
        ("counter-terrorism", "\"counter terrorism\""),
        ("terror* talks", "\"terror*\" AND \"talks\""),
        ("東京 伊", "\"東京\" AND \"伊\""),
        (
            "basis = stated AND country = PAK",
            "country = PAK AND basis = stated",
        ),
        (
            "(country = PAK OR dyad = PAK-IRN) basis = stated",
            "(country = PAK OR dyad = IRN-PAK) AND basis = stated",
        ),
        ("principal = local:*", "principal = local:*"),
        ("key = \"a\\\"b\\\\c\\*\"", "key = \"a\\\"b\\\\c\\*\""),
        ("url : bbc.co.uk", "url : bbc.co.uk"),
        (
            "position >= 4711 revision > 1",
            "position >= 4711 AND revision > 1",
        ),
        (
            "flag = root status = retracted",
            "flag = root AND status = retracted",
        ),
        ("title : 'Iran''Iraq'", "title : \"iran\" AND \"iraq\""),
    ] {
        assert_eq!(canonical(text), wanted, "{text}");
        assert_eq!(canonical(wanted), wanted);
        assert_eq!(Filter::parse(text), Filter::parse(wanted), "{text}");
    }
}

#[test]
fn a_bad_filter_is_answered_with_column_found_and_expected() {
    for (text, column, said) in [
        (
            "country = PAK AND kind = event OR act = create",
            32,
            "AND and OR are mixed without parentheses",
        ),
        ("a OR b c", 8, "AND and OR are mixed without parentheses"),
        ("country = RS", 11, "Serbia in ISO 3166, Russia in FIPS"),
        ("country = EUR", 11, "CAMEO's `EUR` is Europe"),
        ("country = Pakstan", 11, "did you mean Pakistan (PAK)?"),
        ("country = mars:PAK", 11, "a scheme of countries: one of iso3"),
        (
            "contry = PAK",
            1,
            "no field is called `contry`; expected a field such as `country`",
        ),
        ("country =", 10, "found the end of the filter, expected a value"),
        ("(country = PAK", 15, "expected `)`"),
        ("country = PAK)", 14, "found `)`"),
        ("country > PAK", 11, "expected = or !="),
        ("occurred = 2021-02-30", 12, "a date in EDTF"),
        ("name = \"abc", 8, "a quote that is not closed"),
        ("name = a*b", 9, "`*` only at the end"),
        ("type = \"0*4\"", 10, "`*` only at the end"),
        (
            "ü AND kind = evnt",
            14,
            "found `evnt`, expected one of event, document",
        ),
        ("recorded > 4711", 12, "compare `position` with a position"),
        ("basis = guessed", 9, "`stated`, `derived` or `suggested`"),
        (
            "country = PAK OR basis = stated",
            26,
            "`basis` once, outside parentheses",
        ),
        ("basis = stated basis = stated", 24, "`basis` once"),
        ("country = PAK and kind = event", 15, "AND in capitals"),
        ("text = abc", 8, "`text : WORDS`"),
        ("near(91, 0, 1)", 6, "degrees north from -90 to 90"),
        ("near(1, 2)", 1, "`near(latitude, longitude, kilometres)`"),
        (
            "possibly(recorded, 1939)",
            10,
            "`occurred`, `reported` or `mentioned.day`",
        ),
        ("distance(1)", 1, "`near(...)`, `possibly(...)`"),
        ("\"!!!\"", 1, "at least one letter or digit"),
        ("quad = 5", 8, "1 to 4"),
        ("root = 21", 8, "a CAMEO root from 01 to 20"),
        ("measure.tone < abc", 16, "a decimal number"),
        ("measure. < 1", 1, "`measure.NAME`"),
        ("revision = -1", 12, "a whole number"),
        ("has = country", 4, "`has:FIELD`"),
        ("\"kind\" = event", 7, "a field without quotes"),
        ("name = \"a\\n\"", 10, "`\\\"`"),
        ("country == PAK", 10, "a country as ISO alpha-3"),
        ("- a", 2, "a condition right behind `-`"),
    ] {
        let error = refused(text);
        let shown = error.to_string();
        assert!(shown.contains(said), "{text}: {shown}");
        assert_eq!(error.column, column, "{text}: {shown}");
        assert!(!error.found.is_empty() && !error.expected.is_empty());
    }
}

#[test]
fn an_entry_that_is_related_is_named_whole() {
    for text in [
        "reported_in = desk",
        "reported_in = desk/",
        "reported_in = \"/k\"",
        "reported_in = desk/k*",
    ] {
        let error = refused(text);
        assert_eq!(error.problem, FilterProblem::Value, "{text}");
        assert!(error.to_string().contains("SERIES/KEY"), "{error}");
    }
    assert_eq!(refused("reported_in > desk/k").problem, FilterProblem::Operator);
}

#[test]
fn each_limit_is_refused_by_name() {
    let deep = |levels: usize| format!("{}a{}", "(".repeat(levels), ")".repeat(levels));
    assert!(Filter::parse(&deep(FILTER_DEPTH_MAX - 1)).is_ok());
    let error = refused(&deep(FILTER_DEPTH_MAX));
    assert_eq!(error.problem, FilterProblem::TooDeep);
    assert_eq!(
        error.to_string(),
        "filter nests too deep at column 32: 33 levels exceeds limit of 32"
    );
    assert_eq!(refused(&"NOT ".repeat(5_000)).problem, FilterProblem::TooLong);
    assert_eq!(refused(&"-".repeat(16_000)).problem, FilterProblem::TooDeep);

    assert!(Filter::parse(&vec!["a"; FILTER_NODES_MAX - 1].join(" ")).is_ok());
    let error = refused(&vec!["a"; FILTER_NODES_MAX].join(" OR "));
    assert_eq!(error.problem, FilterProblem::TooManyNodes);
    assert!(
        error
            .to_string()
            .contains("1001 conditions and connectives exceeds limit of 1000"),
        "{error}"
    );

    let error = refused(&format!("\"{}\"", "a".repeat(FILTER_BYTES_MAX)));
    assert_eq!(
        error.to_string(),
        "filter too long: 16386 bytes exceeds limit of 16384 bytes; split it"
    );
    let error = refused(&format!(
        "extra.\"{}\" = (a{})",
        "b".repeat(100),
        " OR a".repeat(200)
    ));
    assert_eq!(error.problem, FilterProblem::TooLong);
}

#[test]
fn explain_says_which_conditions_no_index_knows_and_only_those() {
    let has_note = |text: &str| {
        let notes = Filter::parse(text).unwrap().notes(Asked::Entries);
        notes
            .iter()
            .any(|note| note.contains(&format!("`{text}` is answered by scan")))
    };
    for scanned in [
        "status = retracted",
        "has:title",
        "has:text",
        "url : ispr",
        "extra.a > 1",
    ] {
        assert!(has_note(scanned), "{scanned}");
    }
    for looked_up in [
        "actor : \"obama\"",
        "place : \"islamabad\"",
        "topic : \"security\"",
        "sector : \"military\"",
        "publisher : \"ispr\"",
        "context : \"military\"",
        "mode : \"meet\"",
        "type : \"visit\"",
        "identifier : \"x\"",
        "mentioned.actor : \"x\"",
        "mentioned.place : \"x\"",
        "actor = \"=Iran\"",
        "title : \"x\"",
        "has:place",
    ] {
        assert!(!has_note(looked_up), "{looked_up}");
        assert!(
            !Filter::parse(looked_up).unwrap().lookup().is_useless(),
            "{looked_up}"
        );
    }
}

#[test]
fn explain_shows_the_tree_and_what_is_taken_for_granted() {
    let filter = Filter::parse("(country = PAK OR extra.X = 1) type : 04 NOT flag = root").unwrap();
    assert_eq!(
        filter.tree(),
        [
            "AND",
            "  OR",
            "    country = PAK",
            "    extra.x = 1",
            "  type = cameo:04*",
            "  NOT",
            "    flag = root"
        ]
    );
    let notes = filter.notes(Asked::Count).join("\n");
    for note in [
        "kind `event`",
        "retracted",
        "country tables",
        "`extra.x = 1` is answered by scan: every record is looked at that no other condition leaves out",
        "scheme `cameo`",
    ] {
        assert!(notes.contains(note), "{notes}");
    }
    assert!(!filter.names_kind() && !filter.names_status() && filter.names_type());
    assert_eq!(Filter::all().notes(Asked::Records), Vec::<String>::new());
    assert_eq!(Filter::all().of_kind(Kind::Event).canonical(), "kind = event");
    assert_eq!(
        Filter::parse("a OR b").unwrap().of_kind(Kind::Event).canonical(),
        "kind = event AND (\"a\" OR \"b\")"
    );
}

#[test]
fn the_digest_is_that_of_the_canonical_text() {
    let (short, long) = (
        Filter::parse("country=Iran").unwrap(),
        Filter::parse("country = IRN").unwrap(),
    );
    assert_eq!(short.sha256(), long.sha256());
    assert_eq!(hex::encode(Filter::all().sha256())[..8], *"e3b0c442");
}

#[test]
fn every_field_is_on_the_page_of_the_language() {
    let page = include_str!("../../docs/filter-language.md");
    for name in field::Field::names().chain(["measure.NAME", "extra.COLUMN", "has:FIELD"]) {
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn what_derived_values_decide_names_the_version_of_their_tables() {
    let (country, kind) = (
        format!(
            "country tables of version {}",
            crate::derive::countries().version()
        ),
        format!("type tables of version {}", crate::derive::types().version()),
    );
    let versions = |filter: &str| {
        let notes = Filter::parse(filter).unwrap().notes(Asked::Entries).join("\n");
        [&country, &kind].map(|version| notes.contains(version))
    };
    for filter in ["has:country", "has:place.country", "NOT has:dyad"] {
        assert_eq!(versions(filter), [true, false], "{filter}");
        assert_eq!(
            versions(&format!("{filter} basis = stated")),
            [true, false],
            "{filter}"
        );
    }
    for filter in [
        "has:root",
        "has:quad",
        "has:mode",
        "has:context",
        "has:measure.goldstein",
        "root = 04",
        "quad = 1",
    ] {
        assert_eq!(versions(filter), [false, true], "{filter}");
        assert_eq!(
            versions(&format!("{filter} basis = stated")),
            [false, false],
            "{filter}"
        );
    }
    assert_eq!(versions("has:measure.tone AND has:title"), [false, false]);
    for name in ["root", "quad", "mode", "type.cameo", "type.plover"] {
        let notes = Filter::all().group_notes(&[Grouped::named(name).unwrap()], None);
        assert!(notes.iter().any(|note| note.contains(&kind)), "{name}: {notes:?}");
    }
}

#[test]
fn a_note_is_said_once() {
    let filter = Filter::parse("measure.goldstein > 0").unwrap();
    let notes = filter.group_notes(&[], Some("goldstein"));
    let of_it = notes
        .iter()
        .filter(|note| note.starts_with("`goldstein` is as stated"));
    assert_eq!(of_it.count(), 1, "{notes:?}");
}

#[test]
fn no_more_is_read_into_records_than_may_make_a_difference() {
    for (text, basis) in [
        ("country = PAK", Basis::Suggested),
        ("NOT kind = event AND has:mentioned.day", Basis::Suggested),
        (
            "kind = document OR (kind = event AND place = Geneva)",
            Basis::Suggested,
        ),
        ("country = PAK basis = suggested", Basis::Suggested),
        ("country = PAK basis = derived", Basis::Derived),
        ("country = PAK basis = stated", Basis::Stated),
        ("kind = event country = PAK", Basis::Derived),
        ("country = PAK kind != document", Basis::Derived),
        ("dyad = PAK-IRN type = 04*", Basis::Derived),
        ("", Basis::Derived),
    ] {
        let filter = Filter::parse(text).unwrap();
        assert_eq!(filter.basis(), basis, "{text}");
        assert_eq!(
            filter.suggested_note().is_some(),
            basis == Basis::Suggested,
            "{text}"
        );
        assert_eq!(
            filter.without_suggestions().basis(),
            basis.min(Basis::Derived),
            "{text}"
        );
    }
    assert_eq!(
        canonical("basis = suggested country=Iran"),
        "country = IRN AND basis = suggested"
    );
    assert_eq!(canonical("mentioned.actor=BAJWA"), "mentioned.actor = bajwa");
    assert_eq!(
        canonical("possibly(mentioned.day, 2021-10)"),
        "possibly(mentioned.day, 2021-10)"
    );
}

#[test]
fn explain_says_which_fields_are_looked_for_in_texts_and_which_have_no_other_values() {
    let filter = Filter::parse("country = PAK (occurred = 2021 OR occurred = 2022) type = 04*").unwrap();
    let note = filter.suggested_note().unwrap();
    assert!(note.starts_with("`country`, `occurred`: "), "{note}");
    assert!(note.contains(crate::suggest::version()), "{note}");
    let notes = |text: &str| Filter::parse(text).unwrap().notes(Asked::Entries).join("\n");
    assert!(notes("mentioned.day = 2021 basis = derived").contains("`mentioned.day`: only suggestions"));
    assert!(!notes("mentioned.day = 2021").contains("only suggestions"));
}
