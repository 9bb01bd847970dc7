//! The engine from outside, on the simulated disk unless a module says otherwise.

mod check;
mod crash;
mod damage;
mod endurance;
mod faults;
mod golden;
mod harness;
mod model;
mod real;
mod tap;
