//! The Merkle tree of a slot, as sums that every write keeps up to date.
//!
//! A record's **item** is its digest ([`DigestKey::digest`](crate::version::DigestKey::digest)), a function of (slot, key, seen, mark). A slot's tree is a
//! short list of **sums**, each the sum of its items modulo 2^128: sums and not XOR, so that a pair of equal items does
//! not vanish, and so that a change is `− old + new` whatever the rest is. Items of records with a version that does
//! not expire are in the sum of a *leaf*, chosen by the hash of the key; all others in the sum of a *bucket*, chosen
//! by the instant from which the record may be collected. The two sums of a split leaf add up to what it was: trees
//! of different depths compare.
//!
//! What always holds: no sum of value 0 is in a list, a list is in the order of names, and all its leaves have the same
//! depth. Two replicas with the same records have the same sums above θ, whether or not one of them has
//! collected what lies below.
//!
//! | file | owns |
//! |---|---|
//! | `name` | names of sums: leaves and buckets, and where a record belongs |
//! | `sums` | a slot's list: adding, reshaping, totals, comparing |
//!
//! This room does not see bit rot (block checksums and the scrub do), keeps nothing and sends nothing.

mod name;
mod sums;

#[cfg(test)]
mod tests;

pub use name::{Item, collectable_from, die, key_hash, leaf_place};
pub use sums::{
    Deltas, Sum, Sums, add, are_names, bucket_ends, delta, depth, depth_for, differing, holds, is_sound,
    total,
};
