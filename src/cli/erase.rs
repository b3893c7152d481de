//! `chancery erase`: content that the law takes out.
//!
//! It says first what would go and what would stay, and asks for the entry's name before it acts. Afterwards it waits until no
//! file of the archive holds the content any more; the certificate of that is kept by the archive and printed on request.

use super::act;
use super::append::{sent, unsent};
use super::checkpoint;
use super::connect::{Actor, Reach};
use super::failure::Failure;
use super::key::KeyArg;
use super::name::EntryArg;
use super::output::Form;
use super::screen::{Ink, Screen, count, plain, stdout};
use super::shown::{moment, word};
use crate::client::Client;
use crate::merkle::{Certificate, VerifierKey};
use crate::record::codec::RevisionRange;
use crate::record::json::Input;
use crate::record::{EntryKey, Recorded};
use crate::rpc::proto;
use bytes::Bytes;
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the command waits until the content is gone from the disk.
const WAIT: Duration = Duration::from_secs(60);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// More positions than are shown to people; JSON has all.
const POSITIONS_SHOWN: usize = 12;

/// Erases content; leaves, positions and every proof stay.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// SERIES/KEY, SERIES/ and the first 8 characters or more of its key, or the position of one of its records
    #[arg(
        value_name = "ENTRY",
        required_unless_present_any = ["certificate", "check"],
        conflicts_with_all = ["certificate", "check"]
    )]
    entry: Option<EntryArg>,
    /// On whose decision, law or order. It stays: do not name in it what is to be erased
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["dry_run", "certificate", "check"])]
    authority: Option<String>,
    /// Why, as a code
    #[arg(long, value_name = "CODE", value_parser = act::reason, default_value = "", hide_default_value = true)]
    reason: String,
    /// In words; it stays too
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    explanation: String,
    /// Only the content of this revision; without it all of them, and the key is closed for ever unless there is a replacement
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    /// Content in the JSON form, for a new revision in the place of what goes; - for stdin, which needs --confirm
    #[arg(long, value_name = "FILE|-")]
    replace_with: Option<PathBuf>,
    /// Say what would go and what would stay, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// The entry's whole name, for scripts: it is not asked for then
    #[arg(long, value_name = "SERIES/KEY", conflicts_with = "dry_run")]
    confirm: Option<String>,
    /// Print the certificate of the erasure that was recorded at this position
    #[arg(long, value_name = "POSITION", conflicts_with = "check")]
    certificate: Option<u64>,
    /// Check a certificate; - for stdin. Needs neither a daemon nor an archive
    #[arg(long, value_name = "FILE|-", requires = "key")]
    check: Option<PathBuf>,
    /// The archive's public key, or a file that holds it
    #[arg(long, value_name = "KEY", requires = "check")]
    key: Option<KeyArg>,
    #[command(flatten)]
    actor: Actor,
    #[command(flatten)]
    reach: Reach,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// Erases, shows a certificate, or checks one.
///
/// # Errors
/// The server's: an unknown entry, a hold, already erased. Exit code 3 where a certificate does not hold.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    if let (Some(path), Some(key)) = (&args.check, &args.key) {
        return check(&checkpoint::read(path)?, &key.read()?, args.output, screen);
    }
    let client = args.reach.client().await?;
    match (args.certificate, &args.entry) {
        (Some(position), _) => print_certificate(&client, position).await,
        (None, Some(entry)) => erase(&client, entry, &args, screen).await,
        // The arguments are required so that this cannot be.
        (None, None) => Err(Failure::usage("name an entry to erase")),
    }
}

async fn erase(client: &Client, entry: &EntryArg, args: &Args, screen: &Screen) -> Result<(), Failure> {
    let name = entry.resolve(client).await?;
    let id = args.actor.request_id()?;
    let order = order(&name, &id, args)?;
    let asked = proto::EraseRequest {
        dry_run: true,
        // A name that was used is answered with what was done: what would be done is asked without one.
        request_id: Bytes::new(),
        ..order.clone()
    };
    if args.dry_run {
        let plan = client.admin().erase(asked).await?.into_inner();
        return print_plan(&name, &plan, args.output, screen);
    }
    if args.confirm.is_none() {
        let plan = client.admin().erase(asked).await?.into_inner();
        card(&mut std::io::stderr().lock(), screen.err_ink(), &name, &plan)?;
    }
    confirm(&name, args.confirm.as_deref())?;
    let send = async || client.admin().erase(order.clone()).await;
    let done = sent(send)
        .await
        .map_err(|status| unsent(status, &id))?
        .into_inner();
    let state = wait(client, &done).await?;
    print_done(&name, &done, &state, args.output, screen)
}

fn order(name: &EntryKey, id: &str, args: &Args) -> Result<proto::EraseRequest, Failure> {
    let replacement = match &args.replace_with {
        Some(path) => vec![replacement(path, name, args.confirm.is_some())?],
        None => Vec::new(),
    };
    Ok(proto::EraseRequest {
        entry: Some(wire(name)),
        // A dry run is written down nowhere.
        authority: args.authority.clone().unwrap_or_else(|| "a dry run".to_owned()),
        explanation: args.explanation.clone(),
        reason: args.reason.clone(),
        request_id: id.as_bytes().to_vec().into(),
        claimed_principal: args.actor.claimed(),
        expected_revision: None,
        revisions: args.revision.map(|from| RevisionRange {
            from,
            to: from.saturating_add(1),
        }),
        replacement,
        dry_run: args.dry_run,
    })
}

fn wire(name: &EntryKey) -> proto::EntryKey {
    proto::EntryKey {
        series: name.series.to_string(),
        key: name.key.to_string(),
    }
}

/// The content that takes the place of what goes.
fn replacement(path: &Path, name: &EntryKey, is_confirmed: bool) -> Result<Bytes, Failure> {
    if path == Path::new("-") && !is_confirmed {
        return Err(Failure::usage(
            "--replace-with - takes stdin, on which the entry's name would be asked for; give the name with --confirm",
        ));
    }
    let text = checkpoint::read(path)?;
    let input = Input::parse(&text).map_err(|error| Failure::failed(format!("the replacement: {error}")))?;
    let other_series = input.series.as_ref().is_some_and(|series| *series != name.series);
    let other_key = input.key.as_ref().is_some_and(|key| *key != name.key);
    if other_series || other_key {
        return Err(Failure::failed(format!(
            "the replacement is of another entry than `{name}`; leave series and key out, or name that one"
        )));
    }
    if !input.act.has_content() {
        return Err(Failure::failed(format!(
            "the replacement is a {}; give content, as for: chancery append",
            input.act
        )));
    }
    Ok(input.payload)
}

/// Asks for the entry's name, unless it was given.
fn confirm(name: &EntryKey, given: Option<&str>) -> Result<(), Failure> {
    let typed = match given {
        Some(given) => given.to_owned(),
        None => {
            write!(
                std::io::stderr(),
                "This cannot be taken back. Type the entry's name to erase it: "
            )?;
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line)?;
            line
        }
    };
    if typed.trim_end_matches(['\r', '\n']) == name.to_string() {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "nothing was erased: the name that was given is not `{name}`"
    )))
}

/// Waits until no file holds the content any more, or for a while.
async fn wait(client: &Client, done: &proto::EraseResponse) -> Result<proto::GetErasureResponse, Failure> {
    let position = done.receipt.as_ref().map_or(0, |receipt| receipt.position);
    let started = Instant::now();
    loop {
        let request = proto::GetErasureRequest { position };
        let state = client.admin().get_erasure(request).await?.into_inner();
        let is_over = !state.certificate.is_empty() || !state.fault.is_empty();
        if is_over || started.elapsed() > WAIT {
            return Ok(state);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn print_certificate(client: &Client, position: u64) -> Result<(), Failure> {
    let request = proto::GetErasureRequest { position };
    let state = client.admin().get_erasure(request).await?.into_inner();
    if state.certificate.is_empty() {
        let why = match state.fault.as_str() {
            "" => "ask again in a moment".to_owned(),
            fault => format!("{}; it is tried again", plain(fault)),
        };
        return Err(Failure::failed(format!(
            "the erasure at {position} is not complete: {why}"
        )));
    }
    let mut out = stdout();
    write!(out, "{}", state.certificate)?;
    out.flush()?;
    Ok(())
}

fn as_json(name: &EntryKey, plan: &proto::EraseResponse) -> Value {
    let range = plan.revisions.unwrap_or_default();
    let linked: Vec<_> = plan
        .linked
        .iter()
        .map(|link| {
            json!({
                "entry": linked_name(link),
                "relation": word("RelationType", link.r#type),
                "incoming": link.incoming,
                "position": link.position,
            })
        })
        .collect();
    let copies: Vec<_> = plan.copies.iter().map(|copy| copy.name.as_str()).collect();
    json!({
        "entry": name.to_string(),
        "revisions": {"from": range.from, "to": range.to},
        "positions": plan.positions,
        "replaced": plan.replacement.is_some(),
        "linked": linked,
        "copies": copies,
    })
}

fn print_plan(
    name: &EntryKey,
    plan: &proto::EraseResponse,
    form: Form,
    screen: &Screen,
) -> Result<(), Failure> {
    let mut out = stdout();
    match form {
        Form::Json => writeln!(out, "{}", as_json(name, plan))?,
        Form::Table => card(&mut out, screen.ink(), name, plan)?,
    }
    out.flush()?;
    screen.note("nothing was erased");
    Ok(())
}

fn linked_name(link: &proto::LinkedEntry) -> String {
    let entry = link.entry.clone().unwrap_or_default();
    format!("{}/{}", entry.series, entry.key)
}

/// `revision 2`, `revisions 1 to 3`.
fn revisions(range: RevisionRange) -> String {
    match range.to.saturating_sub(1) {
        last if last <= range.from => format!("revision {}", range.from),
        last => format!("revisions {} to {last}", range.from),
    }
}

fn positions(all: &[u64]) -> String {
    let shown: Vec<String> = all.iter().take(POSITIONS_SHOWN).map(u64::to_string).collect();
    let more = match all.len().saturating_sub(POSITIONS_SHOWN) {
        0 => String::new(),
        more => format!(" and {} more", count(more as u64)),
    };
    format!("{}{more}", shown.join(", "))
}

/// What goes and what stays.
fn card(out: &mut dyn Write, ink: Ink, name: &EntryKey, plan: &proto::EraseResponse) -> Result<(), Failure> {
    let label = |name: &str| ink.dim(format_args!("{name:<8}"));
    let name = ink.cyan(plain(&name.to_string()));
    let range = plan.revisions.unwrap_or_default();
    writeln!(out, "{} {name} · {}", label("entry"), revisions(range))?;
    let records = plan.positions.len() as u64;
    let s = if records == 1 { "" } else { "s" };
    writeln!(
        out,
        "{} what {} record{s} say{}: {}",
        label("goes"),
        count(records),
        if records == 1 { "s" } else { "" },
        positions(&plan.positions)
    )?;
    let stays = "names, times, principals and reasons of its records, their positions, and every proof";
    writeln!(out, "{} {stays}", label("stays"))?;
    if plan.replacement.is_some() {
        writeln!(out, "{} the replacement becomes a new revision", label("comes"))?;
    }
    for link in &plan.linked {
        let (relation, other) = (word("RelationType", link.r#type), linked_name(link));
        let (relation, other) = (plain(&relation), plain(&other));
        let sentence = match link.incoming {
            true => format!("{other} is linked to it ({relation})"),
            false => format!("it is linked to {other} ({relation})"),
        };
        writeln!(out, "{} {sentence}, which stays as it is", label("linked"))?;
    }
    for copy in &plan.copies {
        let what = match copy.name.as_str() {
            "primary" => "this daemon's data directory",
            _ => "a copy",
        };
        writeln!(out, "{} {}, {what}", label("copies"), plain(&copy.name))?;
    }
    writeln!(
        out,
        "{} backups, and copies made over HTTP or of answers, are not known here; tell who keeps them",
        label("")
    )?;
    Ok(())
}

fn print_done(
    name: &EntryKey,
    done: &proto::EraseResponse,
    state: &proto::GetErasureResponse,
    form: Form,
    screen: &Screen,
) -> Result<(), Failure> {
    let mut out = stdout();
    let complete = state
        .copies
        .iter()
        .map(|copy| copy.complete)
        .find(|time| *time != 0);
    let complete = complete.map(Recorded::from_nanos);
    match form {
        Form::Json => {
            let mut json = as_json(name, done);
            if let Some(members) = json.as_object_mut() {
                members.shift_remove("linked");
                members.insert("position".into(), state.position.into());
                let replacement = done.replacement.as_ref().map(|receipt| receipt.position);
                members.insert("replacement".into(), replacement.into());
                members.insert("complete".into(), complete.map(|time| time.to_string()).into());
                let certificate = (!state.certificate.is_empty()).then_some(state.certificate.as_str());
                members.insert("certificate".into(), certificate.into());
            }
            writeln!(out, "{json}")?;
        }
        Form::Table => {
            let ink = screen.ink();
            let label = |name: &str| ink.dim(format_args!("{name:<8}"));
            let range = done.revisions.unwrap_or_default();
            writeln!(
                out,
                "{} {} · {} · recorded at position {}",
                label("erased"),
                ink.cyan(plain(&name.to_string())),
                revisions(range),
                count(state.position)
            )?;
            if let Some(receipt) = &done.replacement {
                writeln!(
                    out,
                    "{} revision {} at position {}",
                    label("replaced"),
                    receipt.revision,
                    count(receipt.position)
                )?;
            }
            match complete {
                Some(time) => writeln!(
                    out,
                    "{} {} in primary; its certificate: chancery erase --certificate {}",
                    label("complete"),
                    moment(time),
                    state.position
                )?,
                None => writeln!(
                    out,
                    "{} nobody is answered with it; a file still holds it: see chancery status",
                    label("pending")
                )?,
            }
        }
    }
    out.flush()?;
    if complete.is_none() && !state.fault.is_empty() {
        screen.warn(format_args!(
            "it could not be removed from the disk ({}); it is tried again",
            plain(&state.fault)
        ));
    }
    Ok(())
}

/// Checks a certificate with nothing but the key.
fn check(note: &str, key: &VerifierKey, form: Form, screen: &Screen) -> Result<(), Failure> {
    let certificate = Certificate::open(note, key)
        .map_err(|error| Failure::Wrong(format!("the certificate does not hold: {error}")))?;
    let (from, to) = certificate.revisions;
    let mut out = stdout();
    match form {
        Form::Json => {
            let json = json!({
                "holds": true,
                "origin": certificate.origin,
                "key": key.to_string(),
                "entry": certificate.entry.to_string(),
                "erase": certificate.erase.get(),
                "recorded": certificate.recorded.to_string(),
                "revisions": {"from": from.get(), "to": to.get()},
                "records": certificate.records,
                "copy": certificate.copy,
                "complete": certificate.complete.to_string(),
                "audit": certificate.audit.get(),
            });
            writeln!(out, "{json}")?;
        }
        Form::Table => {
            let ink = screen.ink();
            let range = RevisionRange {
                from: from.get(),
                to: to.get(),
            };
            writeln!(
                out,
                "{}: since {} the copy {} of {} holds nothing of {} of {}, {} records, as ordered at position {}",
                ink.green("the certificate holds"),
                moment(certificate.complete),
                plain(&certificate.copy),
                plain(&certificate.origin),
                revisions(range),
                ink.cyan(plain(&certificate.entry.to_string())),
                count(certificate.records),
                count(certificate.erase.get())
            )?;
        }
    }
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_and_positions_are_told_shortly() {
        let range = |from, to| revisions(RevisionRange { from, to });
        assert_eq!(range(2, 3), "revision 2");
        assert_eq!(range(1, 4), "revisions 1 to 3");
        assert_eq!(positions(&[3, 17]), "3, 17");
        let many: Vec<u64> = (0..20).collect();
        assert!(positions(&many).ends_with("11 and 8 more"));
    }
}
