//! Why people leave, as far as they say: one question, answered or not, counted without their names.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::domain::token::LeaveForm;

/// An answer that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, Serialize, strum::IntoStaticStr)]
#[sqlx(type_name = "leave_reason", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum LeaveReason {
    /// Mail comes too often.
    TooOften,
    /// The subjects are of no interest (any more).
    NotInteresting,
    /// The news reaches the reader by another way.
    Elsewhere,
    /// The reader does not remember asking for it.
    NotAskedFor,
    /// Something else.
    Other,
}

impl LeaveReason {
    /// Every one, in the order in which the question lists them.
    pub const ALL: [Self; 5] =
        [Self::TooOften, Self::NotInteresting, Self::Elsewhere, Self::NotAskedFor, Self::Other];

    /// The name that forms and tables know it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The one with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// Takes an answer. A form that is sent again replaces its own answer.
pub async fn answer(
    db: &mut PgConnection,
    form: LeaveForm,
    reason: LeaveReason,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into leave_answers (form, reason, answered_on) values ($1, $2, $3)
         on conflict (form) do update set reason = excluded.reason",
        form.0.as_slice(),
        reason as LeaveReason,
        now.date_naive()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// How often a reason was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// The reason.
    pub reason: LeaveReason,
    /// How often.
    pub count: i64,
}

/// How often each reason was given since a day, the most frequent first.
pub async fn counts(db: &mut PgConnection, since: NaiveDate) -> sqlx::Result<Vec<Counted>> {
    sqlx::query_as!(
        Counted,
        r#"select reason as "reason: LeaveReason", count(*) as "count!" from leave_answers
           where answered_on >= $1 group by reason order by count(*) desc, reason"#,
        since
    )
    .fetch_all(db)
    .await
}
