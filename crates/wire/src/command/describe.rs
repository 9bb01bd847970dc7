//! The registry as replies: `COMMAND`, `COMMAND INFO`, `COMMAND DOCS`, `COMMAND LIST`, `… HELP`.
//!
//! Shapes are those of Redis 7. `COMMAND DOCS` has no `arguments`, which clients take as "not documented".

use super::{Row, command_query::ListFilter, registry};
use crate::{glob, resp::ReplyWriter};
use alloc::{format, vec::Vec};
use bytes::Bytes;

pub(super) fn all_rows(writer: &mut ReplyWriter<'_>) {
    writer.array(registry::ROWS.len());
    registry::ROWS.iter().for_each(|row| write_row(row, writer));
}

pub(super) fn some_rows(names: &[Bytes], writer: &mut ReplyWriter<'_>) {
    writer.array(names.len());
    for name in names {
        match registry::find_full(name) {
            Some(row) => write_row(row, writer),
            None => writer.null_array(),
        }
    }
}

fn write_row(row: &Row, writer: &mut ReplyWriter<'_>) {
    writer.array(10);
    writer.bulk(row.name.as_bytes());
    writer.integer(row.arity);
    simple_set(row.flags, writer);
    writer.integer(row.first);
    writer.integer(row.last);
    writer.integer(row.step);
    simple_set(row.categories, writer);
    writer.set(row.tips.len());
    row.tips.iter().for_each(|tip| writer.bulk(tip.as_bytes()));
    write_key_specs(row, writer);
    writer.array(row.subcommands.len());
    row.subcommands.iter().for_each(|row| write_row(row, writer));
}

fn simple_set(words: &[&str], writer: &mut ReplyWriter<'_>) {
    writer.set(words.len());
    words.iter().for_each(|word| writer.simple(word));
}

fn write_key_specs(row: &Row, writer: &mut ReplyWriter<'_>) {
    if row.first == 0 {
        return writer.set(0);
    }
    writer.set(1);
    writer.map(3);
    writer.bulk(b"flags");
    simple_set(row.key_flags, writer);
    writer.bulk(b"begin_search");
    write_spec("index", &[("index", row.first)], writer);
    writer.bulk(b"find_keys");
    let last = if row.last < 0 { row.last } else { row.last - row.first };
    write_spec("range", &[("lastkey", last), ("keystep", row.step), ("limit", 0)], writer);
}

fn write_spec(kind: &str, fields: &[(&str, i64)], writer: &mut ReplyWriter<'_>) {
    writer.map(2);
    writer.bulk(b"type");
    writer.bulk(kind.as_bytes());
    writer.bulk(b"spec");
    writer.map(fields.len());
    for (name, value) in fields {
        writer.bulk(name.as_bytes());
        writer.integer(*value);
    }
}

pub(super) fn docs(names: &[Bytes], writer: &mut ReplyWriter<'_>) {
    let rows: Vec<&Row> = match names {
        [] => registry::ROWS.to_vec(),
        names => names.iter().filter_map(|name| registry::find_full(name)).collect(),
    };
    writer.map(rows.len());
    rows.iter().for_each(|row| write_docs(row, writer));
}

fn write_docs(row: &Row, writer: &mut ReplyWriter<'_>) {
    writer.bulk(row.name.as_bytes());
    let facts = [
        ("summary", row.summary),
        ("since", row.since),
        ("group", row.group),
        ("complexity", row.complexity),
    ];
    writer.map(facts.len() + usize::from(!row.subcommands.is_empty()));
    for (name, fact) in facts {
        writer.bulk(name.as_bytes());
        writer.bulk(fact.as_bytes());
    }
    if !row.subcommands.is_empty() {
        writer.bulk(b"subcommands");
        writer.map(row.subcommands.len());
        row.subcommands.iter().for_each(|row| write_docs(row, writer));
    }
}

pub(super) fn list(filter: &ListFilter, writer: &mut ReplyWriter<'_>) {
    let rows = || registry::ROWS.iter().flat_map(|row| core::iter::once(row).chain(row.subcommands));
    let names: Vec<&str> = rows().filter(|row| matches(filter, row)).map(|row| row.name).collect();
    writer.array(names.len());
    names.iter().for_each(|name| writer.bulk(name.as_bytes()));
}

fn matches(filter: &ListFilter, row: &Row) -> bool {
    match filter {
        ListFilter::All => true,
        ListFilter::Module => false,
        ListFilter::Pattern(pattern) => glob::matches(pattern, row.name.as_bytes(), true),
        ListFilter::Category(name) => row.categories.iter().any(|category| {
            category.strip_prefix('@').is_some_and(|category| category.as_bytes().eq_ignore_ascii_case(name))
        }),
    }
}

/// Writes the answer to `CLIENT HELP` and its like.
pub fn write_help(row: &Row, writer: &mut ReplyWriter<'_>) {
    writer.array(1 + 2 * row.subcommands.len());
    let name = row.name.to_ascii_uppercase();
    writer.simple(&format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for row in row.subcommands {
        writer.simple(format!("{} {}", row.word().to_ascii_uppercase(), row.syntax).trim_end());
        writer.simple(&format!("    {}.", row.summary));
    }
}
