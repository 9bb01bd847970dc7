//! What a server says to `CW.IDENTIFY`.

use clockwise_core::layout::Addresses;
use serde::{Deserialize, Serialize};

/// Who a server is, before it belongs to a cluster and after.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Identified {
    /// 40 hex digits.
    pub node: String,
    /// Of the program.
    pub version: String,
    /// Where others reach it.
    pub addresses: ServerAddresses,
    /// Data centre.
    pub dc: String,
    /// Rack.
    pub rack: String,
    /// Capacity.
    pub weight: u16,
    /// Of the installed layout; 0 for none.
    pub epoch: u64,
    /// The cluster of the installed layout, 32 hex digits.
    pub cluster: Option<String>,
    /// The installed layout as `CW.INSTALL` takes it, so that `init` can finish what another one began.
    pub layout: Option<String>,
}

/// Where a server is reached, `host:port` each.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct ServerAddresses {
    /// Other servers.
    pub peer: String,
    /// Redis cluster clients.
    pub cluster: String,
    /// Plain Redis clients.
    pub plain: String,
    /// HTTP.
    pub http: String,
}

impl From<ServerAddresses> for Addresses {
    fn from(texts: ServerAddresses) -> Addresses {
        Addresses { peer: texts.peer, cluster: texts.cluster, plain: texts.plain, http: texts.http }
    }
}

impl From<Addresses> for ServerAddresses {
    fn from(addresses: Addresses) -> ServerAddresses {
        ServerAddresses {
            peer: addresses.peer,
            cluster: addresses.cluster,
            plain: addresses.plain,
            http: addresses.http,
        }
    }
}
