//! Durable steps outside the storage engine: layouts, incarnations, clock reservations. One thread owns the data
//! folder's records, so that each step is on disk before any shard hears of it.

use super::Shared;
use crate::{
    folder::Folder,
    redis::Seq,
    shard::{Key, Letter},
};
use bytes::Bytes;
use clockwise_core::{hlc::Hlc, layout::Layout};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender},
    },
    thread::{self, JoinHandle},
};

/// Steps that wait at the same time. Shards ask for few; what is beyond comes from clients.
const WAITING: usize = 256;

/// Who wants a layout installed.
#[derive(Debug)]
pub(crate) enum Asker {
    /// A peer that has it already.
    Peer,
    /// A thread that waits.
    Thread(SyncSender<Result<(), InstallError>>),
    /// A client, by its connection and the place of the reply.
    Client { shard: u16, connection: Key, seq: Seq },
}

/// A durable step.
#[derive(Debug)]
pub(crate) enum Control {
    /// Install a layout.
    Layout {
        /// Encoded.
        layout: Bytes,
        /// Who wants to know whether it worked.
        asker: Asker,
    },
    /// Take an incarnation.
    Incarnation(u32),
    /// Take this incarnation because nobody confirms the running one, and let the shards mint.
    LoneIncarnation(u32),
    /// Remember whom this server has met.
    Witness(Vec<u8>),
    /// Note that the folder must not be served again, and stop.
    Outlived,
    /// Reserve the clock.
    ReserveClock(Hlc),
    /// End the thread; the folder comes back.
    End,
}

/// Why a layout is not installed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InstallError {
    /// The bytes are no layout.
    Malformed,
    /// This server is not a member of it.
    NotAMember,
    /// This server belongs to another cluster.
    OtherCluster,
    /// This server has a newer layout, or another one of the same epoch.
    Older,
    /// The disk answered with an error; nothing was installed.
    Io(String),
    /// The server is stopping or busy.
    Unavailable,
}

impl std::fmt::Display for InstallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            InstallError::Malformed => "the layout is malformed",
            InstallError::NotAMember => "this server is not a member of the layout",
            InstallError::OtherCluster => "this server belongs to another cluster",
            InstallError::Older => "this server has a newer layout, or another one of the same epoch",
            InstallError::Io(error) => return write!(f, "the layout could not be made durable: {error}"),
            InstallError::Unavailable => "the server is stopping or busy",
        })
    }
}

impl std::error::Error for InstallError {}

/// The way to the control thread. What every shard asks for at about the same time, or again with every tick, is
/// passed on once.
#[derive(Debug)]
pub(crate) struct ControlLine {
    steps: SyncSender<Control>,
    incarnation: AtomicU32,
    reserve: AtomicU64,
}

impl ControlLine {
    pub(crate) fn new(sender: SyncSender<Control>) -> ControlLine {
        ControlLine { steps: sender, incarnation: AtomicU32::new(0), reserve: AtomicU64::new(0) }
    }

    /// Both ends.
    pub(crate) fn open() -> (SyncSender<Control>, Receiver<Control>) {
        std::sync::mpsc::sync_channel(WAITING)
    }

    /// Asks for a step without waiting. False: there is no room, or the thread has ended.
    pub(crate) fn send(&self, control: Control) -> bool {
        let known = match &control {
            Control::Incarnation(wanted) => self.incarnation.fetch_max(*wanted, Relaxed) >= *wanted,
            Control::ReserveClock(up_to) => self.reserve.fetch_max(up_to.0, Relaxed) >= up_to.0,
            Control::Layout { .. }
            | Control::LoneIncarnation(_)
            | Control::Witness(_)
            | Control::Outlived
            | Control::End => false,
        };
        known || self.steps.try_send(control).is_ok()
    }

    /// Ends the thread once all that waits is done.
    pub(crate) fn end(&self) {
        // It may have ended.
        let _ = self.steps.send(Control::End);
    }
}

/// Starts the thread. It gives the folder back at its end.
pub(crate) fn start_control_thread(
    shared: &Arc<Shared>,
    folder: Folder,
    steps: Receiver<Control>,
) -> io::Result<JoinHandle<Folder>> {
    let shared = Arc::clone(shared);
    thread::Builder::new().name("control".to_owned()).spawn(move || {
        let _guard = shared.watch("the control thread");
        let mut keeper = Keeper { shared, folder };
        while let Ok(step) = steps.recv() {
            if let Control::End = step {
                break;
            }
            keeper.step(step);
        }
        keeper.folder
    })
}

struct Keeper {
    shared: Arc<Shared>,
    folder: Folder,
}

impl Keeper {
    fn step(&mut self, step: Control) {
        let (doing, result) = match step {
            Control::Layout { layout, asker } => {
                let result = self.install(layout);
                let io = match &result {
                    Err(InstallError::Io(error)) => Err(io::Error::other(error.clone())),
                    _ => Ok(()),
                };
                self.answer(asker, result);
                ("install a layout", io)
            }
            Control::Incarnation(incarnation) => ("take an incarnation", self.take_incarnation(incarnation)),
            Control::LoneIncarnation(incarnation) => ("take an incarnation", self.go_alone(incarnation)),
            Control::Outlived => {
                let result = self.folder.mark_outlived();
                self.shared.end_outlived();
                ("note that the folder is old", result)
            }
            Control::Witness(bytes) => ("remember a peer", self.folder.save_witness(&bytes)),
            Control::ReserveClock(up_to) => ("reserve the clock", self.reserve_clock(up_to)),
            Control::End => return,
        };
        if let Err(error) = result {
            self.shared.lifecycle.fail(format!("cannot {doing}: {error}"));
        }
    }

    fn answer(&self, asker: Asker, result: Result<(), InstallError>) {
        match (asker, result) {
            // Who asked may have gone.
            (Asker::Thread(reply), result) => drop(reply.try_send(result)),
            (Asker::Client { shard, connection, seq }, result) => {
                self.shared.mailboxes[usize::from(shard)].post(Letter::Installed { connection, seq, result });
            }
            (Asker::Peer, Err(why)) => tracing::warn!(%why, "a peer's layout is not installed"),
            (Asker::Peer, Ok(())) => {}
        }
    }

    fn install(&mut self, bytes: Bytes) -> Result<(), InstallError> {
        let layout = Arc::new(Layout::decode(bytes).map_err(|_| InstallError::Malformed)?);
        if layout.by_node(self.shared.node).is_none() {
            return Err(InstallError::NotAMember);
        }
        if let Some(old) = &self.folder.layout {
            if old.spec().cluster != layout.spec().cluster {
                return Err(InstallError::OtherCluster);
            }
            if old.spec() == layout.spec() {
                return Ok(());
            }
            if old.epoch() >= layout.epoch() {
                return Err(InstallError::Older);
            }
        }
        self.folder.save_layout(Arc::clone(&layout)).map_err(|error| InstallError::Io(error.to_string()))?;
        tracing::info!(epoch = layout.epoch().0, members = layout.spec().members.len(), "layout installed");
        self.shared.set_layout(Arc::clone(&layout));
        self.shared.confirm_if_enough();
        self.shared.tell_all(|| Letter::Layout(Arc::clone(&layout)));
        Ok(())
    }

    fn take_incarnation(&mut self, incarnation: u32) -> io::Result<()> {
        if incarnation > self.folder.identity.incarnation {
            self.folder.take_incarnation(incarnation)?;
            tracing::warn!(
                incarnation,
                "a peer knew more of this server than it did itself: new incarnation"
            );
            self.shared.set_life(|life| life.incarnation = incarnation);
        }
        let incarnation = self.folder.identity.incarnation;
        self.shared.tell_all(|| Letter::Incarnation(incarnation));
        Ok(())
    }

    /// Too few others have confirmed this process in time.
    fn go_alone(&mut self, incarnation: u32) -> io::Result<()> {
        self.folder.take_incarnation(incarnation)?;
        tracing::warn!(
            incarnation,
            "too few of the other servers answer to confirm this process: new incarnation"
        );
        let incarnation = self.folder.identity.incarnation;
        self.shared.set_life(|life| life.incarnation = incarnation);
        self.shared.tell_all(|| Letter::Incarnation(incarnation));
        self.shared.confirmed_alone();
        Ok(())
    }

    fn reserve_clock(&mut self, up_to: Hlc) -> io::Result<()> {
        // Every shard asks at about the same time; one step serves all.
        if up_to > self.folder.identity.reserved {
            self.folder.reserve_clock(up_to)?;
        }
        let reserved = self.folder.identity.reserved;
        self.shared.set_life(|life| life.clock_reserved = reserved);
        self.shared.tell_all(|| Letter::ClockReserved(reserved));
        Ok(())
    }
}
