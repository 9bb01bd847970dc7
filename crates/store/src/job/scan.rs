//! A page of a slot's records, read off the shard's thread.

use super::Done;
use crate::engine::Scan;
use clockwise_core::{
    slot::Slot,
    storage::{JobId, Page, PageEnd, PageLimit},
};

pub(crate) struct ScanJob {
    pub(crate) id: JobId,
    pub(crate) slot: Slot,
    pub(crate) scan: Scan,
    pub(crate) limit: PageLimit,
}

impl ScanJob {
    pub(super) fn run(mut self) -> Done {
        let mut scanned = Vec::new();
        let result = self.scan.next_page_of(self.limit, &mut scanned);
        let page = Page {
            job: self.id,
            slot: self.slot,
            records: scanned.into_iter().map(|it| (it.key, it.record)).collect(),
            result: result.map(|more| if more { PageEnd::More } else { PageEnd::Done }),
        };
        Done::Scan { page, damaged: self.scan.damaged_table() }
    }
}
