//! The data path as clients see it: three servers in this process, each with another number of shards.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod failures;
mod harness;
mod levels;
mod ordering;
mod protocol;
