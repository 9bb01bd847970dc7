//! Each known bug of this room goes wrong on its trace, so that the simulator has something to catch.
#![cfg(feature = "canaries")]

use super::Server;
use crate::canary::Canary;

#[test]
fn counter_reset_uses_a_dot_twice() {
    let mut s1 = Server::with(1, Canary::CounterReset);
    let w0 = s1.blind(0, 10);
    s1.remove(&w0.reply, 20);
    let w2 = s1.blind(2, 30);
    assert_eq!(w2.write.dot, w0.write.dot);
    assert_eq!(s1.values(), [2]);
    s1.put(&w0.reply, 3, 40);
    assert_eq!(s1.values(), [3], "w2 is lost");
}

#[test]
fn ignored_context_returns_what_was_replaced() {
    let mut s1 = Server::with(1, Canary::ContextIgnored);
    let w0 = s1.blind(0, 10);
    s1.put(&w0.reply, 1, 20);
    assert_eq!(s1.values(), [0, 1]);
}

#[test]
fn last_write_wins_loses_a_sibling() {
    let mut s1 = Server::with(1, Canary::LastWriteWins);
    s1.blind(0, 10);
    s1.blind(1, 20);
    assert_eq!(s1.values(), [1]);
    let mut s2 = Server::with(2, Canary::LastWriteWins);
    s2.blind(2, 30);
    s1.receive(&s2.record);
    assert_eq!(s1.values(), [2]);
}
