//! What a server says of itself and its cluster: the answer to `CW.STATUS`, read by `clockwise status`, `dev` and
//! the HTTP door. Fields may be added; readers ignore what they do not know.

use crate::client::ServerAddresses;
use clockwise_core::{ids::MemberNumber, layout::Layout, slot::Slot};
use serde::{Deserialize, Serialize};

/// One server's view, as it is now.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct ServerStatus {
    /// Of the program.
    pub version: String,
    /// Its node id, 40 hex digits.
    pub node: String,
    /// Its number in the layout; `None` while it has no layout.
    pub number: Option<u32>,
    /// Its life, from 1.
    pub incarnation: u32,
    /// The operating system's number of the process.
    pub pid: u32,
    /// Milliseconds since it started.
    pub uptime_ms: u64,
    /// The cluster, 32 hex digits; `None` while it has no layout.
    pub cluster: Option<String>,
    /// Of the layout; 0 for none.
    pub epoch: u64,
    /// Copies of every key; 0 without a layout.
    pub replicas: u8,
    /// Why requests at quorum are not served; `None` if they are.
    pub not_ready: Option<String>,
    /// `sync` or `periodic`.
    pub durability: String,
    /// Shard threads.
    pub shards: usize,
    /// Client connections.
    pub connections: u64,
    /// Live keys of which this server holds a copy.
    pub keys: u64,
    /// Its clock is off against two others.
    pub clock_skewed: bool,
    /// All servers of the layout, by number.
    pub members: Vec<MemberStatus>,
}

/// One member as another one sees it.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct MemberStatus {
    /// Its number.
    pub number: u32,
    /// Its node id.
    pub node: String,
    /// Whether it answers.
    pub state: MemberState,
    /// Where it is reached.
    pub addresses: ServerAddresses,
    /// Data centre.
    pub dc: String,
    /// Rack.
    pub rack: String,
    /// Capacity.
    pub weight: u16,
}

/// Whether a member answers, as another one sees it.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum MemberState {
    /// The server that says so.
    This,
    /// It answers.
    Live,
    /// It is silent or its link is refused: asked last, left out of the routing map.
    Suspected,
}

/// Whether a quorum of the owners of every slot answers; else why not.
pub fn readiness(layout: Option<&Layout>, live: &dyn Fn(MemberNumber) -> bool) -> Result<(), String> {
    let Some(layout) = layout else {
        return Err("this server belongs to no cluster yet: run `clockwise init`".to_owned());
    };
    let silent: Vec<MemberNumber> =
        layout.spec().members.iter().map(|member| member.number).filter(|number| !live(*number)).collect();
    if silent.is_empty() {
        return Ok(());
    }
    let lacking = |slot: &Slot| {
        let owners = layout.owners(*slot);
        let alive = owners.iter().filter(|owner| !silent.contains(owner)).count();
        alive < owners.len() / 2 + 1
    };
    let slots = Slot::all().filter(lacking).count();
    if slots == 0 {
        return Ok(());
    }
    let names: Vec<String> = silent.iter().map(MemberNumber::to_string).collect();
    Err(format!("{slots} slots lack a quorum of owners: {} do not answer", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::readiness;
    use clockwise_core::{
        ids::{Epoch, MemberNumber, NodeId},
        layout::{Addresses, Layout, LayoutSpec, Member},
        version::{DigestKey, TokenKey},
    };

    fn layout(servers: u32) -> Layout {
        let members = (1..=servers).map(|number| Member {
            number: MemberNumber(number),
            node: NodeId([number as u8; 20]),
            token_seed: u64::from(number),
            weight: 1,
            dc: "dc1".to_owned(),
            rack: "rack1".to_owned(),
            addresses: Addresses::default(),
        });
        Layout::new(LayoutSpec {
            cluster: [1; 16],
            epoch: Epoch(1),
            replicas: 3,
            token_key: TokenKey([1; 16]),
            digest_key: DigestKey([1; 16]),
            members: members.collect(),
        })
        .unwrap()
    }

    #[test]
    fn ready_means_a_quorum_everywhere() {
        assert!(readiness(None, &|_| true).unwrap_err().contains("init"));
        let three = layout(3);
        assert_eq!(readiness(Some(&three), &|_| true), Ok(()));
        assert_eq!(readiness(Some(&three), &|member| member.0 != 2), Ok(()));
        let refused = readiness(Some(&three), &|member| member.0 == 2).unwrap_err();
        assert!(refused.contains("16384 slots") && refused.contains("s1, s3"), "{refused}");
        // With six servers two that are down share some slots only.
        let refused = readiness(Some(&layout(6)), &|member| member.0 > 2).unwrap_err();
        assert!(!refused.contains("16384"), "{refused}");
        assert_eq!(readiness(Some(&layout(1)), &|_| true), Ok(()));
    }
}
