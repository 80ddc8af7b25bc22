//! What programs use. Every error is problem details (RFC 9457), see
//! [`for_programs`](crate::web::http::route::Route::for_programs). There is no operation yet: those of version 1 get the folder
//! `api/v1/`, each a door to one function of `app`, and stand in the table of [`routes`](crate::web::routes).

use crate::web::http::problem::Problem;

/// Whatever is asked for: a program is told so, and not by a page.
pub async fn not_found() -> Problem {
    Problem::NotFound
}
