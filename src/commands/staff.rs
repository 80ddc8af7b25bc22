//! `staff`: the people who may log in to the staff pages.

use anyhow::anyhow;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Subcommand, ValueEnum};
use serde_json::json;

use crate::{
    app::members::{self, Change, Factor, Invite, MemberLink},
    config::{self, PublicUrl, Source},
    db::Pool,
    domain::{
        actor::Actor,
        address::EmailAddress,
        ids::StaffId,
        staff::{self, Role, StaffError, link::Made},
    },
};

use super::{Usage, database, output};

/// The people who may log in to the staff pages.
#[derive(Subcommand)]
pub enum Staff {
    /// Add somebody, and print the one-time link with which they set their password.
    Add {
        /// Their email address; they log in with it.
        email: String,
        /// Their name; by default the part of the address before the @.
        #[arg(long)]
        name: Option<String>,
        /// What they may do; by default `admin` while no admin can log in, and `editor` afterwards.
        #[arg(long)]
        role: Option<RoleName>,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// Show everybody.
    List {
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// Print a one-time link with which somebody sets a new password. The old one works until then.
    ResetPassword {
        /// Their email address.
        email: String,
        /// Turn their second factor off too, because they have lost it.
        #[arg(long)]
        totp: bool,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// Block somebody, and end their sessions.
    Disable {
        /// Their email address.
        email: String,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// Let somebody log in again.
    Enable {
        /// Their email address.
        email: String,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
}

/// What a member may do, as it is written on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RoleName {
    /// Writes, tests and sends.
    Editor,
    /// The same, and people, publication, subscribers, keys and the audit log.
    Admin,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Editor => Role::Editor,
            RoleName::Admin => Role::Admin,
        }
    }
}

impl Staff {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Staff::Add { email, name, role, json } => {
                add(&address(&email)?, name.as_deref(), role.map(Role::from), json).await
            }
            Staff::List { json } => list(json).await,
            Staff::ResetPassword { email, totp, json } => reset_password(&address(&email)?, totp, json).await,
            Staff::Disable { email, json } => set_disabled(&address(&email)?, true, json).await,
            Staff::Enable { email, json } => set_disabled(&address(&email)?, false, json).await,
        }
    }
}

fn address(typed: &str) -> Result<EmailAddress, Usage> {
    EmailAddress::parse(typed).map_err(|error| Usage(error.to_string()))
}

async fn add(email: &EmailAddress, name: Option<&str>, role: Option<Role>, json: bool) -> anyhow::Result<()> {
    let public_url = config::public_url(&Source::environment())?;
    let name = staff::clean_name(name.unwrap_or(email.parts().0))
        .ok_or_else(|| Usage("--name is empty or longer than 100 characters".into()))?;
    let (pool, by) = (database().await?, (&Actor::Command, None));
    let added = match members::add_member(&pool, by, (email, &name), (role, Invite::ByHand), Utc::now()).await
    {
        Err(StaffError::Exists) => {
            let email = email.as_str();
            return Err(anyhow!(
                "{email} exists already; for a new link run: rundbrief staff reset-password {email}"
            ));
        }
        added => added?,
    };
    print_link(&public_url, email, &added, json, &format!("Added as {}.", added.member.role.as_str()))
}

async fn list(json: bool) -> anyhow::Result<()> {
    let people = members::list(&database().await?).await?;
    if json {
        return output::json(&people);
    }
    if people.is_empty() {
        output::line("Nobody yet. Add somebody with: rundbrief staff add EMAIL");
    }
    for member in people {
        let state = match (member.disabled_at.is_some(), member.has_password) {
            (true, _) => "disabled",
            (false, true) => "active",
            (false, false) => "no password yet",
        };
        let factor = if member.has_second_factor { "second factor" } else { "-" };
        output::line(&format!(
            "{:<40} {:<7} {:<16} {:<14} {}",
            member.email,
            member.role.as_str(),
            state,
            factor,
            member.name
        ));
    }
    Ok(())
}

async fn reset_password(email: &EmailAddress, with_factor: bool, json: bool) -> anyhow::Result<()> {
    let public_url = config::public_url(&Source::environment())?;
    let pool = database().await?;
    let id = find(&pool, email).await?;
    let factor = if with_factor { Factor::TurnOff } else { Factor::Keep };
    let made = match members::make_link(&pool, (&Actor::Command, None), id, factor, Utc::now()).await {
        Err(StaffError::Unknown) => {
            let email = email.as_str();
            return Err(anyhow!("{email} is disabled; first run: rundbrief staff enable {email}"));
        }
        made => made?,
    };
    let mut remark = "The old password works until the link is used.".to_owned();
    if with_factor {
        remark +=
            if made.has_lost_factor { " The second factor is off." } else { " There was no second factor." };
    }
    print_link(&public_url, email, &made, json, &remark)
}

async fn set_disabled(email: &EmailAddress, disabled: bool, json: bool) -> anyhow::Result<()> {
    let (pool, by) = (database().await?, (&Actor::Command, None));
    let id = find(&pool, email).await?;
    let change = if disabled { Change::Disable } else { Change::Enable };
    members::change_member(&pool, by, id, change, Utc::now()).await?;
    if json {
        return output::json(&json!({ "id": id, "disabled": disabled }));
    }
    let what = if disabled { "cannot log in any more" } else { "can log in again" };
    output::line(&format!("{} {what}.", email.as_str()));
    Ok(())
}

async fn find(pool: &Pool, email: &EmailAddress) -> anyhow::Result<StaffId> {
    let found = members::id_of(pool, email).await?;
    found.ok_or_else(|| {
        anyhow!("there is no staff member with the address {}; see: rundbrief staff list", email.as_str())
    })
}

/// The URL of a one-time link.
pub fn one_time_link(public_url: &PublicUrl, made: &Made) -> String {
    public_url.join(&format!("/staff/welcome/{}", made.token.reveal()))
}

fn print_link(
    public_url: &PublicUrl,
    email: &EmailAddress,
    MemberLink { member, made, .. }: &MemberLink,
    json: bool,
    remark: &str,
) -> anyhow::Result<()> {
    let link = one_time_link(public_url, made);
    if json {
        return output::json(&json!({ "id": member.id, "link": link, "expires_at": made.expires_at }));
    }
    output::remark(remark);
    output::line(&format!("{link}\n"));
    output::remark(&format!(
        "Pass it on to {} in a safe way. It works once, until {}.",
        email.as_str(),
        time(made.expires_at)
    ));
    Ok(())
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
