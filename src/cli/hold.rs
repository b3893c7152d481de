//! `chancery hold` and `chancery release`: an entry that may not be erased.

use super::act::{self, Common, print_receipts};
use super::append::{sent, unsent};
use super::failure::Failure;
use super::name::EntryArg;
use super::screen::Screen;
use crate::client::Client;
use crate::rpc::proto;
use tonic::Status;

/// Forbids that an entry is erased, or allows it again.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// SERIES/KEY, SERIES/ and the first 8 characters or more of its key, or the position of one of its records
    #[arg(value_name = "ENTRY")]
    entry: EntryArg,
    /// On whose decision, law or order
    #[arg(long, value_name = "TEXT")]
    authority: String,
    /// Why, as a code
    #[arg(long, value_name = "CODE", value_parser = act::reason, default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    common: Common,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Forbid.
    Hold,
    /// Allow again.
    Release,
}

impl Order {
    /// Asks the administration for it. What a hold and a release say is the same.
    async fn send(
        self,
        client: &Client,
        asked: proto::HoldRequest,
    ) -> Result<Option<proto::Receipt>, Status> {
        let mut admin = client.admin();
        match self {
            Self::Hold => Ok(admin.hold(asked).await?.into_inner().receipt),
            Self::Release => {
                let asked = proto::ReleaseRequest {
                    entry: asked.entry,
                    authority: asked.authority,
                    explanation: asked.explanation,
                    reason: asked.reason,
                    request_id: asked.request_id,
                    claimed_principal: asked.claimed_principal,
                    expected_revision: asked.expected_revision,
                };
                Ok(admin.release(asked).await?.into_inner().receipt)
            }
        }
    }
}

/// Makes the act through the administration. Where the connection breaks it is asked for once more, which its request id
/// makes safe.
///
/// # Errors
/// The server's: an unknown entry, already so.
pub async fn run(order: Order, args: Args, screen: &Screen) -> Result<(), Failure> {
    let client = args.common.reach.client().await?;
    let name = args.entry.resolve(&client).await?;
    let entry = Some(proto::EntryKey {
        series: name.series.to_string(),
        key: name.key.to_string(),
    });
    let id = args.common.actor.request_id()?;
    let asked = proto::HoldRequest {
        entry,
        authority: args.authority,
        explanation: args.common.explanation,
        reason: args.reason,
        request_id: id.clone().into_bytes().into(),
        claimed_principal: args.common.actor.claimed(),
        expected_revision: None,
    };
    let receipt = sent(async || order.send(&client, asked.clone()).await)
        .await
        .map_err(|status| unsent(status, &id))?;
    print_receipts(&name, receipt.as_slice(), args.common.output, screen)
}
