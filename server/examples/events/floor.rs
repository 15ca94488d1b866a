//! The floor: a bare client that posts the same bodies to the same receiver.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};
use bytes::Bytes;
use clap::Args;
use http::Method;
use tokio::task::JoinSet;

use crate::connection::Connection;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Where the receiver is
    #[arg(long)]
    address: SocketAddr,
    /// The file of the bodies, one a line
    #[arg(long, value_name = "FILE")]
    bodies: PathBuf,
    /// How many connections, each of which sends the next body when the last one is answered
    #[arg(long)]
    connections: usize,
}

/// Posts all bodies once, and prints the rate.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let text = Bytes::from(std::fs::read(&options.bodies)?);
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let bodies: Arc<[Bytes]> = lines.map(|line| text.slice_ref(line)).collect();
    let next = Arc::new(AtomicUsize::new(0));
    let mut connections = Vec::new();
    for _ in 0..options.connections {
        connections.push(Connection::open(options.address).await?);
    }
    let begun = Instant::now();
    let mut posting = JoinSet::new();
    for connection in connections {
        posting.spawn(post(connection, Arc::clone(&bodies), Arc::clone(&next)));
    }
    while let Some(posted) = posting.join_next().await {
        posted??;
    }
    println!("{}", bodies.len() as f64 / begun.elapsed().as_secs_f64());
    Ok(())
}

/// The headers are as long as those of a delivery; the signature is not made.
async fn post(mut connection: Connection, bodies: Arc<[Bytes]>, next: Arc<AtomicUsize>) -> Result<()> {
    let signature = format!("v1,{}=", "A".repeat(43));
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(body) = bodies.get(number) else { return Ok(()) };
        let id = format!("evt_{number:032}");
        let headers = [
            ("content-type", "application/json"),
            ("user-agent", "floor/1.0"),
            ("webhook-id", id.as_str()),
            ("webhook-timestamp", "1750000000"),
            ("webhook-signature", signature.as_str()),
        ];
        let (status, _) = connection.ask(Method::POST, "/", &headers, body.clone()).await?;
        ensure!(status.is_success(), "the receiver answered {status}");
    }
}
