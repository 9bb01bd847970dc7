//! The fewest rows: slots → masters so that neighbours have the same one wherever they can.
//!
//! A dynamic programme over the slots. A slot whose master may be one earns that master's worth, a new row costs a
//! price, and the best total wins. At price 1 every slot gets a master that may be one, in the fewest rows there
//! can be; higher prices give up slots, the cheapest first. Only members that are a choice of a slot can gain
//! there, so a step looks at the choices of one slot and not at all members.
//!
//! `balance` evens out the load afterwards. Where rows are scarce it could not do so without losing slots, so there
//! the worth of overloaded members falls here.

use super::choices::Choices;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

/// What a slot with a master that may be one earns, before loads are looked at.
const OWNED: i32 = 64;

/// What it may earn afterwards.
const WORTH: RangeInclusive<i32> = OWNED / 4..=2 * OWNED;

/// Times that the worth is adjusted.
const ADJUSTMENTS: i32 = 8;

/// Prices of a row, on two values, so that the number of rows can be met between two whole prices.
#[derive(Clone, Copy)]
struct Prices {
    low: i32,
    /// Slots whose scattered number is below this pay one more.
    raised: u16,
}

impl Prices {
    /// The price of a row that begins at this slot. The raised ones are scattered by reversing the bits, so that
    /// no stretch of slots is served worse than others.
    fn at(self, slot: u16) -> i32 {
        self.low + i32::from(slot.reverse_bits() >> 2 < self.raised)
    }
}

/// Masters for all slots: the fewest rows or, when those are more than `most_rows`, about as many rows as allowed
/// with many slots under a master that may be one.
pub(super) fn masters(choices: &Choices, most_rows: usize) -> Vec<u16> {
    let mut worth = alloc::vec![OWNED; choices.weights().len()];
    let fewest = chain(choices, &worth, Prices { low: 1, raised: 0 });
    if rows(&fewest) <= most_rows {
        return fewest;
    }
    let low = lowest_price(choices, &worth, most_rows);
    for step in 1..=ADJUSTMENTS {
        let masters = chain(choices, &worth, Prices { low, raised: 0 });
        adjust(choices, &masters, &mut worth, OWNED / (4 + step));
    }
    let low = lowest_price(choices, &worth, most_rows) - 1;
    // 64 steps of 256 slots are fine enough; all raised is the next whole price, which fits.
    let fits =
        |steps: i32| rows(&chain(choices, &worth, Prices { low, raised: 256 * steps as u16 })) <= most_rows;
    let raised = 256 * bisect(0, 64, fits) as u16;
    chain(choices, &worth, Prices { low, raised })
}

/// The number of stretches with one master.
pub(super) fn rows(masters: &[u16]) -> usize {
    1 + masters.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

/// The lowest whole price at which the rows are few enough.
fn lowest_price(choices: &Choices, worth: &[i32], most_rows: usize) -> i32 {
    let fits = |low| rows(&chain(choices, worth, Prices { low, raised: 0 })) <= most_rows;
    // At the highest price no number of slots is worth a second row.
    let highest = WORTH.end() * i32::from(choices.slots());
    let mut good = OWNED;
    while good < highest && !fits(good) {
        good *= 2;
    }
    bisect(0, good, fits)
}

/// A value in `(bad, good]` that fits, by bisection; `good` must fit.
fn bisect(mut bad: i32, mut good: i32, fits: impl Fn(i32) -> bool) -> i32 {
    while good - bad > 1 {
        let middle = bad + (good - bad) / 2;
        if fits(middle) { good = middle } else { bad = middle }
    }
    good
}

/// Lowers the worth of members with more slots than their part and raises that of others, by at most `step`.
fn adjust(choices: &Choices, masters: &[u16], worth: &mut [i32], step: i32) {
    let mut load = alloc::vec![0i64; worth.len()];
    masters.iter().for_each(|&master| load[usize::from(master)] += 1);
    let weights = choices.weights().iter().map(|&weight| i64::from(weight));
    let total: i64 = weights.clone().sum();
    for ((worth, load), weight) in worth.iter_mut().zip(load).zip(weights) {
        let part = masters.len() as i64 * weight / total.max(1);
        if part > 0 {
            let lacks = (i64::from(step) * (part - load) / part).max(-i64::from(step)) as i32;
            *worth = (*worth + lacks).clamp(*WORTH.start(), *WORTH.end());
        }
    }
}

/// The best way to reach a slot with one of its choices as master.
#[derive(Clone, Copy)]
struct Cell {
    slot: u16,
    member: u16,
    value: i32,
    /// The cell before: of the same member when the row goes on, else of the row before.
    before: Option<u32>,
}

/// One run of the dynamic programme.
///
/// `last[m]` is the cell of the latest slot that member `m` may be master of. Between such slots, going on with `m`
/// earns nothing, so its value stands still and needs no cells; and starting a row later is never worse than
/// starting it on a slot that `m` may not have.
fn chain(choices: &Choices, worth: &[i32], prices: Prices) -> Vec<u16> {
    let mut cells: Vec<Cell> = Vec::with_capacity(usize::from(choices.slots()) * choices.width());
    let mut last: Vec<Option<u32>> = alloc::vec![None; worth.len()];
    let mut best: Option<u32> = None;
    let value = |cells: &[Cell], at: u32| cells[at as usize].value;
    for slot in 0..choices.slots() {
        let begin = best.map_or(0, |at| value(&cells, at) - prices.at(slot));
        let before = best;
        for &member in choices.of(slot) {
            let goes_on = last[usize::from(member)].filter(|&at| value(&cells, at) >= begin);
            let (so_far, before) = goes_on.map_or((begin, before), |at| (value(&cells, at), Some(at)));
            let here = cells.len() as u32;
            cells.push(Cell { slot, member, value: so_far + worth[usize::from(member)], before });
            last[usize::from(member)] = Some(here);
            if best.is_none_or(|best| value(&cells, here) > value(&cells, best)) {
                best = Some(here);
            }
        }
    }
    follow(&cells, best, choices.slots())
}

/// Walks back from the last cell; the slots between two cells belong to the earlier one's master.
fn follow(cells: &[Cell], mut at: Option<u32>, slots: u16) -> Vec<u16> {
    let mut masters = alloc::vec![0; usize::from(slots)];
    let mut end = masters.len();
    while let Some(cell) = at.map(|at| cells[at as usize]) {
        masters[usize::from(cell.slot)..end].fill(cell.member);
        end = usize::from(cell.slot);
        at = cell.before;
    }
    masters
}
