//! The protocol as functions of bytes: no sockets, no clock. "Not complete yet" is a value, never an error.

pub mod chat;
