//! The batch that an annotation becomes: it is sent once, under one request id, and told afterwards.

use super::super::append::{Receipts, Sent, by_line, is_unknown, sent, wire};
use super::super::connect::Actor;
use super::super::failure::Failure;
use super::super::screen::{Screen, stdout};
use super::Args;
use crate::client::Client;
use crate::record::EntryKey;
use crate::record::json::Input;
use crate::rpc::proto;
use std::io::Write;

/// Events that are appended together.
pub(super) struct Batch {
    /// The name of the request, by which it is recorded once.
    pub(super) id: String,
    entries: Vec<Sent>,
    /// On which lines of the annotation they begin.
    lines: Vec<usize>,
    request: proto::AppendRequest,
}

/// Why nothing is known to be recorded.
pub(super) enum Refused {
    /// Nothing is: the server, or the way there, says why.
    Known(String),
    /// Nobody knows.
    Unknown,
}

impl Batch {
    /// A batch of events, each with its line.
    ///
    /// # Errors
    /// Where the system gives no random numbers.
    pub(super) fn of(events: Vec<(usize, Input)>, args: &Args) -> Result<Self, Failure> {
        let id = args.actor.request_id()?;
        let (lines, events): (Vec<usize>, Vec<Input>) = events.into_iter().unzip();
        let entry = |input: &Input| Sent {
            series: input.series.as_ref().map(ToString::to_string).unwrap_or_default(),
            key: input.key.clone(),
        };
        Ok(Self {
            entries: events.iter().map(entry).collect(),
            lines,
            request: proto::AppendRequest {
                records: events.into_iter().map(wire).collect(),
                request_id: id.as_bytes().to_vec().into(),
                validate_only: args.dry_run,
                claimed_principal: args.actor.claimed(),
                ..proto::AppendRequest::default()
            },
            id,
        })
    }

    /// Sends it: twice where the connection broke, which its id makes safe.
    pub(super) async fn send(&self, client: &Client) -> Result<Vec<proto::Receipt>, Refused> {
        match sent(async || client.append(self.request.clone()).await).await {
            Ok(answer) => Ok(answer.receipts),
            Err(status) if is_unknown(&status) => Err(Refused::Unknown),
            Err(status) => Err(Refused::Known(match by_line(status.message(), &self.lines) {
                Some(sentence) => sentence,
                None => Failure::from(status).sentence().unwrap_or_default().to_owned(),
            })),
        }
    }

    /// Whoever sent it, and its id, which may be a random one.
    pub(super) fn actor(&self, args: &Args) -> Actor {
        Actor {
            request_id: Some(self.id.clone()),
            ..args.actor.clone()
        }
    }

    /// Prints the receipts.
    ///
    /// # Errors
    /// Output that cannot be written; the sentence says what was recorded all the same.
    pub(super) fn print(
        &self,
        receipts: &[proto::Receipt],
        document: &EntryKey,
        args: &Args,
        screen: &Screen,
    ) -> Result<(), Failure> {
        let print = || {
            let mut out = stdout();
            let mut table = Receipts::new(args.output, screen).of_dry_run(args.dry_run);
            table.add(&self.entries, receipts, &mut out)?;
            table.end(&mut out)?;
            Ok(out.flush()?)
        };
        print().map_err(|failure: Failure| match failure {
            Failure::Failed(problem) => Failure::failed(format!("{}, but {problem}", self.outcome(document))),
            other => other,
        })
    }

    /// What came of it, in words.
    pub(super) fn outcome(&self, document: &EntryKey) -> String {
        let number = self.entries.len();
        let what = if number == 1 { "event" } else { "events" };
        match self.request.validate_only {
            true => format!("nothing is written; {number} {what} would be reported-in {document}"),
            false => format!("{number} {what} reported-in {document}"),
        }
    }
}
