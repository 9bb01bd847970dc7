//! Gossip machines in virtual time: how fast they learn, and whom they hold for down when.

#[path = "gossip/world.rs"]
mod world;

#[path = "gossip/detection.rs"]
mod detection;
#[path = "gossip/input.rs"]
mod input;
#[path = "gossip/partitions.rs"]
mod partitions;
#[path = "gossip/size.rs"]
mod size;
#[path = "gossip/witness.rs"]
mod witness;
