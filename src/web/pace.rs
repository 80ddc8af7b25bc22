//! How often one client may ask: a token bucket for each, so that none of them keeps the service from the others.
//!
//! It guards the server, and no mailbox: what mails signups may cause is limited where they are made. Each process
//! counts for itself.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{AppState, client::Client, problem::Problem};

/// The time in which an empty bucket is full again.
const MINUTE: Duration = Duration::from_mins(1);

/// Clients remembered in a generation; there are two. About 5 MB each.
const CLIENTS: usize = 65_536;

/// A bucket for each client. It holds as many requests as one may send in a minute and fills up evenly.
///
/// Of a bucket it is only known when it will be full again (the generic cell rate algorithm, ITU-T I.371): a request
/// puts that off by what it takes to fill up one. So a client that was idle for a minute can be forgotten. The
/// clients of two minutes are remembered, in two generations; when too many come at once the older one goes early.
/// So memory is bounded whoever asks, and nobody ever looks through all of it.
pub struct Pace {
    /// What it takes to fill up one request; nothing is limited when it is not there.
    one: Option<Duration>,
    buckets: Mutex<Buckets>,
}

struct Buckets {
    /// Clients since `begun`, and when their bucket is full.
    young: HashMap<IpAddr, Instant>,
    old: HashMap<IpAddr, Instant>,
    begun: Instant,
}

impl Pace {
    /// With so many requests a minute; 0 is no limit.
    pub fn new(requests: u32) -> Self {
        let buckets = Buckets { young: HashMap::new(), old: HashMap::new(), begun: Instant::now() };
        Self { one: (requests > 0).then(|| MINUTE / requests), buckets: Mutex::new(buckets) }
    }

    /// Takes a request out of a client's bucket.
    ///
    /// # Errors
    /// When there is none in it: how long it takes until there is.
    fn take(&self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        let Some(one) = self.one else { return Ok(()) };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.young.len() >= CLIENTS || now.saturating_duration_since(buckets.begun) >= MINUTE {
            buckets.old = std::mem::take(&mut buckets.young);
            buckets.begun = now;
        }
        let known = buckets.young.get(&client).or_else(|| buckets.old.get(&client));
        let full = known.copied().map_or(now, |full| full.max(now)) + one;
        match full.duration_since(now).checked_sub(MINUTE) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                buckets.young.insert(client, full);
                Ok(())
            }
        }
    }
}

/// Answers 429 to a client that asks too often, before its request's body is read. Clients that cannot be told apart
/// are not counted.
pub async fn keep(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if is_free(request.uri().path()) {
        return next.run(request).await;
    }
    let client = Client::of(request.extensions(), request.headers(), &state.trusted_proxies);
    let network = client.and_then(Client::to_count).map(Client::network);
    let taken = network.map_or(Ok(()), |network| state.pace.take(network, Instant::now()));
    let Err(wait) = taken else { return next.run(request).await };
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let mut answer = Problem::TooMany.into_response();
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    // The signup box shows what it says, whatever site it stands on: it is the same for everybody.
    answer.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    answer
}

/// What nobody is kept from: leaving, which mail providers do for many people from few addresses, and what a page needs
/// or a mail needs to be read: webmail fetches the pictures of many people's mails from few addresses. Health checks are not asked at all.
fn is_free(path: &str) -> bool {
    ["/unsubscribe/", "/resubscribe/", "/manage/", "/left/", "/assets/", "/images/"]
        .iter()
        .any(|free| path.starts_with(free))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn taken(pace: &Pace, client: IpAddr, now: Instant) -> usize {
        (0..1_000).take_while(|_| pace.take(client, now).is_ok()).count()
    }

    #[test]
    fn a_bucket_holds_a_minutes_requests_and_fills_up_evenly() {
        let (pace, start) = (Pace::new(60), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(taken(&pace, HERE, start), 60);
        assert_eq!(pace.take(HERE, start), Err(Duration::from_secs(1)));
        assert_eq!(pace.take(HERE, start + Duration::from_millis(400)), Err(Duration::from_millis(600)));
        assert_eq!(taken(&pace, HERE, after(1)), 1);
        assert_eq!(taken(&pace, HERE, after(11)), 10);
        assert_eq!(taken(&pace, HERE, after(600)), 60, "it holds no more, however long it was left alone");
    }

    #[test]
    fn nobody_pays_for_anybody_else() {
        let (pace, start) = (Pace::new(5), Instant::now());
        assert_eq!(taken(&pace, HERE, start), 5);
        assert_eq!(taken(&pace, THERE, start), 5);
    }

    #[test]
    fn zero_is_no_limit() {
        assert_eq!(taken(&Pace::new(0), HERE, Instant::now()), 1_000);
    }

    #[test]
    fn who_asks_on_and_on_is_not_forgotten() {
        let (pace, start) = (Pace::new(60), Instant::now());
        let taken =
            (0..3_000).filter(|n| pace.take(HERE, start + Duration::from_millis(100 * n)).is_ok()).count();
        assert_eq!(taken, 60 + 299, "a bucket, and one a second for five minutes");
    }

    #[test]
    fn idle_clients_are_forgotten_and_many_take_no_more_room_than_there_is() {
        let (pace, start) = (Pace::new(1), Instant::now());
        let remembered = || {
            let buckets = pace.buckets.lock().unwrap();
            buckets.young.len() + buckets.old.len()
        };
        for number in 0..300_000_u32 {
            pace.take(IpAddr::from(number.to_be_bytes()), start).unwrap();
        }
        assert!(remembered() <= 2 * CLIENTS, "{}", remembered());
        for minutes in 1..=2 {
            pace.take(HERE, start + MINUTE * minutes).unwrap();
        }
        assert_eq!(remembered(), 2, "the one that asked in each minute");
    }
}
