//! Reports of mail servers for programs (RFC 3464), in ASCII or in UTF-8 (RFC 6533).

use mail_parser::Message;

use super::{Kind, Recipient, Report, is_of_type, line, text_of, verdict};

/// Fields that are read of one report.
const MOST_FIELDS: usize = 20_000;

/// The report in a message; nothing where there is none, or none that names a recipient.
pub fn read(message: &Message<'_>) -> Option<Report> {
    let mut report = Report::of(Kind::Unrecognised);
    let parts = message
        .parts
        .iter()
        .filter(|part| is_of_type(part, "message", &["delivery-status", "global-delivery-status"]));
    let mut kinds = Vec::new();
    for part in parts {
        for group in groups(&text_of(part)?) {
            report.remote_mta = report.remote_mta.or_else(|| group.typed("remote-mta"));
            let Some((recipient, kind)) = recipient(&group) else { continue };
            report.recipients.push(recipient);
            kinds.push(kind);
        }
    }
    // Several recipients of one mail of ours there are not; where a list has made some, the gravest counts.
    report.kind = kinds.into_iter().min()?;
    Some(report)
}

/// One group of fields, their names in lower case.
#[derive(Default)]
struct Group(Vec<(String, String)>);

impl Group {
    fn one(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// A value without the type before it: `rfc822; a@example.org`.
    fn typed(&self, name: &str) -> Option<String> {
        let value = self.one(name)?;
        let value = value.split_once(';').map_or(value, |(_, value)| value).trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// An address of the mail's world: not one of X.400.
    fn address(&self, name: &str) -> Option<String> {
        let value = self.typed(name)?;
        let value = value.trim_matches(['<', '>', '"', ' ']);
        (value.contains('@') && !value.contains('/')).then(|| value.to_owned())
    }
}

/// The groups of a report, which empty lines part.
fn groups(text: &str) -> Vec<Group> {
    let mut groups = vec![Group::default()];
    for line in text.lines().take(MOST_FIELDS) {
        if line.trim().is_empty() {
            groups.push(Group::default());
            continue;
        }
        let Some(group) = groups.last_mut() else { break };
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = group.0.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            group.0.push((name.trim().to_lowercase(), value.trim().to_owned()));
        }
    }
    groups.retain(|group| !group.0.is_empty());
    groups
}

/// Whom a group is about, and what it says of them.
fn recipient(group: &Group) -> Option<(Recipient, Kind)> {
    let address = ["original-recipient", "final-recipient", "x-actual-recipient"];
    let address =
        address.iter().find_map(|name| group.address(name)).or_else(|| group.typed("final-recipient"))?;
    let action = group.one("action").map(str::to_lowercase);
    let status =
        group.one("status").map(|status| status.split([' ', '(']).next().unwrap_or_default().to_owned());
    let diagnostic =
        group.one("diagnostic-code").or_else(|| group.one("status").filter(|status| status.contains(' ')));
    let kind = match action.as_deref().and_then(|action| action.split([' ', '(', ';']).next()) {
        Some("delayed") => Kind::Delayed,
        Some("failed" | "failure" | "error") => {
            verdict::of_failure(status.as_deref(), diagnostic.unwrap_or_default())
        }
        // It should be there; what is permanent is one all the same.
        None if status.as_deref().is_some_and(|status| status.starts_with('5')) => {
            verdict::of_failure(status.as_deref(), diagnostic.unwrap_or_default())
        }
        _ => Kind::Unrecognised,
    };
    let diagnostic = diagnostic.and_then(line);
    Some((Recipient { address, action, status, diagnostic }, kind))
}
