//! `cargo xtask bench-http`: servers on one processor, load on another, and whether the targets hold.
//!
//! The servers are `scimd` on SQLite, our axum adapter over `MemoryStore`, and axum alone, which is the floor; the last
//! two and the load are programs of `benches/`. What is compared is measured in turns, several times, and the best
//! figures are compared.

mod figures;
pub(crate) mod machine;
mod server;
mod store;
mod targets;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use self::figures::{Figures, Measured, PEAKS};
use self::server::{Access, Server};
use self::store::Store;
use crate::requirements::{self, Purpose};
use crate::workspace::{built, command};

/// The processor of the servers; one is asked at a time.
const SERVERS: &str = "0";
/// The processor of the load.
const LOAD: &str = "1";
/// How many users the memory store has.
const IN_MEMORY: usize = 10_000;
/// How often it is measured how long `scimd` takes to be ready.
const STARTS: usize = 5;
/// The part of the peak rate at which answers are timed.
const PART_OF_PEAK: f64 = 0.7;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How many users scimd has in SQLite. The first run with a number loads them, a million in some minutes and 25 GB
    /// of disk, and keeps them below target/bench-store. Default: 1,000,000, with --quick 20,000
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    users: Option<u32>,
    /// One short round with few users, to see roughly where things are; missed targets are shown, but are no failure
    #[arg(long)]
    quick: bool,
    /// How often everything is measured; the best figures are compared
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// How long each measurement takes
    #[arg(long)]
    seconds: Option<f64>,
}

impl Options {
    fn users(&self) -> usize {
        let users = self.users.unwrap_or(if self.quick { 20_000 } else { 1_000_000 });
        usize::try_from(users).unwrap_or(usize::MAX)
    }

    fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 1 } else { 5 })
    }

    fn seconds(&self) -> f64 {
        self.seconds.unwrap_or(if self.quick { 0.7 } else { 3.0 })
    }
}

/// `Ok(false)`: a target is missed.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    let processors = std::thread::available_parallelism()?.get();
    ensure!(processors >= 2, "this needs two processors: one for the server, one for the load");
    requirements::install(root, Purpose::Servers)?;
    println!("building the servers and the load");
    let programs = Programs::build(root)?;
    let store = Store::prepare(root, &programs, options.users())?;
    if let Some(waiting) = machine::load_average().filter(|waiting| *waiting > 0.5) {
        println!(
            "the machine is busy (load average {waiting:.1}): the figures only show roughly where things are"
        );
    }
    let mut measured = Measured::default();
    let mut bench = Bench { programs: &programs, store: &store, seconds: options.seconds(), runs: 0 };
    bench.measure(options.rounds(), &mut measured)?;
    let file = root.join("target/bench-http.json");
    std::fs::write(&file, measured.to_json()?).with_context(|| format!("cannot write {}", file.display()))?;
    let targets = targets::judge(&measured);
    println!("\n{}", targets::table(&targets));
    for note in measured.notes() {
        println!("{note}");
    }
    println!("figures: target/bench-http.json");
    Ok(options.quick || targets.iter().all(targets::Target::holds))
}

/// What was built.
#[derive(Debug)]
pub(crate) struct Programs {
    scimd: PathBuf,
    floor: PathBuf,
    memory: PathBuf,
    load: PathBuf,
    users: PathBuf,
}

impl Programs {
    fn build(root: &Path) -> Result<Self> {
        let benches = root.join("benches");
        let ours = ["build", "--quiet", "--release", "--locked", "--package", "scimd"];
        let others = [
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--no-default-features",
            "--features",
            "http",
            "--bins",
        ];
        for (folder, args) in [(root, &ours[..]), (&benches, &others[..])] {
            let status = command(folder, "cargo", args).status().context("cannot start cargo")?;
            ensure!(status.success(), "the programs in {} do not build", folder.display());
        }
        let bench = |name: &str| built(&benches, &format!("release/{name}"));
        Ok(Self {
            scimd: built(root, "release/scimd"),
            floor: bench("floor_http"),
            memory: bench("memory_http"),
            load: bench("load"),
            users: bench("users"),
        })
    }
}

/// One run of everything.
struct Bench<'b> {
    programs: &'b Programs,
    store: &'b Store,
    seconds: f64,
    /// How many measurements made users, so that no two of them use the same names.
    runs: u32,
}

/// A server that is asked for its users.
#[derive(Clone, Copy)]
struct Asked<'s> {
    server: &'s Server,
    access: &'s Access,
    /// The file of the users' ids.
    ids: &'s Path,
    users: usize,
}

impl Bench<'_> {
    fn measure(&mut self, rounds: u32, measured: &mut Measured) -> Result<()> {
        let (store, programs) = (self.store, self.programs);
        for _ in 0..STARTS {
            let (server, ready) = store.serve(programs)?;
            measured.add_value("process/ready_ms", ready.as_secs_f64() * 1e3);
            server.stop()?;
        }
        let (scimd, _) = store.serve(programs)?;
        scimd.wait_until_quiet()?;
        measured.add_value("process/idle_mib", scimd.memory()?.now);
        self.walks(&scimd, measured)?;
        let (floor, _) = Server::printing(&programs.floor, &[])?;
        let (memory, access) = self.memory()?;
        let ids = store.folder().join("memory-ids.txt");
        self.walk(&memory, &access, "index", 1000, IN_MEMORY, Some(&ids))?;
        let in_memory = Asked { server: &memory, access: &access, ids: &ids, users: IN_MEMORY };
        let bare = Asked { server: &floor, ..in_memory };
        let sqlite = Asked { server: &scimd, access: &store.access, ids: &store.ids, users: store.users };
        for round in 1..=rounds {
            println!("round {round} of {rounds}");
            self.beside_the_floor(&bare, &in_memory, &sqlite, measured)?;
            self.durable(&sqlite, measured)?;
        }
        measured.add_value("process/peak_mib", scimd.memory()?.peak);
        scimd.stop()
    }

    /// What has a floor.
    fn beside_the_floor(
        &mut self,
        bare: &Asked<'_>,
        in_memory: &Asked<'_>,
        sqlite: &Asked<'_>,
        measured: &mut Measured,
    ) -> Result<()> {
        for (work, bench, implementation, asked) in [
            ("get", "http_get", "floor", bare),
            ("get", "http_get/memory", "ours", in_memory),
            ("get", "http_get/sqlite", "ours", sqlite),
            ("filter", "http_filter/memory", "ours", in_memory),
            ("filter", "http_filter/sqlite", "ours", sqlite),
            ("patch", "http_patch", "floor", bare),
            ("patch", "http_patch/memory", "ours", in_memory),
            ("post", "http_post", "floor", bare),
        ] {
            measured.add(bench, implementation, self.rate(asked, work, None)?);
        }
        // It grows: each time another one.
        let (fresh, access) = self.memory()?;
        let asked = Asked { server: &fresh, access: &access, ..*in_memory };
        measured.add("http_post/memory", "ours", self.rate(&asked, "post", None)?);
        fresh.stop()
    }

    /// Writes to the disk, pages of users, and how long answers take below the peak rate.
    fn durable(&mut self, sqlite: &Asked<'_>, measured: &mut Measured) -> Result<()> {
        let posts = Asked { access: &self.store.posts, ..*sqlite };
        measured.add("http_post/sqlite", "ours", self.rate(&posts, "post", None)?);
        sqlite.server.wait_until_quiet()?;
        measured.add("http_list/sqlite", "ours", self.rate(sqlite, "list", None)?);
        for ((latency, peak), (work, asked)) in PEAKS.into_iter().zip([("get", sqlite), ("post", &posts)]) {
            let peak = measured.best(peak, "ours").context("no rate was measured")?.per_second;
            measured.add(latency, "ours", self.rate(asked, work, Some(peak * PART_OF_PEAK))?);
            sqlite.server.wait_until_quiet()?;
        }
        Ok(())
    }

    /// All users, by index and by cursor, with large and with small pages.
    fn walks(&self, scimd: &Server, measured: &mut Measured) -> Result<()> {
        let store = self.store;
        for (by, count, ids) in
            [("index", 1000, Some(store.ids.as_path())), ("cursor", 1000, None), ("cursor", 100, None)]
        {
            let seconds = self.walk(scimd, &store.access, by, count, store.users, ids)?;
            println!("all {} users by {by}, {count} at a time: {seconds:.1} s", store.users);
            measured.add_value(&format!("walk/{by}_{count}_s"), seconds);
        }
        measured.add_value("process/walked_mib", scimd.memory()?.peak);
        Ok(())
    }

    fn memory(&self) -> Result<(Server, Access)> {
        let (server, printed) =
            Server::printing(&self.programs.memory, &["--users", &IN_MEMORY.to_string()])?;
        let access = Access::printed(&printed)?;
        Ok((server, access))
    }

    /// How long it took.
    fn walk(
        &self,
        server: &Server,
        access: &Access,
        by: &str,
        count: u32,
        users: usize,
        ids: Option<&Path>,
    ) -> Result<f64> {
        let mut args: Vec<String> = vec!["walk".into()];
        args.extend(access.arguments(server));
        for (name, value) in
            [("by", by.to_owned()), ("count", count.to_string()), ("users", users.to_string())]
        {
            args.extend([format!("--{name}"), value]);
        }
        if let Some(ids) = ids {
            args.extend(["--ids".into(), ids.display().to_string()]);
        }
        let walked = self.load(&args)?;
        walked.get("seconds").and_then(serde_json::Value::as_f64).context("unexpected figures of a walk")
    }

    /// Requests as fast as they are answered, or so many a second.
    fn rate(&mut self, asked: &Asked<'_>, work: &str, per_second: Option<f64>) -> Result<Figures> {
        self.runs += 1;
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut args: Vec<String> = vec!["rate".into(), "--work".into(), work.into()];
        args.extend(asked.access.arguments(asked.server));
        let seconds = self.seconds * if per_second.is_some() { 2.0 } else { 1.0 };
        for (name, value) in [
            ("ids", asked.ids.display().to_string()),
            ("users", asked.users.to_string()),
            ("seconds", seconds.to_string()),
            ("warm-up", (self.seconds / 5.0).to_string()),
            ("run", format!("{begun}-{}", self.runs)),
            ("process", asked.server.id().to_string()),
        ] {
            args.extend([format!("--{name}"), value]);
        }
        if let Some(rate) = per_second {
            args.extend(["--per-second".into(), rate.to_string(), "--connections".into(), "64".into()]);
        }
        serde_json::from_value(self.load(&args)?).context("unexpected figures of the load")
    }

    fn load(&self, args: &[String]) -> Result<serde_json::Value> {
        let mut command = server::pinned(LOAD, &self.programs.load);
        let output = command.args(args).stderr(std::process::Stdio::inherit()).output();
        let output = output.context("the load can't be started")?;
        if !output.status.success() {
            bail!("the load failed: {}", args.join(" "));
        }
        serde_json::from_slice(&output.stdout).context("the load printed no figures")
    }
}
