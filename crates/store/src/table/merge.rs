//! Several tables of a cell as one sorted sequence: of entries with the same key only the newest comes out.

use super::{KeyRef, Table, Value, stream::Stream};
use clockwise_core::storage::LoadError;
use std::sync::Arc;

/// A merge stopped at a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MergeError {
    /// The number of the table that cannot be read on.
    pub number: u64,
    /// Why.
    pub error: LoadError,
}

/// An entry (stored key and value), and the number of the table in the list that it comes from.
pub(crate) type Origin<'a> = (usize, (&'a [u8], Value));

/// The heads of the tables, newest table first.
pub struct Merge {
    inputs: Vec<Input>,
    /// The input whose head came out last and is still to be replaced.
    given: Option<usize>,
}

struct Input {
    stream: Stream,
    /// The stored key of the head.
    key: Vec<u8>,
    /// `None` behind the last entry.
    value: Option<Value>,
}

impl Input {
    fn advance(&mut self) -> Result<(), MergeError> {
        let number = self.stream.number();
        self.value = self.stream.next(&mut self.key).map_err(|error| MergeError { number, error })?;
        Ok(())
    }
}

impl Merge {
    /// Begins a merge of all entries; the newest table comes first.
    pub fn new(tables: &[Arc<Table>]) -> Result<Merge, MergeError> {
        Merge::of(tables.iter().map(Table::stream))
    }

    /// Begins a merge of the entries from a key on; the newest table comes first.
    pub fn from(tables: &[Arc<Table>], key: KeyRef<'_>) -> Result<Merge, MergeError> {
        Merge::of(tables.iter().map(|table| table.stream_from(key)))
    }

    fn of(streams: impl Iterator<Item = Stream>) -> Result<Merge, MergeError> {
        let mut inputs = Vec::new();
        for stream in streams {
            let mut input = Input { stream, key: Vec::new(), value: None };
            input.advance()?;
            inputs.push(input);
        }
        Ok(Merge { inputs, given: None })
    }

    /// The next stored key with its newest value.
    pub fn next_entry(&mut self) -> Result<Option<(&[u8], Value)>, MergeError> {
        Ok(self.next_from()?.map(|(_, entry)| entry))
    }

    /// The same, with the number of the table (in the list) that it comes from.
    pub(crate) fn next_from(&mut self) -> Result<Option<Origin<'_>>, MergeError> {
        if let Some(given) = self.given.take() {
            self.inputs[given].advance()?;
        }
        let mut newest: Option<usize> = None;
        for (at, input) in self.inputs.iter().enumerate() {
            if input.value.is_some() && newest.is_none_or(|newest| input.key < self.inputs[newest].key) {
                newest = Some(at);
            }
        }
        let Some(at) = newest else { return Ok(None) };
        let (front, older) = self.inputs.split_at_mut(at + 1);
        for older in older {
            if older.value.is_some() && older.key == front[at].key {
                older.advance()?;
            }
        }
        self.given = Some(at);
        let input = &mut self.inputs[at];
        Ok(input.value.take().map(|value| (at, (&input.key[..], value))))
    }
}
