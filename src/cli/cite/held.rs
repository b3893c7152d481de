//! Whether an archive still answers what was cited, and what was erased since.
//!
//! Erasure is the one thing that may take an entry out of an answer of the past: it is masked as of every position. Nobody can
//! say any more whether an erased content matched, so that what is named here are the entries that may have been in the cited
//! answer; where they are as many as are missing, they were. An erased authority may have said by which names an actor of the
//! filter is found: it explains any difference.

use super::erased::{self, Erased};
use crate::cli::failure::Failure;
use crate::cli::screen::{Screen, count, plain};
use crate::client::{CitationId, Client, Derivation};
use crate::filter::Filter;
use crate::merkle::VerifierKey;
use crate::record::Hash;
use serde_json::{Value, json};

/// The most erased entries that are named to a person.
const NAMED_MAX: usize = 20;

/// A citation that the archive still answers, but for what was erased.
#[derive(Debug)]
pub struct Held {
    /// The root at the cited position.
    root: Hash,
    /// How many entries come now.
    now: u64,
    /// Whether an erasure may also bring an entry into the answer, as the filter asks for the status.
    by_status: bool,
    /// Whether it may change which entries are answered besides its own, as the filter asks for an actor.
    by_names: bool,
    /// Whether an entry may have been in the answer by each of its revisions.
    by_revisions: bool,
    /// The entries erased since that may have been in the answer.
    erased: Vec<Erased>,
    /// By what is answered now, where it is not what the citation was answered by.
    derived_otherwise: Option<Derivation>,
}

/// Holds a citation against an archive, whose checkpoint must be signed with a key; without one its own is asked for and trusted.
///
/// # Errors
/// The server's; another archive, or one with fewer records; a filter that this program does not read. Exit code 3 where the
/// records below the position are others, or where no erasure explains another number of entries.
pub async fn check(client: &Client, id: &CitationId, key: Option<&VerifierKey>) -> Result<Held, Failure> {
    let filter = read(&id.filter)?;
    is_of_this_archive(client, id).await?;
    let (root, _) = super::root(client, id.position, key).await?;
    if !id.agrees(&root) {
        return Err(Failure::Wrong(format!(
            "as of position {} the root of `{}` is {}, and the cited one begins with {}: these are not the records that were \
             cited; compare the archive with a checkpoint that somebody has kept",
            id.position,
            plain(&id.origin),
            hex::encode(root),
            id.root()
        )));
    }
    let mut held = look(client, id, &filter, root).await?;
    if !held.is_explained(id.count) {
        // What is being erased is masked a moment before its ERASE is among the records.
        held = look(client, id, &filter, root).await?;
    }
    if held.is_explained(id.count) {
        return Ok(held);
    }
    Err(Failure::Wrong(unexplained(id, &held)))
}

async fn is_of_this_archive(client: &Client, id: &CitationId) -> Result<(), Failure> {
    let status = client.status().await?;
    if status.origin != id.origin {
        return Err(Failure::failed(format!(
            "the citation is of the archive `{}`, and this one is `{}`; ask that one, by --server or --data",
            plain(&id.origin),
            plain(&status.origin)
        )));
    }
    if id.position > status.tail {
        return Err(Failure::failed(format!(
            "the citation is as of position {}, and this archive ends at {}: it is an older copy, or records are lost; ask a \
             whole copy of `{}`",
            id.position,
            status.tail,
            plain(&id.origin)
        )));
    }
    Ok(())
}

/// What the archive answers now, and what was erased since.
async fn look(client: &Client, id: &CitationId, filter: &Filter, root: Hash) -> Result<Held, Failure> {
    let now = super::search(client, &id.filter, id.position).await?.total;
    let by_status = filter.names_status();
    let asks_actors = !filter.actors().is_empty();
    let mut erased = match now == id.count && !by_status && !asks_actors {
        true => Vec::new(),
        false => {
            // Only now: every ERASE that the answer has felt is among the records, or about to be.
            let tail = client.status().await?.tail;
            erased::since(client, id.position, tail, filter).await?
        }
    };
    let by_names = erased.iter().any(|one| one.named);
    if now == id.count && !by_status && !by_names {
        // Nothing has come into the answer, so that nothing is missing.
        erased.clear();
    }
    let derivation = super::derivation(client).await?;
    Ok(Held {
        derived_otherwise: (derivation != id.derivation).then_some(derivation),
        root,
        now,
        by_status,
        by_names,
        by_revisions: filter.names_superseded(),
        erased,
    })
}

/// The filter of a citation.
fn read(text: &str) -> Result<Filter, Failure> {
    let filter = Filter::parse(text)
        .map_err(|error| Failure::usage(format!("the filter of the citation id cannot be read: {error}")))?;
    match filter.canonical() {
        canonical if canonical == text => Ok(filter),
        canonical => Err(Failure::usage(format!(
            "the filter of the citation id is `{}`, expected its canonical form `{}`; take the id as chancery cite printed it",
            plain(text),
            plain(canonical)
        ))),
    }
}

/// Why the archive is not the one that was cited although its records are.
fn unexplained(id: &CitationId, held: &Held) -> String {
    let by_others = match &held.derived_otherwise {
        None => String::new(),
        Some(now) => format!("; {}, which may be why", derived_by(&id.derivation, now)),
    };
    let may_have_been = match held.erased.len() as u64 {
        0 => "nothing was erased since that may have been among them".to_owned(),
        1 => "only 1 entry was erased since that may have been among them".to_owned(),
        more => format!(
            "only {} entries were erased since that may have been among them",
            count(more)
        ),
    };
    format!(
        "as of position {} the cited answer had {} and has {} now, but {may_have_been}{by_others}; see what is wrong with: \
         chancery verify",
        id.position,
        entries(id.count),
        count(held.now)
    )
}

/// By what it was cited, and by what it is answered.
fn derived_by(then: &Derivation, now: &Derivation) -> String {
    let (then, now) = (then.to_string(), now.to_string());
    format!(
        "it was cited by {} and is answered by {}",
        plain(&then),
        plain(&now)
    )
}

impl Held {
    /// Whether what was erased may be all that has changed since `cited` entries were answered.
    fn is_explained(&self, cited: u64) -> bool {
        if self.by_names || (self.by_revisions && !self.erased.is_empty()) {
            return true;
        }
        let fits = cited.abs_diff(self.now) <= self.erased.len() as u64;
        fits && (self.now <= cited || self.by_status)
    }

    /// Says on stderr what was cited, and what is missing now.
    pub fn say(&self, id: &CitationId, screen: &Screen) {
        for line in self.lines(id) {
            screen.note(line);
        }
    }

    fn lines(&self, id: &CitationId) -> Vec<String> {
        let cited = format!(
            "cited: {} of {} as of position {}",
            entries(id.count),
            plain(&id.origin),
            count(id.position)
        );
        let erased = self.erased.len() as u64;
        let missing = id.count.saturating_sub(self.now);
        let said = match (missing, erased) {
            (0, 0) if self.derived_otherwise.is_some() => {
                return std::iter::once(format!("note: {cited}; as many come"))
                    .chain(self.of_derivation(id))
                    .collect();
            }
            (0, 0) => return vec![format!("note: {cited}; all of them come")],
            _ if self.by_names => format!(
                "there are {} now; the filter asks for an actor, and who that is may have been changed by the erasure of:",
                count(self.now)
            ),
            _ if self.by_status => format!(
                "there are {} now; the filter asks for the status, which was changed since by the erasure of:",
                count(self.now)
            ),
            // Without a status an erasure takes out and brings nothing in, and all that it may have taken out is missing.
            (missing, erased) if missing == erased => {
                format!("{} erased since:", was(missing))
            }
            (missing, _) => format!("{} erased since, of these:", was(missing)),
        };
        let named = self.erased.iter().take(NAMED_MAX).map(Erased::line);
        let more = self.erased.len().saturating_sub(NAMED_MAX) as u64;
        std::iter::once(format!("note: {cited}; {said}"))
            .chain(named)
            .chain((more > 0).then(|| format!("  ... {} more", count(more))))
            .chain(self.of_derivation(id))
            .collect()
    }

    /// What is not known where values are derived otherwise.
    fn of_derivation(&self, id: &CitationId) -> Option<String> {
        let now = self.derived_otherwise.as_ref()?;
        let by = derived_by(&id.derivation, now);
        Some(format!("note: {by}, by which other entries may match"))
    }

    /// What holds, for `cite --check`.
    pub fn json(&self, id: &CitationId) -> Value {
        let erased: Vec<Value> = self.erased.iter().map(Erased::json).collect();
        let (then, now) = (
            &id.derivation,
            self.derived_otherwise.as_ref().unwrap_or(&id.derivation),
        );
        json!({
            "holds": true,
            "origin": id.origin,
            "position": id.position,
            "root": hex::encode(self.root),
            "filter": id.filter,
            "tables": { "cited": then.tables, "now": now.tables },
            "rules": { "cited": then.rules, "now": now.rules },
            "cited": id.count,
            "count": self.now,
            "erased_since": erased,
        })
    }

    /// The root at the cited position.
    pub fn root(&self) -> &Hash {
        &self.root
    }
}

/// `1 entry`, `1,204 entries`.
pub fn entries(number: u64) -> String {
    match number {
        1 => "1 entry".to_owned(),
        number => format!("{} entries", count(number)),
    }
}

fn was(number: u64) -> String {
    match number {
        1 => "1 of them was".to_owned(),
        number => format!("{} of them were", count(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Recorded;

    fn held(now: u64, by_status: bool, erased: u64) -> Held {
        let one = |n| Erased {
            series: "desk".into(),
            key: format!("k{n}"),
            position: 10 + n,
            recorded: Recorded::from_nanos(0),
            reason: if n == 0 { "order".into() } else { String::new() },
            named: false,
        };
        Held {
            root: [0; 32],
            now,
            by_status,
            by_names: false,
            by_revisions: false,
            erased: (0..erased).map(one).collect(),
            derived_otherwise: None,
        }
    }

    fn cited() -> CitationId {
        let derivation = Derivation {
            tables: "1".into(),
            rules: None,
        };
        CitationId::new("example.org/test", 9, &[0; 32], 3, derivation, "x").unwrap()
    }

    #[test]
    fn other_rules_are_told_as_other_tables_are() {
        let now = Derivation {
            tables: "1".into(),
            rules: std::num::NonZeroU32::new(2),
        };
        let held = Held {
            derived_otherwise: Some(now),
            ..held(3, false, 0)
        };
        assert_eq!(
            held.lines(&cited())[1],
            "note: it was cited by tables 1, rules unknown and is answered by tables 1, rules 2, by which other entries may match"
        );
        assert_eq!(held.json(&cited())["rules"], json!({"cited": null, "now": 2}));
    }

    #[test]
    fn what_is_missing_is_told_as_surely_as_it_is_known() {
        let id = cited();
        let first = |held: Held| held.lines(&id)[0].clone();
        let cited = "note: cited: 3 entries of example.org/test as of position 9; ";
        let check = |held, says: &str| assert_eq!(first(held), format!("{cited}{says}"));
        check(held(3, false, 0), "all of them come");
        check(held(2, false, 1), "1 of them was erased since:");
        check(held(1, false, 2), "2 of them were erased since:");
        check(held(2, false, 4), "1 of them was erased since, of these:");
        assert_eq!(
            held(2, false, 1).lines(&id)[1],
            "  desk/k0, by the ERASE at position 10 of 1970-01-01 00:00:00Z (order)"
        );
        let long = held(2, false, 1_030).lines(&id);
        assert_eq!(long.len(), 22);
        assert_eq!(long[21], "  ... 1,010 more");
    }

    #[test]
    fn only_an_erasure_explains_another_number_of_entries() {
        assert!(held(3, false, 0).is_explained(3));
        assert!(held(2, false, 1).is_explained(3));
        assert!(!held(2, false, 0).is_explained(3));
        assert!(!held(1, false, 1).is_explained(3));
        assert!(!held(4, false, 5).is_explained(3));
        assert!(held(4, true, 1).is_explained(3));
        assert!(!held(5, true, 1).is_explained(3));
    }

    #[test]
    fn an_erased_authority_explains_any_number_of_entries() {
        let named = |now| {
            let mut held = held(now, false, 1);
            held.by_names = true;
            held.erased[0].named = true;
            held
        };
        for now in [0, 3, 9] {
            assert!(named(now).is_explained(3));
        }
        let lines = named(9).lines(&cited());
        assert!(lines[0].contains("there are 9 now; the filter asks for an actor"));
        assert!(
            lines[1].ends_with("(order), which said who an actor is"),
            "{lines:?}"
        );
    }
}
