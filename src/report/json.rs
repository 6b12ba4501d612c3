//! The report as JSON, for scripts: the same tables, with raw values (`null` for what was not measured).

use serde_json::{Map, Value, json};

use super::model::Report;

/// The version of this format, raised when a key changes its meaning or goes.
const VERSION: u64 = 1;

/// The report as one indented object, ended by a newline.
pub fn write(report: &Report) -> String {
    let tables: Map<String, Value> =
        report.tables.iter().map(|table| (table.name.to_string(), table.objects())).collect();
    let conditions: Vec<Value> =
        report.conditions.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    let document = json!({
        "report": VERSION,
        "title": report.title,
        "findings": report.findings,
        "remarks": report.remarks,
        "claim": report.claim.map(|claim| claim.to_string()),
        "maps": report.maps,
        "tables": tables,
        "figures": report.figures.iter().map(|figure| figure.name.as_str()).collect::<Vec<_>>(),
        "conditions": conditions,
    });
    format!("{document:#}\n")
}
