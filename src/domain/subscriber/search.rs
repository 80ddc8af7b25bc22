//! Finding subscribers: by the beginning of what was typed, by state, by when they confirmed; page by page.
//!
//! What is typed is looked for at three places, each with an index in the order that is shown
//! (`migrations/0016_subscribers_pages.sql`): at the beginning of the address, of the last part of its name
//! (`mia.krause@…`), and of its domain. From each as many entries are read as a page has, so it does not matter how many
//! there are. Of a million subscribers, for "g", which 265,000 of them answer to (`PostgreSQL` 15):
//!
//! ```text
//! Limit (actual time=0.244..0.256 rows=51)   Buffers: shared hit=18 read=3
//!   Sort Key: rank, key, email_normalized    Sort Method: top-N heapsort  Memory: 38kB
//!     Append (rows=153)
//!       Limit → Index Only Scan using subscribers_by_address    (rows=51)  Heap Fetches: 0
//!       Limit → Index Only Scan using subscribers_by_last_name  (rows=51)  Heap Fetches: 0
//!       Limit → Index Only Scan using subscribers_by_domain     (rows=51)  Heap Fetches: 0
//! Execution Time: 1.5 ms, with the rows of the 51 themselves
//! ```
//!
//! Filters stand in these indexes too: where they let nobody of those 265,000 through, it is 52 ms. Without a text, the
//! newest come first, by `subscribers_by_time` or `subscribers_by_state`.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::ids::SubscriberId;

use super::{Subscriber, SubscriberState};

/// What is looked for. Everything that is not said lets everybody through.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// What was typed.
    pub text: Needle,
    /// In this state.
    pub state: Option<SubscriberState>,
    /// Confirmed at this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Confirmed before this moment.
    pub to: Option<DateTime<Utc>>,
}

/// The beginning of an address, of a last name in it, or of its domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needle(String);

impl Needle {
    /// What somebody typed, as addresses are stored: in lower case, a domain outside ASCII as A-labels. Of several words
    /// the address among them counts, or else the last name; no character has a meaning of its own.
    #[must_use]
    pub fn parse(typed: &str) -> Self {
        let typed = one_word(typed);
        let typed = typed.trim().trim_start_matches('@').chars();
        // No address has a control character, and no database takes a zero.
        let typed: String = typed.filter(|c| !c.is_control()).take(254).collect();
        let typed = typed.to_lowercase();
        if typed.is_ascii() {
            return Self(typed);
        }
        let (local, domain) = typed.rsplit_once('@').map_or(("", &*typed), |(local, domain)| (local, domain));
        let domain = idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_owned());
        Self(if local.is_empty() { domain } else { format!("{local}@{domain}") })
    }

    /// Whether nothing was typed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// It, as addresses are stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The least text that is greater than everything beginning like this, byte by byte.
    fn end(&self) -> String {
        let mut end = self.0.clone();
        while let Some(last) = end.pop() {
            let next = (u32::from(last) + 1..).map_while(|code| (code <= 0x0010_FFFF).then_some(code));
            if let Some(next) = next.take(0x0801).find_map(char::from_u32) {
                end.push(next);
                return end;
            }
        }
        end
    }
}

/// Of several words, such as "Tim Voss", "Voss, Tim" or "Tim Voss <tim@example.org>", the one that an address has.
fn one_word(typed: &str) -> String {
    let words: Vec<&str> = typed.split_whitespace().collect();
    if words.len() < 2 {
        return typed.to_owned();
    }
    if let Some(address) = words.iter().find(|word| word.contains('@')) {
        return address.trim_matches(|c| "<>()[],;\"".contains(c)).to_owned();
    }
    let comma_first = words.iter().find(|word| word.ends_with(','));
    let name = comma_first.or(words.last()).map(|name| name.trim_end_matches(',')).unwrap_or_default();
    // Names in addresses are mostly written without umlauts.
    let name = name.to_lowercase().replace('ä', "ae").replace('ö', "oe").replace('ü', "ue");
    name.replace('ß', "ss")
}

/// Where a text was found; results come in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MatchedIn {
    Address = 1,
    LastName = 2,
    Domain = 3,
}

/// Behind whom the next page begins. It holds no address, so it may stand in a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    place: Option<MatchedIn>,
    confirmed_at: DateTime<Utc>,
    id: SubscriberId,
}

impl std::fmt::Display for After {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = self.place.map_or(0, |place| place as u8);
        write!(f, "{place}.{}.{}", self.confirmed_at.timestamp_micros(), self.id)
    }
}

impl After {
    /// What [`Display`](std::fmt::Display) wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (place, rest) = text.split_once('.')?;
        let (micros, id) = rest.split_once('.')?;
        let place = match place {
            "0" => None,
            "1" => Some(MatchedIn::Address),
            "2" => Some(MatchedIn::LastName),
            "3" => Some(MatchedIn::Domain),
            _ => return None,
        };
        let confirmed_at = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
        let is_ours = (0..=9999).contains(&chrono::Datelike::year(&confirmed_at));
        Some(Self { place, confirmed_at, id: id.parse().ok()? }).filter(|_| is_ours)
    }
}

/// A page of what was found.
#[derive(Debug, Clone, Default)]
pub struct Results {
    /// Those on it.
    pub subscribers: Vec<Subscriber>,
    /// Where the next page begins, if there is one.
    pub next: Option<After>,
}

/// Up to `limit` of those who are looked for, behind `after`.
pub async fn page(
    db: &mut PgConnection,
    search: &Search,
    after: Option<After>,
    limit: usize,
) -> sqlx::Result<Results> {
    // One more than is shown tells whether there are more.
    let mut found = find(db, search, after, i64::try_from(limit + 1).unwrap_or(i64::MAX)).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let ids: Vec<Uuid> = found.iter().map(|(_, id)| *id).collect();
    let subscribers = sqlx::query_as!(
        Subscriber,
        r#"select s.id as "id: SubscriberId", s.email as "email: crate::domain::address::EmailAddress",
             s.locale as "locale: crate::domain::locale::Locale", s.state as "state: SubscriberState", s.confirmed_at, s.state_changed_at
           from unnest($1::uuid[]) with ordinality as shown (id, place) join subscribers s on s.id = shown.id
           order by shown.place"#,
        &ids
    )
    .fetch_all(db)
    .await?;
    let last = found.last().zip(subscribers.last()).filter(|_| has_more);
    let next = last.map(|((place, _), subscriber)| After {
        place: *place,
        confirmed_at: subscriber.confirmed_at,
        id: subscriber.id,
    });
    Ok(Results { subscribers, next })
}

/// How many are looked for; counts no further than `most`.
pub async fn count(db: &mut PgConnection, search: &Search, most: usize) -> sqlx::Result<usize> {
    Ok(find(db, search, None, i64::try_from(most).unwrap_or(i64::MAX)).await?.len())
}

/// When the first of all confirmed, for a choice of months.
pub async fn first_confirmed(db: &mut PgConnection) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!("select min(confirmed_at) from subscribers").fetch_one(db).await
}

type Found = Vec<(Option<MatchedIn>, Uuid)>;

async fn find(
    db: &mut PgConnection,
    search: &Search,
    after: Option<After>,
    limit: i64,
) -> sqlx::Result<Found> {
    if search.text.is_empty() {
        newest(db, search, after, limit).await
    } else {
        by_text(db, search, after, limit).await
    }
}

/// The newest first. Each bound is always there, so that it can be one of the index, whatever the plan was made for.
async fn newest(
    db: &mut PgConnection,
    search: &Search,
    after: Option<After>,
    limit: i64,
) -> sqlx::Result<Found> {
    let from = search.from.unwrap_or(DateTime::UNIX_EPOCH);
    // Nobody has the id of zeros: "before the end" and "behind the last one shown" are the same comparison.
    let (before, id) = match after {
        Some(after) => (after.confirmed_at, after.id.0),
        None => (search.to.unwrap_or(Utc::now() + TimeDelta::days(36_500)), Uuid::nil()),
    };
    let ids = match search.state {
        None => {
            sqlx::query_scalar!(
                "select id from subscribers where confirmed_at >= $1 and (confirmed_at, id) < ($2, $3)
                 order by confirmed_at desc, id desc limit $4",
                from,
                before,
                id,
                limit
            )
            .fetch_all(db)
            .await?
        }
        Some(state) => {
            sqlx::query_scalar!(
                "select id from subscribers where state = $5 and confirmed_at >= $1 and (confirmed_at, id) < ($2, $3)
                 order by confirmed_at desc, id desc limit $4",
                from,
                before,
                id,
                limit,
                state as SubscriberState
            )
            .fetch_all(db)
            .await?
        }
    };
    Ok(ids.into_iter().map(|id| (None, id)).collect())
}

/// Those whose address, last name or domain begins so, in this order, each by the alphabet.
async fn by_text(
    db: &mut PgConnection,
    search: &Search,
    after: Option<After>,
    limit: i64,
) -> sqlx::Result<Found> {
    let (begin, end) = (search.text.0.as_str(), search.text.end());
    let behind = Behind::of(db, after, begin, &end).await?;
    let found = sqlx::query!(
        r#"select rank as "rank!", id as "id!" from (
             (select 1 as rank, email_normalized as key, email_normalized, id from subscribers
              where email_normalized collate "C" >= $1 and email_normalized collate "C" < $2
                and email_normalized collate "C" > $7
                and ($3::subscriber_state is null or state = $3)
                and ($4::timestamptz is null or confirmed_at >= $4) and ($5::timestamptz is null or confirmed_at < $5)
              order by email_normalized collate "C" limit $6)
             union all
             (select 2, substring(email_normalized from '[^@._+-]*@.*$'), email_normalized, id from subscribers
              where email_normalized ~ '^[^@]*[._+-]'
                and substring(email_normalized from '[^@._+-]*@.*$') collate "C" < $2
                and (substring(email_normalized from '[^@._+-]*@.*$') collate "C", email_normalized collate "C") > ($8, $9)
                -- Who was found above is not found again.
                and not (email_normalized collate "C" >= $1 and email_normalized collate "C" < $2)
                and ($3::subscriber_state is null or state = $3)
                and ($4::timestamptz is null or confirmed_at >= $4) and ($5::timestamptz is null or confirmed_at < $5)
              order by substring(email_normalized from '[^@._+-]*@.*$') collate "C", email_normalized collate "C" limit $6)
             union all
             (select 3, substring(email_normalized from '[^@]*$'), email_normalized, id from subscribers
              where substring(email_normalized from '[^@]*$') collate "C" < $2
                and (substring(email_normalized from '[^@]*$') collate "C", email_normalized collate "C") > ($10, $11)
                and not (email_normalized collate "C" >= $1 and email_normalized collate "C" < $2)
                and not (substring(email_normalized from '[^@._+-]*@.*$') collate "C" >= $1
                         and substring(email_normalized from '[^@._+-]*@.*$') collate "C" < $2)
                and ($3::subscriber_state is null or state = $3)
                and ($4::timestamptz is null or confirmed_at >= $4) and ($5::timestamptz is null or confirmed_at < $5)
              order by substring(email_normalized from '[^@]*$') collate "C", email_normalized collate "C" limit $6)
           ) found
           order by rank, key collate "C", email_normalized collate "C" limit $6"#,
        begin,
        end,
        search.state as Option<SubscriberState>,
        search.from,
        search.to,
        limit,
        behind.address,
        behind.last_name.0,
        behind.last_name.1,
        behind.domain.0,
        behind.domain.1
    )
    .fetch_all(db)
    .await?;
    let place = |rank| match rank {
        1 => MatchedIn::Address,
        2 => MatchedIn::LastName,
        _ => MatchedIn::Domain,
    };
    Ok(found.into_iter().map(|row| (Some(place(row.rank)), row.id)).collect())
}

/// Behind which entry of each index to go on: behind none of those looked for, or, for what was shown to its end, behind
/// all of them. The two columns of an index are compared together, and this is the only lower bound: given another one,
/// the database may begin at the lower of both, and read up to the higher.
struct Behind {
    address: String,
    last_name: (String, String),
    domain: (String, String),
}

impl Behind {
    async fn of(db: &mut PgConnection, after: Option<After>, begin: &str, end: &str) -> sqlx::Result<Self> {
        // No address is empty.
        let first = || (begin.to_owned(), String::new());
        let mut behind = Self { address: String::new(), last_name: first(), domain: first() };
        let Some(after) = after else { return Ok(behind) };
        // Somebody who was erased meanwhile has no place in the order any more: from the beginning, then.
        let Some(place) = after.place else { return Ok(behind) };
        let known = sqlx::query_scalar!("select email_normalized from subscribers where id = $1", after.id.0)
            .fetch_optional(db)
            .await?;
        let Some(address) = known else { return Ok(behind) };
        let (local, domain) = address.rsplit_once('@').unwrap_or((&address, ""));
        match place {
            MatchedIn::Address => behind.address = address,
            MatchedIn::LastName => {
                let last = local.rsplit(['.', '_', '+', '-']).next().unwrap_or(local);
                end.clone_into(&mut behind.address);
                behind.last_name = (format!("{last}@{domain}"), address);
            }
            MatchedIn::Domain => {
                end.clone_into(&mut behind.address);
                behind.last_name.0 = end.to_owned();
                behind.domain = (domain.to_owned(), address);
            }
        }
        Ok(behind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_looked_for_as_addresses_are_stored() {
        let needle = |typed: &str| Needle::parse(typed).0;
        assert_eq!(needle("  Mia.Krause@Example.NET "), "mia.krause@example.net");
        assert_eq!(needle("@example.org"), "example.org");
        assert_eq!(needle("büro.de"), "xn--bro-hoa.de");
        assert_eq!(needle("post@büro.de"), "post@xn--bro-hoa.de");
        assert_eq!(needle("50%_\\'"), "50%_\\'");
        assert!(Needle::parse(" @ ").is_empty());
    }

    #[test]
    fn the_end_stands_behind_everything_that_begins_so() {
        let end = |typed: &str| Needle::parse(typed).end();
        assert_eq!(end("mia"), "mib");
        assert_eq!(end("a~"), "a\u{7f}");
        assert!(end("ü\u{10ffff}").as_str() > "ü");
        assert_eq!(Needle("a\u{d7ff}".into()).end(), "a\u{e000}", "no character stands between them");
        assert_eq!(Needle("\u{10ffff}".into()).end(), "");
    }

    #[test]
    fn a_place_in_the_list_is_read_as_it_was_written() {
        let after = After {
            place: Some(MatchedIn::Domain),
            confirmed_at: DateTime::from_timestamp_micros(1_764_000_000_123_456).unwrap(),
            id: SubscriberId::new(),
        };
        assert_eq!(After::parse(&after.to_string()), Some(after));
        for text in
            ["", "1", "1.2", "9.1.x", "1.9999999999999999999.x", "0.-9000000000000000000.a", "a.b.c.d"]
        {
            assert_eq!(After::parse(text), None, "{text}");
        }
    }
}
