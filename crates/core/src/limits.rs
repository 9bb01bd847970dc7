//! Every cap of this crate in one table, with the relations that must hold between them.

/// Partitions of the key space, as in Redis Cluster.
pub const SLOTS: u16 = 16_384;
/// Slots as they are stored: behind those of the keys one more for the hints of each.
pub const STORED_SLOTS: u16 = 2 * SLOTS;
/// Cells of a data folder: single-threaded engines, `slot mod CELLS`.
pub const CELLS: u16 = 16;
/// Longest key, in bytes.
pub const KEY_BYTES: usize = 4 * 1024;
/// Longest value, in bytes.
pub const VALUE_BYTES: usize = 1024 * 1024;
/// Most concurrent versions of one key; a write that would add another is refused.
pub const SIBLINGS: usize = 64;
/// Longest encoded record, in bytes; a write that would exceed it is refused.
pub const RECORD_BYTES: usize = 8 * 1024 * 1024;
/// Longest encoded context token, in bytes.
pub const TOKEN_BYTES: usize = 1024;
/// Most ranges that a decoded set of dots may have.
pub const DOT_RANGES: usize = 65_536;
/// Default clock threshold: pairs of a printed vector clock.
pub const CLOCK_PAIRS: usize = 10;
/// Most replicas of a slot.
pub const REPLICAS: usize = 16;
/// A slot has this many times N stand-ins, if there are so many servers.
pub const STAND_INS_PER_REPLICA: usize = 2;
/// Deliveries of hints that an owner works on at a time.
pub const DELIVERIES: usize = 256;
/// A delivery has no more writes when it has this many bytes.
pub const DELIVERY_BYTES: usize = 64 * 1024;
/// A delivery that is not answered for so long is made again, in milliseconds.
pub const DELIVERY_TIMEOUT_MS: u64 = 5_000;
/// Bytes of hints that are read at a time.
pub const HINT_PAGE_BYTES: usize = 256 * 1024;
/// Between two walks over the hints for an owner, in milliseconds.
pub const HINT_REST_MS: u64 = 500;
/// Looks for where hints behind damage can be read again, in one slot.
pub const DAMAGE_LOOKS: u16 = 1024;
/// A sloppy write whose owners have not answered for so long counts on stand-ins, in milliseconds.
pub const HEDGE_MS: u64 = 250;
/// Most hints in one delivery.
pub const DELIVERED_WRITES: usize = 256;
/// Most members of a layout.
pub const MEMBERS: usize = 4_096;
/// Virtual nodes per unit of weight.
pub const VIRTUAL_NODES: u32 = 256;
/// Weight of all members together.
pub const TOTAL_WEIGHT: u32 = 16_384;
/// Rows of the routing map.
pub const MAP_ROWS: usize = 2_000;
/// Longest dc, rack or address text, in bytes.
pub const NAME_BYTES: usize = 255;
/// Furthest that a timestamp may be ahead of the own wall clock and still be adopted, in milliseconds.
pub const CLOCK_SKEW_MS: u64 = 500;
/// Leaves of a slot's tree at first, and at least: 2 to the power of this many.
pub const TREE_DEPTH_LEAST: u8 = 4;
/// Leaves of a slot's tree at most: 2 to the power of this many.
pub const TREE_DEPTH: u8 = 10;
/// Live keys of a slot for each 16 leaves above which the leaves are split.
pub const TREE_SPLIT_KEYS: u64 = 2_000;
/// Live keys of a slot for each 16 leaves below which the leaves are put together again.
pub const TREE_MERGE_KEYS: u64 = 500;
/// Records of one page of a slot that is counted.
pub const TEND_RECORDS: usize = 1_000;
/// Bytes of one page of a slot that is counted.
pub const TEND_BYTES: usize = 256 * 1024;
/// Pause between two slots that are counted in their turn, in milliseconds.
pub const TEND_PAUSE_MS: u64 = 1_000;
/// A slot that could not be read through is tried again after this, in milliseconds.
pub const TEND_AGAIN_MS: u64 = 10_000;
/// Slots that wait to be counted, and changes that a count may have to hold back: more are left for later.
pub const TEND_WAITING: usize = 4_096;
/// Slots whose roots are compared as one: neighbours in a cell.
pub const EXCHANGE_GROUP: usize = 128;
/// Slots that an exchange looks into at a time.
pub const EXCHANGE_WINDOW: usize = 8;
/// Exchanges that a shard answers at a time, pages and lists of records each.
pub const EXCHANGE_SERVED: usize = 32;
/// Sums of a slot, or names of sums, in one message; with more, all keys are compared.
pub const EXCHANGE_SUMS: usize = 2_000;
/// Keys in one list.
pub const EXCHANGE_KEYS: usize = 512;
/// Bytes of keys in one list, and of records in one answer, from which on there are no more.
pub const EXCHANGE_BYTES: usize = 256 * 1024;
/// Records that are asked for at a time.
pub const EXCHANGE_RECORDS: usize = 64;
/// Pause between two exchanges of a shard, in milliseconds.
pub const EXCHANGE_PAUSE_MS: u64 = 100;
/// The same while a shard has much to do, in milliseconds.
pub const EXCHANGE_BUSY_PAUSE_MS: u64 = 4_000;
/// An exchange in which nothing has moved for so long is given up, in milliseconds.
pub const EXCHANGE_TIMEOUT_MS: u64 = 5_000;
/// Bytes that an exchange of a shard may receive in a tick; a busy shard has an eighth.
pub const EXCHANGE_TICK_BYTES: usize = 128 * 1024;
/// Bytes that may have been saved up.
pub const EXCHANGE_SAVED_BYTES: usize = 1024 * 1024;
/// A slot whose sums are not known is compared key by key with each other owner, at most this often, in milliseconds.
pub const EXCHANGE_WHOLE_MS: u64 = 60_000;
/// Slots of a shard that are salvaged or filled at a time.
pub const FILL_WINDOW: usize = 64;
/// The same while the shard has much to do.
pub const FILL_WINDOW_BUSY: usize = 8;
/// Pages that a shard reads at a time for owners that are filled.
pub const FILL_SERVED: usize = 128;
/// Records that an owner gives at a time to one that is filled.
pub const FILL_RECORDS: usize = 256;
/// Bytes that a shard may receive in a tick to be filled with; a busy shard has an eighth.
pub const FILL_TICK_BYTES: usize = 512 * 1024;
/// Bytes that may have been saved up.
pub const FILL_SAVED_BYTES: usize = 4 * 1024 * 1024;
/// A slot for which nothing can be done is looked at again after this, in milliseconds.
pub const FILL_REST_MS: u64 = 200;
/// What a slot waits for is asked for again after this, in milliseconds.
pub const FILL_TIMEOUT_MS: u64 = 5_000;
/// Once one owner has what is salvaged, others that can be reached are waited for so long, in milliseconds.
pub const SALVAGE_PATIENCE_MS: u64 = 5_000;
/// A round closes a slot up to so long ago, in milliseconds.
pub const ROUND_MARGIN_MS: u64 = 2_000;
/// Rounds that a shard is the hub of at a time; a busy one has an eighth.
pub const ROUNDS: usize = 64;
/// Rounds of others that a shard takes part in at a time.
pub const ROUND_NOTES: usize = 512;
/// A round that is not through in so long is void, in milliseconds.
pub const ROUND_TIMEOUT_MS: u64 = 10_000;
/// A slot whose round came to nothing rests so long, in milliseconds.
pub const ROUND_REST_MS: u64 = 1_000;
/// What could have been collected for so long lets any owner step in as the hub, in milliseconds.
pub const ROUND_SILENCE_MS: u64 = 60_000;
/// Steps of rounds in one message.
pub const ROUND_STEPS: usize = 256;
/// Slots that a round or an owner that takes part in one fetches at a time.
pub const ROUND_FETCHES: usize = 8;
/// A fetch in which nothing has moved for so long has failed, in milliseconds.
pub const ROUND_FETCH_MS: u64 = 5_000;
/// Fetches of other owners from this one that are watched at a time; others get all keys of a slot listed.
pub const ROUND_WATCHED: usize = 128;
/// Slots looked at in a tick for something to collect.
pub const COLLECT_LOOKS: usize = 64;
/// A slot that was read through and still has something to collect rests so long, in milliseconds.
pub const COLLECT_REST_MS: u64 = 5_000;
/// Ticks between two pages of a collection while a shard is busy.
pub const COLLECT_BUSY_TICKS: u64 = 8;
/// Operations in flight per shard above which background work waits.
pub const BUSY_OPERATIONS: usize = 4;
/// Operations in flight per shard; more are refused before anything is done.
pub const OPERATIONS: usize = 16_384;
/// Reads of a slot within a tick from which on reads of the same key share their questions.
pub const HOT_READS: u8 = 32;
/// Keys of a shard that are treated as hot at a time.
pub const HOT_LINES: usize = 64;
/// How often a strict read begins again at most, because something newer came to light while it was repairing.
pub const READS_AGAIN: u8 = 16;
/// Deadline of a request that names none, in milliseconds.
pub const DEFAULT_TIMEOUT_MS: u64 = 5_000;
/// Longest deadline that a request may name, in milliseconds.
pub const MAX_TIMEOUT_MS: u64 = 60_000;
/// A peer that has been silent for this long is asked last, in milliseconds.
pub const SILENT_MS: u64 = 1_000;
/// A quiet link is pinged this often, in milliseconds.
pub const PING_MS: u64 = 250;
/// Default milliseconds between two rounds of gossip.
pub const GOSSIP_INTERVAL_MS: u64 = 200;
/// A heartbeat that stands still for this long is stale by default, in milliseconds.
pub const DOWN_AFTER_MS: u64 = 3_000;
/// Or this many of its mean intervals, if that is longer.
pub const GOSSIP_INTERVALS: u64 = 8;
/// One silence counts at most this long in the mean interval, in milliseconds.
pub const GOSSIP_WINDOW_MS: u64 = 3_000;
/// If a server did not run for this long, what it has not heard meanwhile says nothing, in milliseconds.
pub const GOSSIP_STALL_MS: u64 = 500;
/// A newer layout is asked for at most this often, in milliseconds.
pub const GOSSIP_PULL_MS: u64 = 1_000;
/// Longest gossip message, in bytes, without the frame around it.
pub const GOSSIP_BYTES: usize = 8 * 1024;
/// Most suspicions of an entry.
pub const GOSSIP_SUSPECTS: usize = 32;
/// Most numbers of an entry's load.
pub const GOSSIP_LOADS: usize = 8;
/// A changed load is told at most this often, in milliseconds.
pub const GOSSIP_LOAD_MS: u64 = 5_000;
/// Heartbeats end here: a counter that claims more is forged.
pub const HEARTBEATS: u64 = 1 << 48;
/// The clock's durable reservation runs this far ahead, in milliseconds.
///
/// After an unclean stop the next process starts above it, so this is also how far its clock may be ahead then.
pub const HLC_RESERVE_MS: u64 = 4_000;
/// Room that a clock which is ahead of the wall clock gets above its latest time, in milliseconds of 65,536 times.
pub const HLC_MARGIN_MS: u64 = 100;

const _: () = assert!(SLOTS.is_multiple_of(CELLS) && STORED_SLOTS == 2 * SLOTS);
const _: () = assert!(RECORD_BYTES > VALUE_BYTES + KEY_BYTES + TOKEN_BYTES);
const _: () = assert!(PING_MS * 3 < SILENT_MS);
const _: () = assert!(ROUND_FETCH_MS < ROUND_TIMEOUT_MS && ROUND_TIMEOUT_MS < ROUND_SILENCE_MS);
const _: () = assert!(ROUND_MARGIN_MS > 2 * CLOCK_SKEW_MS && ROUND_MARGIN_MS <= HLC_RESERVE_MS);
const _: () = assert!(DEFAULT_TIMEOUT_MS <= MAX_TIMEOUT_MS && SILENT_MS < DEFAULT_TIMEOUT_MS);
const _: () = assert!(TREE_DEPTH_LEAST < TREE_DEPTH && TREE_MERGE_KEYS * 2 < TREE_SPLIT_KEYS);
const _: () = assert!(GOSSIP_INTERVALS * GOSSIP_INTERVAL_MS < DOWN_AFTER_MS && SILENT_MS < DOWN_AFTER_MS);
const _: () = assert!(GOSSIP_STALL_MS * 2 < DOWN_AFTER_MS);
const _: () = assert!(HLC_RESERVE_MS > 4 * CLOCK_SKEW_MS);
const _: () = assert!(MEMBERS * 4 <= TOTAL_WEIGHT as usize && MEMBERS <= u16::MAX as usize);
const _: () = assert!(TOTAL_WEIGHT as u64 * VIRTUAL_NODES as u64 <= 1 << 22, "the ring stays small");
