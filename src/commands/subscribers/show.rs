//! `subscribers show`: everything recorded about an address.

use std::path::Path;

use anyhow::bail;
use chrono::Utc;
use serde::Serialize;

use crate::{
    app::take_proof::{self, ProofError, document::written},
    commands::{database_with, output},
    config::{self, Source},
    domain::{
        actor::Actor,
        address::EmailAddress,
        consent::{ConsentEvent, ConsentKind},
        personal_data::PersonalData,
    },
};

use super::proof;

/// Shows an address, or writes its consent proof to a file.
pub async fn run(address: &EmailAddress, json: bool, proof_file: Option<&Path>) -> anyhow::Result<()> {
    let keys = config::secret_keys(&Source::environment())?;
    let pool = database_with(&keys).await?;
    let record = take_proof::read(&pool, &keys, address).await?;
    if record.is_empty() {
        bail!("nothing is recorded about {}", address.as_str());
    }
    if let Some(file) = proof_file {
        let (by, format) = ((&Actor::Command, None), proof::format_of(file)?);
        let taken = take_proof::take_proof(&pool, &keys, by, address, format, Utc::now()).await;
        if let Err(ProofError::Nothing) = taken {
            bail!("no consent is recorded of {}; there is nothing to prove", address.as_str())
        }
        return proof::keep(file, &taken?, json);
    }
    if json {
        return output::json(&record);
    }
    tell(&record);
    Ok(())
}

fn tell(record: &PersonalData) {
    output::line(record.address.as_str());
    match &record.subscriber {
        Some(subscriber) => output::line(&format!(
            "  {} since {} (language {}, id {})",
            word(&subscriber.state),
            written(subscriber.state_changed_at),
            subscriber.locale,
            subscriber.id
        )),
        None => output::line("  not a subscriber"),
    }
    if let Some(reason) = &record.suppressed {
        output::line(&format!("  must not be mailed: {}", word(reason)));
    }
    for signup in &record.signups {
        output::line(&format!(
            "  {} {} from {}: {}, links until {}",
            if signup.is_address_change { "change to this address" } else { "signup" },
            written(signup.requested_at),
            signup.form_page,
            word(&signup.state),
            written(signup.expires_at)
        ));
    }
    if !record.consent_events.is_empty() {
        output::line("\nConsent events, oldest first");
    }
    for event in &record.consent_events {
        tell_event(event);
    }
    for former in &record.former_addresses {
        output::line(&format!(
            "\nConsent events of {}, its address until {}",
            former.address,
            written(former.left_at)
        ));
        former.consent_events.iter().for_each(tell_event);
    }
    if !record.deliveries.is_empty() {
        output::line("\nMessages, oldest first");
    }
    for message in &record.deliveries {
        let subject = message.subject.as_ref().map(|subject| format!(" “{subject}”")).unwrap_or_default();
        let when = written(message.finished_at.unwrap_or(message.due_at));
        let code = message.smtp_code.map(|code| format!(": {code}")).unwrap_or_default();
        let text = message.smtp_text.as_ref().map(|text| format!(" {text}")).unwrap_or_default();
        output::line(&format!("  {when}  {}{subject}, {}{code}{text}", message.kind, word(&message.state)));
    }
    if !record.bounces.is_empty() {
        output::line("\nWhat came back, oldest first");
    }
    for bounce in &record.bounces {
        let said = [&bounce.status, &bounce.diagnostic].into_iter().flatten().map(String::as_str);
        let said = said.collect::<Vec<_>>().join(" ");
        output::line(&format!("  {}  {} {said}", written(bounce.received_at), bounce.kind.name()));
    }
}

fn tell_event(event: &ConsentEvent) {
    output::line(&format!("  {}  {} ({})", written(event.at), what(event), how(event)));
    let detail = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            output::line(&format!("      {name}: {}", value.replace('\n', "\n        ")));
        }
    };
    detail("typed address", event.email.clone());
    detail("form on", event.form_page.clone());
    detail("IP address", event.client_ip.clone());
    let version = event.publication_version.zip(event.consent_locale.clone());
    detail("text shown", version.map(|(version, locale)| format!("version {version}, language {locale}")));
    detail("text SHA-256", event.consent_text_sha256.clone());
    detail("text", event.consent_text.clone());
    detail("Message-ID", event.message_id.clone());
    let reply =
        event.smtp_code.map(|code| format!("{code} {}", event.smtp_text.as_deref().unwrap_or_default()));
    detail("relay answered", reply);
    detail("source", event.source.clone());
    detail("consented at", event.consented_at.map(written));
}

/// The kind of an event; of an ambiguous one only what is known.
fn what(event: &ConsentEvent) -> String {
    if event.ambiguous && event.kind == ConsentKind::Declined {
        "ended".to_owned()
    } else {
        word(&event.kind)
    }
}

fn how(event: &ConsentEvent) -> String {
    match event.how() {
        "unrecorded" => "declined, cancelled or superseded: not recorded more exactly".to_owned(),
        how => how.to_owned(),
    }
}

fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
