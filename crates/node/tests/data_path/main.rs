//! The data path as clients see it: three servers in this process, each with another number of shards.

mod failures;
mod harness;
mod levels;
mod ordering;
mod protocol;
