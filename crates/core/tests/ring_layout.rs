//! Layouts: what is refused, the placement rule, and the stored form.

#[path = "ring/cluster.rs"]
mod cluster;

use bytes::Bytes;
use clockwise_core::{
    ids::{Epoch, MemberNumber, NodeId},
    layout::{Addresses, Layout, LayoutError, LayoutSpec, Member},
    limits::{MEMBERS, NAME_BYTES, REPLICAS, TOTAL_WEIGHT},
    slot::Slot,
    varint::Malformed,
    version::{DigestKey, TokenKey},
};
use cluster::{layout, member, spec};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// The layout of the golden bytes: an epoch of two bytes, a gap in the numbers, two weights, two data centres.
fn golden_spec() -> LayoutSpec {
    let member = |number: u32, token_seed, weight, dc: &str, rack: &str| Member {
        number: MemberNumber(number),
        node: NodeId([number as u8 * 0x11; 20]),
        token_seed,
        weight,
        dc: dc.into(),
        rack: rack.into(),
        addresses: Addresses {
            peer: format!("h{number}:9001"),
            cluster: format!("h{number}:7001"),
            plain: format!("h{number}:6001"),
            http: format!("h{number}:8001"),
        },
    };
    LayoutSpec {
        cluster: core::array::from_fn(|at| at as u8),
        epoch: Epoch(300),
        replicas: 2,
        token_key: TokenKey([0xa0; 16]),
        digest_key: DigestKey([0xb0; 16]),
        members: vec![
            member(1, 101, 1, "a", "r1"),
            member(2, 202, 2, "a", "r2"),
            member(5, 303, 1, "b", "r1"),
        ],
    }
}

/// Written by a program of its own, from `docs/formats/layout.md` alone; it ends with the checksum of the owners of
/// all slots, so it pins the ring too.
const GOLDEN: &str = "0101000102030405060708090a0b0c0d0e0fac0202a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0\
    b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b003\
    01111111111111111111111111111111111111111165000000000000000101610272310768313a393030310768313a37303031\
    0768313a363030310768313a38303031\
    022222222222222222222222222222222222222222ca000000000000000201610272320768323a393030310768323a37303031\
    0768323a363030310768323a38303031\
    0555555555555555555555555555555555555555552f010000000000000101620272310768353a393030310768353a37303031\
    0768353a363030310768353a38303031\
    0f0718639695cbc6";

fn golden_bytes() -> Vec<u8> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16).expect("hex digits") as u8;
    GOLDEN.as_bytes().chunks_exact(2).map(|pair| (digit(&pair[0]) << 4) | digit(&pair[1])).collect()
}

fn decode(bytes: &[u8]) -> Result<Layout, Malformed> {
    Layout::decode(Bytes::copy_from_slice(bytes))
}

#[test]
fn stored_form_is_the_golden_one() {
    let layout = Layout::new(golden_spec()).unwrap();
    assert_eq!(layout.encode(), golden_bytes());
    let read = decode(&golden_bytes()).unwrap();
    assert_eq!(read.spec(), &golden_spec());
    assert_eq!(read.owners(Slot::new(0).unwrap()), [MemberNumber(1), MemberNumber(5)]);
    assert_eq!(read.owners(Slot::new(8191).unwrap()), [MemberNumber(2), MemberNumber(5)]);
}

#[test]
fn every_damaged_byte_of_a_stored_form_that_matters_to_the_ring_is_refused() {
    let golden = golden_bytes();
    for at in 0..golden.len() {
        for bit in 0..8 {
            let mut bytes = golden.clone();
            bytes[at] ^= 1 << bit;
            // A flipped bit of an id, a key or an address is another layout; it must then read back as itself.
            if let Ok(layout) = decode(&bytes) {
                assert_eq!(layout.encode(), bytes, "byte {at} bit {bit}");
                assert_ne!(layout.spec(), &golden_spec(), "byte {at} bit {bit}");
            }
        }
        assert!(decode(&golden[..at]).is_err(), "cut to {at} bytes");
    }
    let seed_of_member_1 = golden.windows(2).position(|pair| pair == [0x11, 101]).unwrap() + 1;
    for at in [0, 1, seed_of_member_1, golden.len() - 1] {
        let mut bytes = golden.clone();
        bytes[at] ^= 2;
        assert!(decode(&bytes).is_err(), "byte {at}");
    }
    assert!(decode(&[&golden[..], &[0]].concat()).is_err(), "a byte behind the end");
}

#[test]
fn only_the_canonical_form_is_read() {
    let golden = golden_bytes();
    // The epoch 300 in three bytes instead of two.
    let long = [&golden[..18], &[0xac, 0x82, 0x00], &golden[20..]].concat();
    assert!(decode(&long).is_err());
    // Members 2 and 1 in this order: the same ring, another form.
    let swapped = {
        let mut bytes = golden.clone();
        let first = golden.windows(2).position(|pair| pair == [1, 0x11]).unwrap();
        let second = golden.windows(2).position(|pair| pair == [2, 0x22]).unwrap();
        let third = golden.windows(2).position(|pair| pair == [5, 0x55]).unwrap();
        bytes[first..third].rotate_left(second - first);
        bytes
    };
    assert!(decode(&swapped).is_err());
    // A count of members that no buffer of this length can hold.
    let mut announced = golden[..53].to_vec();
    announced.extend([0xff, 0x1f]);
    assert!(decode(&announced).is_err());
}

#[test]
fn bad_layouts_are_refused() {
    let refused = |change: fn(&mut LayoutSpec)| {
        let mut spec = spec((0..3).map(|at| member(at, 1, "dc", "rack")).collect(), 3);
        change(&mut spec);
        Layout::new(spec).err()
    };
    assert_eq!(refused(|_| ()), None);
    assert_eq!(refused(|spec| spec.epoch = Epoch(0)), Some(LayoutError::BadEpoch));
    assert_eq!(refused(|spec| spec.replicas = 0), Some(LayoutError::BadReplicas));
    assert_eq!(refused(|spec| spec.replicas = REPLICAS as u8), None);
    assert_eq!(refused(|spec| spec.replicas = REPLICAS as u8 + 1), Some(LayoutError::BadReplicas));
    let members: [fn(&mut LayoutSpec); 8] = [
        |spec| spec.members.clear(),
        |spec| spec.members[0].number = MemberNumber(0),
        |spec| spec.members[0].number = spec.members[1].number,
        |spec| spec.members[0].node = spec.members[2].node,
        |spec| spec.members[0].token_seed = spec.members[2].token_seed,
        |spec| spec.members[1].weight = 0,
        |spec| spec.members[1].rack = "r".repeat(NAME_BYTES + 1),
        |spec| spec.members[1].addresses.http = "h".repeat(NAME_BYTES + 1),
    ];
    for change in members {
        assert_eq!(refused(change), Some(LayoutError::BadMembers));
    }
    assert_eq!(refused(|spec| spec.members[1].rack = "r".repeat(NAME_BYTES)), None);
    assert_eq!(refused(|spec| spec.members[1].weight = u16::MAX), Some(LayoutError::BadMembers));
    let crowd = |count| (0..count).map(|at| member(at, 1, "dc", "rack")).collect::<Vec<_>>();
    assert_eq!(Layout::new(spec(crowd(MEMBERS as u32 + 1), 3)).err(), Some(LayoutError::BadMembers));
}

#[test]
fn the_largest_layout_can_be_computed() {
    let weight = (TOTAL_WEIGHT / MEMBERS as u32) as u16;
    let members: Vec<Member> = (0..MEMBERS as u32)
        .map(|at| member(at, weight, &format!("dc{}", at % 5), &format!("r{}", at % 77)))
        .collect();
    let layout = layout(members, REPLICAS as u8);
    let total: u32 = layout.shares().iter().map(|&(_, slots)| slots).sum();
    assert_eq!(total, 16384 * REPLICAS as u32);
}

#[test]
fn shares_count_owned_slots() {
    let layout = layout((0..7).map(|at| member(at, 1 + (at % 2) as u16, "dc", "")).collect(), 3);
    let shares = layout.shares();
    assert_eq!(shares.iter().map(|&(_, slots)| slots).sum::<u32>(), 3 * 16384);
    assert!(shares.iter().all(|&(number, slots)| layout.slots_owned(number) == slots));
    assert_eq!(layout.slots_owned(MemberNumber(99)), 0);
    assert_eq!(layout.by_node(member(3, 1, "", "").node).unwrap().number, MemberNumber(4));
    assert!(layout.member(MemberNumber(8)).is_none());
}

/// Owners per data centre and distinct (data centre, rack) of a slot.
fn spread(layout: &Layout, slot: Slot) -> (BTreeMap<&str, usize>, usize) {
    let places = layout.owners(slot).iter().map(|&owner| layout.member(owner).expect("owners are members"));
    let mut per_dc = BTreeMap::new();
    places.clone().for_each(|place| *per_dc.entry(place.dc.as_str()).or_insert(0) += 1);
    (per_dc, places.map(|place| (&place.dc, &place.rack)).collect::<BTreeSet<_>>().len())
}

#[test]
fn racks_are_distinct_where_they_can_be() {
    let racks = |racks: &[&str]| -> Vec<Member> {
        (0..).zip(racks).map(|(at, rack)| member(at, 1, "dc", rack)).collect()
    };
    let three = layout(racks(&["a", "a", "a", "b", "b", "c"]), 3);
    let two = layout(racks(&["a", "a", "a", "b", "a", "a"]), 3);
    for slot in Slot::all() {
        assert_eq!(spread(&three, slot).1, 3);
        assert_eq!((spread(&two, slot).1, two.owners(slot).len()), (2, 3));
    }
}

#[test]
fn a_small_data_centre_does_not_limit_the_number_of_replicas() {
    let mut members: Vec<Member> = (0..6).map(|at| member(at, 1, "large", "")).collect();
    members.push(member(6, 1, "small", ""));
    let layout = layout(members, 4);
    for slot in Slot::all() {
        assert_eq!(spread(&layout, slot).0, BTreeMap::from([("large", 3), ("small", 1)]));
    }
}

/// Random members: weights 1 to 5, up to 4 data centres with up to 3 racks each.
fn members(most: usize) -> impl Strategy<Value = Vec<Member>> {
    let place = (any::<u64>(), 1u16..=5, 0u8..4, 0u8..3);
    prop::collection::vec(place, 1..=most).prop_map(|places| {
        let numbered = (0..).zip(places);
        let build = |(at, (seed, weight, dc, rack)): (u32, (u64, u16, u8, u8))| Member {
            token_seed: seed ^ u64::from(at),
            ..member(at, weight, &format!("dc{dc}"), &format!("rack{rack}"))
        };
        let mut seeds = BTreeSet::new();
        numbered.map(build).filter(|member| seeds.insert(member.token_seed)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stored_forms_read_back(members in members(12), replicas in 1u8..=16, epoch in 1u64..) {
        let layout = Layout::new(LayoutSpec { epoch: Epoch(epoch), ..spec(members, replicas) }).unwrap();
        let bytes = layout.encode();
        let read = decode(&bytes).unwrap();
        prop_assert_eq!(read.spec(), layout.spec());
        prop_assert!(Slot::all().all(|slot| read.owners(slot) == layout.owners(slot)));
        prop_assert_eq!(read.encode(), bytes);
    }

    #[test]
    fn owners_do_not_depend_on_the_order_of_members(members in members(12), replicas in 1u8..=5, shuffle in any::<u64>()) {
        let mut shuffled = members.clone();
        fastrand::Rng::with_seed(shuffle).shuffle(&mut shuffled);
        let (one, other) = (layout(members, replicas), layout(shuffled, replicas));
        prop_assert_eq!(one.encode(), other.encode());
        prop_assert!(Slot::all().all(|slot| one.owners(slot) == other.owners(slot)));
    }

    #[test]
    fn owners_are_spread_as_far_as_possible(members in members(12), replicas in 1u8..=6) {
        let layout = layout(members, replicas);
        let members = &layout.spec().members;
        let owners = members.len().min(usize::from(replicas));
        let mut servers: BTreeMap<&str, usize> = BTreeMap::new();
        members.iter().for_each(|member| *servers.entry(&member.dc).or_insert(0) += 1);
        let mut racks: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        members.iter().for_each(|member| _ = racks.entry(&member.dc).or_default().insert(&member.rack));
        let fair = owners.div_ceil(servers.len());
        let fair_fits = servers.values().map(|&servers| servers.min(fair)).sum::<usize>() >= owners;
        for slot in Slot::all() {
            let distinct: BTreeSet<_> = layout.owners(slot).iter().collect();
            let (per_dc, in_racks) = spread(&layout, slot);
            prop_assert_eq!(distinct.len(), owners);
            prop_assert_eq!(per_dc.len(), owners.min(servers.len()));
            prop_assert_eq!(in_racks, per_dc.iter().map(|(dc, &count)| count.min(racks[dc].len())).sum::<usize>());
            prop_assert!(!fair_fits || per_dc.values().all(|&count| count <= fair));
        }
    }

    #[test]
    fn a_join_changes_at_most_one_replica_of_a_slot(members in members(14), replicas in 1u8..=6, new in 0usize..14) {
        let new = new % members.len();
        let mut before = members.clone();
        let joined = before.remove(new);
        // Another data centre changes every data centre's fair part.
        prop_assume!(before.iter().any(|member| member.dc == joined.dc));
        let (before, after) = (layout(before, replicas), layout(members, replicas));
        for slot in Slot::all() {
            let (old, new) = (before.owners(slot), after.owners(slot));
            let gained: Vec<_> = new.iter().filter(|owner| !old.contains(owner)).collect();
            prop_assert!(gained.is_empty() || gained == [&joined.number], "{:?}: {:?} -> {:?}", slot, old, new);
            prop_assert!(old.iter().filter(|owner| !new.contains(owner)).count() <= 1);
        }
    }

    #[test]
    fn a_replacement_with_the_same_seed_moves_only_what_it_takes_over(members in members(12), at in 0usize..12) {
        let at = at % members.len();
        let mut replaced = members.clone();
        replaced[at].number = MemberNumber(1000);
        replaced[at].node = NodeId([0xee; 20]);
        let gone = members[at].number;
        let (before, after) = (layout(members, 3), layout(replaced, 3));
        for slot in Slot::all() {
            let renamed = before.owners(slot).iter().map(|&owner| if owner == gone { MemberNumber(1000) } else { owner });
            prop_assert!(renamed.eq(after.owners(slot).iter().copied()));
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..263) {
        prop_assert!(decode(&bytes).is_err());
        let mut spliced = golden_bytes();
        let end = spliced.len().min(at + bytes.len());
        spliced[at..end].copy_from_slice(&bytes[..end - at]);
        if let Ok(layout) = decode(&spliced) {
            prop_assert_eq!(layout.encode(), spliced);
        }
    }
}

#[test]
fn stand_ins_follow_the_owners_clockwise() {
    let members: Vec<Member> = (1..=12).map(|number| member(number, 1, "a", "r")).collect();
    let layout = Layout::new(LayoutSpec { replicas: 3, members, ..golden_spec() }).expect("valid");
    for slot in Slot::all() {
        let (owners, stand_ins) = (layout.owners(slot), layout.stand_ins(slot));
        assert_eq!((owners.len(), stand_ins.len()), (3, 6));
        let distinct: BTreeSet<_> = owners.iter().chain(stand_ins).collect();
        assert_eq!(distinct.len(), 9);
        assert_eq!(layout.stand_ins(slot.hints()), stand_ins);
    }
    // In one rack the owners are the first three of the walk, so those of one more replica are them and the first stand-in.
    let more = Layout::new(LayoutSpec { replicas: 4, ..layout.spec().clone() }).expect("valid");
    for slot in Slot::all() {
        assert_eq!(more.owners(slot)[3], layout.stand_ins(slot)[0]);
    }
    let few = Layout::new(LayoutSpec { replicas: 3, ..golden_spec() }).expect("valid");
    assert!(Slot::all().all(|slot| few.stand_ins(slot).is_empty()), "everybody owns it");
}
