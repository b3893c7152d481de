//! The words of a language that rules look for, read from a table, so that another language is another file.

use super::names::lines;
use std::ops::Deref;
use std::sync::LazyLock;
use std::sync::OnceLock;

const WORDS: &str = include_str!("../../data/suggest/words.tsv");

static LISTS: LazyLock<Vec<(&'static str, Vec<&'static str>)>> = LazyLock::new(|| {
    let list = |line: Vec<&'static str>| (line[0], line[1].split('|').collect());
    lines(WORDS).map(list).collect()
});

/// A list of words by its name in the table.
pub(super) struct List {
    name: &'static str,
    words: OnceLock<&'static [&'static str]>,
}

impl List {
    /// The list of a name, which a test finds to be there.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            words: OnceLock::new(),
        }
    }
}

impl Deref for List {
    type Target = [&'static str];

    fn deref(&self) -> &Self::Target {
        self.words.get_or_init(|| {
            let list = LISTS.iter().find(|(name, _)| *name == self.name);
            list.map_or(&[], |(_, words)| words)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// A rule whose list were missing would be silent, and one that nobody reads would be a rule that is not kept.
    #[test]
    fn every_list_of_the_rules_is_in_the_table_and_no_other() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/suggest");
        let mut wanted = BTreeSet::new();
        for file in std::fs::read_dir(folder).unwrap() {
            let Ok(text) = std::fs::read_to_string(file.unwrap().path()) else {
                continue;
            };
            let named = text.split("List::new(\"").skip(1);
            wanted.extend(
                named
                    .filter_map(|rest| rest.split_once("\")"))
                    .map(|(name, _)| name.to_owned()),
            );
        }
        let named: Vec<&str> = LISTS.iter().map(|(name, _)| *name).collect();
        let there: BTreeSet<String> = named.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(named.len(), there.len(), "no list is there twice");
        assert_eq!(there, wanted);
        assert!(
            LISTS
                .iter()
                .all(|(_, words)| words.iter().all(|word| !word.is_empty()))
        );
    }
}
