//! A statement that failed, and what that means for whoever asked.

/// Why a statement failed.
pub type StatementError = sqlx::Error;

/// What a statement answers.
pub type StatementResult<T> = Result<T, StatementError>;

/// What a [`StatementError`] means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// What was asked for holds something that no text, number or time of the database can be. Holds the SQLSTATE.
    NotStorable(&'static str),
    /// The database cannot be reached, shuts down or starts up, or has no room; trying again may help.
    Away,
    /// A mistake of ours.
    Mistake,
}

/// What an error means (Postgres manual, Appendix A: error codes).
#[must_use]
pub fn meaning(error: &StatementError) -> Meaning {
    match error {
        StatementError::Database(database) => meaning_of_code(&database.code().unwrap_or_default()),
        StatementError::PoolTimedOut
        | StatementError::PoolClosed
        | StatementError::Io(_)
        | StatementError::Tls(_) => Meaning::Away,
        _ => Meaning::Mistake,
    }
}

/// Whether a table is missing: the database is not migrated yet.
#[must_use]
pub fn is_about_a_missing_table(error: &StatementError) -> bool {
    let database = error.as_database_error();
    database.and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "42P01")
}

fn meaning_of_code(code: &str) -> Meaning {
    // A NUL in a text (22021, 22P05), a time or a number out of range (22008, 22003).
    if let Some(code) = ["22021", "22P05", "22008", "22003"].into_iter().find(|known| *known == code) {
        return Meaning::NotStorable(code);
    }
    // 57P: the server shuts down or starts up; 53: it has no room.
    if code.starts_with("57P") || code.starts_with("53") { Meaning::Away } else { Meaning::Mistake }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_that_has_no_room_says_is_no_mistake_of_ours() {
        assert_eq!(meaning_of_code("53300"), Meaning::Away, "too many connections");
        assert_eq!(meaning_of_code("57P01"), Meaning::Away, "it is shut down");
        assert_eq!(meaning_of_code("22021"), Meaning::NotStorable("22021"));
        assert_eq!(meaning_of_code("57014"), Meaning::Mistake, "a statement was cancelled");
        assert_eq!(meaning_of_code("42703"), Meaning::Mistake);
        assert_eq!(meaning(&StatementError::PoolTimedOut), Meaning::Away);
        assert_eq!(meaning(&StatementError::RowNotFound), Meaning::Mistake);
    }
}
