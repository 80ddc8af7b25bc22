//! Answers that are made while they are sent: a file too large to hold, news as they come.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use hyper::body::Frame;
use tokio::sync::mpsc;

/// Where the pieces of such an answer go. When it is dropped, the answer is complete; an error breaks it off, so that
/// nobody takes half of it for the whole.
pub type Pieces = mpsc::Sender<io::Result<Bytes>>;

/// A body whose pieces come later, and room for so many of them that nobody has read yet.
pub fn later(room: usize) -> (Pieces, Body) {
    let (sender, receiver) = mpsc::channel(room);
    (sender, Body::new(Later(receiver)))
}

struct Later(mpsc::Receiver<io::Result<Bytes>>);

impl hyper::body::Body for Later {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
