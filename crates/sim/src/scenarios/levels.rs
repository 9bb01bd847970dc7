//! All pairs of R and W at N = 3, with none, one and two servers stopped.

use super::{Lab, plain};
use crate::{client::Answer, server::Stop};
use clockwise_core::{
    canary::Canary,
    request::{Level, Need, Op},
};

fn level(count: u8) -> Level {
    Level { need: Need::Count(count), strict: true }
}

/// Writes through s1 so that only as many servers have it as the level asks for, then reads through s3, which has it
/// last. Returns whether the read gave the older value.
fn reads_stale(lab: &mut Lab, read: u8, write: u8) -> bool {
    lab.set(1, level(3));
    let unreached: Vec<usize> = [3, 2].into_iter().take(3 - usize::from(write)).collect();
    let cuts: Vec<u64> = unreached.iter().map(|to| lab.cut(1, *to)).collect();
    let number = lab.set(1, level(write));
    // What was under way is lost with its links.
    for (to, cut) in unreached.into_iter().zip(cuts) {
        lab.world.break_link(0, to - 1);
        lab.mend(1, to, cut);
    }
    lab.wait_ms(300);
    let stale = lab.values(3, level(read)) != [number];
    assert_eq!(lab.values(3, level(3)), [number], "R={read} W={write}: it is there in the end");
    stale
}

#[test]
fn reads_are_stale_only_where_the_levels_do_not_overlap() {
    for (read, write) in (1..=3).flat_map(|read| (1..=3).map(move |write| (read, write))) {
        let mut lab = Lab::new(3, Canary::None);
        let stale = reads_stale(&mut lab, read, write);
        if read + write > 3 {
            assert!(!stale, "R={read} W={write} overlap");
        } else if read == 1 {
            // With R=2 and W=1 the reader may well meet the one that has it.
            assert!(stale, "R={read} W={write}: the stale read that they allow is to be seen");
        }
    }
}

#[test]
fn two_readers_can_miss_what_one_server_has() {
    let mut lab = Lab::new(3, Canary::None);
    let old = lab.set(1, level(3));
    let cuts = [lab.cut(1, 2), lab.cut(1, 3)];
    let new = lab.set(1, level(1));
    // Of R=2 through s3 the answers are those of s3 and s2: what s1 says is under way.
    assert_eq!(lab.values(3, level(2)), [old]);
    lab.mend(1, 2, cuts[0]);
    lab.mend(1, 3, cuts[1]);
    lab.wait_ms(50);
    assert_eq!(lab.values(3, level(3)), [new]);
}

#[test]
fn a_level_is_met_exactly_while_enough_servers_run() {
    for stopped in 0..3u8 {
        let mut lab = Lab::new(3, Canary::None);
        lab.set(1, level(3));
        (0..stopped).for_each(|index| lab.stop(3 - usize::from(index), Stop::Kill));
        lab.wait_ms(100);
        for count in 1..=3 {
            let possible = count <= 3 - stopped;
            let wrote = matches!(lab.ask(1, plain(), level(count), None), Some(Answer::Written { .. }));
            assert_eq!(wrote, possible, "W={count}, {stopped} stopped");
            let read = matches!(lab.ask(1, Op::Get, level(count), None), Some(Answer::Read { .. }));
            assert_eq!(read, possible, "R={count}, {stopped} stopped");
        }
    }
}

#[test]
fn one_acknowledgement_is_enough_for_w_1() {
    let mut lab = Lab::new(3, Canary::None);
    let (_, _) = (lab.cut(1, 2), lab.cut(1, 3));
    let began_us = lab.world.queue.now_us();
    lab.set(1, level(1));
    assert!(lab.world.queue.now_us() - began_us < 3_000, "it waited for nobody");
}
