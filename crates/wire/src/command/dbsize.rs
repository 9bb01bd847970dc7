//! `DBSIZE`.

use super::{Command, Row};

pub(super) static ROW: Row = Row {
    name: "dbsize",
    flags: &["readonly", "fast"],
    categories: &["@keyspace", "@read", "@fast"],
    tips: &["request_policy:all_shards", "response_policy:agg_sum"],
    summary: "Answers the number of keys",
    group: "server",
    parse: |_| Ok(Command::CountKeys),
    ..Row::BASE
};
