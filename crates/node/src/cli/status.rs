//! `status`: the servers of a cluster, each as it says itself, and who sees it alive.

use super::{Done, server::ServerFlags, table::columns};
use crate::client::{Client, HintsView, MemberView, StatusView};
use clap::Args;
use serde_json::{Value, json};
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

/// What a member said of itself, whole and as far as it is shown; or why it said nothing.
type Answer = Result<(Value, StatusView), String>;

impl Status {
    /// Asks one server, then all that it knows of.
    pub fn run(self) -> Done {
        let password = self.server.password()?;
        let asked: Value = self.server.connect()?.json(&[b"CW.STATUS"])?;
        let view: StatusView = serde_json::from_value(asked.clone())?;
        let ask = |member: &MemberView| match member.own {
            true => Ok((asked.clone(), view.clone())),
            false => ask(member, password.as_deref()),
        };
        let answers: Vec<Answer> = view.members.iter().map(ask).collect();
        if self.json {
            let said = |(member, answer): (&MemberView, &Answer)| match answer {
                Ok((status, _)) => json!({ "member": member.member, "status": status }),
                Err(why) => json!({ "member": member.member, "error": why }),
            };
            let servers: Vec<Value> = view.members.iter().zip(&answers).map(said).collect();
            let all = json!({ "asked": self.server.server, "status": asked, "servers": servers });
            println!("{}", serde_json::to_string_pretty(&all)?);
        } else {
            print!("{}", page(&self.server.server, &view, &answers));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn ask(member: &MemberView, password: Option<&str>) -> Answer {
    let timeout = Duration::from_millis(OTHERS_MS);
    let said: Result<Value, _> = Client::connect(&member.addresses.cluster, password, timeout)
        .and_then(|mut client| client.json(&[b"CW.STATUS"]));
    let said = said.map_err(|error| error.to_string())?;
    let view = serde_json::from_value(said.clone()).map_err(|error| error.to_string())?;
    Ok((said, view))
}

fn page(server: &str, asked: &StatusView, answers: &[Answer]) -> String {
    let Some(cluster) = &asked.identity.cluster else {
        return format!(
            "{server} (node {}) belongs to no cluster yet: run `clockwise init`\n",
            asked.identity.node
        );
    };
    let mut text = format!(
        "cluster {cluster}  epoch {}  replicas {}  {}\nas {} at {server} sees it\n\n",
        asked.identity.epoch,
        asked.replicas,
        if asked.quorum { "every slot has a quorum" } else { "NOT every slot has a quorum" },
        asked.name().unwrap_or("the server"),
    );
    let head = [
        "server",
        "state",
        "seen by",
        "missed by",
        "heartbeat",
        "cluster port",
        "plain port",
        "dc",
        "rack",
        "weight",
        "slots",
        "epoch",
        "life",
        "shards",
        "keys",
        "clients",
        "durability",
        "up",
        "version",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (member, answer) in asked.members.iter().zip(answers) {
        rows.push(row(member, answer, answers));
    }
    text.push_str(&columns(&rows));
    text.push_str(&exchange(answers));
    text.push_str(&hints(answers));
    text.push_str(&collection(answers));
    for (member, answer) in asked.members.iter().zip(answers) {
        if let Err(why) = answer {
            text.push_str(&format!("\n{}: {why}", member.member));
        }
    }
    text.trim_end().to_owned() + "\n"
}

/// How far the servers have compared what they hold.
fn exchange(answers: &[Answer]) -> String {
    let views: Vec<&StatusView> =
        answers.iter().filter_map(|answer| Some(&answer.as_ref().ok()?.1)).collect();
    let mut text = String::new();
    for view in views {
        let sum = |name| view.exchange(name).sum::<u64>();
        let most = |name| view.exchange(name).max();
        let Some(age_ms) = most("round_age_ms") else { continue };
        let name = view.name().unwrap_or("?");
        let round = match age_ms {
            u64::MAX => "not compared with all others yet".to_owned(),
            age_ms => format!("compared with all others within {}", span(age_ms)),
        };
        let doubt = match (sum("slots_in_doubt"), most("oldest_doubt_ms").unwrap_or(0)) {
            (0, _) => "no slot in doubt".to_owned(),
            (slots, oldest_ms) => format!("{slots} slots in doubt, the oldest for {}", span(oldest_ms)),
        };
        let fetched = sum("records_fetched");
        text.push_str(&format!("\n{name}: {round}, {doubt}, {fetched} records fetched"));
        text.push_str(&fill(name, view));
    }
    text
}

/// Slots that damage has hit, while they are not whole again.
fn fill(name: &str, view: &StatusView) -> String {
    let (salvaging, filling) = (view.fill("slots_salvaging"), view.fill("slots_filling"));
    if salvaging + filling == 0 {
        return String::new();
    }
    let mut text = format!("\n{name}: DAMAGED, {salvaging} slots being salvaged and {filling} filled");
    let waits = view.fill_waits().into_iter().map(|(owner, slots)| format!("{owner} ({slots})"));
    let waits: Vec<String> = waits.collect();
    if !waits.is_empty() {
        text.push_str(&format!("; they wait for {}", waits.join(", ")));
    }
    text
}

/// What the servers hold for those that are down.
fn hints(answers: &[Answer]) -> String {
    let views = answers.iter().filter_map(|answer| Some(&answer.as_ref().ok()?.1));
    let mut text = String::new();
    for view in views.filter(|view| !view.hints.is_empty()) {
        let held = |hints: &HintsView| {
            format!("{} bytes for {}, the oldest of {}", hints.bytes, hints.member, age(hints.oldest_age_ms))
        };
        let held: Vec<String> = view.hints.iter().map(held).collect();
        text.push_str(&format!("\n{}: holds {}", view.name().unwrap_or("?"), held.join("; ")));
    }
    text
}

/// What of deleted and expired records waits, where anything does.
fn collection(answers: &[Answer]) -> String {
    let views = answers.iter().filter_map(|answer| Some(&answer.as_ref().ok()?.1));
    let mut text = String::new();
    for view in views {
        let slots: u64 = view.collect("slots_waiting").sum();
        if slots == 0 {
            continue;
        }
        let oldest_ms = view.collect("oldest_wait_ms").max().unwrap_or(0);
        let whom: Vec<String> =
            view.collection_waits.iter().map(|wait| format!("{} in {}", wait.member, wait.slots)).collect();
        let whom = if whom.is_empty() { String::new() } else { format!(", for {}", whom.join(", ")) };
        let name = view.name().unwrap_or("?");
        text.push_str(&format!(
            "\n{name}: deletes of {slots} slots wait to be collected, the oldest for {}{whom}",
            span(oldest_ms)
        ));
    }
    text
}

fn row(member: &MemberView, answer: &Answer, answers: &[Answer]) -> Vec<String> {
    let own =
        |part: fn(&StatusView) -> String| answer.as_ref().map_or("?".to_owned(), |(_, view)| part(view));
    vec![
        member.member.clone(),
        member.state().to_owned(),
        witnesses(&member.member, answers),
        missing(member, answers),
        member.gossip.as_ref().map_or("-".to_owned(), |gossip| age(gossip.heartbeat_age_ms)),
        member.addresses.cluster.clone(),
        member.addresses.plain.clone(),
        member.dc.clone(),
        member.rack.clone(),
        member.weight.to_string(),
        member.slots.to_string(),
        own(|view| view.identity.epoch.to_string()),
        own(|view| view.incarnation.to_string()),
        own(|view| view.shards.to_string()),
        own(|view| view.keys().to_string()),
        own(|view| view.metrics.clients.to_string()),
        own(|view| view.durability.clone()),
        own(|view| span(view.uptime_ms)),
        own(|view| view.identity.version.clone()),
    ]
}

/// The other servers that see a member alive.
fn witnesses(name: &str, answers: &[Answer]) -> String {
    let sees = |view: &&StatusView| {
        view.members.iter().any(|other| other.member == name && other.live && !other.own)
    };
    let views = answers.iter().filter_map(|answer| answer.as_ref().ok()).map(|(_, view)| view);
    let names: Vec<&str> = views.filter(sees).filter_map(StatusView::name).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(",") }
}

/// The other servers that hold a member for down, or have at least seen no more of its heartbeat than who was asked.
fn missing(member: &MemberView, answers: &[Answer]) -> String {
    let views = answers.iter().filter_map(|answer| answer.as_ref().ok()).map(|(_, view)| view);
    let holds_down = |view: &&StatusView| {
        view.members.iter().any(|other| other.member == member.member && other.state() == "down")
    };
    let mut names: Vec<&str> = views.filter(holds_down).filter_map(StatusView::name).collect();
    if let Some(gossip) = &member.gossip {
        names.extend(gossip.said_by.iter().map(String::as_str));
    }
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { "nobody".to_owned() } else { names.join(",") }
}

/// How long ago, to a tenth of a second as long as that matters.
fn age(ms: u64) -> String {
    if ms < 60_000 { format!("{}.{}s", ms / 1_000, ms % 1_000 / 100) } else { span(ms) }
}

/// A time span in its two largest units.
fn span(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{}s", seconds % 60),
        (0, _, _) => format!("{hours}h{minutes}m"),
        _ => format!("{days}d{hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::{page, span};
    use crate::client::StatusView;
    use serde_json::json;

    fn view(own: &str, silent: &str) -> StatusView {
        let members: Vec<_> = ["s1", "s2"]
            .iter()
            .map(|name| {
                let address = format!("{name}:1");
                json!({
                    "member": name, "own": *name == own, "live": *name != silent, "dc": "dc1", "rack": "rack1",
                    "gossip": (*name == silent)
                        .then(|| json!({ "state": "down", "said_by": ["s3"], "heartbeat_age_ms": 4_250 })),
                    "weight": 1, "slots": 8192, "node": "00",
                    "addresses": { "peer": address, "cluster": address, "plain": address, "http": address },
                })
            })
            .collect();
        let metrics = json!({ "clients": 4, "shards": [
            { "live_keys": 3, "exchange": [["round_age_ms", 7_000], ["slots_in_doubt", 2], ["oldest_doubt_ms", 61_000]],
              "fill": [["slots_filling", 5], ["slots_salvaging", 1]], "fill_waits": [["s2", 6]],
              "collect": [["slots_waiting", 3], ["oldest_wait_ms", 62_000]] },
            { "live_keys": 4 },
        ] });
        let identity = json!({ "node": "00", "version": "0.1", "epoch": 1, "cluster": "abcd" });
        serde_json::from_value(json!({
            "identity": identity, "incarnation": 2, "durability": "sync", "shards": 2, "uptime_ms": 61_000,
            "replicas": 3, "quorum": false, "members": members, "metrics": metrics,
            "collection_waits": [{ "member": "s2", "slots": 3 }],
            "hints": [{ "member": "s2", "bytes": 4_096, "oldest_age_ms": 7_250 }],
        }))
        .unwrap()
    }

    #[test]
    fn a_page_shows_states_witnesses_and_silence() {
        let asked = view("s1", "s2");
        let answers = [Ok((json!({}), asked.clone())), Err("s2:1: refused".to_owned())];
        let page = page("s1:1", &asked, &answers);
        let cells = |line: usize| page.lines().nth(line).unwrap().split_whitespace().collect::<Vec<_>>();
        assert!(page.contains("NOT every slot has a quorum"), "{page}");
        assert_eq!(cells(4)[..6], ["s1", "live", "nobody", "nobody", "-", "s1:1"]);
        assert_eq!(cells(4)[10..], ["8192", "1", "2", "2", "7", "4", "sync", "1m1s", "0.1"]);
        assert_eq!(cells(5)[..5], ["s2", "down", "nobody", "s1,s3", "4.2s"]);
        let compared = "s1: compared with all others within 7s, 2 slots in doubt, the oldest for 1m1s, 0 records fetched";
        assert!(page.contains(compared), "{page}");
        let damaged = "s1: DAMAGED, 1 slots being salvaged and 5 filled; they wait for s2 (6)";
        assert!(page.contains(damaged), "{page}");
        assert!(page.contains("\ns1: holds 4096 bytes for s2, the oldest of 7.2s\n"), "{page}");
        let waits = "\ns1: deletes of 3 slots wait to be collected, the oldest for 1m2s, for s2 in 3\n";
        assert!(page.contains(waits), "{page}");
        assert!(page.ends_with("\ns2: s2:1: refused\n"), "{page}");
        let both = [Ok((json!({}), view("s1", ""))), Ok((json!({}), view("s2", "")))];
        assert!(super::page("s1:1", &asked, &both).lines().nth(5).unwrap().contains("  s1  "));
    }

    #[test]
    fn spans_have_two_units() {
        assert_eq!(
            [span(900), span(61_000), span(7_260_000), span(90_000_000)],
            ["0s", "1m1s", "2h1m", "1d1h"]
        );
    }
}
