//! What Clockwise does: sockets, clocks, threads, configuration and the `clockwise` binary.
//!
//! The only crate that knows tokio, the network and the machine's clock. It decides nothing that `core` should
//! decide.
//!
//! | room | owns |
//! |---|---|
//! | [`server`] | a server's threads, what they share, and its life from start to stop |
//! | `shard` | one thread that owns cells, client connections and links |
//! | `log` | the thread of the commit log, and the threads that run the engine's jobs |
//! | `redis` | the Redis door: client connections |
//! | `peer` | links between servers |
//! | [`http`] | the HTTP door: health and metrics |
//! | [`folder`] | the data folder: its lock, the identity and the layout, durable before they are used |
//! | [`settings`] | flags, environment, file and defaults, made into one checked value |
//! | [`cli`] | the command line: what there is to say, and where it goes |
//! | [`client`] | a small blocking Redis client for the command line |
//! | [`dev`] | a whole cluster on one machine |
//! | [`signals`] | SIGTERM and SIGINT |
//! | [`logging`] | structured logs |
//! | `limits` | every cap of the data path |
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
