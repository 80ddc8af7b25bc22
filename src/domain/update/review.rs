//! Review links: somebody without a login looks at an update before it is sent, and leaves remarks.

use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

use crate::domain::ids::{RemarkId, ReviewLinkId, UpdateId};

/// How long a link works.
pub const LIVES: Duration = Duration::days(7);
/// How long a link is kept after its end, with its remarks.
pub const KEPT: Duration = Duration::days(30);
/// Links of an update that work at the same time, at most.
pub const LINKS: i64 = 20;
/// Remarks behind one link, at most.
pub const REMARKS: i64 = 100;
/// Characters of a remark, at most.
pub const REMARK_LENGTH: usize = 2_000;

/// A link to look at an update.
#[derive(Debug, Clone)]
pub struct ReviewLink {
    /// Its id; its token is made of it.
    pub id: ReviewLinkId,
    /// What is looked at.
    pub update_id: UpdateId,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// By whom, by name.
    pub made_by: String,
    /// Until when it works.
    pub expires_at: DateTime<Utc>,
    /// When staff ended it.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Whether a link works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// It does.
    Open,
    /// Its seven days are over.
    Expired,
    /// Staff ended it.
    Revoked,
}

impl ReviewLink {
    /// Whether it works at `now`.
    #[must_use]
    pub fn state(&self, now: DateTime<Utc>) -> LinkState {
        match self.revoked_at {
            Some(_) => LinkState::Revoked,
            None if self.expires_at <= now => LinkState::Expired,
            None => LinkState::Open,
        }
    }
}

/// What somebody wrote.
#[derive(Debug, Clone)]
pub struct Remark {
    pub id: RemarkId,
    /// Behind which link.
    pub link_id: ReviewLinkId,
    /// When.
    pub made_at: DateTime<Utc>,
    /// As they called themselves: nobody has checked it.
    pub name: String,
    /// What they wrote.
    pub remark: String,
    /// When staff put it aside.
    pub done_at: Option<DateTime<Utc>>,
}

/// Makes a link; nothing when the update has as many as it may. The update is to be locked.
pub async fn make(
    db: &mut PgConnection,
    update: UpdateId,
    by: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<ReviewLink>> {
    let open = sqlx::query_scalar!(
        r#"select count(*) as "count!" from review_links
           where update_id = $1 and revoked_at is null and expires_at > $2"#,
        update.0,
        now
    )
    .fetch_one(&mut *db)
    .await?;
    if open >= LINKS {
        return Ok(None);
    }
    let link = ReviewLink {
        id: ReviewLinkId::new(),
        update_id: update,
        made_at: now,
        made_by: by.to_owned(),
        expires_at: now + LIVES,
        revoked_at: None,
    };
    sqlx::query!(
        "insert into review_links (id, update_id, made_at, made_by, expires_at) values ($1, $2, $3, $4, $5)",
        link.id.0,
        update.0,
        now,
        by,
        link.expires_at
    )
    .execute(db)
    .await?;
    Ok(Some(link))
}

/// A link by its id.
pub async fn find(db: &mut PgConnection, id: ReviewLinkId) -> sqlx::Result<Option<ReviewLink>> {
    sqlx::query_as!(
        ReviewLink,
        r#"select id as "id: ReviewLinkId", update_id as "update_id: UpdateId", made_at, made_by, expires_at, revoked_at
           from review_links where id = $1"#,
        id.0
    )
    .fetch_optional(db)
    .await
}

/// The links of an update, newest first.
pub async fn links(db: &mut PgConnection, update: UpdateId) -> sqlx::Result<Vec<ReviewLink>> {
    sqlx::query_as!(
        ReviewLink,
        r#"select id as "id: ReviewLinkId", update_id as "update_id: UpdateId", made_at, made_by, expires_at, revoked_at
           from review_links where update_id = $1 order by made_at desc, id desc"#,
        update.0
    )
    .fetch_all(db)
    .await
}

/// The remarks on an update, oldest first; behind one link alone, where that is named.
pub async fn remarks(
    db: &mut PgConnection,
    update: UpdateId,
    behind: Option<ReviewLinkId>,
) -> sqlx::Result<Vec<Remark>> {
    sqlx::query_as!(
        Remark,
        r#"select r.id as "id: RemarkId", r.link_id as "link_id: ReviewLinkId", r.made_at, r.name,
             r.remark, r.done_at
           from review_remarks r join review_links l on l.id = r.link_id
           where l.update_id = $1 and ($2::uuid is null or l.id = $2) order by r.made_at, r.id"#,
        update.0,
        behind.map(|link| link.0)
    )
    .fetch_all(db)
    .await
}

/// An update with remarks that nobody has put aside.
#[derive(Debug, Clone)]
pub struct WithRemarks {
    pub update_id: UpdateId,
    pub title: String,
    /// How many.
    pub remarks: i64,
}

/// Updates with remarks that nobody has put aside, the one with the newest first; ten at most.
pub async fn with_open_remarks(db: &mut PgConnection) -> sqlx::Result<Vec<WithRemarks>> {
    sqlx::query_as!(
        WithRemarks,
        r#"select u.id as "update_id: UpdateId", u.title, count(*) as "remarks!"
           from review_remarks r join review_links l on l.id = r.link_id join updates u on u.id = l.update_id
           where r.done_at is null
           group by u.id, u.title order by max(r.made_at) desc limit 10"#
    )
    .fetch_all(db)
    .await
}

/// Ends a link that works; answers whose update it is of. Nothing when it does not work (any more).
pub async fn revoke(
    db: &mut PgConnection,
    id: ReviewLinkId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<UpdateId>> {
    sqlx::query_scalar!(
        r#"update review_links set revoked_at = $2 where id = $1 and revoked_at is null and expires_at > $2
           returning update_id as "update_id: UpdateId""#,
        id.0,
        now
    )
    .fetch_optional(db)
    .await
}

/// Leaves a remark behind a link; false when there are as many as there may be.
pub async fn leave_remark(
    db: &mut PgConnection,
    link: ReviewLinkId,
    (name, remark): (&str, &str),
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    // Two at once must not both find the last place free.
    sqlx::query!("select id from review_links where id = $1 for update", link.0).fetch_one(&mut *db).await?;
    let left = sqlx::query!(
        "insert into review_remarks (id, link_id, made_at, name, remark)
         select $1, $2, $3, $4, $5 where (select count(*) from review_remarks where link_id = $2) < $6",
        RemarkId::new().0,
        link.0,
        now,
        name,
        remark,
        REMARKS
    )
    .execute(db)
    .await?;
    Ok(left.rows_affected() > 0)
}

/// Puts a remark aside. Answers on which update it is, and whether that was done now and not before; nothing when there is
/// none such.
pub async fn finish_remark(
    db: &mut PgConnection,
    id: RemarkId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<(UpdateId, bool)>> {
    let finished =
        sqlx::query!("update review_remarks set done_at = $2 where id = $1 and done_at is null", id.0, now)
            .execute(&mut *db)
            .await?;
    let update = sqlx::query_scalar!(
        r#"select l.update_id as "update_id: UpdateId" from review_remarks r join review_links l on l.id = r.link_id
           where r.id = $1"#,
        id.0
    )
    .fetch_optional(db)
    .await?;
    Ok(update.map(|update| (update, finished.rows_affected() > 0)))
}

/// Removes links that are over for thirty days, with their remarks; answers how many.
pub async fn forget(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let removed =
        sqlx::query!("delete from review_links where expires_at <= $1", now - KEPT).execute(db).await?;
    Ok(removed.rows_affected())
}

/// A remark as it may be stored: line breaks as `\n`, no other control characters, not empty, not longer than
/// [`REMARK_LENGTH`].
#[must_use]
pub fn clean_remark(typed: &str) -> Option<String> {
    let lines = typed.replace("\r\n", "\n").replace('\r', "\n");
    let remark: String = lines.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    let remark = remark.trim();
    (!remark.is_empty() && remark.chars().count() <= REMARK_LENGTH).then(|| remark.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_keeps_its_lines_and_nothing_else_that_is_no_text() {
        assert_eq!(
            clean_remark(" Seite 2:\r\nJahr\u{0} falsch\t\n ").as_deref(),
            Some("Seite 2:\nJahr  falsch")
        );
        assert_eq!(clean_remark(" \r\n\t"), None);
        assert!(clean_remark(&"ü".repeat(REMARK_LENGTH)).is_some());
        assert_eq!(clean_remark(&"ü".repeat(REMARK_LENGTH + 1)), None);
    }

    #[test]
    fn a_revoked_link_stays_one_after_its_seven_days() {
        let now = Utc::now();
        let mut link = ReviewLink {
            id: ReviewLinkId::new(),
            update_id: UpdateId::new(),
            made_at: now,
            made_by: "Ada".into(),
            expires_at: now + LIVES,
            revoked_at: None,
        };
        assert_eq!(link.state(now + LIVES - Duration::seconds(1)), LinkState::Open);
        assert_eq!(link.state(now + LIVES), LinkState::Expired);
        link.revoked_at = Some(now);
        assert_eq!(link.state(now), LinkState::Revoked);
        assert_eq!(link.state(now + LIVES), LinkState::Revoked);
    }
}
