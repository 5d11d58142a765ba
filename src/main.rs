//! The `gatefold` command.

fn main() {}
