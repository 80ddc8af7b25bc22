//! Migration 22: mailings that have begun keep the audience of their trigger; waiting ones get that of their beginning.

use rundbrief::db::MIGRATIONS;
use sqlx::{Connection, PgConnection};

use crate::harness::database;

const PLANNED: i64 = 22;

/// A mailing for each state, as it was before; the cancelled ones before they began, and in the middle.
const MAILINGS: &str = "
    insert into publications (applied_at, content, content_sha256)
        values (now(), '{}', decode(repeat('00', 32), 'hex'));
    insert into updates (id, slug, locale, title, teaser, body, created_at, changed_at)
        values ('00000000-0000-0000-0000-000000000001', 'neues', 'de', 'Neues', '', '', now(), now());
    insert into mailings (id, update_id, publication_version, state, locale, subject, body_text, body_html,
            triggered_at, audience, scheduled_at, fan_out_done_at, paused_at, pause_kind, finished_at, taken_back_at)
        select gen_random_uuid(), '00000000-0000-0000-0000-000000000001', version, m.state::mailing_state, 'de', m.name,
            '', '', '2026-11-01', 0, '2026-11-02', case when m.filled then now() end,
            case m.state when 'paused' then now() end, case m.state when 'paused' then 'staff'::pause_kind end,
            case when m.state in ('done', 'cancelled') then now() end, case m.name when 'taken back' then now() end
        from publications, (values ('scheduled', 'planned', false), ('preparing', 'preparing', false),
            ('sending', 'sending', true), ('paused', 'paused', false), ('done', 'done', true),
            ('cancelled', 'cancelled', true), ('cancelled', 'taken back', false)) m (state, name, filled);
";

async fn migrate(db: &mut PgConnection, is_wanted: impl Fn(i64) -> bool) {
    for migration in MIGRATIONS.iter().filter(|migration| is_wanted(migration.version)) {
        sqlx::raw_sql(migration.sql.clone()).execute(&mut *db).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_begun_keeps_its_audience_and_what_waits_has_not_begun() {
    let database = database::empty().await;
    let mut db = PgConnection::connect(database.url()).await.unwrap();
    migrate(&mut db, |version| version < PLANNED).await;
    sqlx::raw_sql(MAILINGS).execute(&mut db).await.unwrap();
    migrate(&mut db, |version| version >= PLANNED).await;
    let begun: Vec<(String, bool)> = sqlx::query_as(
        "select subject, begun_at is not distinct from triggered_at from mailings order by subject",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    let begun: Vec<(&str, bool)> = begun.iter().map(|(name, begun)| (name.as_str(), *begun)).collect();
    assert_eq!(
        begun,
        [
            ("cancelled", true),
            ("done", true),
            ("paused", true),
            ("planned", false),
            ("preparing", true),
            ("sending", true),
            ("taken back", false),
        ]
    );
    let all = "select count(*) from mailings where frozen_at = triggered_at";
    assert_eq!(sqlx::query_scalar::<_, i64>(all).fetch_one(&mut db).await.unwrap(), 7);
}
