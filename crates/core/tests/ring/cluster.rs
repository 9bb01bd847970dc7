//! Small clusters for tests.

use clockwise_core::{
    ids::{Epoch, MemberNumber, NodeId},
    layout::{Addresses, Layout, LayoutSpec, Member},
    version::{DigestKey, TokenKey},
};

/// Member `index`, with number `index + 1` and a token seed of its own.
pub fn member(index: u32, weight: u16, dc: &str, rack: &str) -> Member {
    let mut node = [0; 20];
    node[..4].copy_from_slice(&index.to_be_bytes());
    Member {
        number: MemberNumber(index + 1),
        node: NodeId(node),
        token_seed: fastrand::Rng::with_seed(u64::from(index)).u64(..),
        weight,
        dc: dc.into(),
        rack: rack.into(),
        addresses: Addresses::default(),
    }
}

/// These members at epoch 1.
pub fn spec(members: Vec<Member>, replicas: u8) -> LayoutSpec {
    LayoutSpec {
        cluster: [7; 16],
        epoch: Epoch(1),
        replicas,
        token_key: TokenKey([1; 16]),
        digest_key: DigestKey([2; 16]),
        members,
    }
}

/// Their layout.
pub fn layout(members: Vec<Member>, replicas: u8) -> Layout {
    Layout::new(spec(members, replicas)).expect("a well-formed layout")
}
