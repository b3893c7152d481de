//! `chancery group`: work on records that is shared among consumers, of which the archive keeps track.

mod consume;

use super::connect::Reach;
use super::failure::Failure;
use super::name;
use super::number;
use super::output::{Form, print, table};
use super::screen::{Screen, count, stdout};
use super::watch::{Beginning, begins_too_late};
use crate::client::Client;
use crate::rpc::proto::{self, Sharing};
use serde_json::{Value, json};
use std::io::Write;
use std::time::Duration;

/// Shares work on records among consumers.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Make a group
    Create(CreateArgs),
    /// List the groups
    List(ListArgs),
    /// Show how a group stands
    Show(OneArgs),
    /// Work for a group: print each record, or run a command for it, and acknowledge it then
    Consume(ConsumeArgs),
    /// List what a group has parked
    Parked(OneArgs),
    /// Have parked records delivered again
    Replay(ReplayArgs),
    /// Take parked records for done
    Drop(DropArgs),
    /// Forget a group, how far it is and what it has parked
    Delete(NameArgs),
}

/// A new group.
#[derive(clap::Args, Debug)]
struct CreateArgs {
    /// Its name: 1 to 63 of a-z, 0-9 and -
    name: String,
    /// Only records that match, and those that bring an entry in or out of the filter; all where it is left out
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// Where it begins: start, tail, a position, YYYY-MM-DD (its start, in UTC) or an RFC 3339 time
    #[arg(long, value_name = "POINT", default_value = "tail")]
    from: Beginning,
    /// The records of one entry one after the other, in the order of their positions
    #[arg(long)]
    ordered: bool,
    /// Deliver a record only by its own content, not because its entry leaves the filter
    #[arg(long)]
    records_only: bool,
    /// Seconds that a consumer may work on a record before it is delivered again
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = milliseconds)]
    ack_timeout: u32,
    /// How often a record is delivered before it is parked
    #[arg(long, value_name = "TIMES", default_value_t = 5, value_parser = number::within(1..=1_000_u32))]
    deliveries: u32,
    /// How many records may be with consumers at once
    #[arg(long, value_name = "RECORDS", default_value_t = 1_000, value_parser = number::within(1..=10_000_u32))]
    in_flight: u32,
    #[command(flatten)]
    reach: Reach,
}

/// All groups.
#[derive(clap::Args, Debug)]
struct ListArgs {
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    reach: Reach,
}

/// One group, to be shown.
#[derive(clap::Args, Debug)]
struct OneArgs {
    /// Its name
    name: String,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    reach: Reach,
}

/// One group.
#[derive(clap::Args, Debug)]
struct NameArgs {
    /// Its name
    name: String,
    #[command(flatten)]
    reach: Reach,
}

/// Parked records.
#[derive(clap::Args, Debug)]
struct ReplayArgs {
    /// The group
    name: String,
    /// The records; all that are parked where none is named
    #[arg(value_name = "POSITION", value_parser = number::position, conflicts_with = "_all")]
    positions: Vec<u64>,
    /// All that are parked, as where none is named
    // Nothing to be read: it is what no position says.
    #[arg(long = "all")]
    _all: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Parked records.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "chancery group drop [OPTIONS] <NAME> <POSITION>...\n       chancery group drop [OPTIONS] <NAME> --all"
)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["positions", "all"]))]
struct DropArgs {
    /// The group
    name: String,
    /// The records
    #[arg(value_name = "POSITION", value_parser = number::position)]
    positions: Vec<u64>,
    /// All that are parked, instead of some
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Seconds, as milliseconds.
fn milliseconds(text: &str) -> Result<u32, String> {
    super::watch::seconds(text).map(|time| u32::try_from(time.as_millis()).unwrap_or(u32::MAX))
}

/// Work.
#[derive(clap::Args, Debug)]
struct ConsumeArgs {
    /// The group
    name: String,
    /// What this consumer calls itself
    #[arg(long, value_name = "NAME", default_value = "")]
    consumer: String,
    /// Run this shell command for each record, with its JSON on stdin and CHANCERY_POSITION, _SERIES, _KEY, _ACT, _REVISION, _CHANGE
    /// and _HASH set; where it does not exit with 0 the record comes again later, and is parked in the end
    #[arg(long, value_name = "CMD", value_parser = super::watch::command)]
    exec: Option<String>,
    /// Kill a command that takes longer, with all that it started, and count it as failed; else it may take as long as it likes
    #[arg(long, value_name = "SECONDS", requires = "exec", value_parser = super::watch::seconds)]
    exec_timeout: Option<Duration>,
    /// End after so many records
    #[arg(long, value_name = "RECORDS", value_parser = number::within(0..=u64::MAX))]
    max: Option<u64>,
    /// End when there is nothing to take
    #[arg(long)]
    until_empty: bool,
    /// The form of the records
    #[arg(short, long, value_enum, default_value_t, conflicts_with = "exec")]
    output: Form,
    #[command(flatten)]
    reach: Reach,
}

/// Does what the subcommand says.
///
/// # Errors
/// The server's.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    match args.command {
        Command::Create(args) => create(args, screen).await,
        Command::List(args) => list(args, screen).await,
        Command::Show(args) => show(args, screen).await,
        Command::Consume(args) => consume::run(args, screen).await,
        Command::Parked(args) => parked(args, screen).await,
        Command::Replay(args) => replay(args, screen).await,
        Command::Drop(args) => drop_parked(args, screen).await,
        Command::Delete(args) => {
            let name = args.name;
            let request = proto::DeleteGroupRequest { name: name.clone() };
            let client = args.reach.client().await?;
            client.subscriptions().delete_group(request).await?;
            screen.note(format_args!("group `{name}` is forgotten"));
            Ok(())
        }
    }
}

async fn create(args: CreateArgs, screen: &Screen) -> Result<(), Failure> {
    let sharing = match args.ordered {
        true => Sharing::Ordered,
        false => Sharing::Shared,
    };
    let request = proto::CreateGroupRequest {
        name: args.name,
        filter: name::filter(&args.filter),
        from: Some(proto::SubscribeFrom {
            from: Some(args.from.from()),
        }),
        sharing: sharing.into(),
        records_only: args.records_only,
        ack_timeout_ms: args.ack_timeout,
        deliveries_max: args.deliveries,
        in_flight_max: args.in_flight,
    };
    let client = args.reach.client().await?;
    let known = client
        .subscriptions()
        .get_group(proto::GetGroupRequest {
            name: request.name.clone(),
        })
        .await;
    let made = client.subscriptions().create_group(request).await;
    let group = made
        .map_err(|status| begins_too_late(&status).unwrap_or_else(|| status.into()))?
        .into_inner();
    if known.is_ok() {
        // Where it began is not among what a group is: it has gone on from there.
        screen.note(format_args!(
            "group `{}` was there already, with these settings, and is at position {}; nothing is changed, wherever it was to begin",
            group.name, group.position
        ));
        return Ok(());
    }
    screen.note(format_args!(
        "group `{}` begins at position {}; work for it with: chancery group consume {}",
        group.name, group.position, group.name
    ));
    Ok(())
}

async fn list(args: ListArgs, screen: &Screen) -> Result<(), Failure> {
    let client = args.reach.client().await?;
    let request = proto::ListGroupsRequest {};
    let groups = client
        .subscriptions()
        .list_groups(request)
        .await?
        .into_inner()
        .groups;
    let mut counted = Vec::with_capacity(groups.len());
    for group in groups {
        counted.push(with_lag(&client, group).await?);
    }
    let groups = counted;
    let mut out = stdout();
    if args.output == Form::Json {
        for group in &groups {
            writeln!(out, "{}", as_json(group))?;
        }
    } else {
        let header = [
            "group",
            "position",
            "lag",
            "in flight",
            "parked",
            "consumers",
            "filter",
        ];
        let mut table = table(screen, &header);
        table.add_rows(groups.iter().map(|group| {
            [
                group.name.clone(),
                count(group.position).to_string(),
                lag_of(group),
                count(group.in_flight).to_string(),
                count(group.parked).to_string(),
                group.consumers.len().to_string(),
                filter_of(group),
            ]
        }));
        print(&mut out, &table)?;
    }
    out.flush()?;
    Ok(())
}

/// The group with its lag counted, where the list has none; as it was where it is gone by now.
async fn with_lag(client: &Client, group: proto::ConsumerGroup) -> Result<proto::ConsumerGroup, Failure> {
    if group.lag.is_some() || !group.stopped.is_empty() {
        return Ok(group);
    }
    let name = group.name.clone();
    let counted = client
        .subscriptions()
        .get_group(proto::GetGroupRequest { name })
        .await;
    match counted {
        Ok(counted) => Ok(counted.into_inner()),
        Err(gone) if gone.code() == tonic::Code::NotFound => Ok(group),
        Err(status) => Err(status.into()),
    }
}

fn lag_of(group: &proto::ConsumerGroup) -> String {
    match group.stopped.as_str() {
        "" => group.lag.map_or_else(String::new, |lag| count(lag).to_string()),
        _ => "stopped".to_owned(),
    }
}

fn filter_of(group: &proto::ConsumerGroup) -> String {
    match group.canonical_filter.as_str() {
        "" => "everything".to_owned(),
        filter => filter.to_owned(),
    }
}

async fn show(args: OneArgs, screen: &Screen) -> Result<(), Failure> {
    let client = args.reach.client().await?;
    let request = proto::GetGroupRequest { name: args.name };
    let group = client.subscriptions().get_group(request).await?.into_inner();
    let mut out = stdout();
    if args.output == Form::Json {
        writeln!(out, "{}", as_json(&group))?;
        out.flush()?;
        return Ok(());
    }
    let mut rows = vec![
        ("group", group.name.clone()),
        ("filter", filter_of(&group)),
        ("sharing", sharing_word(&group).to_owned()),
        (
            "rules",
            format!(
                "{} s to acknowledge, {} {}, {} in flight at most",
                f64::from(group.ack_timeout_ms) / 1_000.0,
                group.deliveries_max,
                if group.deliveries_max == 1 {
                    "delivery"
                } else {
                    "deliveries"
                },
                count(group.in_flight_max.into())
            ),
        ),
        (
            "position",
            format!("{} of {}", count(group.position), count(group.tail)),
        ),
        (
            "lag",
            group
                .lag
                .map_or_else(String::new, |lag| lag_in_parts(&group, lag)),
        ),
        ("parked", count(group.parked).to_string()),
    ];
    for (what, why) in [("stopped", &group.stopped), ("held up", &group.held_up)] {
        if !why.is_empty() {
            rows.push((what, why.clone()));
        }
    }
    for consumer in &group.consumers {
        let name = match consumer.name.as_str() {
            "" => "(no name)",
            name => &super::screen::plain(name),
        };
        rows.push((
            "consumer",
            format!("{name}: {} in flight", count(consumer.in_flight)),
        ));
    }
    let mut table = table(screen, &[]);
    table.add_rows(rows.into_iter().map(|(what, value)| [what.to_owned(), value]));
    print(&mut out, &table)?;
    out.flush()?;
    Ok(())
}

/// What is not done, and where it is: `8 = 1 in flight + 7 waiting`.
fn lag_in_parts(group: &proto::ConsumerGroup, lag: u64) -> String {
    let taken_in = group.in_flight + group.ready + group.waiting + group.delayed;
    let parts = [
        (group.in_flight, "in flight"),
        (group.ready, "ready"),
        (group.waiting, "waiting"),
        (group.delayed, "delayed"),
        (lag.saturating_sub(taken_in), "not looked at"),
    ];
    let parts = parts.iter().filter(|(records, _)| *records > 0);
    let parts: Vec<String> = parts
        .map(|(records, what)| format!("{} {what}", count(*records)))
        .collect();
    match parts.as_slice() {
        [] => count(lag).to_string(),
        parts => format!("{} = {}", count(lag), parts.join(" + ")),
    }
}

fn sharing_word(group: &proto::ConsumerGroup) -> &'static str {
    match group.sharing() {
        Sharing::Ordered => "ordered",
        Sharing::Shared | Sharing::Unspecified => "shared",
    }
}

fn as_json(group: &proto::ConsumerGroup) -> Value {
    let consumers = group.consumers.iter();
    let consumers: Vec<Value> = consumers
        .map(|one| json!({"name": one.name, "in_flight": one.in_flight}))
        .collect();
    let mut json = json!({
        "name": group.name, "filter": group.canonical_filter, "sharing": sharing_word(group),
        "records_only": group.records_only, "ack_timeout_ms": group.ack_timeout_ms,
        "deliveries_max": group.deliveries_max, "in_flight_max": group.in_flight_max,
        "position": group.position, "scanned_through": group.scanned_through, "tail": group.tail,
        "in_flight": group.in_flight, "ready": group.ready, "waiting": group.waiting, "delayed": group.delayed, "parked": group.parked,
        "consumers": consumers,
    });
    if let Some(lag) = group.lag {
        json["lag"] = lag.into();
    }
    for (what, why) in [("stopped", &group.stopped), ("held_up", &group.held_up)] {
        if !why.is_empty() {
            json[what] = why.as_str().into();
        }
    }
    json
}

async fn parked(args: OneArgs, screen: &Screen) -> Result<(), Failure> {
    let client = args.reach.client().await?;
    let mut out = stdout();
    let mut table = table(screen, &["position", "deliveries", "reason"]);
    let mut from = 0;
    loop {
        let request = proto::ListParkedRequest {
            group: args.name.clone(),
            from,
            max: 1_000,
        };
        let listed = client.subscriptions().list_parked(request).await?.into_inner();
        let Some(last) = listed.parked.last() else { break };
        from = last.position + 1;
        for one in listed.parked {
            match args.output {
                Form::Json => writeln!(
                    out,
                    "{}",
                    json!({"position": one.position, "deliveries": one.attempts, "reason": one.reason})
                )?,
                Form::Table => drop(table.add_row([
                    one.position.to_string(),
                    one.attempts.to_string(),
                    super::screen::plain(&one.reason).to_string(),
                ])),
            }
        }
    }
    if args.output == Form::Table {
        print(&mut out, &table)?;
    }
    out.flush()?;
    Ok(())
}

async fn replay(args: ReplayArgs, screen: &Screen) -> Result<(), Failure> {
    let client = args.reach.client().await?;
    let (name, named) = (args.name.clone(), args.positions.len());
    let request = proto::ReplayParkedRequest {
        group: args.name,
        positions: args.positions,
    };
    let replayed = client.subscriptions().replay_parked(request).await?;
    let replayed = replayed.into_inner().replayed;
    settled("delivered again", replayed, &name, named, screen)
}

/// Says of how many parked records something was done; `named` is how many were named, 0 for all.
///
/// # Errors
/// None of those that were named is parked.
fn settled(what: &str, done: u64, group: &str, named: usize, screen: &Screen) -> Result<(), Failure> {
    if done == 0 && named > 0 {
        return Err(Failure::failed(format!(
            "none of these records is parked in group `{group}`; list those that are with: chancery group parked {group}"
        )));
    }
    let missing = (named as u64).saturating_sub(done);
    match missing {
        0 => screen.note(format_args!("{what}: {}", count(done))),
        missing => screen.note(format_args!(
            "{what}: {}; not parked: {}",
            count(done),
            count(missing)
        )),
    }
    Ok(())
}

async fn drop_parked(args: DropArgs, screen: &Screen) -> Result<(), Failure> {
    let client = args.reach.client().await?;
    let (name, named) = (args.name.clone(), args.positions.len());
    let request = proto::DropParkedRequest {
        group: args.name,
        positions: args.positions,
        all: args.all,
    };
    let dropped = client.subscriptions().drop_parked(request).await?;
    settled(
        "taken for done",
        dropped.into_inner().dropped,
        &name,
        named,
        screen,
    )
}
