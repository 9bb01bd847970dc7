//! Every cap of this crate in one table, with the relations that must hold between them.

use clockwise_core::limits::{
    self as core_limits, DOT_RANGES, GOSSIP_BYTES, KEY_BYTES, MEMBERS, NAME_BYTES, RECORD_BYTES, REPLICAS,
    TOKEN_BYTES, VALUE_BYTES,
};

/// Most arguments of one command.
pub const ARGUMENTS: usize = 1_048_576;
/// Longest argument, in bytes. Larger than a value may be, so that a value slightly too large is answered with an
/// error and the connection goes on; beyond it the connection is closed instead of reading it all.
pub const BULK_BYTES: usize = 2 * 1024 * 1024;
/// Longest argument that Redis itself takes, in bytes: from here on its error text is used.
pub const REDIS_BULK_BYTES: i64 = 512 * 1024 * 1024;
/// Longest whole command, in bytes.
pub const COMMAND_BYTES: usize = 16 * 1024 * 1024;
/// Longest inline command, in bytes.
pub const INLINE_BYTES: usize = 64 * 1024;
/// Longest `*n` or `$n` line, in bytes.
pub const HEADER_BYTES: usize = 32;
/// Most arguments of a command before authentication.
pub const UNAUTHENTICATED_ARGUMENTS: usize = 10;
/// Longest argument before authentication, in bytes.
pub const UNAUTHENTICATED_BULK_BYTES: usize = 16 * 1024;
/// Longest line of a reply (simple string, error, number), in bytes.
pub const REPLY_LINE_BYTES: usize = 64 * 1024;
/// Longest reply that a client of ours takes, in bytes.
pub const REPLY_BYTES: usize = 256 * 1024 * 1024;
/// Most elements of one reply, all levels together.
pub const REPLY_ELEMENTS: usize = 1_048_576;
/// Deepest nesting of a reply.
pub const REPLY_DEPTH: usize = 32;
/// Longest part of a client's text that an error repeats, in bytes.
pub const ECHOED_BYTES: usize = 128;
/// Longest connection or library name, in bytes.
pub const CLIENT_NAME_BYTES: usize = 255;
/// Longest user name or password, in bytes.
pub const CREDENTIAL_BYTES: usize = 1024;

/// Longest text form of a context token, in bytes.
pub const CONTEXT_TEXT_BYTES: usize = TOKEN_BYTES.div_ceil(3) * 4;

/// Longest frame between servers, in bytes, its length field not counted.
pub const FRAME_BYTES: usize = 32 * 1024 * 1024;
/// Longest frame before the peer is authenticated, in bytes.
pub const HANDSHAKE_BYTES: usize = 4 * 1024;
/// Most records in one repair: one answer of each replica.
pub const REPAIR_RECORDS: usize = REPLICAS;
/// Most acknowledgements in a receipt: owners and stand-ins.
pub const RECEIPT_ACKS: usize = 4 * REPLICAS;
/// Most slot ranges in a count.
pub const COUNT_RANGES: usize = 16_384;
/// Most roots in one step of an exchange.
pub const EXCHANGE_ROOTS: usize = 1_024;
/// Most sums, or names of sums, in one step of an exchange.
pub const EXCHANGE_SUMS: usize = core_limits::EXCHANGE_SUMS;
/// Most keys in one list of an exchange.
pub const EXCHANGE_KEYS: usize = core_limits::EXCHANGE_KEYS;
/// Most records that are asked for, or answered, at a time in an exchange.
pub const EXCHANGE_RECORDS: usize = core_limits::EXCHANGE_RECORDS;
/// Most records in one answer to an owner that is filled.
pub const FILL_RECORDS: usize = core_limits::FILL_RECORDS;
/// Most writes in one answer to it: all that is held of as many keys.
pub const FILL_WRITES: usize = core_limits::FILL_RECORDS * core_limits::SIBLINGS;
/// Most steps of rounds in one message.
pub const ROUND_STEPS: usize = core_limits::ROUND_STEPS;
/// Longest encoded layout, in bytes.
pub const LAYOUT_BYTES: usize = 8 * 1024 * 1024;
/// Longest gossip, in bytes.
pub const GOSSIP_BODY_BYTES: usize = GOSSIP_BYTES;
/// Longest reason in a refused handshake, in bytes.
pub const REASON_BYTES: usize = 512;
/// Most shards that a server may announce.
pub const SHARDS: usize = 16;

const _: () = assert!(BULK_BYTES > VALUE_BYTES && VALUE_BYTES > KEY_BYTES && BULK_BYTES > CONTEXT_TEXT_BYTES);
const _: () = assert!(COMMAND_BYTES > 4 * BULK_BYTES && (BULK_BYTES as i64) < REDIS_BULK_BYTES);
const _: () = assert!(UNAUTHENTICATED_BULK_BYTES > CREDENTIAL_BYTES && UNAUTHENTICATED_ARGUMENTS >= 7);
const _: () = assert!(COMMAND_BYTES < u32::MAX as usize);
const _: () =
    assert!(FRAME_BYTES > 3 * (RECORD_BYTES + KEY_BYTES + 4096) && FRAME_BYTES > LAYOUT_BYTES + 4096);
const _: () = assert!(HANDSHAKE_BYTES > 8 * NAME_BYTES);
const _: () = assert!(LAYOUT_BYTES > MEMBERS * 1500);
const _: () = assert!(DOT_RANGES * 30 < RECORD_BYTES);
