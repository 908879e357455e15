//! The model room against the reference's numbers, and its own promises: both paths equal, caches that fork and roll back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

#[path = "model/attribution.rs"]
mod attribution;
#[path = "model/cache.rs"]
mod cache;
#[path = "model/fixture.rs"]
mod fixture;
#[path = "model/parity.rs"]
mod parity;
#[path = "model/paths.rs"]
mod paths;
