//! The promises of the country tables.
use super::*;
use crate::record::Kind;
use crate::record::codec::{Code, Content, Country as Stated, Participant, Place, decode_content};
use crate::record::json::Input;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

fn code(text: &str) -> Option<Iso3> {
    Iso3::from_letters(text)
}

#[test]
fn every_table_names_only_known_countries_and_one_version() {
    let tables = countries();
    assert!(tables.list().len() > 270, "{}", tables.list().len());
    for file in [
        "countries",
        "names",
        "fips",
        "cow",
        "cameo",
        "icews",
        "iso-renamed",
    ] {
        let path = format!("{}/data/countries/{file}.tsv", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(
            text.lines().next(),
            Some(format!("# version\t{}", tables.version()).as_str()),
            "{file}"
        );
        let column = match file {
            "countries" | "names" => 0,
            "fips" | "icews" => 1,
            _ => 2,
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let found = line.split('\t').nth(column).unwrap();
            assert!(
                found.is_empty() || code(found).and_then(|code| tables.get(code)).is_some(),
                "{file}: {line}"
            );
        }
    }
}

#[test]
fn every_country_is_found_by_its_own_codes_and_name() {
    let tables = countries();
    for country in tables.list() {
        let wanted = Some(country.code);
        assert_eq!(tables.from_code("iso3", country.code.as_str()), wanted);
        assert_eq!(tables.from_name(country.name), wanted, "{}", country.name);
        if country.until.is_none() && !country.iso2.is_empty() {
            assert_eq!(tables.from_code("iso2", country.iso2), wanted, "{}", country.name);
        }
    }
}

#[test]
fn names_in_many_forms_mean_one_country() {
    for (name, wanted) in [
        ("Islamic Republic of Iran", "IRN"),
        ("Iran (Islamic Republic of)", "IRN"),
        ("Iran, Islamic Republic of", "IRN"),
        ("South Korea", "KOR"),
        ("Republic of Korea", "KOR"),
        ("the Republic of Korea", "KOR"),
        ("NORTH\u{a0}KOREA", "PRK"),
        ("Türkiye", "TUR"),
        ("Turkey", "TUR"),
        ("Cote d'Ivoire", "CIV"),
        ("Côte d’Ivoire", "CIV"),
        ("St. Lucia", "LCA"),
        ("Trinidad & Tobago", "TTO"),
        ("Россия", "RUS"),
        ("巴基斯坦", "PAK"),
        ("Burma", "MMR"),
        ("Zaire", "COD"),
        ("Soviet Union", "SUN"),
        ("U.S.", "USA"),
        ("Guinea-Bissau", "GNB"),
    ] {
        assert_eq!(countries().from_name(name), code(wanted), "{name}");
    }
    for name in ["", "Middle East", "Europe", "Korea", "Earth", "()", "Ministry"] {
        assert_eq!(countries().from_name(name), None, "{name}");
    }
}

#[test]
fn an_actor_name_states_its_country_at_its_end() {
    for (name, wanted) in [
        ("Ministry (Japan)", "JPN"),
        ("Iran", "IRN"),
        ("Foreign Affairs\u{a0}(South\u{a0}Korea)", "KOR"),
        ("Iran (Islamic Republic of)", "IRN"),
        ("Police (Congo (Kinshasa))", "COD"),
    ] {
        assert_eq!(countries().from_actor_name(name), code(wanted), "{name}");
    }
    for name in [
        "Barack Obama",
        "Police (Gotham)",
        "x)",
        ")(",
        "(Japan) Ministry",
        "(((",
    ] {
        assert_eq!(countries().from_actor_name(name), None, "{name}");
    }
}

#[test]
fn codes_of_every_scheme_are_read() {
    for (scheme, given, wanted) in [
        ("iso3", "pak", "PAK"),
        ("iso2", "RS", "SRB"),
        ("fips", "RS", "RUS"),
        ("fips", "RI", "SRB"),
        ("cow", "700", "AFG"),
        ("cow", "2", "USA"),
        ("cow", "UKG", "GBR"),
        ("iso-numeric", "4", "AFG"),
        ("cameo", "ROM", "ROU"),
        ("cameo", "TMP", "TLS"),
        ("gdelt", "WSB", "PSE"),
        ("icews-name", "Occupied Palestinian Territory", "PSE"),
        ("iso3", "ROM", "ROU"),
        ("", "FRA", "FRA"),
    ] {
        assert_eq!(
            countries().from_code(scheme, given),
            code(wanted),
            "{scheme}:{given}"
        );
    }
    for (scheme, given) in [
        ("cameo", "EUR"),
        ("cameo", "IGO"),
        ("cameo", "PAP"),
        ("iso2", "ZZ"),
        ("nothing", "PAK"),
        ("iso2", "éé"),
        ("cow", "99999"),
    ] {
        assert_eq!(countries().from_code(scheme, given), None, "{scheme}:{given}");
    }
}

#[test]
fn a_year_decides_where_a_code_had_several_meanings() {
    let tables = countries();
    for (scheme, given, year, wanted) in [
        ("cow", "365", 1950, "SUN"),
        ("cow", "365", 2000, "RUS"),
        ("cow", "255", 1850, "PRU"),
        ("cow", "255", 1940, "DEU"),
        ("iso2", "CS", 1980, "CSK"),
        ("iso2", "CS", 2004, "SCG"),
        ("cow", "816", 1970, "VDR"),
    ] {
        assert_eq!(
            tables.from_code_in(scheme, given, year),
            code(wanted),
            "{scheme}:{given} in {year}"
        );
    }
    assert_eq!(tables.from_code_in("iso3", "SUN", 2000), None);
}

#[test]
fn two_bare_letters_are_explained_and_never_guessed() {
    let said = countries().ambiguous_bare_code("RS");
    assert_eq!(said.as_deref(), Some("Serbia in ISO 3166, Russia in FIPS"));
    assert_eq!(countries().ambiguous_bare_code("QQ"), None);
    assert_eq!(
        countries().nearest("Pakstan").map(|country| country.code),
        code("PAK")
    );
}

#[test]
fn stated_countries_come_before_codes_and_codes_before_names() {
    let coded = |scheme: &str, given: &str| Code {
        scheme: scheme.into(),
        code: given.into(),
        label: String::new(),
    };
    let mut one = Participant {
        name: "Ministry (Japan)".into(),
        ..Default::default()
    };
    assert_eq!(
        countries_of_participant(&one, When::Unsaid),
        [code("JPN").unwrap()]
    );
    assert!(of_participant(&one, When::Unsaid, Basis::Stated).is_empty());
    one.codes.push(coded("cameo", "PAKMIL"));
    assert_eq!(
        countries_of_participant(&one, When::Unsaid),
        [code("PAK").unwrap()]
    );
    one.countries.push(Stated {
        scheme: "fips".into(),
        code: "IR".into(),
    });
    assert_eq!(
        of_participant(&one, When::Unsaid, Basis::Stated),
        [code("IRN").unwrap()]
    );
    assert_eq!(
        countries_of_participant(&one, When::Unsaid),
        [code("IRN").unwrap()]
    );
    let union = Participant {
        name: "THE EU".into(),
        codes: vec![coded("cameo", "IGOEUREEC")],
        ..Default::default()
    };
    assert!(countries_of_participant(&union, When::Unsaid).is_empty());
    let place = Place {
        name: "Minsk, Minskaya Voblasts', Belarus".into(),
        ..Default::default()
    };
    assert_eq!(country_of_place(&place, When::Unsaid), code("BLR"));
}

#[test]
fn a_code_of_a_content_means_what_it_meant_when_it_happened() {
    use crate::record::codec::{Content, Date, DateRole};
    let soviet = |dates: &[(DateRole, &str)]| {
        let one = Participant {
            countries: vec![Stated {
                scheme: "cow".into(),
                code: "365".into(),
            }],
            ..Default::default()
        };
        let date = |(role, edtf): &(DateRole, &str)| Date {
            role: (*role).into(),
            edtf: (*edtf).into(),
            ..Default::default()
        };
        let content = Content {
            dates: dates.iter().map(date).collect(),
            ..Default::default()
        };
        countries_of_participant(&one, When::Of(&content))
            .iter()
            .map(Iso3::to_string)
            .collect::<String>()
    };
    let (occurred, published) = (DateRole::Occurred, DateRole::Published);
    assert_eq!(soviet(&[(published, "1999"), (occurred, "1950-06~")]), "SUN");
    assert_eq!(soviet(&[(occurred, "2001-01-01")]), "RUS");
    assert_eq!(soviet(&[(published, "1961")]), "SUN");
    assert_eq!(soviet(&[(occurred, "../1980")]), "SUN");
    assert_eq!(soviet(&[]), "RUS");
}

#[test]
fn folding_a_folded_letter_changes_nothing() {
    // Beyond these planes there are only marks without a shape and private letters.
    for letter in '\0'..='\u{323af}' {
        let once = fold(letter.encode_utf8(&mut [0; 4]));
        assert_eq!(fold(&once), once, "{:04x}", u32::from(letter));
    }
}

/// Runs over the real file where `CHANCERY_SHARED` names the folder that holds it.
#[test]
fn icews14_rows_give_both_countries() {
    let Some(shared) = std::env::var_os("CHANCERY_SHARED") else {
        // What a test prints with a macro is shown only where it fails.
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"SKIPPED for lack of data: set CHANCERY_SHARED to the folder that holds data/icews14 to read its names\n",
        );
        return;
    };
    let path = std::path::Path::new(&shared).join("data/icews14/icews14_2014.tsv");
    let text = std::fs::read_to_string(path).unwrap();
    let both = text.lines().filter(|line| {
        let columns: Vec<_> = line.split('\t').collect();
        [columns[0], columns[2]]
            .iter()
            .all(|name| countries().from_actor_name(name).is_some())
    });
    let (rows, both) = (text.lines().count(), both.count());
    assert_eq!(rows, 90_730);
    assert!(both >= 40_948, "{both} of {rows}");
    eprintln!("{both} of {rows} rows give both countries");
}

/// All that is derived from a content, as text.
fn derived(content: &Content) -> String {
    let mut told = String::new();
    for basis in [Basis::Stated, Basis::Derived] {
        for participant in &content.participants {
            any_of_participant(participant, When::Of(content), basis, |code| {
                write!(told, "{code} ").unwrap();
                false
            });
        }
        for place in &content.places {
            write!(told, "{:?} ", of_place(place, When::Of(content), basis)).unwrap();
        }
        any_cameo(content, basis, |at, code| {
            let class = root_of_cameo(code).and_then(quad_of_root);
            write!(told, "{at} {code} {class:?} {:?} ", types().cameo(code)).unwrap();
            false
        });
    }
    any_plover(content, |at, plover| {
        write!(told, "{at} {plover:?} ").unwrap();
        false
    });
    let likeness = Likeness::of("desk", Kind::Event, content);
    writeln!(told, "{:?}", likeness.map(Likeness::number)).unwrap();
    told
}

/// Citations and views tell by two versions whether the same would be derived again.
#[test]
fn what_is_derived_otherwise_is_of_another_version() {
    let samples = [
        include_str!("../../data/sample/chancery-sample.jsonl"),
        r#"{"series":"icews","title":"a","occurred":"2018-06-01","types":["icews-text:Make a visit"],"participants":[{"side":"source","name":"Ministry (Japan)"},{"side":"target","name":"Citizen (Russian Federation)","codes":["cameo:RUSGOV"]}]}"#,
        r#"{"series":"gdelt","title":"b","occurred":"1980","types":["cameo:0311","plover:AGREE"],"participants":[{"name":"x","countries":["fips:RS","cow:365"]},{"codes":["cameo:IRNMIL"]}],"places":[{"name":"Moscow","country":"fips:RS"}],"measures":{"quad":"2"}}"#,
    ];
    let mut told = Sha256::new();
    for line in samples.iter().flat_map(|text| text.lines()) {
        let input = Input::parse(line).unwrap();
        let content = decode_content(&input.payload).unwrap().unwrap();
        told.update(derived(&content));
    }
    assert_eq!(
        (countries().version(), RULES, &hex::encode(told.finalize())[..16]),
        ("2026-1", 3, "f23df0b42d31a3f4"),
        "raise `RULES`, or the version of the tables where they have changed; then take the new hash"
    );
}
