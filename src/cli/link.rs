//! `chancery link` and `chancery unlink`: a relation between entries that a person decided.

use super::act::{self, Common};
use super::append::wire_relation;
use super::failure::Failure;
use super::name::EntryArg;
use super::screen::Screen;
use crate::record::Act;
use crate::record::codec::RelationType;
use crate::record::codec::shape::Shape;

/// Links two entries, or takes a link back.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// SERIES/KEY, SERIES/ and the first 8 characters or more of its key, or the position of one of its records
    #[arg(value_name = "ENTRY")]
    entry: EntryArg,
    /// What ENTRY is to the other: reported-in, part-of, responds-to, implements, corrects, replaces, counterpart-of
    /// or duplicate-of
    #[arg(value_name = "RELATION", value_parser = relation)]
    relation: RelationType,
    /// The other entry, named in the same ways
    #[arg(value_name = "ENTRY")]
    other: EntryArg,
    /// Why, as a code
    #[arg(long, value_name = "CODE", value_parser = act::reason, default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    common: Common,
}

/// Makes the act.
///
/// # Errors
/// The server's: an unknown entry, already so.
pub async fn run(act: Act, args: Args, screen: &Screen) -> Result<(), Failure> {
    let client = args.common.reach.client().await?;
    let entry = args.entry.resolve(&client).await?;
    let other = args.other.resolve(&client).await?;
    let relation = Some(wire_relation(args.relation, &other));
    let record = act::record(act, &entry, &args.reason, &args.common.explanation, relation);
    act::send(&client, record, &entry, &args.common, screen).await
}

fn relation(text: &str) -> Result<RelationType, String> {
    let words = Shape::get().enum_named("RelationType");
    let number = words
        .and_then(|words| words.number(text))
        .and_then(|number| i32::try_from(number).ok());
    number
        .and_then(|number| RelationType::try_from(number).ok())
        .ok_or_else(|| {
            let known = words
                .into_iter()
                .flat_map(|words| words.said())
                .map(|word| word.word.as_str());
            format!(
                "`{text}` is not a relation; use one of {}",
                known.collect::<Vec<_>>().join(", ")
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_are_words_of_the_record() {
        assert_eq!(relation("reported-in"), Ok(RelationType::ReportedIn));
        let error = relation("about").unwrap_err();
        assert!(error.contains("reported-in, part-of, responds-to"), "{error}");
        assert!(relation("").is_err());
    }
}
