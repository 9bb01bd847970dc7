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
//! | [`dev`] | a whole cluster on one machine |
//! | [`status`] | what a server says of itself and its cluster |
//! | [`client`] | a small blocking Redis client for the command line |
//! | [`signals`] | SIGTERM and SIGINT |
//! | [`logging`] | structured logs |
#![forbid(unsafe_code)]

pub mod cli;
pub mod client;
pub mod dev;
pub mod http;
pub mod logging;
pub mod settings;
pub mod signals;
pub mod status;
