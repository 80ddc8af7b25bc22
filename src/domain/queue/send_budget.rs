//! The send budget: time that all workers together may fill with messages (`SEND_RATE`).

use std::time::Duration;

use sqlx::PgConnection;

/// Takes the next stretch of time that nobody has taken yet; answers how long it is until it begins, a second at most.
/// `length` may be a second at most. Nothing when the coming second is taken already: ask again a little later.
///
/// So no stretch ends more than two seconds after the server's clock. A budget that is further ahead was handed out
/// before that clock was set back, and is no longer valid: waiting for it could take as long as the clock was wrong.
pub async fn reserve(db: &mut PgConnection, length: Duration) -> sqlx::Result<Option<Duration>> {
    // The row's lock makes workers take turns. After waiting for it, condition and value are evaluated anew for the row
    // as it is then, with `clock_timestamp` of that moment.
    let wait = sqlx::query_scalar!(
        r#"with taken as (
               update send_budget
               set handed_out_to = make_interval(secs => $1) + case
                   when handed_out_to > clock_timestamp() + interval '2 s' then clock_timestamp()
                   else greatest(handed_out_to, clock_timestamp())
               end
               where handed_out_to <= clock_timestamp() + interval '1 s'
                  or handed_out_to > clock_timestamp() + interval '2 s'
               returning handed_out_to
           )
           select greatest(extract(epoch from handed_out_to - clock_timestamp()) - $1, 0)::float8 as "wait!" from taken"#,
        length.as_secs_f64()
    )
    .fetch_optional(db)
    .await?;
    Ok(wait.map(|wait| Duration::from_secs_f64(wait.clamp(0.0, 1.0))))
}
