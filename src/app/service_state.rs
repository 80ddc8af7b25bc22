//! What the service looks at when it starts: the keys it was given, and the database server.

use sqlx::PgPool;

use crate::{
    config::SecretKeys,
    domain::{
        health::Durability,
        secret_key::{self, Loss},
    },
};

/// Whether the database was used with any key. Only the service writes the first ones down.
///
/// # Errors
/// When the database fails.
pub async fn any_key_known(pool: &PgPool) -> sqlx::Result<bool> {
    secret_key::any_known(&mut *pool.acquire().await?).await
}

/// Compares the keys with those that the database was used with, and writes new ones down. Answers what would be lost where
/// some are missing, unless that is accepted: then the missing ones are forgotten.
///
/// # Errors
/// When the database fails.
pub async fn check_keys(pool: &PgPool, keys: &SecretKeys, accepts_loss: bool) -> sqlx::Result<Option<Loss>> {
    secret_key::note(&mut *pool.acquire().await?, keys, accepts_loss).await
}

/// Whether the database server keeps what it has committed through a crash.
///
/// # Errors
/// When the database fails.
pub async fn durability(pool: &PgPool) -> sqlx::Result<Durability> {
    Durability::of(&mut *pool.acquire().await?).await
}
