//! Runs the cases of a folder: `scim-spec DIR`. The last line is `N passed, N failed`.

use std::path::Path;
use std::process::ExitCode;

use scim_conformance::spec;

fn main() -> ExitCode {
    let Some(dir) = std::env::args_os().nth(1) else {
        eprintln!("usage: scim-spec DIR");
        return ExitCode::FAILURE;
    };
    match run(Path::new(&dir)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(dir: &Path) -> std::io::Result<bool> {
    let outcome = spec::run(dir)?;
    for case in spec::disputed()? {
        println!("disputed {}: {}", case.id, case.rfc);
    }
    for (id, why) in &outcome.failures {
        println!("FAIL {id}: {why}");
    }
    println!("{outcome}");
    Ok(outcome.failures.is_empty() && outcome.passed > 0)
}
