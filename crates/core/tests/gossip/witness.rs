//! The three conditions of a verdict, one at a time, on a single machine.

use clockwise_core::{
    gossip::{
        Beat, Contents, Entry, Gossip, GossipConfig, GossipMessage, GossipOut, Mark, Membership, Suspicion,
        Verdict,
    },
    ids::{Epoch, MemberNumber},
    layout::Addresses,
    limits::{DOWN_AFTER_MS, GOSSIP_INTERVAL_MS},
};

const ME: MemberNumber = MemberNumber(1);
const WITNESS: MemberNumber = MemberNumber(2);
const SUSPECT: MemberNumber = MemberNumber(3);

/// Server 1 of three; the second one goes on, the third one stands still at heartbeat 7.
struct Scene {
    gossip: Gossip,
    now_ms: u64,
    /// Whether the suspect answers.
    answers: bool,
    heartbeat: u64,
}

impl Scene {
    fn new() -> Scene {
        let config = GossipConfig {
            me: ME,
            starts: 1,
            interval_ms: GOSSIP_INTERVAL_MS,
            down_after_ms: DOWN_AFTER_MS,
            addresses: Addresses::default(),
            seed: 1,
        };
        let numbers = vec![ME, WITNESS, SUSPECT];
        let membership = Membership { epoch: Epoch(1), digest: 1, numbers };
        let gossip = Gossip::new(config, &membership, 0);
        let mut scene = Scene { gossip, now_ms: 0, answers: false, heartbeat: 0 };
        scene.hear(WITNESS, vec![mark(SUSPECT, 7)]);
        scene
    }

    fn hear(&mut self, from: MemberNumber, marks: Vec<Mark>) -> GossipOut {
        let mut out = GossipOut::default();
        self.gossip.on_message(from, GossipMessage::Digest { marks }, self.now_ms, &mut out);
        out
    }

    /// Time passes in which the witness speaks of itself only. Returns the verdicts.
    fn wait(&mut self, span_ms: u64) -> Vec<(MemberNumber, Verdict)> {
        let mut verdicts = Vec::new();
        for _ in 0..span_ms / 100 {
            self.now_ms += 100;
            self.heartbeat += 1;
            self.hear(WITNESS, vec![mark(WITNESS, self.heartbeat)]);
            let mut out = GossipOut::default();
            let answers = self.answers;
            self.gossip.on_tick(self.now_ms, &|peer| peer != SUSPECT || answers, &mut out);
            verdicts.extend(out.verdicts);
        }
        verdicts
    }
}

fn mark(member: MemberNumber, heartbeat: u64) -> Mark {
    Mark { member, beat: Beat { generation: 1, heartbeat }, held: 0 }
}

#[test]
fn nobody_is_down_on_my_word_alone() {
    let mut scene = Scene::new();
    assert_eq!(scene.wait(20_000), [], "the witness never said anything");
    // One that is behind may just have started.
    scene.hear(WITNESS, vec![mark(SUSPECT, 6)]);
    assert_eq!(scene.wait(1_000), []);
    scene.hear(WITNESS, vec![mark(SUSPECT, 7)]);
    assert_eq!(scene.wait(100), [(SUSPECT, Verdict::Down)]);
}

#[test]
fn what_a_witness_knew_before_my_window_ran_out_does_not_count() {
    let mut scene = Scene::new();
    scene.wait(DOWN_AFTER_MS - 200);
    scene.hear(WITNESS, vec![mark(SUSPECT, 7)]);
    assert_eq!(scene.wait(10_000), []);
}

#[test]
fn the_suspicion_in_an_entry_counts_if_it_is_not_older_than_what_i_know() {
    for (heartbeat, down) in [(6, false), (7, true), (8, true)] {
        let mut scene = Scene::new();
        scene.wait(DOWN_AFTER_MS);
        let suspects = vec![Suspicion { member: SUSPECT, beat: mark(SUSPECT, heartbeat).beat }];
        let contents = Contents { epoch: Epoch(1), layout: 1, suspects, ..Contents::default() };
        let written = Beat { generation: 1, heartbeat: scene.heartbeat };
        let entries = vec![Entry { member: WITNESS, written, contents }];
        let mut out = GossipOut::default();
        scene.gossip.on_message(WITNESS, GossipMessage::Entries { entries }, scene.now_ms, &mut out);
        let verdicts = scene.wait(200);
        assert_eq!(verdicts == [(SUSPECT, Verdict::Down)], down, "{heartbeat}: {verdicts:?}");
    }
}

#[test]
fn what_the_last_process_of_a_witness_said_is_void() {
    let mut scene = Scene::new();
    scene.wait(DOWN_AFTER_MS - 500);
    let suspects = vec![Suspicion { member: SUSPECT, beat: mark(SUSPECT, 7).beat }];
    let contents = Contents { epoch: Epoch(1), layout: 1, suspects, ..Contents::default() };
    let written = Beat { generation: 1, heartbeat: scene.heartbeat };
    let entries = vec![Entry { member: WITNESS, written, contents }];
    scene.gossip.on_message(
        WITNESS,
        GossipMessage::Entries { entries },
        scene.now_ms,
        &mut GossipOut::default(),
    );
    let restarted = Beat { generation: 2, heartbeat: 1 };
    scene.hear(WITNESS, vec![Mark { member: WITNESS, beat: restarted, held: 0 }]);
    assert_eq!(scene.wait(2_000), []);
}

#[test]
fn who_answers_me_is_not_down_whatever_others_say() {
    let mut scene = Scene::new();
    scene.answers = true;
    scene.wait(DOWN_AFTER_MS);
    scene.hear(WITNESS, vec![mark(SUSPECT, 7)]);
    assert_eq!(scene.wait(10_000), []);
    scene.answers = false;
    assert_eq!(scene.wait(100), [(SUSPECT, Verdict::Down)], "the last condition");
}

#[test]
fn up_needs_news_and_an_answer_or_more_news() {
    let mut scene = Scene::new();
    scene.wait(DOWN_AFTER_MS);
    scene.hear(WITNESS, vec![mark(SUSPECT, 7)]);
    assert_eq!(scene.wait(100), [(SUSPECT, Verdict::Down)]);
    // A last word that was still under way.
    scene.hear(WITNESS, vec![mark(SUSPECT, 8)]);
    assert_eq!(scene.wait(5_000), []);
    scene.hear(WITNESS, vec![mark(SUSPECT, 9)]);
    assert_eq!(scene.wait(100), [(SUSPECT, Verdict::Up)], "it goes on, though not to me");
}

#[test]
fn a_stall_of_my_own_clock_restarts_every_window() {
    let mut scene = Scene::new();
    scene.wait(DOWN_AFTER_MS - 500);
    scene.now_ms += 2_000;
    scene.hear(WITNESS, vec![mark(SUSPECT, 7)]);
    assert_eq!(scene.wait(DOWN_AFTER_MS - 200), []);
    assert_eq!(scene.gossip.stalls(), 1);
    scene.wait(200);
    scene.hear(WITNESS, vec![mark(SUSPECT, 7)]);
    assert_eq!(scene.wait(100), [(SUSPECT, Verdict::Down)]);
}
