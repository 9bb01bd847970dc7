//! The data folder of one server: its lock, its format, who the server is and which layout it installed.
//!
//! Whatever is handed out is durable already: a new incarnation, a reservation of the clock, a layout. The
//! engine's files beside these records belong to `store`. Moving a folder is fine while no server runs on it;
//! running a copy beside the original is not, and nothing here can see it: its peers do (`core::witness`).

mod check;
mod error;
mod format;

#[cfg(test)]
mod tests;

pub(crate) use check::check;
pub use error::BootError;

use crate::settings::Settings;
use bytes::Bytes;
use clockwise_core::{
    canary::Canary,
    hlc::{Hlc, Now},
    identity::{Identity, reservation},
    ids::NodeId,
    layout::Layout,
    witness::Witness,
};
use clockwise_store::{Disk, RealDisk, meta};
use std::{
    fmt, io,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// The record of who the server is.
const IDENTITY: &str = "identity";
/// The record of the newest layout.
const LAYOUT: &str = "layout";
/// The record of whom the server has met.
const WITNESS: &str = "witness";
/// The record that says that the folder must not be served again.
const OUTLIVED: &str = "outlived";

/// A data folder that this process holds.
pub struct Folder {
    /// Where the engine's files are.
    pub disk: Arc<dyn Disk>,
    /// As it is on the disk.
    pub identity: Identity,
    /// No timestamp at or below this is minted in this life.
    pub clock_floor: Hlc,
    /// The newest layout, in which this node is a member.
    pub layout: Option<Arc<Layout>>,
    /// Which processes of the others were met.
    pub witness: Witness,
    /// The life before this one stopped cleanly, or there was none.
    pub clean_start: bool,
}

impl Folder {
    /// Locks the folder, making it if there is none, and begins a life: identity and clock reservation of it are
    /// durable when this returns.
    pub fn open(settings: &Settings) -> Result<Folder, BootError> {
        let path = &settings.data_dir;
        let disk = RealDisk::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::ResourceBusy => BootError::InUse { path: path.clone() },
            _ => BootError::Io { path: path.clone(), doing: "open it", error },
        })?;
        Folder::begin(Arc::new(disk), settings, now())
    }

    fn begin(disk: Arc<dyn Disk>, settings: &Settings, now: Now) -> Result<Folder, BootError> {
        let path = &settings.data_dir;
        let io = |doing| move |error| BootError::Io { path: path.clone(), doing, error };
        let fresh = format::check(&*disk, path)?;
        let found = load(&*disk, path, IDENTITY)?;
        let layout = load(&*disk, path, LAYOUT)?;
        let witness = load_witness(&*disk, path);
        if meta::load(&*disk, OUTLIVED).is_ok_and(|found| found.is_some()) {
            return Err(BootError::Outlived { path: path.clone() });
        }
        let (before, clean_start) = match found {
            Some(bytes) => {
                let identity = Identity::decode(bytes).map_err(|_| BootError::damaged(path, IDENTITY))?;
                (Some(identity), identity.clean)
            }
            // The identity is the first thing that is written behind the format.
            None if layout.is_none() && format::is_empty(&*disk).map_err(io("list it"))? => (None, true),
            None => return Err(BootError::damaged(path, IDENTITY)),
        };
        expect_node(settings, before.map(|identity| identity.node))?;
        let layout = layout.map(|bytes| Layout::decode(bytes).map_err(|_| BootError::damaged(path, LAYOUT)));
        let layout = layout.transpose()?.map(Arc::new);
        if fresh {
            format::mark(&*disk).map_err(io("mark it"))?;
        }
        let (mut identity, clock_floor) = match before {
            Some(identity) => identity.start(now, Canary::None),
            None => (Identity::mint(random_node().map_err(io("mint an identity for it"))?, now), Hlc::ZERO),
        };
        if let Some(layout) = &layout {
            if layout.by_node(identity.node).is_none() {
                return Err(BootError::LayoutOfOthers { path: path.clone(), node: identity.node });
            }
            // The layout is written before the identity, so only it may be ahead.
            identity.epoch = identity.epoch.max(layout.epoch());
        }
        let installed = layout.as_ref().map_or(0, |layout| layout.epoch().0);
        if identity.epoch.0 > installed {
            return Err(BootError::LayoutLost {
                path: path.clone(),
                epoch: identity.epoch.0,
                found: installed,
            });
        }
        let mut folder = Folder { disk, identity, clock_floor, layout, witness, clean_start };
        folder.save(identity).map_err(io("write its identity"))?;
        Ok(folder)
    }

    /// Makes a layout durable. Older ones than the installed one are refused.
    pub fn save_layout(&mut self, layout: Arc<Layout>) -> io::Result<()> {
        if layout.epoch() < self.identity.epoch {
            return Err(io::Error::other("a newer layout is installed"));
        }
        meta::save(&*self.disk, LAYOUT, &layout.encode())?;
        self.save(Identity { epoch: layout.epoch(), ..self.identity })?;
        self.layout = Some(layout);
        Ok(())
    }

    /// Makes durable that a later process of this server was met, so that nobody serves this folder again.
    pub fn mark_outlived(&mut self) -> io::Result<()> {
        meta::save(&*self.disk, OUTLIVED, &[1])
    }

    /// Makes durable whom the server has met.
    pub fn save_witness(&mut self, witness: &[u8]) -> io::Result<()> {
        meta::save(&*self.disk, WITNESS, witness)
    }

    /// Makes a new incarnation durable. Lower ones than the running one change nothing.
    pub fn take_incarnation(&mut self, incarnation: u32) -> io::Result<()> {
        if incarnation <= self.identity.incarnation {
            return Ok(());
        }
        self.save(Identity { incarnation, ..self.identity })
    }

    /// Makes durable that no later life mints a timestamp at or below `up_to`, and some time beyond it. The
    /// reservation that holds now is the answer.
    pub fn reserve_clock(&mut self, up_to: Hlc) -> io::Result<Hlc> {
        let reserved = reservation(self.identity.reserved.max(up_to), now());
        self.save(Identity { reserved, ..self.identity })?;
        Ok(reserved)
    }

    /// Says that everything minted in this life is in the data: to be called when nothing more is minted and the
    /// log is synced. The next life goes on with this incarnation.
    pub fn stop_cleanly(&mut self) -> io::Result<()> {
        self.save(Identity { clean: true, ..self.identity })
    }

    fn save(&mut self, identity: Identity) -> io::Result<()> {
        meta::save(&*self.disk, IDENTITY, &identity.encode())?;
        self.identity = identity;
        Ok(())
    }
}

/// Whom the server has met. Without it a peer's old folder may go unnoticed by this server, and no more.
fn load_witness(disk: &dyn Disk, path: &std::path::Path) -> Witness {
    let found = match load(disk, path, WITNESS) {
        Ok(None) => return Witness::default(),
        Ok(Some(bytes)) => Witness::decode(bytes).ok(),
        Err(_) => None,
    };
    found.unwrap_or_else(|| {
        tracing::warn!("the record of whom this server has met is damaged: it begins a new one");
        Witness::default()
    })
}

fn load(disk: &dyn Disk, path: &std::path::Path, name: &'static str) -> Result<Option<Bytes>, BootError> {
    meta::load(disk, name).map_err(|error| match error {
        clockwise_store::MetaError::Damaged => BootError::damaged(path, name),
        clockwise_store::MetaError::Io(error) => {
            BootError::Io { path: path.to_path_buf(), doing: "read its records", error }
        }
    })
}

fn expect_node(settings: &Settings, found: Option<NodeId>) -> Result<(), BootError> {
    match (settings.node_id, found) {
        (Some(expected), found) if found != Some(expected) => {
            Err(BootError::OtherNode { path: settings.data_dir.clone(), expected, found })
        }
        _ => Ok(()),
    }
}

fn random_node() -> io::Result<NodeId> {
    let mut id = [0; 20];
    getrandom::fill(&mut id).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(NodeId(id))
}

/// The wall clock; there is no monotonic time in what a folder keeps.
fn now() -> Now {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { mono_ms: 0, wall_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Folder")
            .field("identity", &self.identity)
            .field("clock_floor", &self.clock_floor)
            .field("epoch", &self.layout.as_ref().map(|layout| layout.epoch()))
            .field("clean_start", &self.clean_start)
            .finish_non_exhaustive()
    }
}
