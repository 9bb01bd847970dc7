//! The Redis serialization protocol, versions 2 and 3.
//!
//! [`RequestParser`] and [`ReplyWriter`] are the server's side, [`encode_command`] and [`ReplyParser`] the client's.
//! Parsers keep where they stopped, so that a command of many pieces is looked at once. Streamed strings and
//! aggregates of RESP3 (`$?`, `*?`) are deliberately absent: Redis never sends them.

mod args;
mod inline;
mod reply;
mod reply_parser;
mod request;
mod writer;

#[cfg(test)]
mod tests;

pub use args::Args;
pub use reply::Reply;
pub use reply_parser::ReplyParser;
pub use request::RequestParser;
pub use writer::{Protocol, ReplyWriter, encode_command};
