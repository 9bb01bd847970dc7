//! Puts of all keys of a case into an empty folder.

use super::{Row, Task, measured};
use crate::{
    load::{Shuffle, Values, key},
    measure::{Figures, disk_bytes},
    setup::Setup,
    store::Store,
};
use anyhow::Result;

/// Puts in one batch, where they come in batches.
const BATCH: usize = 64;

/// Seed of the order in which keys are put.
pub const ORDER: u64 = 1;

/// See the rows.
pub fn run<S: Store>(task: &Task) -> Result<Figures> {
    let case = task.case;
    let mut values = Values::new(case.value_bytes);
    let compression = task.row != Row::Uncompressed;
    let mut store = S::open(&task.folder, &Setup { compression, ..task.setup() })?;
    let order = Shuffle::new(case.keys, ORDER);
    let figures = measured(&mut store, |store| {
        match task.row {
            Row::PutSequential => {
                for number in 0..case.keys {
                    store.put(&key(number), values.of(number))?;
                }
            }
            Row::PutTogether | Row::Uncompressed => {
                let mut numbers = Vec::with_capacity(BATCH);
                for place in 0..case.keys {
                    numbers.push(order.at(place));
                    if numbers.len() == BATCH || place + 1 == case.keys {
                        store.put_together(&numbers, &mut values)?;
                        numbers.clear();
                    }
                }
            }
            _ => {
                for place in 0..case.keys {
                    let number = order.at(place);
                    store.put(&key(number), values.of(number))?;
                }
            }
        }
        Ok(case.keys)
    })?;
    store.flush()?;
    store.close()?;
    Ok(Figures { user_bytes: case.data_bytes(), disk_bytes: disk_bytes(&task.folder)?, ..figures })
}
