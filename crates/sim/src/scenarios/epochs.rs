//! A layout that one server has not heard of.

use super::{Lab, STRICT, plain};
use crate::client::Answer;
use clockwise_core::{canary::Canary, ids::Epoch, slot::Slot};

/// A new layout on all servers but one, which then takes writes for keys that it thinks it owns. Returns how many
/// acknowledged ones a strict read does not find.
fn lost_writes(canary: Canary) -> usize {
    let mut lab = Lab::new(5, canary);
    lab.world.change_layout();
    let late = (0..5)
        .find(|at| lab.world.servers[*at].process.as_ref().is_some_and(|p| p.layout.epoch() == Epoch(1)))
        .expect("one of them is late");
    let other = (late + 1) % 5;
    let mut lost = 0;
    for turn in 0..60 {
        lab.use_key(&format!("key-{turn}"));
        let slot = Slot::of(&lab.world.history.keys[lab.key].name);
        let old = lab.world.servers[late].owns(slot);
        if !old || lab.world.layout.owners(slot).contains(&lab.world.servers[late].number) {
            continue;
        }
        let number = lab.send(late + 1, plain(), STRICT, None);
        if let Some(Answer::Written { .. }) = lab.answer(number) {
            lost += usize::from(lab.values(other + 1, STRICT) != [number]);
        }
    }
    lab.wait_ms(1_000);
    if canary == Canary::None {
        let epochs = lab.world.servers.iter().filter_map(|server| server.process.as_ref());
        assert!(epochs.into_iter().all(|process| process.layout.epoch() == Epoch(2)), "all have learned it");
    }
    lost
}

#[test]
fn a_server_with_an_old_layout_acknowledges_nothing_under_it() {
    assert_eq!(lost_writes(Canary::None), 0);
}

#[test]
fn if_old_layouts_were_accepted_its_writes_would_be_lost() {
    assert!(lost_writes(Canary::StaleEpochAccepted) > 0);
}
