//! Entries by the beginnings of their keys: by the index as by a look at every record.

use crate::feeds::mixed;
use crate::harness::{act, append, batch, create, runtime};
use crate::{erase_entry, options};
use chancery::record::{Act, EntryKey, Position, Series};
use chancery::view::Scanner;
use chancery::view::entry::Prefix;
use std::sync::{Arc, OnceLock};

#[test]
fn the_beginning_of_a_key_means_the_same_by_the_index_as_by_a_look_at_every_record() {
    let mut viewed = mixed();
    for key in ["star * of it", "star \"quoted\"", "Ärger über alles"] {
        append(viewed.log(), batch(vec![create(key, "one of its kind")])).unwrap();
    }
    append(viewed.log(), batch(vec![act(Act::Retract, "star * of it")])).unwrap();
    for key in ["key 49 19", "key 48 0"] {
        erase_entry(&mut viewed, EntryKey::new("desk", key).unwrap(), None);
    }
    viewed.follow();
    // The view does not have these yet.
    append(viewed.log(), batch(vec![create("key 49 19 newer", "newer")])).unwrap();
    let tail = viewed.log().tail();
    let scan = Scanner::new(viewed.log().clone(), options(), Arc::default());
    let view = Arc::new(OnceLock::from(viewed.search()));
    let view = Scanner::new(viewed.log().clone(), options(), view);
    let found = |scanner: &Scanner, series: &str, key: &str, as_of: Position| {
        let prefix = Prefix {
            series: Series::new(series).unwrap(),
            key: key.into(),
        };
        let found = runtime().block_on(scanner.whole_key(prefix, as_of));
        found.map_err(|error| error.to_string())
    };
    let mut told = Vec::new();
    for key in [
        "key 49 19",
        "key 49 1",
        "key 48 0",
        "key 5 19",
        "star * o",
        "star \"qu",
        "star \"q*",
        "Ärger üb",
        "ärger üb",
        "key 40",
        "no such key",
        "key 10 1",
    ] {
        for as_of in [tail, Position::new(990), Position::new(300), Position::START] {
            for series in ["desk", "other"] {
                let by_view = found(&view, series, key, as_of);
                assert_eq!(
                    by_view,
                    found(&scan, series, key, as_of),
                    "{series}/{key} as of {as_of}"
                );
                told.push(by_view);
            }
        }
    }
    assert!(told.iter().any(Result::is_ok), "{told:?}");
    assert!(
        told.iter()
            .flat_map(|one| one.as_ref().err())
            .any(|why| why.contains("key 40 0"))
    );
}
