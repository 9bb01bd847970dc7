//! Printed clocks and their threshold.

use super::{Server, actor, dot, dots};
use crate::{
    hlc::Hlc,
    ids::Actor,
    version::{DotSet, Kind, Token, Value, Version, print_clock},
};
use bytes::Bytes;
use std::vec::Vec;

fn version(own: (u32, u64), ctx: &[(u32, u64, u64)]) -> Version {
    Version {
        dot: dot(own.0, own.1),
        ctx: dots(ctx),
        time: Hlc(1),
        expires_ms: None,
        kind: Kind::Causal,
        cmark: None,
        value: Value::Bytes(Bytes::new()),
    }
}

fn nobody(_: Actor) -> bool {
    false
}

#[test]
fn text_is_as_documented() {
    let text = |version: Version, threshold| print_clock(&version, threshold, &nobody).text();
    assert_eq!(text(version((1, 1), &[]), 10), "([s1,1])");
    assert_eq!(text(version((2, 1), &[(1, 1, 2)]), 10), "([s1,2],[s2,1])");
    assert_eq!(text(version((1, 2), &[]), 10), "([s1,2*])");
    assert_eq!(text(version((1, 7), &[(1, 1, 2), (1, 4, 5), (2, 3, 3)]), 10), "([s1,7*],[s2,3])");
    assert_eq!(text(version((1, 6), &[(1, 1, 2), (1, 4, 5), (2, 3, 3)]), 10), "([s1,6],[s2,3])");
    assert_eq!(text(version((2, 4), &[(1, 1, 2), (2, 1, 1)]), 1), "([s2,4*],…)");
}

#[test]
fn retired_go_first_then_the_lowest_counters() {
    let long = version((3, 1), &[(1, 1, 9), (2, 1, 2), (4, 1, 5), (5, 1, 2)]);
    let kept = |threshold, retired: &dyn Fn(Actor) -> bool| {
        let clock = print_clock(&long, threshold, retired);
        assert_eq!(clock.cut, 5 - clock.pairs.len());
        clock.pairs.iter().map(|(actor, _)| actor.member.0).collect::<Vec<_>>()
    };
    assert_eq!(kept(5, &nobody), [1, 2, 3, 4, 5]);
    assert_eq!(kept(4, &nobody), [1, 3, 4, 5], "of equals the lower actor goes");
    assert_eq!(kept(3, &nobody), [1, 3, 4]);
    assert_eq!(kept(2, &nobody), [1, 3]);
    assert_eq!(kept(1, &nobody), [3], "the own pair stays, though its counter is the lowest");
    assert_eq!(kept(0, &nobody), [3]);
    let retired = |it: Actor| it == actor(1) || it == actor(3);
    assert_eq!(kept(4, &retired), [2, 3, 4, 5], "a retired actor goes before a lower counter");
    assert_eq!(kept(3, &retired), [3, 4, 5]);
}

#[test]
fn sixty_actors_under_a_threshold_of_ten_lose_nothing() {
    let mut servers: Vec<Server> = (1..=60).map(Server::new).collect();
    let mut token = Token::EMPTY;
    for (step, server) in servers.iter_mut().enumerate() {
        token = server.put(&token, step as u8, step as u64).reply;
    }
    let mut all = Server::new(61);
    for server in &servers {
        all.receive(&server.record);
    }
    assert_eq!(all.values(), [59], "each replaced the one before; none returns");
    let clock = print_clock(&all.record.versions[0], 10, &nobody);
    assert_eq!((clock.pairs.len(), clock.cut), (10, 50));
    assert!(clock.pairs.contains(&(actor(60), 1)));
    assert_eq!(all.record.versions[0].ctx.ranges().len(), 59, "only what is printed is cut");
    let siblings = servers.iter().fold(DotSet::EMPTY, |mut all, server| {
        all.union(&server.record.seen);
        all
    });
    assert_eq!(siblings, all.record.seen);
}
