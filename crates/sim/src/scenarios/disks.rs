//! Disks that rot and disks that are full: never wrong data, and the others answer.

use super::{Lab, QUORUM, STRICT, causal};
use crate::{client::Answer, server::Stop};
use clockwise_core::{
    canary::Canary,
    request::{Level, Need, Op, Rejected},
};

const KEYS: usize = 150;

/// So many keys with values that reach the tables, each with the number of its value.
fn filled(lab: &mut Lab) -> Vec<(usize, u64)> {
    let mut written = Vec::new();
    for round in 0..8 {
        for number in 0..KEYS {
            if round == 0 {
                lab.use_key(&format!("key-{number}-{}", "x".repeat(200)));
                written.push((lab.key, 0));
            }
            lab.key = written[number].0;
            written[number].1 = lab.set(number % 3 + 1, Level { need: Need::All, strict: true });
        }
    }
    written
}

#[test]
fn flipped_bits_of_one_server_spoil_no_answer() {
    for ending in ["sst", "log"] {
        let mut lab = Lab::new(3, Canary::None);
        let written = filled(&mut lab);
        lab.stop(2, Stop::Clean);
        let paths = lab.world.servers[1].disk.files().expect("the engine keeps files").paths();
        let spoiled = lab.world.servers[1].disk.files().expect("the engine keeps files").rot(ending);
        assert!(spoiled > 0, "{ending} in {paths:?}");
        lab.start(2);
        let (mut refused, mut answered) = (0, 0);
        for (key, number) in &written {
            lab.key = *key;
            // Through any server, the spoiled one too, a quorum answers, and right.
            assert_eq!(lab.values(1, QUORUM), [*number]);
            assert_eq!(lab.values(3, STRICT), [*number]);
            // Alone the spoiled one answers right or not at all. (What read repair gave it is right as well.)
            let alone = Level { need: Need::One, strict: false };
            match lab.ask(2, Op::Get, alone, None) {
                Some(Answer::Read { seen, .. }) => {
                    answered += 1;
                    let values: Vec<_> = seen.iter().filter_map(|it| it.value).collect();
                    assert_eq!(values, [*number], "wrong data of a damaged file");
                }
                Some(Answer::Rejected(Rejected::Damaged | Rejected::NoQuorum { .. })) => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(answered + refused, KEYS);
    }
}

#[test]
fn a_full_disk_refuses_and_holds_nobody_up() {
    let mut lab = Lab::new(3, Canary::None);
    lab.put(1, None);
    lab.world.servers[1].disk.fill(true);
    lab.wait_ms(2_500);
    let end = lab.ask(2, causal(), QUORUM, None);
    assert!(matches!(end, Some(Answer::Rejected(Rejected::DiskFull))), "{end:?}");
    let (first, context) = lab.put(1, None);
    assert!(lab.values(2, QUORUM).contains(&first), "reads go on");
    lab.world.servers[1].disk.fill(false);
    lab.wait_ms(2_500);
    let (second, _) = lab.put(2, Some(&context));
    assert!(lab.values(3, Level { need: Need::All, strict: true }).contains(&second));
}
