//! `kill -9` at random moments under load: nothing acknowledged is lost, every change has its event.
//!
//! `cargo xtask crash` runs this with more kills. The workload is that of the fault matrix: four writers
//! in two directories, 30 % create, 30 % PATCH of a user, 20 % PATCH of members, 10 % PUT, 10 % DELETE,
//! beside two readers. Each writer has users of its own; groups are shared. So what a writer saw
//! acknowledged is what must be there, and of the one request that a kill left without an answer, both
//! outcomes are right.

mod check;
mod model;
mod receiver;
mod writer;

use std::time::{Duration, Instant};

use serde_json::json;

use self::check::check;
use self::model::Figures;
use self::receiver::Receiver;
use self::writer::{Random, Writer, make_groups};
use crate::scimd::Scimd;

const WRITERS: usize = 4;
const DIRECTORIES: usize = 2;

/// `SCIMD_CRASH_KILLS` and `SCIMD_CRASH_SEED` set what is otherwise 3 and the time.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn kills_under_load_lose_nothing() {
    let kills = setting("SCIMD_CRASH_KILLS").unwrap_or(3);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = setting("SCIMD_CRASH_SEED").unwrap_or_else(|| u64::from(now.subsec_nanos()));
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let args = ["--directories", "2", "--webhook-url", &receiver.url];
    let mut figures = Figures { kills, seed, ..Figures::default() };

    let mut scimd = Scimd::demo_in(folder.path(), &args);
    let mut groups = Vec::new();
    for directory in 0..DIRECTORIES {
        groups.push(make_groups(&scimd.client(directory)).await);
    }
    let mut writers: Vec<Writer> = (0..WRITERS)
        .map(|number| {
            let directory = number % DIRECTORIES;
            Writer::new(number, directory, groups[directory].clone(), random.next())
        })
        .collect();
    for _ in 0..kills {
        let clients: Vec<_> = (0..DIRECTORIES).map(|directory| scimd.client(directory)).collect();
        let running: Vec<_> = writers
            .drain(..)
            .map(|writer| {
                let client = clients[writer.directory].clone();
                tokio::spawn(writer.run(client))
            })
            .collect();
        let readers: Vec<_> = clients.iter().cloned().map(|c| tokio::spawn(writer::read(c))).collect();
        tokio::time::sleep(Duration::from_millis(50 + random.below(1450))).await;
        scimd.kill();
        for writer in running {
            writers.push(writer.await.unwrap());
        }
        for reader in readers {
            reader.await.unwrap();
        }
        let begun = Instant::now();
        scimd = Scimd::demo_in(folder.path(), &args);
        figures.slowest_restart_ms = figures.slowest_restart_ms.max(begun.elapsed().as_millis());
    }
    check(&scimd, &mut writers, &receiver, &mut figures).await;
    println!("{}", figures.table());
    println!("{}", json!(figures));
    assert_eq!(figures.problems, Vec::<String>::new(), "seed {seed}");
    assert!(figures.acknowledged > 0 && figures.events > 0, "there was load");
}
