//! Log rows in, bytes out: the block a command ends with, the page, the tables, the figures.

pub mod units;
