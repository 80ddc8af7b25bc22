//! Work that keeps a processor busy for more than some milliseconds, such as making a mail of a long text: beside the
//! threads that answer everybody else, not too much of it at once, and with a deadline.

use std::time::Duration;

use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};
use tracing::Span;

/// Pieces of work at the same time. More would only take the processors from each other.
static PLACES: Semaphore = Semaphore::const_new(4);

/// Pieces of work that are done or wait, at most. Whoever waits may hold a connection to the database, and others need
/// some of these.
static IN_ALL: Semaphore = Semaphore::const_new(8);

/// How long a piece of work may wait for its place, and how long it may take.
const WITHIN: Duration = Duration::from_secs(5);

/// Why a piece of work was not done, or not in time. Trying again later helps.
#[derive(Debug, thiserror::Error)]
pub enum Busy {
    /// Too much waits already, it had to wait for too long, or it took too long.
    #[error("too much is being worked on just now; try again")]
    TooMuch,
    /// It panicked. Tell the operator.
    #[error("the work has failed: {0}")]
    Panicked(#[from] tokio::task::JoinError),
}

/// Does a piece of work whose length is bounded by its input.
///
/// # Errors
/// [`Busy`]. Work that takes too long keeps its place until it has ended.
pub async fn off_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
    let _turn = IN_ALL.try_acquire().map_err(|_| Busy::TooMuch)?;
    let place = timeout(WITHIN, PLACES.acquire()).await.map_err(|_| Busy::TooMuch)?;
    // Nobody closes the semaphore.
    let place = place.map_err(|_| Busy::TooMuch)?;
    // A panic in there is logged in the span of its request.
    let span = Span::current();
    let done = spawn_blocking(move || {
        let _place = place;
        span.in_scope(work)
    });
    timeout(WITHIN, done).await.map_err(|_| Busy::TooMuch)?.map_err(Busy::from)
}
