//! Which layout a set of servers is to have, and which of them lack it. Talks to nobody.

use crate::client::Identified;
use clockwise_core::{
    ids::{Epoch, MemberNumber, NodeId},
    layout::{Layout, LayoutSpec, Member},
    version::{DigestKey, TokenKey},
};
use std::collections::BTreeSet;

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    /// The layout of all of them.
    pub(super) layout: Layout,
    /// Positions of the servers that lack it.
    pub(super) missing: Vec<usize>,
}

/// Fills a buffer with random bytes.
pub(super) type Random<'a> = &'a mut dyn FnMut(&mut [u8]) -> Result<(), String>;

/// Takes over the layout that one of the servers has, or mints one.
pub(super) fn plan(
    servers: &[(String, Identified)],
    replicas: u8,
    random: Random<'_>,
) -> Result<Plan, String> {
    let mut nodes = Vec::new();
    for (server, identified) in servers {
        let node = NodeId::parse(&identified.node)
            .ok_or_else(|| format!("{server} gave `{}` as its node id", identified.node))?;
        if let Some(twice) = nodes.iter().position(|earlier| *earlier == node) {
            return Err(format!(
                "{} and {server} are one and the same server: give each once",
                servers[twice].0
            ));
        }
        nodes.push(node);
    }
    let missing: Vec<usize> = (0..servers.len()).filter(|&at| servers[at].1.cluster.is_none()).collect();
    let layout = match servers.iter().find(|(_, identified)| identified.cluster.is_some()) {
        Some(first) => existing(servers, first, &nodes, replicas)?,
        None => mint(servers, &nodes, replicas, random)?,
    };
    Ok(Plan { layout, missing })
}

/// The layout of the first server that has one, if it is a layout of just these servers.
fn existing(
    servers: &[(String, Identified)],
    (name, first): &(String, Identified),
    nodes: &[NodeId],
    replicas: u8,
) -> Result<Layout, String> {
    let cluster = |identified: &Identified| identified.cluster.clone().unwrap_or_default();
    for (server, identified) in servers {
        if identified.cluster.is_some() && identified.cluster != first.cluster {
            return Err(format!(
                "{name} belongs to cluster {} and {server} to cluster {}: data of two clusters is not merged",
                cluster(first),
                cluster(identified)
            ));
        }
    }
    let layout = first.layout.as_deref().and_then(unhex).map(bytes::Bytes::from);
    let layout = layout
        .and_then(|bytes| Layout::decode(bytes).ok())
        .ok_or_else(|| format!("{name} gave a layout that this version cannot read"))?;
    let members: BTreeSet<NodeId> = layout.spec().members.iter().map(|member| member.node).collect();
    if members != nodes.iter().copied().collect() {
        let addresses: Vec<&str> =
            layout.spec().members.iter().map(|member| member.addresses.cluster.as_str()).collect();
        return Err(format!(
            "{name} belongs to cluster {} of other servers than those given: its members are {}. A server with \
             an empty data folder is a new one",
            cluster(first),
            addresses.join(", ")
        ));
    }
    if layout.spec().replicas != replicas {
        return Err(format!(
            "the cluster keeps {} replicas, not {replicas}: run init with --replicas {0}",
            layout.spec().replicas
        ));
    }
    Ok(layout)
}

/// Epoch 1 of a new cluster.
fn mint(
    servers: &[(String, Identified)],
    nodes: &[NodeId],
    replicas: u8,
    random: Random<'_>,
) -> Result<Layout, String> {
    let mut members = Vec::with_capacity(servers.len());
    for (number, ((_, identified), node)) in (1..).zip(servers.iter().zip(nodes)) {
        let mut seed = [0; 8];
        random(&mut seed)?;
        members.push(Member {
            number: MemberNumber(number),
            node: *node,
            token_seed: u64::from_le_bytes(seed),
            weight: identified.weight,
            dc: identified.dc.clone(),
            rack: identified.rack.clone(),
            addresses: identified.addresses.clone().into(),
        });
    }
    let mut keys = [[0; 16]; 3];
    for key in &mut keys {
        random(key)?;
    }
    let [cluster, token_key, digest_key] = keys;
    let spec = LayoutSpec {
        cluster,
        epoch: Epoch(1),
        replicas,
        token_key: TokenKey(token_key),
        digest_key: DigestKey(digest_key),
        members,
    };
    Layout::new(spec).map_err(|error| format!("these servers make no layout: {error}"))
}

/// Bytes as hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}
