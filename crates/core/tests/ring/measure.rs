//! Measures rings: how even the load is and how much a join and a leave move. Used by the test and by
//! `examples/ring_table.rs`, so that the table in the docs shows what the test holds.
//!
//! **Ideal** is the most even load that the placement rule allows: in proportion to weight, but a server holds a
//! slot once at most, and a data centre its fair part of the replicas at most.
//!
//! **Structure**: the first N distinct servers clockwise are a draw without replacement. After a heavy server is
//! drawn, light ones get more than their part of the rest: with weights 1:2:4 in one data centre a server of
//! weight 1 expects more than its ideal on a *perfect* ring. No number of virtual nodes changes that. What a perfect ring gives
//! is computed exactly here, and is what the measured load is held against.

use clockwise_core::{
    ids::{Epoch, MemberNumber, NodeId},
    layout::{Addresses, Layout, LayoutSpec, Member},
    slot::Slot,
    version::{DigestKey, TokenKey},
};
use std::collections::BTreeMap;

/// Replicas of a slot in all measurements.
pub const REPLICAS: u8 = 3;

/// A cluster to measure.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Servers.
    pub members: u32,
    /// Weights 1, 2, 4 in turn, or all 1.
    pub mixed: bool,
    /// Data centres.
    pub dcs: u32,
}

impl Shape {
    /// All 20 of the table.
    pub fn all() -> Vec<Shape> {
        let mut shapes = Vec::new();
        for members in [3, 6, 12, 30, 99] {
            for mixed in [false, true] {
                shapes.extend([1, 3].map(|dcs| Shape { members, mixed, dcs }));
            }
        }
        shapes
    }

    /// Member `index` of the cluster with this seed. The data centres get light and heavy members alike.
    pub fn member(self, index: u32, seed: u64) -> Member {
        let mut random = fastrand::Rng::with_seed(seed << 32 | u64::from(index));
        let weight = if self.mixed { [1, 2, 4][index as usize % 3] } else { 1 };
        Member {
            number: MemberNumber(index + 1),
            node: NodeId(core::array::from_fn(|_| random.u8(..))),
            token_seed: random.u64(..),
            weight,
            dc: format!("dc{}", (index + index / 3) % self.dcs),
            rack: String::new(),
            addresses: Addresses::default(),
        }
    }

    /// The cluster with this seed.
    pub fn layout(self, seed: u64) -> Layout {
        layout((0..self.members).map(|index| self.member(index, seed)).collect(), REPLICAS)
    }
}

/// A layout of these members.
pub fn layout(members: Vec<Member>, replicas: u8) -> Layout {
    let spec = LayoutSpec {
        cluster: [7; 16],
        epoch: Epoch(1),
        replicas,
        token_key: TokenKey([1; 16]),
        digest_key: DigestKey([2; 16]),
        members,
    };
    Layout::new(spec).expect("a well-formed layout")
}

/// What one seed showed. All loads are ratios, 1 is as planned.
#[derive(Clone, Copy, Debug)]
pub struct Seed {
    /// Most loaded server against the ideal.
    pub most: f64,
    /// Least loaded server against the ideal.
    pub least: f64,
    /// Most loaded server against the larger of ideal and perfect ring.
    pub most_of_possible: f64,
    /// Replicas moved by a join, against the newcomer's part.
    pub join: f64,
    /// Replicas moved by a leave, against the leaver's part.
    pub leave: f64,
    /// Most replicas of one slot that a join or a leave changed.
    pub changed: usize,
}

/// Measures the cluster, a join of one more member, and a leave of one.
pub fn measure(shape: Shape, seed: u64) -> Seed {
    let layout = shape.layout(seed);
    let (ideal, perfect) = (ideal(&layout), perfect(&layout));
    let loads: Vec<f64> = layout.shares().iter().map(|&(_, slots)| f64::from(slots) / 16384.0).collect();
    let against =
        |part: &[f64]| -> Vec<f64> { loads.iter().zip(part).map(|(load, part)| load / part).collect() };
    let possible: Vec<f64> = ideal.iter().zip(&perfect).map(|(ideal, perfect)| ideal.max(*perfect)).collect();
    let newcomer = shape.members;
    let mut members = layout.spec().members.clone();
    members.push(shape.member(newcomer, seed));
    let larger = self::layout(members, REPLICAS);
    let (join, join_changed) = movement(&larger, &layout, newcomer as usize);
    let leaver = seed as usize * 7 % shape.members as usize;
    let mut members = layout.spec().members.clone();
    members.remove(leaver);
    let smaller = self::layout(members, REPLICAS);
    let (leave, leave_changed) = movement(&layout, &smaller, leaver);
    Seed {
        most: against(&ideal).into_iter().fold(0.0, f64::max),
        least: against(&ideal).into_iter().fold(f64::MAX, f64::min),
        most_of_possible: against(&possible).into_iter().fold(0.0, f64::max),
        join,
        leave,
        changed: join_changed.max(leave_changed),
    }
}

/// What moves between two clusters that differ in one server: the replicas that change hands against that server's
/// part on a perfect ring, and the most replicas of one slot that do. A join and a leave are the same, read in
/// opposite directions.
fn movement(larger: &Layout, smaller: &Layout, server: usize) -> (f64, usize) {
    let part = perfect(larger)[server] * 16384.0;
    let (mut moved, mut most) = (0, 0);
    for slot in Slot::all() {
        let (more, fewer) = (larger.owners(slot), smaller.owners(slot));
        let changed = more.iter().filter(|owner| !fewer.contains(owner)).count();
        moved += changed;
        most = most.max(changed);
    }
    (moved as f64 / part, most)
}

/// The most even load that the rule allows, as replicas per slot of each member.
pub fn ideal(layout: &Layout) -> Vec<f64> {
    let members = &layout.spec().members;
    let mut dcs: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    members.iter().enumerate().for_each(|(at, member)| dcs.entry(&member.dc).or_default().push(at));
    let owners = members.len().min(usize::from(layout.spec().replicas));
    let fair = owners.div_ceil(dcs.len());
    let weight_of = |at: &usize| f64::from(members[*at].weight);
    let weights: Vec<f64> = dcs.values().map(|dc| dc.iter().map(weight_of).sum()).collect();
    let caps: Vec<f64> = dcs.values().map(|dc| dc.len().min(fair) as f64).collect();
    let mut parts = vec![0.0; members.len()];
    for (dc, part) in dcs.values().zip(pour(owners as f64, &weights, &caps)) {
        let weights: Vec<f64> = dc.iter().map(weight_of).collect();
        for (&at, part) in dc.iter().zip(pour(part, &weights, &vec![1.0; dc.len()])) {
            parts[at] = part;
        }
    }
    parts
}

/// Splits `total` in proportion to the weights, none above its cap.
fn pour(total: f64, weights: &[f64], caps: &[f64]) -> Vec<f64> {
    let mut full = vec![false; weights.len()];
    loop {
        let capped: f64 = caps.iter().zip(&full).filter(|&(_, full)| *full).map(|(cap, _)| cap).sum();
        let open: f64 = weights.iter().zip(&full).filter(|&(_, full)| !full).map(|(weight, _)| weight).sum();
        let part = |at: usize| if full[at] { caps[at] } else { (total - capped) * weights[at] / open };
        let parts: Vec<f64> = (0..weights.len()).map(part).collect();
        let over: Vec<usize> =
            (0..parts.len()).filter(|&at| !full[at] && parts[at] > caps[at] + 1e-9).collect();
        if over.is_empty() {
            return parts;
        }
        over.into_iter().for_each(|at| full[at] = true);
    }
}

/// The expected load on a perfect ring, where the next server clockwise is any of the rest in proportion to its
/// weight. Exact for one data centre, and for as many data centres as replicas (each draws one server of its own).
pub fn perfect(layout: &Layout) -> Vec<f64> {
    let members = &layout.spec().members;
    let owners = members.len().min(usize::from(layout.spec().replicas));
    let mut dcs: BTreeMap<&str, BTreeMap<u16, u32>> = BTreeMap::new();
    for member in members {
        *dcs.entry(&member.dc).or_default().entry(member.weight).or_default() += 1;
    }
    assert!(dcs.len() == 1 || dcs.len() == owners, "no exact answer for this many data centres");
    let expected: BTreeMap<&str, BTreeMap<u16, f64>> = dcs
        .iter()
        .map(|(&dc, classes)| {
            let mut drawn = BTreeMap::new();
            draw(classes, owners / dcs.len(), 1.0, &mut drawn);
            (dc, drawn.into_iter().map(|(weight, sum)| (weight, sum / f64::from(classes[&weight]))).collect())
        })
        .collect();
    members.iter().map(|member| expected[member.dc.as_str()][&member.weight]).collect()
}

/// Draws `count` servers without replacement; adds to `drawn` how many of each weight are expected.
fn draw(classes: &BTreeMap<u16, u32>, count: usize, chance: f64, drawn: &mut BTreeMap<u16, f64>) {
    let total: f64 = classes.iter().map(|(&weight, &left)| f64::from(weight) * f64::from(left)).sum();
    for (&weight, &left) in classes.iter().filter(|&(_, &left)| count > 0 && left > 0) {
        let chance = chance * f64::from(weight) * f64::from(left) / total;
        *drawn.entry(weight).or_default() += chance;
        let mut rest = classes.clone();
        rest.insert(weight, left - 1);
        draw(&rest, count - 1, chance, drawn);
    }
}

/// The mean of some figure over seeds.
pub fn mean(seeds: &[Seed], figure: impl Fn(&Seed) -> f64) -> f64 {
    seeds.iter().map(figure).sum::<f64>() / seeds.len() as f64
}

/// The largest of some figure over seeds.
pub fn highest(seeds: &[Seed], figure: impl Fn(&Seed) -> f64) -> f64 {
    seeds.iter().map(figure).fold(f64::MIN, f64::max)
}

/// The smallest of some figure over seeds.
pub fn lowest(seeds: &[Seed], figure: impl Fn(&Seed) -> f64) -> f64 {
    seeds.iter().map(figure).fold(f64::MAX, f64::min)
}
