//! Log rows in, bytes out: the block a command ends with, the page, the tables, the figures.
//!
//! A report is computed from rows alone and never learns whether they came from memory or disk. [`model::Report`] holds
//! it without a format: sentences, tables of typed values, figures. Each format writes that; none computes anything.

pub mod compare;
mod conditions;
pub mod csv;
pub mod data;
mod effect;
mod evidence;
mod figures;
mod fit;
pub mod html;
pub mod json;
pub mod ladder;
pub mod lengths;
pub mod load;
mod map;
pub mod markdown;
pub mod model;
mod prompts;
pub mod rating;
mod remarks;
mod shares;
pub mod table;
pub mod text;
mod trust;
pub mod units;
mod verify;

pub use model::Report;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
