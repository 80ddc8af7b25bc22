//! What came back of a mailing: how much of which kind, and which providers refused it because of us.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{bounce::BounceKind, ids::MailingId, provider};

/// How much came back of a mailing, each copy once for each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CameBack {
    pub hard: i64,
    pub soft: i64,
    pub complaints: i64,
    /// Nobody could tell what they say.
    pub unrecognised: i64,
    /// Refused because of what was sent or who sent it, the most frequent first.
    pub refusals: Vec<ProviderRefusals>,
}

impl CameBack {
    /// Nothing came back that anybody would have to know.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Refusals because of us, by one provider with the same words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderRefusals {
    /// Such as `GMX`, or the domain of the addresses.
    pub provider: String,
    /// What it said, without addresses, links and queue ids.
    pub said: String,
    pub count: i64,
}

/// Groups that are told of.
const MOST: usize = 20;

/// What came back of a mailing.
pub async fn came_back(db: &mut PgConnection, id: MailingId) -> sqlx::Result<CameBack> {
    let rows = sqlx::query!(
        r#"select kind as "kind: BounceKind", count(distinct delivery_id) as "count!"
           from bounces where mailing_id = $1 and way = 'report' group by kind"#,
        id.0
    )
    .fetch_all(&mut *db)
    .await?;
    let of = |kind| rows.iter().find(|row| row.kind == kind).map_or(0, |row| row.count);
    Ok(CameBack {
        hard: of(BounceKind::Hard),
        soft: of(BounceKind::Soft),
        complaints: of(BounceKind::Complaint),
        unrecognised: of(BounceKind::Unrecognised),
        refusals: refusals(db, id).await?,
    })
}

/// Refusals that are looked at, at most: a page is shown while others wait.
const LOOKED_AT: i64 = 5_000;

/// Refusals because of us that came back later, each copy once, with its newest words. What the relay refused at once stands
/// among what it refused.
async fn refusals(db: &mut PgConnection, id: MailingId) -> sqlx::Result<Vec<ProviderRefusals>> {
    let rows = sqlx::query!(
        r#"with refused as (
               select distinct on (delivery_id) delivery_id, subscriber_id, remote_mta,
                 coalesce(diagnostic, '550 ' || status, '') as said
               from (select * from bounces where mailing_id = $1 and kind = 'policy' and way = 'report'
                     order by id desc limit $2) newest
               order by delivery_id, id desc)
           select lower(split_part(s.email, '@', 2)) as domain, r.remote_mta,
             -- As in the list of what was refused at once: what is different in each reply would make a group of each.
             regexp_replace(r.said, '[^\s<>]+@[^\s<>]+|https?://\S+|\m(?=\w*\d)\w{8,}\M|[^\s<>]*…[^\s<>]*', '…', 'g')
                 as "said!",
             count(*) as "count!"
           from refused r left join subscribers s on s.id = r.subscriber_id
           group by 1, 2, 3"#,
        id.0,
        LOOKED_AT
    )
    .fetch_all(db)
    .await?;
    let mut counts: BTreeMap<(String, String), i64> = BTreeMap::new();
    for row in rows {
        let provider = provider::name(row.domain.as_deref(), row.remote_mta.as_deref());
        *counts.entry((provider, row.said)).or_default() += row.count;
    }
    let mut groups: Vec<_> = counts
        .into_iter()
        .map(|((provider, said), count)| ProviderRefusals { provider, said, count })
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups.truncate(MOST);
    Ok(groups)
}

/// A provider that refuses us lately, and how many mails, the newest mailing among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusing {
    pub provider: String,
    pub count: i64,
    pub mailing: Option<MailingId>,
}

/// Providers that have refused at least so many mails since then because of us, the most frequent first.
pub async fn refusing(
    db: &mut PgConnection,
    since: DateTime<Utc>,
    at_least: i64,
) -> sqlx::Result<Vec<Refusing>> {
    let rows = sqlx::query!(
        r#"with refused as (
               select distinct on (delivery_id) delivery_id, subscriber_id, mailing_id, remote_mta, received_at
               from (select * from bounces where received_at >= $1 and kind = 'policy'
                     order by received_at desc limit $2) newest
               order by delivery_id, received_at desc)
           select lower(split_part(s.email, '@', 2)) as domain, r.remote_mta, count(*) as "count!",
             (array_agg(r.mailing_id order by r.received_at desc) filter (where r.mailing_id is not null))[1]
                 as "mailing?: MailingId"
           from refused r left join subscribers s on s.id = r.subscriber_id
           group by 1, 2 order by 3 desc"#,
        since,
        LOOKED_AT
    )
    .fetch_all(db)
    .await?;
    // With the mailing of the most frequent row, which comes first.
    let mut counts: BTreeMap<String, (i64, Option<MailingId>)> = BTreeMap::new();
    for row in rows {
        let provider = provider::name(row.domain.as_deref(), row.remote_mta.as_deref());
        counts.entry(provider).or_insert((0, row.mailing)).0 += row.count;
    }
    let mut all: Vec<_> = counts
        .into_iter()
        .map(|(provider, (count, mailing))| Refusing { provider, count, mailing })
        .filter(|refusing| refusing.count >= at_least)
        .collect();
    all.sort_by_key(|refusing| std::cmp::Reverse(refusing.count));
    Ok(all)
}
