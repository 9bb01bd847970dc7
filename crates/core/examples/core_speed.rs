//! What a quorum SET and a GET cost in core alone: three servers with maps for storage, no encoding, no sockets.
//! Prints nanoseconds per operation, all three servers together.

#[path = "../tests/cluster/mod.rs"]
#[allow(dead_code)]
mod cluster;

use clockwise_core::{
    canary::Canary,
    request::{Basis, Level, Op},
};
use cluster::{Cluster, level};
use std::time::Instant;

const OPERATIONS: u32 = 200_000;
const KEYS: u32 = 20_000;

fn main() {
    let mut cluster = Cluster::new(3, 3, Canary::None);
    let set = |_: u32| Op::Set { basis: Basis::Plain, value: vec![7; 100].into(), expires_ms: None };
    measure(&mut cluster, "SET W=2 (new keys and overwrites)", Level::DEFAULT, set);
    measure(&mut cluster, "SET W=2 (overwrites)", Level::DEFAULT, set);
    measure(&mut cluster, "GET R=2", Level::DEFAULT, |_| Op::Get);
    measure(&mut cluster, "GET R=1", level(1, false), |_| Op::Get);
}

fn measure(cluster: &mut Cluster, name: &str, level: Level, op: impl Fn(u32) -> Op) {
    let started = Instant::now();
    for number in 0..OPERATIONS {
        let key = format!("key:{}", number.wrapping_mul(2_654_435_761) % KEYS);
        cluster.begin(number % 3 + 1, &key, op(number), level);
        cluster.settle();
        cluster.replies.clear();
    }
    println!("{name}: {} ns", started.elapsed().as_nanos() / u128::from(OPERATIONS));
}
