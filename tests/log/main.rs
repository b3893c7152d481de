//! The log against a real file system: append, read, restart.

mod alerts;
mod basics;
mod erasing;
mod feeds;
mod harness;
mod names;
mod together;
mod waiting;
