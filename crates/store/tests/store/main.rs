//! The engine from outside, on the simulated disk unless a module says otherwise.

mod harness;
mod model;
