//! What an answer leaves out of entries that tell of one event: the option `--collapse`.

use crate::rpc::proto;
use clap::ValueEnum;

/// What is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Collapse {
    /// Nothing
    #[default]
    None,
    /// Entries that tell what an earlier one tells, with source and target swapped
    Twins,
    /// Those, and entries that tell the same as an earlier one
    Alike,
}

impl Collapse {
    /// As requests say it.
    pub fn wire(self) -> i32 {
        let collapse = match self {
            Self::None => proto::Collapse::None,
            Self::Twins => proto::Collapse::Twins,
            Self::Alike => proto::Collapse::Alike,
        };
        collapse.into()
    }
}
