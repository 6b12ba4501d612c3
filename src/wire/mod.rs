//! The protocol as functions of bytes: no sockets, no clock. "Not complete yet" is a value, never an error.
//!
//! Outwards, [`body`] writes the JSON and [`http1::Request`] the bytes around it. Inwards, what a read brought goes
//! through [`http1::ResponseDecoder`], [`sse::Decoder`] and [`chat::parse`], each of which accepts any split and hands
//! on what is whole; an answer other than 200 goes to [`refusal::classify`].

pub mod body;
pub mod chat;
pub mod http1;
pub mod limits;
pub mod lmcache;
pub mod metrics;
pub mod refusal;
pub mod sse;
