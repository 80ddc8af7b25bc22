//! Languages in the database: a tag that is none of the list is told, and no other language is guessed for it.

use rundbrief::{
    db::MIGRATIONS,
    domain::{locale::Locale, update},
};
use sqlx::{Connection, PgConnection};

use crate::harness::database;

const LANGUAGES: i64 = 31;

async fn migrate(db: &mut PgConnection, is_wanted: impl Fn(i64) -> bool) {
    for migration in MIGRATIONS.iter().filter(|migration| is_wanted(migration.version)) {
        sqlx::raw_sql(migration.sql.clone()).execute(&mut *db).await.unwrap();
    }
}

async fn add_update(db: &mut PgConnection, locale: &str) -> sqlx::Result<()> {
    sqlx::query(
        "insert into updates (id, slug, locale, title, teaser, body, created_at, changed_at)
         values (gen_random_uuid(), 'in-' || $1, $1, 'Neues', '', '', now(), now())",
    )
    .bind(locale)
    .execute(db)
    .await
    .map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_language_that_is_unknown_is_told_and_not_guessed() {
    let database = database::empty().await;
    let mut db = PgConnection::connect(database.url()).await.unwrap();
    migrate(&mut db, |version| version < LANGUAGES).await;
    add_update(&mut db, "de").await.unwrap();
    migrate(&mut db, |version| version >= LANGUAGES).await;
    assert_eq!(update::find(&mut db, "in-de").await.unwrap().unwrap().locale, Locale::De);
    add_update(&mut db, "fr").await.unwrap();
    let read = update::find(&mut db, "in-fr").await;
    assert!(matches!(read, Err(sqlx::Error::ColumnDecode { .. })), "{read:?}");
    for odd in ["", "DE", "de-AT", "Deutsch"] {
        assert!(add_update(&mut db, odd).await.is_err(), "{odd:?} has not the shape of a language");
    }
}
