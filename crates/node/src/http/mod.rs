//! The HTTP door: health and metrics, on a thread and a runtime of its own, so that it answers while the shards
//! are busy.
//!
//! It reads from the server through [`Served`] and changes nothing. Connections, header time and header size are
//! capped. Keys and values (`/v1/kv`), batches and scans are deliberately absent; their routes belong in
//! [`routes`], their errors in [`ErrorBody`].

mod error;
mod exposition;
mod routes;
mod served;

#[cfg(test)]
mod tests;

pub use error::ErrorBody;
pub use exposition::{Family, Sample, Value};

use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{io, net::TcpListener, sync::Arc, thread, time::Duration};
use tokio::sync::{Semaphore, watch};

/// Connections at the same time; more wait in the socket's queue.
const CONNECTIONS: usize = 256;
/// A client has this long to send the head of a request, in milliseconds; a quiet connection is closed after it.
const HEAD_TIMEOUT_MS: u64 = 15_000;
/// Longest head of a request, in bytes.
const HEAD_BYTES: usize = 16 * 1024;
/// Pause after a failed accept, in milliseconds: the machine may be out of file descriptors.
const ACCEPT_PAUSE_MS: u64 = 100;

/// What the door needs of the server.
pub trait Served: Send + Sync + 'static {
    /// Whether requests can be served at quorum; else why not.
    fn ready(&self) -> Result<(), String>;
    /// All numbers, as they are now.
    fn families(&self) -> Vec<Family>;
}

/// The door while it is open.
#[derive(Debug)]
pub struct HttpDoor {
    stop: watch::Sender<bool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl HttpDoor {
    /// Serves on a socket that is bound already.
    pub fn open(listener: TcpListener, served: Arc<dyn Served>) -> io::Result<HttpDoor> {
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = watch::channel(false);
        let thread = thread::Builder::new().name("http".to_owned()).spawn(move || {
            runtime.block_on(async {
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => accept(listener, routes::router(served), stopped).await,
                    Err(error) => tracing::error!(%error, "the HTTP socket cannot be used"),
                }
            });
        })?;
        Ok(HttpDoor { stop, thread: Some(thread) })
    }

    /// Takes no more connections and cuts the open ones; what they asked for changes nothing.
    pub fn close(mut self) {
        // The receiver lives as long as the thread.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the HTTP thread panicked");
        }
    }
}

async fn accept(listener: tokio::net::TcpListener, router: axum::Router, mut stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            _ = stopped.changed() => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_millis(HEAD_TIMEOUT_MS))
                .max_buf_size(HEAD_BYTES)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an HTTP connection ended early");
            }
            drop(place);
        });
    }
}
