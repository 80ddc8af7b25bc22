//! Subscribers, for admins: finding them, and what concerns one of them or all.

pub mod detail;
pub mod export;
pub mod import;
mod samples;
pub mod signups;
pub mod upload;
mod waiting;

use axum::response::Response;
use chrono::{DateTime, Datelike, Months, NaiveDate, TimeZone as _, Utc};
use serde::Serialize;

use crate::{
    app::find_subscribers::{self, Limits, find_subscribers},
    domain::{
        ids::SubscriberId,
        subscriber::{
            Subscriber, SubscriberState,
            search::{After, Needle, Search},
        },
    },
    web::staff::{
        logged_in::Admin,
        staff_page::{Choice, StaffPage},
        staff_problem::StaffProblem,
        subscribers::waiting::Waiting,
    },
};

/// Subscribers a page.
const PAGE: usize = 50;

/// Subscribers are counted up to here; who looks for somebody among more types on.
const COUNTED: usize = 1_000;

/// In the place of a state: signups that wait, and nobody else.
const WAITING: &str = "waiting";

/// Months to choose from.
const MONTHS: u32 = 120;

/// What the form for the search sends. What cannot be understood does not narrow the choice.
struct SearchQuery {
    text: String,
    state: Option<SubscriberState>,
    /// Those who have not confirmed yet, and nobody else.
    only_waiting: bool,
    month: Option<NaiveDate>,
    after: Option<After>,
}

impl SearchQuery {
    fn of(page: &StaffPage) -> Self {
        let value = |name| page.query(name).unwrap_or_default();
        Self {
            text: value("q").chars().take(254).collect(),
            state: SubscriberState::from_name(&value("state")),
            only_waiting: value("state") == WAITING,
            month: month_in(&value("month")),
            after: After::parse(&value("after")),
        }
    }

    fn search(&self, page: &StaffPage) -> Search {
        Search {
            text: Needle::parse(&self.text),
            state: self.state,
            from: self.month.map(|month| beginning(page, month)),
            to: self.month.map(|month| beginning(page, month + Months::new(1))),
        }
    }

    /// Whether it may be about signups that wait: those have no other state, and were not confirmed in any month.
    fn has_waiting(&self) -> bool {
        self.only_waiting
            || (self.state.is_none() && self.month.is_none() && self.after.is_none() && !self.text.is_empty())
    }

    /// The address of this search, from here on.
    fn link(&self, after: Option<After>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let month = self.month.map(month_name);
        let state = self.state.map(SubscriberState::name).or(self.only_waiting.then_some(WAITING));
        let after = after.map(|after| after.to_string());
        for (name, value) in [
            ("q", Some(self.text.as_str())),
            ("state", state),
            ("month", month.as_deref()),
            ("after", after.as_deref()),
        ] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                query.append_pair(name, value);
            }
        }
        format!("/staff/subscribers?{}", query.finish())
    }
}

/// `2026-11`, as forms and links write it.
fn month_name(month: NaiveDate) -> String {
    month.format("%Y-%m").to_string()
}

fn month_in(text: &str) -> Option<NaiveDate> {
    let month = format!("{text}-01").parse::<NaiveDate>().ok()?;
    (1970..=9000).contains(&month.year()).then_some(month)
}

/// When a month begins in the publication's time zone.
fn beginning(page: &StaffPage, month: NaiveDate) -> DateTime<Utc> {
    let midnight = month.and_time(chrono::NaiveTime::MIN);
    let local = page.time_zone().0.from_local_datetime(&midnight).earliest();
    local.map_or_else(|| midnight.and_utc(), |local| local.with_timezone(&Utc))
}

/// `GET /staff/subscribers`; with `part=list` the list alone, for the script that searches while one types.
pub async fn list(page: StaffPage, _: Admin) -> Result<Response, StaffProblem> {
    let asked = SearchQuery::of(&page);
    if page.query("part").as_deref() == Some("list") {
        return page.show(&SubscriberListPage { found: Found::of(&page, &asked).await? });
    }
    page.show(&SubscribersPage::of(&page, &asked).await?)
}

/// The months since the first of all confirmed, newest first.
fn months(page: &StaffPage, first: Option<DateTime<Utc>>, chosen: Option<NaiveDate>) -> Vec<Choice> {
    let zone = page.time_zone().0;
    let month_of = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive().with_day(1);
    let (Some(first), Some(last)) = (first.and_then(month_of), month_of(Utc::now())) else { return vec![] };
    (0..MONTHS)
        .map_while(|back| last.checked_sub_months(Months::new(back)).filter(|month| *month >= first))
        .map(|month| {
            let label =
                format!("{} {}", page.locale.language().months[month.month0() as usize], month.year());
            Choice::new(month_name(month), label, chosen == Some(month))
        })
        .collect()
}

/// A subscriber as lists show them.
#[derive(Serialize)]
struct Row {
    id: SubscriberId,
    email: String,
    state: SubscriberState,
    language: String,
    confirmed_at: String,
    state_changed_at: String,
}

impl Row {
    fn of(page: &StaffPage, subscriber: &Subscriber) -> Self {
        Self {
            id: subscriber.id,
            email: subscriber.email.written(),
            state: subscriber.state,
            language: page.language(subscriber.locale).to_owned(),
            confirmed_at: page.short_time(subscriber.confirmed_at),
            state_changed_at: page.short_time(subscriber.state_changed_at),
        }
    }
}

/// What a search found.
#[derive(Serialize)]
struct Found {
    /// How many, in words.
    count: String,
    rows: Vec<Row>,
    /// Signups that wait, where the search may be about them.
    waiting: Waiting,
    /// Nobody else is looked for.
    only_waiting: bool,
    /// The address of the first page of the list, and of the next.
    first: Option<String>,
    next: Option<String>,
}

impl Found {
    async fn of(page: &StaffPage, asked: &SearchQuery) -> Result<Self, StaffProblem> {
        let search = asked.search(page);
        let pool = &page.state.app.pool;
        let waiting =
            if asked.has_waiting() { Waiting::of(page, &search.text).await? } else { Waiting::default() };
        if asked.only_waiting {
            let (count, only_waiting) = (waiting.count(page), true);
            return Ok(Self { count, rows: Vec::new(), waiting, only_waiting, first: None, next: None });
        }
        let limits = Limits { page: PAGE, count: COUNTED + 1 };
        let (count, shown) = find_subscribers(pool, &search, asked.after, limits).await?;
        let text = |key: &str| page.text("subscribers", key).to_owned();
        let count = match count {
            0 => text("found_none"),
            1..=COUNTED => {
                page.plural("subscribers", "found_count", i64::try_from(count).unwrap_or(i64::MAX))
            }
            _ => {
                text("found_more").replace("{most}", &page.number(i64::try_from(COUNTED).unwrap_or(i64::MAX)))
            }
        };
        Ok(Self {
            count,
            rows: shown.subscribers.iter().map(|subscriber| Row::of(page, subscriber)).collect(),
            waiting,
            only_waiting: false,
            first: asked.after.map(|_| asked.link(None)),
            next: shown.next.map(|next| asked.link(Some(next))),
        })
    }
}

/// What was found alone.
#[derive(Serialize)]
pub struct SubscriberListPage {
    found: Found,
}

/// All subscribers, and the form for the search.
#[derive(Serialize)]
pub struct SubscribersPage {
    found: Found,
    /// The text that is looked for.
    q: String,
    states: Vec<Choice>,
    months: Vec<Choice>,
    is_narrowed: bool,
}

impl SubscribersPage {
    async fn of(page: &StaffPage, asked: &SearchQuery) -> Result<Self, StaffProblem> {
        let first = find_subscribers::first_confirmed(&page.state.app.pool).await?;
        let states = SubscriberState::ALL.map(|state| {
            let label = page.text("subscriber_state", state.name());
            Choice::new(state.name(), label, asked.state == Some(state))
        });
        let label = page.text("subscribers", "waiting");
        let waiting = Choice::new(WAITING, label, asked.only_waiting);
        Ok(Self {
            found: Found::of(page, asked).await?,
            q: asked.text.clone(),
            states: states.into_iter().chain([waiting]).collect(),
            months: months(page, first, asked.month),
            is_narrowed: !asked.text.is_empty()
                || asked.state.is_some()
                || asked.only_waiting
                || asked.month.is_some(),
        })
    }
}
