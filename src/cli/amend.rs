//! `chancery amend`: one value of an entry changed by its path.

use super::act::{self, Common, print_receipts, request};
use super::append::{append, wire};
use super::edit::{as_input, template};
use super::failure::Failure;
use super::name::EntryArg;
use super::screen::Screen;
use super::shown::Shown;
use crate::record::json::set_path;
use serde_json::Value;

/// Amends an entry.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// SERIES/KEY, SERIES/ and the first 8 characters or more of its key, or the position of one of its records
    #[arg(value_name = "ENTRY")]
    entry: EntryArg,
    /// What to change, as title=..., participants[1].name=... or occurred=2021-10-13; nothing after = removes
    #[arg(long, value_name = "PATH=VALUE", required = true, value_parser = assignment)]
    set: Vec<(String, String)>,
    /// Why, as a code: corrected, reissued ...
    #[arg(long, value_name = "CODE", value_parser = act::reason)]
    reason: String,
    #[command(flatten)]
    common: Common,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (path, value) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` says no value; write it as PATH=VALUE, as title=Talks"))?;
    Ok((path.trim().to_owned(), value.to_owned()))
}

/// Reads the entry, sets the values, and appends the whole new content with the revision that was read.
///
/// # Errors
/// A path that does not exist; the server's, a conflict among them.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    let client = args.common.reach.client().await?;
    let found = args.entry.get(&client, None, false).await?;
    let entry = found.entry.unwrap_or_default();
    let shown = Shown::entry(&entry)?;
    let before = template(&shown)?;
    let mut record = Value::Object(before.clone());
    for (path, value) in &args.set {
        set_path(&mut record, path, value).map_err(|error| {
            Failure::usage(format!("{error}; see the paths with: chancery get ENTRY -o json"))
        })?;
    }
    if record == Value::Object(before) {
        screen.note("nothing changed");
        return Ok(());
    }
    if let Value::Object(members) = &mut record {
        members.insert("reason".to_owned(), args.reason.clone().into());
        if !args.common.explanation.is_empty() {
            members.insert("explanation".to_owned(), args.common.explanation.clone().into());
        }
    }
    let input = as_input(record).map_err(|error| Failure::failed(error.to_string()))?;
    let name = shown.name()?;
    let answer = append(&client, request(wire(input), &args.common.actor)?).await?;
    print_receipts(&name, &answer.receipts, args.common.output, screen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_cut_at_its_first_equals_sign() {
        assert_eq!(
            assignment("title=a=b"),
            Ok(("title".to_owned(), "a=b".to_owned()))
        );
        assert_eq!(assignment("title="), Ok(("title".to_owned(), String::new())));
        assert!(assignment("title").is_err());
    }
}
