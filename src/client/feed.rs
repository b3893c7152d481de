//! A subscription as its reader sees it: one call, message by message.
//!
//! [`super::Subscription`] is made of these, one after the other.

use crate::record::Position;
use crate::rpc::proto::{self, subscribe_response::Message};
use crate::subscription::Cursor;
use crate::subscription::cursor::Gap;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tonic::{Status, Streaming};

/// Why a feed ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The server ended it, or the connection was lost. Subscribe again with [`Feed::token`].
    #[error("{}", .0.message())]
    Status(#[from] Status),
    /// The server skipped or repeated positions, which it never may. What came before is right.
    #[error("the server broke its promise: {0}; subscribe again from the last resume token")]
    Gap(#[from] Gap),
    /// The server sent a record out of order, or from outside the range that it says it scanned, which it never may.
    #[error(
        "the server broke its promise: position {0} is not the next one of its range; subscribe again from the last resume token"
    )]
    Stray(Position),
    /// The server sent a message that this client does not know.
    #[error("the server sent a message that this client does not know; use a newer client")]
    Unknown,
}

/// Messages of a subscription, each checked to begin where the one before ended. It is a [`Stream`] of them too.
#[derive(Debug)]
pub struct Feed {
    messages: Streaming<proto::SubscribeResponse>,
    cursor: Option<Cursor>,
    token: Bytes,
}

impl Feed {
    /// A feed that must begin at the cursor, where there is one.
    pub(super) fn new(messages: Streaming<proto::SubscribeResponse>, cursor: Option<Cursor>) -> Self {
        Self {
            messages,
            cursor,
            token: Bytes::new(),
        }
    }

    /// The next message; `None` at the end. Nothing is lost where the future is dropped.
    ///
    /// # Errors
    /// [`FeedError`].
    pub async fn next(&mut self) -> Result<Option<Message>, FeedError> {
        StreamExt::next(self).await.transpose()
    }

    /// Where to resume after the last message.
    pub fn token(&self) -> &Bytes {
        &self.token
    }

    /// The first position not scanned; `None` before the first message.
    pub fn position(&self) -> Option<Position> {
        self.cursor.as_ref().map(Cursor::next)
    }

    fn accept(&mut self, response: proto::SubscribeResponse) -> Result<Message, FeedError> {
        let message = response.message.ok_or(FeedError::Unknown)?;
        self.check(&message)?;
        Ok(message)
    }

    fn check(&mut self, message: &Message) -> Result<(), FeedError> {
        match message {
            Message::Started(started) => {
                let from = Position::new(started.from);
                self.cursor.get_or_insert(Cursor::new(from)).advance(from, from)?;
                self.token.clone_from(&started.resume_token);
            }
            Message::Batch(batch) => {
                let (first, through) = (
                    Position::new(batch.first_scanned),
                    Position::new(batch.scanned_through),
                );
                let cursor = self.cursor.get_or_insert(Cursor::new(first));
                cursor.advance(first, through)?;
                in_order(batch)?;
                self.token.clone_from(&batch.resume_token);
            }
            Message::Draining(draining) => self.token.clone_from(&draining.resume_token),
            Message::CaughtUp(_) | Message::FellBehind(_) | Message::Heartbeat(_) => {}
        }
        Ok(())
    }
}

impl Stream for Feed {
    type Item = Result<Message, FeedError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let response = ready!(self.messages.poll_next_unpin(context));
        Poll::Ready(response.map(|response| self.accept(response?)))
    }
}

/// Records lie within the scanned range, each after the one before.
fn in_order(batch: &proto::Batch) -> Result<(), FeedError> {
    let mut due = batch.first_scanned;
    for record in &batch.records {
        if record.position < due || record.position >= batch.scanned_through {
            return Err(FeedError::Stray(Position::new(record.position)));
        }
        due = record.position + 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_out_of_order_or_range_is_found() {
        let check = |positions: &[u64], stray: Option<u64>| {
            let record = |position: &u64| proto::Record {
                position: *position,
                ..proto::Record::default()
            };
            let batch = proto::Batch {
                records: positions.iter().map(record).collect(),
                first_scanned: 3,
                scanned_through: 7,
                ..proto::Batch::default()
            };
            let found = match in_order(&batch) {
                Err(FeedError::Stray(position)) => Some(position.get()),
                _ => None,
            };
            assert_eq!(found, stray, "{positions:?}");
        };
        check(&[], None);
        check(&[3, 4, 6], None);
        check(&[2], Some(2));
        check(&[4, 4], Some(4));
        check(&[5, 4], Some(4));
        check(&[6, 7], Some(7));
    }
}
