//! The HTTP port, and the copies that are made from it.

mod copies;
mod files;
mod harness;
mod losses;
mod restoring;
