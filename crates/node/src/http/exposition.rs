//! Numbers of the server in the text format of Prometheus and OpenMetrics. The numbers live where they are
//! counted; here they are only written.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text},
    metrics::MetricType,
    registry::{Registry, Unit},
};
use std::fmt;

/// What the text is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One number, or one distribution.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// Only grows; its name gets `_total` behind it.
    Counter(u64),
    /// Goes up and down.
    Gauge(f64),
    /// How often values fell into buckets.
    Histogram {
        /// All values together.
        sum: f64,
        /// Upper bound of each bucket and how many values it and no bucket before it counts; the last bound is
        /// `f64::INFINITY`.
        buckets: Vec<(f64, u64)>,
    },
}

/// A value and what it is about.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    /// Names and values.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: Value,
}

/// Values of one name. All are of one kind; a family without any is not written.
#[derive(Clone, PartialEq, Debug)]
pub struct Family {
    /// Without the prefix `clockwise_`, the unit and `_total`.
    pub name: &'static str,
    /// What it says, without a full stop.
    pub help: &'static str,
    /// `seconds` or `bytes`, where there is one.
    pub unit: Option<&'static str>,
    /// The values.
    pub samples: Vec<Sample>,
}

impl Family {
    /// A family of one value without labels.
    pub fn one(name: &'static str, help: &'static str, value: Value) -> Family {
        Family { name, help, unit: None, samples: vec![Sample { labels: Vec::new(), value }] }
    }

    /// The same with a unit.
    pub fn in_unit(self, unit: &'static str) -> Family {
        Family { unit: Some(unit), ..self }
    }
}

/// The text.
pub(super) fn encode(families: Vec<Family>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("clockwise");
    registry.register_collector(Box::new(Snapshot(families)));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

#[derive(Debug)]
struct Snapshot(Vec<Family>);

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for family in &self.0 {
            let kind = match family.samples.first().map(|sample| &sample.value) {
                Some(Value::Counter(_)) => MetricType::Counter,
                Some(Value::Gauge(_)) => MetricType::Gauge,
                Some(Value::Histogram { .. }) => MetricType::Histogram,
                None => continue,
            };
            let unit = family.unit.map(|unit| Unit::Other(unit.to_owned()));
            let mut metric = encoder.encode_descriptor(family.name, family.help, unit.as_ref(), kind)?;
            for sample in &family.samples {
                if sample.labels.is_empty() {
                    write_value(&mut metric, &sample.value)?;
                } else {
                    write_value(&mut metric.encode_family(&sample.labels)?, &sample.value)?;
                }
            }
        }
        Ok(())
    }
}

fn write_value(metric: &mut MetricEncoder<'_>, value: &Value) -> Result<(), fmt::Error> {
    match value {
        Value::Counter(count) => metric.encode_counter::<NoLabelSet, _, u64>(count, None),
        Value::Gauge(now) => metric.encode_gauge(now),
        Value::Histogram { sum, buckets } => {
            let count = buckets.iter().map(|(_, count)| count).sum();
            metric.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
        }
    }
}
