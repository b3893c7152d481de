//! `chancery hold` and `chancery release`: an entry that may not be erased.

use super::act::{self, Common, print_receipts};
use super::failure::Failure;
use super::name::EntryArg;
use super::screen::Screen;
use crate::rpc::proto;

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

/// Makes the act through the administration.
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
    let request_id = args.common.actor.request_id()?.into_bytes().into();
    let (authority, explanation, reason) = (args.authority, args.common.explanation, args.reason);
    let claimed_principal = args.common.actor.claimed();
    let mut admin = client.admin();
    let receipt = match order {
        Order::Hold => {
            let request = proto::HoldRequest {
                entry,
                authority,
                explanation,
                reason,
                request_id,
                claimed_principal,
                expected_revision: None,
            };
            admin.hold(request).await?.into_inner().receipt
        }
        Order::Release => {
            let request = proto::ReleaseRequest {
                entry,
                authority,
                explanation,
                reason,
                request_id,
                claimed_principal,
                expected_revision: None,
            };
            admin.release(request).await?.into_inner().receipt
        }
    };
    print_receipts(&name, receipt.as_slice(), args.common.output, screen)
}
