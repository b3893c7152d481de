//! `chancery group consume`: prints each record, or runs a command for it, and acknowledges it then.
//!
//! It works over the client library's consumer, so that what it has when it ends goes to others at once.

use super::ConsumeArgs;
use crate::cli::failure::{Failure, is_lost};
use crate::cli::interrupt::Interrupt;
use crate::cli::output::reader_gone;
use crate::cli::screen::{Screen, count};
use crate::cli::shown::Shown;
use crate::cli::watch::Backoff;
use crate::cli::watch::reaction::{self, Job};
use crate::client::{Client, ConsumeError, Consumer, Refusal, Retry};
use crate::rpc::proto;
use crate::subscription::group::state::PARKED_MAX;
use futures::StreamExt;
use std::time::{Duration, Instant};
use tonic::Code;

/// Records that are on their way while one is printed: few, since each counts as delivered.
const CREDITS: u32 = 8;
/// The delay after a first failure of a command; each further one doubles it.
const DELAY: Duration = Duration::from_secs(1);
/// The longest delay.
const DELAY_MAX: Duration = Duration::from_secs(3_600);
/// How long nothing comes before it is asked whether anything will.
const QUIET: Duration = Duration::from_secs(5);
/// As [`QUIET`], for who ends when there is nothing.
const QUIET_UNTIL_EMPTY: Duration = Duration::from_millis(100);

/// Works until the end that was asked for, or Ctrl-C. What it has then goes to another consumer, or comes again.
///
/// # Errors
/// The server's refusal; output that cannot be written; a shell that cannot be run.
pub async fn run(args: ConsumeArgs, screen: &Screen) -> Result<(), Failure> {
    let mut interrupted = match args.exec {
        Some(_) => crate::cli::interrupt::listen_with_hangup()?,
        None => crate::cli::interrupt::listen()?,
    };
    let mut worker = Worker {
        left: args.max.unwrap_or(u64::MAX),
        timeout: Duration::ZERO,
        deliveries_max: 0,
        is_warned: false,
        lost: String::new(),
        args,
        screen,
    };
    worker.run(&mut interrupted).await
}

struct Worker<'a> {
    args: ConsumeArgs,
    screen: &'a Screen,
    left: u64,
    /// How long it may work on a record.
    timeout: Duration,
    /// How often a record is delivered before it is parked.
    deliveries_max: u32,
    /// Whether it was said that the group delivers nothing.
    is_warned: bool,
    /// Why nothing can be taken now, as it was said; empty where something can.
    lost: String,
}

/// What the work on one connection came to.
enum Worked {
    /// A record was taken.
    One,
    /// Nothing came.
    Nothing,
}

impl Worker<'_> {
    async fn run(&mut self, interrupted: &mut Interrupt) -> Result<(), Failure> {
        let client = self.args.reach.client().await?;
        let group = self.group(&client).await?;
        self.timeout = Duration::from_millis(group.ack_timeout_ms.into());
        self.deliveries_max = group.deliveries_max;
        self.warn_where_held_up(&group);
        if self.screen.err_terminal && !self.args.until_empty {
            let (name, lag) = (&self.args.name, count(group.lag.unwrap_or_default()));
            self.screen.note(format_args!(
                "working for group `{name}`, of which {lag} records are left, until Ctrl-C"
            ));
        }
        // Lost connections are told, and tried again here.
        let at_once = Retry {
            within: Duration::ZERO,
            ..Retry::default()
        };
        let consumer = client.consume(&self.args.name).named(&self.args.consumer);
        let mut consumer = consumer.credits(self.credits()).retry(at_once);
        let is_printed = self.args.exec.is_none();
        let worked = tokio::select! {
            worked = self.work(&client, &mut consumer) => worked,
            // A command that runs is killed with its wait.
            () = interrupted.heard() => Ok(()),
            () = reader_gone(), if is_printed => Err(Failure::ReaderGone),
        };
        // What was sent and had no turn, or whose command was ended, is no delivery.
        consumer.leave().await;
        worked
    }

    async fn work(&mut self, client: &Client, consumer: &mut Consumer) -> Result<(), Failure> {
        let mut waits = Backoff::default();
        let shortest = match self.args.until_empty {
            true => QUIET_UNTIL_EMPTY,
            false => QUIET,
        };
        let (mut quiet, mut was_over) = (shortest, false);
        while self.left > 0 || !consumer.is_answered() {
            match self.step(consumer, quiet).await {
                Ok(Worked::One) => {
                    self.connected();
                    waits = Backoff::default();
                    was_over = false;
                }
                Ok(Worked::Nothing) => {
                    let asked = Instant::now();
                    let Ok(group) = self.group(client).await else {
                        // What is wrong with the connection is met by the consumer, too.
                        continue;
                    };
                    self.connected();
                    let is_over = self.is_over(&group)?;
                    if is_over && was_over {
                        self.say_what_is_left(&group);
                        return Ok(());
                    }
                    // What is with consumers may be on its way to this one: it comes while as much time passes again.
                    was_over = is_over;
                    quiet = shortest.max(asked.elapsed() * 2);
                }
                Err(Ended::Lost(why)) => {
                    self.lost(why);
                    tokio::time::sleep(waits.next()).await;
                }
                Err(Ended::Failed(failure)) => return Err(failure),
            }
        }
        Ok(())
    }

    fn lost(&mut self, why: String) {
        if self.lost != why {
            self.screen.note(format_args!("{why}; trying again"));
            self.lost = why;
        }
    }

    fn connected(&mut self) {
        if !std::mem::take(&mut self.lost).is_empty() {
            self.screen.note("going on");
        }
    }

    /// A command may take long: then one record at a time, so that none waits here while its time runs.
    fn credits(&self) -> u32 {
        match self.args.exec {
            Some(_) => 1,
            None => u32::try_from(self.left).unwrap_or(CREDITS).min(CREDITS),
        }
    }

    fn job(&self) -> Option<Job> {
        let command = self.args.exec.clone()?;
        let timeout = self.args.exec_timeout;
        Some(Job { command, timeout })
    }

    async fn group(&self, client: &Client) -> Result<proto::ConsumerGroup, Failure> {
        let name = self.args.name.clone();
        let request = proto::GetGroupRequest { name };
        Ok(client.subscriptions().get_group(request).await?.into_inner())
    }

    /// Whether there is nothing to wait for.
    ///
    /// # Errors
    /// The group delivers nothing, and nobody waits until it does.
    fn is_over(&mut self, group: &proto::ConsumerGroup) -> Result<bool, Failure> {
        if self.args.until_empty
            && let Some(why) = self.held_up(group).filter(|_| is_parked_full(group))
        {
            return Err(Failure::failed(why));
        }
        self.warn_where_held_up(group);
        let is_full = group.in_flight >= u64::from(group.in_flight_max);
        let is_all = group.scanned_through >= group.tail || !group.held_up.is_empty();
        let is_empty = group.ready == 0 && is_all;
        Ok(self.args.until_empty && (is_full || is_empty))
    }

    fn held_up(&self, group: &proto::ConsumerGroup) -> Option<String> {
        let name = &self.args.name;
        (!group.held_up.is_empty()).then(|| match is_parked_full(group) {
            true => format!(
                "group `{name}` has {} parked records and delivers nothing until some are gone; see: chancery group parked {name}",
                count(group.parked)
            ),
            false => format!("group `{name}`: {}", group.held_up),
        })
    }

    fn warn_where_held_up(&mut self, group: &proto::ConsumerGroup) {
        let why = self.held_up(group).filter(|_| !self.args.until_empty);
        if let Some(why) = why.filter(|_| !self.is_warned) {
            self.screen.warn(why);
            self.is_warned = true;
        }
    }

    fn say_what_is_left(&self, group: &proto::ConsumerGroup) {
        let parts = [
            (group.in_flight, "with other consumers"),
            (group.waiting, "waiting for another of their entry"),
            (group.delayed, "delayed"),
            (group.ready, "ready"),
            (group.parked, "parked"),
        ];
        let parts = parts.iter().filter(|(records, _)| *records > 0);
        let parts: Vec<String> = parts
            .map(|(records, what)| format!("{} {what}", count(*records)))
            .collect();
        if !parts.is_empty() {
            self.screen
                .note(format_args!("nothing to take now: {}", parts.join(", ")));
        }
    }

    async fn step(&mut self, consumer: &mut Consumer, quiet: Duration) -> Result<Worked, Ended> {
        // What became of a record before the connection was lost comes before the next one.
        consumer.answered().await?;
        if self.left == 0 {
            return Ok(Worked::One);
        }
        let Ok(delivery) = tokio::time::timeout(quiet, consumer.next()).await else {
            return Ok(Worked::Nothing);
        };
        // A consumer's stream has no end.
        let Some(delivery) = delivery else {
            return Ok(Worked::Nothing);
        };
        self.deliver(consumer, delivery?).await?;
        Ok(Worked::One)
    }

    async fn deliver(&mut self, consumer: &mut Consumer, delivery: proto::Delivery) -> Result<(), Ended> {
        let Some(record) = delivery.record else {
            return Err(Ended::Failed(Failure::failed("the server delivered no record")));
        };
        let (position, change) = (record.position, record.change());
        let shown = Shown::record(&record).map_err(Ended::Failed)?;
        let Some(job) = self.job() else {
            let printed = reaction::print_one(self.args.output, &shown, change, self.screen);
            printed.map_err(Ended::Failed)?;
            // It was taken, whatever becomes of the answer.
            self.left -= 1;
            consumer.ack(&[position]).await?;
            return Ok(());
        };
        let mut running = Box::pin(reaction::execute(&job, &shown, change));
        let came = loop {
            let beat = (self.timeout / 3).max(Duration::from_millis(10));
            tokio::select! {
                came = &mut running => break came.map_err(Ended::Failed)?,
                () = tokio::time::sleep(beat) => consumer.extend(&[position]),
            }
        };
        drop(running);
        self.left -= 1;
        if came.is_success() {
            consumer.ack(&[position]).await?;
            return Ok(());
        }
        reaction::check_reader(&shown, self.screen).map_err(Ended::Failed)?;
        let again = delay(delivery.attempt);
        let next = match self.deliveries_max.saturating_sub(delivery.attempt) {
            0 => "it is parked".to_owned(),
            1 => format!("it comes once more, in {} s", again.as_secs()),
            left => format!(
                "it comes again in {} s, at most {left} times more",
                again.as_secs()
            ),
        };
        self.screen.warn(format_args!(
            "the command failed for position {position} ({came}); {next}"
        ));
        let why = format!("the command failed: {came}");
        consumer.nack(&[position], Refusal::Again(again), &why).await?;
        Ok(())
    }
}

/// Whether nothing is delivered before somebody has looked at what is parked.
fn is_parked_full(group: &proto::ConsumerGroup) -> bool {
    group.parked >= PARKED_MAX as u64
}

/// How long a record is left alone after its how-manieth failure.
fn delay(attempt: u32) -> Duration {
    let doubled = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    DELAY.saturating_mul(doubled).min(DELAY_MAX)
}

/// Why a step did not come to its end.
enum Ended {
    /// The daemon went away, or cannot go on for now: why. What was said last is said again on the next connection.
    Lost(String),
    /// It cannot go on.
    Failed(Failure),
}

impl From<ConsumeError> for Ended {
    fn from(error: ConsumeError) -> Self {
        match error {
            ConsumeError::GivenUp(status) if is_lost(&status) || status.code() == Code::Unavailable => {
                Self::Lost("the connection to the daemon was lost".to_owned())
            }
            ConsumeError::GivenUp(status) => Self::Lost(status.message().to_owned()),
            ConsumeError::Refused(status) => Self::Failed((*status).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_an_hour() {
        let seconds = |attempt| delay(attempt).as_secs();
        assert_eq!(
            [1, 2, 3, 12, 13, 33, u32::MAX].map(seconds),
            [1, 2, 4, 2_048, 3_600, 3_600, 3_600]
        );
        assert_eq!(seconds(0), 1);
    }
}
