//! Several tables of a cell as one sorted sequence: of entries with the same key only the newest comes out.

use super::{Table, Value, stream::Stream};
use bytes::Bytes;
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
pub(crate) type Origin = (usize, (Bytes, Value));

/// The heads of the tables, newest table first.
pub struct Merge {
    inputs: Vec<Input>,
}

struct Input {
    stream: Stream,
    head: Option<(Bytes, Value)>,
}

impl Input {
    fn advance(&mut self) -> Result<Option<(Bytes, Value)>, MergeError> {
        let number = self.stream.number();
        let next = self.stream.next().map_err(|error| MergeError { number, error })?;
        Ok(std::mem::replace(&mut self.head, next))
    }
}

impl Merge {
    /// Begins a merge; the newest table comes first.
    pub fn new(tables: &[Arc<Table>]) -> Result<Merge, MergeError> {
        let mut inputs = Vec::with_capacity(tables.len());
        for table in tables {
            let mut input = Input { stream: table.stream(), head: None };
            input.advance()?;
            inputs.push(input);
        }
        Ok(Merge { inputs })
    }

    /// The next key with its newest value.
    pub fn next_entry(&mut self) -> Result<Option<(Bytes, Value)>, MergeError> {
        Ok(self.next_from()?.map(|(_, entry)| entry))
    }

    /// The same, with the number of the table (in the list) that it comes from.
    pub(crate) fn next_from(&mut self) -> Result<Option<Origin>, MergeError> {
        let mut newest: Option<(usize, &Bytes)> = None;
        for (at, input) in self.inputs.iter().enumerate() {
            if let Some((key, _)) = &input.head
                && newest.is_none_or(|(_, smallest)| key < smallest)
            {
                newest = Some((at, key));
            }
        }
        let Some((at, key)) = newest else { return Ok(None) };
        let key = key.clone();
        for older in &mut self.inputs[at + 1..] {
            if older.head.as_ref().is_some_and(|(other, _)| *other == key) {
                older.advance()?;
            }
        }
        Ok(self.inputs[at].advance()?.map(|entry| (at, entry)))
    }
}
