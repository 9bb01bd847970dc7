//! What Clockwise does: sockets, clocks, threads, configuration and the `clockwise` binary.
//!
//! The only crate that knows tokio, the network and the machine's clock. It decides nothing that `core` should
//! decide.
//!
//! | room | owns |
//! |---|---|
//! | [`cli`] | the command line: what there is to say, and where it goes |
//! | [`settings`] | flags, environment, file and defaults, made into one checked value |
//! | [`folder`] | the data folder: its lock, the identity and the layout, durable before they are used |
//! | [`http`] | the HTTP door: health and metrics |
//! | [`server`] | a running server: its threads, and what they share |
//! | `shard` | one thread that owns cells, connections and links |
//! | `redis` | the Redis door: commands in, replies out |
//! | `peer` | links between servers |
//! | `log` | threads that wait for the disk |
//! | `limits` | every cap of the data path |
//! | [`dev`] | a whole cluster on one machine |
//! | [`status`] | what a server says of itself and its cluster |
//! | [`client`] | a small blocking Redis client for the command line |
//! | [`signals`] | SIGTERM and SIGINT |
//! | [`logging`] | structured logs |
#![forbid(unsafe_code)]

pub mod cli;
pub mod client;
pub mod dev;
pub mod folder;
pub mod http;
mod limits;
mod log;
pub mod logging;
mod peer;
mod redis;
pub mod server;
pub mod settings;
mod shard;
pub mod signals;
pub mod status;
