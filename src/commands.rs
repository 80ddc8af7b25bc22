//! The command line: one file per subcommand. The only room that puts the others together.
//!
//! Exit codes: 0 success, 1 failure, 2 wrong usage or configuration; 75 of `bounces take` alone, see [`BringAgain`].

#[cfg(feature = "demo")]
pub mod demo;
pub mod output;

mod bounces;
mod dkim;
mod mailings;
mod publication;
mod restore;
mod serve;
mod signups;
mod staff;
mod subscribers;
mod updates;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

use clap::{Parser, Subcommand};

use crate::{
    app::service_state,
    config::{self, Config, ConfigErrors, SecretKeys, Source},
    db::{self, DbError, Pool, statement},
    mail::{compose::Composer, templates::Templates},
    telemetry,
};

pub use serve::{Service, stop_on_signal};

/// Self-hosted newsletter service: double-opt-in signup, project updates by mail, one-click unsubscribe.
#[derive(Parser)]
#[command(name = "rundbrief", version, arg_required_else_help = true)]
struct Arguments {
    /// File with settings, by default .env. Variables set in the environment win.
    #[arg(long, global = true, value_name = "FILE")]
    env_file: Option<PathBuf>,

    /// Accept a `SECRET_KEY` other than the one the database was used with. Run without it first to see what would be lost.
    #[arg(long, global = true)]
    accept_new_key: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the web service and a worker in one process.
    Serve(serve::Serve),
    /// Run a worker alone. Any number of workers may share one database.
    Worker,
    /// Migrate the database. The commands serve and worker do this at their start.
    Migrate,
    /// Try everything out: a private database, a mail catcher, sample content. Needs no configuration.
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    /// The newsletter's identity and legal texts.
    #[command(subcommand)]
    Publication(publication::Publication),
    /// The project's news: add and list updates.
    #[command(subcommand)]
    Updates(updates::Updates),
    /// Check and send updates, and see the progress of mailings.
    #[command(subcommand)]
    Mailings(mailings::Mailings),
    /// Recent signups, and those whose mails are held by a limit.
    #[command(subcommand)]
    Signups(signups::Signups),
    /// What comes back about mails: bounces, complaints, automatic replies.
    #[command(subcommand)]
    Bounces(bounces::Bounces),
    /// The keys with which mails are signed here, where the relay does not do it.
    #[command(subcommand)]
    Dkim(dkim::Dkim),
    /// The people who may log in to the staff pages.
    #[command(subcommand)]
    Staff(staff::Staff),
    /// After a restored backup or a promoted standby: show and release held mailings.
    #[command(subcommand)]
    Restore(restore::Restore),
    /// Import, export, show and erase subscribers.
    #[command(subcommand)]
    Subscribers(subscribers::Subscribers),
}

/// Wrong usage; exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// A message that was brought could not be taken in, and should be brought again: exit code 75 (`EX_TEMPFAIL` of `sysexits.h`),
/// with which mail servers keep a message that they pipe into a program. Any other one makes them return it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BringAgain(pub String);

/// Runs the command of the process's own command line.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // The demo makes its own settings.
    #[cfg(feature = "demo")]
    let needs_settings = !matches!(arguments.command, Command::Demo(_));
    #[cfg(not(feature = "demo"))]
    let needs_settings = true;
    if needs_settings && let Err(error) = load_env(arguments.env_file.as_deref()) {
        output::error(&error.to_string());
        return ExitCode::from(2);
    }
    telemetry::start();
    ACCEPT_NEW_KEY.store(arguments.accept_new_key, Ordering::Relaxed);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::error(&format!("the runtime could not be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(run(arguments.command));
    // Blocking reads (standard input) must not hold up the end.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&format!("{error:#}"));
            if is_missing_table(&error) {
                output::remark("The database has no tables yet. Run: rundbrief migrate");
            }
            let wrong_use = error.is::<Usage>()
                || error.is::<ConfigErrors>()
                || error.downcast_ref::<DbError>().is_some_and(DbError::is_configuration);
            if error.is::<BringAgain>() {
                ExitCode::from(75)
            } else if wrong_use {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(serve) => serve.run().await,
        Command::Worker => serve::worker().await,
        Command::Migrate => migrate().await,
        #[cfg(feature = "demo")]
        Command::Demo(demo) => demo.run().await,
        Command::Publication(publication) => publication.run().await,
        Command::Updates(updates) => updates.run().await,
        Command::Mailings(mailings) => mailings.run().await,
        Command::Signups(signups) => signups.run().await,
        Command::Dkim(dkim) => dkim.run().await,
        Command::Bounces(bounces) => bounces.run().await,
        Command::Staff(staff) => staff.run().await,
        Command::Restore(restore) => restore.run().await,
        Command::Subscribers(subscribers) => subscribers.run().await,
    }
}

/// Whether a statement failed because a table is missing (Postgres 42P01).
fn is_missing_table(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref()).any(statement::is_about_a_missing_table)
}

/// Loads the file with settings. A line that cannot be parsed is not shown: it may contain a secret.
fn load_env(file: Option<&std::path::Path>) -> Result<(), Usage> {
    let loaded = match file {
        Some(file) => dotenvy::from_path(file),
        None => dotenvy::dotenv().map(drop),
    };
    let name = file.map_or_else(|| ".env".into(), |file| file.display().to_string());
    match loaded {
        Ok(()) => Ok(()),
        Err(error) if file.is_none() && error.not_found() => Ok(()),
        Err(dotenvy::Error::LineParse(line, _)) => {
            // Only the name of a setting is shown: the line may be the rest of a broken value.
            let is_name = |text: &&str| text.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            let variable = line.split_once('=').map(|(variable, _)| variable.trim()).filter(is_name);
            let place = variable.map(|variable| format!(" at {variable}")).unwrap_or_default();
            Err(Usage(format!("{name} cannot be read{place}: put each value in single quotes, on one line")))
        }
        Err(error) => Err(Usage(format!("{name} cannot be read: {error}"))),
    }
}

async fn migrate() -> anyhow::Result<()> {
    let pool = db::connect(&config::database_url(&Source::environment())?).await?;
    db::refuse_pooler(&pool).await?;
    db::migrate(&pool).await?;
    if ACCEPT_NEW_KEY.load(Ordering::Relaxed) {
        check_keys(&pool, &config::secret_keys(&Source::environment())?).await?;
    }
    output::line("The database is up to date.");
    Ok(())
}

/// The database that `DATABASE_URL` names.
async fn database() -> anyhow::Result<Pool> {
    let pool = db::connect(&config::database_url(&Source::environment())?).await?;
    db::refuse_newer(&pool).await?;
    Ok(pool)
}

/// The same, for a command that uses these keys: they must be those that the database was used with.
async fn database_with(keys: &SecretKeys) -> anyhow::Result<Pool> {
    let pool = database().await?;
    // Only the service stores the first keys: a command run with some key must not decide that.
    if service_state::any_key_known(&pool).await? {
        check_keys(&pool, keys).await?;
    }
    Ok(pool)
}

/// Whether `--accept-new-key` was given.
static ACCEPT_NEW_KEY: AtomicBool = AtomicBool::new(false);

/// Refuses keys that do not fit the database, unless `--accept-new-key` was given.
async fn check_keys(pool: &Pool, keys: &SecretKeys) -> anyhow::Result<()> {
    let accept = ACCEPT_NEW_KEY.load(Ordering::Relaxed);
    match service_state::check_keys(pool, keys, accept).await? {
        Some(loss) => {
            Err(Usage(format!("{loss} If it is lost for good, say once: rundbrief migrate --accept-new-key"))
                .into())
        }
        None => Ok(()),
    }
}

/// Makes the mails of a service with this configuration. Every template has been rendered once.
fn composer(config: &Config) -> anyhow::Result<Composer> {
    let templates = Templates::load(config.email_templates_dir.as_deref())?;
    Ok(Composer::new(templates, config.public_url.clone(), config.secret_keys.clone()))
}
