//! What travels between servers: frames with messages, and the handshake before them.
//!
//! `docs/formats/peer.md` draws the bytes. An [`envelope`] (length, version, kind, checksum) is around both; a frame
//! that is damaged, of another version or of another cluster closes the link, and so does a message that is not
//! exactly what its kind says. Keys, values and records are slices of the link's buffer.
//!
//! Deliberately absent: cryptography (the node computes the MACs; this room says over which bytes) and any choice of
//! link, order or retry.

mod body;
mod envelope;
mod exchange;
mod frame;
mod gossip;
mod handshake;
mod outcome;
mod parts;
mod request;
mod rounds;

pub use envelope::{PEER_VERSION, TooLarge};
pub use frame::{FrameParser, cluster_tag, encode_frame};
pub use handshake::{
    Handshake, HandshakeParser, Hello, MAC_BYTES, NONCE_BYTES, Purpose, Side, encode_handshake, signed_bytes,
};
