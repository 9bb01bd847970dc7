//! The rules for all numbers of shards.

use super::{CELLS, Form, LINKS, Pairing, shard_of};
use clockwise_core::slot::Slot;

fn pairing(ours: u16, theirs: u16, form: Form) -> Pairing {
    Pairing { ours, theirs, form }
}

/// Every pair of numbers in every form.
fn all() -> impl Iterator<Item = (u16, u16, Form)> {
    let forms = |ours, theirs| [Form::EachShard, Form::EachServer].map(move |form| (ours, theirs, form));
    (1..=CELLS).flat_map(move |ours| (1..=CELLS).flat_map(move |theirs| forms(ours, theirs)))
}

fn cells() -> impl Iterator<Item = Slot> {
    Slot::all().take(usize::from(CELLS))
}

#[test]
fn both_ends_know_the_same_links() {
    for (ours, theirs, form) in all() {
        let (here, there) = (pairing(ours, theirs, form), pairing(theirs, ours, form));
        for local in 0..ours {
            for remote in 0..theirs {
                let known = here.needed(local).contains(&remote);
                assert_eq!(known, there.needed(remote).contains(&local), "{here:?} {local} {remote}");
            }
        }
        assert_eq!(here.needed(0)[0], 0, "the shards 0 meet whatever their numbers are: {here:?}");
    }
}

#[test]
fn every_message_finds_a_link_of_its_shard() {
    for (ours, theirs, form) in all() {
        let pairing = pairing(ours, theirs, form);
        for slot in cells() {
            let local = shard_of(Some(slot), ours);
            let needed = pairing.needed(local);
            let route = pairing.route(local, Some(slot));
            assert!(needed.contains(&route), "{pairing:?} {slot:?}");
            let target = shard_of(Some(slot), theirs);
            let direct = form == Form::EachShard || needed.contains(&target);
            assert_eq!(route == target, direct, "nothing crosses needlessly: {pairing:?} {slot:?}");
            assert!(needed.contains(&pairing.detour(local, Some(slot))), "{pairing:?} {slot:?}");
        }
        // Whatever shard has something to say about no slot.
        assert!((0..ours).all(|local| pairing.needed(local).contains(&pairing.detour(local, None))));
        assert_eq!(pairing.route(0, None), 0);
    }
}

#[test]
fn the_links_of_each_server_are_among_those_of_each_shard_and_one_per_shard() {
    for (ours, theirs, _) in all() {
        let (full, few) = (pairing(ours, theirs, Form::EachShard), pairing(ours, theirs, Form::EachServer));
        for local in 0..ours {
            assert!(few.needed(local).iter().all(|remote| full.needed(local).contains(remote)), "{full:?}");
        }
        assert_eq!(few.links(), usize::from(ours.max(theirs)), "{few:?}");
        assert!(full.links() <= usize::from(CELLS), "{full:?}");
        if ours % theirs == 0 || theirs % ours == 0 {
            assert_eq!(few.links(), full.links(), "{full:?}");
        }
    }
}

#[test]
fn the_form_is_the_same_from_both_ends_and_depends_on_what_it_saves() {
    for peers in 1..100 {
        for (ours, theirs, _) in all() {
            let here = Pairing::between(ours, theirs, peers);
            assert_eq!(here.form, Pairing::between(theirs, ours, peers).form, "{here:?} {peers}");
            let within = here.links() * peers <= LINKS;
            let least = here.links() == usize::from(ours.max(theirs));
            assert!(within || least, "{here:?} {peers}");
            let full = pairing(ours, theirs, Form::EachShard).links();
            if full * peers <= LINKS {
                assert_eq!(here.form, Form::EachShard, "few links stay as they are: {here:?} {peers}");
            }
        }
    }
    // As in the documents: 15 pairs of shards with a common cell.
    assert_eq!(Pairing::between(5, 3, 4).form(), Form::EachShard);
    assert_eq!(Pairing::between(5, 3, 5).form(), Form::EachServer);
    // Nothing to save.
    assert_eq!(Pairing::between(16, 1, 50).form(), Form::EachShard);
    assert_eq!(Pairing::between(16, 16, 50).links(), 16);
}

#[test]
fn some_pairs_of_shards() {
    let needed = |local, ours, theirs, form| pairing(ours, theirs, form).needed(local);
    assert_eq!(needed(1, 2, 2, Form::EachShard), [1]);
    assert_eq!(needed(1, 2, 4, Form::EachShard), [1, 3]);
    assert_eq!(needed(0, 3, 2, Form::EachShard), [0, 1]);
    assert_eq!(needed(2, 3, 2, Form::EachServer), [0]);
    assert_eq!(needed(1, 3, 8, Form::EachServer), [1, 4, 7]);
}
