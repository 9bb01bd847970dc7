//! The routing map: rows cover all slots under live owners, few and even.

#[path = "ring/cluster.rs"]
mod cluster;

use clockwise_core::{
    ids::MemberNumber,
    layout::{Layout, Member, RoutingMap},
    limits::MAP_ROWS,
    slot::Slot,
};
use cluster::{layout, member};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn equal(servers: u32) -> Layout {
    layout((0..servers).map(|at| member(at, 1, "dc", "")).collect(), 3)
}

fn all(_: MemberNumber) -> bool {
    true
}

/// Slots under each member as master, in the order of the members.
fn loads(layout: &Layout, map: &RoutingMap) -> Vec<u32> {
    let length = |number| {
        let rows = map.rows.iter().filter(|row| row.master == number);
        rows.map(|row| u32::from(row.last.number() - row.first.number()) + 1).sum()
    };
    layout.spec().members.iter().map(|member| length(member.number)).collect()
}

/// Everything that must hold of any map.
fn check(layout: &Layout, live: &dyn Fn(MemberNumber) -> bool) -> RoutingMap {
    let map = RoutingMap::new(layout, live);
    assert!(map.rows.len() <= MAP_ROWS);
    assert_eq!((map.rows[0].first.number(), map.rows[map.rows.len() - 1].last.number()), (0, 16383));
    for pair in map.rows.windows(2) {
        assert_eq!(pair[0].last.number() + 1, pair[1].first.number(), "no gap");
        assert_ne!(pair[0].master, pair[1].master, "neighbours are one row");
    }
    let mut owned = 0;
    for slot in Slot::all() {
        let row = map.row(slot);
        let owners = layout.owners(slot);
        assert!(row.first <= slot && slot <= row.last);
        assert!(!row.replicas.contains(&row.master));
        assert!(row.replicas.iter().all(|&replica| live(replica) && owners.contains(&replica)));
        let orphan = !owners.iter().any(|&owner| live(owner));
        let served =
            if orphan { row.master == owners[0] } else { live(row.master) && owners.contains(&row.master) };
        owned += u16::from(served);
    }
    assert_eq!(owned, map.owned_slots);
    assert!(map.rows.len() * 2 > MAP_ROWS || owned == 16384, "no need to group {} rows", map.rows.len());
    map
}

#[test]
fn one_server_is_one_row() {
    let layout = layout(vec![member(0, 1, "dc", "")], 3);
    let map = check(&layout, &all);
    assert_eq!((map.rows.len(), map.owned_slots), (1, 16384));
}

#[test]
fn three_servers_are_masters_of_a_third_each_in_three_rows() {
    let layout = equal(3);
    let map = check(&layout, &all);
    assert_eq!(map.rows.len(), 3);
    assert!(loads(&layout, &map).iter().all(|&slots| (5461..=5462).contains(&slots)));
    assert!(map.rows.iter().all(|row| row.replicas.len() == 2));
}

#[test]
fn rows_of_5_and_12_servers_are_few_and_even() {
    for (servers, most_rows) in [(5, 150), (12, 720)] {
        let layout = equal(servers);
        let map = check(&layout, &all);
        assert_eq!(map.owned_slots, 16384, "every key in one hop");
        assert!(map.rows.len() <= most_rows, "{servers} servers: {} rows", map.rows.len());
        let even = 16384 / servers;
        let loads = loads(&layout, &map);
        assert!(loads.iter().all(|slots| (even * 85..=even * 110).contains(&(slots * 100))), "{loads:?}");
    }
}

#[test]
fn a_killed_server_is_master_of_nothing_and_the_others_share_its_part() {
    for servers in [3, 5, 12] {
        let layout = equal(servers);
        for killed in [1, servers] {
            let map = check(&layout, &|number| number != MemberNumber(killed));
            let mut loads = loads(&layout, &map);
            assert_eq!(loads.remove(killed as usize - 1), 0);
            let even = 16384 / (servers - 1);
            assert!(loads.iter().all(|slots| (even * 80..=even * 115).contains(&(slots * 100))), "{loads:?}");
            assert!(map.rows.iter().all(|row| !row.replicas.contains(&MemberNumber(killed))));
        }
    }
}

#[test]
fn two_of_three_killed_leave_one_row() {
    let map = check(&equal(3), &|number| number == MemberNumber(2));
    assert_eq!((map.rows.len(), map.rows[0].master), (1, MemberNumber(2)));
}

#[test]
fn slots_without_a_live_owner_keep_their_first_owner() {
    let layout = layout((0..4).map(|at| member(at, 1, "dc", "")).collect(), 1);
    let map = check(&layout, &|number| number != MemberNumber(4));
    assert_eq!(map.owned_slots, 16384);
    assert_eq!(loads(&layout, &map)[3], layout.slots_owned(MemberNumber(4)));
    check(&layout, &|_| false);
    check(&equal(5), &|_| false);
}

#[test]
fn masters_follow_the_weights() {
    let members =
        (0..12).map(|at| member(at, [1, 2, 4][at as usize % 3], &format!("dc{}", at % 4), "")).collect();
    let layout = layout(members, 3);
    let map = check(&layout, &all);
    for (load, member) in loads(&layout, &map).into_iter().zip(&layout.spec().members) {
        let part = 16384 * u32::from(member.weight) / 28;
        assert!((part * 85..=part * 115).contains(&(load * 100)), "{load} of {part}");
    }
}

#[test]
fn a_server_that_owns_everything_is_not_master_of_everything() {
    // One server in a data centre of its own has a replica of every slot.
    let mut members: Vec<Member> = (0..5).map(|at| member(at, 1, "large", "")).collect();
    members.push(member(5, 1, "small", ""));
    let layout = layout(members, 2);
    let map = check(&layout, &all);
    let loads = loads(&layout, &map);
    assert!(loads.iter().all(|&slots| slots * 6 <= 16384 * 115 / 100), "{loads:?}");
}

#[test]
fn many_servers_are_grouped_and_stay_even() {
    let layout = equal(99);
    let map = check(&layout, &all);
    assert!(map.rows.len() > MAP_ROWS * 9 / 10, "{} rows", map.rows.len());
    assert!(map.owned_slots > 16384 / 2, "{} slots in one hop", map.owned_slots);
    let loads = loads(&layout, &map);
    assert!(loads.iter().all(|&slots| slots * 99 <= 16384 * 125 / 100), "{loads:?}");
    check(&layout, &|number| number.0 % 3 != 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_map_holds(servers in 1u32..40, replicas in 1u8..=5, dcs in 1u32..4, heavy in 1u16..6, dead in prop::collection::vec(0u32..40, 0..6)) {
        let place = |at: u32| member(at, if at.is_multiple_of(2) { 1 } else { heavy }, &format!("dc{}", at % dcs), "");
        let layout = layout((0..servers).map(place).collect(), replicas);
        let dead: BTreeSet<u32> = dead.into_iter().collect();
        let live = |number: MemberNumber| !dead.contains(&number.0);
        let map = check(&layout, &live);
        prop_assert_eq!(RoutingMap::new(&layout, &live), map);
    }
}
