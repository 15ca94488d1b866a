//! Measures the processor time of a delivery over kept connections, 32 at once, against a bare HTTP client that
//! sends the same bodies and signs nothing. Linux only: it reads `/proc`.
//!
//! `cargo run --release -p scim-webhook --example cost`

use std::error::Error;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use scim_webhook::{Acknowledge, Delivery, Outcome, Secret, Sender, SenderConfig, SigningKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const AT_ONCE: u64 = 32;
const EACH: u64 = 1_000;
const ROUNDS: usize = 7;
/// As long as an event is.
const BODY_LENGTH: usize = 1_200;

type Failed = Box<dyn Error + Send + Sync>;

#[derive(Clone, Copy)]
enum Way {
    /// hyper's connection: no pool.
    Connection,
    /// hyper-util's client, which has a pool.
    Pool,
    Sender,
    /// With an Ed25519 signature too.
    SenderAsymmetric,
}

const WAYS: [(&str, Way); 4] = [
    ("hyper connection, unsigned", Way::Connection),
    ("hyper-util client, unsigned", Way::Pool),
    ("Sender, v1", Way::Sender),
    ("Sender, v1 and v1a", Way::SenderAsymmetric),
];

fn main() -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if std::env::args().nth(1).as_deref() == Some("receive") {
        return runtime.block_on(receive());
    }
    let mut receiver =
        Command::new(std::env::current_exe()?).arg("receive").stdout(Stdio::piped()).spawn()?;
    let measured = runtime.block_on(measure(&mut receiver));
    receiver.kill()?;
    receiver.wait()?;
    measured
}

async fn measure(receiver: &mut std::process::Child) -> Result<(), Failed> {
    let mut line = String::new();
    let output = receiver.stdout.take().ok_or("the receiver has no output")?;
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line)?;
    let address: SocketAddr = line.trim().parse()?;
    let mut best = [f64::MAX; WAYS.len()];
    for _ in 0..ROUNDS {
        for ((_, way), best) in WAYS.iter().zip(&mut best) {
            let before = processor_time()?;
            run(*way, address).await?;
            let spent = processor_time()? - before;
            #[expect(clippy::cast_precision_loss, reason = "far from 2^52 ns")]
            let each = spent as f64 / 1_000.0 / (AT_ONCE * EACH) as f64;
            *best = best.min(each);
        }
    }
    for ((name, _), each) in WAYS.iter().zip(best) {
        println!(
            "{name:28} {each:6.1} us of processor a delivery, {:4.2} times the bare client",
            each / best[1]
        );
    }
    Ok(())
}

/// What this process has used, in nanoseconds.
fn processor_time() -> Result<u64, Failed> {
    let mut sum = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        sum += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(sum)
}

async fn run(way: Way, address: SocketAddr) -> Result<(), Failed> {
    let url = format!("http://{address}/hooks/acme");
    let body = Bytes::from(format!("{{\"a\":\"{}\"}}", "x".repeat(BODY_LENGTH - 8)));
    let config = SenderConfig { allow_loopback_http: true, ..SenderConfig::default() };
    let sender = Sender::new(config)?;
    let pool = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let mut tasks = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (url, body, sender, pool) = (url.clone(), body.clone(), sender.clone(), pool.clone());
        tasks.spawn(async move {
            match way {
                Way::Connection => over_a_connection(address, &url, &body).await,
                Way::Pool => over_a_pool(&pool, &url, &body).await,
                Way::Sender => over_sender(&sender, &url, &body, false).await,
                Way::SenderAsymmetric => over_sender(&sender, &url, &body, true).await,
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

fn bare(url: &str, body: &Bytes) -> Result<Request<Full<Bytes>>, Failed> {
    let mut request = Request::post(url).body(Full::new(body.clone()))?;
    for (name, value) in [
        ("content-type", "application/json"),
        ("user-agent", "scim-webhook/0.1.0"),
        ("webhook-id", "evt_0198c1a2b3c4d5e6f708"),
        ("webhook-timestamp", "1767225600"),
        ("webhook-signature", "v1,gg18pjQn4337Xr87THAX81rdosRpWAjf6fTevJBq0lU="),
    ] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(request)
}

async fn over_a_connection(address: SocketAddr, url: &str, body: &Bytes) -> Result<(), Failed> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    for _ in 0..EACH {
        client.ready().await?;
        let mut request = bare(url, body)?;
        request.headers_mut().insert("host", HeaderValue::from_str(&address.to_string())?);
        *request.uri_mut() = "/hooks/acme".parse()?;
        let response = client.send_request(request).await?;
        response.into_body().collect().await?;
    }
    Ok(())
}

async fn over_a_pool(
    pool: &Client<HttpConnector, Full<Bytes>>,
    url: &str,
    body: &Bytes,
) -> Result<(), Failed> {
    for _ in 0..EACH {
        pool.request(bare(url, body)?).await?.into_body().collect().await?;
    }
    Ok(())
}

async fn over_sender(sender: &Sender, url: &str, body: &Bytes, asymmetric: bool) -> Result<(), Failed> {
    let (secret, key) = (Secret::from_bytes(&[7; 32])?, SigningKey::from_seed(&[7; 32])?);
    let keys = [&key];
    for _ in 0..EACH {
        let delivery = Delivery {
            url,
            id: "evt_0198c1a2b3c4d5e6f708",
            timestamp: 1_767_225_600,
            body: body.clone(),
            secrets: &[&secret],
            signing_keys: if asymmetric { &keys } else { &[] },
            headers: &[],
            acknowledge: Acknowledge::default(),
        };
        match sender.send(&delivery).await.outcome {
            Outcome::Delivered { .. } => {}
            failed @ Outcome::Failed { .. } => return Err(format!("{failed:?}").into()),
        }
    }
    Ok(())
}

/// Prints where it listens, and answers each request with 204.
async fn receive() -> Result<(), Failed> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let (mut buffer, mut received, mut head) = (vec![0; 16 * 1024], 0, None);
            loop {
                match stream.read(buffer.get_mut(received..).unwrap_or_default()).await {
                    Ok(0) | Err(_) => return,
                    Ok(n) => received += n,
                }
                let text = buffer.get(..received).unwrap_or_default();
                head = head.or_else(|| text.windows(4).position(|w| w == b"\r\n\r\n"));
                if head.is_some_and(|end| received >= end + 4 + BODY_LENGTH) {
                    (received, head) = (0, None);
                    if stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_err() {
                        return;
                    }
                }
            }
        });
    }
}
