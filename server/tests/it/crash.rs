//! `kill -9` at random moments under load: nothing acknowledged is lost, every change has its event.
//!
//! `cargo xtask crash` runs this with more kills: of `scimd` on either engine, or of PostgreSQL itself. The
//! workload is that of the fault matrix: four writers in two directories, 30 % create, 30 % PATCH of a user,
//! 20 % PATCH of members, 10 % PUT, 10 % DELETE, beside two readers. Each writer has users of its own; groups
//! are shared. So what a writer saw acknowledged is what must be there, and of the one request that a kill
//! left without an answer, both outcomes are right. While PostgreSQL is away, answers are 503; the same holds
//! of these.
//!
//! Most often the writers go on when the events of all that they saw acknowledged are delivered. Now and then, and
//! always after the first restart, they go on at once: so the next kill comes while that one is still being worked
//! off. With `SCIMD_CRASH_BACK_TO_BACK=1` they always do. Then they keep the machine busy all the time, and how long the
//! last event takes says how far the events have fallen behind; it is shown, but not judged.

mod check;
mod event_log;
mod model;
pub(crate) mod receiver;
mod writer;

use std::path::Path;
use std::time::{Duration, Instant};

use scim_test_postgres::{Cluster, Durability};
use serde_json::json;

use self::check::check;
use self::event_log::EventLog;
use self::model::Figures;
use self::receiver::Receiver;
pub(crate) use self::writer::Random;
use self::writer::{Writer, make_groups};
use crate::scimd::{Client, Scimd};

const WRITERS: usize = 4;
const DIRECTORIES: usize = 2;
/// How long it may take after a restart until all is delivered (row O1 of the fault matrix).
const DELIVERED: Duration = Duration::from_secs(30);
/// How long it may take until a restarted PostgreSQL is used again.
const RECOVERY: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn kills_under_load_lose_nothing() {
    let mut run = Run::start(None).await;
    for _ in 0..run.figures.kills {
        run.kill_scimd().await;
    }
    run.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn kills_on_postgres_lose_nothing() {
    let mut run = Run::start(Some(Cluster::start(Durability::Full).unwrap())).await;
    for _ in 0..run.figures.kills {
        run.kill_scimd().await;
    }
    run.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn kills_of_postgres_lose_nothing() {
    let mut run = Run::start(Some(Cluster::start(Durability::Full).unwrap())).await;
    for _ in 0..run.figures.kills {
        run.kill_database().await;
    }
    run.end().await;
}

/// A number from the environment: `SCIMD_CRASH_KILLS` and `SCIMD_CRASH_SEED` set what is otherwise 3 and the time.
pub(crate) fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// One run: a process that is killed, or its database is.
struct Run {
    folder: tempfile::TempDir,
    args: Vec<String>,
    scimd: Scimd,
    cluster: Option<Cluster>,
    writers: Vec<Writer>,
    receiver: Receiver,
    log: EventLog,
    /// When `scimd` or its database was started again.
    restarted: Instant,
    restarts: u64,
    /// Whether there are no pauses.
    back_to_back: bool,
    random: Random,
    figures: Figures,
}

impl Run {
    async fn start(cluster: Option<Cluster>) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let seed = setting("SCIMD_CRASH_SEED").unwrap_or_else(|| u64::from(now.subsec_nanos()));
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let folder = tempfile::tempdir().unwrap();
        let receiver = Receiver::start().await;
        let mut args = ["--directories", "2", "--webhook-url", &receiver.url].map(str::to_owned).to_vec();
        if let Some(cluster) = &cluster {
            args.extend(["--database".to_owned(), cluster.database().unwrap()]);
        }
        let kills = setting("SCIMD_CRASH_KILLS").unwrap_or(3);
        let figures = Figures { kills, seed, ..Figures::default() };
        let scimd = demo(folder.path(), &args);
        let mut groups = Vec::new();
        for directory in 0..DIRECTORIES {
            groups.push(make_groups(&scimd.client(directory)).await);
        }
        let writer = |number| {
            let directory = number % DIRECTORIES;
            Writer::new(number, directory, groups[directory].clone(), random.next())
        };
        let writers = (0..WRITERS).map(writer).collect();
        let back_to_back = setting("SCIMD_CRASH_BACK_TO_BACK").is_some_and(|number| number > 0);
        let (log, restarted) = (EventLog::default(), Instant::now());
        Self {
            folder,
            args,
            scimd,
            cluster,
            writers,
            receiver,
            log,
            restarted,
            restarts: 0,
            back_to_back,
            random,
            figures,
        }
    }

    async fn kill_scimd(&mut self) {
        let load = self.load();
        tokio::time::sleep(self.moment()).await;
        self.scimd.kill();
        self.writers = load.end().await;
        self.restarted = Instant::now();
        self.scimd = demo(self.folder.path(), &self.args);
        self.figures.restarted_after(self.restarted.elapsed());
        self.pause().await;
    }

    /// The process stays, and finds the server again by itself.
    async fn kill_database(&mut self) {
        let load = self.load();
        tokio::time::sleep(self.moment()).await;
        let cluster = self.cluster.as_ref().unwrap();
        cluster.kill().unwrap();
        self.writers = load.end().await;
        cluster.resume().unwrap();
        self.restarted = Instant::now();
        let url = format!("{}/readyz", self.scimd.root());
        while crate::scimd::http().get(&url).send().await.unwrap().status() != 200 {
            assert!(self.restarted.elapsed() < RECOVERY, "still not ready");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.resolve().await;
        self.figures.restarted_after(self.restarted.elapsed());
        self.pause().await;
    }

    /// Lets the writers find out what became of their last requests.
    async fn resolve(&mut self) {
        for writer in &mut self.writers {
            writer.resolve(&self.scimd.client(writer.directory)).await.expect("the server is there");
        }
    }

    /// Most often waits until all is delivered.
    async fn pause(&mut self) {
        self.restarts += 1;
        let goes_on_at_once = self.random.below(4) == 0 || self.restarts == 1;
        if !goes_on_at_once && !self.back_to_back {
            self.until_delivered().await;
        }
    }

    async fn until_delivered(&mut self) {
        self.resolve().await;
        self.log.until_delivered(&self.scimd, &self.writers, &self.receiver).await;
        let limit = if self.back_to_back { Duration::MAX } else { DELIVERED };
        self.figures.delivered_after(self.restarted.elapsed(), limit);
    }

    fn load(&mut self) -> Load {
        let clients: Vec<Client> = (0..DIRECTORIES).map(|directory| self.scimd.client(directory)).collect();
        let run = |writer: Writer| {
            let client = clients[writer.directory].clone();
            tokio::spawn(writer.run(client))
        };
        let writers = self.writers.drain(..).map(run).collect();
        let readers = clients.iter().cloned().map(|client| tokio::spawn(writer::read(client))).collect();
        Load { writers, readers }
    }

    fn moment(&mut self) -> Duration {
        Duration::from_millis(50 + self.random.below(1450))
    }

    async fn end(mut self) {
        self.until_delivered().await;
        check(&self.scimd, &self.writers, &mut self.log, &self.receiver, &mut self.figures).await;
        println!("{}", self.figures.table());
        println!("{}", json!(self.figures));
        assert_eq!(self.figures.problems, Vec::<String>::new(), "seed {}", self.figures.seed);
        assert!(self.figures.acknowledged > 0 && self.figures.events > 0, "there was load");
    }
}

/// Writers and readers at work, until there is no answer or one that says that there is no database.
struct Load {
    writers: Vec<tokio::task::JoinHandle<Writer>>,
    readers: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    async fn end(self) -> Vec<Writer> {
        let mut writers = Vec::new();
        for writer in self.writers {
            writers.push(writer.await.unwrap());
        }
        for reader in self.readers {
            reader.await.unwrap();
        }
        writers
    }
}

fn demo(folder: &Path, args: &[String]) -> Scimd {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    Scimd::demo_in(folder, &args)
}
