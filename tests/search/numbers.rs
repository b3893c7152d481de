//! Conditions on numbers and times are answered by the index.

use crate::harness::{append, batch, draft};
use crate::{Step, VALUES, Viewed, answer, measures, options, plain};
use chancery::filter::Filter;
use chancery::log::{Columns, ReadLimit};
use chancery::record::codec::{Content, encode_content};
use chancery::record::{Act, Leaf, Position};
use chancery::view::likeness::Collapse;
use chancery::view::search::Way;
use chancery::view::{Order, Scanner};
use std::sync::{Arc, OnceLock};

/// Each condition is answered by the index, or by it and a look at the few records that it leaves, as a look at all answers it.
#[test]
fn numbers_and_times_are_answered_by_the_index() {
    let mut viewed = Viewed::new();
    for any in 0..60 {
        if any == 30 {
            viewed.take(Step::Seal);
        }
        let content = Content {
            measures: measures(any),
            ..plain(&Content::default())
        };
        let key = format!("key {}", any % 40);
        let act = if any < 40 { Act::Create } else { Act::Amend };
        append(
            viewed.log(),
            batch(vec![draft(act, &key, encode_content(content))]),
        )
        .unwrap();
    }
    viewed.follow();
    let tail = viewed.log().tail();
    let limit = ReadLimit {
        records: 100,
        bytes: 1 << 20,
    };
    let runs = viewed
        .log()
        .read(Position::START, tail, limit, Columns::All)
        .unwrap();
    let recorded = |position: u64| {
        let run = runs.iter().find_map(|run| run.get(Position::new(position)));
        Leaf::decode(run.unwrap().leaf).unwrap().recorded.to_string()
    };
    let times = [5, 29, 30, 59].map(recorded);
    let days = times.each_ref().map(|time| &time[..10]);
    let values = VALUES
        .iter()
        .copied()
        .chain(["0", "0.10000000000000000555", "1e400", "-1e-400"]);
    let mut conditions: Vec<(&str, String)> =
        values.map(|value| ("measure.tone", value.to_owned())).collect();
    conditions.extend(times.iter().map(|time| ("recorded", format!("\"{time}\""))));
    conditions.extend(days.iter().map(|day| ("recorded", (*day).to_owned())));
    conditions.extend([0, 29, 30, 31, 59, 60, u64::MAX].map(|at| ("position", at.to_string())));
    conditions.extend([0, 1, 2, 3, u64::MAX].map(|number| ("revision", number.to_string())));
    let scan = Scanner::new(viewed.log().clone(), options(), Arc::default());
    let search = viewed.search();
    let view = Scanner::new(
        viewed.log().clone(),
        options(),
        Arc::new(OnceLock::from(viewed.search())),
    );
    let asked = |view: &Scanner, filter: &Filter| answer(view, filter, tail, Order::Newest, Collapse::None);
    for (field, value) in conditions {
        for operator in ["=", "!=", "<", "<=", ">", ">="] {
            let filter = Filter::parse(&format!("{field} {operator} {value}")).unwrap();
            let (way, looked_at) = search.explain(&filter, tail);
            assert!(way != Way::Scan && looked_at == 0, "{filter}");
            let is_open = field == "recorded" && value.contains('T') || field == "measure.tone";
            assert!(is_open || way == Way::Index, "{filter}");
            assert_eq!(asked(&view, &filter), asked(&scan, &filter), "{filter}");
        }
    }
    let way = |text: &str| search.explain(&Filter::parse(text).unwrap(), tail).0;
    // No value has the number of these and is not the one that is written for it.
    assert_eq!(way("measure.tone > 1.5"), Way::Index);
    assert_eq!(way("measure.tone <= 100"), Way::Index);
    assert_eq!(way("measure.tone <= 0.1"), Way::Candidates);
    assert_eq!(way("has:measure.tone"), Way::Index);
    assert_eq!(way("recorded >= 2020-06-01T10:00:00Z"), Way::Index);
    assert_eq!(way(&format!("recorded >= \"{}\"", times[1])), Way::Candidates);
}
