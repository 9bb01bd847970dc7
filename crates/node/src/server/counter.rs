//! Numbers that one thread counts and any thread reads.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number with one writer, so that counting costs no locked instruction.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Durations in buckets of powers of two.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [Counter; HistogramSnapshot::BUCKETS],
    sum_us: Counter,
}

impl Histogram {
    pub(crate) fn record(&self, us: u64) {
        let bucket = (u64::BITS - us.leading_zeros()) as usize;
        self.buckets[bucket.min(HistogramSnapshot::BUCKETS - 1)].one();
        self.sum_us.add(us);
    }

    pub(crate) fn add_to(&self, snapshot: &mut HistogramSnapshot) {
        for (total, bucket) in snapshot.buckets.iter_mut().zip(&self.buckets) {
            *total += bucket.get();
        }
        snapshot.sum_us += self.sum_us.get();
    }
}

/// A histogram as it was at one moment.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct HistogramSnapshot {
    /// Bucket *i* counts durations below 2^i microseconds that no bucket before it counts; the last one counts
    /// all that are longer.
    pub buckets: [u64; HistogramSnapshot::BUCKETS],
    /// All durations together, in microseconds.
    pub sum_us: u64,
}

impl HistogramSnapshot {
    /// The last bucket begins at about 67 seconds, beyond every deadline.
    pub const BUCKETS: usize = 28;

    /// How many durations were recorded.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Upper bound of the bucket in which the given share (in per mille) is reached, in microseconds.
    pub fn quantile_us(&self, per_mille: u64) -> u64 {
        let wanted = (self.count() * per_mille).div_ceil(1000);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return 1 << bucket;
            }
        }
        1 << (HistogramSnapshot::BUCKETS - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::{Histogram, HistogramSnapshot};

    #[test]
    fn quantiles_come_from_buckets_of_powers_of_two() {
        let histogram = Histogram::default();
        (0..99).for_each(|_| histogram.record(100));
        histogram.record(u64::MAX / 2);
        let mut snapshot = HistogramSnapshot::default();
        histogram.add_to(&mut snapshot);
        assert_eq!(snapshot.count(), 100);
        assert_eq!(snapshot.quantile_us(990), 128);
        assert_eq!(snapshot.quantile_us(1000), 1 << 27);
    }
}
