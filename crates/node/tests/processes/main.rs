//! Tests with real server processes: what a user sees, and what is left after `kill -9`.
//!
//! Each starts a cluster of its own on free ports in a temporary folder. They run one at a time, because some of
//! them measure time.
#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod bad_input;
mod check;
mod command_line;
mod damage;
mod dev;
mod disk;
mod harness;
mod hints;
mod identity;
mod kill_all;
mod kill_one;
mod levels;
mod link_cap;
mod membership;
mod paused;
mod peers;
mod redis_clients;
mod versions;
