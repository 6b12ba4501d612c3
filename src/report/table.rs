//! Tables: what every format prints, each in its own way.

use serde_json::{Value, json};

use super::units;

/// A table of a report.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its key in JSON: `effect`.
    pub name: &'static str,
    pub title: String,
    /// Whether a terminal leaves it out.
    pub is_detail: bool,
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
}

/// One column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its key in JSON, with the unit of the raw value: `cold_ns`.
    pub key: &'static str,
    /// What stands over it for people.
    pub head: &'static str,
    /// Whether it holds words, which are set from the left.
    pub is_words: bool,
    /// Whether a terminal may cut its words.
    pub is_cut: bool,
    /// Whether a terminal leaves it out.
    pub is_detail: bool,
}

/// One value with its unit, not yet text.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Words(String),
    Count(u64),
    /// Nanoseconds; negative where a difference is.
    Time(f64),
    Ratio(f64),
    /// Any other number, such as a rate.
    Number(f64),
    /// Ratios from low to high.
    Ratios(f64, f64),
    /// Nanoseconds from low to high.
    Times(f64, f64),
    /// Counts from low to high.
    Counts(u64, u64),
    /// 0 to 1.
    Share(f64),
    /// Shares from low to high.
    Shares(f64, f64),
    /// Asked for, and too uncertain to be given as a number.
    NotIdentified,
    Missing,
}

impl Column {
    pub const fn words(key: &'static str, head: &'static str) -> Column {
        Column { key, head, is_words: true, is_cut: true, is_detail: false }
    }

    pub const fn number(key: &'static str, head: &'static str) -> Column {
        Column { key, head, is_words: false, is_cut: false, is_detail: false }
    }

    pub const fn whole(self) -> Column {
        Column { is_cut: false, ..self }
    }

    pub const fn detail(self) -> Column {
        Column { is_detail: true, ..self }
    }
}

impl Cell {
    /// `Missing` for what was not measured.
    pub fn known<T>(value: Option<T>, cell: impl FnOnce(T) -> Cell) -> Cell {
        value.map_or(Cell::Missing, cell)
    }

    /// As people read it.
    pub fn text(&self) -> String {
        match self {
            Cell::Words(words) => words.clone(),
            Cell::Count(n) => units::count(*n),
            Cell::Time(nanos) => units::span(*nanos),
            Cell::Ratio(ratio) => units::ratio(*ratio),
            Cell::Number(number) => units::number(*number),
            Cell::Ratios(low, high) => format!("{} to {}", units::ratio(*low), units::ratio(*high)),
            Cell::Times(low, high) => format!("{} to {}", units::span(*low), units::span(*high)),
            Cell::Counts(low, high) => format!("{} to {}", units::count(*low), units::count(*high)),
            Cell::Share(share) => units::share(*share),
            Cell::Shares(low, high) => format!("{} to {}", units::share(*low), units::share(*high)),
            Cell::NotIdentified => "not identified".into(),
            Cell::Missing => "-".into(),
        }
    }

    /// As machines read it: nanoseconds, plain ratios, `null` for what was not measured.
    pub fn value(&self) -> Value {
        match self {
            Cell::Words(words) => json!(words),
            Cell::Count(n) => json!(n),
            Cell::Time(x) | Cell::Ratio(x) | Cell::Number(x) | Cell::Share(x) => json!(x),
            Cell::Ratios(low, high) | Cell::Times(low, high) | Cell::Shares(low, high) => json!([low, high]),
            Cell::Counts(low, high) => json!([low, high]),
            Cell::NotIdentified | Cell::Missing => Value::Null,
        }
    }

    /// What a table is sorted by; `None` for words.
    pub fn order(&self) -> Option<f64> {
        match self {
            Cell::Words(_) => None,
            Cell::Count(n) | Cell::Counts(n, _) => Some(*n as f64),
            Cell::Time(x) | Cell::Ratio(x) | Cell::Number(x) | Cell::Share(x) => Some(*x),
            Cell::Ratios(x, _) | Cell::Times(x, _) | Cell::Shares(x, _) => Some(*x),
            // Below everything that was measured, infinities included; JSON and HTML never see it.
            Cell::NotIdentified | Cell::Missing => Some(f64::MIN),
        }
    }
}

impl Table {
    /// The rows as JSON objects.
    pub fn objects(&self) -> Vec<Value> {
        let object = |row: &Vec<Cell>| -> Value {
            self.columns.iter().zip(row).map(|(column, cell)| (column.key.to_string(), cell.value())).collect()
        };
        self.rows.iter().map(object).collect()
    }

    /// The same as one of several logs' tables; a terminal has the log's name in the title alone.
    pub fn of_log(mut self, label: &str) -> Table {
        self.title = format!("{}: {label}", self.title);
        self.columns.insert(0, Column::words("log", "log").detail());
        self.rows.iter_mut().for_each(|row| row.insert(0, Cell::Words(label.to_owned())));
        self
    }
}
