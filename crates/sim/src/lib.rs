//! A whole Clockwise cluster in one thread with virtual time: the code of `core` and `store` as it runs in
//! production, over a simulated network, disk and clock, with seeded faults, and checkers that see what clients see.
//!
//! [`history`], [`checkers`], [`workload`] and [`random`] serve the tests with real processes too, in
//! `crates/node/tests/chaos`.
//!
//! The same seed gives the same bytes. There is no real time, thread, socket or file here.
//!
//! | room | owns |
//! |---|---|
//! | [`mix`] | named ways to be unkind; the plan of a run |
//! | [`mod@run`] | one run from its plan to its report |
//! | [`mod@catch`] | how long a known bug stays hidden |
//! | `world`, `setup`, `event` | virtual time, what happens next, who is told |
//! | `effects` | what servers want done is done |
//! | `server`, `storage`, `files`, `memory`, `clock` | processes, disks and clocks of one server |
//! | `membership` | gossip and its verdicts |
//! | `network`, `links`, `frame` | links and what travels on them |
//! | `faults` | what goes wrong, when, for how long |
//! | `client`, `workload`, `play`, `door` | what clients do and what a server's door makes of it |
//! | `finale` | healing, and the last reads |
//! | `history`, [`checkers`] | what clients saw, and what was promised |
//! | `trace`, `random` | reproducibility |
#![forbid(unsafe_code)]

pub mod catch;
pub mod checkers;
mod client;
mod clock;
mod door;
mod effects;
mod event;
mod faults;
mod files;
mod finale;
mod frame;
pub mod history;
mod links;
mod membership;
mod memory;
pub mod mix;
mod network;
mod play;
pub mod random;
pub mod run;
#[cfg(test)]
mod scenarios;
mod server;
mod setup;
mod storage;
mod trace;
pub mod workload;
mod world;

pub use mix::{Mix, StoreKind};
pub use run::{Options, Report, run};
