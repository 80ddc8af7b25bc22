//! A form of which one part may be long: a file that its handler takes piece by piece. Nothing else of the body may be: a
//! reader of multipart forms keeps whatever is not a part's content, such as what stands before the first boundary or the
//! head of a part, until its end has come.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
};
use hyper::body::Frame;

/// Bytes that may have come beyond those of the long part, at most: other fields, heads, and what is just being read.
pub const BESIDE: usize = 1024 * 1024;

/// Bytes that are handed over before whoever reads them gets to do something with them.
const AT_ONCE: usize = 256 * 1024;

/// Counts what has come of a body and is not known to be the long part's.
pub struct LongPart(Arc<AtomicUsize>);

impl LongPart {
    /// Counts the body of a request. It breaks off when too much has come that is not of the long part.
    pub fn of(request: Request) -> (Request, Self) {
        let beside = Arc::new(AtomicUsize::new(0));
        let part = Self(Arc::clone(&beside));
        let counted = |body| Body::new(Counted { body, beside, at_once: 0 });
        (request.map(counted), part)
    }

    /// So many bytes were the long part's.
    pub fn took(&self, bytes: usize) {
        let less = |beside: usize| Some(beside.saturating_sub(bytes));
        // The closure never refuses.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

struct Counted {
    body: Body,
    beside: Arc<AtomicUsize>,
    /// Bytes since somebody had time for something else.
    at_once: usize,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.at_once >= AT_ONCE {
            self.at_once = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) else {
            return Poll::Ready(None);
        };
        let frame = frame?;
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        self.at_once += bytes;
        if self.beside.fetch_add(bytes, Ordering::Relaxed) + bytes > BESIDE {
            let error = io::Error::other("too much beside the file");
            return Poll::Ready(Some(Err(error.into())));
        }
        Poll::Ready(Some(Ok(frame)))
    }
}
