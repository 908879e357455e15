//! What screens are made of: themed, sanitised text, meter, digits, chart, markdown. Pure drawing into a buffer.
//!
//! Owns: meaning -> style, text from models and files -> cells that are safe to send, layout of wide and combining
//! characters. Imports only types of `app` that it draws.

pub mod chart;
pub mod digits;
pub mod flow;
pub mod histogram;
pub mod markdown;
pub mod meter;
pub mod panel;
pub mod plot;
pub mod scatter;
pub mod theme;
pub mod untrusted;

pub use theme::{Depth, Meaning, Theme};
