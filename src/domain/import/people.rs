//! What a list says of each person as a whole: the worst of all their lines, and the first line that says it. That line
//! speaks for its owner; the others change nothing.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;

use crate::domain::{address::NormalizedAddress, ids::ImportId};

use super::{row::Row, states::Listed};

/// What a list says of somebody as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonSummary {
    /// The worst.
    pub listed: Listed,
    /// The first line that says it.
    pub line: u64,
}

/// What is known of the people in a list.
pub type People = HashMap<NormalizedAddress, PersonSummary>;

/// Adds what a line says.
pub fn add(people: &mut People, row: &Row) {
    let said = PersonSummary { listed: row.listed, line: row.line };
    let known = people.entry(row.email.normalized()).or_insert(said);
    if said.listed > known.listed || said.listed == known.listed && said.line < known.line {
        *known = said;
    }
}

/// What these lines and what is known of the whole list say together of the people in these lines.
#[must_use]
pub fn of_rows(rows: &[Row], known: &People) -> People {
    let mut people = People::new();
    for row in rows {
        add(&mut people, row);
    }
    for (address, summary) in &mut people {
        let Some(known) = known.get(address) else { continue };
        if known.listed > summary.listed || known.listed == summary.listed && known.line < summary.line {
            *summary = *known;
        }
    }
    people
}

/// Keeps what these lines of an uploaded list say.
pub async fn remember(db: &mut PgConnection, id: ImportId, rows: &[Row]) -> sqlx::Result<()> {
    let people = of_rows(rows, &People::new());
    let addresses: Vec<Vec<u8>> = people.keys().map(known_by).collect();
    let listed: Vec<i16> = people.values().map(|summary| number(summary.listed)).collect();
    let lines: Vec<i64> = people.values().map(|summary| signed(summary.line)).collect();
    sqlx::query!(
        "insert into import_people (import_id, address, listed, line)
         select $1, address, listed, line
         from unnest($2::bytea[], $3::smallint[], $4::bigint[]) as said (address, listed, line)
         on conflict (import_id, address) do update set listed = excluded.listed, line = excluded.line
             -- Lines come in their order, so what is kept already was said first.
             where import_people.listed < excluded.listed",
        id.0,
        &addresses,
        &listed,
        &lines
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What the whole of an uploaded list says of the people in these lines.
pub async fn remembered(db: &mut PgConnection, id: ImportId, rows: &[Row]) -> sqlx::Result<People> {
    let addresses: HashMap<Vec<u8>, NormalizedAddress> =
        rows.iter().map(|row| row.email.normalized()).map(|address| (known_by(&address), address)).collect();
    let keys: Vec<Vec<u8>> = addresses.keys().cloned().collect();
    let found = sqlx::query!(
        "select address, listed, line from import_people where import_id = $1 and address = any($2)",
        id.0,
        &keys
    )
    .fetch_all(db)
    .await?;
    let summary = |listed: i16, line: i64| {
        Some(PersonSummary { listed: from_number(listed)?, line: u64::try_from(line).unwrap_or_default() })
    };
    let known = found.into_iter().filter_map(|person| {
        Some((addresses.get(&person.address)?.clone(), summary(person.listed, person.line)?))
    });
    Ok(known.collect())
}

/// Forgets what a list says of people.
pub async fn forget(db: &mut PgConnection, id: ImportId) -> sqlx::Result<()> {
    sqlx::query!("delete from import_people where import_id = $1", id.0).execute(db).await?;
    Ok(())
}

fn known_by(address: &NormalizedAddress) -> Vec<u8> {
    Sha256::digest(address.as_str().as_bytes())[..16].to_vec()
}

fn number(listed: Listed) -> i16 {
    listed as i16
}

fn from_number(number: i16) -> Option<Listed> {
    [Listed::Active, Listed::NeverConfirmed, Listed::Left, Listed::Bounced, Listed::Complained]
        .into_iter()
        .find(|listed| *listed as i16 == number)
}

fn signed(line: u64) -> i64 {
    i64::try_from(line).unwrap_or(i64::MAX)
}
