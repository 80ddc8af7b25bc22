//! Every public page with made-up values: for staff to look at what they have written before it counts.

use axum::response::Response;

use crate::web::{
    http::problem::Problem,
    page_context::{PageContext, Sample},
    public::{
        captcha, check_mailbox, confirm, embed, error_pages, manage, privacy_page, subscribe, unsubscribe,
        visitor::{self, Visitor},
    },
};

macro_rules! pages {
    ($($name:literal: $page:ty,)+) => {
        /// The pages there are, by the names of their templates, in the order in which visitors meet them.
        pub const PAGES: &[&str] = &[$($name),+];

        /// One of [`PAGES`] as the visitor's publication makes it look. Its forms and links are nobody's, and lead to no
        /// subscriber.
        ///
        /// # Errors
        /// [`Problem::NotFound`] for any other name; [`Problem::Internal`] when it cannot be made.
        pub fn page(visitor: &Visitor, name: &str) -> Result<Response, Problem> {
            match name {
                $($name => as_usual::<$page>(visitor),)+
                _ => Err(Problem::NotFound),
            }
        }

        #[cfg(test)]
        const TEMPLATES: &[&str] = &[$(<$page>::TEMPLATE),+];
    };
}

pages! {
    "signup": subscribe::SignupPage,
    "captcha": captcha::CaptchaPage,
    "press_again": captcha::PressAgainPage,
    "check_mailbox": check_mailbox::CheckMailboxPage,
    "confirm": confirm::ConfirmPage,
    "confirmed": confirm::ConfirmedPage,
    "declined": confirm::DeclinedPage,
    "subscribed": confirm::SubscribedPage,
    "unsubscribe": unsubscribe::UnsubscribePage,
    "unsubscribed": unsubscribe::UnsubscribedPage,
    "left": unsubscribe::LeftPage,
    "resubscribed": unsubscribe::ResubscribedPage,
    "manage": manage::ManagePage,
    "access_sent": manage::AccessSentPage,
    "access_expired": privacy_page::AccessExpiredPage,
    "data": privacy_page::data::DataPage,
    "address_asked": privacy_page::AddressAskedPage,
    "confirm_change": confirm::ConfirmChangePage,
    "erase": privacy_page::ErasePage,
    "nothing_stored": visitor::NothingStoredPage,
    "problem": error_pages::ProblemPage,
    "embed": embed::EmbedPage,
}

/// The first sample of a page, which shows it as it usually is.
fn as_usual<P: PageContext>(visitor: &Visitor) -> Result<Response, Problem> {
    let Visitor { state, locale, publication } = visitor;
    let of =
        Sample { publication, locale: *locale, renderer: &state.renderer, public_url: &state.public_url };
    let sample = P::samples(&of).into_iter().next();
    visitor.page(&sample.ok_or_else(|| Problem::internal(&"a page has no sample"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_goes_by_the_name_of_its_template() {
        for (name, template) in PAGES.iter().zip(TEMPLATES) {
            assert_eq!(format!("{name}.html"), *template);
        }
    }
}
