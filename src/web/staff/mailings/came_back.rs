//! What came back of a mailing, on its page.

use serde::Serialize;

use crate::{
    domain::{
        bounce::of_mailing::{CameBack, ProviderRefusals},
        queue::reply_meaning::{self, Meaning},
    },
    web::staff::staff_page::StaffPage,
};

/// What came back, in sentences.
#[derive(Serialize)]
pub struct CameBackView {
    /// One for each kind that there is.
    sentences: Vec<String>,
    refusals: Vec<RefusalView>,
}

/// Refusals because of us, by one provider with the same words.
#[derive(Serialize)]
struct RefusalView {
    provider: String,
    count: String,
    meaning: String,
    /// What to do about it.
    way_out: String,
    /// The provider's words, for admins.
    said: String,
}

impl CameBackView {
    /// Nothing where nothing came back.
    pub fn of(page: &StaffPage, came_back: &CameBack) -> Option<Self> {
        if came_back.is_empty() {
            return None;
        }
        let sentence = |key: &str, count: i64| (count > 0).then(|| page.plural("came_back", key, count));
        let sentences = [
            sentence("hard", came_back.hard),
            sentence("soft", came_back.soft),
            sentence("complaints", came_back.complaints),
            sentence("unrecognised", came_back.unrecognised),
        ];
        let refusals = came_back.refusals.iter().map(|group| RefusalView::of(page, group)).collect();
        Some(Self { sentences: sentences.into_iter().flatten().collect(), refusals })
    }

    /// For samples of the page: with and without refusals, their words and their provider.
    pub fn samples() -> Vec<Option<Self>> {
        let refusal = |provider: &str, said: &str| RefusalView {
            provider: provider.into(),
            count: "12".into(),
            meaning: "Der Mailserver nimmt unsere E-Mails nicht an.".into(),
            way_out: "Das muss die Technik richten.".into(),
            said: said.into(),
        };
        vec![
            None,
            Some(Self { sentences: vec!["3 Adressen gibt es nicht mehr.".into()], refusals: Vec::new() }),
            Some(Self {
                sentences: Vec::new(),
                refusals: vec![refusal("GMX", "554 5.7.1 spam"), refusal("", "")],
            }),
        ]
    }
}

impl RefusalView {
    fn of(page: &StaffPage, group: &ProviderRefusals) -> Self {
        // In a report the words stand behind what kind they are of (RFC 3464 §2.3.6).
        let said = group.said.split_once(';').filter(|(kind, _)| kind.eq_ignore_ascii_case("smtp"));
        let said = said.map_or(group.said.as_str(), |(_, words)| words.trim_start());
        // A line of several has a hyphen behind its code (RFC 5321 §4.2.1).
        let line = said
            .get(3..4)
            .filter(|sign| *sign == "-")
            .map_or_else(|| said.to_owned(), |_| format!("{} {}", &said[..3], &said[4..]));
        // What was given up is not tried again.
        let meaning = reply_meaning::of_line(&line).filter(|meaning| *meaning != Meaning::Later);
        let way_out = match meaning {
            Some(Meaning::NotAuthenticated | Meaning::SenderRefused) => "way_out_sender",
            Some(Meaning::TooMany) => "way_out_rate",
            Some(Meaning::ContentRefused) => "way_out_content",
            _ => "way_out_reputation",
        };
        let meaning = meaning.unwrap_or(Meaning::NotWanted);
        Self {
            provider: group.provider.clone(),
            count: page.number(group.count),
            meaning: page.text("meaning", meaning.key()).to_owned(),
            way_out: page.text("came_back", way_out).to_owned(),
            said: if page.is_admin() { said.to_owned() } else { String::new() },
        }
    }
}
