//! Limits: how many mails signups may cause, so that the form is no tool against other people's mailboxes.
//!
//! Counting happens when a signup's mail is made, in the database, and only what came *before* the signup counts. So
//! the decision about a signup is the same whichever process asks, however often, and the form's answer does not depend
//! on it (invariant 4).

use std::net::{IpAddr, Ipv6Addr};

use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

use crate::{
    config::{SecretKeys, SignupLimits},
    domain::{
        address::mailbox,
        ids::DeliveryId,
        signup::{
            held::{self, HeldFor},
            state::Signup,
        },
    },
};

/// The time in which signups from one network are counted.
const WINDOW: Duration = Duration::hours(1);

/// How long the network of a signup is kept: the window, and some time to look at it.
pub const NETWORK_KEPT_FOR: Duration = Duration::hours(2);

/// The network a form came from, as keyed hashes: they recognise a repetition and give no address away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientNetwork {
    /// HMAC of the IPv4 address, or of the IPv6 address's /64: what one household or server has.
    pub client: [u8; 16],
    /// HMAC of the /24 (IPv4) or the /48 (IPv6): what one organisation has.
    pub range: [u8; 16],
    /// Whom it stands for.
    pub of: NetworkOf,
}

/// Whom a [`ClientNetwork`] stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkOf {
    /// One visitor.
    Visitor,
    /// Most likely one visitor, perhaps more.
    LikelyVisitor,
    /// Everybody of whom no more is known than the proxy they come through.
    Everybody,
}

/// How many times the limits of one visitor a network has that may stand for many people: none of them is to go without
/// their mail because of the others.
pub const SHARED: u32 = 10;

impl NetworkOf {
    /// Whether it may stand for many, so that mails are held from [`SHARED`] times the limit on.
    #[must_use]
    pub fn is_shared(self) -> bool {
        self != Self::Visitor
    }

    /// How many times as many signups it takes until a proof of work is asked for.
    #[must_use]
    pub fn patience(self) -> u32 {
        if self == Self::Everybody { SHARED } else { 1 }
    }
}

impl ClientNetwork {
    /// The network of an IP address, under the newest key.
    #[must_use]
    pub fn of(keys: &SecretKeys, address: IpAddr) -> Self {
        let (client, range) = match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                (v4.octets().to_vec(), vec![a, b, c])
            }
            IpAddr::V6(v6) => (leading(v6, 8), leading(v6, 6)),
        };
        let (client, range) = (hmac(keys, "signup client", &client), hmac(keys, "signup range", &range));
        Self { client, range, of: NetworkOf::Visitor }
    }

    /// The same for an address that is likely the visitor's.
    #[must_use]
    pub fn likely(keys: &SecretKeys, address: IpAddr) -> Self {
        Self { of: NetworkOf::LikelyVisitor, ..Self::of(keys, address) }
    }

    /// The network of everybody who comes through this proxy and of whom no more is known.
    #[must_use]
    pub fn of_everybody(keys: &SecretKeys, proxy: IpAddr) -> Self {
        let all = hmac(keys, "signup proxy", proxy.to_canonical().to_string().as_bytes());
        Self { client: all, range: all, of: NetworkOf::Everybody }
    }
}

fn hmac(keys: &SecretKeys, purpose: &str, bytes: &[u8]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&keys.sign(purpose, bytes)[..16]);
    short
}

fn leading(address: Ipv6Addr, bytes: usize) -> Vec<u8> {
    address.octets()[..bytes].to_vec()
}

/// What is to become of a signup's mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may go.
    Send,
    /// Another mail does what it would do; why, for the record. The visitor was told that this one counts.
    NotNeeded(&'static str),
    /// It is more than a limit allows. It waits until staff decide.
    Hold(HeldFor),
}

/// Looks whether the mail of a signup may go, and writes down when it may not. `delivery` is that mail.
///
/// Each count stops at its limit, so a flood of any size costs no more than the limit does. What was turned away for its
/// mailbox or network does not count for its mail domain and in all. Of the signups of one mailbox, one is held.
pub async fn check(
    db: &mut PgConnection,
    limits: &SignupLimits,
    signup: &Signup,
    delivery: DeliveryId,
    now: DateTime<Utc>,
) -> sqlx::Result<Decision> {
    let mailbox = mailbox::of(&signup.email.normalized());
    let mut verdict = judge(&mut *db, limits, signup, &mailbox, delivery).await?;
    let counts_for_others =
        matches!(verdict, Decision::Send | Decision::Hold(HeldFor::Domain | HeldFor::All));
    if matches!(verdict, Decision::Hold(_)) && held::is_mailbox_held(&mut *db, &mailbox, delivery).await? {
        verdict = Decision::NotNeeded("an earlier signup of this mailbox waits for staff");
    }
    if !counts_for_others {
        sqlx::query!("update signups set turned_away_at = $2 where id = $1", signup.id.0, now)
            .execute(db)
            .await?;
    }
    Ok(verdict)
}

async fn judge(
    db: &mut PgConnection,
    limits: &SignupLimits,
    signup: &Signup,
    mailbox: &str,
    delivery: DeliveryId,
) -> sqlx::Result<Decision> {
    let mails = mails_before(db, limits, signup, mailbox, delivery).await?;
    if mails.moments_ago > 0 {
        return Ok(Decision::NotNeeded("a mail went to this address moments ago"));
    }
    let before = signups_before(db, limits, signup).await?;
    if before.released {
        return Ok(Decision::Send);
    }
    Ok(if over(mails.day, limits.mails_a_day) || over(mails.week, limits.mails_a_week) {
        Decision::Hold(HeldFor::Mailbox)
    } else if over(before.client, limits.per_client * before.times())
        || over(before.range, limits.per_range * before.times())
    {
        Decision::Hold(HeldFor::Network)
    } else if over(before.domain, limits.per_domain) {
        Decision::Hold(HeldFor::Domain)
    } else if over(before.all, limits.in_all) {
        Decision::Hold(HeldFor::All)
    } else {
        Decision::Send
    })
}

/// Whether a count has come to its limit; 0 is no limit.
fn over(count: i64, limit: u32) -> bool {
    limit > 0 && count >= i64::from(limit)
}

/// Mails that answered earlier signups of the same mailbox, or are about to. What the relay refused, what was skipped and
/// what is held was never sent.
struct Mails {
    /// Within the minutes of a repeat: sent, or certain to be. Where nobody knows whether the relay took it, a second one
    /// may go.
    moments_ago: i64,
    day: i64,
    week: i64,
}

async fn mails_before(
    db: &mut PgConnection,
    limits: &SignupLimits,
    signup: &Signup,
    mailbox: &str,
    delivery: DeliveryId,
) -> sqlx::Result<Mails> {
    let at = signup.requested_at;
    let moments_ago = at - Duration::minutes(limits.repeat_minutes.into());
    sqlx::query_as!(
        Mails,
        r#"select
             -- Whoever has confirmed, and left, and comes back, repeats nothing.
             -- And an earlier mail of the same signup is repeated because staff want it so.
             count(*) filter (where g.requested_at > $4 and g.state = 'waiting' and d.state <> 'unknown' and g.id <> $6)
                 as "moments_ago!",
             count(*) filter (where g.requested_at > $3::timestamptz - interval '1 day') as "day!",
             count(*) as "week!"
           from signups g join deliveries d on d.signup_id = g.id
           where coalesce(g.mailbox, g.email_normalized) = $1
             and d.kind = 'confirmation' and d.id < $2 and d.state not in ('skipped', 'rejected')
             and (d.smtp_text is null or d.smtp_text <> all($5))
             and g.requested_at > $3::timestamptz - interval '7 days'"#,
        mailbox,
        delivery.0,
        at,
        moments_ago,
        &HeldFor::texts(None),
        signup.id.0
    )
    .fetch_one(db)
    .await
}

/// Earlier signups within the hour, each counted up to its limit.
struct Signups {
    client: i64,
    range: i64,
    domain: i64,
    all: i64,
    is_shared: bool,
    released: bool,
}

impl Signups {
    /// How many times the limits of a network count here.
    fn times(&self) -> u32 {
        if self.is_shared { SHARED } else { 1 }
    }
}

async fn signups_before(
    db: &mut PgConnection,
    limits: &SignupLimits,
    signup: &Signup,
) -> sqlx::Result<Signups> {
    sqlx::query_as!(
        Signups,
        r#"select
             (select count(*) from (
                 select from signups g where g.client_hmac = s.client_hmac
                   and g.requested_at > $2 and (g.requested_at, g.id) < (s.requested_at, s.id)
                 limit case when s.place_is_shared then $3 * $7::bigint else $3 end) c) as "client!",
             (select count(*) from (
                 select from signups g where g.range_hmac = s.range_hmac
                   and g.requested_at > $2 and (g.requested_at, g.id) < (s.requested_at, s.id)
                 limit case when s.place_is_shared then $4 * $7::bigint else $4 end) c) as "range!",
             (select count(*) from (
                 select from signups g
                 where substring(g.email_normalized from '[^@]*$') = substring(s.email_normalized from '[^@]*$')
                   and g.turned_away_at is null and g.requested_at > $2 and (g.requested_at, g.id) < (s.requested_at, s.id) limit $5) c) as "domain!",
             (select count(*) from (
                 select from signups g
                 where g.turned_away_at is null and g.requested_at > $2
                   and (g.requested_at, g.id) < (s.requested_at, s.id) limit $6) c) as "all!",
             s.place_is_shared as is_shared,
             s.released_at is not null as "released!"
           from signups s where s.id = $1"#,
        signup.id.0,
        signup.requested_at - WINDOW,
        i64::from(limits.per_client),
        i64::from(limits.per_range),
        i64::from(limits.per_domain),
        i64::from(limits.in_all),
        i64::from(SHARED)
    )
    .fetch_one(db)
    .await
}

/// Forgets where signups came from whose time is over. Answers how many there were.
pub async fn forget_places(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let forgotten = sqlx::query!(
        "update signups set client_hmac = null, range_hmac = null
         where requested_at < $1 and (client_hmac is not null or range_hmac is not null)",
        now - NETWORK_KEPT_FOR
    )
    .execute(db)
    .await?;
    Ok(forgotten.rows_affected())
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;

    fn place(address: &str) -> ClientNetwork {
        let keys = SecretKeys::parse(&STANDARD.encode([3; 32])).unwrap();
        ClientNetwork::of(&keys, address.parse().unwrap())
    }

    #[test]
    fn an_ipv4_address_is_a_client_and_its_24_a_range() {
        let (one, near, far) = (place("192.0.2.1"), place("192.0.2.200"), place("192.0.3.1"));
        assert_ne!(one.client, near.client);
        assert_eq!(one.range, near.range);
        assert_ne!(one.range, far.range);
        assert_eq!(one, place("::ffff:192.0.2.1"));
    }

    #[test]
    fn everybody_behind_a_proxy_is_not_the_proxy() {
        let keys = SecretKeys::parse(&STANDARD.encode([3; 32])).unwrap();
        let proxy = "192.0.2.1".parse().unwrap();
        let everybody = ClientNetwork::of_everybody(&keys, proxy);
        assert_ne!(everybody.client, ClientNetwork::of(&keys, proxy).client);
        assert_ne!(everybody.range, ClientNetwork::of(&keys, proxy).range);
        assert_eq!(ClientNetwork::likely(&keys, proxy).client, ClientNetwork::of(&keys, proxy).client);
    }

    #[test]
    fn an_ipv6_64_is_a_client_and_its_48_a_range() {
        let (one, same) = (place("2001:db8:1:2::1"), place("2001:db8:1:2:ffff::9"));
        assert_eq!(one, same);
        let neighbour = place("2001:db8:1:3::1");
        assert_ne!(one.client, neighbour.client);
        assert_eq!(one.range, neighbour.range);
        assert_ne!(one.range, place("2001:db8:2:2::1").range);
    }
}
