//! A slot's list of sums: adding, totals, comparing.

use super::name::{FIRST_BUCKET, Item, depth_of, end};
use crate::{
    hlc::Hlc,
    limits::{TREE_DEPTH, TREE_DEPTH_LEAST, TREE_MERGE_KEYS, TREE_SPLIT_KEYS},
};
use alloc::vec::Vec;
use smallvec::SmallVec;

/// A sum of items, or what is added to one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Sum {
    /// Of which leaf or bucket.
    pub name: u64,
    /// Modulo 2^128.
    pub value: u128,
}

/// What one change of a record does to its slot's sums: at most two of them move.
pub type Deltas = SmallVec<[Sum; 2]>;

/// The sums of a slot, to be changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sums(Vec<Sum>);

impl Sums {
    /// Takes a list that [`is_sound`].
    pub fn new(sums: Vec<Sum>) -> Sums {
        debug_assert!(is_sound(&sums), "a list is in order and has no zeros");
        Sums(sums)
    }

    /// Adds to a sum.
    pub fn add(&mut self, delta: Sum) {
        add(&mut self.0, delta);
    }

    /// The list.
    pub fn list(&self) -> &[Sum] {
        &self.0
    }

    /// The list, given away.
    pub fn into_list(self) -> Vec<Sum> {
        self.0
    }
}

/// Adds to a sum of a list.
#[inline]
pub fn add(sums: &mut Vec<Sum>, delta: Sum) {
    match sums.binary_search_by_key(&delta.name, |sum| sum.name) {
        Ok(at) => {
            let value = sums[at].value.wrapping_add(delta.value);
            if value == 0 {
                sums.remove(at);
            } else {
                sums[at].value = value;
            }
        }
        Err(at) if delta.value != 0 => sums.insert(at, delta),
        Err(_) => {}
    }
}

/// Whether names rise, no value is zero, and leaves are of one depth that may be.
pub fn is_sound(sums: &[Sum]) -> bool {
    let names: SmallVec<[u64; 32]> = sums.iter().map(|sum| sum.name).collect();
    are_names(&names) && sums.iter().all(|sum| sum.value != 0)
}

/// Whether names rise and leaves are of one depth that may be.
pub fn are_names(names: &[u64]) -> bool {
    let mut depths = names.iter().map_while(|&name| depth_of(name));
    let one = depths.next();
    names.is_sorted_by(|left, right| left < right)
        && names.first() != Some(&0)
        && one.is_none_or(|depth| (TREE_DEPTH_LEAST..=TREE_DEPTH).contains(&depth))
        && depths.all(|depth| Some(depth) == one)
}

/// The depth of a tree.
pub fn depth(sums: &[Sum]) -> u8 {
    sums.first().and_then(|first| depth_of(first.name)).unwrap_or(TREE_DEPTH_LEAST)
}

/// The depth that a tree of this depth should have with so many keys: within a wide span it stays as it is.
pub fn depth_for(keys: u64, depth: u8) -> u8 {
    let mut depth = depth.clamp(TREE_DEPTH_LEAST, TREE_DEPTH);
    let parts = |depth: u8| depth - TREE_DEPTH_LEAST;
    while depth < TREE_DEPTH && keys > TREE_SPLIT_KEYS << parts(depth) {
        depth += 1;
    }
    while depth > TREE_DEPTH_LEAST && keys < TREE_MERGE_KEYS << parts(depth) {
        depth -= 1;
    }
    depth
}

/// What the change of a record does to the sums of its slot, in a tree of this depth.
pub fn delta(old: Item, new: Item, hash: u64, depth: u8) -> Deltas {
    let mut deltas = Deltas::new();
    if old.digest == new.digest {
        return deltas;
    }
    let (from, to) = (old.name(hash, depth), new.name(hash, depth));
    if from == to {
        deltas.push(Sum { name: from, value: new.digest.wrapping_sub(old.digest) });
        return deltas;
    }
    for (name, value) in [(from, old.digest.wrapping_neg()), (to, new.digest)] {
        if value != 0 {
            deltas.push(Sum { name, value });
        }
    }
    deltas
}

/// The sums that count at a collect line of θ.
fn counting(sums: &[Sum], theta: Hlc) -> impl Iterator<Item = &Sum> {
    sums.iter().filter(move |sum| end(sum.name).is_none_or(|end| end > theta))
}

/// The sum of all that counts at θ: the root of a slot, and with those of others that of many.
pub fn total(sums: &[Sum], theta: Hlc) -> u128 {
    counting(sums, theta).fold(0, |total, sum| total.wrapping_add(sum.value))
}

/// The names of sums that differ at θ, in the coarser shape of the two; empty if the slots hold the same.
pub fn differing(own: &[Sum], theirs: &[Sum], theta: Hlc) -> Vec<u64> {
    let depths = [own, theirs].into_iter().filter_map(depth_of_any);
    let depth = depths.min().unwrap_or(TREE_DEPTH_LEAST);
    let (own, theirs) = (coarse(own, theta, depth), coarse(theirs, theta, depth));
    let mut names = Vec::new();
    let (mut left, mut right) = (own.iter().peekable(), theirs.iter().peekable());
    loop {
        let name = match (left.peek(), right.peek()) {
            (Some(left), Some(right)) => left.name.min(right.name),
            (Some(one), None) | (None, Some(one)) => one.name,
            (None, None) => return names,
        };
        let mine = left.next_if(|sum| sum.name == name);
        let other = right.next_if(|sum| sum.name == name);
        if mine != other {
            names.push(name);
        }
    }
}

fn depth_of_any(sums: &[Sum]) -> Option<u8> {
    sums.first().and_then(|first| depth_of(first.name))
}

/// The sums that count, leaves added up to this depth.
fn coarse(sums: &[Sum], theta: Hlc, depth: u8) -> Vec<Sum> {
    let mut coarse: Vec<Sum> = Vec::new();
    for sum in counting(sums, theta) {
        let name = match depth_of(sum.name) {
            Some(own) => sum.name >> own.saturating_sub(depth),
            None => sum.name,
        };
        match coarse.last_mut().filter(|last| last.name == name) {
            Some(last) => last.value = last.value.wrapping_add(sum.value),
            None => coarse.push(Sum { name, value: sum.value }),
        }
    }
    coarse.retain(|sum| sum.value != 0);
    coarse
}

/// Where the buckets of a slot end, in no order: nothing of the leaves is looked at.
pub fn bucket_ends(sums: &[Sum]) -> impl Iterator<Item = Hlc> + '_ {
    sums.iter().rev().map_while(|sum| end(sum.name))
}

/// Whether an item of this key is in one of these sums; names as [`differing`] gives them, in order.
pub fn holds(names: &[u64], item: Item, hash: u64) -> bool {
    let depth = names.first().and_then(|&first| depth_of(first)).unwrap_or(TREE_DEPTH_LEAST);
    names.binary_search(&item.name(hash, depth)).is_ok()
}

const _: () = assert!(FIRST_BUCKET > 1 << (TREE_DEPTH + 1), "no leaf has a bucket's name");
