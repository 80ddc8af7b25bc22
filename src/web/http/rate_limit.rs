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
    Extension,
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use ipnet::IpNet;

use crate::{
    domain::network,
    web::{
        AppState,
        http::{
            client::{Client, Counted},
            cookies,
            problem::Problem,
            route::Matched,
        },
    },
};

/// The time in which an empty bucket is full again.
const MINUTE: Duration = Duration::from_mins(1);

/// Buckets remembered in a generation; there are two. About 5 MB each.
const BUCKETS: usize = 65_536;

/// How many times the requests of one client a likely one may send: its address may stand for others too.
const LIKELY: u32 = 10;
/// How many times the requests of one client all of those may send together of whom only the proxy is known: about as many
/// as can be answered, so that one of them does not so easily shut out the others.
const EVERYBODY: u32 = 250;

/// Whose requests a bucket counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Of {
    Network(IpNet),
    EverybodyBehind(IpAddr),
}

/// The buckets that a request is taken out of, and how many times the requests of one client each of them holds.
fn buckets(counted: Counted) -> Vec<(Of, u32)> {
    let networks = |client, times: u32| {
        let networks = network::around(client).into_iter();
        networks.map(move |network| (Of::Network(network.addresses), network.times * times))
    };
    match counted {
        Counted::One(client) => networks(client, 1).collect(),
        Counted::Likely { client, proxy } => {
            // Who writes a new address each time has no more than everybody has.
            networks(client, LIKELY).chain([(Of::EverybodyBehind(proxy), EVERYBODY)]).collect()
        }
        Counted::Everybody(proxy) | Counted::ThisMachine(proxy) => {
            vec![(Of::EverybodyBehind(proxy), EVERYBODY)]
        }
    }
}

/// A bucket for each client. It holds as many requests as one may send in a minute and fills up evenly.
///
/// Of a bucket it is only known when it will be full again (the generic cell rate algorithm, ITU-T I.371): a request
/// puts that off by what it takes to fill up one. So a client that was idle for a minute can be forgotten. The
/// clients of two minutes are remembered, in two generations; when too many come at once the older one goes early.
/// So memory is bounded whoever asks, and nobody ever looks through all of it.
pub struct RateLimit {
    /// What it takes to fill up one request; nothing is limited when it is not there.
    one: Option<Duration>,
    buckets: Mutex<Buckets>,
}

struct Buckets {
    /// Clients since `begun`, and when their bucket is full.
    young: HashMap<Of, Instant>,
    old: HashMap<Of, Instant>,
    begun: Instant,
}

impl RateLimit {
    /// With so many requests a minute; 0 is no limit.
    pub fn new(requests: u32) -> Self {
        let buckets = Buckets { young: HashMap::new(), old: HashMap::new(), begun: Instant::now() };
        Self { one: (requests > 0).then(|| MINUTE / requests), buckets: Mutex::new(buckets) }
    }

    /// Takes a request out of each of a client's buckets, or out of none.
    ///
    /// # Errors
    /// When there is none in one of them: how long it takes until there is.
    fn take(&self, client: &[(Of, u32)], now: Instant) -> Result<(), Duration> {
        let Some(one) = self.one else { return Ok(()) };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.young.len() >= BUCKETS || now.saturating_duration_since(buckets.begun) >= MINUTE {
            buckets.old = std::mem::take(&mut buckets.young);
            buckets.begun = now;
        }
        let full: Vec<Instant> = client
            .iter()
            .map(|(of, times)| {
                let known = buckets.young.get(of).or_else(|| buckets.old.get(of));
                known.copied().map_or(now, |full| full.max(now)) + one / *times
            })
            .collect();
        let wait = full.iter().filter_map(|full| full.duration_since(now).checked_sub(MINUTE)).max();
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        buckets.young.extend(client.iter().map(|(of, _)| *of).zip(full));
        Ok(())
    }
}

/// Answers 429 to a client that asks too often, before its request's body is read.
pub async fn limit(
    State(state): State<AppState>,
    Extension(Matched { route, .. }): Extension<Matched>,
    request: Request,
    next: Next,
) -> Response {
    if !route.is_counted {
        return next.run(request).await;
    }
    let client = Client::of(request.extensions(), request.headers(), &state.proxies);
    let taken = match client.map(|client| client.counted) {
        None => Ok(()),
        // Whoever is known is not shut out with everybody else.
        Some(Counted::Everybody(_) | Counted::ThisMachine(_))
            if cookies::device(&state, request.headers()).is_some() =>
        {
            Ok(())
        }
        Some(counted) => state.rate_limit.take(&buckets(counted), Instant::now()),
    };
    let Err(wait) = taken else { return next.run(request).await };
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let mut answer = Problem::TooMany.into_response();
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    // The signup box shows what it says, whatever site it stands on: it is the same for everybody.
    answer.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn take(limit: &RateLimit, client: IpAddr, now: Instant) -> Result<(), Duration> {
        limit.take(&buckets(Counted::One(client)), now)
    }

    fn taken(limit: &RateLimit, client: IpAddr, now: Instant) -> usize {
        (0..1_000).take_while(|_| take(limit, client, now).is_ok()).count()
    }

    #[test]
    fn a_bucket_holds_a_minutes_requests_and_fills_up_evenly() {
        let (limit, start) = (RateLimit::new(60), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(taken(&limit, HERE, start), 60);
        assert_eq!(take(&limit, HERE, start), Err(Duration::from_secs(1)));
        assert_eq!(take(&limit, HERE, start + Duration::from_millis(400)), Err(Duration::from_millis(600)));
        assert_eq!(taken(&limit, HERE, after(1)), 1);
        assert_eq!(taken(&limit, HERE, after(11)), 10);
        assert_eq!(taken(&limit, HERE, after(600)), 60, "it holds no more, however long it was left alone");
    }

    #[test]
    fn nobody_pays_for_anybody_else() {
        let (limit, start) = (RateLimit::new(5), Instant::now());
        assert_eq!(taken(&limit, HERE, start), 5);
        assert_eq!(taken(&limit, THERE, start), 5);
    }

    #[test]
    fn who_has_many_networks_of_ipv6_has_not_as_many_times_the_requests() {
        let (limit, start) = (RateLimit::new(5), Instant::now());
        let from = |prefix: u64| IpAddr::from(std::net::Ipv6Addr::from_bits(u128::from(prefix) << 64));
        // 2001:db8:1::/48, one request from each of its /64.
        let first = 0x2001_0db8_0001_0000_u64;
        let of_56 = (0..256).filter(|n| take(&limit, from(first + n), start).is_ok()).count();
        assert_eq!(of_56, 5 * 4);
        let of_48 = (0..65_536).filter(|n| take(&limit, from(first + n), start).is_ok()).count();
        assert_eq!(of_56 + of_48, 5 * 16);
        assert!(take(&limit, from(first + 0x1_0000), start).is_ok(), "the neighbour");
    }

    #[test]
    fn who_writes_another_address_each_time_has_what_everybody_has() {
        let (limit, start) = (RateLimit::new(1), Instant::now());
        let likely = |n: u32| Counted::Likely { client: IpAddr::from(n.to_be_bytes()), proxy: HERE };
        let same = (0..100).filter(|_| limit.take(&buckets(likely(1)), start).is_ok()).count();
        assert_eq!(same, 10);
        let others = (2..1_000).filter(|n| limit.take(&buckets(likely(*n)), start).is_ok()).count();
        assert_eq!(same + others, 250);
        assert!(limit.take(&buckets(Counted::Everybody(HERE)), start).is_err());
        assert!(take(&limit, HERE, start).is_ok(), "the proxy's own machine is somebody else");
    }

    #[test]
    fn zero_is_no_limit() {
        assert_eq!(taken(&RateLimit::new(0), HERE, Instant::now()), 1_000);
    }

    #[test]
    fn who_asks_on_and_on_is_not_forgotten() {
        let (limit, start) = (RateLimit::new(60), Instant::now());
        let taken =
            (0..3_000).filter(|n| take(&limit, HERE, start + Duration::from_millis(100 * n)).is_ok()).count();
        assert_eq!(taken, 60 + 299, "a bucket, and one a second for five minutes");
    }

    #[test]
    fn idle_clients_are_forgotten_and_many_take_no_more_room_than_there_is() {
        let (limit, start) = (RateLimit::new(1), Instant::now());
        let remembered = || {
            let buckets = limit.buckets.lock().unwrap();
            buckets.young.len() + buckets.old.len()
        };
        for number in 0..300_000_u32 {
            take(&limit, IpAddr::from(number.to_be_bytes()), start).unwrap();
        }
        assert!(remembered() <= 2 * BUCKETS, "{}", remembered());
        for minutes in 1..=2 {
            take(&limit, HERE, start + MINUTE * minutes).unwrap();
        }
        assert_eq!(remembered(), 2, "the one that asked in each minute");
    }
}
