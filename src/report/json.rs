//! The report as JSON, for scripts: the same tables, with raw values (`null` for what was not measured).

use serde_json::{Map, Value, json};

use super::model::Report;

/// The version of this format, raised when a key changes its meaning or goes.
const VERSION: u64 = 1;

/// The report as one indented object, ended by a newline.
pub fn write(report: &Report) -> String {
    // What is told of each of several logs has one name and as many tables.
    let mut tables: Map<String, Value> = Map::new();
    for table in &report.tables {
        let rows = tables.entry(table.name).or_insert_with(|| json!([]));
        rows.as_array_mut().expect("as it was made").extend(table.objects());
    }
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
