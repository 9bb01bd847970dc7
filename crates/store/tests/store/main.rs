//! The engine from outside, on the simulated disk unless a module says otherwise.

mod cached;
mod check;
mod checkpoints;
mod crash;
mod damage;
mod dropping;
mod endurance;
mod faults;
mod golden;
mod harness;
mod healing;
mod model;
mod pressure;
mod real;
mod scan;
mod table;
mod tap;
