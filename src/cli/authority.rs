//! `chancery authority`: whom a name means, in the archive and among what comes with the program.

use super::connect::Source;
use super::failure::Failure;
use super::name::Point;
use super::output::{Form, print, table};
use super::screen::{Screen, plain, stdout};
use crate::authority::Validity;
use crate::client::Client;
use crate::record::codec::{Code, Name, Office};
use crate::rpc::proto;
use crate::rpc::proto::authority::Origin;
use serde_json::{Map, Value, json};
use std::io::Write;

/// Asks whom a name means.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A name in any language, or an identifier as wikidata:Q1065, iso3:PAK
    #[arg(value_name = "NAME", required = true)]
    name: Vec<String>,
    /// As the archive stood then: a position, YYYY-MM-DD (its end, in UTC) or an RFC 3339 time
    #[arg(long, value_name = "POINT")]
    as_of: Option<Point>,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    source: Source,
}

/// Asks and prints: each authority with its names, identifiers and offices.
///
/// # Errors
/// The server's.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    let name = args.name.join(" ");
    if name.trim().is_empty() {
        return Err(Failure::usage(
            "NAME is empty; give a name, or an identifier as wikidata:Q1065",
        ));
    }
    let request = proto::ResolveActorRequest {
        name: name.clone(),
        as_of: args.as_of.map(Point::as_of),
    };
    let ask = async |client: Client| Ok(client.query().resolve_actor(request).await?.into_inner());
    let answer = args.source.with(ask).await?;
    let mut out = stdout();
    for (at, actor) in answer.actors.iter().enumerate() {
        for authority in &actor.authorities {
            match args.output {
                Form::Json => writeln!(out, "{}", as_json(authority, at))?,
                Form::Table => show(&mut out, screen, authority)?,
            }
        }
    }
    out.flush()?;
    if answer.actors.is_empty() {
        screen.note(format_args!(
            "nobody is known by the name `{}`; describe an actor with: chancery edit authority/KEY",
            plain(&name)
        ));
    }
    for note in &answer.notes {
        screen.note(plain(note));
    }
    Ok(())
}

fn show(out: &mut dyn Write, screen: &Screen, authority: &proto::Authority) -> Result<(), Failure> {
    let ink = screen.ink();
    let lived = days(&authority.from, &authority.to);
    let origin = match &authority.origin {
        Some(Origin::Entry(entry)) => plain(entry).into_owned(),
        Some(Origin::Shipped(identifier)) => format!("{identifier} (shipped)"),
        None => String::new(),
    };
    let space = if lived.is_empty() { "" } else { "  " };
    writeln!(out, "{}{space}{}", ink.bold(&origin), ink.dim(&lived))?;
    let mut table = table(screen, &[]);
    for name in &authority.names {
        let shown = plain(&name.name).into_owned();
        table.add_row([
            "  name".to_owned(),
            shown,
            name.language.clone(),
            days(&name.from, &name.to),
        ]);
    }
    for own in &authority.identifiers {
        let shown = plain(&format!("{}:{}", own.scheme, own.code)).into_owned();
        table.add_row(["  identifier".to_owned(), shown, String::new(), String::new()]);
    }
    for office in &authority.offices {
        let country = office.country.as_ref().map(|country| country.code.clone());
        let shown = plain(&office.office).into_owned();
        let country = country.unwrap_or_default();
        table.add_row([
            "  office".to_owned(),
            shown,
            country,
            days(&office.from, &office.to),
        ]);
    }
    for whole in &authority.part_of {
        table.add_row([
            "  part of".to_owned(),
            plain(whole).into_owned(),
            String::new(),
            String::new(),
        ]);
    }
    if !authority.source.is_empty() {
        let source = authority.source.clone();
        table.add_row(["  source".to_owned(), source, String::new(), String::new()]);
    }
    print(out, &table)
}

/// From when until when, in words.
fn days(from: &str, to: &str) -> String {
    Validity::new(from, to).to_string()
}

/// One line for each authority; those with the same `actor` are one and the same.
fn as_json(authority: &proto::Authority, actor: usize) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| {
        let is_empty =
            value.as_str().is_some_and(str::is_empty) || value.as_array().is_some_and(Vec::is_empty);
        if !is_empty {
            members.insert(name.to_owned(), value);
        }
    };
    put("actor", actor.into());
    match &authority.origin {
        Some(Origin::Entry(entry)) => put("entry", entry.as_str().into()),
        Some(Origin::Shipped(identifier)) => put("shipped", identifier.as_str().into()),
        None => {}
    }
    put("from", authority.from.as_str().into());
    put("to", authority.to.as_str().into());
    put("names", authority.names.iter().map(name).collect());
    put(
        "identifiers",
        authority.identifiers.iter().map(identifier).collect(),
    );
    put("offices", authority.offices.iter().map(office).collect());
    put("part_of", authority.part_of.clone().into());
    put("source", authority.source.as_str().into());
    Value::Object(members)
}

fn name(name: &Name) -> Value {
    stated(&[
        ("name", &name.name),
        ("language", &name.language),
        ("from", &name.from),
        ("to", &name.to),
    ])
}

fn identifier(own: &Code) -> Value {
    json!(format!("{}:{}", own.scheme, own.code))
}

fn office(office: &Office) -> Value {
    let country = office.country.as_ref().map(|country| country.code.clone());
    stated(&[
        ("office", &office.office),
        ("country", &country.unwrap_or_default()),
        ("from", &office.from),
        ("to", &office.to),
    ])
}

/// An object of the members that are not empty.
fn stated(members: &[(&str, &str)]) -> Value {
    let stated = members.iter().filter(|(_, value)| !value.is_empty());
    let stated = stated.map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
    Value::Object(stated.collect())
}
