//! `start`: one server, until it is told to stop.

use super::Done;
use crate::{
    folder::Folder,
    http::HttpDoor,
    logging,
    server::{Exit, Server, ServerHandle},
    settings::{Settings, SettingsError, Source, load},
    signals,
};
use clap::Args;
use std::{
    io::{self, Read},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Flags of `start`.
#[derive(Args)]
#[command(
    after_help = "Flags win over the environment, the environment over the file, the file over the defaults. \
                        In the file, settings have the names of the flags with `_` for `-`: `log_level = \"debug\"`."
)]
pub struct Start {
    /// TOML file with settings
    #[arg(long, value_name = "FILE", env = "CLOCKWISE_CONFIG")]
    config: Option<PathBuf>,
    /// Stop in order when standard input ends: `dev` starts servers so, which then never outlive it
    #[arg(long, hide = true)]
    stop_on_stdin_eof: bool,
    #[command(flatten)]
    source: Source,
}

impl Start {
    /// Serves until SIGTERM or SIGINT; a second one ends the process at once.
    pub fn run(self) -> Done {
        let checked = load(self.source, self.config.as_deref())?;
        logging::start(&checked.log)?;
        let settings = checked.settings;
        let http = bind(&settings)?;
        let folder = Folder::open(&settings)?;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            node = %folder.identity.node,
            incarnation = folder.identity.incarnation,
            clean_start = folder.clean_start,
            epoch = folder.identity.epoch.0,
            ?settings,
            "starting"
        );
        // From before the first socket is open: whoever sees it may stop the server at once.
        let started: Arc<OnceLock<ServerHandle>> = Arc::default();
        let asked = Arc::new(AtomicBool::new(false));
        let (to_stop, ask) = (Arc::clone(&started), Arc::clone(&asked));
        signals::on_stop(move |before| {
            if before > 0 {
                std::process::exit(130);
            }
            tracing::info!("stopping");
            ask.store(true, Ordering::SeqCst);
            if let Some(server) = to_stop.get() {
                server.shutdown();
            }
        })?;
        let handle = Server::start(settings, folder)?;
        let handle = started.get_or_init(|| handle).clone();
        if asked.load(Ordering::SeqCst) {
            handle.shutdown();
        }
        let door = HttpDoor::open(http, Arc::new(handle.clone()))?;
        if self.stop_on_stdin_eof {
            let stopping = handle.clone();
            thread::Builder::new().name("stdin".to_owned()).spawn(move || {
                wait_for_eof();
                tracing::info!("stopping: standard input ended");
                stopping.shutdown();
            })?;
        }
        let exit = handle.wait();
        door.close();
        Ok(match exit {
            Exit::Clean => {
                tracing::info!("stopped cleanly");
                ExitCode::SUCCESS
            }
            // Whoever saw the failure has logged it.
            Exit::Failed(_) => ExitCode::FAILURE,
        })
    }
}

/// The HTTP socket. The others are bound by the server; here they are only tried, so that a port in use is found
/// before the folder begins a new life.
fn bind(settings: &Settings) -> Result<TcpListener, SettingsError> {
    let bound = |(name, address): (&str, SocketAddr)| {
        TcpListener::bind(address)
            .map_err(|error| SettingsError(format!("cannot listen on {address} ({name}): {error}")))
    };
    for other in settings.listen.named().into_iter().filter(|(name, _)| *name != "http") {
        bound(other)?;
    }
    bound(("http", settings.listen.http))
}

fn wait_for_eof() {
    let mut stdin = io::stdin().lock();
    let mut chunk = [0; 256];
    loop {
        match stdin.read(&mut chunk) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
