//! Labels as data: agreement figures against published worked examples, calibration, orders, outcomes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

#[path = "label/book.rs"]
mod book;
#[path = "label/figures.rs"]
mod figures;
#[path = "label/orders.rs"]
mod orders;
#[path = "label/outcomes.rs"]
mod outcomes;
