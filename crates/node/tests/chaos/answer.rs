//! What a reply says, in the words of the history.

use super::harness::Pipe;
use clockwise_core::{
    hlc::Hlc,
    ids::{Actor, Dot, MemberNumber},
    request::{Level, Need},
    version::DotSet,
};
use clockwise_sim::history::{Held, Seen, writer_of};
use clockwise_wire::resp::Reply;
use std::io;

/// What came of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said {
    /// It was done.
    Done(Reply),
    /// Certainly not applied, with the code.
    No(String),
    /// May have been applied.
    Perhaps,
    /// No answer: broken, or not in time.
    Nothing,
    /// An answer that no correct server gives to these commands.
    Wrong(String),
}

/// Codes that say that nothing was applied. `DAMAGED` is none of those that may come: nobody damages anything.
const NO: [&str; 7] =
    ["TRYAGAIN", "CLUSTERDOWN", "OVERLOADED", "DISKFULL", "SIBLINGS", "TOOLARGE", "CLOCKSKEW"];

/// Sends commands at once; the answer is that of the last one, if those before it were done.
pub fn ask(pipe: &mut Pipe, commands: &[Vec<String>]) -> Said {
    let words: Vec<Vec<&[u8]>> =
        commands.iter().map(|command| command.iter().map(|word| word.as_bytes()).collect()).collect();
    if pipe.send(&words).is_err() {
        return Said::Nothing;
    }
    let replies: io::Result<Vec<Reply>> = commands.iter().map(|_| pipe.receive()).collect();
    let Ok(mut replies) = replies else { return Said::Nothing };
    let last = replies.pop().expect("there is a command");
    if let Some(early) = replies.iter().find(|reply| matches!(reply, Reply::Error(_))) {
        return Said::Wrong(format!("{:?}: {early:?}", commands[0]));
    }
    let Reply::Error(text) = &last else { return Said::Done(last) };
    let text = String::from_utf8_lossy(text).into_owned();
    let code = text.split(' ').next().unwrap_or_default();
    match code {
        "UNKNOWN" => Said::Perhaps,
        code if NO.contains(&code) => {
            let reason = text.split(' ').nth(1).filter(|_| code == "TRYAGAIN").unwrap_or_default();
            Said::No(format!("{code} {reason}").trim_end().to_owned())
        }
        _ => Said::Wrong(format!("{:?}: {text}", commands.last())),
    }
}

/// A level as words of a command.
pub fn need(level: Level) -> String {
    match level.need {
        Need::Count(count) => count.to_string(),
        Need::One => "one".to_owned(),
        Need::Quorum => "quorum".to_owned(),
        Need::All => "all".to_owned(),
    }
}

/// Strict or sloppy.
pub fn strictness(level: Level) -> String {
    if level.strict { "STRICT" } else { "SLOPPY" }.to_owned()
}

fn text(reply: Option<&Reply>) -> Option<String> {
    reply?.as_bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// The context of an answer.
pub fn context(reply: &Reply) -> Option<String> {
    text(reply.field(b"context"))
}

/// The versions in an answer to `CW.GET`.
pub fn versions(reply: &Reply) -> Option<Vec<Seen>> {
    reply.field(b"values")?.as_elements()?.iter().map(version).collect()
}

fn version(reply: &Reply) -> Option<Seen> {
    let bytes = reply.field(b"value")?.as_bytes();
    Some(Seen {
        value: bytes.and_then(writer_of),
        freed: bytes.is_none(),
        expired: false,
        dot: dot(&text(reply.field(b"dot"))?)?,
        ctx: DotSet::default(),
        time: time(&text(reply.field(b"time"))?)?,
        register: text(reply.field(b"kind"))? == "register",
    })
}

/// `[s1.2,7]`.
fn dot(text: &str) -> Option<Dot> {
    let (actor, counter) = text.strip_prefix("[s")?.strip_suffix(']')?.split_once(',')?;
    let (member, incarnation) = actor.split_once('.').unwrap_or((actor, "1"));
    let actor = Actor { member: MemberNumber(member.parse().ok()?), incarnation: incarnation.parse().ok()? };
    Some(Dot { actor, counter: counter.parse().ok()? })
}

/// `1764000000000.3`.
fn time(text: &str) -> Option<Hlc> {
    let (wall_ms, counter) = text.split_once('.')?;
    Some(Hlc(wall_ms.parse::<u64>().ok()? << 16 | counter.parse::<u64>().ok()?))
}

/// What the owners said to `CW.EXPLAIN` that they hold; `None` unless all of them answered.
///
/// Tombstones and expired versions are left out: each replica collects them when it may.
pub fn copies(reply: &Reply) -> Option<Vec<(u32, Option<Held>)>> {
    reply.field(b"owners")?.as_elements()?.iter().map(copy).collect()
}

fn copy(owner: &Reply) -> Option<(u32, Option<Held>)> {
    let member = text(owner.field(b"member"))?.strip_prefix('s')?.parse().ok()?;
    let yes = |reply: &Reply, name: &[u8]| {
        matches!(reply.field(name), Some(Reply::Integer(1) | Reply::Boolean(true)))
    };
    if !yes(owner, b"answered") {
        return None;
    }
    let live: Vec<&Reply> =
        owner.field(b"versions")?.as_elements()?.iter().filter(|one| !yes(one, b"expired")).collect();
    let shown = |one: &&Reply| {
        ["dot", "kind", "clock", "time"]
            .map(|name| text(one.field(name.as_bytes())).unwrap_or_default())
            .join(" ")
    };
    let described = match live.is_empty() {
        true => "nothing".to_owned(),
        false => {
            let digest = text(owner.field(b"digest"))?;
            format!("{digest}: {}", live.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
    };
    Some((member, Some(Held::Described(described))))
}

#[test]
fn dots_and_times_are_read() {
    let actor = |member, incarnation| Actor { member: MemberNumber(member), incarnation };
    assert_eq!(dot("[s3,14]"), Some(Dot { actor: actor(3, 1), counter: 14 }));
    assert_eq!(dot("[s3.2,1]"), Some(Dot { actor: actor(3, 2), counter: 1 }));
    assert_eq!(dot("s3,1"), None);
    assert_eq!(time("5.2"), Some(Hlc(5 << 16 | 2)));
    assert_eq!(time("5.2").unwrap().to_string(), "5.2");
}
