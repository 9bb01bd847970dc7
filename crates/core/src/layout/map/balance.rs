//! Evens out how many slots each server is master of, in proportion to its weight.
//!
//! Three moves, each of which brings the loads closer together and none of which takes a slot from a master that may
//! have it and gives it to one that may not: a row gets another master; the border between two rows shifts; a
//! stretch inside a row is carved out for a server with too little. The first two never add a row, so they come
//! first; carving stops at the limit of rows. Everything is integers in a fixed order: the same input gives the
//! same masters on every server.

use super::{choices::Choices, segment};
use alloc::vec::Vec;
use core::ops::Range;

/// Most passes over all rows; most inputs are still after 10.
const PASSES: usize = 32;

/// Most rounds of carving, each followed by passes.
const ROUNDS: usize = 8;

/// A master is overloaded when it has more than its part by one in this many: clients feel it.
const OVERLOAD: i64 = 32;

/// A server is starved when it lacks one in this many of its part. More rows to cure less are not worth it.
const STARVED: i64 = 8;

/// The masters so far and what they add up to.
pub(super) struct Balance<'a> {
    choices: &'a Choices<'a>,
    masters: Vec<u16>,
    /// Slots per member.
    load: Vec<i64>,
    /// Units of capacity per member, 0 when not live: neither gives nor takes.
    weight: Vec<i64>,
    /// Slots that each member should have.
    part: Vec<i64>,
}

/// A stretch of slots that `to` could take over.
struct Carving {
    slots: Range<usize>,
    from: u16,
    to: u16,
}

impl<'a> Balance<'a> {
    /// Counts.
    pub(super) fn new(choices: &'a Choices<'a>, masters: Vec<u16>) -> Balance<'a> {
        let weight: Vec<i64> = choices.weights().iter().map(|&weight| i64::from(weight)).collect();
        let mut load = alloc::vec![0; weight.len()];
        masters.iter().for_each(|&master| load[usize::from(master)] += 1);
        let live_load: i64 =
            load.iter().zip(&weight).filter(|&(_, &weight)| weight > 0).map(|(load, _)| load).sum();
        let live_weight = weight.iter().sum::<i64>().max(1);
        let part = weight.iter().map(|weight| (live_load * weight + live_weight - 1) / live_weight).collect();
        Balance { choices, masters, load, weight, part }
    }

    /// Moves until nothing improves or the bounds on work are met.
    pub(super) fn run(mut self, most_rows: usize) -> Vec<u16> {
        self.pass_until_still();
        for _ in 0..ROUNDS {
            if !self.carve(most_rows) {
                break;
            }
            self.pass_until_still();
        }
        self.masters
    }

    fn pass_until_still(&mut self) {
        for _ in 0..PASSES {
            let mut moved = false;
            let rows = self.rows();
            for row in &rows {
                moved |= self.change_master(row.clone());
            }
            for row in &rows[1..] {
                moved |= self.shift_border(row.start);
            }
            if !moved {
                return;
            }
        }
    }

    fn rows(&self) -> Vec<Range<usize>> {
        let slots = 0..self.masters.len();
        let mut rows = Vec::new();
        let mut start = 0;
        for end in slots.clone().skip(1).filter(|&at| self.masters[at] != self.masters[at - 1]) {
            rows.push(start..end);
            start = end;
        }
        rows.push(start..slots.end);
        rows
    }

    /// Gives a row to the least loaded server that may have as many of its slots as its master.
    fn change_master(&mut self, row: Range<usize>) -> bool {
        let from = self.masters[row.start];
        let had = self.may_have(row.clone(), from);
        let length = row.len() as i64;
        let mut best: Option<u16> = None;
        // A row that its master may have whole can only go to a choice of its first slot.
        let end = if had == row.len() { row.start + 1 } else { row.end };
        for &to in (row.start..end).flat_map(|slot| self.choices.of(slot as u16)) {
            let lighter = best.is_none_or(|best| self.lighter(to, best));
            if lighter && self.improves(from, to, length) && self.may_have(row.clone(), to) >= had {
                best = Some(to);
            }
        }
        if let Some(to) = best {
            self.give(row, from, to);
        }
        best.is_some()
    }

    /// Moves the border before slot `at` so that the two rows' masters come closer to even.
    fn shift_border(&mut self, at: usize) -> bool {
        let (left, right) = (self.masters[at - 1], self.masters[at]);
        if left == right || self.weight(left) == 0 || self.weight(right) == 0 {
            return false;
        }
        let rightward = self.lighter(right, left);
        let (from, to) = if rightward { (left, right) } else { (right, left) };
        let wanted = self.even(from, to) as usize;
        let takes = |slot: &usize| self.masters[*slot] == from && self.no_loss(*slot, from, to);
        let slots = if rightward {
            at - (0..at).rev().take(wanted).take_while(takes).count()..at
        } else {
            at..at + (at..self.masters.len()).take(wanted).take_while(takes).count()
        };
        if slots.is_empty() {
            return false;
        }
        self.give(slots, from, to);
        true
    }

    /// Takes stretches out of the rows of overloaded masters, the longest first.
    fn carve(&mut self, most_rows: usize) -> bool {
        let mut rows = segment::rows(&self.masters);
        let mut carved = false;
        for Carving { slots, from, to } in self.carvings() {
            let spare = self.spare(from, to);
            if spare <= 0 || rows + 2 > most_rows {
                continue;
            }
            // Longer carvings may have taken some of it.
            let Some(start) = slots.clone().find(|&slot| self.masters[slot] == from) else { continue };
            let left = (start..slots.end).take(spare as usize);
            let end = start + left.take_while(|&slot| self.masters[slot] == from).count();
            self.give(start..end, from, to);
            rows = segment::rows(&self.masters);
            carved = true;
        }
        carved
    }

    /// How many slots to carve out of `from` for `to`: what the one has above and the other below its part; for a
    /// starved one what brings the two even.
    fn spare(&self, from: u16, to: u16) -> i64 {
        let lack = self.part(to) - self.load(to);
        let above = self.load(from) - self.part(from);
        if self.starved(to) { lack.min(above.max(self.even(from, to))) } else { lack.min(above) }
    }

    /// The stretches that overloaded masters could give to servers below their part, and others to starved ones,
    /// the longest first.
    fn carvings(&self) -> Vec<Carving> {
        let mut carvings = Vec::new();
        for row in self.rows() {
            let from = self.masters[row.start];
            if self.weight(from) == 0 {
                continue;
            }
            let overloaded = self.load(from) * OVERLOAD > self.part(from) * (OVERLOAD + 1);
            let mut open: Vec<Carving> = Vec::new();
            for slot in row.clone() {
                let (going_on, ended): (Vec<_>, Vec<_>) =
                    open.into_iter().partition(|carving| self.choices.has(slot as u16, carving.to));
                carvings.extend(ended);
                open = going_on;
                open.iter_mut().for_each(|carving| carving.slots.end = slot + 1);
                for &to in self.choices.of(slot as u16) {
                    let wants = if overloaded { self.load(to) < self.part(to) } else { self.starved(to) };
                    if wants && to != from && open.iter().all(|carving| carving.to != to) {
                        open.push(Carving { slots: slot..slot + 1, from, to });
                    }
                }
            }
            carvings.extend(open);
        }
        carvings.sort_by_key(|carving| {
            (core::cmp::Reverse(carving.slots.len()), carving.slots.start, carving.to)
        });
        carvings
    }

    fn give(&mut self, slots: Range<usize>, from: u16, to: u16) {
        self.load[usize::from(from)] -= slots.len() as i64;
        self.load[usize::from(to)] += slots.len() as i64;
        self.masters[slots].fill(to);
    }

    /// Would moving `length` slots lower the sum of load² / weight?
    fn improves(&self, from: u16, to: u16, length: i64) -> bool {
        let (from_weight, to_weight) = (self.weight(from), self.weight(to));
        let gap = self.load(from) * to_weight - self.load(to) * from_weight;
        from_weight > 0 && to_weight > 0 && length * (from_weight + to_weight) < 2 * gap
    }

    /// How many slots, moved from the one to the other, make their loads proportional to their weights. Not
    /// negative when `to` is the lighter one. Both are live.
    fn even(&self, from: u16, to: u16) -> i64 {
        let gap = self.load(from) * self.weight(to) - self.load(to) * self.weight(from);
        gap / (self.weight(from) + self.weight(to))
    }

    fn starved(&self, member: u16) -> bool {
        self.load(member) * STARVED < self.part(member) * (STARVED - 1)
    }

    fn lighter(&self, one: u16, other: u16) -> bool {
        self.load(one) * self.weight(other) < self.load(other) * self.weight(one)
    }

    fn no_loss(&self, slot: usize, from: u16, to: u16) -> bool {
        self.choices.has(slot as u16, to) || !self.choices.has(slot as u16, from)
    }

    fn may_have(&self, slots: Range<usize>, member: u16) -> usize {
        slots.filter(|&slot| self.choices.has(slot as u16, member)).count()
    }

    fn part(&self, member: u16) -> i64 {
        self.part[usize::from(member)]
    }

    fn load(&self, member: u16) -> i64 {
        self.load[usize::from(member)]
    }

    fn weight(&self, member: u16) -> i64 {
        self.weight[usize::from(member)]
    }
}
