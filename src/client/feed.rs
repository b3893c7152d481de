//! A subscription as its reader sees it.

use crate::record::Position;
use crate::rpc::proto::{self, subscribe_response::Message};
use crate::subscription::Cursor;
use crate::subscription::cursor::Gap;
use bytes::Bytes;
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
    /// The server sent a message that this client does not know.
    #[error("the server sent a message that this client does not know; use a newer client")]
    Unknown,
}

/// Messages of a subscription, each checked to begin where the one before ended.
#[derive(Debug)]
pub struct Feed {
    messages: Streaming<proto::SubscribeResponse>,
    cursor: Option<Cursor>,
    token: Bytes,
}

impl Feed {
    pub(super) fn new(messages: Streaming<proto::SubscribeResponse>) -> Self {
        Self {
            messages,
            cursor: None,
            token: Bytes::new(),
        }
    }

    /// The next message; `None` at the end.
    ///
    /// # Errors
    /// [`FeedError`].
    pub async fn next(&mut self) -> Result<Option<Message>, FeedError> {
        let Some(response) = self.messages.message().await? else {
            return Ok(None);
        };
        let message = response.message.ok_or(FeedError::Unknown)?;
        self.check(&message)?;
        Ok(Some(message))
    }

    /// Where to resume after the last message.
    pub fn token(&self) -> &Bytes {
        &self.token
    }

    /// The first position not scanned; `None` before the first message.
    pub fn position(&self) -> Option<Position> {
        self.cursor.as_ref().map(Cursor::next)
    }

    fn check(&mut self, message: &Message) -> Result<(), FeedError> {
        match message {
            Message::Started(started) => {
                self.cursor = Some(Cursor::new(Position::new(started.from)));
                self.token.clone_from(&started.resume_token);
            }
            Message::Batch(batch) => {
                let (first, through) = (
                    Position::new(batch.first_scanned),
                    Position::new(batch.scanned_through),
                );
                let cursor = self.cursor.get_or_insert(Cursor::new(first));
                cursor.advance(first, through)?;
                self.token.clone_from(&batch.resume_token);
            }
            Message::Draining(draining) => self.token.clone_from(&draining.resume_token),
            Message::CaughtUp(_) | Message::FellBehind(_) | Message::Heartbeat(_) => {}
        }
        Ok(())
    }
}
