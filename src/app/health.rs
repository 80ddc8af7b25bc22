//! How the service is, for whoever watches it. Reads only.

use sqlx::PgPool;

use crate::{
    db,
    domain::health::{self, Health},
};

/// Looks at every part, as of now.
///
/// # Errors
/// When the database cannot be asked.
pub async fn check(pool: &PgPool) -> sqlx::Result<Health> {
    health::check(&mut *pool.acquire().await?, db::newest_migration()).await
}
