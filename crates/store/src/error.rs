//! What can fail, by what the caller should do. Errors are values here; who handles them logs them.

use std::{fmt, io};

/// A meta record could not be read.
#[derive(Debug)]
pub enum MetaError {
    /// The record is there but is not what was written: version, length or checksum is wrong.
    Damaged,
    /// The disk answered with an error.
    Io(io::Error),
}

/// The commit log failed. It stays failed: nothing that was not reported as synced may be acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogError {
    /// What was being done.
    pub doing: &'static str,
    /// The disk's answer.
    pub kind: io::ErrorKind,
}

/// A data folder could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The options contradict each other or a cap.
    Options(&'static str),
    /// A file without which nothing can be served is damaged: put it back, or wipe the folder and let the
    /// other replicas fill it.
    Damaged {
        /// Its path inside the folder.
        path: String,
    },
    /// The folder was written by a newer version of the program.
    Newer {
        /// The file that says so.
        path: String,
        /// Its format version.
        version: u8,
    },
    /// The disk answered with an error.
    Io(io::Error),
}

impl From<io::Error> for MetaError {
    fn from(error: io::Error) -> MetaError {
        MetaError::Io(error)
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> OpenError {
        OpenError::Io(error)
    }
}

impl LogError {
    pub(crate) fn of(doing: &'static str) -> impl Fn(io::Error) -> LogError {
        move |error| LogError { doing, kind: error.kind() }
    }
}

impl fmt::Display for MetaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetaError::Damaged => f.write_str("the record is damaged"),
            MetaError::Io(error) => write!(f, "the record cannot be read: {error}"),
        }
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the commit log failed for good while {}: {}", self.doing, self.kind)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Options(what) => write!(f, "storage options: {what}"),
            OpenError::Damaged { path } => {
                write!(f, "{path} is damaged and nothing can be served without it")
            }
            OpenError::Newer { path, version } => {
                write!(f, "{path} has format version {version}, which is newer than this program")
            }
            OpenError::Io(error) => write!(f, "the data folder cannot be opened: {error}"),
        }
    }
}

impl std::error::Error for MetaError {}
impl std::error::Error for LogError {}
impl std::error::Error for OpenError {}
