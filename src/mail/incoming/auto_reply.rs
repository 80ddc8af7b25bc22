//! Programs that answer in somebody's name: away, on holiday, ticket numbers (RFC 3834).

use mail_parser::Message;

/// Whether a message is such an answer. Servers mark their reports in the same way; those are read before.
pub fn is_one(message: &Message<'_>) -> bool {
    let header =
        |name: &str| message.header_raw(name).map(|value| value.trim().to_lowercase()).unwrap_or_default();
    let subject = message.subject().unwrap_or_default().trim().to_lowercase();
    let is_said = SUBJECTS.iter().any(|begin| subject.starts_with(begin))
        || WITHIN.iter().any(|words| subject.contains(words));
    let is_marked = header("auto-submitted").starts_with("auto-replied")
        || !header("x-autoreply").is_empty()
        || !header("x-autorespond").is_empty()
        || header("precedence") == "auto_reply"
        || header("x-auto-response-suppress").contains("oof") && is_said;
    let is_report = REPORTS.iter().any(|words| subject.contains(words));
    (is_marked && !is_report) || is_said
}

const SUBJECTS: &[&str] = &[
    "automatic reply",
    "auto reply",
    "autoreply",
    "auto-reply",
    "auto response",
    "autoresponse",
    "automatische antwort",
    "automatische antwort:",
    "autom. antwort",
    "out of office",
    "out of the office",
    "abwesenheit",
    "abwesend",
    "réponse automatique",
    "respuesta automática",
    "risposta automatica",
    "automatisch antwoord",
    "odpowiedź automatyczna",
    "automatická odpověď",
];

const WITHIN: &[&str] = &[
    "out of office",
    "out-of-office",
    "abwesenheitsnotiz",
    "abwesenheitsnachricht",
    "abwesenheitsassistent",
    "nicht im büro",
    "im urlaub",
    "on vacation",
    "on holiday",
    "away from",
];

/// Subjects of servers that mark their reports as answers.
const REPORTS: &[&str] = &[
    "undeliver",
    "delivery",
    "returned mail",
    "failure",
    "failed",
    "rejected",
    "unzustellbar",
    "nicht zugestellt",
    "zustellung",
    "zurückgewiesen",
    "mail system error",
    "non remis",
];
