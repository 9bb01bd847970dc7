//! The example of the Dynamo paper (figure 3), through three servers.

use super::{Lab, QUORUM, clock};
use clockwise_core::{canary::Canary, limits::CLOCK_PAIRS};

fn clocks(lab: &mut Lab, server: usize) -> Vec<String> {
    let (seen, _) = lab.get(server, QUORUM);
    seen.iter().map(|seen| clock(seen, CLOCK_PAIRS).text()).collect()
}

#[test]
fn five_writes_have_the_clocks_of_the_paper() {
    let mut lab = Lab::new(3, Canary::None);
    let (_, _) = lab.put(1, None);
    assert_eq!(clocks(&mut lab, 1), ["([s1,1])"]);

    let (_, d1) = lab.get(1, QUORUM);
    let (_, d2) = lab.put(1, Some(&d1));
    assert_eq!(clocks(&mut lab, 2), ["([s1,2])"]);

    let (third, _) = lab.put(2, Some(&d2));
    assert_eq!(clocks(&mut lab, 3), ["([s1,2],[s2,1])"]);

    let (fourth, _) = lab.put(3, Some(&d2));
    assert_eq!(lab.values(1, QUORUM), [third, fourth]);
    assert_eq!(clocks(&mut lab, 1), ["([s1,2],[s2,1])", "([s1,2],[s3,1])"]);

    let (_, both) = lab.get(1, QUORUM);
    let (fifth, _) = lab.put(1, Some(&both));
    for server in 1..=3 {
        assert_eq!(lab.values(server, QUORUM), [fifth]);
        assert_eq!(clocks(&mut lab, server), ["([s1,3],[s2,1],[s3,1])"]);
    }
}

#[test]
fn clocks_of_which_neither_descends_conflict() {
    // D([s1,1],[s2,2]) and D([s1,2],[s2,1]): the counters alone would not tell an order.
    let mut lab = Lab::new(3, Canary::None);
    let (_, first) = lab.put(1, None);
    let (_, base) = lab.put(2, Some(&first));
    let (left, _) = lab.put(2, Some(&base));
    let (right, _) = lab.put(1, Some(&base));
    assert_eq!(lab.values(3, QUORUM), [left, right]);
    assert_eq!(clocks(&mut lab, 3), ["([s1,1],[s2,2])", "([s1,2],[s2,1])"]);
}
