//! What became of a mailing, person by person: on its page in groups, and as a file with everybody.

use std::{collections::BTreeMap, io};

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use chrono::{SecondsFormat, Utc};
use serde::Serialize;
use tracing::Instrument;

use crate::{
    app::take_report::{Report, ReportError, take_report},
    domain::{
        address::{self, EmailAddress},
        csv::harmless,
        ids::MailingId,
        mailing::{Failed, Failure, Line},
        queue::{
            delivery::DeliveryState,
            reply_meaning::{self, Meaning},
        },
        staff::Role,
    },
    telemetry::mask_recipient,
    web::{
        AppState,
        http::streaming::{self, Pieces},
        staff::{
            logged_in::Member,
            staff_page::{Id, StaffPage, id_in},
            staff_problem::StaffProblem,
        },
    },
};

/// Addresses shown of each group; the file has all of them.
pub const SHOWN: i64 = 20;
/// Pieces of the file that wait for a browser that reads slowly.
const WAITING: usize = 2;

/// What went wrong, grouped by what the relay said as far as whoever looks is told, with addresses.
pub fn failures(page: &StaffPage, groups: Vec<Failure>, failed: Vec<Failed>) -> Vec<FailureView> {
    let (is_admin, words) = (page.is_admin(), words_of(page));
    let mut people: BTreeMap<_, Vec<EmailAddress>> = BTreeMap::new();
    for one in failed {
        people.entry((one.state.name(), one.smtp_code, one.reply)).or_default().push(one.email);
    }
    let mut shown_groups: Vec<Group> = Vec::new();
    for group in groups {
        let own =
            people.remove(&(group.state.name(), group.smtp_code, group.reply.clone())).unwrap_or_default();
        // What was stored by an earlier version names them still.
        let masked = own.iter().fold(group.reply, |reply, email| mask_recipient(&reply, email.as_str()));
        let group = Group {
            state: group.state,
            meaning: meaning(&words, group.smtp_code, &masked),
            codes: codes(group.smtp_code, &masked, is_admin),
            reply: if is_admin { masked } else { String::new() },
            count: group.count,
            addresses: own.iter().map(|email| address::written(&address_for(email, is_admin))).collect(),
        };
        // Without the relay's words several replies are one.
        let same = shown_groups.iter_mut().find(|one| {
            (one.state, &one.codes, &one.meaning, &one.reply)
                == (group.state, &group.codes, &group.meaning, &group.reply)
        });
        match same {
            Some(same) => {
                same.count += group.count;
                same.addresses.extend(group.addresses);
            }
            None => shown_groups.push(group),
        }
    }
    shown_groups.into_iter().map(|group| FailureView::of(page, group)).collect()
}

/// Copies that did not go through for the same reason.
struct Group {
    state: DeliveryState,
    meaning: String,
    codes: Option<String>,
    /// The relay's words, for admins.
    reply: String,
    count: i64,
    addresses: Vec<String>,
}

/// Such a group, as `staff/report.html` shows it.
#[derive(Serialize)]
pub struct FailureView {
    state: DeliveryState,
    /// What the reply means, in a sentence.
    meaning: String,
    /// Its codes, such as `550 5.1.1`.
    codes: Option<String>,
    /// The relay's words; empty for everybody but admins, and where it has said nothing.
    reply: String,
    count: String,
    addresses: Vec<String>,
    /// How many more addresses there are; empty where all are shown.
    more: String,
}

impl FailureView {
    fn of(page: &StaffPage, mut group: Group) -> Self {
        group.addresses.truncate(usize::try_from(SHOWN).unwrap_or(usize::MAX));
        let more = group.count - i64::try_from(group.addresses.len()).unwrap_or(i64::MAX);
        let more = page.text("mailing", "more_addresses").replace("{count}", &page.number(more.max(0)));
        Self {
            state: group.state,
            meaning: group.meaning,
            codes: group.codes,
            reply: group.reply,
            count: page.number(group.count),
            addresses: group.addresses,
            more: if group.count > SHOWN { more } else { String::new() },
        }
    }

    /// For samples of the page: with and without code, words, addresses, and more of these than are shown.
    pub fn samples() -> Vec<Self> {
        let of = |state, codes: Option<&str>, reply: &str, addresses, more: &str| Self {
            state,
            meaning: codes.map(|_| "Dieses Postfach gibt es nicht.".into()).unwrap_or_default(),
            codes: codes.map(Into::into),
            reply: reply.into(),
            count: "21".into(),
            addresses,
            more: more.into(),
        };
        let address = || vec!["m…@example.org".to_owned()];
        vec![
            of(DeliveryState::Rejected, Some("550 5.1.1"), "5.1.1 unknown user", address(), "und 20 weitere"),
            of(DeliveryState::Unknown, None, "", address(), ""),
            of(DeliveryState::Pending, Some("450"), "", Vec::new(), ""),
        ]
    }
}

/// Our words for what a reply means, by their keys.
type Words = BTreeMap<&'static str, String>;

fn words_of(page: &StaffPage) -> Words {
    let keys = Meaning::ALL.iter().map(|meaning| meaning.key());
    keys.map(|key| (key, page.text("meaning", key).to_owned())).collect()
}

/// An address as somebody may see it: whole for admins, who look after subscribers; masked for everybody else.
fn address_for(email: &EmailAddress, is_admin: bool) -> String {
    if is_admin { email.as_str().to_owned() } else { email.masked() }
}

/// What the relay said, with the recipient masked; for everybody but admins, what it means in our words: a relay may name
/// people in ways that nobody has thought of.
fn said(words: &Words, code: Option<i16>, reply: &str, is_admin: bool) -> String {
    if is_admin { reply.to_owned() } else { meaning(words, code, reply) }
}

/// The codes of a reply: where its words follow, which begin with the enhanced one, the reply code alone.
pub fn codes(code: Option<i16>, reply: &str, has_words: bool) -> Option<String> {
    let all = reply_meaning::codes(code, reply)?;
    let first = all.split(' ').next().unwrap_or_default().to_owned();
    Some(if has_words { first } else { all })
}

/// What a reply means, in our words. What a relay says when all is well helps nobody.
fn meaning(words: &Words, code: Option<i16>, reply: &str) -> String {
    let meaning = reply_meaning::of(code, reply).filter(|_| code.is_some() || !reply.is_empty());
    meaning.and_then(|meaning| words.get(meaning.key())).cloned().unwrap_or_default()
}

/// `POST /staff/mailings/{id}/report.csv`: everybody's line. A POST, because it goes into the audit log: the file holds
/// addresses.
pub async fn download(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    let (id, now) = (id_in(id)?, Utc::now());
    let report = match take_report(&state.app.pool, &member.actor(), Some(&member.0), id, now).await {
        Ok(report) => report,
        Err(ReportError::Unknown) => return Err(StaffProblem::NOT_FOUND),
        Err(ReportError::NotAllowed(_)) => return Err(StaffProblem::no_gate()),
        Err(ReportError::Database(error)) => return Err(error.into()),
    };
    let began = report.mailing.begun_at.unwrap_or(report.mailing.triggered_at);
    let is_admin = member.0.role == Role::Admin;
    let (pieces, body) = streaming::later(WAITING);
    let words = words_of(&page);
    tokio::spawn(
        async move {
            if let Err(error) = write(report, (&words, is_admin), &pieces).await {
                tracing::warn!(mailing = %id, %error, "a report broke off");
                // The browser is not to take what it has for all of it.
                let _ = pieces.send(Err(io::Error::other("the report broke off"))).await;
            }
        }
        .in_current_span(),
    );
    let name = format!("attachment; filename=\"report-{}.csv\"", began.format("%Y-%m-%d"));
    let name = HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("attachment"));
    let kind = HeaderValue::from_static("text/csv; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], body).into_response())
}

/// Writes the file, some lines at a time. A browser that goes away ends it.
async fn write(mut report: Report, (words, is_admin): (&Words, bool), pieces: &Pieces) -> io::Result<()> {
    let head = ["email", "state", "attempts", "smtp_code", "smtp_text", "finished_at", "came_back"];
    // A byte order mark, without which Excel takes UTF-8 for something else.
    let mut piece = "\u{feff}".as_bytes().to_vec();
    piece.extend(rows([head.map(String::from)])?);
    loop {
        if pieces.send(Ok(Bytes::from(std::mem::take(&mut piece)))).await.is_err() {
            return Ok(());
        }
        let lines = report.next_lines().await.map_err(io::Error::other)?;
        if lines.is_empty() {
            return Ok(());
        }
        piece = rows(lines.iter().map(|line| row(line, words, is_admin)))?;
    }
}

fn row(line: &Line, words: &Words, is_admin: bool) -> [String; 7] {
    let reply = mask_recipient(line.smtp_text.as_deref().unwrap_or_default(), line.email.as_str());
    [
        harmless(&address_for(&line.email, is_admin)).into_owned(),
        line.state.name().to_owned(),
        line.attempts.to_string(),
        line.smtp_code.map(|code| code.to_string()).unwrap_or_default(),
        harmless(&said(words, line.smtp_code, &reply, is_admin)).into_owned(),
        line.finished_at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true)).unwrap_or_default(),
        line.came_back.map(|kind| kind.name().to_owned()).unwrap_or_default(),
    ]
}

fn rows(rows: impl IntoIterator<Item = [String; 7]>) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row)?;
    }
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}
