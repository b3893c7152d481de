//! `chancery cite`: a fixed answer by a name that it can be asked for again, and the check of such a name.
//!
//! A citation says which archive answered which filter as of which position, under which root, and with how many entries.
//! Whoever has the root can tell whether the records below the position are still the same ones. It holds no time of its own:
//! its date is that of the last record below the position, so that the same state is cited in the same words whenever that is
//! done. [`held`] holds a citation against an archive, [`bibtex`] writes it for a paper.

mod bibtex;
mod erased;
pub mod held;

use super::connect::Source;
use super::failure::Failure;
use super::key::KeyArg;
use super::name::{self, Point};
use super::output::Form;
use super::screen::{Screen, count, plain, stdout};
use super::shown::moment;
use crate::client::{CitationId, Client, Derivation};
use crate::merkle::{Signed, VerifierKey};
use crate::record::{Hash, Leaf, Recorded};
use crate::rpc::proto;
use clap::ValueEnum;
use futures::TryStreamExt;
use serde_json::{Value, json};
use std::io::Write;
use std::num::NonZeroU32;
use std::pin::pin;

/// Cites what a filter finds.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The filter, as 'country = PAK AND occurred >= 2021'; every entry where it is left out
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// Cite the archive as it stood then: a position, YYYY-MM-DD (its end, in UTC) or an RFC 3339 time
    #[arg(long, value_name = "POINT")]
    as_of: Option<Point>,
    /// The title; by default the archive's name and the filter
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// An author, as bibliographies want the name; once for each
    #[arg(long = "author", value_name = "NAME")]
    authors: Vec<String>,
    /// Say instead whether the citation of this id still holds
    #[arg(long, value_name = "ID", conflicts_with_all = ["filter", "as_of", "title", "authors"])]
    check: Option<CitationId>,
    /// The archive's public key, or a file that holds it; without it the server is asked for its key and trusted
    #[arg(long, value_name = "KEY")]
    key: Option<KeyArg>,
    /// The form of the citation
    #[arg(short, long, value_enum, default_value_t)]
    output: CitationForm,
    #[command(flatten)]
    source: Source,
}

/// The form of a citation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum CitationForm {
    /// For people, with BibTeX at its end
    #[default]
    Table,
    /// One JSON object a line
    Json,
    /// BibTeX alone
    Bibtex,
}

/// A citation with all that is said in it.
#[derive(Debug)]
struct Cited {
    id: CitationId,
    title: String,
    authors: Vec<String>,
    root: Hash,
    /// The records that the signed checkpoint covers, which was proved to begin with those below the position.
    signed: u64,
    /// The time of the last record below the position; none in an empty log.
    recorded: Option<Recorded>,
    notes: Vec<String>,
}

/// Asks and prints.
///
/// # Errors
/// The server's; exit code 3 where a root does not hold, or a citation that is checked.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    let key = args.key.as_ref().map(KeyArg::read).transpose()?;
    if let Some(id) = &args.check {
        let form = match args.output {
            CitationForm::Table => Form::Table,
            CitationForm::Json => Form::Json,
            CitationForm::Bibtex => {
                return Err(Failure::usage(
                    "--check makes no BibTeX; leave -o out, or say -o json",
                ));
            }
        };
        let ask = async |client: Client| held::check(&client, id, key.as_ref()).await;
        let held = args.source.with(ask).await?;
        return print_held(id, &held, form, screen);
    }
    let cited = args
        .source
        .with(async |client| cite(&client, &args, key.as_ref()).await)
        .await?;
    if args.output != CitationForm::Json {
        cited
            .notes
            .iter()
            .for_each(|note| screen.note(format_args!("note: {note}")));
    }
    let mut out = stdout();
    match args.output {
        CitationForm::Table => cited.print(&mut out, screen)?,
        CitationForm::Json => writeln!(out, "{}", cited.json())?,
        CitationForm::Bibtex => writeln!(out, "{}", bibtex::entry(&cited))?,
    }
    out.flush()?;
    Ok(())
}

async fn cite(client: &Client, args: &Args, key: Option<&VerifierKey>) -> Result<Cited, Failure> {
    let request = proto::ExplainRequest {
        filter: name::filter(&args.filter),
        as_of: args.as_of.map(Point::as_of),
    };
    let asked = client.query().explain(request).await?.into_inner();
    let (filter, position) = (asked.canonical, asked.view_position);
    let answer = search(client, &filter, position).await?;
    let (root, signed) = root(client, position, key).await?;
    let derivation = derivation(client).await?;
    let origin = signed.checkpoint.origin;
    let id = CitationId::new(&origin, position, &root, answer.total, derivation, &filter).ok_or_else(|| {
        Failure::failed("the daemon answered what cannot be cited: a filter or a version of another form; use a newer chancery")
    })?;
    let title = args.title.clone().unwrap_or_else(|| match filter.as_str() {
        "" => format!("Chancery archive {origin}"),
        filter => format!("Chancery archive {origin}: {filter}"),
    });
    Ok(Cited {
        id,
        title,
        authors: args.authors.clone(),
        root,
        signed: signed.checkpoint.size,
        recorded: last_recorded(client, position).await?,
        notes: answer.notes,
    })
}

/// What a search answers as of a position, with one entry at most.
async fn search(client: &Client, filter: &str, position: u64) -> Result<proto::SearchResponse, Failure> {
    let request = proto::SearchRequest {
        filter: filter.to_owned(),
        as_of: Some(Point::Position(position).as_of()),
        page_size: 1,
        ..proto::SearchRequest::default()
    };
    // What is made of many entries may be disturbed by one erasure after the other.
    let answer = erased::undisturbed(async || client.query().search(request.clone()).await).await?;
    Ok(answer.into_inner())
}

/// The root at a position, and the checkpoint of the log that begins so, by this key; without one the server is asked for its
/// key and trusted.
async fn root(client: &Client, position: u64, key: Option<&VerifierKey>) -> Result<(Hash, Signed), Failure> {
    Ok(match key {
        Some(key) => client.root_at(position, key).await?,
        None => client.root_at(position, &client.verifier_key().await?).await?,
    })
}

/// By what the archive derives values now.
async fn derivation(client: &Client) -> Result<Derivation, Failure> {
    let request = proto::GetServerInfoRequest {};
    let info = client.admin().get_server_info(request).await?.into_inner();
    Ok(Derivation {
        tables: info.derivation,
        rules: NonZeroU32::new(info.rules),
    })
}

/// When the last record below a position was committed.
async fn last_recorded(client: &Client, position: u64) -> Result<Option<Recorded>, Failure> {
    let Some(last) = position.checked_sub(1) else {
        return Ok(None);
    };
    let request = proto::ReadRequest {
        positions: vec![last],
        parts: proto::Parts::Leaf.into(),
        ..proto::ReadRequest::default()
    };
    let mut records = pin!(client.records(request).await?);
    let none = || {
        Failure::failed(format!(
            "the daemon answered without the record at position {last}"
        ))
    };
    let record = records.try_next().await?.ok_or_else(none)?;
    let leaf =
        Leaf::decode(&record.leaf).map_err(|error| Failure::failed(format!("position {last}: {error}")))?;
    Ok(Some(leaf.recorded))
}

impl Cited {
    /// How many entries of what: `2 entries match dyad = IRN-PAK`.
    fn entries(&self) -> String {
        let verb = if self.id.count == 1 { "matches" } else { "match" };
        match self.id.filter.as_str() {
            "" => format!("{} in all", held::entries(self.id.count)),
            filter => format!("{} {verb} {filter}", held::entries(self.id.count)),
        }
    }

    /// What is typed to have the answer again.
    fn again(&self) -> String {
        format!("chancery search --cite {}", self.id)
    }

    /// Of the last record below the position.
    fn year_and_month(&self) -> Option<(String, usize)> {
        let text = self.recorded?.to_string();
        let (year, rest) = text.split_once('-')?;
        let (month, _) = rest.split_once('-')?;
        Some((year.to_owned(), month.parse().ok()?))
    }

    fn print(&self, out: &mut dyn Write, screen: &Screen) -> Result<(), Failure> {
        let ink = screen.ink();
        let position = self.id.position;
        let filter = match self.id.filter.as_str() {
            "" => "none: every entry",
            filter => filter,
        };
        let date = match self.recorded {
            Some(recorded) => format!("{}, the time of the last record below it", moment(recorded)),
            None => "none: there is no record below it".to_owned(),
        };
        let rows = [
            ("citation", ink.bold(&self.id)),
            ("archive", plain(&self.id.origin).into_owned()),
            ("position", position.to_string()),
            ("date", date),
            ("root", hex::encode(self.root)),
            (
                "signed",
                format!("by the checkpoint of {} records", count(self.signed)),
            ),
            ("filter", plain(filter).into_owned()),
            ("entries", count(self.id.count).to_string()),
            ("again", self.again()),
        ];
        for (label, value) in rows {
            writeln!(out, "{} {value}", ink.dim(format_args!("{label:<9}")))?;
        }
        writeln!(out, "\n{}", bibtex::entry(self))?;
        Ok(())
    }

    fn json(&self) -> Value {
        json!({
            "citation": self.id.to_string(),
            "origin": self.id.origin,
            "position": self.id.position,
            "recorded": self.recorded.map(|recorded| recorded.to_string()),
            "root": hex::encode(self.root),
            "checkpoint": self.signed,
            "filter": self.id.filter,
            "count": self.id.count,
            "tables": self.id.derivation.tables,
            "rules": self.id.derivation.rules,
            "notes": self.notes,
            "title": self.title,
            "authors": self.authors,
            "again": self.again(),
            "bibtex": bibtex::entry(self),
        })
    }
}

fn print_held(id: &CitationId, held: &held::Held, form: Form, screen: &Screen) -> Result<(), Failure> {
    let mut out = stdout();
    match form {
        Form::Json => writeln!(out, "{}", held.json(id))?,
        Form::Table => {
            let ink = screen.ink();
            writeln!(
                out,
                "{}: as of position {} {} has the root {}",
                ink.green("the citation holds"),
                id.position,
                plain(&id.origin),
                hex::encode(held.root())
            )?;
            out.flush()?;
            held.say(id, screen);
        }
    }
    out.flush()?;
    Ok(())
}
