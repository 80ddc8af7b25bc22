//! Test recipients: the saved list of those who get test mails.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{
    address::{EmailAddress, NormalizedAddress},
    ids::TestRecipientId,
};

/// Recipients on the list, at most: a test is no mailing.
pub const AT_MOST: i64 = 50;

#[derive(Debug, Clone)]
pub struct TestRecipient {
    pub id: TestRecipientId,
    /// Where tests go.
    pub email: EmailAddress,
    pub name: String,
}

/// What [`add`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// On the list.
    Now(TestRecipientId),
    /// The address was on it.
    Before,
    /// The list is full.
    Full,
}

/// Puts somebody on the list. To be called in a transaction.
pub async fn add(
    db: &mut PgConnection,
    email: &EmailAddress,
    name: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Added> {
    let normalized = email.normalized();
    // Nobody else adds meanwhile, so that the list does not grow longer than it may.
    sqlx::query!("lock table colleagues in share row exclusive mode").execute(&mut *db).await?;
    let known = sqlx::query!(
        r#"select count(*) as "count!", coalesce(bool_or(email_normalized = $1), false) as "has_it!" from colleagues"#,
        normalized.as_str()
    )
    .fetch_one(&mut *db)
    .await?;
    if known.has_it {
        return Ok(Added::Before);
    }
    if known.count >= AT_MOST {
        return Ok(Added::Full);
    }
    let id = TestRecipientId::new();
    sqlx::query!(
        "insert into colleagues (id, email, email_normalized, name, added_at) values ($1, $2, $3, $4, $5)",
        id.0,
        email.as_str(),
        normalized.as_str(),
        name,
        now
    )
    .execute(db)
    .await?;
    Ok(Added::Now(id))
}

/// Takes somebody off the list; answers whom.
pub async fn remove(db: &mut PgConnection, id: TestRecipientId) -> sqlx::Result<Option<EmailAddress>> {
    sqlx::query_scalar!(
        r#"delete from colleagues where id = $1 returning email as "email: EmailAddress""#,
        id.0
    )
    .fetch_optional(db)
    .await
}

/// Everybody on the list, by name.
pub async fn list(db: &mut PgConnection) -> sqlx::Result<Vec<TestRecipient>> {
    sqlx::query_as!(
        TestRecipient,
        r#"select id as "id: TestRecipientId", email as "email: EmailAddress", name from colleagues
           order by lower(name), email"#
    )
    .fetch_all(db)
    .await
}

/// Takes an address off the list, because everything about it is to go; answers how many entries there were.
pub async fn forget(db: &mut PgConnection, address: &NormalizedAddress) -> sqlx::Result<u64> {
    let removed = sqlx::query!("delete from colleagues where email_normalized = $1", address.as_str())
        .execute(db)
        .await?;
    Ok(removed.rows_affected())
}
