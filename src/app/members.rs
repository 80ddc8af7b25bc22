//! Who may log in, and as what. For admins, and for whoever runs commands; what somebody does with their own account is in
//! [`own_account`](super::own_account).
//!
//! A deed from a staff page is told to the other sessions of whoever did it, and to the account it was done to.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    app::{Deed, mailed_link},
    domain::{
        actor::Actor,
        address::EmailAddress,
        event::Event,
        ids::StaffId,
        publication,
        queue::delivery::{self, DeliveryKind},
        staff::{
            self, Role, StaffError, StaffMember,
            audit::Action,
            link::{self, Made},
            notice::{self, Notice},
            second_factor,
            session::Session,
        },
    },
};

const SERVICE: &Actor = &Actor::Service;

/// Who does it, and from which session, where it is a staff page.
pub type Doer<'a> = (&'a Actor, Option<&'a Session>);

/// A one-time link that was made, and for whom.
#[derive(Debug, Clone)]
pub struct MemberLink {
    /// Who sets a password with it.
    pub member: StaffMember,
    /// The link.
    pub made: Made,
    /// Their second factor was turned off with it.
    pub has_lost_factor: bool,
    /// Another one goes to them by mail.
    pub is_mailed: bool,
}

/// What a new link does about the second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Factor {
    /// Asked for as before.
    Keep,
    /// Turned off, because it was lost.
    TurnOff,
}

/// How somebody who is added gets a one-time link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invite {
    /// From whoever adds them, who is shown it.
    ByHand,
    /// The same, and another one comes by mail, where mails can go out already.
    ByMailToo,
}

/// Everybody, in the order of their names.
pub async fn list(pool: &PgPool) -> sqlx::Result<Vec<StaffMember>> {
    staff::list(&mut *pool.acquire().await?).await
}

/// One of them.
pub async fn by_id(pool: &PgPool, id: StaffId) -> sqlx::Result<Option<StaffMember>> {
    staff::by_id(&mut *pool.acquire().await?, id).await
}

/// Whose address this is.
pub async fn id_of(pool: &PgPool, email: &EmailAddress) -> sqlx::Result<Option<StaffId>> {
    staff::id_of(&mut *pool.acquire().await?, email).await
}

/// Adds somebody, and makes the one-time link with which they set their password. Without a role they become an admin while
/// no admin can log in, and an editor afterwards.
///
/// # Errors
/// [`StaffError`]; most often [`StaffError::Exists`].
pub async fn add_member(
    pool: &PgPool,
    (by, session): Doer<'_>,
    (email, name): (&EmailAddress, &str),
    (role, invite): (Option<Role>, Invite),
    now: DateTime<Utc>,
) -> Result<MemberLink, StaffError> {
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    let role = match role {
        Some(role) => role,
        None if staff::has_admin(&mut deed).await? => Role::Editor,
        None => Role::Admin,
    };
    let id = staff::add(&mut deed, email, name, role, now).await?;
    let details = json!({ "role": role });
    deed.note(Action::MemberAdded, email.as_str(), &details, &Event::MemberAdded(id)).await?;
    let (member, made) = new_link(&mut deed, id).await?;
    let is_mailed = invite == Invite::ByMailToo && order_link(&mut deed, &member).await?;
    tell_others(&mut deed, session, Notice::PersonAdded).await?;
    deed.commit().await?;
    Ok(MemberLink { member, made, has_lost_factor: false, is_mailed })
}

/// Makes a one-time link for somebody but oneself: whoever has a session would have its account for good. Password and
/// sessions stay until it is used.
///
/// # Errors
/// [`StaffError::OwnLink`]; [`StaffError::Unknown`], also for who is disabled.
pub async fn make_link(
    pool: &PgPool,
    (by, session): Doer<'_>,
    id: StaffId,
    factor: Factor,
    now: DateTime<Utc>,
) -> Result<MemberLink, StaffError> {
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    if by.member() == Some(id) {
        return Err(StaffError::OwnLink);
    }
    let has_lost_factor =
        factor == Factor::TurnOff && make_change(&mut deed, session, id, Change::ResetSecondFactor).await?;
    let (member, made) = new_link(&mut deed, id).await?;
    tell_others(&mut deed, session, Notice::LinkMade).await?;
    deed.commit().await?;
    Ok(MemberLink { member, made, has_lost_factor, is_mailed: false })
}

/// Has a one-time link sent by mail to somebody but oneself. Nobody sees it before them; what they have stays until it is used.
///
/// # Errors
/// [`StaffError::OwnLink`]; [`StaffError::NoSender`]; [`StaffError::Unknown`], also for who is disabled.
pub async fn mail_link(
    pool: &PgPool,
    (by, session): Doer<'_>,
    id: StaffId,
    now: DateTime<Utc>,
) -> Result<StaffMember, StaffError> {
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    if by.member() == Some(id) {
        return Err(StaffError::OwnLink);
    }
    let member = staff::by_id(&mut deed, id).await?.filter(|member| member.disabled_at.is_none());
    let member = member.ok_or(StaffError::Unknown)?;
    if !order_link(&mut deed, &member).await? {
        return Err(StaffError::NoSender);
    }
    notice::tell(&mut deed.transaction, id, deed.by, Notice::LinkForYou, now).await?;
    tell_others(&mut deed, session, Notice::LinkMade).await?;
    deed.commit().await?;
    Ok(member)
}

/// What is changed about a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// They have another role.
    Role(Role),
    /// They log in no more: their sessions and one-time links end with it.
    Disable,
    /// They log in again.
    Enable,
    /// Their second factor, which they have lost, is turned off. The own one asks for the password: see
    /// [`own_account`](super::own_account).
    ResetSecondFactor,
}

/// Changes something about a member; false when it was so already.
///
/// # Errors
/// [`StaffError`]; most often [`StaffError::LastAdmin`].
pub async fn change_member(
    pool: &PgPool,
    (by, session): Doer<'_>,
    id: StaffId,
    change: Change,
    now: DateTime<Utc>,
) -> Result<bool, StaffError> {
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    if change == Change::ResetSecondFactor && by.member() == Some(id) {
        return Err(StaffError::NotAllowed);
    }
    let is_changed = make_change(&mut deed, session, id, change).await?;
    deed.commit().await?;
    Ok(is_changed)
}

/// Gives an account a password at once, for the demo and for tests; adds it where there is none with this address.
///
/// # Errors
/// [`StaffError`].
pub async fn give_password(
    pool: &PgPool,
    by: &Actor,
    (email, name, role): (&EmailAddress, &str, Role),
    password_hash: &str,
    now: DateTime<Utc>,
) -> Result<StaffId, StaffError> {
    if *by != Actor::Command {
        return Err(StaffError::NotAllowed);
    }
    let mut deed = Deed::begin(pool, by, now).await?;
    let known = staff::id_of(&mut deed, email).await?;
    let id = if let Some(id) = known {
        id
    } else {
        let id = staff::add(&mut deed, email, name, role, now).await?;
        let details = json!({ "role": role });
        deed.note(Action::MemberAdded, email.as_str(), &details, &Event::MemberAdded(id)).await?;
        id
    };
    let before = staff::set_password(&mut deed, id, password_hash, now).await?;
    deed.note(Action::PasswordSet, &before.email, &json!({}), &Event::MemberPasswordSet(id)).await?;
    deed.commit().await?;
    Ok(id)
}

/// Makes a link for the first admin, while no admin can log in; nothing afterwards. Each start of the service makes one.
pub async fn invite_first_admin(pool: &PgPool, now: DateTime<Utc>) -> sqlx::Result<Option<Made>> {
    let mut deed = Deed::begin(pool, SERVICE, now).await?;
    let Some(made) = link::make_for_first_admin(&mut deed, now).await? else { return Ok(None) };
    deed.tell(&Event::FirstAdminInvited).await?;
    deed.commit().await?;
    Ok(Some(made))
}

/// Whether an admin can log in.
pub async fn has_admin(pool: &PgPool) -> sqlx::Result<bool> {
    staff::has_admin(&mut *pool.acquire().await?).await
}

async fn new_link(deed: &mut Deed<'_>, id: StaffId) -> Result<(StaffMember, Made), StaffError> {
    let now = deed.now;
    let made = link::make(deed, id, now).await?;
    let member = staff::by_id(deed, id).await?.ok_or(StaffError::Unknown)?;
    let details = json!({ "expires_at": made.expires_at });
    deed.note(Action::LinkMade, &member.email, &details, &Event::MemberLinkMade(id)).await?;
    notice::tell(&mut deed.transaction, id, deed.by, Notice::LinkForYou, now).await?;
    Ok((member, made))
}

/// Queues the mail with a link for somebody; false while no mail can go out.
async fn order_link(deed: &mut Deed<'_>, member: &StaffMember) -> Result<bool, StaffError> {
    let publication = publication::current(deed).await?;
    if !mailed_link::can_be_mailed(publication.as_ref()) {
        return Ok(false);
    }
    let kind = if member.has_password { DeliveryKind::NewPassword } else { DeliveryKind::Invitation };
    let now = deed.now;
    // What is stored was parsed when it came.
    let email = EmailAddress::parse(&member.email).map_err(|_| StaffError::Unknown)?;
    delivery::enqueue_staff_link(deed, kind, &email, now).await?;
    deed.note(Action::LinkOrdered, &member.email, &json!({}), &Event::MemberLinkOrdered(member.id)).await?;
    Ok(true)
}

async fn make_change(
    deed: &mut Deed<'_>,
    session: Option<&Session>,
    id: StaffId,
    change: Change,
) -> Result<bool, StaffError> {
    let now = deed.now;
    let before = match change {
        Change::Role(role) => staff::set_role(deed, id, role).await?,
        Change::Disable => staff::disable(deed, id, now).await?,
        Change::Enable => staff::enable(deed, id).await?,
        Change::ResetSecondFactor => second_factor::turn_off(deed, id).await?,
    };
    let Some(before) = before else { return Ok(false) };
    let details = match change {
        Change::Role(role) => json!({ "from": before.role, "to": role }),
        _ => json!({}),
    };
    let (action, event, for_them, for_others) = match change {
        Change::Role(_) => {
            let event = Event::MemberRoleChanged(id);
            (Action::RoleChanged, event, Some(Notice::YourRole), Notice::RoleChanged)
        }
        Change::Disable => (Action::MemberDisabled, Event::MemberDisabled(id), None, Notice::PersonDisabled),
        Change::Enable => (Action::MemberEnabled, Event::MemberEnabled(id), None, Notice::PersonEnabled),
        Change::ResetSecondFactor => {
            let event = Event::MemberSecondFactorReset(id);
            (Action::SecondFactorReset, event, Some(Notice::YourFactorReset), Notice::FactorReset)
        }
    };
    deed.note(action, &before.email, &details, &event).await?;
    if let Some(notice) = for_them {
        notice::tell(&mut deed.transaction, id, deed.by, notice, now).await?;
    }
    tell_others(deed, session, for_others).await?;
    Ok(true)
}

async fn tell_others(deed: &mut Deed<'_>, session: Option<&Session>, what: Notice) -> sqlx::Result<()> {
    let now = deed.now;
    match session {
        Some(session) => notice::tell_others(deed, session, what, now).await,
        None => Ok(()),
    }
}
