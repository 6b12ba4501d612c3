//! The log: one line of JSON per request sent. Measuring writes it, reporting reads it, and nothing else passes between
//! the two.

pub mod log;
pub mod schema;

pub use log::{Keys, Log, LogError, Logged, Reading, Rows};
pub use schema::{
    ClassicRow, Conditions, DocumentNote, Flush, Flushed, LegNote, LevelNote, Line, LoadNote, MapNote, NO_BUDGET, Row,
    RuleNote, SCHEMA_VERSION, SelfTest, ShardNote, SloNote,
};
