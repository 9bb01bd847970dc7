//! Threads that wait for the disk, so that no shard does: one for the commit log, a few for jobs.
//!
//! A shard hands its log bytes over and hears "durable up to here" in its mailbox. An error of the log is final:
//! the server stops, and nothing that was not synced is ever reported as durable.

mod jobs;
mod queue;
mod thread;

pub(crate) use jobs::{JobQueue, start_job_threads};
pub(crate) use queue::LogQueue;
pub(crate) use thread::start_log_thread;
