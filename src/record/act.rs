//! The acts, and the small words that go with them.
//!
//! The numbers of [`Act`] and [`Kind`] are those of `record.proto`: a disk format.

use super::codec;
use std::fmt;
use std::str::FromStr;

macro_rules! words {
    ($(#[$meta:meta])* $name:ident, $what:literal { $($(#[$doc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant),* }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word for it in JSON, filters and messages.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.word())
            }
        }

        impl FromStr for $name {
            type Err = WordError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|one| one.word() == text).ok_or_else(|| WordError {
                    what: $what,
                    text: text.chars().take(64).collect(),
                    allowed: [$($word),*].join(", "),
                })
            }
        }
    };
}

/// A word that is not one of those allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{text}` is not known; use one of {allowed}")]
pub struct WordError {
    what: &'static str,
    text: String,
    allowed: String,
}

words! {
    /// What happened to an entry.
    Act, "act" {
        /// The first content: revision 1.
        Create = "create",
        /// Whole new content: the revision rises by one.
        Amend = "amend",
        /// Out of the answers; the history stays readable.
        Retract = "retract",
        /// Back into the answers.
        Reinstate = "reinstate",
        /// A relation decided later.
        Link = "link",
        /// A relation taken back.
        Unlink = "unlink",
        /// Content and salt removed by law; the proofs stay.
        Erase = "erase",
        /// ERASE is forbidden.
        Hold = "hold",
        /// The hold ends.
        Release = "release",
        /// A new reign of the log.
        Epoch = "epoch",
        /// Something that an archivist must be able to see later.
        Audit = "audit",
    }
}

words! {
    /// What sort of thing an entry is; fixed by its first record.
    Kind, "kind" {
        /// Something happened.
        Event = "event",
        /// A dispatch, an article, a row about a text.
        Document = "document",
        /// A mention of an event in a document.
        Report = "report",
        /// A treaty or another agreement.
        Agreement = "agreement",
        /// An actor, a place or a series described.
        Authority = "authority",
        /// A record of the archive about itself.
        System = "system",
    }
}

words! {
    /// What the archive says of an entry or of a record's content.
    Status, "status" {
        /// In the answers.
        Current = "current",
        /// A revision with a newer one.
        Superseded = "superseded",
        /// Taken out of the answers.
        Retracted = "retracted",
        /// Its content is gone.
        Erased = "erased",
    }
}

words! {
    /// What an append did to a record.
    Outcome, "outcome" {
        /// A new entry.
        Recorded = "recorded",
        /// A new revision.
        Amended = "amended",
        /// Another act.
        Acted = "acted",
        /// Nothing was written: an earlier revision says the same.
        Duplicate = "duplicate",
    }
}

impl Act {
    /// Whether the act carries content and so makes a revision.
    pub const fn has_content(self) -> bool {
        matches!(self, Self::Create | Self::Amend)
    }

    /// The number in the leaf.
    pub const fn number(self) -> i32 {
        let code = match self {
            Self::Create => codec::Act::Create,
            Self::Amend => codec::Act::Amend,
            Self::Retract => codec::Act::Retract,
            Self::Reinstate => codec::Act::Reinstate,
            Self::Link => codec::Act::Link,
            Self::Unlink => codec::Act::Unlink,
            Self::Erase => codec::Act::Erase,
            Self::Hold => codec::Act::Hold,
            Self::Release => codec::Act::Release,
            Self::Epoch => codec::Act::Epoch,
            Self::Audit => codec::Act::Audit,
        };
        code as i32
    }

    /// The act with this number in the leaf.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.iter().copied().find(|act| act.number() == number)
    }
}

impl Kind {
    /// The number in the leaf.
    pub const fn number(self) -> i32 {
        let code = match self {
            Self::Event => codec::Kind::Event,
            Self::Document => codec::Kind::Document,
            Self::Report => codec::Kind::Report,
            Self::Agreement => codec::Kind::Agreement,
            Self::Authority => codec::Kind::Authority,
            Self::System => codec::Kind::System,
        };
        code as i32
    }

    /// The kind with this number in the leaf.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_round_trip() {
        for act in Act::ALL {
            assert_eq!(act.word().parse(), Ok(*act));
            assert_eq!(Act::from_number(act.number()), Some(*act));
        }
        for kind in Kind::ALL {
            assert_eq!(kind.word().parse(), Ok(*kind));
            assert_eq!(Kind::from_number(kind.number()), Some(*kind));
        }
        assert_eq!(Act::from_number(0), None);
        assert_eq!(Act::from_number(99), None);
    }

    #[test]
    fn an_unknown_word_is_answered_with_those_allowed() {
        let error = "deleted".parse::<Status>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "status `deleted` is not known; use one of current, superseded, retracted, erased"
        );
    }
}
