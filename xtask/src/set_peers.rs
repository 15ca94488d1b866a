//! `cargo xtask set-peers`: whether libraries of others verify our security event tokens.
//!
//! What asks the libraries is in `conformance/sets`.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::packages;
use crate::requirements::{self, Purpose};
use crate::workspace::output;

const PYPI: &[&str] = &["PyJWT[crypto]==2.15.1", "jwcrypto==1.6.1", "joserfc==1.8.0"];
const NPM: &[&str] = &["jose@6.2.18"];
/// Tokens of the list, each for each library.
const VERDICTS: usize = 8 * 4;

/// `Ok(false)`: a library said what it should not.
pub(crate) fn run(root: &Path) -> Result<bool> {
    requirements::install(root, Purpose::Peers)?;
    let folder = root.join("target/set-peers");
    let [pypi, npm] =
        [PYPI, NPM].map(|packages| packages.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>());
    packages::install(root, &folder, &pypi, &npm)?;
    let vectors = output(root, "cargo", &["run", "--quiet", "-p", "scim-set", "--example", "vectors"])?;
    let list = folder.join("list.json");
    std::fs::write(&list, vectors)?;

    let checks = root.join("conformance/sets");
    let list = list.display().to_string();
    let python = folder.join("venv/bin/python").display().to_string();
    let mut said = output(root, &python, &[&checks.join("check.py").display().to_string(), &list])?;
    // A module finds the packages that are installed beside it.
    std::fs::copy(checks.join("check.mjs"), folder.join("check.mjs"))?;
    said.push_str(&output(root, "node", &[&folder.join("check.mjs").display().to_string(), &list])?);
    judge(&said)
}

/// Prints what libraries said where it is not what is expected.
fn judge(said: &str) -> Result<bool> {
    let (mut count, mut wrong) = (0, 0);
    for line in said.lines() {
        let (name, library, expected, verdict, why): (String, String, String, String, String) =
            serde_json::from_str(line).with_context(|| format!("{line:?} is no verdict"))?;
        count += 1;
        if expected != verdict {
            wrong += 1;
            println!("{library}: a token {name}: {verdict}, not {expected} {why}");
        }
    }
    ensure!(count == VERDICTS, "{count} verdicts, not {VERDICTS}");
    println!("{count} verdicts of 4 libraries, {wrong} of them wrong");
    Ok(wrong == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_verdict_or_a_missing_one_is_noticed() {
        let line =
            |verdict: &str| format!("[\"of another issuer\", \"jose\", \"fail\", \"{verdict}\", \"\"]\n");
        assert!(judge(&line("fail").repeat(VERDICTS)).unwrap());
        assert!(!judge(&(line("fail").repeat(VERDICTS - 1) + &line("ok"))).unwrap());
        assert!(judge(&line("fail").repeat(VERDICTS - 1)).is_err());
    }
}
