//! Time limits of a request: for its body to arrive, and for its answer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};
use scim_core::{Error, ErrorKind};
use tokio::sync::oneshot;

/// A body that tells when it has been read to its end.
#[derive(Debug)]
pub(super) struct TimedBody {
    body: Body,
    /// Dropped at the end of the body, or with it.
    open: Option<oneshot::Sender<()>>,
}

/// Ready when the body was read to its end, or dropped.
pub(super) type Done = oneshot::Receiver<()>;

impl TimedBody {
    pub(super) fn wrap(request: Request<Body>) -> (Done, Request<Self>) {
        let (open, done) = oneshot::channel();
        (done, request.map(|body| Self { body, open: Some(open) }))
    }
}

impl http_body::Body for TimedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.open = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Waits for an answer: first as long as the body may take, then as long as the handler may take.
///
/// A handler that is late is left alone: what it has handed to the store is done nevertheless, as after
/// a lost connection.
pub(super) async fn received<T>(
    answer: impl Future<Output = T>,
    mut done: Done,
    body_time: Duration,
    handler_time: Duration,
) -> Result<T, Error> {
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answer = answer.as_mut() => return Ok(answer),
        _ = &mut done => {}
        () = tokio::time::sleep(body_time) => {
            return Err(Error::new(ErrorKind::RequestTimeout, "the body did not arrive in time"));
        }
    }
    tokio::time::timeout(handler_time, answer).await.map_err(|late| super::unavailable(late.into()))
}
