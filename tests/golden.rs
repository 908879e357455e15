//! The engine against the reference's own numbers: `tests/fixtures` (its README says what each field is) and
//! `tests/fixtures/families`. `cargo test --test golden -- --nocapture --test-threads 1` prints the parity table.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

#[path = "golden/expected.rs"]
mod expected;
#[path = "golden/families.rs"]
mod families;
#[path = "golden/fixtures.rs"]
mod fixtures;
#[path = "golden/harness.rs"]
mod harness;
