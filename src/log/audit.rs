//! AUDIT records: what an archivist must be able to see later and no other record says.
//!
//! What is done to an entry by the administration and its AUDIT are one batch, so that neither is ever there without the
//! other. The rest is written by the archive itself.

use super::Log;
use super::batch::{Batch, Door, Draft};
use super::error::AppendError;
use crate::record::codec::{self, Payload, SystemEvent};
use crate::record::{Act, EntryKey, Position, Principal, Reason, Series};

/// The AUDIT that says what was done, to which entry if to any, and what came of it.
///
/// # Panics
/// Never: the series' name is a constant.
pub fn draft(event: &str, entry: Option<&EntryKey>, details: &[(&str, String)]) -> Draft {
    let detail = |(name, value): &(&str, String)| codec::Extra {
        name: (*name).into(),
        value: value.clone(),
    };
    let system = SystemEvent {
        event: event.into(),
        series: entry.map(|entry| entry.series.to_string()).unwrap_or_default(),
        key: entry.map(|entry| entry.key.to_string()).unwrap_or_default(),
        details: details.iter().map(detail).collect(),
    };
    let payload = codec::encode_payload(&Payload {
        system: Some(system),
        ..Payload::default()
    });
    Draft {
        act: Act::Audit,
        kind: None,
        series: Series::new(Series::SYSTEM).expect("the archive's own series has a name of the right form"),
        key: None,
        payload,
        expected_revision: None,
        reason: Reason::default(),
        relation: None,
        erased: None,
    }
}

impl Log {
    /// Takes the clock for right. Answers the AUDIT record that says so, or `None` where the clock was not in doubt. A doubt
    /// that was overridden before and is told of by no record, at the start or because the append failed, is told now.
    ///
    /// # Errors
    /// As [`Log::append`]; the clock is taken for right all the same.
    pub async fn confirm_clock(
        &self,
        authority: &str,
        principal: Principal,
    ) -> Result<Option<Position>, AppendError> {
        let untold = self.shared.with_committer(|committer| {
            committer.time.confirm();
            committer.time.untold.take()
        });
        let Some(doubt) = untold else {
            return Ok(None);
        };
        let details = [("authority", authority.to_owned()), ("doubt", doubt.to_string())];
        let told = self.audit("confirm-clock", &details, principal).await;
        if told.is_err() {
            self.shared
                .with_committer(|committer| committer.time.untold = Some(doubt));
        }
        told.map(Some)
    }

    /// Writes what an archivist must be able to see later as an AUDIT record; answers its position.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub async fn audit(
        &self,
        event: &str,
        details: &[(&str, String)],
        principal: Principal,
    ) -> Result<Position, AppendError> {
        let batch = Batch {
            records: vec![draft(event, None, details)],
            request_id: None,
            expected_tail: None,
            fail_if_match: None,
            validate_only: false,
            principal,
            door: Door::System,
        };
        let appended = self.append(batch).await?;
        Ok(appended
            .receipts
            .first()
            .map_or(appended.tail, |receipt| receipt.position))
    }
}
