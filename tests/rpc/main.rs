//! The services through gRPC, against a real server on a port of its own and a temporary directory.

mod admin;
mod annotating;
mod appending;
mod authorities;
mod bad_input;
mod consuming;
mod cutting;
mod endurance;
mod erasing;
mod feeds;
mod fixity;
mod following;
mod found_words;
mod groups;
mod groups_kept;
mod groups_prompt;
mod groups_strained;
mod guarantees;
mod harness;
mod integrity;
mod pages;
mod questions;
mod reading;
mod stopping;
mod views;
mod web;
