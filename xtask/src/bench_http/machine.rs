//! What the kernel tells about a process and the machine.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// How long a tick of the kernel's accounts is.
const TICK: Duration = Duration::from_millis(10);

/// Resident memory in MiB.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Memory {
    pub(super) now: f64,
    /// The most since the process began.
    pub(super) peak: f64,
}

impl Memory {
    pub(super) fn of(process: u32) -> Result<Self> {
        let text = std::fs::read_to_string(format!("/proc/{process}/status"));
        Self::parse(&text.context("the kernel does not tell how much memory the server has")?)
    }

    fn parse(status: &str) -> Result<Self> {
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
            Some(kib / 1024.0)
        };
        let memory = mib("VmRSS:").zip(mib("VmHWM:"));
        let (now, peak) = memory.context("the kernel tells memory in another way")?;
        Ok(Self { now, peak })
    }
}

/// How long a process has used processors.
pub(super) fn processor_time(process: u32) -> Result<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).context("the server has ended")?;
    parse_processor_time(&text).context("the kernel tells processor time in another way")
}

/// The name of the program, in parentheses, may have spaces. User and system time are the 14th and 15th field.
fn parse_processor_time(stat: &str) -> Option<Duration> {
    let fields = stat.rsplit_once(") ")?.1;
    let ticks = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u32>().ok());
    Some(TICK * ticks.sum::<Option<u32>>()?)
}

/// How many processes wanted a processor in the last minute.
pub(crate) fn load_average() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_mib() {
        let memory = Memory::parse("Name:\tscimd\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n").unwrap();
        assert_eq!(memory, Memory { now: 1.0, peak: 2.0 });
        assert!(Memory::parse("Name:\tscimd\n").is_err());
    }

    #[test]
    fn names_with_spaces_do_not_move_the_fields() {
        let stat = "7 (a b) c) S 1 1 1 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 4 0 100";
        assert_eq!(parse_processor_time(stat), Some(Duration::from_secs(2)));
        assert_eq!(parse_processor_time("7"), None);
    }
}
