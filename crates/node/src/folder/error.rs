//! Why a server does not start on a folder, in words that say what to do.

use clockwise_core::ids::NodeId;
use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// The folder cannot be used.
#[derive(Debug)]
pub enum BootError {
    /// Another process holds it.
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// It holds other things.
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// One of them.
        found: String,
    },
    /// It was written in another format.
    OtherFormat {
        /// The folder.
        path: PathBuf,
        /// What it says of itself.
        found: String,
    },
    /// It is not the folder of the node that was named.
    OtherNode {
        /// The folder.
        path: PathBuf,
        /// The node that was named.
        expected: NodeId,
        /// Whose folder it is; `None` if it is empty.
        found: Option<NodeId>,
    },
    /// The layout in it does not know its node.
    LayoutOfOthers {
        /// The folder.
        path: PathBuf,
        /// Its node.
        node: NodeId,
    },
    /// A layout that was installed is not there any more.
    LayoutLost {
        /// The folder.
        path: PathBuf,
        /// The epoch that was installed.
        epoch: u64,
        /// The epoch that is there; 0 for none.
        found: u64,
    },
    /// Others have met a later process of its server.
    Outlived {
        /// The folder.
        path: PathBuf,
    },
    /// A record is not what was written.
    Damaged {
        /// The folder.
        path: PathBuf,
        /// The record's name.
        record: &'static str,
    },
    /// The disk answered with an error.
    Io {
        /// The folder.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The disk's answer.
        error: io::Error,
    },
}

impl BootError {
    pub(super) fn damaged(path: &Path, record: &'static str) -> BootError {
        BootError::Damaged { path: path.to_path_buf(), record }
    }
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BootError::InUse { path } => {
                write!(f, "the data folder {} is in use by another server", path.display())
            }
            BootError::NotOurs { path, found } => write!(
                f,
                "{} is not a data folder: it holds `{found}`; name an empty or a new folder",
                path.display()
            ),
            BootError::OtherFormat { path, found } => write!(
                f,
                "the data folder {} has the format `{found}`, which this version ({}) does not read",
                path.display(),
                env!("CARGO_PKG_VERSION")
            ),
            BootError::OtherNode { path, expected, found: Some(found) } => write!(
                f,
                "the data folder {} belongs to node {found}, not to {expected} as --node-id says",
                path.display()
            ),
            BootError::OtherNode { path, expected, found: None } => {
                write!(f, "the data folder {} is empty, not that of node {expected}", path.display())
            }
            BootError::Outlived { path } => write!(
                f,
                "the data folder {} is a copy, or was set back to an older state: other servers have met a later \
                 process of this one. Its data must not be served again; start with an empty folder as a new server",
                path.display()
            ),
            BootError::LayoutOfOthers { path, node } => write!(
                f,
                "the layout in the data folder {} does not contain its node {node}: the folder was put together \
                 from those of different servers",
                path.display()
            ),
            BootError::LayoutLost { path, epoch, found } => write!(
                f,
                "the data folder {} had installed the layout of epoch {epoch} but holds {}: it was put together \
                 from different times; replace the server instead",
                path.display(),
                if *found == 0 { "none".to_owned() } else { format!("that of epoch {found}") }
            ),
            BootError::Damaged { path, record } => write!(
                f,
                "the record `{record}` in the data folder {} is damaged or missing; without it the server cannot \
                 know who it is: replace the server, its data is on the others",
                path.display()
            ),
            BootError::Io { path, doing, error } => {
                write!(f, "the data folder {}: cannot {doing}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for BootError {}
