//! What Clockwise says: functions over bytes.
//!
//! Nothing here owns a socket, a clock or a thread. No function panics on its input, allocates by an announced
//! length, or gives another result when the input arrives split at another place.
//!
//! | room | owns |
//! |---|---|
//! | [`resp`] | the Redis protocol, versions 2 and 3: requests in, replies out, and the client's side |
//! | [`command`] | which commands there are, what each accepts, and what `COMMAND` says about them |
//! | [`peer`] | frames and handshake between servers |
//! | [`context`] | the text form of a context token |
//! | [`glob`] | patterns as in `CONFIG GET max*` |
//! | [`decimal`] | integers as text |
//! | [`error`] | what can be wrong, by what the caller should do |
//! | [`limits`] | every cap, with the relations between them |
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod command;
pub mod context;
pub mod decimal;
pub mod error;
pub mod glob;
pub mod limits;
pub mod peer;
pub mod resp;
