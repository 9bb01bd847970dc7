//! `CLUSTER INFO`. The state is `ok` also in a minority: single keys may be served, and each request says itself
//! when it is not.

use crate::server::Topology;
use clockwise_core::{ids::MemberNumber, limits::SLOTS};
use std::{collections::BTreeSet, fmt::Write};

pub(super) fn text(topology: Option<&Topology>, me: Option<MemberNumber>) -> String {
    let slots = if topology.is_some() { SLOTS } else { 0 };
    let epoch = topology.map_or(0, |topology| topology.layout.epoch().0);
    let members = topology.map_or(1, |topology| topology.layout.spec().members.len());
    let masters: BTreeSet<MemberNumber> =
        topology.iter().flat_map(|topology| topology.map.rows.iter().map(|row| row.master)).collect();
    let lines = [
        ("cluster_state", if topology.is_some() { "ok".to_owned() } else { "fail".to_owned() }),
        ("cluster_slots_assigned", slots.to_string()),
        ("cluster_slots_ok", slots.to_string()),
        ("cluster_slots_pfail", "0".to_owned()),
        ("cluster_slots_fail", "0".to_owned()),
        ("cluster_known_nodes", members.to_string()),
        ("cluster_size", masters.len().to_string()),
        ("cluster_current_epoch", epoch.to_string()),
        ("cluster_my_epoch", if me.is_some() { epoch.to_string() } else { "0".to_owned() }),
    ];
    let mut text = String::new();
    for (name, value) in lines {
        write!(text, "{name}:{value}\r\n").expect("writing to a string cannot fail");
    }
    text
}
