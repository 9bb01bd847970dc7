//! Prints the tables of `docs/ring.md`: `cargo run --release -p clockwise-core --example ring_table`.

#[path = "../tests/ring/measure.rs"]
mod measure;

use clockwise_core::{ids::MemberNumber, layout::RoutingMap};
use measure::{Shape, highest, lowest, mean, measure};
use std::time::Instant;

const SEEDS: u64 = 10;

fn main() {
    load_and_movement();
    println!();
    routing_map();
}

fn load_and_movement() {
    println!(
        "| servers | weights | dcs | most loaded, mean | worst seed | perfect ring | mean without structure | least loaded | join moves | leave moves | replicas changed per slot |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for shape in Shape::all() {
        let seeds: Vec<_> = (0..SEEDS).map(|seed| measure(shape, seed)).collect();
        let layout = shape.layout(0);
        let ideal = measure::ideal(&layout);
        let perfect =
            measure::perfect(&layout).into_iter().zip(ideal).map(|(perfect, ideal)| perfect / ideal);
        println!(
            "| {} | {} | {} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} ({:.2}–{:.2}) | {:.3} ({:.2}–{:.2}) | {} |",
            shape.members,
            if shape.mixed { "1:2:4" } else { "equal" },
            shape.dcs,
            mean(&seeds, |seed| seed.most),
            highest(&seeds, |seed| seed.most),
            perfect.fold(0.0, f64::max),
            mean(&seeds, |seed| seed.most_of_possible),
            mean(&seeds, |seed| seed.least),
            mean(&seeds, |seed| seed.join),
            lowest(&seeds, |seed| seed.join),
            highest(&seeds, |seed| seed.join),
            mean(&seeds, |seed| seed.leave),
            lowest(&seeds, |seed| seed.leave),
            highest(&seeds, |seed| seed.leave),
            seeds.iter().map(|seed| seed.changed).max().unwrap_or(0),
        );
    }
}

fn routing_map() {
    println!(
        "| servers | weights | dcs | rows | slots in one hop | most loaded master | least | ring ms | map ms |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|---:|---:|");
    let equal = [1, 3, 4, 5, 6, 12, 20, 30, 99, 1000].map(|members| Shape { members, mixed: false, dcs: 1 });
    let mixed = [6, 12, 30].map(|members| Shape { members, mixed: true, dcs: 3 });
    for shape in equal.into_iter().chain(mixed) {
        let started = Instant::now();
        let layout = shape.layout(0);
        let ring_ms = started.elapsed().as_secs_f64() * 1e3;
        let started = Instant::now();
        let map = RoutingMap::new(&layout, &|_| true);
        let map_ms = started.elapsed().as_secs_f64() * 1e3;
        let total: f64 = layout.spec().members.iter().map(|member| f64::from(member.weight)).sum();
        let load = |number: MemberNumber| -> f64 {
            let rows = map.rows.iter().filter(|row| row.master == number);
            rows.map(|row| f64::from(row.last.number() - row.first.number() + 1)).sum()
        };
        let loads = layout.spec().members.iter();
        let loads: Vec<f64> =
            loads.map(|member| load(member.number) * total / (16384.0 * f64::from(member.weight))).collect();
        println!(
            "| {} | {} | {} | {} | {:.1} % | {:.3} | {:.3} | {ring_ms:.1} | {map_ms:.1} |",
            shape.members,
            if shape.mixed { "1:2:4" } else { "equal" },
            shape.dcs,
            map.rows.len(),
            f64::from(map.owned_slots) / 163.84,
            loads.iter().copied().fold(0.0, f64::max),
            loads.iter().copied().fold(f64::MAX, f64::min),
        );
    }
}
