//! Every example of `docs/filter-language.md` is true of the record on that page, and every refusal is as it
//! says.

use chancery::filter::{Filter, LazyContent, Subject};
use chancery::record::json::Input;
use chancery::record::{Act, Kind, Position, Recorded, Revision, Status};

const PAGE: &str = include_str!("../docs/filter-language.md");

/// The cells of every line of a table under a head that ends so.
fn tables(last_column: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut inside = false;
    for line in PAGE.lines() {
        let cells: Vec<String> = line
            .trim_matches('|')
            .split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect();
        match line.starts_with('|') {
            false => inside = false,
            true if cells.last().is_some_and(|cell| cell == last_column) => inside = true,
            true if inside && !line.starts_with("|--") => rows.push(cells),
            true => {}
        }
    }
    rows
}

fn code(cell: &str) -> &str {
    let start = cell
        .strip_prefix('`')
        .unwrap_or_else(|| panic!("no code in {cell}"));
    start
        .strip_suffix('`')
        .unwrap_or_else(|| panic!("no code in {cell}"))
}

#[test]
fn every_example_of_a_field_is_true_of_the_record_on_the_page() {
    let json = PAGE
        .split("```json")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let record = Input::parse(json).unwrap();
    let subject = Subject {
        position: Position::new(4_711),
        act: Act::Create,
        kind: Kind::Event,
        series: "desk",
        key: "rawalpindi-2021-10-13",
        revision: Revision::new(1),
        recorded: "2026-11-23T10:00:00Z".parse::<Recorded>().unwrap(),
        status: Status::Current,
        principal: "local:desk",
        content: LazyContent::payload(&record.payload),
    };
    let rows = tables("example");
    assert!(rows.len() >= 45, "{}", rows.len());
    for row in rows {
        let example = code(&row[2]);
        let filter = Filter::parse(example).unwrap_or_else(|error| panic!("{example}: {error}"));
        assert!(filter.matches(&subject), "{example} is not true of the record");
        let opposite = Filter::parse(&format!("NOT ({})", example.replace("basis = stated", ""))).unwrap();
        assert!(!opposite.matches(&subject), "{opposite}");
    }
}

#[test]
fn the_dispatch_on_the_page_is_found_by_what_it_suggests_and_not_by_what_it_states() {
    let mut blocks = PAGE.split("```json").skip(1);
    let json = blocks.nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let record = Input::parse(json).unwrap();
    let subject = Subject {
        position: Position::new(4_712),
        act: Act::Create,
        kind: Kind::Document,
        series: "desk",
        key: "dispatch-2021-10-14",
        revision: Revision::new(1),
        recorded: "2026-11-23T10:00:00Z".parse::<Recorded>().unwrap(),
        status: Status::Current,
        principal: "local:desk",
        content: LazyContent::payload(&record.payload),
    };
    let rows = tables("found by");
    assert!(rows.len() > 5);
    for row in rows {
        for field in row[0].split(' ').map(code) {
            let example = code(&row[2]);
            let (_, rest) = example.split_once(' ').unwrap();
            let holds = |text: &str| Filter::parse(text).unwrap().matches(&subject);
            assert!(holds(&format!("{field} {rest}")), "{field} {rest}");
            assert!(holds(&format!("has:{field}")), "has:{field}");
            for basis in ["stated", "derived"] {
                assert!(!holds(&format!("{example} AND basis = {basis}")), "{example}");
            }
        }
    }
}

#[test]
fn every_joined_example_is_read_and_every_refusal_is_as_written() {
    let joined = tables("means");
    assert!(joined.len() > 10);
    for row in joined.iter().filter(|row| row[0].contains("country")) {
        let example = code(&row[0]);
        assert!(Filter::parse(example).is_ok(), "{example}");
    }
    let refusals = tables("refused with");
    assert!(refusals.len() > 8);
    for row in refusals {
        let (example, said) = (code(&row[0]), code(&row[1]));
        let error = Filter::parse(example).unwrap_err().to_string();
        assert!(error.contains(said), "{example}: {error}");
    }
}
