//! The stories' room: arithmetic and faults by an independent evaluator, balance, determinism, judge, tokenizer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

mod stories {
    mod balance;
    mod evaluator;
    mod judging;
    mod truth;
    mod words;
}
