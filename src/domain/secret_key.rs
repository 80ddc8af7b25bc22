//! Whether the keys in `SECRET_KEY` are those that the database was used with.

use sqlx::{Connection, PgConnection};

use crate::config::SecretKeys;

/// What would be lost: keys are missing that the database was used with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// None of the keys is known; else some are missing.
    all: bool,
    subscribers: i64,
    suppressions: i64,
    second_factors: i64,
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { all, subscribers, suppressions, second_factors } = self;
        let (what, it) = if *all {
            ("it is not the key that it was used with", "that key")
        } else {
            ("its list lacks keys that it was used with", "those keys")
        };
        write!(
            f,
            "SECRET_KEY does not fit this database: {what}. Without {it} the links in mails that are out stop working \
             ({subscribers} people are subscribed), suppressed addresses are no longer recognised and may be written to again \
             ({suppressions} of them), and second factors of staff have to be reset ({second_factors}). \
             Put the right key back, the one that signs in front: SECRET_KEY=NEW,OLD."
        )
    }
}

/// Whether the database knows any key.
pub async fn any_known(db: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"select exists (select from secret_keys) as "any!""#).fetch_one(db).await
}

/// Compares the keys with those that the database knows, and writes down new ones. The first ones are written down
/// without a question. With `accept`, those that are missing are forgotten.
pub async fn note(db: &mut PgConnection, keys: &SecretKeys, accept: bool) -> sqlx::Result<Option<Loss>> {
    let ours: Vec<Vec<u8>> =
        keys.sign_with_each("fingerprint", b"rundbrief").into_iter().map(Vec::from).collect();
    let known = sqlx::query_scalar!("select fingerprint from secret_keys").fetch_all(&mut *db).await?;
    if known.len() == ours.len() && known.iter().all(|known| ours.contains(known)) {
        return Ok(None);
    }
    let mut transaction = db.begin().await?;
    // Two that start at once with different keys come one after the other.
    sqlx::query!("lock table secret_keys in exclusive mode").execute(&mut *transaction).await?;
    let known =
        sqlx::query_scalar!("select fingerprint from secret_keys").fetch_all(&mut *transaction).await?;
    let missing = known.iter().filter(|known| !ours.contains(known)).count();
    if missing > 0 && !accept {
        let lost = sqlx::query!(
            r#"select (select count(*) from subscribers where state = 'active') as "subscribers!",
                   (select count(*) from suppressions) as "suppressions!",
                   (select count(*) from staff where totp_sealed is not null) as "second_factors!""#
        )
        .fetch_one(&mut *transaction)
        .await?;
        return Ok(Some(Loss {
            all: missing == known.len(),
            subscribers: lost.subscribers,
            suppressions: lost.suppressions,
            second_factors: lost.second_factors,
        }));
    }
    sqlx::query!("delete from secret_keys where fingerprint <> all($1)", &ours)
        .execute(&mut *transaction)
        .await?;
    sqlx::query!(
        "insert into secret_keys (fingerprint) select unnest($1::bytea[]) on conflict do nothing",
        &ours
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(None)
}
