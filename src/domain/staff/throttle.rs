//! Throttle: how guessing at passwords and codes is slowed down, and nobody is locked out for good.
//!
//! | attempts are counted | at once | then |
//! |---|---|---|
//! | for the account, known or not | 6 | 15 s, 30 s, 1 min … 15 min between two |
//! | for the network they come from: an IPv4 address, a /64 of IPv6 | 31 | the same |
//! | for the /56 and the /48 of IPv6 around it | 121, 481 | the same |
//! | for a device that logged in before | 6 | the same, in the place of all others |
//!
//! Each attempt is counted before it is looked at, so a hundred at the same moment are a hundred; a success takes its own
//! count back. A day without attempts forgets them all.
//!
//! Whoever guesses at an account makes everybody wait who does it from an unknown browser, its owner too. That is why a
//! [`Device`] counts for itself: the owner gets in from there, whatever others do. And a one-time link does not wait; asking for
//! one by mail is counted like an attempt, beside those at the password.

use std::net::IpAddr;

use chrono::{DateTime, Duration, Utc};
use ipnet::IpNet;
use sqlx::PgConnection;

use crate::{
    config::SecretKeys,
    domain::{network, staff::secret::Device},
};

/// Attempts for one account, or from one device, after which the next may still come at once.
const FREE_FOR_ACCOUNT: i32 = 5;
/// The same for attempts from one network: an office has one address.
const FREE_FOR_PLACE: i32 = 30;
/// The first wait; each one after is twice as long.
const FIRST_WAIT: Duration = Duration::seconds(15);
/// The longest.
const LONGEST_WAIT: Duration = Duration::minutes(15);
/// After so long without an attempt nothing is counted any more.
const FORGOTTEN_AFTER: Duration = Duration::hours(24);

/// The wait after this many attempts.
fn wait_after(attempts: i32, free: i32) -> Duration {
    let over = attempts - free;
    if over <= 0 {
        return Duration::zero();
    }
    (FIRST_WAIT * (1 << (over - 1).min(10))).min(LONGEST_WAIT)
}

/// Who tries to log in.
#[derive(Debug, Clone, Copy)]
pub struct Trying<'a> {
    /// The address that was typed, in lower case; whether it is anybody's does not matter.
    pub account: &'a str,
    /// The device, when it is this account's own.
    pub device: Option<&'a Device>,
    /// Where from, where that can be told.
    pub place: Option<IpAddr>,
}

/// An attempt that was counted and may be looked at.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The account's or the device's count.
    account: [u8; 32],
    networks: Vec<[u8; 32]>,
    /// If it fails, the next one has to wait, for the first time.
    pub begins_to_hold: bool,
}

/// Whether an attempt may be looked at.
#[derive(Debug, Clone)]
pub enum Admission {
    /// It may.
    Go(Attempt),
    /// Not before this moment.
    WaitUntil(DateTime<Utc>),
}

/// Counts an attempt. In a transaction of its own, which is committed before the attempt is looked at.
pub async fn admit(
    db: &mut PgConnection,
    keys: &SecretKeys,
    trying: Trying<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<Admission> {
    let account = match trying.device {
        Some(device) => keys.sign("staff throttle device", device.nonce()),
        None => keys.sign("staff throttle account", trying.account.as_bytes()),
    };
    let networks = match trying.place.filter(|_| trying.device.is_none()) {
        Some(address) => network::around(address),
        None => Vec::new(),
    };
    // All of them are looked at before one is counted: what is refused does not count. Always in this order, the account
    // and then from the smallest network to the largest, so that two of them never wait for each other.
    let for_account = count(&mut *db, &account, now).await?;
    let mut until = for_account.blocked_until;
    let mut for_networks = Vec::new();
    for network in networks {
        let bucket = bucket_of(keys, network.addresses);
        let count = count(&mut *db, &bucket, now).await?;
        until = until.max(count.blocked_until);
        for_networks.push((bucket, count.attempts, FREE_FOR_PLACE * network.times.cast_signed()));
    }
    if let Some(until) = until {
        return Ok(Admission::WaitUntil(until));
    }
    let attempts = for_account.attempts + 1;
    store(&mut *db, &account, attempts, FREE_FOR_ACCOUNT, now).await?;
    for (bucket, attempts, free) in &for_networks {
        store(&mut *db, bucket, attempts + 1, *free, now).await?;
    }
    let networks = for_networks.into_iter().map(|(bucket, ..)| bucket).collect();
    Ok(Admission::Go(Attempt { account, networks, begins_to_hold: attempts == FREE_FOR_ACCOUNT + 1 }))
}

/// Takes the counts of a success back: the account's altogether, each network's by one.
pub async fn succeeded(db: &mut PgConnection, attempt: &Attempt, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!("delete from staff_login_throttle where bucket = $1", attempt.account.as_slice())
        .execute(&mut *db)
        .await?;
    password_was_right(db, attempt, now).await
}

/// Takes back what the networks were counted for a right password; the account's count stays until the code was right too.
pub async fn password_was_right(
    db: &mut PgConnection,
    attempt: &Attempt,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    // One after the other, in the order in which they are counted.
    for network in &attempt.networks {
        sqlx::query!(
            "update staff_login_throttle set failures = greatest(failures - 1, 0), blocked_until = $2 where bucket = $1",
            network.as_slice(),
            now
        )
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// Mails with one-time links that may be asked for in an hour, in all.
const LINKS_AN_HOUR: i32 = 200;

/// Counts a mail with a one-time link among all of this hour. Answers when the next one may be asked for, where that is one
/// too many; a caller that goes no further then leaves no count behind.
pub async fn admit_link_in_all(
    db: &mut PgConnection,
    keys: &SecretKeys,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<DateTime<Utc>>> {
    let hour = now.timestamp().div_euclid(3_600);
    let bucket = keys.sign("staff links of an hour", &hour.to_be_bytes());
    let asked = sqlx::query_scalar!(
        "insert into staff_login_throttle (bucket, failures, last_at, blocked_until) values ($1, 1, $2, $2)
         on conflict (bucket) do update set failures = staff_login_throttle.failures + 1, last_at = $2
         returning failures",
        bucket.as_slice(),
        now
    )
    .fetch_one(db)
    .await?;
    let next = DateTime::from_timestamp((hour + 1) * 3_600, 0);
    Ok(next.filter(|_| asked > LINKS_AN_HOUR))
}

struct Count {
    attempts: i32,
    blocked_until: Option<DateTime<Utc>>,
}

/// The count of a bucket, kept from changing until the transaction ends.
async fn count(db: &mut PgConnection, bucket: &[u8; 32], now: DateTime<Utc>) -> sqlx::Result<Count> {
    // The update changes nothing but locks the row, also one that a success removes at this moment.
    let row = sqlx::query!(
        "insert into staff_login_throttle (bucket, failures, last_at, blocked_until) values ($1, 0, $2, $2)
         on conflict (bucket) do update set failures = staff_login_throttle.failures
         returning failures, last_at, blocked_until",
        bucket.as_slice(),
        now
    )
    .fetch_one(db)
    .await?;
    if row.last_at <= now - FORGOTTEN_AFTER {
        return Ok(Count { attempts: 0, blocked_until: None });
    }
    Ok(Count { attempts: row.failures, blocked_until: Some(row.blocked_until).filter(|until| *until > now) })
}

async fn store(
    db: &mut PgConnection,
    bucket: &[u8; 32],
    attempts: i32,
    free: i32,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update staff_login_throttle set failures = $2, last_at = $3, blocked_until = $4 where bucket = $1",
        bucket.as_slice(),
        attempts,
        now,
        now + wait_after(attempts, free)
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The bucket of a network. Networks of different size have addresses of different length in it.
fn bucket_of(keys: &SecretKeys, network: IpNet) -> [u8; 32] {
    let bytes = usize::from(network.prefix_len() / 8);
    match network.addr() {
        IpAddr::V4(v4) => keys.sign("staff throttle place", &v4.octets()[..bytes]),
        IpAddr::V6(v6) => keys.sign("staff throttle place", &v6.octets()[..bytes]),
    }
}

/// Removes counts that count no more; answers how many.
pub async fn forget(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let removed = sqlx::query!("delete from staff_login_throttle where last_at <= $1", now - FORGOTTEN_AFTER)
        .execute(db)
        .await?;
    Ok(removed.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_never_exceed_a_quarter_of_an_hour() {
        let waits: Vec<i64> = (5..=13).map(|attempts| wait_after(attempts, 5).num_seconds()).collect();
        assert_eq!(waits, [0, 15, 30, 60, 120, 240, 480, 900, 900]);
        assert_eq!(wait_after(i32::MAX, 5), LONGEST_WAIT);
    }
}
