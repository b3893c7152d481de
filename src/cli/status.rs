//! `chancery status`: how the archive and its daemon stand.

use super::connect::Source;
use super::failure::Failure;
use super::output::Form;
use super::screen::{Ink, Screen, columns, count, plain, stdout};
use super::shown::moment;
use crate::client::Client;
use crate::record::Recorded;
use crate::rpc::proto;
use serde_json::{Value, json};
use std::io::Write;

/// Says how the archive stands.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    source: Source,
}

/// Asks and prints.
///
/// # Errors
/// The server's.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    let answers = args.source.with(async |client| ask(&client).await).await?;
    let mut out = stdout();
    match args.output {
        Form::Json => writeln!(out, "{}", as_json(&answers))?,
        Form::Table => card(&mut out, screen.ink(), &answers)?,
    }
    out.flush()?;
    Ok(())
}

struct Answers {
    status: proto::GetStatusResponse,
    info: proto::GetServerInfoResponse,
    groups: Groups,
}

/// The consumer groups, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Groups {
    all: u64,
    stopped: u64,
    held_up: u64,
    parked: u64,
}

impl Groups {
    fn of(groups: &[proto::ConsumerGroup]) -> Self {
        let count =
            |is: fn(&proto::ConsumerGroup) -> bool| groups.iter().filter(|one| is(one)).count() as u64;
        Self {
            all: groups.len() as u64,
            stopped: count(|one| !one.stopped.is_empty()),
            held_up: count(|one| !one.held_up.is_empty()),
            parked: groups.iter().map(|one| one.parked).sum(),
        }
    }

    fn json(self) -> Value {
        json!({ "all": self.all, "stopped": self.stopped, "held_up": self.held_up, "parked": self.parked })
    }

    /// `3, 1 stopped, 4 records parked; see: chancery group list`.
    fn line(self, ink: Ink) -> String {
        let mut line = count(self.all).to_string();
        if self.stopped > 0 {
            line += &format!(", {}", ink.red(format_args!("{} stopped", count(self.stopped))));
        }
        if self.held_up > 0 {
            let held_up = format!("{} held up", count(self.held_up));
            line += &format!(", {}", ink.yellow(held_up));
        }
        match self.parked {
            0 => {}
            1 => line += ", 1 record parked",
            parked => line += &format!(", {} records parked", count(parked)),
        }
        line + "; see: chancery group list"
    }
}

async fn ask(client: &Client) -> Result<Answers, Failure> {
    Ok(Answers {
        status: client.status().await?,
        info: client
            .admin()
            .get_server_info(proto::GetServerInfoRequest {})
            .await?
            .into_inner(),
        groups: groups(client).await,
    })
}

/// Where they cannot be told, as those of a stopped archive, there are none; what is wrong with them the status says.
async fn groups(client: &Client) -> Groups {
    let listed = client
        .subscriptions()
        .list_groups(proto::ListGroupsRequest {})
        .await;
    listed.map_or_else(
        |_| Groups::default(),
        |listed| Groups::of(&listed.into_inner().groups),
    )
}

fn as_json(answers: &Answers) -> Value {
    let (status, info) = (&answers.status, &answers.info);
    let time = |nanos: i64| (nanos != 0).then(|| Recorded::from_nanos(nanos).to_string());
    let spans = status.possibly_acknowledged.iter();
    let spans: Vec<Value> = spans
        .map(|span| json!({ "from": span.from, "to": span.to }))
        .collect();
    let mut json = json!({
        "origin": status.origin,
        "tail": status.tail,
        "durable": status.durable,
        "root": hex::encode(&status.root),
        "entries": status.entries,
        "last_recorded": time(status.last_recorded),
        "appending": status.appending,
        "refusal": Some(&status.refusal).filter(|text| !text.is_empty()),
        "journal_bytes": status.journal_bytes,
        "sealed_through": status.sealed_through,
        "sealed_bytes": status.sealed_bytes,
        "sealed_bytes_a_record": a_record(status).map(|bytes| (bytes * 10.0).round() / 10.0),
        "seal_fault": Some(&status.seal_fault).filter(|text| !text.is_empty()),
        "indexed": status.indexed,
        "last_checked": time(status.last_checked),
        "check_findings": (status.last_checked != 0).then_some(status.check_findings),
        "erasures_pending": status.erasures_pending,
        "erasure_fault": Some(&status.erasure_fault).filter(|text| !text.is_empty()),
        "erasure_wait": status.erasure_wait.as_ref().map(|wait| json!({
            "records": wait.records,
            "view": Some(&wait.view).filter(|view| !view.is_empty()),
            "rebuilding": wait.rebuilding,
            "behind": wait.behind,
        })),
        "sled_bytes": status.sled_bytes,
        "hot_through": status.hot_through,
        "sled_fault": Some(&status.sled_fault).filter(|text| !text.is_empty()),
        "possibly_acknowledged": spans,
        "subscribers": status.subscribers,
        "groups": answers.groups.json(),
        "groups_fault": Some(&status.groups_fault).filter(|text| !text.is_empty()),
        "alerts": status.alerts.iter().map(alert_json).collect::<Vec<Value>>(),
        "epoch": status.epoch,
        "version": info.version,
        "started": time(info.started),
        "derivation": info.derivation,
        "rules": (info.rules != 0).then_some(info.rules),
    });
    if let (true, Some(fields)) = (status.root.is_empty(), json.as_object_mut()) {
        fields.shift_remove("root");
    }
    json
}

fn card(out: &mut dyn Write, ink: Ink, answers: &Answers) -> Result<(), Failure> {
    let (status, info) = (&answers.status, &answers.info);
    let time = |nanos: i64| match nanos {
        0 => "nothing yet".to_owned(),
        nanos => moment(Recorded::from_nanos(nanos)),
    };
    let appends = match status.refusal.as_str() {
        "" if status.appending => ink.green("taken"),
        refusal => ink.red(format_args!("refused: {}", plain(refusal))),
    };
    let hot = match status.sled_fault.as_str() {
        "" => format!(
            "{}, {}",
            bytes(status.sled_bytes),
            first(status.hot_through, status.tail)
        ),
        fault => ink.yellow(format_args!(
            "being rebuilt, the journal serves: {}",
            plain(fault)
        )),
    };
    let sealed = match (status.seal_fault.as_str(), a_record(status)) {
        ("", None) => "nothing yet".to_owned(),
        ("", Some(each)) => format!(
            "{}, {}, {each:.0} B a record",
            bytes(status.sealed_bytes),
            first(status.sealed_through, status.tail)
        ),
        (fault, _) => ink.yellow(format_args!("not now, the journal keeps it: {}", plain(fault))),
    };
    let checked = match (status.last_checked, status.check_findings) {
        (0, _) => "never yet".to_owned(),
        (_, 0) => format!("{}, everything as it was written", time(status.last_checked)),
        (_, findings) => {
            let s = if findings == 1 { "" } else { "s" };
            let found = format!(
                "{}, {} finding{s}; run: chancery verify",
                time(status.last_checked),
                count(findings)
            );
            ink.red(found)
        }
    };
    let root = match status.root.is_empty() {
        true => ink.red("none: records are lost"),
        false => hex::encode(&status.root),
    };
    // The names of alerts may be longer than ours.
    let alerts = status
        .alerts
        .iter()
        .map(|alert| columns(&alert.name) + "alert ".len());
    let width = alerts.fold(15, usize::max);
    let lines = [
        ("origin", ink.bold(plain(&status.origin))),
        (
            "tail",
            match status.indexed {
                true => format!(
                    "{} records in {} entries",
                    count(status.tail),
                    count(status.entries)
                ),
                false => format!(
                    "{} records, {} entries known so far",
                    count(status.tail),
                    count(status.entries)
                ),
            },
        ),
        ("durable", first(status.durable, status.tail)),
        ("last recorded", time(status.last_recorded)),
        ("root", root),
        ("appends", appends),
        ("journal", bytes(status.journal_bytes)),
        ("sealed", sealed),
        ("hot log", hot),
        ("checked", checked),
        ("subscribers", count(status.subscribers).to_string()),
        ("epoch", status.epoch.to_string()),
        (
            "daemon",
            format!(
                "chancery {}, started {}",
                plain(&info.version),
                time(info.started)
            ),
        ),
        ("country tables", plain(&info.derivation).into_owned()),
    ];
    for (name, value) in lines {
        writeln!(out, "{} {value}", ink.dim(format_args!("{name:<width$}")))?;
    }
    for alert in &status.alerts {
        let name = format!("alert {}", plain(&alert.name));
        writeln!(
            out,
            "{} {}",
            ink.dim(format_args!("{name:<width$}")),
            alert_line(ink, alert)
        )?;
    }
    if answers.groups.all > 0 {
        let groups = answers.groups.line(ink);
        writeln!(out, "{} {groups}", ink.dim(format_args!("{:<width$}", "groups")))?;
    }
    if !status.groups_fault.is_empty() {
        let fault = ink.red(plain(&status.groups_fault));
        writeln!(out, "{} {fault}", ink.dim(format_args!("{:<width$}", "groups")))?;
    }
    if !status.erasures_pending.is_empty() {
        let at: Vec<String> = status.erasures_pending.iter().map(u64::to_string).collect();
        let why = match (status.erasure_fault.as_str(), &status.erasure_wait) {
            ("", None) => "being removed from the disk".to_owned(),
            ("", Some(wait)) => waits(wait),
            (fault, _) => format!(
                "cannot be removed from the disk now, it is tried again: {}",
                plain(fault)
            ),
        };
        writeln!(
            out,
            "{} ordered at {}, answered to nobody; {why}",
            ink.yellow(format_args!("{:<width$}", "erasure")),
            at.join(", ")
        )?;
    }
    for span in &status.possibly_acknowledged {
        let lost = format!(
            "positions {} up to {} may have been acknowledged and were cut",
            span.from, span.to
        );
        writeln!(
            out,
            "{} {lost}; run: chancery verify",
            ink.red(format_args!("{:<width$}", "recovery"))
        )?;
    }
    Ok(())
}

fn alert_json(alert: &proto::AlertStatus) -> Value {
    let success = (alert.last_success != 0).then(|| Recorded::from_nanos(alert.last_success).to_string());
    json!({
        "name": alert.name,
        "position": alert.position,
        "lag": alert.lag,
        "last_success": success,
        "failures": alert.failures,
        "last_error": Some(&alert.last_error).filter(|text| !text.is_empty()),
        "stopped": alert.stopped,
        "waits_for": Some(&alert.waits_for).filter(|text| !text.is_empty()),
    })
}

/// `at 512, 3 behind, last done 2026-11-27 22:30:45Z; failed 4 times in a row: the answer was 500`.
fn alert_line(ink: Ink, alert: &proto::AlertStatus) -> String {
    let at = match (alert.position, alert.lag) {
        (None, _) if alert.waits_for.is_empty() => "not begun".to_owned(),
        (None, _) => format!("not begun, waits for {}", plain(&alert.waits_for)),
        (Some(position), None) => format!("at {}", count(position)),
        (Some(position), Some(0)) => format!("at {}, up to date", count(position)),
        (Some(position), Some(lag)) => format!("at {}, {} behind", count(position), count(lag)),
    };
    let done = match alert.last_success {
        0 => String::new(),
        nanos => format!(", last done {}", moment(Recorded::from_nanos(nanos))),
    };
    let why = plain(&alert.last_error);
    let trouble = match (alert.stopped, alert.failures) {
        (true, _) => ink.red(format_args!("; stopped: {why}")),
        (false, 0) => String::new(),
        (false, failures) => {
            let s = if failures == 1 { "" } else { "s" };
            ink.yellow(format_args!(
                "; failed {} time{s} in a row: {why}",
                count(failures)
            ))
        }
    };
    format!("{at}{done}{trouble}")
}

/// What erasures wait for: `erasure of 1 record waits for the search view, 12,000 records behind`.
fn waits(wait: &proto::ErasureWait) -> String {
    let records = |number| match number {
        1 => "1 record".to_owned(),
        number => format!("{} records", count(number)),
    };
    let begun = format!("erasure of {} waits for", records(wait.records));
    if wait.view.is_empty() {
        return format!("{begun} a view that is not open; the daemon's log says why");
    }
    let anew = if wait.rebuilding { " that is made anew" } else { "" };
    format!(
        "{begun} the {} view{anew}, {} behind",
        plain(&wait.view),
        records(wait.behind)
    )
}

/// The bytes of a sealed record; `None` where nothing is sealed.
fn a_record(status: &proto::GetStatusResponse) -> Option<f64> {
    (status.sealed_through > 0).then(|| status.sealed_bytes as f64 / status.sealed_through as f64)
}

/// How much of the log is somewhere: its first records, since everything goes in their order.
fn first(records: u64, tail: u64) -> String {
    match records >= tail {
        true if tail == 1 => "the 1 record".to_owned(),
        true => format!("all {} records", count(tail)),
        false => format!("the first {} of {} records", count(records), count(tail)),
    }
}

fn bytes(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_erasure_that_waits_says_for_what() {
        let wait = |records, view: &str, rebuilding, behind| {
            waits(&proto::ErasureWait {
                records,
                view: view.to_owned(),
                rebuilding,
                behind,
            })
        };
        assert_eq!(
            wait(1, "search", false, 12_000),
            "erasure of 1 record waits for the search view, 12,000 records behind"
        );
        assert_eq!(
            wait(2, "search", true, 1),
            "erasure of 2 records waits for the search view that is made anew, 1 record behind"
        );
        assert_eq!(
            wait(3, "", false, 0),
            "erasure of 3 records waits for a view that is not open; the daemon's log says why"
        );
    }

    #[test]
    fn after_a_loss_no_root_is_shown() {
        let answers = |root: &'static [u8]| Answers {
            status: proto::GetStatusResponse {
                root: root.into(),
                ..Default::default()
            },
            info: proto::GetServerInfoResponse::default(),
            groups: Groups::default(),
        };
        let shown = |answers: &Answers| {
            let mut out = Vec::new();
            card(&mut out, Ink::off(), answers).unwrap();
            String::from_utf8(out).unwrap()
        };
        let (sound, lost) = (answers(&[0xab; 32]), answers(&[]));
        assert_eq!(as_json(&sound)["root"], "ab".repeat(32));
        assert!(as_json(&lost).get("root").is_none());
        assert!(shown(&sound).contains(&"ab".repeat(32)));
        assert!(shown(&lost).contains("none: records are lost"));
    }

    #[test]
    fn long_names_of_alerts_set_the_column_for_all() {
        let answers = Answers {
            status: proto::GetStatusResponse {
                alerts: vec![proto::AlertStatus {
                    name: "retractions-of-the-desk".into(),
                    ..Default::default()
                }],
                ..Default::default()
            },
            info: proto::GetServerInfoResponse::default(),
            groups: Groups::default(),
        };
        let mut out = Vec::new();
        card(&mut out, Ink::off(), &answers).unwrap();
        let out = String::from_utf8(out).unwrap();
        let name = "alert retractions-of-the-desk ";
        assert!(out.contains(&format!("\n{name}not begun")), "{out}");
        assert!(
            out.contains(&format!("\n{:<1$}all", "durable", name.len())),
            "{out}"
        );
    }

    #[test]
    fn groups_are_told_with_what_somebody_must_look_at() {
        let group = |stopped: &str, held_up: &str, parked| proto::ConsumerGroup {
            stopped: stopped.to_owned(),
            held_up: held_up.to_owned(),
            parked,
            ..proto::ConsumerGroup::default()
        };
        let line = |groups: &[proto::ConsumerGroup]| Groups::of(groups).line(Ink::off());
        assert_eq!(line(&[group("", "", 0)]), "1; see: chancery group list");
        assert_eq!(
            line(&[group("a fork", "", 0), group("", "full", 1_000), group("", "", 4)]),
            "3, 1 stopped, 1 held up, 1,004 records parked; see: chancery group list"
        );
        assert_eq!(
            line(&[group("", "", 1)]),
            "1, 1 record parked; see: chancery group list"
        );
    }

    #[test]
    fn how_much_is_somewhere_is_told_in_records() {
        assert_eq!(first(516, 516), "all 516 records");
        assert_eq!(first(1_000, 2_516), "the first 1,000 of 2,516 records");
        assert_eq!(first(0, 3), "the first 0 of 3 records");
    }
}
