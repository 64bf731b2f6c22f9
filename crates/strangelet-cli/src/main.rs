//! The `strangelet` command.
fn main() {}
