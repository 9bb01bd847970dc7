//! Every cap of the data path in one table, with the relations that must hold between them.

use clockwise_core::limits::{DEFAULT_TIMEOUT_MS, OPERATIONS, RECORD_BYTES, SILENT_MS, VALUE_BYTES};

/// Most shards of a server: a cell is the smallest thing that a shard can own.
pub const SHARDS: usize = clockwise_core::limits::CELLS as usize;
/// Commands in flight per client connection; more wait in the socket.
pub const CONNECTION_OPERATIONS: usize = 1_024;
/// Commands in flight on a client connection when the next one is a read.
pub const CONNECTION_READS: usize = 256;
/// Reply bytes of a connection, those that commands in flight are expected to bring among them, at which no further
/// command of it starts. The parts of a command over several keys have as much again.
pub const CONNECTION_REPLY_BYTES: usize = 4 * 1024 * 1024;
/// What a reply that needs a read from disk is expected to bring at least: its size is known only once it is there.
pub const COLD_REPLY_BYTES: usize = 128 * 1024;
/// The same for a reply that comes from another shard or server, where it is likely in memory.
pub const FOREIGN_REPLY_BYTES: usize = 40 * 1024;
/// Requests of one command with many keys that are in flight at a time.
pub const GATHER_WINDOW: usize = 256;
/// Rendered bytes of a connection that the socket has not taken, at which no further reply is rendered and no further
/// command starts.
pub const OUTPUT_SOFT_BYTES: usize = 1024 * 1024;
/// Rendered bytes at which a connection is closed.
pub const OUTPUT_HARD_BYTES: usize = 64 * 1024 * 1024;
/// Reply bytes of one command with many keys.
pub const GATHER_BYTES: usize = 32 * 1024 * 1024;
/// Sockets that links to peers take at most, for the limit on open files.
pub const PEER_FILES: usize = 1_024;
/// Bytes that wait for one peer link; a message that finds more counts as "no answer".
pub const LINK_BYTES: usize = 8 * 1024 * 1024;
/// What answers may wait beyond that.
pub const LINK_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// Foreground links of a server above which shards do not each meet each shard of its peers any more.
pub const LINKS: usize = 64;
/// A link that is not needed any more stays this long, for what is under way, in milliseconds.
pub const LINK_LEAVES_MS: u64 = 5_000;
/// Peers' bytes that wait for a shard to which they cross; above it, those who bring them read nothing more.
pub const CROSSING_BYTES: usize = 8 * 1024 * 1024;
/// Buffers larger than this are given back when they are empty.
pub const KEEP_BUFFER_BYTES: usize = 256 * 1024;
/// Room for a client's bytes at first, and what is always left for more.
pub const CLIENT_READ_BYTES: usize = 2 * 1024;
/// Most room that is made for a client's bytes at a time.
pub const CLIENT_READ_MOST_BYTES: usize = 64 * 1024;
/// Room that is made for a peer's bytes when there is too little.
pub const PEER_READ_BYTES: usize = 64 * 1024;
/// Least room in which a peer's bytes are received.
pub const PEER_SPARE_BYTES: usize = 16 * 1024;
/// Requests that wait in a shard's mailbox; more are refused as overload.
pub const MAILBOX_REQUESTS: usize = OPERATIONS;
/// Bytes that wait for the commit log; above it no write is admitted.
pub const LOG_BACKLOG_BYTES: usize = 64 * 1024 * 1024;
/// In `periodic` durability log bytes wait this long for company, in milliseconds.
pub const LOG_GATHER_MS: u64 = 5;
/// Longest pause between two reads of a connection that writes while flushes and merges are behind, in milliseconds.
pub const SLOW_WRITES_MS: u64 = 50;
/// The same for a peer's connection, well below what would look like silence.
pub const SLOW_PEER_MS: u64 = 20;
/// Shards look at their deadlines this often, in milliseconds.
pub const TICK_MS: u64 = 10;
/// A tick that is later than this is counted and logged, in milliseconds.
pub(crate) const LATE_TICK_MS: u64 = 500;
/// Shards publish their gauges this often, in milliseconds.
pub const PUBLISH_MS: u64 = 1_000;
/// A peer has this long for its handshake, and a connect to it, in milliseconds.
pub const HANDSHAKE_MS: u64 = 2_000;
/// Handshakes that are served at the same time.
pub const HANDSHAKES: usize = 256;
/// First pause before a peer is dialled again, in milliseconds.
pub const REDIAL_FIRST_MS: u64 = 50;
/// Longest pause before a peer is dialled again, in milliseconds.
pub const REDIAL_LAST_MS: u64 = 1_000;
/// A connection that the other side should dial is dialled from here after this long, or half of it.
pub const DIAL_BACK_MS: u64 = 3_000;
/// A server that comes back must answer this long before the routing map names it again, in milliseconds.
pub const MAP_RETURN_MS: u64 = 1_000;
/// Requests in flight have this long to finish at a clean stop, in milliseconds.
pub const DRAIN_MS: u64 = 2_000;
/// Rounds of effects that one flush may answer with further inputs.
pub const FLUSH_ROUNDS: usize = 64;
/// Longest pause after a failed accept, in milliseconds.
pub const ACCEPT_PAUSE_MS: u64 = 100;

// One reply may follow at the soft bound: it must not cost the connection.
const _: () = assert!(OUTPUT_HARD_BYTES > OUTPUT_SOFT_BYTES + GATHER_BYTES + RECORD_BYTES);
const _: () = assert!(SLOW_PEER_MS * 10 < SILENT_MS);
const _: () = assert!(OUTPUT_SOFT_BYTES <= CONNECTION_REPLY_BYTES && VALUE_BYTES < CONNECTION_REPLY_BYTES);
// Sizes that nobody knows must not slow down ordinary pipelining, nor cost much more than this if all are large.
const _: () = assert!(CONNECTION_REPLY_BYTES / FOREIGN_REPLY_BYTES >= 100);
const _: () = assert!(CONNECTION_REPLY_BYTES / COLD_REPLY_BYTES * VALUE_BYTES <= 32 * 1024 * 1024);
const _: () = assert!(LINK_BYTES >= RECORD_BYTES);
const _: () = assert!(LINK_LEAVES_MS >= DEFAULT_TIMEOUT_MS);
const _: () = assert!(GATHER_WINDOW <= CONNECTION_OPERATIONS && CONNECTION_OPERATIONS < OPERATIONS);
const _: () = assert!(REDIAL_FIRST_MS < REDIAL_LAST_MS && REDIAL_LAST_MS <= SILENT_MS);
