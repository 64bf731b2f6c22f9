//! What a reduced file promises, for people and for machines.

use crate::ui::{Aligned, grouped};
use serde_json::{Value, json};
use strangelet::archive::column_name;
use strangelet::format::{Bound, ColumnPromise, Index, Promise};

/// `abs 2`, `mean of log2 0.0055`.
fn asked(bound: &Bound) -> String {
    match bound {
        Bound::Abs(v) => format!("each within {v}"),
        Bound::Log2(v) => format!("each within {v} of log2"),
        Bound::Rel(v) => format!("each within {v} of itself"),
        Bound::MeanLog2(v) => format!("mean within {v} of log2"),
        Bound::Ratio(v) => format!("ratio of at least {v}"),
        Bound::Network => "none: made by bcae-vs".to_string(),
    }
}

/// What is lost beside: nothing, or cells.
fn zeros(c: &ColumnPromise) -> String {
    if c.drop_below > 0.0 {
        format!("{} below {}", grouped(c.dropped), c.drop_below)
    } else {
        "none".to_string()
    }
}

/// A number as short as the binary32 that it was kept as.
fn short(x: f64) -> String {
    if f64::from(x as f32) == x { format!("{}", x as f32) } else { format!("{x}") }
}

/// One line, for whoever gets the file.
pub fn line(index: &Index, promise: &Promise) -> String {
    let columns: Vec<String> = promise
        .columns
        .iter()
        .map(|c| {
            let name = column_name(&index.tables, c.table, c.column);
            let dropped = if c.drop_below > 0.0 {
                format!(", {} cells below {} dropped", grouped(c.dropped), c.drop_below)
            } else {
                String::new()
            };
            format!(
                "{name} {} (greatest error {}, mean {}){dropped}",
                asked(&c.bound),
                short(c.greatest()),
                c.mean_error
            )
        })
        .collect();
    format!("reduced, not the original: {}", columns.join("; "))
}

/// A table, one row a column.
pub fn text(index: &Index, promise: &Promise, colour: bool) -> String {
    let mut t = Aligned::new(&[
        "reduced column",
        "promise",
        ">greatest error",
        ">mean error",
        ">MAE of log2(x+1)",
        ">dropped",
    ]);
    for c in &promise.columns {
        t.row(vec![
            crate::ui::plain(&column_name(&index.tables, c.table, c.column)),
            asked(&c.bound),
            short(c.greatest()),
            format!("{:.6}", c.mean_error),
            format!("{:.6}", c.mae_log2),
            zeros(c),
        ]);
    }
    t.text("  ", colour)
}

/// For machines.
pub fn json(index: &Index, promise: &Promise, container: u64) -> Value {
    let columns: Vec<Value> = promise
        .columns
        .iter()
        .map(|c| {
            json!({
                "column": column_name(&index.tables, c.table, c.column),
                "bound": c.bound.name(), "value": c.bound.value(),
                "max_error": c.greatest(), "mean_error": c.mean_error, "mae_log2": c.mae_log2,
                "drop_below": c.drop_below, "dropped": c.dropped,
            })
        })
        .collect();
    json!({
        "bytes_before": promise.len,
        "xxh3_before": format!("{:032x}", promise.xxh3),
        "ratio": crate::ui::ratio(promise.len, container),
        "columns": columns,
    })
}
