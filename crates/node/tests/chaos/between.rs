//! What lies between the servers: our proxy, or network namespaces with packet filters.

use super::{
    namespaces::Namespaces,
    proxy::{Direction, Proxy},
};
use std::sync::atomic::Ordering::Relaxed;

/// See the module.
#[derive(Debug)]
pub enum Between {
    Proxy(Proxy),
    Namespaces(Namespaces),
}

impl Between {
    /// Changes one direction.
    pub fn set(&self, from: usize, to: usize, change: impl FnOnce(&mut Direction)) {
        match self {
            Between::Proxy(proxy) => proxy.set(from, to, change),
            Between::Namespaces(namespaces) => namespaces.set(from, to, change),
        }
    }

    /// All directions are whole.
    pub fn heal(&self) {
        match self {
            Between::Proxy(proxy) => proxy.heal(),
            Between::Namespaces(namespaces) => namespaces.heal(),
        }
    }

    /// Whether links can be slow and narrow, and connections reset.
    pub fn shapes(&self) -> bool {
        matches!(self, Between::Proxy(_))
    }

    /// In words.
    pub fn figures(&self) -> String {
        match self {
            Between::Proxy(proxy) => {
                let traffic = proxy.traffic();
                let number = |counter: &std::sync::atomic::AtomicU64| counter.load(Relaxed);
                format!(
                    "our proxy: {} connections, {} reset, {} MB",
                    number(&traffic.connections),
                    number(&traffic.resets),
                    number(&traffic.bytes) / 1_000_000
                )
            }
            Between::Namespaces(_) => "network namespaces with packet filters".to_owned(),
        }
    }
}
