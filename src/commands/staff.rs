//! `staff`: the people who may log in to the staff pages.

use anyhow::anyhow;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    config::{self, PublicUrl, Source},
    domain::{
        address::EmailAddress,
        ids::StaffId,
        staff::{
            self, Role, StaffError,
            audit::{Action, Actor},
            link::{self, Made},
            second_factor,
        },
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
    let mut transaction = database().await?.begin().await?;
    let role = match role {
        Some(role) => role,
        None if staff::has_admin(&mut transaction).await? => Role::Editor,
        None => Role::Admin,
    };
    let now = Utc::now();
    let id = match staff::add(&mut transaction, &Actor::Command, email, &name, role, now).await {
        Err(StaffError::Exists) => {
            let email = email.as_str();
            return Err(anyhow!(
                "{email} exists already; for a new link run: rundbrief staff reset-password {email}"
            ));
        }
        added => added?,
    };
    let made = link::make(&mut transaction, &Actor::Command, id, now).await?;
    transaction.commit().await?;
    print_link(&public_url, email, id, &made, json, &format!("Added as {}.", role.as_str()))
}

async fn list(json: bool) -> anyhow::Result<()> {
    let people = staff::list(&mut *database().await?.acquire().await?).await?;
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
    let mut transaction = database().await?.begin().await?;
    let id = find(&mut transaction, email).await?;
    let now = Utc::now();
    let mut remark = "The old password works until the link is used.".to_owned();
    if with_factor {
        let by = &Actor::Command;
        let was_on =
            second_factor::turn_off(&mut transaction, by, id, Action::SecondFactorReset, now).await?;
        remark += if was_on { " The second factor is off." } else { " There was no second factor." };
    }
    let made = match link::make(&mut transaction, &Actor::Command, id, now).await {
        Err(StaffError::Unknown) => {
            let email = email.as_str();
            return Err(anyhow!("{email} is disabled; first run: rundbrief staff enable {email}"));
        }
        made => made?,
    };
    transaction.commit().await?;
    print_link(&public_url, email, id, &made, json, &remark)
}

async fn set_disabled(email: &EmailAddress, disabled: bool, json: bool) -> anyhow::Result<()> {
    let mut transaction = database().await?.begin().await?;
    let id = find(&mut transaction, email).await?;
    let now = Utc::now();
    if disabled {
        staff::disable(&mut transaction, &Actor::Command, id, now).await?;
    } else {
        staff::enable(&mut transaction, &Actor::Command, id, now).await?;
    }
    transaction.commit().await?;
    if json {
        return output::json(&json!({ "id": id, "disabled": disabled }));
    }
    let what = if disabled { "cannot log in any more" } else { "can log in again" };
    output::line(&format!("{} {what}.", email.as_str()));
    Ok(())
}

async fn find(db: &mut PgConnection, email: &EmailAddress) -> anyhow::Result<StaffId> {
    let found = staff::id_of(db, email).await?;
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
    id: StaffId,
    made: &Made,
    json: bool,
    remark: &str,
) -> anyhow::Result<()> {
    let link = one_time_link(public_url, made);
    if json {
        return output::json(&json!({ "id": id, "link": link, "expires_at": made.expires_at }));
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
