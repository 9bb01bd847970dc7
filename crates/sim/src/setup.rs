//! The cluster that a run begins with.

use crate::{
    clock::Clock,
    mix::Plan,
    random::stream,
    server::{Build, Server},
    storage::Disk,
};
use clockwise_core::{
    ids::{Epoch, MemberNumber, NodeId},
    layout::{Addresses, Layout, LayoutSpec, Member},
    version::{DigestKey, TokenKey},
};
use fastrand::Rng;

/// The layout that `init` writes.
pub(crate) fn first_layout(servers: usize, replicas: u8, rng: &mut Rng) -> Layout {
    let members = (1..=servers as u32)
        .map(|number| Member {
            number: MemberNumber(number),
            node: NodeId(std::array::from_fn(|_| rng.u8(..))),
            token_seed: rng.u64(..),
            weight: 1,
            dc: "dc1".to_owned(),
            rack: format!("r{number}"),
            addresses: Addresses::default(),
        })
        .collect();
    let spec = LayoutSpec {
        cluster: std::array::from_fn(|_| rng.u8(..)),
        epoch: Epoch(1),
        replicas,
        token_key: TokenKey(std::array::from_fn(|_| rng.u8(..))),
        digest_key: DigestKey(std::array::from_fn(|_| rng.u8(..))),
        members,
    };
    Layout::new(spec).expect("numbers and ids are distinct and N is small")
}

/// A server with an empty folder of that layout.
pub(crate) fn new_server(plan: &Plan, index: usize, layout: &Layout, rng: &mut Rng) -> Server {
    let member = &layout.spec().members[index];
    let build = Build {
        number: member.number,
        node: member.node,
        shards: plan.shards[index],
        exchange: plan.exchange,
        collect: plan.collect,
        canary: plan.canary,
    };
    let mut clock = Clock::default();
    let bound = plan.skew_us as i64;
    clock.jump(rng.i64(-bound..=bound), 0);
    let disk = Disk::new(plan.store, plan.cold_per_mille, stream(plan.seed, "disk", index as u64));
    Server::new(build, disk, layout, clock).expect("an empty disk takes an identity and a layout")
}
