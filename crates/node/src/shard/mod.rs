//! A shard: one thread that owns whole cells, with everything that serves them.
//!
//! Client bytes become requests (`redis`), requests go to `core` ([`state`]), its effects are carried out once per
//! wake-up ([`flush`]). Nothing on this thread blocks: the disk has its own threads, other shards are reached
//! through mailboxes.

mod arena;
mod crossing;
mod flush;
mod letter;
mod mail;
mod membership;
pub(crate) mod output;
mod state;
mod store;
mod tickets;

pub(crate) use arena::Key;
pub(crate) use crossing::{Crossed, Gate, room_behind};
pub(crate) use letter::{Letter, LogLetter};
pub(crate) use state::{ShardRef, ShardState};
pub(crate) use store::Expected;
pub(crate) use tickets::{CountTargets, Waiting};

use crate::{
    limits::{LATE_TICK_MS, TICK_MS},
    server::{Doors, Shared},
};
use clockwise_store::Engine;
use std::{
    cell::RefCell,
    io,
    rc::Rc,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{
    runtime::{Builder, LocalOptions},
    task::spawn_local,
    time::{MissedTickBehavior, interval},
};

/// Starts a shard's thread. Shard 0 also gets the sockets that accept. The thread ends after [`Letter::Stop`].
pub(crate) fn start_shard(
    id: u16,
    shared: &Arc<Shared>,
    engine: Engine,
    doors: Option<Doors>,
) -> io::Result<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    thread::Builder::new().name(format!("shard-{id}")).spawn(move || {
        let _guard = shared.watch("a shard thread");
        let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => return shared.lifecycle.fail(format!("a shard's runtime cannot start: {error}")),
        };
        let state = Rc::new(RefCell::new(ShardState::new(id, shared, engine)));
        runtime.block_on(run(state.clone(), doors));
        // Tasks hold the state; they end with the runtime, before the engine is dropped.
        drop(runtime);
        drop(state);
    })
}

async fn run(shard: ShardRef, doors: Option<Doors>) {
    spawn_local(flush::flush_loop(shard.clone()));
    spawn_local(flush::log_loop(shard.clone()));
    spawn_local(tick_loop(shard.clone()));
    if let Some(doors) = doors {
        doors.open(&shard);
    }
    mail::mail_loop(shard).await;
}

/// Time for `core`, and now and then for everybody who wants to know how it goes.
async fn tick_loop(shard: ShardRef) {
    let mut ticks = interval(Duration::from_millis(TICK_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let mut state = shard.borrow_mut();
        let before_ms = state.ticked_ms;
        state.begin();
        state.ticked_ms = state.reading.now.mono_ms;
        let late_ms = state.ticked_ms.saturating_sub(before_ms);
        if before_ms > 0 && late_ms > LATE_TICK_MS {
            state.metrics.late_ticks.one();
            tracing::warn!(
                shard = state.id,
                late_ms,
                "this shard did not run for a while: too little CPU, or a long step"
            );
        }
        state.on_tick();
        state.publish();
    }
}
