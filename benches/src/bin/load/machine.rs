//! What the kernel tells about processor time. Of systems without `/proc` nothing is known.

use std::time::Duration;

/// How long a tick of the kernel's accounts is.
const TICK: Duration = Duration::from_millis(10);

/// Processor time of some processes and of the machine, at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    own: Option<Duration>,
    server: Option<Duration>,
    /// Of all processors: in which they had work that the hypervisor did not let them do, and all.
    steal: Option<(Duration, Duration)>,
}

impl Times {
    /// Of this process and of the server.
    pub(crate) fn now(server: Option<u32>) -> Self {
        Self {
            own: process("self"),
            server: server.and_then(|server| process(&server.to_string())),
            steal: steal(),
        }
    }

    /// How long this process has worked since.
    pub(crate) fn own_since(&self, before: &Self) -> Option<Duration> {
        self.own?.checked_sub(before.own?)
    }

    /// How long the server has worked since.
    pub(crate) fn server_since(&self, before: &Self) -> Option<Duration> {
        self.server?.checked_sub(before.server?)
    }

    /// The part of the time that was stolen since.
    pub(crate) fn steal_since(&self, before: &Self) -> Option<f64> {
        let ((stolen, all), (stolen_before, all_before)) = (self.steal?, before.steal?);
        let all = all.checked_sub(all_before)?.as_secs_f64();
        Some(stolen.checked_sub(stolen_before)?.as_secs_f64() / all.max(0.001))
    }
}

fn process(id: &str) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name of the program, in parentheses, may have spaces. User and system time are the 14th and 15th field.
    let fields = text.rsplit_once(") ")?.1;
    let ticks: u32 = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u32>().unwrap_or(0)).sum();
    Some(TICK * ticks)
}

fn steal() -> Option<(Duration, Duration)> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let fields = text.lines().next()?.split_whitespace().skip(1).take(8);
    let ticks: Vec<f64> = fields.map(|ticks| ticks.parse().unwrap_or(0.0)).collect();
    let time = |ticks: f64| TICK.mul_f64(ticks);
    Some((time(*ticks.get(7)?), time(ticks.iter().sum())))
}
