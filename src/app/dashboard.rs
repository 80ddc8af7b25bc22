//! Where things stand, for whoever logs in: the numbers, what is under way, and what somebody should look at.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use tokio::sync::Mutex;

use crate::{
    app::App,
    domain::{
        bounce::{
            mailbox,
            of_mailing::{Refusing, refusing},
            unassigned,
        },
        first_steps::{self, FirstSteps},
        health::Durability,
        ids::StaffId,
        leave_reason::{self, Counted},
        mailing::{self, Counts, Overview},
        queue::batch,
        signup::{self, held, undelivered},
        subscriber::{self, MonthEnd},
        update::review::{self, WithRemarks},
    },
};

/// Where things stand.
#[derive(Debug, Clone)]
pub struct Dashboard {
    /// How many are subscribed.
    pub subscribers: i64,
    /// How many signups wait for their confirmation.
    pub waiting: i64,
    /// Mailings that are not over, newest first.
    pub open: Vec<Overview>,
    /// The mailing that began last, and its copies by state.
    pub last: Option<(Overview, Counts)>,
    /// How many subscribers there were at the end of each of the last [`MONTHS`], as of some minutes ago.
    pub growth: Vec<MonthEnd>,
    /// Why people left in the last year, as far as they said, the most frequent first.
    pub reasons: Vec<Counted>,
    /// How far it is to the first mailing; nothing after that.
    pub first_steps: Option<FirstSteps>,
    /// Mails that go before mailings, such as confirmations, and have been due for more than five minutes.
    pub late: i64,
    /// Signups whose mail is held until somebody decides.
    pub held: i64,
    /// Signups whose mail could not be delivered.
    pub undelivered: i64,
    /// Updates with remarks that nobody has put aside.
    pub remarks: Vec<WithRemarks>,
    /// The database server may lose in a crash what was answered. Only who runs the server can mend it, so it is looked at
    /// for admins alone: editors would learn to overlook it.
    pub is_unsafe: bool,
    /// What came back, for admins, who can do something about it.
    pub returned: Option<ReturnedMail>,
}

/// What of that which came back needs a person.
#[derive(Debug, Clone)]
pub struct ReturnedMail {
    /// Messages that are about nobody for certain.
    pub unassigned: i64,
    /// Why the mailbox for them has not been read for a while.
    pub mailbox: Option<mailbox::Problem>,
    /// Providers that refused us in the last week.
    pub refusing: Vec<Refusing>,
}

impl ReturnedMail {
    async fn of(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Self> {
        Ok(Self {
            unassigned: unassigned::count(&mut *db).await?,
            mailbox: mailbox::problem(&mut *db, now).await?,
            refusing: refusing(db, now - WEEK, REFUSALS).await?,
        })
    }
}

/// Refusals are told of this long, and from so many on: one mail is refused here and there whatever one does.
const WEEK: TimeDelta = TimeDelta::days(7);
const REFUSALS: i64 = 5;

/// Reasons for leaving are told of this long.
const YEAR: TimeDelta = TimeDelta::days(365);

/// A mail that waits for so long beyond its time is late: it takes a second where all is well.
const LATE: TimeDelta = TimeDelta::minutes(5);

/// Where things stand, for an admin or an editor.
pub async fn dashboard(
    app: &App,
    (whose, is_admin): (StaffId, bool),
    now: DateTime<Utc>,
) -> sqlx::Result<Dashboard> {
    let mut db = app.pool.acquire().await?;
    let last = match mailing::last_begun(&mut db).await? {
        Some(mailing) => {
            let counts = mailing::counts(&mut db, mailing.id).await?;
            Some((mailing, counts))
        }
        None => None,
    };
    Ok(Dashboard {
        subscribers: subscriber::count_active(&mut db).await?,
        waiting: signup::count_waiting(&mut db, now).await?,
        open: mailing::open(&mut db).await?,
        last,
        late: batch::late_urgent(&mut db, now - LATE).await?,
        held: held::held(&mut db).await?.held,
        undelivered: undelivered::count(&mut db, now).await?,
        remarks: review::with_open_remarks(&mut db).await?,
        is_unsafe: is_admin && !Durability::of(&mut db).await?.is_safe(),
        returned: if is_admin { Some(ReturnedMail::of(&mut db, now).await?) } else { None },
        growth: app.growth.of(&mut db, now).await?,
        reasons: leave_reason::counts(&mut db, (now - YEAR).date_naive()).await?,
        first_steps: first_steps::of_member(&mut db, whose).await?,
    })
}

/// How the number of subscribers has grown. Counting them takes a second at a million, so it is done every few minutes at
/// most.
#[derive(Default)]
pub struct Growth(Mutex<Option<(Instant, Vec<MonthEnd>)>>);

const KNOWN_FOR: Duration = Duration::from_mins(5);

/// The months that growth is told of.
pub const MONTHS: u32 = 12;

impl Growth {
    async fn of(&self, db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Vec<MonthEnd>> {
        let mut known = self.0.lock().await;
        if let Some((at, growth)) = &*known
            && at.elapsed() < KNOWN_FOR
        {
            return Ok(growth.clone());
        }
        let growth = subscriber::growth(db, MONTHS, now).await?;
        *known = Some((Instant::now(), growth.clone()));
        Ok(growth)
    }
}
