//! What a sync before each acknowledgement costs: many writers share one.

use super::{Bench, Measurement, Pace};
use crate::{
    load::Kind,
    system::{Durability, Form},
};
use anyhow::Result;

/// Connections that are many enough to fill a group.
const MANY: usize = 256;

/// Runs periodic and sync in turn with few and with many connections.
pub fn sync(bench: &mut Bench) -> Result<()> {
    let forms = [Form::Clockwise(Durability::Periodic), Form::Clockwise(Durability::Sync)];
    if !bench.has(forms[0]) {
        return Ok(());
    }
    let rounds = if bench.options.quick { 1 } else { bench.options.rounds };
    let counts = [bench.options.connections, MANY];
    for round in 1..=rounds {
        for form in forms {
            let system = bench.start_filled(form)?;
            for connections in counts {
                let case = format!("SET {connections} connections");
                let mut load = bench.load(&system, connections, &[])?;
                let (kind, pace) = (Kind::Set, Pace::Closed);
                let what = Measurement { case: &case, kind, depth: 1, pace, round, may_miss: false };
                bench.measure(&system, &mut load, &what)?;
            }
        }
    }
    for connections in counts {
        let case = format!("SET {connections} connections");
        let rate = |form: Form| bench.report.medians(&case, form.name()).map(|medians| medians.per_s);
        let (periodic, synced) = (rate(forms[0]), rate(forms[1]));
        let name = format!("durability sync / periodic, {connections} connections, op/s");
        bench.report.compare(&name, synced, periodic, 0.5, true);
    }
    Ok(())
}
