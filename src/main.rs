//! The `outloud` binary.
fn main() {}
