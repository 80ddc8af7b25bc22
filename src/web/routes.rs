//! Every public and staff route: what answers, who may use it, and what else sets it apart.
//!
//! A route that is not here is not served. What depends on a route is looked up in this table: see [`route`](crate::web::http::route).
//! GET and HEAD change nothing (invariant 1).

use axum::{
    extract::DefaultBodyLimit,
    routing::{any, get, post},
};

use crate::{
    domain::token::LinkPurpose,
    web::{
        api, hooks,
        http::{
            assets,
            route::{Body, Route, SlotClass},
        },
        public::{
            self, check_mailbox, confirm, cors, embed, manage, privacy_page, review, subscribe, unsubscribe,
        },
        staff::{
            account::{self, second_factor},
            bounces, error_pages, files, glossary, images, log,
            login::{self, code, forgotten, one_time_link},
            mailings::{self, actions, live, refusals, report, retry},
            members, phone,
            publication::{self, signature, theme},
            restore,
            sending::{self, planned_text, test_mail},
            start,
            subscribers::{self, detail, export, import, signups},
            updates::{
                self, editor, history, preflight, preview, review as staff_review, templates, test_recipients,
            },
        },
    },
};

const UNSUBSCRIBE: SlotClass = SlotClass::Leaving(LinkPurpose::Unsubscribe);
const MANAGE: SlotClass = SlotClass::Leaving(LinkPurpose::Manage);

/// The table. Leaving, which mail providers do for many people from few addresses, and what a page or a mail needs to be
/// read, which webmail fetches for many people from few addresses, is not counted by the rate limit.
pub const ROUTES: &[Route] = &[
    // The signup page.
    Route::public("/", || get(subscribe::form)),
    // From our own site and the publication's alone, whose scripts ask first (CORS). The same answer for every address.
    Route::public("/subscribe", || {
        post(subscribe::submit).get(subscribe::back_to_form).options(cors::preflight)
    }),
    Route::public("/check-mailbox", || get(check_mailbox::page)),
    Route::public("/confirm/{token}", || get(confirm::ask).post(confirm::answer)).token(),
    // The signup box for other sites: a page to copy it from, and its words for its script.
    Route::public("/embed", || get(embed::page)),
    Route::public("/embed/box", || get(embed::signup_box)),
    // POST is also the one click of RFC 8058.
    Route::public("/unsubscribe/{token}", || get(unsubscribe::ask).post(unsubscribe::leave))
        .token()
        .uncounted()
        .body(Body::AnyForm)
        .slots(UNSUBSCRIBE),
    Route::public("/resubscribe/{token}", || post(unsubscribe::undo)).token().uncounted(),
    Route::public("/left/{token}", || post(unsubscribe::say_why)).token().uncounted(),
    Route::public("/manage/{token}", || get(manage::page).post(manage::change))
        .token()
        .uncounted()
        .slots(MANAGE),
    // Behind a link that came by mail within the hour.
    Route::public("/data/{token}", || get(privacy_page::page)).token(),
    Route::public("/data/{token}/download", || get(privacy_page::download)).token(),
    Route::public("/data/{token}/address", || post(privacy_page::ask_address)).token(),
    Route::public("/data/{token}/erase", || get(privacy_page::ask_erase).post(privacy_page::erase)).token(),
    // Behind a link that staff handed out: an update before it is sent.
    Route::public("/review/{token}", || get(review::page).post(review::leave_remark)).token(),
    Route::public("/review/{token}/mail.html", || get(review::html)).token(),
    Route::public("/review/{token}/mail.txt", || get(review::text)).token(),
    Route::public("/calendar/{file}", || get(public::calendar::file)).uncounted(),
    Route::public("/images/{name}", || get(public::images::image)).uncounted(),
    Route::public("/files/{name}", || get(public::files::file)),
    Route::public("/assets/{file}", || get(assets::asset)).uncounted(),
    // From a few addresses for many mails, each with a proof of whose it is.
    Route::public("/hooks/bounces/{provider}", || post(hooks::take))
        .uncounted()
        .for_programs()
        .body(Body::Upload { most: hooks::MOST, within: hooks::WITHIN }),
    // Programs read an error as such; what they may use will stand above.
    Route::public("/api/{*rest}", || any(api::not_found)).for_programs(),
    // The staff pages.
    Route::member("/staff", || get(start::show)),
    Route::member("/staff/", || get(start::without_slash)),
    Route::member("/staff/first-steps", || post(start::dismiss)),
    Route::public("/staff/login", || get(login::form).post(login::submit)).slots(SlotClass::Login),
    Route::public("/staff/login/forgotten", || get(forgotten::form).post(forgotten::submit)),
    Route::public("/staff/login/code", || get(code::form).post(code::submit)),
    Route::public("/staff/logout", || post(login::logout)),
    Route::public("/staff/welcome/{token}", || get(one_time_link::ask).post(one_time_link::set)).token(),
    Route::member("/staff/updates/{id}/send", || get(sending::show).post(sending::send)),
    Route::member("/staff/updates/{id}/test", || post(test_mail::send)),
    Route::member("/staff/colleagues", || get(test_recipients::list).post(test_recipients::add)),
    Route::member("/staff/colleagues/{id}/remove", || post(test_recipients::remove)),
    Route::member("/staff/mailings", || get(mailings::list)),
    Route::member("/staff/mailings/{id}", || get(mailings::detail::show)),
    Route::member("/staff/mailings/{id}/events", || get(live::events)).polled(),
    Route::member("/staff/mailings/{id}/mail.html", || get(preview::of_mailing)),
    Route::member("/staff/mailings/{id}/text", || get(planned_text::show).post(planned_text::replace)),
    Route::member("/staff/mailings/{id}/take-back", || post(actions::take_back)),
    Route::member("/staff/mailings/{id}/time", || post(actions::reschedule)),
    Route::member("/staff/mailings/{id}/now", || post(actions::begin_now)),
    Route::member("/staff/mailings/{id}/pause", || post(actions::pause)),
    Route::member("/staff/mailings/{id}/resume", || post(actions::resume)),
    Route::member("/staff/mailings/{id}/refusals", || get(refusals::ask).post(refusals::accept)),
    Route::member("/staff/mailings/{id}/cancel", || post(actions::cancel)),
    Route::member("/staff/mailings/{id}/retry", || get(retry::ask).post(retry::retry)),
    Route::member("/staff/mailings/{id}/report.csv", || post(report::download)).reauth("report"),
    Route::member("/staff/account", || get(account::show)),
    Route::member("/staff/account/name", || post(account::set_name)),
    Route::member("/staff/account/password", || post(account::set_password)).reauth_in_form(),
    Route::member("/staff/account/sessions/end", || post(account::end_all_sessions)),
    Route::member("/staff/account/sessions/{id}/end", || post(account::end_session)),
    Route::member("/staff/account/second-factor", || get(second_factor::show).post(second_factor::turn_on))
        .reauth_in_form(),
    Route::member("/staff/account/second-factor/codes", || post(second_factor::new_codes)).reauth_in_form(),
    Route::member("/staff/account/second-factor/off", || post(second_factor::turn_off)).reauth_in_form(),
    Route::member("/staff/account/notices", || post(account::read_notices)),
    Route::member("/staff/updates", || get(updates::list).post(updates::begin)),
    Route::member("/staff/updates/{id}", || get(editor::show).post(editor::save)),
    Route::member("/staff/updates/{id}/here", || post(editor::here)).polled(),
    Route::member("/staff/updates/{id}/mail.html", || get(preview::html)),
    Route::member("/staff/updates/{id}/mail.txt", || get(preview::text)),
    Route::member("/staff/updates/{id}/history", || get(history::list)),
    Route::member("/staff/updates/{id}/history/{version}", || get(history::show).post(history::restore)),
    Route::member("/staff/updates/{id}/review", || get(staff_review::show).post(staff_review::make_link)),
    Route::member("/staff/review-links/{id}/revoke", || post(staff_review::revoke_link)),
    Route::member("/staff/remarks/{id}/done", || post(staff_review::finish_remark)),
    Route::member("/staff/updates/{id}/copy", || post(templates::copy)),
    Route::member("/staff/updates/{id}/template", || get(templates::ask_name).post(templates::make)),
    Route::member("/staff/updates/{id}/checks", || post(templates::tick)),
    Route::member("/staff/templates", || get(templates::list)),
    Route::member("/staff/templates/{id}", || get(templates::show).post(templates::change)),
    Route::member("/staff/templates/{id}/begin", || post(templates::begin)),
    Route::member("/staff/templates/{id}/remove", || post(templates::remove)),
    Route::member("/staff/updates/{id}/delete", || post(updates::delete)),
    Route::admin("/staff/publication", || get(publication::show).post(publication::change)),
    Route::admin("/staff/publication/preview", || post(publication::preview)),
    Route::admin("/staff/publication/look", || get(theme::show)),
    Route::admin("/staff/publication/{of}/mails/{folder}", || get(theme::mail)),
    Route::admin("/staff/publication/{of}/pages/{name}", || get(theme::sample_page)),
    Route::admin("/staff/people", || get(members::list).post(members::add)).reauth("person_add"),
    Route::admin("/staff/people/{id}", || get(members::show)),
    Route::admin("/staff/people/{id}/role", || post(members::set_role)).reauth("person_role"),
    Route::admin("/staff/people/{id}/disable", || post(members::disable)).reauth("person_disable"),
    Route::admin("/staff/people/{id}/enable", || post(members::enable)).reauth("person_enable"),
    Route::admin("/staff/people/{id}/link", || post(members::make_link)).reauth("person_link"),
    Route::admin("/staff/people/{id}/second-factor", || post(members::reset_second_factor))
        .reauth("person_factor"),
    Route::member("/staff/images", || get(images::list).post(images::upload)).body(images::UPLOAD),
    Route::member("/staff/images/fetch", || post(images::fetch)).body(images::FETCH),
    Route::member("/staff/images/{id}", || get(images::show).post(images::describe)),
    Route::member("/staff/images/{id}/remove", || post(images::remove)),
    Route::member("/staff/files", || get(files::list).post(files::upload)).body(files::UPLOAD),
    Route::member("/staff/files/{id}/remove", || post(files::remove)),
    Route::member("/staff/updates/{id}/preflight", || get(preflight::show)),
    Route::admin("/staff/subscribers", || get(subscribers::list)),
    Route::admin("/staff/subscribers/export.csv", || post(export::download)).reauth("export"),
    // The handler counts the file as it comes, and says so when it is too large.
    Route::admin("/staff/subscribers/import", || {
        get(import::start).post(import::receive).layer(DefaultBodyLimit::disable())
    })
    .body(import::UPLOAD),
    Route::admin("/staff/subscribers/import/{id}", || get(import::show)),
    Route::admin("/staff/subscribers/import/{id}/check", || post(import::check)),
    Route::admin("/staff/subscribers/import/{id}/run", || post(import::run)),
    Route::admin("/staff/subscribers/import/{id}/cancel", || post(import::cancel)),
    Route::admin("/staff/subscribers/import/{id}/status", || get(import::status)).polled(),
    Route::admin("/staff/subscribers/import/{id}/problems.csv", || get(import::problems)),
    Route::admin("/staff/subscribers/{id}", || get(detail::show)),
    Route::admin("/staff/subscribers/{id}/proof", || post(detail::take_proof)).reauth("proof"),
    Route::admin("/staff/subscribers/{id}/erase", || get(detail::ask_erase).post(detail::erase)),
    Route::admin("/staff/subscribers/{id}/reactivate", || post(detail::reactivate)),
    Route::admin("/staff/bounces", || get(bounces::list)),
    Route::admin("/staff/bounces/ignore", || post(bounces::ignore_all)),
    Route::admin("/staff/bounces/{id}", || get(bounces::show)),
    Route::admin("/staff/bounces/{id}/assign", || post(bounces::belongs_to)),
    Route::admin("/staff/bounces/{id}/ignore", || post(bounces::ignore_one)),
    // For one whole address, which stands in no path.
    Route::member("/staff/phone", || get(phone::show).post(phone::look_up)),
    Route::member("/staff/phone/ask", || post(phone::ask)),
    Route::member("/staff/phone/again", || post(phone::send_again)),
    Route::member("/staff/phone/unsubscribe", || post(phone::unsubscribe)),
    Route::member("/staff/phone/discard", || post(phone::discard)),
    Route::member("/staff/phone/enter", || post(phone::enter)),
    Route::member("/staff/signups", || get(signups::show)),
    Route::admin("/staff/signups/release", || post(signups::release)),
    Route::admin("/staff/signups/again", || post(signups::send_again)),
    Route::admin("/staff/signups/drop", || post(signups::drop_them)),
    Route::admin("/staff/restore", || get(restore::show).post(restore::release)),
    Route::member("/staff/glossary", || get(glossary::show)),
    Route::member("/staff/signature", || get(signature::show).post(signature::examine)),
    Route::admin("/staff/audit", || get(log::show)),
    // Everything else: not there, for those who are logged in; a login for all others.
    Route::member("/staff/{*rest}", || any(error_pages::not_found)),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::{
        Extension, Router,
        body::{self, to_bytes},
        extract::Request,
        middleware::{self, Next},
    };
    use tower_service::Service;

    use crate::web::http::route::{self, Allowed, Matched, Table};

    use super::*;

    fn request(path: &str) -> Request {
        Request::get(path).body(body::Body::empty()).unwrap()
    }

    fn of(path: &str) -> Matched {
        Table(ROUTES).of(&request(path))
    }

    #[test]
    fn every_path_stands_there_once_and_whatever_holds_a_token_says_so() {
        let paths: BTreeSet<&str> = ROUTES.iter().map(|route| route.path).collect();
        assert_eq!(paths.len(), ROUTES.len());
        for route in ROUTES {
            assert_eq!(route.path.contains("{token}"), route.holds_token, "{}", route.path);
            assert!(route.is_staff() || route.allowed == Allowed::Everybody, "{}", route.path);
        }
    }

    #[test]
    fn a_link_with_something_behind_its_token_still_counts_as_one() {
        assert_eq!(of("/unsubscribe/token/and-more").route.path, "/unsubscribe/{token}");
        assert_eq!(of("/data/token/elsewhere").route.path, "/data/{token}");
        for link in ["/confirm/token", "/unsubscribe/token/", "/staff/welcome/token/more"] {
            assert!(of(link).holds_token, "{link}");
        }
        assert!(!of("/staff/updates/1").holds_token && !of("/confirm").holds_token);
        for nowhere in ["/unsubscribe", "/nowhere", "/staffed", "//evil.example/"] {
            assert_eq!(of(nowhere).route.path, "", "{nowhere}");
        }
    }

    #[tokio::test]
    async fn a_request_carries_its_route_to_every_layer_and_handler() {
        async fn told(Extension(Matched { route, holds_token }): Extension<Matched>) -> String {
            format!("{} {holds_token}", route.path)
        }
        async fn tell(matched: Extension<Matched>, request: Request, next: Next) -> String {
            let handler = next.run(request).await.into_body();
            let handler = to_bytes(handler, 1_000).await.unwrap();
            format!("{}, {}", told(matched).await, str::from_utf8(&handler).unwrap())
        }
        let mut router = Router::new()
            .route("/manage/{token}", get(told))
            .route("/staff/updates/{id}", get(told))
            .route("/staff/{*rest}", get(told))
            .fallback(told)
            .layer(middleware::from_fn(tell))
            .layer(middleware::map_request_with_state(Table(ROUTES), route::look_up));
        for (path, expected) in [
            ("/manage/x", "/manage/{token} true"),
            ("/staff/updates/x", "/staff/updates/{id} false"),
            ("/staff/welcome/x/more", "/staff/{*rest} true"),
            ("/manage/x/more", "/manage/{token} true"),
            ("/nowhere", " false"),
        ] {
            let answer = router.call(request(path)).await.unwrap();
            let answer = to_bytes(answer.into_body(), 1_000).await.unwrap();
            assert_eq!(answer, format!("{expected}, {expected}"), "{path}");
        }
    }
}
