//! The send budget: time that all workers together may fill with messages (`SEND_RATE`).

use std::time::Duration;

use sqlx::PgConnection;

/// Takes the next stretch of time of this length that nobody has taken yet; answers how long it is until it begins.
///
/// # Errors
/// When the database fails.
pub async fn take(db: &mut PgConnection, length: Duration) -> sqlx::Result<Duration> {
    // The row's lock makes workers take turns; `clock_timestamp` is the time after waiting for it.
    let wait = sqlx::query_scalar!(
        r#"with taken as (
               update send_budget
               set handed_out_to = greatest(handed_out_to, clock_timestamp()) + make_interval(secs => $1)
               returning handed_out_to
           )
           select greatest(extract(epoch from handed_out_to - clock_timestamp()) - $1, 0)::float8 as "wait!" from taken"#,
        length.as_secs_f64()
    )
    .fetch_one(db)
    .await?;
    Ok(Duration::from_secs_f64(wait.clamp(0.0, 3600.0)))
}
