//! `status`: the servers of a cluster, each as it sees itself, and who sees it alive.

use super::{Done, server::ServerFlags, table::columns};
use crate::{
    client::Client,
    status::{MemberState, MemberStatus, ServerStatus},
};
use clap::Args;
use serde_json::json;
use std::{process::ExitCode, time::Duration};

/// Each of the other servers has this long to answer, in milliseconds.
const OTHERS_MS: u64 = 1_000;

/// Flags of `status`.
#[derive(Args)]
pub struct Status {
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerFlags,
}

/// What a member said of itself, or why it said nothing.
type Answer = Result<ServerStatus, String>;

impl Status {
    /// Asks one server, then all that it knows of.
    pub fn run(self) -> Done {
        let password = self.server.password()?;
        let asked: ServerStatus = self.server.connect()?.json(&[b"CW.STATUS"])?;
        let answers: Vec<Answer> =
            asked.members.iter().map(|member| ask(member, &asked, password.as_deref())).collect();
        if self.json {
            let servers: Vec<_> = asked
                .members
                .iter()
                .zip(&answers)
                .map(|(member, answer)| match answer {
                    Ok(status) => json!({ "number": member.number, "status": status }),
                    Err(why) => json!({ "number": member.number, "error": why }),
                })
                .collect();
            let all = json!({ "asked": self.server.server, "status": asked, "servers": servers });
            println!("{}", serde_json::to_string_pretty(&all)?);
        } else {
            print!("{}", page(&self.server.server, &asked, &answers));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn ask(member: &MemberStatus, asked: &ServerStatus, password: Option<&str>) -> Answer {
    if member.state == MemberState::This {
        return Ok(asked.clone());
    }
    let timeout = Duration::from_millis(OTHERS_MS);
    Client::connect(&member.addresses.cluster, password, timeout)
        .and_then(|mut client| client.json(&[b"CW.STATUS"]))
        .map_err(|error| error.to_string())
}

fn page(server: &str, asked: &ServerStatus, answers: &[Answer]) -> String {
    let Some(cluster) = &asked.cluster else {
        return format!("{server} (node {}) belongs to no cluster yet: run `clockwise init`\n", asked.node);
    };
    let ready = asked.not_ready.as_deref().map_or("ready".to_owned(), |why| format!("not ready: {why}"));
    let mut text = format!(
        "cluster {cluster}  epoch {}  replicas {}  {ready}\nas s{} at {server} sees it, and what each server says of itself\n\n",
        asked.epoch,
        asked.replicas,
        asked.number.unwrap_or(0),
    );
    let head = [
        "server",
        "state",
        "alive for",
        "cluster port",
        "plain port",
        "dc",
        "rack",
        "weight",
        "epoch",
        "shards",
        "keys",
        "durability",
        "pid",
        "version",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (member, answer) in asked.members.iter().zip(answers) {
        rows.push(row(member, answer, answers));
    }
    text.push_str(&columns(&rows));
    for (member, answer) in asked.members.iter().zip(answers) {
        match answer {
            Err(why) => text.push_str(&format!("\ns{}: {why}\n", member.number)),
            Ok(status) if status.clock_skewed => {
                text.push_str(&format!("\ns{}: its clock is off against two others\n", member.number));
            }
            Ok(_) => {}
        }
    }
    text
}

fn row(member: &MemberStatus, answer: &Answer, answers: &[Answer]) -> Vec<String> {
    let state = match member.state {
        MemberState::This | MemberState::Live => "live",
        MemberState::Suspected => "suspected",
    };
    let own = |part: fn(&ServerStatus) -> String| answer.as_ref().map_or("?".to_owned(), part);
    vec![
        format!("s{}", member.number),
        state.to_owned(),
        witnesses(member.number, answers),
        member.addresses.cluster.clone(),
        member.addresses.plain.clone(),
        member.dc.clone(),
        member.rack.clone(),
        member.weight.to_string(),
        own(|status| status.epoch.to_string()),
        own(|status| status.shards.to_string()),
        own(|status| status.keys.to_string()),
        own(|status| status.durability.clone()),
        own(|status| status.pid.to_string()),
        own(|status| status.version.clone()),
    ]
}

/// The other servers that see a member alive.
fn witnesses(number: u32, answers: &[Answer]) -> String {
    let sees = |status: &&ServerStatus| {
        status.members.iter().any(|other| other.number == number && other.state == MemberState::Live)
    };
    let names: Vec<String> = answers
        .iter()
        .filter_map(|answer| answer.as_ref().ok())
        .filter(sees)
        .filter_map(|status| status.number)
        .map(|number| format!("s{number}"))
        .collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(",") }
}
