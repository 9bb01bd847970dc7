//! What the clients do: which key, which operation, which level.

use crate::{
    history::{Class, Key},
    random::{chance, weighted},
};
use bytes::Bytes;
use clockwise_core::request::{Level, Need};
use fastrand::Rng;

/// Plain keys where there are many.
const MANY: usize = 60;

/// How often each class of keys is used.
#[derive(Clone, Copy, Debug)]
pub struct Shares {
    /// Weights of the shared classes in the order of [`SHARED`].
    pub shared: [u32; 5],
    /// Weight of a client's own keys.
    pub own: u32,
    /// Many plain keys instead of a few: then many writes are the last one of their key, and nothing excuses their loss.
    pub many_plain: bool,
    /// More keys of each class that has deletes, and all of them see many.
    pub deleted: bool,
}

/// The classes of keys that all clients use.
pub const SHARED: [Class; 5] =
    [Class::Causal, Class::Plain, Class::Mixed, Class::Register, Class::StrictCausal];

/// What a client means to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Intent {
    /// Read all versions.
    Read,
    /// `SET`.
    Set,
    /// `SET` with an expiry.
    SetExpiring,
    /// `DEL`.
    Delete,
    /// A causal write without a context.
    Blind,
    /// A causal write with the newest context.
    Newest,
    /// A causal write with any context that the client still has.
    Stale,
    /// A causal delete with the newest context.
    CausalDelete,
}

/// The shared keys of one phase of a run.
pub fn shared_keys(phase: u32, shares: &Shares, rng: &mut Rng) -> Vec<Key> {
    let mut keys = Vec::new();
    for (class, weight) in SHARED.into_iter().zip(shares.shared) {
        let count = match weight {
            0 => 0,
            _ if shares.many_plain && class == Class::Plain => MANY,
            _ if shares.deleted => rng.usize(9..=15),
            _ => rng.usize(2..=4),
        };
        for index in 0..count {
            let tag = rng.u32(..);
            let name = Bytes::from(format!("{class:?}-{phase}-{index}-{tag:x}").to_lowercase());
            // Deletes excuse much: half of the keys never see one.
            let deletes = matches!(class, Class::Causal | Class::Plain | Class::Mixed)
                && (index % 2 == 1 || shares.deleted);
            let all = class == Class::Register && index == 2;
            let deleted = deletes && shares.deleted;
            keys.push(Key { name, class, phase, deletes, deleted, all });
        }
    }
    keys
}

/// A client's own key.
pub fn own_key(phase: u32, client: usize, class: Class, rng: &mut Rng) -> Key {
    let tag = rng.u32(..);
    let name = Bytes::from(format!("{class:?}-{phase}-{client}-{tag:x}").to_lowercase());
    Key { name, class, phase, deletes: false, deleted: false, all: false }
}

/// What is done to a shared key.
pub fn intent(key: &Key, rng: &mut Rng) -> Intent {
    use Intent::{Blind, CausalDelete, Delete, Newest, Read, Set, SetExpiring, Stale};
    let deletes = u32::from(key.deletes) * if key.deleted { 6 } else { 1 };
    let (intents, weights): (&[Intent], &[u32]) = match key.class {
        Class::Causal => (&[Read, Blind, Newest, Stale, CausalDelete], &[48, 10, 30, 8, 5 * deletes]),
        Class::Plain => (&[Read, Set, Delete], &[45, 50, 5 * deletes]),
        Class::Mixed => (
            &[Read, Blind, Newest, Stale, CausalDelete, Set, SetExpiring, Delete],
            &[42, 8, 15, 5, 3 * deletes, 20, 5 * deletes, 3 * deletes],
        ),
        Class::Register => (&[Read, Set], &[55, 45]),
        Class::StrictCausal => (&[Read, Blind, Newest, Stale], &[55, 8, 32, 5]),
        Class::Chain | Class::Loner => (&[Read], &[1]),
    };
    intents[weighted(rng, weights)]
}

/// The level of an operation on a shared key or on a chain.
pub fn level(key: &Key, write: bool, owners: u8, majorities: bool, rng: &mut Rng) -> Level {
    if key.all {
        let need = if write { Need::All } else { Need::Count(rng.u8(1..=owners)) };
        return Level { need, strict: true };
    }
    any_level(key.class, owners, majorities, rng)
}

/// The level of an operation on a key of a class.
pub fn any_level(class: Class, owners: u8, majorities: bool, rng: &mut Rng) -> Level {
    let strict = matches!(class, Class::Register | Class::StrictCausal);
    if strict || majorities {
        let need = match rng.u32(0..10) {
            0 => Need::All,
            1 | 2 => Need::Count(owners / 2 + 1),
            _ => Need::Quorum,
        };
        return Level { need, strict: strict || rng.bool() };
    }
    let need = match rng.u32(0..20) {
        0..=9 => Need::Quorum,
        10..=14 => Need::One,
        15 => Need::All,
        _ => Need::Count(rng.u8(1..=owners)),
    };
    Level { need, strict: chance(rng, 300) }
}

/// Levels for reads and writes of a lone client that overlap in at least one owner; where stand-ins may count as well,
/// only strict ones do.
pub fn overlapping(owners: u8, majorities: bool, stand_ins: bool, rng: &mut Rng) -> (Level, Level) {
    let writes = rng.u8(1..=owners);
    let (read, write) = match rng.u32(0..4) {
        0 if !majorities => (Need::Count(owners - writes + 1), Need::Count(writes)),
        _ => (Need::Quorum, Need::Quorum),
    };
    let strict = chance(rng, 500) || stand_ins;
    (Level { need: read, strict }, Level { need: write, strict })
}
