//! SIGTERM and SIGINT as calls.

use std::{io, thread};
use tokio::signal::unix::{SignalKind, signal};

/// Calls `stop` on every SIGTERM and SIGINT from now on, with how many there have been before.
pub fn on_stop(mut stop: impl FnMut(usize) + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut terminate, mut interrupt) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            for before in 0.. {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                stop(before);
            }
        });
    })?;
    Ok(())
}
