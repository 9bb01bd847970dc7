//! A server: its threads, what they share, and its life from start to stop.
//!
//! | thread | owns |
//! |---|---|
//! | `shard-N` | cells, client connections, links (`shard`) |
//! | `log` | the commit log (`log`) |
//! | `read-N`, `compaction` | nothing; they run jobs (`log::jobs`) |
//! | `control` | the data folder's records ([`control`]) |
//! | `supervisor` | the order in which all of them end ([`handle`]) |

mod cache_parts;
pub(crate) mod clock;
mod control;
mod counter;
mod doors;
mod files;
mod handle;
mod identity;
mod lifecycle;
mod mailbox;
mod membership;
pub(crate) mod metrics;
mod shared;
mod start;
mod status;
mod topology;

pub use control::InstallError;
pub use counter::HistogramSnapshot;
pub use handle::ServerHandle;
pub use lifecycle::Exit;
pub use membership::GossipStatus;
pub use metrics::{CommandCounts, MetricsSnapshot, ShardNumbers};
pub use start::{Server, StartError};
pub use status::{AddressTexts, HintsStatus, Identification, MemberStatus, ServerStatus, WaitStatus};

pub(crate) use control::{Asker, Control};
pub(crate) use doors::Doors;
#[cfg(test)]
pub(crate) use identity::Standing;
pub(crate) use membership::MembershipView;
#[cfg(test)]
pub(crate) use shared::Life;
pub(crate) use shared::Shared;
pub(crate) use status::{identify, snapshot, status};
pub(crate) use topology::{MapKeeper, Topology};
