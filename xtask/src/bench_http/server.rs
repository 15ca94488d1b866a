//! A server that is asked: started on its processor, watched, and stopped.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SERVERS;
use super::machine::{Memory, processor_time};

/// How long a server may take to be ready or to stop.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a server may work on what came of the last requests.
const WORK: Duration = Duration::from_secs(3600);
/// A server is quiet when it uses less of a processor than this, for as long.
const QUIET: f64 = 0.03;
const QUIET_TIME: Duration = Duration::from_secs(2);

/// A process, which ends with its owner.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
}

/// How resources are asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Access {
    /// What stands before `/Users`.
    pub(super) path: String,
    pub(super) token: String,
}

/// A command on one processor.
pub(super) fn pinned(processor: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", processor]).arg(program).stdin(Stdio::null());
    command
}

/// An address that nobody listens on.
pub(super) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

impl Server {
    /// A server that prints a line of JSON with its address when it is ready. What it logs is thrown away.
    pub(super) fn printing(program: &Path, args: &[&str]) -> Result<(Self, Value)> {
        let mut command = pinned(SERVERS, program);
        let child = command.args(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let child = child.with_context(|| format!("{} can't be started", program.display()))?;
        // From here on it is stopped also where something goes wrong.
        let mut server = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let stdout = server.child.stdout.take().context("its output is not connected")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let printed: Value =
            serde_json::from_str(&line).with_context(|| format!("{} is not ready", program.display()))?;
        let address = printed.get("address").and_then(Value::as_str).context("no address was printed")?;
        server.address = address.parse()?;
        Ok((server, printed))
    }

    /// A server that answers `GET /readyz`, and how long that took.
    pub(super) fn ready(mut command: Command, address: SocketAddr) -> Result<(Self, Duration)> {
        let begun = Instant::now();
        let mut server = Self { child: command.spawn().context("scimd can't be started")?, address };
        while !is_ready(address) {
            if let Some(status) = server.child.try_wait()? {
                bail!("scimd ended with {status}");
            }
            ensure!(begun.elapsed() < PATIENCE, "scimd is not ready after {} s", PATIENCE.as_secs());
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok((server, begun.elapsed()))
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn memory(&self) -> Result<Memory> {
        Memory::of(self.id())
    }

    /// Waits until the work that requests left behind is done.
    pub(super) fn wait_until_quiet(&self) -> Result<()> {
        let begun = Instant::now();
        let mut said = Instant::now();
        loop {
            let (before, since) = (processor_time(self.id())?, Instant::now());
            std::thread::sleep(QUIET_TIME);
            let used = processor_time(self.id())?.saturating_sub(before);
            if used.as_secs_f64() < QUIET * since.elapsed().as_secs_f64() {
                return Ok(());
            }
            ensure!(begun.elapsed() < WORK, "the server does not come to rest");
            if said.elapsed() > Duration::from_secs(20) {
                said = Instant::now();
                println!("the server still works on what it was told ({} s)", begun.elapsed().as_secs());
            }
        }
    }

    /// Asks it to stop, and waits.
    pub(super) fn stop(mut self) -> Result<()> {
        let asked = Command::new("kill").args(["-TERM", &self.id().to_string()]).status();
        ensure!(asked.is_ok_and(|status| status.success()), "the server can't be told to stop");
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > PATIENCE {
                bail!("the server does not stop");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Access {
    /// What a server printed.
    pub(super) fn printed(printed: &Value) -> Result<Self> {
        serde_json::from_value(printed.clone()).context("no path and token were printed")
    }

    /// Arguments of the load.
    pub(super) fn arguments(&self, server: &Server) -> Vec<String> {
        let address = server.address.to_string();
        let pairs = [("--address", address.as_str()), ("--path", &self.path), ("--token", &self.token)];
        pairs.iter().flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()]).collect()
    }
}

fn is_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200 "))
    };
    ask().unwrap_or(false)
}
