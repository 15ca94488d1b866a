//! A deadline for the head of each request, beside the longer one for idle connections.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// Whether what comes next is the head of a request; shared between the connection and its handler.
///
/// An even number: so many halves of requests are done, a head comes. An odd number: a body comes.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading(Arc<AtomicUsize>);

impl Reading {
    /// The head was read: what comes is its body.
    pub(super) fn head_is_read(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The request is answered: what comes is the next head.
    pub(super) fn next_head(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the connection has had a request.
    pub(super) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// A stream that fails when a head that has begun does not end in time.
#[derive(Debug)]
pub(super) struct HeadDeadline {
    stream: TcpStream,
    time: Duration,
    reading: Reading,
    /// Runs from the first byte of a head, the one that comes at this number.
    deadline: Option<(usize, Pin<Box<Sleep>>)>,
}

impl HeadDeadline {
    pub(super) fn new(stream: TcpStream, time: Duration, reading: Reading) -> Self {
        Self { stream, time, reading, deadline: None }
    }
}

impl AsyncRead for HeadDeadline {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let number = self.reading.0.load(Ordering::Relaxed);
        if self.deadline.as_ref().is_some_and(|(head, _)| *head != number) {
            self.deadline = None;
        }
        let in_head = number.is_multiple_of(2);
        if in_head && buf.filled().len() > before && self.deadline.is_none() {
            let end = Instant::now() + self.time;
            self.deadline = Some((number, Box::pin(tokio::time::sleep_until(end))));
        }
        let late = match &mut self.deadline {
            Some((_, deadline)) => deadline.as_mut().poll(cx).is_ready(),
            None => false,
        };
        if late {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the head did not end in time")));
        }
        read
    }
}

impl AsyncWrite for HeadDeadline {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
