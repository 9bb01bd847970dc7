//! Which blocks were read not long ago: a table of tags without chains, in which a newer one takes the place of an older
//! one. May forget, and may very rarely take one block for another, which costs a little memory for a while.

/// Bytes of a budget for each tag: as many as there would be blocks.
const BYTES_PER_TAG: usize = 4_096;
/// Least tags.
const LEAST: usize = 64;

/// See the module.
pub(super) struct Touched {
    /// None before the first block; a power of two.
    tags: Vec<u16>,
}

impl Touched {
    pub(super) fn new() -> Touched {
        Touched { tags: Vec::new() }
    }

    pub(super) fn used_bytes(&self) -> usize {
        self.tags.capacity() * size_of::<u16>()
    }

    fn fitting(budget_bytes: usize) -> usize {
        if budget_bytes < LEAST * BYTES_PER_TAG {
            0
        } else {
            (budget_bytes / BYTES_PER_TAG).next_power_of_two()
        }
    }

    /// Forgets all if the size does not fit a budget any more.
    pub(super) fn fit(&mut self, budget_bytes: usize) {
        let fitting = Touched::fitting(budget_bytes);
        if self.tags.len() > 2 * fitting || self.tags.len() * 2 < fitting {
            self.tags = Vec::new();
        }
    }

    /// Notes a block by its hash, and answers whether it was noted before. Of a very small budget nothing is noted: then
    /// every block counts as noted.
    pub(super) fn touch(&mut self, hash: u64, budget_bytes: usize) -> bool {
        if self.tags.is_empty() {
            let fitting = Touched::fitting(budget_bytes);
            if fitting == 0 {
                return true;
            }
            self.tags = vec![0; fitting];
        }
        let at = hash as usize & (self.tags.len() - 1);
        let tag = (hash >> 48) as u16 | 1;
        std::mem::replace(&mut self.tags[at], tag) == tag
    }
}
