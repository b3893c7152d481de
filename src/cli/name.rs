//! Entries, points in the log and filters as they are written on the command line.

use super::failure::Failure;
use super::shown::Shown;
use crate::client::Client;
use crate::record::{EntryKey, Recorded, Series};
use crate::rpc::proto;
use std::str::FromStr;
use tonic::{Code, Status};

/// The characters of a key from which on its beginning may stand for it.
const PREFIX_CHARS_MIN: usize = 8;
/// The nanoseconds of a day.
const DAY_NANOS: i64 = 86_400_000_000_000;

/// An entry as a person names it: SERIES/KEY, SERIES/ and the beginning of a key, or the position of one of its
/// records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryArg {
    /// The position of any of its records.
    Position(u64),
    /// A series, and a key or its beginning.
    Name {
        /// The series.
        series: String,
        /// The key, or at least 8 characters of it.
        key: String,
    },
}

impl FromStr for EntryArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if is_number(text) {
            return text
                .parse()
                .map(Self::Position)
                .map_err(|_| format!("`{text}` is too large for a position"));
        }
        let Some((series, key)) = text.split_once('/').filter(|(_, key)| !key.is_empty()) else {
            return Err(
                "an entry is SERIES/KEY, SERIES/ and the first 8 characters or more of its key, or a position"
                    .to_owned(),
            );
        };
        Series::new(series).map_err(|error| error.to_string())?;
        Ok(Self::Name {
            series: series.to_owned(),
            key: key.to_owned(),
        })
    }
}

impl EntryArg {
    /// An entry by its whole name.
    pub fn of(name: &EntryKey) -> Self {
        Self::Name {
            series: name.series.to_string(),
            key: name.key.to_string(),
        }
    }

    /// Asks for the entry, first by its whole key and then by the beginning of it.
    ///
    /// # Errors
    /// The server's: unknown, or several entries of which the key begins so.
    pub async fn get(
        &self,
        client: &Client,
        as_of: Option<proto::AsOf>,
        exact: bool,
    ) -> Result<proto::GetEntryResponse, Failure> {
        let asked = proto::GetEntryRequest {
            as_of,
            exact,
            ..proto::GetEntryRequest::default()
        };
        self.ask(client, asked).await
    }

    /// Asks for the entry and what its text suggests.
    ///
    /// # Errors
    /// As [`EntryArg::get`].
    pub async fn with_suggestions(
        &self,
        client: &Client,
        as_of: Option<proto::AsOf>,
    ) -> Result<proto::GetEntryResponse, Failure> {
        let asked = proto::GetEntryRequest {
            as_of,
            suggestions: true,
            ..proto::GetEntryRequest::default()
        };
        self.ask(client, asked).await
    }

    /// Asks for the entry at one of its revisions, or at its newest.
    ///
    /// # Errors
    /// As [`EntryArg::get`], and a revision that it does not have.
    pub async fn revision(
        &self,
        client: &Client,
        revision: Option<u64>,
    ) -> Result<proto::GetEntryResponse, Failure> {
        let asked = proto::GetEntryRequest {
            revision,
            ..proto::GetEntryRequest::default()
        };
        self.ask(client, asked).await
    }

    /// As [`EntryArg::get`]; `None` where there is no such entry. Where `whole`, the key is not taken for a beginning.
    ///
    /// # Errors
    /// The server's.
    pub async fn find(
        &self,
        client: &Client,
        whole: bool,
    ) -> Result<Option<proto::GetEntryResponse>, Failure> {
        match self
            .answer(client, proto::GetEntryRequest::default(), whole)
            .await
        {
            Ok(found) => Ok(Some(found)),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status.into()),
        }
    }

    async fn ask(
        &self,
        client: &Client,
        asked: proto::GetEntryRequest,
    ) -> Result<proto::GetEntryResponse, Failure> {
        self.answer(client, asked, false).await.map_err(Failure::from)
    }

    async fn answer(
        &self,
        client: &Client,
        asked: proto::GetEntryRequest,
        is_whole: bool,
    ) -> Result<proto::GetEntryResponse, Status> {
        let request = |name| proto::GetEntryRequest {
            entry: Some(proto::EntryName { name: Some(name) }),
            ..asked.clone()
        };
        let (whole, beginning) = self.wire();
        let beginning = beginning.filter(|_| !is_whole);
        let unknown = match (client.get_entry(request(whole)).await, beginning) {
            (Ok(found), _) => return Ok(found),
            (Err(status), Some(beginning)) if status.code() == Code::NotFound => {
                match client.get_entry(request(beginning)).await {
                    Err(again) if again.code() == Code::NotFound => status,
                    answer => return answer,
                }
            }
            (Err(status), _) => status,
        };
        Err(unknown)
    }

    /// Series and key of the entry, whole.
    ///
    /// # Errors
    /// As [`EntryArg::get`].
    pub async fn resolve(&self, client: &Client) -> Result<EntryKey, Failure> {
        let answer = self.get(client, None, false).await?;
        Shown::entry(&answer.entry.unwrap_or_default())?.name()
    }

    /// Whether it may stand for the entry of this series and key; a position may for any.
    pub fn names(&self, series: &str, key: &str) -> bool {
        match self {
            Self::Position(_) => true,
            Self::Name {
                series: asked,
                key: beginning,
            } => {
                let is_long_enough = beginning.chars().count() >= PREFIX_CHARS_MIN;
                asked == series && (beginning == key || is_long_enough && key.starts_with(beginning))
            }
        }
    }

    fn wire(&self) -> (proto::entry_name::Name, Option<proto::entry_name::Name>) {
        use proto::entry_name::Name;
        match self {
            Self::Position(position) => (Name::Position(*position), None),
            Self::Name { series, key } => {
                let key = proto::EntryKey {
                    series: series.clone(),
                    key: key.clone(),
                };
                let long_enough = key.key.chars().count() >= PREFIX_CHARS_MIN;
                (
                    Name::Key(key.clone()),
                    long_enough.then_some(Name::KeyPrefix(key)),
                )
            }
        }
    }
}

/// A point in the log: a position (digits only), a day or a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A position.
    Position(u64),
    /// A day of UTC, by its first nanosecond.
    Day(i64),
    /// A moment, in nanoseconds since 1970.
    Time(i64),
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if is_number(text) {
            return text
                .parse()
                .map(Self::Position)
                .map_err(|_| format!("`{text}` is too large for a position"));
        }
        let wrong =
            || "a point in the log is a position, YYYY-MM-DD, or a time as 2026-11-23T10:00:00Z".to_owned();
        let nanos = |text: &str| text.parse::<Recorded>().map(Recorded::nanos).map_err(|_| wrong());
        match text.len() {
            10 => nanos(&format!("{text}T00:00:00Z")).map(Self::Day),
            _ => nanos(text).map(Self::Time),
        }
    }
}

impl Point {
    /// The state at the point: below the position, or with everything recorded until the time; a day counts whole.
    pub fn as_of(self) -> proto::AsOf {
        use proto::as_of::At;
        let at = match self {
            Self::Position(position) => At::Position(position),
            Self::Day(start) => At::Recorded(start.saturating_add(DAY_NANOS - 1)),
            Self::Time(nanos) => At::Recorded(nanos),
        };
        proto::AsOf { at: Some(at) }
    }

    /// The first record at the point or after it; of a day, from its start.
    pub fn from(self) -> proto::subscribe_from::From {
        use proto::subscribe_from::From;
        match self {
            Self::Position(position) => From::Position(position),
            Self::Day(nanos) | Self::Time(nanos) => From::Recorded(nanos),
        }
    }
}

/// A filter given as one argument or as several words.
pub fn filter(words: &[String]) -> String {
    words.join(" ")
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_name_or_a_position() {
        assert_eq!("4711".parse(), Ok(EntryArg::Position(4711)));
        let name = |series: &str, key: &str| EntryArg::Name {
            series: series.into(),
            key: key.into(),
        };
        assert_eq!("desk/a/b".parse(), Ok(name("desk", "a/b")));
        assert_eq!("gdelt/410412347".parse(), Ok(name("gdelt", "410412347")));
        for bad in ["desk", "desk/", "/key", "Desk/key", "", "99999999999999999999999"] {
            assert!(bad.parse::<EntryArg>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_eight_characters_or_more_stand_for_a_key() {
        let beginning = |text: &str| text.parse::<EntryArg>().unwrap().wire().1.is_some();
        assert!(beginning("desk/12345678"));
        assert!(!beginning("desk/1234567"));
        assert!(!beginning("12345678"));
    }

    #[test]
    fn another_entry_than_the_one_that_was_asked_for_is_told_apart() {
        let names = |text: &str, series, key| text.parse::<EntryArg>().unwrap().names(series, key);
        assert!(names("desk/12345678", "desk", "12345678"));
        assert!(names("desk/12345678", "desk", "123456789"));
        assert!(!names("desk/1234567", "desk", "12345678"));
        assert!(!names("desk/12345678", "desk", "1234567"));
        assert!(!names("desk/12345678", "wire", "12345678"));
        assert!(names("17", "desk", "anything"));
    }

    #[test]
    fn a_day_is_known_at_its_end_and_followed_from_its_start() {
        let day: Point = "1970-01-02".parse().unwrap();
        assert_eq!(
            day.as_of().at,
            Some(proto::as_of::At::Recorded(2 * DAY_NANOS - 1))
        );
        assert_eq!(day.from(), proto::subscribe_from::From::Recorded(DAY_NANOS));
        let time: Point = "1970-01-02T00:00:00Z".parse().unwrap();
        assert_eq!(time.as_of().at, Some(proto::as_of::At::Recorded(DAY_NANOS)));
        assert_eq!("12".parse(), Ok(Point::Position(12)));
        for bad in ["yesterday", "2021-13-01", "2021-10", ""] {
            assert!(bad.parse::<Point>().is_err(), "{bad}");
        }
    }
}
