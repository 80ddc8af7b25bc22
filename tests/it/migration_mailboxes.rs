//! Migration 20: older signups count for their mailbox like newer ones.

use rundbrief::{
    db::MIGRATIONS,
    domain::address::{EmailAddress, mailbox},
};
use sqlx::{Connection, PgConnection};

use crate::harness::database;

const ADDRESSES: &[&str] = &[
    "maria.muster+a@gmail.com",
    "m.m@googlemail.com",
    "maria.m+x@outlook.com",
    "maria@me.com",
    "maria.m-u_s@protonmail.com",
    "maria.m@yandex.com",
    "maria+a@secure.mailbox.org",
    "maria-shop-b@yahoo.de",
    "maria-shop@ymail.com",
    "news@maria.fastmail.com",
    "maria+a+b@example.org",
    "+maria@example.org",
    "-maria@yahoo.de",
    "maria-a@web.de",
];

#[tokio::test(flavor = "multi_thread")]
async fn signups_from_before_are_counted_by_mailbox_too() {
    let database = database::empty().await;
    let mut db = PgConnection::connect(database.url()).await.unwrap();
    for migration in MIGRATIONS.iter().filter(|migration| migration.version < 20) {
        sqlx::raw_sql(migration.sql.clone()).execute(&mut db).await.unwrap();
    }
    sqlx::raw_sql(
        "insert into publications (applied_at, content, content_sha256) values (now(), '{}', sha256(''))",
    )
    .execute(&mut db)
    .await
    .unwrap();
    for address in ADDRESSES {
        sqlx::query(
            "insert into signups (id, email, email_normalized, locale, publication_version, form_page, requested_at, expires_at)
             values (gen_random_uuid(), $1, $1, 'de', 1, '', now(), now() + interval '7 days')",
        )
        .bind(address)
        .execute(&mut db)
        .await
        .unwrap();
    }
    for migration in MIGRATIONS.iter().filter(|migration| migration.version >= 20) {
        sqlx::raw_sql(migration.sql.clone()).execute(&mut db).await.unwrap();
    }
    let stored: Vec<(String, String)> =
        sqlx::query_as("select email, mailbox from signups").fetch_all(&mut db).await.unwrap();
    assert_eq!(stored.len(), ADDRESSES.len());
    for (email, stored) in stored {
        assert_eq!(stored, mailbox::of(&EmailAddress::parse(&email).unwrap().normalized()), "{email}");
    }
}
