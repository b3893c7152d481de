//! The log against a real file system: append, read, restart.

mod basics;
mod harness;
mod names;
mod together;
mod waiting;
