//! `mailings`: checking and sending updates, and the progress of mailings.

mod check;
mod retry;
mod signature;
mod watch;

use std::path::PathBuf;

use anyhow::{Context, bail};
use chrono::{DateTime, SecondsFormat, Utc};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::{
    app::{
        App,
        control_mailing::{Control, Controlled, control_mailing},
        mailing_status::{self, MailingStatus},
        preview_mail::preview_mail,
        send_mailing::{self, Order, Ordered, SendError, SendSituation, send_mailing},
        send_test::send_test,
    },
    config::Config,
    db::Pool,
    domain::{
        actor::Actor,
        address::EmailAddress,
        ids::MailingId,
        mailing::{
            Counts, Mailing, MailingError, MailingState, PauseKind,
            start_time::{self, StartTimeError},
        },
        publication::Publication,
    },
};

use super::{Usage, composer, database, database_with, output, publication::current_publication, updates};

/// Check and send updates, and see the progress of mailings.
#[derive(Subcommand)]
pub enum Mailings {
    /// Write the exact mail to a file (.eml). Sends nothing.
    Preview {
        /// Slug or id of the update.
        update: String,
        /// Where to write it; by default SLUG.eml.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// Check an update before it is sent: text, links, the sender's DNS. Sends nothing.
    Check {
        /// Slug or id of the update.
        update: String,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// Send the update to one address, with `[Test]` in front of its subject.
    Test {
        /// Slug or id of the update.
        update: String,
        /// Where to send it.
        #[arg(long, value_name = "ADDR")]
        to: String,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// Read from a received mail whether the relay's DKIM signature covers what one-click unsubscribe needs. The check before
    /// a mailing uses the result.
    Signature {
        /// The source of an update or test mail, saved from the mailbox in which it arrived; - for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// Send the update to every active subscriber. Checks it, shows what will happen and asks first.
    Trigger {
        /// Slug or id of the update.
        update: String,
        /// Begin at this time (RFC 3339, such as 2026-12-16T09:00:00+01:00). It goes to everybody who is subscribed then.
        #[arg(long, value_name = "TIME")]
        at: Option<DateTime<Utc>>,
        /// Do not ask, and accept the warnings of the check.
        #[arg(long)]
        yes: bool,
        /// Send it although it was sent before.
        #[arg(long)]
        again: bool,
        /// Keep running and show the progress.
        #[arg(long, conflicts_with = "json")]
        watch: bool,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// List the newest mailings.
    List {
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// Show the progress of a mailing.
    Status {
        /// Id of the mailing.
        id: MailingId,
        /// Keep running and show the progress.
        #[arg(long, conflicts_with = "json")]
        watch: bool,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// Stop a mailing for now; nothing is lost.
    Pause {
        /// Id of the mailing.
        id: MailingId,
    },
    /// Resume a paused mailing; an overdue one begins.
    Resume {
        /// Id of the mailing.
        id: MailingId,
        /// The refusals are about the addresses: count them as rejected.
        #[arg(long)]
        accept_refusals: bool,
    },
    /// Send again what is rejected or unknown. Shows what will happen and asks first.
    Retry {
        /// Id of the mailing.
        id: MailingId,
        /// Which deliveries.
        #[arg(long, value_name = "STATE")]
        state: retry::RetryState,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// Cancel a mailing: what has not been sent is skipped. One that has not begun is taken back.
    Cancel {
        /// Id of the mailing.
        id: MailingId,
    },
}

impl Mailings {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Mailings::Preview { update, out, json } => preview(&update, out, json).await,
            Mailings::Check { update, json } => check::check(&update, json).await,
            Mailings::Signature { file, json } => signature::signature(&file, json).await,
            Mailings::Test { update, to, json } => test(&update, &to, json).await,
            Mailings::Trigger { update, at, yes, again, watch, json } => {
                trigger(&update, at, Ask { yes, again }, watch, json).await
            }
            Mailings::List { json } => list(json).await,
            Mailings::Status { id, watch: false, json } => status(id, json).await,
            Mailings::Status { id, .. } => watch::watch(&database().await?, id).await,
            Mailings::Pause { id } => control(id, Control::Pause).await,
            Mailings::Resume { id, accept_refusals: true } => control(id, Control::AcceptRefusals).await,
            Mailings::Resume { id, .. } => control(id, Control::Resume).await,
            Mailings::Cancel { id } => control(id, Control::Cancel).await,
            Mailings::Retry { id, state, yes, json } => retry::retry(id, state, yes, json).await,
        }
    }
}

async fn control(id: MailingId, control: Control) -> anyhow::Result<()> {
    let controlled = control_mailing(&database().await?, &Actor::Command, id, control, Utc::now()).await;
    output::line(&match controlled.map_err(with_way_out)? {
        Controlled::Paused => {
            "The mailing is paused. Messages being transmitted are finished; nothing is lost.".to_owned()
        }
        Controlled::RefusalsAccepted(booked) => format!(
            "Counted as rejected: {booked}. The mailing continues; it pauses again when many more are refused with the same reply."
        ),
        Controlled::GoesOn => "The mailing continues.".to_owned(),
        Controlled::Begins => "The mailing begins now.".to_owned(),
        Controlled::Cancelled => "The mailing is cancelled. What had not been sent is skipped.".to_owned(),
        Controlled::TakenBack => "The mailing is taken back. It had not begun; nothing was sent.".to_owned(),
    });
    Ok(())
}

/// An error with the command that helps.
fn with_way_out(error: MailingError) -> anyhow::Error {
    let way_out = match error {
        MailingError::Unknown => "; see: rundbrief mailings list",
        MailingError::NoRefusals => "; see: rundbrief mailings status",
        error => return error.into(),
    };
    anyhow::anyhow!("{error}{way_out}")
}

/// The publication, if sending may use it; otherwise the list of what is missing.
async fn ready_publication(pool: &Pool) -> anyhow::Result<Publication> {
    let publication = current_publication(pool).await?;
    let missing = publication.content.missing();
    if !missing.is_empty() {
        bail!(
            "the publication is not complete; set these in its file and run rundbrief publication apply:\n{}",
            missing.iter().map(|field| format!("  - {field}")).collect::<Vec<_>>().join("\n")
        );
    }
    Ok(publication)
}

/// The [`App`] of this configuration.
async fn app() -> anyhow::Result<App> {
    let config = Config::from_env()?;
    let composer = composer(&config)?;
    let pool = database_with(&config.secret_keys).await?;
    Ok(App::new(pool, &config, composer))
}

async fn preview(update: &str, out: Option<PathBuf>, json: bool) -> anyhow::Result<()> {
    let app = app().await?;
    let publication = ready_publication(&app.pool).await?;
    let update = updates::named(&app.pool, update).await?;
    let to = EmailAddress::parse("vorschau@example.org")?;
    let message = preview_mail(&app, &publication, &update, &to, Utc::now()).await?;
    let path = out.unwrap_or_else(|| PathBuf::from(format!("{}.eml", update.slug)));
    std::fs::write(&path, &message).with_context(|| format!("{} cannot be written", path.display()))?;
    if json {
        return output::json(&json!({ "file": path, "bytes": message.len(), "subject": update.title }));
    }
    output::line(&format!(
        "Wrote {} ({} bytes). Open it with a mail program.",
        path.display(),
        message.len()
    ));
    Ok(())
}

async fn test(update: &str, to: &str, json: bool) -> anyhow::Result<()> {
    let to = EmailAddress::parse(to).map_err(|error| Usage(format!("--to: {error}")))?;
    let app = app().await?;
    ready_publication(&app.pool).await?;
    let update = updates::named(&app.pool, update).await?;
    send_test(&app, &Actor::Command, update.id, std::slice::from_ref(&to), Utc::now()).await?;
    if json {
        return output::json(&json!({ "update": update.id, "to": to }));
    }
    output::line(&format!(
        "A test of “{}” to {} is queued; the running service sends it at once.",
        update.title,
        to.as_str()
    ));
    Ok(())
}

fn no_such_start(error: StartTimeError) -> Usage {
    Usage(format!("--at: {error}, or leave --at out to begin now"))
}

/// `--yes` and `--again`.
struct Ask {
    yes: bool,
    again: bool,
}

async fn trigger(
    update: &str,
    at: Option<DateTime<Utc>>,
    ask: Ask,
    watch: bool,
    json: bool,
) -> anyhow::Result<()> {
    let app = app().await?;
    // Asked before anybody says yes; what is done asks again.
    if let Some(at) = at {
        start_time::check(at, Utc::now()).map_err(no_such_start)?;
    }
    let publication = ready_publication(&app.pool).await?;
    let update = updates::named(&app.pool, update).await?.id;
    let found = send_mailing::situation(&app, update, Utc::now()).await?.ok_or(SendError::Unknown)?;
    let order = Order { update, versions: Some(found.draft.versions()), at, again: ask.again, page: None };
    may_be_sent(&found, &order)?;
    for line in check::lines(&found.draft.findings)? {
        output::remark(&line);
    }
    check::nothing_to_mend(&found.draft.findings)?;
    if !ask.yes {
        let sender = &publication.content.sender;
        let subject = found.draft.content.as_ref().map_or("", |content| &content.subject);
        output::remark(&format!("Subject:   {subject}"));
        output::remark(&format!(
            "From:      {} <{}>",
            sender.name,
            sender.address.as_ref().map_or("", EmailAddress::as_str)
        ));
        output::remark(&format!("Audience:  {} active subscribers", found.audience));
        if let Some(at) = at {
            output::remark(&format!("Begins:    {}", local_time(Some(&publication), at)));
            output::remark("           It goes to everybody who is subscribed then.");
        }
        let question = match at {
            Some(_) => format!("Plan it? Now it would go to {} people.", found.audience),
            None => format!("Send it to {} people?", found.audience),
        };
        if !output::confirm(&question, "send")? {
            output::remark("Nothing was sent.");
            return Ok(());
        }
    }
    let (id, audience) = match send_mailing(&app, &Actor::Command, &order, Utc::now()).await {
        Ok(Ordered::Now { mailing, people }) => (mailing, people),
        // Of a page's form.
        Ok(Ordered::Before(mailing)) => bail!("it was sent as mailing {mailing}"),
        // It passed while the question stood there.
        Err(SendError::StartTime(error)) => return Err(no_such_start(error).into()),
        Err(SendError::Refused(refused)) => {
            may_be_sent(&refused.0, &order)?;
            check::nothing_to_mend(&refused.0.draft.findings)?;
            bail!("the update or the publication was changed just now; look at it and run the command again");
        }
        Err(error) => return Err(error.into()),
    };
    if json {
        output::json(&json!({ "id": id, "audience": audience }))?;
    } else {
        output::line(&match at {
            Some(at) => format!(
                "Mailing {id} is planned for {}. It goes to everybody who is subscribed then, now {audience} people.",
                local_time(Some(&publication), at)
            ),
            None => format!("Mailing {id} to {audience} people has begun."),
        });
        tell_hold(mailing_status::are_held(&app.pool).await?);
        output::remark(&format!("Progress: rundbrief mailings status {id} --watch"));
    }
    if watch { watch::watch(&app.pool, id).await } else { Ok(()) }
}

/// Says why an update cannot be sent, other than for what the check has found.
fn may_be_sent(found: &SendSituation, order: &Order) -> anyhow::Result<()> {
    if let Some(before) = found.sent_before(false).filter(|_| !order.again) {
        if before.begun_at.is_some() {
            bail!(
                "this update was triggered before (mailing {}); use --again to send it a second time",
                before.id
            );
        }
        let at = before.scheduled_at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
        let at = at.map(|at| format!("to begin at {at}, ")).unwrap_or_default();
        bail!(
            "this update is planned already, {at}as mailing {}; take that back first, or use --again to send it as well",
            before.id
        );
    }
    let unfinished = found.draft.update.writing().unfinished();
    if !unfinished.is_empty() {
        let all =
            unfinished.iter().map(|what| format!("{} ({})", what.field, what.problem.replace('_', " ")));
        bail!("the update is not finished: {}", all.collect::<Vec<_>>().join(", "));
    }
    if found.audience == 0 {
        bail!("there are no active subscribers; nothing was triggered");
    }
    Ok(())
}

async fn list(json: bool) -> anyhow::Result<()> {
    let found = mailing_status::list(&database().await?).await?;
    let (mailings, publication) = (found.mailings, found.publication);
    if json {
        return output::json(&mailings);
    }
    tell_hold(found.are_held);
    if mailings.is_empty() {
        output::remark("Nothing has been sent yet.");
    }
    for mailing in mailings {
        let time = listed_time(publication.as_ref(), mailing.triggered_at);
        output::line(&format!(
            "{}  {time}  {:9}  {:>7}  {}{}",
            mailing.id,
            word(&mailing),
            mailing.audience,
            mailing.subject,
            waits_for(&mailing, publication.as_ref()).map(|why| format!("  ({why})")).unwrap_or_default()
        ));
    }
    Ok(())
}

async fn status(id: MailingId, json: bool) -> anyhow::Result<()> {
    let found = mailing_status::status(&database().await?, id, Utc::now()).await?;
    let found = found.ok_or_else(|| with_way_out(MailingError::Unknown))?;
    if json {
        return output::json(&status_json(&found)?);
    }
    let MailingStatus { mailing, counts, failures, audience_now, publication, are_held } = found;
    tell_hold(are_held);
    output::line(&format!("{}  “{}”", word(&mailing), mailing.subject));
    if let (Some(reason), Some(since)) = (&mailing.pause_reason, mailing.paused_at) {
        output::line(&format!("since {}: {reason}", since.to_rfc3339()));
    }
    if let Some(way_out) = mailing.pause_kind.and_then(|kind| way_out(kind, id)) {
        output::line(&way_out);
    }
    if mailing.is_waiting_to_begin() {
        if mailing.state == MailingState::Scheduled
            && let Some(why) = waits_for(&mailing, publication.as_ref())
        {
            output::line(&why);
        }
        output::line(&format!(
            "It goes to everybody who is subscribed when it begins; now that is {audience_now} people."
        ));
    }
    output::line(&watch::summary(&mailing, &counts, None));
    for line in watch::failures(&failures) {
        output::line(&line);
    }
    Ok(())
}

/// Warns if all mailings are held: none of them proceeds then, whatever its own state is.
fn tell_hold(are_held: bool) {
    if are_held {
        output::remark(
            "All mailings are held, because this database may be an older one; see: rundbrief restore status",
        );
    }
}

/// What to do about a pause that only a person can end.
fn way_out(kind: PauseKind, id: MailingId) -> Option<String> {
    let mend = match kind {
        PauseKind::Login => "correct the login in SMTP_URL",
        PauseKind::Sender => "let the relay accept the publication's sender address",
        PauseKind::Policy => {
            return Some(format!(
                "The refusals seem to be about us and not about the recipients; no recipient is lost. Once the cause is corrected (a daily \
                 limit: the next day): rundbrief mailings resume {id}\n\
                 If the reply says that the addresses do not exist: rundbrief mailings resume {id} --accept-refusals"
            ));
        }
        PauseKind::Overdue => {
            return Some(format!(
                "rundbrief mailings resume {id}  lets it begin now\nrundbrief mailings cancel {id}  takes it back"
            ));
        }
        PauseKind::Staff | PauseKind::Unreachable => return None,
    };
    Some(format!("What to do: {mend}, then: rundbrief mailings resume {id}"))
}

/// What a mailing waits for, where it does: its time, or what it is paused for.
fn waits_for(mailing: &Mailing, publication: Option<&Publication>) -> Option<String> {
    match mailing.state {
        MailingState::Scheduled => {
            mailing.scheduled_at.map(|at| format!("begins on {}", local_time(publication, at)))
        }
        MailingState::Paused => mailing.pause_reason.clone(),
        _ => None,
    }
}

/// A time in the publication's time zone: `16 December 2026, 09:00 (Europe/Berlin)`.
fn local_time(publication: Option<&Publication>, at: DateTime<Utc>) -> String {
    match publication {
        Some(Publication { content, .. }) => {
            format!("{} ({})", content.written_time(at, output::LANGUAGE), content.time_zone.0.name())
        }
        None => at.to_rfc3339(),
    }
}

/// A time as lists show it, in the publication's time zone, or UTC.
fn listed_time(publication: Option<&Publication>, at: DateTime<Utc>) -> String {
    const FORM: &str = "%Y-%m-%d %H:%M %Z";
    match publication {
        Some(Publication { content, .. }) => at.with_timezone(&content.time_zone.0).format(FORM).to_string(),
        None => at.format(FORM).to_string(),
    }
}

/// A mailing and its counts.
async fn progress(pool: &Pool, id: MailingId) -> anyhow::Result<(Mailing, Counts)> {
    mailing_status::progress(pool, id).await?.ok_or_else(|| with_way_out(MailingError::Unknown))
}

/// The mailing with its counts beside the other fields, as `status --json` promises, and what went wrong.
fn status_json(found: &MailingStatus) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(&found.mailing)?;
    if let (Value::Object(fields), Value::Object(counts)) = (&mut value, serde_json::to_value(found.counts)?)
    {
        fields.extend(counts);
        fields.insert("failures".into(), serde_json::to_value(&found.failures)?);
    }
    Ok(value)
}

fn word(mailing: &Mailing) -> String {
    serde_json::to_value(mailing.state)
        .ok()
        .and_then(|state| state.as_str().map(str::to_owned))
        .unwrap_or_default()
}
