//! Answers cases that come as lines of JSON on standard input; `conformance/peers/README.md` describes them.

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    match scim_conformance::spec::answer_lines(io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
