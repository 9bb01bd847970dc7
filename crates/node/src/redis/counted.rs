//! Under which name a command is counted.

use clockwise_wire::command::Command;

/// The names, by the number that [`counted_as`] answers.
pub(crate) const COUNTED: [&str; 22] = [
    "get",
    "set",
    "del",
    "exists",
    "mget",
    "mset",
    "ttl",
    "dbsize",
    "wait",
    "cw.get",
    "cw.set",
    "cw.del",
    "cw.explain",
    "cw.session",
    "cw.status",
    "cw.identify",
    "cw.install",
    "ping",
    "cluster",
    "info",
    "connection",
    "unparsable",
];

/// The number of commands that were refused before they were understood.
pub(crate) const UNPARSABLE: usize = COUNTED.len() - 1;

/// Under which of [`COUNTED`] a command is counted.
pub(crate) fn counted_as(command: &Command) -> usize {
    match command {
        Command::Get { .. } => 0,
        Command::Set { .. } => 1,
        Command::Delete { .. } => 2,
        Command::Exists { .. } => 3,
        Command::MultiGet { .. } => 4,
        Command::MultiSet { .. } => 5,
        Command::TimeToLive { .. } => 6,
        Command::CountKeys => 7,
        Command::Wait { .. } => 8,
        Command::CausalGet { .. } => 9,
        Command::CausalSet { .. } => 10,
        Command::CausalDelete { .. } => 11,
        Command::Explain { .. } => 12,
        Command::Session(_) => 13,
        Command::Status => 14,
        Command::Identify => 15,
        Command::Install { .. } => 16,
        Command::Ping { .. } | Command::Echo { .. } => 17,
        Command::Cluster(_) => 18,
        Command::Info { .. } | Command::ConfigGet { .. } | Command::Command(_) => 19,
        _ => 20,
    }
}

/// Whether a command's latency counts as that of a read, of a write, or not at all.
pub(crate) fn is_write(counted: usize) -> Option<bool> {
    match counted {
        0 | 3 | 4 | 6 | 9 => Some(false),
        1 | 2 | 5 | 10 | 11 => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        assert_eq!(COUNTED[counted_as(&Command::CountKeys)], "dbsize");
        assert_eq!(COUNTED[counted_as(&Command::Status)], "cw.status");
        assert_eq!(COUNTED[counted_as(&Command::Quit)], "connection");
        assert_eq!(COUNTED[UNPARSABLE], "unparsable");
        assert_eq!(is_write(1), Some(true));
    }
}
