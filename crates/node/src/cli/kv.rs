//! `get`, `put` and `del`.

use super::{Done, no_value, server::ServerFlags};
use crate::client::{Client, to_json};
use clap::{Args, ValueEnum};
use clockwise_wire::resp::Reply;
use serde_json::Value;
use std::{
    io::{Read, Write},
    process::ExitCode,
};

/// Whose answers count.
#[derive(ValueEnum, Clone, Copy)]
enum Manner {
    /// Only owners; read repair is awaited
    Strict,
    /// Stand-ins too
    Sloppy,
}

/// How a request is served.
#[derive(Args)]
struct How {
    /// Whose answers count [default: the server's]
    #[arg(long, value_name = "LEVEL")]
    level: Option<Manner>,
    /// Deadline in milliseconds [default: the server's]
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
}

/// Flags of `get`.
#[derive(Args)]
pub struct Get {
    /// The key
    key: String,
    /// How many replicas must answer: one, quorum, all or a number [default: the server's]
    #[arg(long, value_name = "N")]
    r: Option<String>,
    #[command(flatten)]
    how: How,
    /// Print the value alone, as it is; fails if there are several
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// Print the whole answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerFlags,
}

/// Flags of `put`.
#[derive(Args)]
#[command(
    after_help = "Without --context and --causal the write is plain, as by SET: it replaces what the server \
                        has seen. With --context it replaces exactly what the read saw that gave the context; \
                        with --causal it replaces nothing, and concurrent values stay side by side."
)]
pub struct Put {
    /// The key
    key: String,
    /// The value; without one it is read from standard input
    value: Option<String>,
    /// How many replicas must acknowledge: one, quorum, all or a number [default: the server's]
    #[arg(long, value_name = "N")]
    w: Option<String>,
    #[command(flatten)]
    how: How,
    /// The context that a read answered
    #[arg(long, value_name = "TOKEN")]
    context: Option<String>,
    /// Write beside whatever is there
    #[arg(long, conflicts_with = "context")]
    causal: bool,
    /// Time to live in milliseconds
    #[arg(long = "ttl-ms", visible_alias = "ttl", value_name = "MS")]
    ttl_ms: Option<u64>,
    #[command(flatten)]
    server: ServerFlags,
}

/// Flags of `del`.
#[derive(Args)]
pub struct Del {
    /// The key
    key: String,
    /// How many replicas must acknowledge: one, quorum, all or a number [default: the server's]
    #[arg(long, value_name = "N")]
    w: Option<String>,
    #[command(flatten)]
    how: How,
    /// The context that a read answered: deletes exactly what it covers
    #[arg(long, value_name = "TOKEN")]
    context: Option<String>,
    #[command(flatten)]
    server: ServerFlags,
}

impl Get {
    /// Reads and prints.
    pub fn run(self) -> Done {
        let mut client = self.server.connect()?;
        let mut command = vec!["CW.GET".to_owned(), self.key];
        self.how.options("R", self.r, &mut command);
        let reply = call(&mut client, &command)?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&to_json(&reply))?);
        } else if !self.raw {
            print!("{}", listing(&to_json(&reply)));
        }
        let values = reply.field(b"values").and_then(Reply::as_elements).unwrap_or_default();
        if self.raw && values.len() > 1 {
            return Err(format!(
                "the key has {} concurrent values; leave --raw out to see them",
                values.len()
            )
            .into());
        }
        let Some(value) = values.first() else { return Ok(no_value()) };
        if self.raw
            && let Some(bytes) = value.field(b"value").and_then(Reply::as_bytes)
        {
            std::io::stdout().write_all(bytes)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Put {
    /// Writes.
    pub fn run(self) -> Done {
        let value = match self.value {
            Some(value) => value.into_bytes(),
            None => {
                let mut value = Vec::new();
                std::io::stdin().lock().read_to_end(&mut value)?;
                value
            }
        };
        let mut client = self.server.connect()?;
        let ttl = self.ttl_ms.map(|ttl| ttl.to_string());
        let causal = self.causal || self.context.is_some();
        let mut rest = Vec::new();
        if let Some(ttl) = ttl {
            rest.extend(["PX".to_owned(), ttl]);
        }
        if causal {
            self.how.options("W", self.w, &mut rest);
            rest.extend(self.context.into_iter().flat_map(|token| ["CONTEXT".to_owned(), token]));
        } else {
            self.how.session(&mut client, self.w)?;
        }
        let name: &[u8] = if causal { b"CW.SET" } else { b"SET" };
        let mut command: Vec<&[u8]> = vec![name, self.key.as_bytes(), &value];
        command.extend(rest.iter().map(|word| word.as_bytes()));
        let reply = client.call(&command)?;
        answer(&reply, "OK");
        Ok(ExitCode::SUCCESS)
    }
}

impl Del {
    /// Deletes.
    pub fn run(self) -> Done {
        let mut client = self.server.connect()?;
        let mut command = vec!["DEL".to_owned(), self.key];
        if let Some(token) = self.context {
            command[0] = "CW.DEL".to_owned();
            self.how.options("W", self.w, &mut command);
            command.extend(["CONTEXT".to_owned(), token]);
        } else {
            self.how.session(&mut client, self.w)?;
        }
        match call(&mut client, &command)? {
            Reply::Integer(0) => println!("there was nothing"),
            reply => answer(&reply, "OK"),
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl How {
    /// As options of a `CW.` command.
    fn options(&self, letter: &str, need: Option<String>, command: &mut Vec<String>) {
        command.extend(need.into_iter().flat_map(|need| [letter.to_owned(), need]));
        command.extend(self.level.map(|level| level.word().to_owned()));
        let timeout = self.timeout_ms.map(|ms| ["TIMEOUT".to_owned(), ms.to_string()]);
        command.extend(timeout.into_iter().flatten());
    }

    /// As defaults of the connection, for commands of Redis that have no such options.
    fn session(&self, client: &mut Client, need: Option<String>) -> Result<(), Box<dyn std::error::Error>> {
        let mut command = vec!["CW.SESSION".to_owned()];
        command.extend(need.into_iter().flat_map(|need| ["W".to_owned(), need]));
        let level = self.level.map(|level| ["LEVEL".to_owned(), level.word().to_owned()]);
        command.extend(level.into_iter().flatten());
        let timeout = self.timeout_ms.map(|ms| ["TIMEOUT".to_owned(), ms.to_string()]);
        command.extend(timeout.into_iter().flatten());
        if command.len() > 1 {
            call(client, &command)?;
        }
        Ok(())
    }
}

impl Manner {
    fn word(self) -> &'static str {
        match self {
            Manner::Strict => "STRICT",
            Manner::Sloppy => "SLOPPY",
        }
    }
}

fn call(client: &mut Client, words: &[String]) -> Result<Reply, Box<dyn std::error::Error>> {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    Ok(client.call(&words)?)
}

/// `done`, and the context if the answer has one.
fn answer(reply: &Reply, done: &str) {
    println!("{done}");
    if let Some(context) = to_json(reply).get("context").and_then(Value::as_str) {
        println!("context  {context}");
    }
}

/// Values with their clocks, then the context, then who answered.
fn listing(answer: &Value) -> String {
    let values = answer.get("values").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut text = String::new();
    for value in values {
        let parts = ["value", "clock", "time", "ttl_ms"].map(|name| (name, value.get(name)));
        let rows = parts.into_iter().filter_map(|(name, part)| Some(vec![name.to_owned(), plain(part?)?]));
        text.push_str(&super::table::columns(&rows.collect::<Vec<_>>()));
        text.push('\n');
    }
    if values.is_empty() {
        text.push_str("(no value)\n\n");
    }
    let mut rows = Vec::new();
    rows.extend(answer.get("context").and_then(plain).map(|context| vec!["context".to_owned(), context]));
    rows.extend(answer.get("receipt").map(|receipt| vec!["answered".to_owned(), witnesses(receipt)]));
    text.push_str(&super::table::columns(&rows));
    text
}

/// A value on one line; nothing for null.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

/// `s1, s2 as stand-in; 2 needed`.
fn witnesses(receipt: &Value) -> String {
    let name = |ack: &Value| {
        let member = ack.get("member").and_then(plain).unwrap_or_default();
        let owner = ack.get("owner").and_then(Value::as_bool).unwrap_or(true);
        if owner { member } else { format!("{member} as stand-in") }
    };
    let acks = receipt.get("acks").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let names: Vec<String> = acks.iter().map(name).collect();
    let needed = receipt.get("required").and_then(Value::as_u64).unwrap_or(0);
    format!("{}; {needed} needed", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::listing;
    use serde_json::json;

    #[test]
    fn siblings_are_listed_one_by_one() {
        let value = |value: &str, clock: &str| json!({ "value": value, "clock": clock, "time": "7.0", "ttl_ms": null });
        let acks = json!([{ "member": "s2", "owner": true }, { "member": "s4", "owner": false }]);
        let receipt = json!({ "required": 2, "acks": acks });
        let values = json!([value("x", "([s1,1])"), value("y", "([s2,1])")]);
        let answer = json!({ "context": "AQ", "values": values, "tombstone": false, "receipt": receipt });
        assert_eq!(
            listing(&answer),
            "value  x\nclock  ([s1,1])\ntime   7.0\n\nvalue  y\nclock  ([s2,1])\ntime   7.0\n\n\
             context   AQ\nanswered  s2, s4 as stand-in; 2 needed\n"
        );
        assert!(listing(&json!({ "context": "AQ", "values": [] })).starts_with("(no value)\n\ncontext  AQ"));
    }
}
