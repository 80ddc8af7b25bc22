//! The audit log: what staff did, when, to whom. The database refuses to change it; see `migrations/0012_staff.sql`.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use strum::VariantArray;

/// How long entries are kept. Three years, as the proof of a consent by default: what it answers are questions about what
/// happened to somebody's data, and those end then.
pub const KEPT: Duration = Duration::days(3 * 365);

use crate::domain::address::EmailAddress;

pub use crate::domain::actor::Actor;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Action {
    /// Logged in, second factor and all.
    LoggedIn,
    /// Gave password and second factor once more, before what a stolen session must not do.
    Reauthenticated,
    /// Logged out.
    LoggedOut,
    /// Wrong passwords or codes have come so often that the account's next attempts have to wait.
    LoginHeld,
    /// The password was right, and the code was not.
    CodeRefused,
    /// Used a recovery code in the place of a code.
    RecoveryCodeUsed,
    /// Set a password through a one-time link.
    PasswordSet,
    /// Changed the own password.
    PasswordChanged,
    /// Turned the second factor on.
    SecondFactorOn,
    /// Turned the own second factor off.
    SecondFactorOff,
    /// Made new recovery codes.
    RecoveryCodesMade,
    /// Ended sessions of one's own.
    SessionsEnded,
    /// Changed a name.
    NameChanged,
    /// Became the first admin through the link that `serve` prints.
    FirstAdmin,
    /// Added somebody.
    MemberAdded,
    /// Gave somebody another role.
    RoleChanged,
    /// Let somebody log in no more.
    MemberDisabled,
    /// Let somebody log in again.
    MemberEnabled,
    /// Made a one-time link for somebody.
    LinkMade,
    /// Had a one-time link sent to somebody by mail.
    LinkOrdered,
    /// A one-time link went out to somebody by mail; the service sends it.
    LinkMailed,
    /// Turned somebody's second factor off.
    SecondFactorReset,
    /// Changed the publication.
    PublicationChanged,
    /// Began an update.
    UpdateBegun,
    /// Wrote at an update; once for each sitting.
    UpdateSaved,
    /// Brought an earlier text of an update back.
    UpdateRestored,
    /// Removed a draft.
    UpdateDeleted,
    /// Made or changed a template.
    TemplateStored,
    /// Removed a template.
    TemplateRemoved,
    /// Ticked items of the checklist of an update, or opened them again.
    ChecklistTicked,
    /// Made a link to look at an update without a login.
    ReviewLinkMade,
    /// Ended such a link.
    ReviewLinkRevoked,
    /// Put a remark of a reviewer aside.
    RemarkDone,
    /// Sent test mails of an update.
    TestSent,
    /// Put somebody on the list of those who get test mails.
    ColleagueAdded,
    /// Took somebody off that list.
    ColleagueRemoved,
    /// Triggered a mailing, to begin as soon as it cannot be taken back any more.
    MailingSent,
    /// Triggered a mailing for a time to come.
    MailingPlanned,
    /// Gave a mailing that had not begun another time.
    MailingRescheduled,
    /// Put the saved text of an update in the place of the one that a planned mailing had.
    MailingTextTaken,
    /// Took a mailing back before it began.
    MailingTakenBack,
    /// Paused a mailing.
    MailingPaused,
    /// Let a mailing begin that should have begun hours ago.
    MailingBegun,
    /// Let a mailing go on.
    MailingResumed,
    /// Let refusals stand for which a mailing had paused, and let it go on.
    RefusalsAccepted,
    /// Called a mailing off.
    MailingCancelled,
    /// Had rejected or unknown copies of a mailing sent again.
    MailingRetried,
    /// Downloaded what became of a mailing, person by person.
    ReportDownloaded,
    /// Uploaded a picture.
    ImageAdded,
    /// Said what a picture shows and who made it.
    ImageDescribed,
    /// Removed a picture.
    ImageRemoved,
    /// Uploaded a file for readers.
    FileShared,
    /// Removed a file for readers.
    SharedFileRemoved,
    /// Looked up what is stored of an address.
    AddressLookedUp,
    /// Had the confirmation mail of a signup sent once more.
    ConfirmationSentAgain,
    /// Called off a signup because its owner had asked for it.
    SignupDiscarded,
    /// Asked somebody by mail whether they want to subscribe.
    SubscriberAsked,
    /// Ended somebody's subscription, because they had asked for it.
    SubscriberUnsubscribed,
    /// Said whose mail something is about that came back.
    BounceAssigned,
    /// Put aside what came back and is about nobody for certain.
    BouncesIgnored,
    /// Let mail go to a subscriber again to whom it had come back.
    SubscriberReactivated,
    /// Removed everything about somebody.
    SubscriberErased,
    /// Took the proof of somebody's consent.
    ProofDownloaded,
    /// Took the list of all subscribers.
    SubscribersExported,
    /// Uploaded a list.
    ImportUploaded,
    /// Began the dry run of an uploaded list.
    ImportChecked,
    /// Had the people on it brought in.
    ImportStarted,
    /// Ended an import.
    ImportCancelled,
    /// Let the confirmation mails of held signups go out.
    WaveReleased,
    /// Had the confirmation mails sent again that had not gone out.
    ConfirmationsSentAgain,
    /// Decided that held signups get no mail.
    WaveDropped,
    /// Let mailings go on that were held because the database may be an older one.
    RestoreReleased,
    /// Showed the head of a mail that arrived, so that its signature was looked at.
    SignatureSeen,
}

impl Action {
    /// Every one there is.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Its name in the database and in filters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The action of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// Records what was done to `subject`, such as an address.
pub async fn record(
    db: &mut PgConnection,
    by: &Actor,
    action: Action,
    subject: &str,
    details: &Value,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let (id, email) = match by {
        Actor::Member { id, email, .. } => (Some(id.0), email.as_str()),
        other => (None, other.kind()),
    };
    sqlx::query!(
        "insert into audit_log (at, staff_id, staff_email, action, subject, details) values ($1, $2, $3, $4, $5, $6)",
        now,
        id,
        email,
        action.as_str(),
        subject,
        details
    )
    .execute(db)
    .await?;
    Ok(())
}

/// An entry.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Counts up.
    pub id: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who: an address, or [`Actor::COMMAND`].
    pub staff_email: String,
    /// What they are called today; nothing where no member did it, or nobody knows them any more.
    pub staff_name: Option<String>,
    /// What: an [`Action`] by name; a newer version may have written one that this does not know.
    pub action: String,
    /// To whom or what.
    pub subject: String,
    /// More about it.
    pub details: Value,
    /// What an update or a picture is called, now or when it was last written about; nothing when nobody knows any more,
    /// and for everything else, which `subject` names.
    pub name: Option<String>,
    /// Whether that update or picture is still there.
    pub is_there: bool,
}

/// Which entries are asked for. What is not set does not narrow the choice.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Who did it.
    pub staff_email: Option<String>,
    /// What was done.
    pub action: Option<Action>,
    /// To whom or what: part of an address, of the title of an update, or of what a picture shows.
    pub about: Option<String>,
    /// Not before this moment.
    pub from: Option<DateTime<Utc>>,
    /// Before this moment.
    pub to: Option<DateTime<Utc>>,
    /// Older than this entry: the last one of the page before.
    pub before: Option<i64>,
}

impl Filter {
    /// What may stand in an entry for what is asked for: an address is logged as it is stored, or masked.
    fn about(&self) -> Option<Vec<String>> {
        let typed = self.about.as_ref()?.trim();
        let mut forms = vec![typed.to_owned()];
        if let Ok(address) = EmailAddress::parse(typed) {
            forms.extend([address.as_str().to_owned(), address.masked()]);
        }
        Some(forms)
    }
}

/// Entries, newest first.
pub async fn page(db: &mut PgConnection, filter: &Filter, limit: i64) -> sqlx::Result<Vec<Entry>> {
    sqlx::query_as!(
        Entry,
        r#"select a.id, a.at, a.staff_email, s.name as "staff_name?", a.action, a.subject, a.details, known.name,
             (u.id is not null or i.id is not null) as "is_there!"
         from audit_log a
         left join staff s on s.id = a.staff_id
         -- An earlier version logged either the update's id, or its slug of then.
         left join updates u on starts_with(a.action, 'update_')
             and case when a.details ? 'update' then u.id::text = a.details ->> 'update' else u.slug = a.subject end
         left join images i on starts_with(a.action, 'image_') and i.name = a.subject
         cross join lateral (select
             case
               when starts_with(a.action, 'update_') then coalesce(
                   nullif(a.details ->> 'title', ''),
                   nullif(u.title, ''),
                   (select l.details ->> 'title' from audit_log l
                    where l.action in ('update_saved', 'update_deleted')
                      and l.details ->> 'update' = a.details ->> 'update' and l.details ->> 'title' <> ''
                    order by l.id desc limit 1))
               when a.action in ('file_shared', 'shared_file_removed') then a.details ->> 'title'
               when starts_with(a.action, 'image_') then coalesce(
                   nullif(a.details ->> 'alt', ''),
                   nullif(i.alt, ''),
                   (select l.details ->> 'alt' from audit_log l
                    where l.action in ('image_added', 'image_described', 'image_removed')
                      and l.subject = a.subject and l.details ->> 'alt' <> ''
                    order by l.id desc limit 1))
             end as name) known
         where ($1::text is null or a.staff_email = $1)
           and ($2::text is null or a.action = $2)
           and ($3::timestamptz is null or a.at >= $3)
           and ($4::timestamptz is null or a.at < $4)
           and ($5::bigint is null or a.id < $5)
           and ($7::text[] is null or exists (
               select from unnest($7) as asked (part)
               where position(lower(part) in lower(a.subject)) > 0 or position(lower(part) in lower(known.name)) > 0))
         order by a.id desc limit $6"#,
        filter.staff_email,
        filter.action.map(Action::as_str),
        filter.from,
        filter.to,
        filter.before,
        limit,
        filter.about() as Option<Vec<String>>
    )
    .fetch_all(db)
    .await
}

/// What an account's owner is shown of it: getting in, who may, and what was taken away with it.
const OF_ACCOUNT: [Action; 23] = [
    Action::LoggedIn,
    Action::LoginHeld,
    Action::CodeRefused,
    Action::RecoveryCodeUsed,
    Action::Reauthenticated,
    Action::PasswordSet,
    Action::PasswordChanged,
    Action::SecondFactorOn,
    Action::SecondFactorOff,
    Action::RecoveryCodesMade,
    Action::SessionsEnded,
    Action::FirstAdmin,
    Action::MemberAdded,
    Action::RoleChanged,
    Action::MemberDisabled,
    Action::MemberEnabled,
    Action::LinkMade,
    Action::LinkOrdered,
    Action::LinkMailed,
    Action::SecondFactorReset,
    Action::ReportDownloaded,
    Action::ProofDownloaded,
    Action::SubscribersExported,
];

/// What was done with an account and to it, newest first.
pub async fn of_account(db: &mut PgConnection, email: &str, limit: i64) -> sqlx::Result<Vec<Entry>> {
    let actions = OF_ACCOUNT.map(|action| action.as_str().to_owned());
    // Each half by its index, newest first; so a long log costs no more than a short one.
    sqlx::query_as!(
        Entry,
        r#"select id as "id!", at as "at!", staff_email as "staff_email!",
             (select s.name from staff s where s.id = a.staff_id) as staff_name, action as "action!", subject as "subject!",
             details as "details!", null::text as name, false as "is_there!"
           from (
               (select * from audit_log where staff_email = $1 and action = any($2) order by id desc limit $3)
               union
               (select * from audit_log where subject = $1 and action = any($2) order by id desc limit $3)) a
           order by id desc limit $3"#,
        email,
        &actions as &[String],
        limit
    )
    .fetch_all(db)
    .await
}

/// How often somebody did one of these things since a moment; counted no further than `most`.
pub async fn count(
    db: &mut PgConnection,
    staff_email: &str,
    actions: &[Action],
    since: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<i64> {
    let actions: Vec<String> = actions.iter().map(|action| action.as_str().to_owned()).collect();
    // Newest first by the index, so a long log costs no more than a short one.
    sqlx::query_scalar!(
        r#"select count(*) filter (where at > $3) as "count!" from (
             select at from audit_log where staff_email = $1 and action = any($2) order by id desc limit $4) newest"#,
        staff_email,
        &actions,
        since,
        most
    )
    .fetch_one(db)
    .await
}

/// Somebody who did something that is logged.
#[derive(Debug)]
pub struct Person {
    /// Their address, or [`Actor::COMMAND`].
    pub staff_email: String,
    /// What they are called, where they are a member today.
    pub name: Option<String>,
}

/// Everybody who did something that is logged, by address.
pub async fn people(db: &mut PgConnection) -> sqlx::Result<Vec<Person>> {
    // From one name to the next by the index, and not through every entry there is.
    sqlx::query_as!(
        Person,
        r#"with recursive names as (
             (select staff_email from audit_log order by staff_email limit 1)
             union all
             select (select a.staff_email from audit_log a where a.staff_email > n.staff_email order by a.staff_email limit 1)
             from names n where n.staff_email is not null)
           select n.staff_email as "staff_email!", s.name as "name?"
           from names n left join staff s on s.email = n.staff_email
           where n.staff_email is not null order by n.staff_email"#
    )
    .fetch_all(db)
    .await
}

/// Removes entries whose time is over, a thousand at most; answers how many.
pub async fn forget(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<i64> {
    let removed = sqlx::query_scalar!("select forget_audit_log($1)", now - KEPT).fetch_one(db).await?;
    Ok(removed.unwrap_or(0))
}
