//! Where peers are reached and how many shards they have: what the layout says, overridden by what each says
//! itself, when it proves who it is or by gossip.

use clockwise_core::{
    ids::MemberNumber,
    layout::{Addresses, Layout},
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

#[derive(Clone, Debug)]
struct Entry {
    /// As written in the layout.
    listed: Addresses,
    /// As it says itself.
    said: Option<Addresses>,
    shards: Option<u16>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct PeerBook(Mutex<BTreeMap<MemberNumber, Entry>>);

impl PeerBook {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<MemberNumber, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows a layout: members that are gone are forgotten.
    pub(crate) fn follow(&self, layout: &Layout) {
        let mut entries = self.lock();
        entries.retain(|&number, _| layout.member(number).is_some());
        for member in &layout.spec().members {
            let new = Entry { listed: member.addresses.clone(), said: None, shards: None };
            entries.entry(member.number).or_insert(new).listed = member.addresses.clone();
        }
    }

    /// Takes what a peer said in its handshake. True if its number of shards is news.
    pub(crate) fn learn(&self, peer: MemberNumber, addresses: Addresses, shards: u16) -> bool {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(&peer) else { return false };
        if !addresses.peer.is_empty() {
            entry.said = Some(addresses);
        }
        let news = entry.shards != Some(shards);
        entry.shards = Some(shards);
        news
    }

    /// Takes what a peer says of itself by way of others: so two servers find each other although neither is where
    /// the layout says. Whoever is dialled there must prove who it is like anybody else.
    pub(crate) fn hear(&self, peer: MemberNumber, addresses: &Addresses) {
        let mut entries = self.lock();
        if let Some(entry) = entries.get_mut(&peer).filter(|_| !addresses.peer.is_empty()) {
            entry.said = Some(addresses.clone());
        }
    }

    /// Where it is reached.
    pub(crate) fn addresses(&self, peer: MemberNumber) -> Option<Addresses> {
        let entries = self.lock();
        let entry = entries.get(&peer)?;
        Some(entry.said.as_ref().unwrap_or(&entry.listed).clone())
    }

    /// Where to dial it: what it said last and what the layout says, in turn.
    pub(crate) fn dial_address(&self, peer: MemberNumber, attempt: usize) -> Option<String> {
        let entries = self.lock();
        let entry = entries.get(&peer)?;
        let said = entry.said.as_ref().filter(|_| attempt % 2 == 1);
        Some(said.unwrap_or(&entry.listed).peer.clone())
    }

    /// How many shards it has, once it said so.
    pub(crate) fn shards(&self, peer: MemberNumber) -> Option<u16> {
        self.lock().get(&peer)?.shards
    }
}
