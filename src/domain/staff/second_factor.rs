//! The second factor: a code by time ([`totp`](super::totp)), or a recovery code when the device that makes them is lost.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    config::SecretKeys,
    domain::{
        base32,
        ids::StaffId,
        staff::{MemberRow, StaffError, locked, secret::random, totp::TotpSecret},
    },
};

/// Recovery codes that are made at a time.
const RECOVERY_CODES: usize = 10;

/// Turns the second factor on, once its owner has shown a code of `step`. Answers the recovery codes, which are shown once.
pub async fn turn_on(
    db: &mut PgConnection,
    keys: &SecretKeys,
    staff_id: StaffId,
    secret: &TotpSecret,
    step: i64,
) -> sqlx::Result<Vec<String>> {
    sqlx::query!(
        "update staff set totp_sealed = $2, totp_last_step = $3 where id = $1",
        staff_id.0,
        secret.seal(keys, staff_id),
        step
    )
    .execute(&mut *db)
    .await?;
    new_recovery_codes(db, keys, staff_id).await
}

/// Turns the second factor off. Answers its owner's row; nothing when there was none.
///
/// # Errors
/// [`StaffError::Unknown`].
pub async fn turn_off(db: &mut PgConnection, staff_id: StaffId) -> Result<Option<MemberRow>, StaffError> {
    let member = locked(&mut *db, staff_id).await?;
    let turned_off = sqlx::query!(
        "update staff set totp_sealed = null, totp_last_step = null where id = $1 and totp_sealed is not null",
        staff_id.0
    )
    .execute(&mut *db)
    .await?;
    if turned_off.rows_affected() == 0 {
        return Ok(None);
    }
    sqlx::query!("delete from staff_recovery_codes where staff_id = $1", staff_id.0).execute(db).await?;
    Ok(Some(member))
}

/// Makes new recovery codes; the old ones work no more.
pub async fn new_recovery_codes(
    db: &mut PgConnection,
    keys: &SecretKeys,
    staff_id: StaffId,
) -> sqlx::Result<Vec<String>> {
    let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| recovery_code()).collect();
    sqlx::query!("delete from staff_recovery_codes where staff_id = $1", staff_id.0)
        .execute(&mut *db)
        .await?;
    for code in &codes {
        let hmac = keys.sign("staff recovery code", &recovery_message(staff_id, code));
        sqlx::query!(
            "insert into staff_recovery_codes (staff_id, code_hmac) values ($1, $2)",
            staff_id.0,
            hmac.as_slice()
        )
        .execute(&mut *db)
        .await?;
    }
    Ok(codes)
}

/// Two times five characters of Crockford's base32, which has no I, L, O and U: 50 random bits.
fn recovery_code() -> String {
    let text = base32::encode(&random::<7>(), b"0123456789abcdefghjkmnpqrstvwxyz");
    format!("{}-{}", &text[..5], &text[5..10])
}

/// What is signed of a code, however it was typed.
fn recovery_message(staff_id: StaffId, typed: &str) -> Vec<u8> {
    let plain = typed.chars().filter(char::is_ascii_alphanumeric).map(|c| match c.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        c => c,
    });
    [staff_id.0.as_bytes().as_slice(), plain.collect::<String>().as_bytes()].concat()
}

/// How many recovery codes are left.
pub async fn recovery_codes_left(db: &mut PgConnection, staff_id: StaffId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "left!" from staff_recovery_codes where staff_id = $1"#,
        staff_id.0
    )
    .fetch_one(db)
    .await
}

/// What was typed in the place of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondFactor {
    /// A code of the device.
    Code,
    /// A recovery code, used up with this.
    Recovery,
    /// Neither; or a code that was used before.
    Wrong,
    /// The secret cannot be opened: the `SECRET_KEY` it was stored under is gone. A recovery code would not help
    /// either; an admin has to reset the second factor.
    Lost,
}

/// Checks what was typed, and uses it up.
pub async fn check(
    db: &mut PgConnection,
    keys: &SecretKeys,
    staff_id: StaffId,
    typed: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<SecondFactor> {
    // Of two who send the same code at the same moment, the second waits here and finds it used.
    let row = sqlx::query!(
        r#"select totp_sealed as "sealed!", totp_last_step from staff
           where id = $1 and totp_sealed is not null for update"#,
        staff_id.0
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(SecondFactor::Wrong) };
    let digits: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    if digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let Some(secret) = TotpSecret::open(keys, staff_id, &row.sealed) else {
            return Ok(SecondFactor::Lost);
        };
        let Some(step) = secret.step_of(&digits, row.totp_last_step, now) else {
            return Ok(SecondFactor::Wrong);
        };
        sqlx::query!("update staff set totp_last_step = $2 where id = $1", staff_id.0, step)
            .execute(db)
            .await?;
        return Ok(SecondFactor::Code);
    }
    let hmacs: Vec<Vec<u8>> = keys
        .sign_with_each("staff recovery code", &recovery_message(staff_id, typed))
        .iter()
        .map(|hmac| hmac.to_vec())
        .collect();
    let used = sqlx::query!(
        "delete from staff_recovery_codes where staff_id = $1 and code_hmac = any($2)",
        staff_id.0,
        &hmacs
    )
    .execute(db)
    .await?;
    Ok(if used.rows_affected() > 0 { SecondFactor::Recovery } else { SecondFactor::Wrong })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_codes_are_understood_however_they_are_typed() {
        let (owner, code) = (StaffId::new(), recovery_code());
        assert_eq!(code.len(), 11);
        let typed = format!(" {} ", code.to_uppercase().replace('-', " ").replace('0', "O"));
        assert_eq!(recovery_message(owner, &typed), recovery_message(owner, &code));
    }
}
