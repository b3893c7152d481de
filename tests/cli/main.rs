//! The command line, asked as a user asks it: the real binary, against a real daemon.

mod acts;
mod alerts;
mod alerts_kept;
mod alerts_tls;
mod annotating;
mod authorities;
mod cite;
mod counts;
mod daemon;
mod edits;
mod erasing;
mod found_words;
mod groups;
mod harness;
mod help;
mod imports;
mod proofs;
mod questions;
mod receiving;
mod rows;
mod suggesting;
mod usage;
mod watching;
