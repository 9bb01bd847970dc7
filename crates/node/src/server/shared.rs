//! What all threads of a server share. Data that requests pass through is not among it: that belongs to shards.

use super::{
    cache_parts::CacheParts,
    clock::Clock,
    control::{Control, ControlLine},
    identity::Standing,
    lifecycle::Lifecycle,
    membership::MembershipView,
    metrics::Metrics,
    topology::Topology,
};
use crate::{
    limits::MAILBOX_REQUESTS,
    log::{JobQueue, LogQueue},
    peer::PeerBook,
    server::mailbox::Mailbox,
    settings::Settings,
    shard::{Gate, Letter},
};
use clockwise_core::{hints::HintBudget, hlc::Hlc, ids::NodeId, layout::Layout};
use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

/// What is durable about this life of the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) incarnation: u32,
    /// How many processes have started on this folder.
    pub(crate) starts: u32,
    /// No timestamp at or below this is minted.
    pub(crate) clock_floor: Hlc,
    /// Timestamps up to this may be minted.
    pub(crate) clock_reserved: Hlc,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) node: NodeId,
    /// Differs between two starts of the same server, so that peers tell old connections from new ones.
    pub(crate) session_base: u64,
    pub(crate) shards: u16,
    pub(crate) clock: Clock,
    pub(crate) mailboxes: Vec<Mailbox<Letter>>,
    /// What of peers waits in each of them.
    pub(crate) gates: Vec<Gate>,
    pub(crate) book: PeerBook,
    pub(crate) log: Arc<LogQueue>,
    pub(crate) jobs: JobQueue,
    pub(crate) cache_parts: CacheParts,
    pub(crate) metrics: Metrics,
    pub(crate) control: ControlLine,
    pub(crate) lifecycle: Lifecycle,
    pub(super) standing: Standing,
    pub(crate) refusals: Refusals,
    pub(crate) clients: AtomicUsize,
    next_client: AtomicU64,
    next_session: AtomicU64,
    life: RwLock<Life>,
    layout: RwLock<Option<Arc<Layout>>>,
    topology: RwLock<Option<Arc<Topology>>>,
    membership: RwLock<Arc<MembershipView>>,
}

/// The budget for hints of all servers together, in budgets for one.
const HINT_TARGETS: u64 = 4;

impl Shared {
    /// What one shard may hold for servers that are down.
    pub(crate) fn hint_budget(&self) -> HintBudget {
        let target_bytes = self.settings.hint_bytes / u64::from(self.shards);
        HintBudget { target_bytes, total_bytes: target_bytes * HINT_TARGETS }
    }

    pub(crate) fn new(
        settings: Settings,
        node: NodeId,
        life: Life,
        standing: Standing,
        control: std::sync::mpsc::SyncSender<Control>,
    ) -> Shared {
        let shards = u16::try_from(settings.shards.clamp(1, crate::limits::SHARDS)).expect("at most 16");
        Shared {
            node,
            session_base: super::clock::wall_ms(),
            shards,
            cache_parts: CacheParts::new(settings.cache_bytes, usize::from(shards)),
            clock: Clock::start(),
            mailboxes: (0..shards).map(|_| Mailbox::new(MAILBOX_REQUESTS)).collect(),
            gates: (0..shards).map(|_| Gate::default()).collect(),
            book: PeerBook::default(),
            log: Arc::new(LogQueue::default()),
            jobs: JobQueue::default(),
            metrics: Metrics::new(usize::from(shards)),
            control: ControlLine::new(control),
            lifecycle: Lifecycle::default(),
            standing,
            refusals: Refusals::default(),
            clients: AtomicUsize::new(0),
            next_client: AtomicU64::new(1),
            next_session: AtomicU64::new(0),
            life: RwLock::new(life),
            layout: RwLock::new(None),
            topology: RwLock::new(None),
            membership: RwLock::default(),
            settings,
        }
    }

    /// What is durable about this life.
    pub(crate) fn life(&self) -> Life {
        *self.life.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_life(&self, change: impl FnOnce(&mut Life)) {
        change(&mut self.life.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// The newest durable layout.
    pub(crate) fn layout(&self) -> Option<Arc<Layout>> {
        self.layout.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_layout(&self, layout: Arc<Layout>) {
        self.book.follow(&layout);
        *self.layout.write().unwrap_or_else(PoisonError::into_inner) = Some(layout);
    }

    /// The routing map and who is in it.
    pub(crate) fn topology(&self) -> Option<Arc<Topology>> {
        self.topology.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_topology(&self, topology: Arc<Topology>) {
        *self.topology.write().unwrap_or_else(PoisonError::into_inner) = Some(topology);
    }

    /// What gossip knows, as of a second ago or the last verdict.
    pub(crate) fn membership(&self) -> Arc<MembershipView> {
        self.membership.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_membership(&self, view: MembershipView) {
        *self.membership.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
    }

    /// A number for a client connection.
    pub(crate) fn next_client(&self) -> u64 {
        self.next_client.fetch_add(1, Relaxed)
    }

    /// A number for a session with a peer: higher than all before it, also of earlier starts unless the wall clock
    /// went back.
    pub(crate) fn next_session(&self) -> u64 {
        (self.session_base << 20) + self.next_session.fetch_add(1, Relaxed)
    }

    /// Leaves a letter for every shard.
    pub(crate) fn tell_all(&self, letter: impl Fn() -> Letter) {
        self.mailboxes.iter().for_each(|mailbox| mailbox.post(letter()));
    }

    /// Reports a failure if the thread that holds the answer panics.
    pub(crate) fn watch(self: &Arc<Self>, what: &'static str) -> ThreadGuard {
        ThreadGuard { shared: Arc::clone(self), what }
    }
}

/// See [`Shared::watch`].
#[derive(Debug)]
pub(crate) struct ThreadGuard {
    shared: Arc<Shared>,
    what: &'static str,
}

impl Drop for ThreadGuard {
    fn drop(&mut self) {
        if thread::panicking() {
            self.shared.lifecycle.fail(format!("{} panicked", self.what));
        }
    }
}

/// Why strangers were refused: each reason is logged once per address, up to a cap.
#[derive(Debug, Default)]
pub(crate) struct Refusals(std::sync::Mutex<std::collections::BTreeSet<(std::net::IpAddr, String)>>);

impl Refusals {
    /// Reasons that are remembered; after that, refusals are not logged.
    const REMEMBERED: usize = 256;

    pub(crate) fn log_once(&self, from: std::net::SocketAddr, why: &str) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < Refusals::REMEMBERED && seen.insert((from.ip(), why.to_owned())) {
            tracing::warn!(%from, why, "a peer's connection is refused; the same again will not be logged");
        }
    }
}
