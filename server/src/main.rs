//! scimd, the program.

fn main() {}
