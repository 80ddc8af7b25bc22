//! People on a list, as many as are wanted.

use sqlx::PgConnection;

/// Makes subscribers, in the state of a list that has been there for a while: vacuumed, analyzed, and on the disk.
pub async fn subscribe(db: &mut PgConnection, recipients: u32) -> anyhow::Result<()> {
    sqlx::query(
        "insert into subscribers
             (id, email, email_normalized, locale, state, created_at, confirmed_at, state_changed_at)
         select gen_random_uuid(), 's' || n || '@example.org', 's' || n || '@example.org',
             'de', 'active', now(), now(), now()
         from generate_series(1, $1::bigint) n",
    )
    .bind(i64::from(recipients))
    .execute(&mut *db)
    .await?;
    // One at a time: vacuum runs in no transaction, not even in that of a list of statements.
    sqlx::raw_sql("vacuum (analyze) subscribers").execute(&mut *db).await?;
    sqlx::raw_sql("checkpoint").execute(db).await?;
    Ok(())
}
