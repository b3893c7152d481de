//! The client library: a daemon's services for Rust programs.
//!
//! [`Client`] connects as the daemon is best talked to, and wraps the calls that most programs make; the generated
//! clients are there for the others. [`Client::append_until_known`] sends a batch until its fate is known. [`Client::follow`] is a
//! [`Subscription`], which goes on by itself over any number of connections; it is made of [`Feed`]s, each of which is one call and
//! checks on the way that nothing was skipped. [`CitationId`] names a fixed answer of an archive. `docs/clients.md` shows it at work.

mod append;
pub mod citation;
mod consume;
mod feed;
mod follow;
mod proofs;
mod retry;
mod search;

pub use append::AppendError;
pub use citation::{CitationError, CitationId, Derivation};
pub use consume::{ConsumeError, Consumer, Refusal};
pub use feed::{Feed, FeedError};
pub use follow::{Event, FollowError, Mark, Subscription};
pub use proofs::IntegrityError;
pub use retry::Retry;

use crate::rpc::proto;
use crate::rpc::proto::admin_client::AdminClient;
use crate::rpc::proto::archive_client::ArchiveClient;
use crate::rpc::proto::integrity_client::IntegrityClient;
use crate::rpc::proto::query_client::QueryClient;
use crate::rpc::proto::subscriptions_client::SubscriptionsClient;
use crate::rpc::proto::views_client::ViewsClient;
use futures::{Stream, StreamExt, TryStreamExt};
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};
use tonic_types::StatusExt;

/// Where a daemon listens unless told otherwise.
pub const DEFAULT_SERVER: &str = "http://127.0.0.1:4710";
/// The most bytes of one answer. The server cuts its messages well below.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The largest frame that the server may send; with the default of 16 KiB reading takes twice as long.
const FRAME_BYTES: u32 = 256 * 1024;
/// Bytes that the server may send of one call before they are read: two messages of a feed.
const WINDOW_BYTES: u32 = 1024 * 1024;
/// The same of all calls of a connection: the most that HTTP/2 allows. What a call was sent counts here until it is read, so that
/// a feed that nobody reads would have every other call wait. This is enough for 2,047 of them, and a daemon takes 1,024 calls of a
/// connection at a time unless told otherwise.
const CONNECTION_BYTES: u32 = (1 << 31) - 1;
/// How long connecting may take.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// How often the daemon is asked whether it is still there, and how long its answer may take. Without it a machine that
/// went away without a word would be waited for without end.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Why no connection was made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The text is not an address.
    #[error("`{server}` is not an address; write http://HOST:PORT, as {DEFAULT_SERVER}")]
    Address {
        /// What was given.
        server: String,
        /// What is wrong with it.
        source: tonic::transport::Error,
    },
    /// It is reached in another way than this can.
    #[error(
        "`{server}`: a daemon speaks plain HTTP/2, and TLS is for a proxy or a tunnel; write http://HOST:PORT, as {DEFAULT_SERVER}"
    )]
    Scheme {
        /// What was given.
        server: String,
    },
    /// Nobody listens there.
    #[error("no daemon answers at {server}; start one with: chancery serve")]
    NoDaemon {
        /// The address.
        server: String,
        /// What the system said.
        source: tonic::transport::Error,
    },
}

/// A connection to a daemon; cheap to clone. One that was lost is made again when the next call needs it.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use chancery::client::{Client, DEFAULT_SERVER};
///
/// let client = Client::connect(DEFAULT_SERVER).await?;
/// let status = client.status().await?;
/// println!("{} holds {} records", status.origin, status.tail);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
}

impl Client {
    /// Connects to a daemon. An address without `http://` is taken as one with it.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(server: &str) -> Result<Self, ConnectError> {
        Self::connect_with(server, KEEPALIVE).await
    }

    /// A client that connects when it is first asked for something, so that it can be made before its daemon is there.
    ///
    /// # Errors
    /// [`ConnectError::Address`].
    ///
    /// ```no_run
    /// use chancery::client::Client;
    ///
    /// # fn example() -> Result<(), chancery::client::ConnectError> {
    /// // Within a runtime of tokio.
    /// let client = Client::lazy("127.0.0.1:4710")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn lazy(server: &str) -> Result<Self, ConnectError> {
        let (_, endpoint) = endpoint(server, KEEPALIVE)?;
        Ok(Self {
            channel: endpoint.connect_lazy(),
        })
    }

    async fn connect_with(server: &str, keepalive: Duration) -> Result<Self, ConnectError> {
        let (server, endpoint) = endpoint(server, keepalive)?;
        let channel = endpoint.connect().await;
        let channel = channel.map_err(|source| ConnectError::NoDaemon { server, source })?;
        Ok(Self { channel })
    }

    /// The generated client of `Archive`.
    pub fn archive(&self) -> ArchiveClient<Channel> {
        ArchiveClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The generated client of `Query`.
    pub fn query(&self) -> QueryClient<Channel> {
        QueryClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The generated client of `Views`.
    pub fn views(&self) -> ViewsClient<Channel> {
        ViewsClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The generated client of `Subscriptions`.
    pub fn subscriptions(&self) -> SubscriptionsClient<Channel> {
        SubscriptionsClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The generated client of `Integrity`.
    pub fn integrity(&self) -> IntegrityClient<Channel> {
        IntegrityClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The generated client of `Admin`.
    pub fn admin(&self) -> AdminClient<Channel> {
        AdminClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// Appends one batch; the receipts are durable.
    ///
    /// # Errors
    /// The server's status; see `docs/errors.md`.
    ///
    /// ```no_run
    /// use chancery::rpc::proto::AppendRequest;
    ///
    /// # async fn example(client: &chancery::client::Client) -> Result<(), tonic::Status> {
    /// // The call as it is; `append_until_known` is the one that survives a lost answer.
    /// let request = AppendRequest { validate_only: true, ..AppendRequest::default() };
    /// let response = client.append(request).await?;
    /// println!("the tail would be {}", response.tail);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn append(&self, request: proto::AppendRequest) -> Result<proto::AppendResponse, Status> {
        Ok(self.archive().append(request).await?.into_inner())
    }

    /// Appends batches in a pipeline. The answers come in the order of the batches; a refused batch is an answer too.
    ///
    /// # Errors
    /// The status of the stream as a whole; each batch's own is in its answer.
    ///
    /// ```no_run
    /// use chancery::client::refused;
    /// use chancery::rpc::proto::AppendRequest;
    /// use chancery::rpc::proto::append_stream_response::Result;
    ///
    /// # async fn example(client: &chancery::client::Client) -> std::result::Result<(), tonic::Status> {
    /// # let batches: Vec<AppendRequest> = Vec::new();
    /// let mut answers = client.append_stream(futures::stream::iter(batches)).await?;
    /// while let Some(answer) = answers.message().await? {
    ///     match answer.result {
    ///         Some(Result::Response(response)) => println!("durable up to {}", response.tail),
    ///         Some(Result::Refusal(refusal)) => println!("refused: {}", refused(refusal).message()),
    ///         None => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn append_stream(
        &self,
        requests: impl Stream<Item = proto::AppendRequest> + Send + 'static,
    ) -> Result<Streaming<proto::AppendStreamResponse>, Status> {
        Ok(self.archive().append_stream(requests).await?.into_inner())
    }

    /// Reads records, message by message.
    ///
    /// # Errors
    /// The server's status, at once or in the stream.
    ///
    /// ```no_run
    /// use chancery::rpc::proto::ReadRequest;
    ///
    /// # async fn example(client: &chancery::client::Client) -> Result<(), tonic::Status> {
    /// let request = ReadRequest { from: Some(100), limit: 50, ..ReadRequest::default() };
    /// let mut messages = client.read(request).await?;
    /// while let Some(message) = messages.message().await? {
    ///     println!("looked at everything up to {}", message.scanned_through);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn read(&self, request: proto::ReadRequest) -> Result<Streaming<proto::ReadResponse>, Status> {
        Ok(self.archive().read(request).await?.into_inner())
    }

    /// Reads records, one by one.
    ///
    /// # Errors
    /// As [`Client::read`].
    ///
    /// ```no_run
    /// use chancery::record::Leaf;
    /// use chancery::rpc::proto::ReadRequest;
    /// use futures::TryStreamExt;
    ///
    /// # async fn example(client: &chancery::client::Client) -> Result<(), tonic::Status> {
    /// let request = ReadRequest { filter: "dyad = PAK-IRN".into(), ..ReadRequest::default() };
    /// let mut records = std::pin::pin!(client.records(request).await?);
    /// while let Some(record) = records.try_next().await? {
    ///     let leaf = Leaf::decode(&record.leaf).expect("the archive stores leaves that can be read");
    ///     println!("{} {}", record.position, leaf.act);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn records(
        &self,
        request: proto::ReadRequest,
    ) -> Result<impl Stream<Item = Result<proto::Record, Status>> + Send + use<>, Status> {
        let messages = self.read(request).await?;
        let records = messages.map_ok(|message| futures::stream::iter(message.records).map(Ok));
        Ok(records.try_flatten())
    }

    /// One entry.
    ///
    /// # Errors
    /// NOT_FOUND, or another status of the server.
    ///
    /// ```no_run
    /// use chancery::rpc::proto::{EntryName, GetEntryRequest, entry_name::Name};
    ///
    /// # async fn example(client: &chancery::client::Client) -> Result<(), tonic::Status> {
    /// let entry = EntryName { name: Some(Name::Position(7)) };
    /// let request = GetEntryRequest { entry: Some(entry), ..GetEntryRequest::default() };
    /// let answer = client.get_entry(request).await?;
    /// println!("as of position {}", answer.view_position);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get_entry(
        &self,
        request: proto::GetEntryRequest,
    ) -> Result<proto::GetEntryResponse, Status> {
        Ok(self.archive().get_entry(request).await?.into_inner())
    }

    /// How the log stands.
    ///
    /// # Errors
    /// The server's status.
    pub async fn status(&self) -> Result<proto::GetStatusResponse, Status> {
        let request = proto::GetStatusRequest {};
        Ok(self.archive().get_status(request).await?.into_inner())
    }

    /// Follows the log, and checks that nothing is skipped.
    ///
    /// # Errors
    /// The server's status.
    ///
    /// ```no_run
    /// use chancery::rpc::proto::SubscribeRequest;
    ///
    /// # async fn example(client: &chancery::client::Client) -> Result<(), chancery::client::FeedError> {
    /// // One call; `follow` is the one that survives a lost connection.
    /// let mut feed = client.subscribe(SubscribeRequest::default()).await?;
    /// while let Some(message) = feed.next().await? {
    ///     println!("{message:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn subscribe(&self, request: proto::SubscribeRequest) -> Result<Feed, Status> {
        let messages = self.subscriptions().subscribe(request).await?;
        Ok(Feed::new(messages.into_inner(), None))
    }
}

/// The address as it is connected to, and the settings with which a daemon is best talked to.
fn endpoint(server: &str, keepalive: Duration) -> Result<(String, Endpoint), ConnectError> {
    let server = if server.contains("://") {
        server.to_owned()
    } else {
        format!("http://{server}")
    };
    let endpoint = Endpoint::from_shared(server.clone()).map_err(|source| ConnectError::Address {
        server: server.clone(),
        source,
    })?;
    // It would speak without TLS all the same.
    if endpoint.uri().scheme_str() != Some("http") {
        return Err(ConnectError::Scheme { server });
    }
    let endpoint = endpoint
        // Without it a small request waits some 40 ms for the server's delayed acknowledgement.
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_WAIT)
        .http2_keep_alive_interval(keepalive)
        .keep_alive_timeout(keepalive)
        .keep_alive_while_idle(true)
        .max_frame_size(FRAME_BYTES)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_BYTES);
    Ok((server, endpoint))
}

/// The stable reason of a failed call, where the server gave one: see `docs/errors.md`.
pub fn reason(status: &Status) -> Option<String> {
    status.get_details_error_info().map(|info| info.reason)
}

/// The status that an in-band refusal stands for.
pub fn refused(refusal: proto::Refusal) -> Status {
    Status::with_details(refusal.code.into(), refusal.message, refusal.details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[tokio::test]
    async fn a_daemon_that_went_away_without_a_word_is_not_waited_for_without_end() {
        // It takes the connection and never says anything.
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            let mut taken = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                taken.push(connection);
            }
        });
        let client = Client::connect_with(&address, Duration::from_millis(50))
            .await
            .unwrap();
        let asked = tokio::time::timeout(Duration::from_secs(60), client.status()).await;
        let status = asked.expect("the call is waited for without end").unwrap_err();
        assert!(
            status.source().is_some(),
            "it is told as a lost connection: {status:?}"
        );
        server.abort();
    }
}
