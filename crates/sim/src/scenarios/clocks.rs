//! Long clocks: many actors on one key.

use super::{Lab, QUORUM, clock};
use crate::server::Stop;
use clockwise_core::{canary::Canary, limits::CLOCK_PAIRS};

/// Twenty lives of each of three servers write one key; each tenth write is blind and never read by a writer.
#[test]
fn sixty_actors_lose_nothing_under_a_threshold_of_ten() {
    let mut lab = Lab::new(3, Canary::None);
    let (mut newest, mut context) = lab.put(1, None);
    let mut blind = Vec::new();
    for turn in 0..60 {
        let server = turn % 3 + 1;
        lab.stop(server, Stop::Kill);
        lab.start(server);
        if turn % 10 == 5 {
            blind.push(lab.put(server, None).0);
        }
        (newest, context) = lab.put(server, Some(&context));
    }
    let mut expected = blind;
    expected.push(newest);
    expected.sort_unstable();
    for server in 1..=3 {
        let (seen, _) = lab.get(server, QUORUM);
        assert_eq!(seen.iter().filter_map(|seen| seen.value).collect::<Vec<_>>(), expected);
        let longest = seen.iter().find(|seen| seen.value == Some(newest)).expect("was found above");
        let printed = clock(longest, CLOCK_PAIRS);
        assert_eq!((printed.pairs.len(), printed.cut), (10, 51), "{}", printed.text());
        assert!(printed.pairs.contains(&(longest.dot.actor, longest.dot.counter)), "the own dot stays");
        assert_eq!(clock(longest, 100).pairs.len(), 61, "nothing is cut from what is stored");
    }
    // The context of a read covers all of them, whatever was cut from what is printed.
    let (_, all) = lab.get(2, QUORUM);
    let (merged, _) = lab.put(1, Some(&all));
    assert_eq!(lab.values(3, QUORUM), [merged]);
}
