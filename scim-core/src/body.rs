//! The body of an answer, whole or written while it is sent.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::error::Error;

/// The body of an answer: whole, or written piece by piece as it is read, where it would take much memory.
///
/// It is an [`http_body::Body`] for servers; [`Body::into_bytes`] makes one text of it. An error in the
/// middle must break the connection, so that the client knows that it has not all.
pub struct Body {
    /// What is ready to be sent.
    ready: Bytes,
    rest: Rest,
}

/// What is still to be written.
enum Rest {
    Nothing,
    Pieces(Writing),
}

/// The work on the next piece, which gives the writer back.
type Writing = Pin<Box<dyn Future<Output = (Box<dyn Pieces>, Result<Option<Bytes>, Error>)> + Send>>;

/// Writes a body.
#[async_trait]
pub(crate) trait Pieces: Send + 'static {
    /// The next piece, which is not empty; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Error>;
}

impl Body {
    /// One that is written as it is read.
    pub(crate) fn written(pieces: impl Pieces) -> Self {
        Self { ready: Bytes::new(), rest: Rest::Pieces(work_on(Box::new(pieces))) }
    }

    /// The whole text.
    ///
    /// # Errors
    /// When the store fails before the end.
    pub async fn into_bytes(mut self) -> Result<Bytes, Error> {
        let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.next().await? else { return Ok(first) };
        let mut text = Vec::from(first);
        text.extend_from_slice(&second);
        while let Some(piece) = self.next().await? {
            text.extend_from_slice(&piece);
        }
        Ok(text.into())
    }

    /// Writes the beginning, so that what fails there can still be answered with an error, and so that a
    /// short body is whole.
    pub(crate) async fn begin(mut self, enough: usize) -> Result<Self, Error> {
        if matches!(self.rest, Rest::Nothing) {
            return Ok(self);
        }
        let mut text = Vec::new();
        while text.len() < enough
            && let Some(piece) = self.next().await?
        {
            text.extend_from_slice(&piece);
        }
        self.ready = text.into();
        Ok(self)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        poll_fn(|context| self.poll_next(context)).await.transpose()
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        if !self.ready.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.ready))));
        }
        let Rest::Pieces(writing) = &mut self.rest else { return Poll::Ready(None) };
        let (pieces, next) = ready!(writing.as_mut().poll(context));
        self.rest = match next {
            Ok(Some(_)) => Rest::Pieces(work_on(pieces)),
            _ => Rest::Nothing,
        };
        Poll::Ready(next.transpose())
    }
}

fn work_on(mut pieces: Box<dyn Pieces>) -> Writing {
    Box::pin(async move {
        let next = pieces.next().await;
        (pieces, next)
    })
}

impl From<Bytes> for Body {
    fn from(text: Bytes) -> Self {
        Self { ready: text, rest: Rest::Nothing }
    }
}

impl Default for Body {
    fn default() -> Self {
        Bytes::new().into()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let next = ready!(self.poll_next(context));
        if let Some(Err(error)) = &next {
            // The client only sees that the connection breaks.
            let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(kind = ?error.kind(), detail = error.detail(), source, "an answer broke off");
        }
        Poll::Ready(next.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && matches!(self.rest, Rest::Nothing)
    }

    fn size_hint(&self) -> SizeHint {
        let ready = self.ready.len() as u64;
        match self.rest {
            Rest::Nothing => SizeHint::with_exact(ready),
            Rest::Pieces(_) => {
                let mut hint = SizeHint::new();
                hint.set_lower(ready);
                hint
            }
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("ready", &self.ready.len()).finish_non_exhaustive()
    }
}
