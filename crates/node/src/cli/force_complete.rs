//! `force-complete`: slots that damage has hit and nobody is left to fill are taken for whole as they are.

use super::{Done, server::ServerFlags};
use clap::Args;
use std::process::ExitCode;

/// Flags of `force-complete`.
#[derive(Args)]
#[command(
    after_help = "What this may break: acknowledged writes that this server alone had and that cannot be read are \
                        lost, reads may miss writes, and what was deleted may be alive again. Bring the other owners back \
                        first, if there is any way: `clockwise status` tells for whom the slots wait."
)]
pub struct ForceComplete {
    /// A slot, from 0 to 16383, or `all`
    slot: String,
    /// Yes, writes may be lost and deleted keys be back
    #[arg(long, required = true)]
    accept_loss: bool,
    #[command(flatten)]
    server: ServerFlags,
}

impl ForceComplete {
    /// Tells the server.
    pub fn run(self) -> Done {
        self.server.connect()?.call(&[b"CW.FORCE-COMPLETE", self.slot.as_bytes()])?;
        println!("ordered; `clockwise status` shows what is left");
        Ok(ExitCode::SUCCESS)
    }
}
