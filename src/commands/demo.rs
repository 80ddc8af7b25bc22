//! `demo`: everything on this machine, without configuration.

mod catcher;
mod inbox;
pub mod postgres;
mod samples;

use std::{
    fs::{self, File},
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow};
use base64::{Engine, engine::general_purpose::STANDARD};
use clap::Args;
use tokio::{net::TcpListener, time::timeout};
use url::Url;

use crate::config::{Config, Guard, Source};

use self::postgres::Cluster;
use super::{Service, output, stop_on_signal};

/// Try everything out: a private database, a mail catcher, sample content. Needs no configuration.
#[derive(Args)]
pub struct Demo {
    /// Port of the web pages.
    #[arg(long, default_value_t = 8080)]
    port: u16,

    /// Folder for the demo's data. It begins with sample content and keeps your changes; remove it to start over.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Demo {
    /// Runs the demo until Ctrl-C.
    pub async fn run(self) -> anyhow::Result<()> {
        let dir = self.dir.unwrap_or_else(default_dir);
        // The port first: if it is taken, nothing has been started yet.
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let listener = TcpListener::bind(address).await.map_err(|error| port_problem(self.port, &error))?;
        let port = listener.local_addr()?.port();
        ensure_own(&dir)?;
        fs::create_dir_all(&dir).with_context(|| {
            format!("{} cannot be created; choose another folder with --dir", dir.display())
        })?;
        let dir = dir.canonicalize()?;
        let _lock = lock(&dir)?;

        let stop = stop_on_signal();
        output::remark("Starting a private database …");
        let cluster = Cluster::start(&dir.join("postgres")).await?;
        cluster.create_database("rundbrief").await?;
        let catcher = catcher::start().await?;
        let settings = settings(&dir, port, &cluster, catcher.port)?;
        // Settings worth trying in the demo: protection against bots, a slow mailing.
        let source = Source::pairs(&settings.iter().map(|(k, v)| (*k, v.as_str())).collect::<Vec<_>>());
        let config = Config::read(
            &source.or_environment(&Guard::NAMES).or_environment(&["SEND_RATE", "METRICS_ADDR"]),
        )?;
        let service = Service::prepare(&config).await?;
        let first_update = samples::fill(&service.pool, &config).await?;
        let password = samples::staff_login(&service.pool).await?;

        let router = service.router(&config, inbox::router(catcher.mails.clone())?)?;
        introduce(&config, &dir, &first_update, password.as_deref());
        service.tell_metrics(&config, stop.clone()).await;
        let result = service.run(listener, router, true, stop).await;
        output::remark("Stopping the database …");
        if timeout(Duration::from_secs(10), cluster.stop()).await.is_err() {
            output::remark("The database is slow to stop; it ends in the background.");
        }
        result
    }
}

fn default_dir() -> PathBuf {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "user".into());
    // Not under the home folder: if root runs this, the database's unprivileged user cannot reach it.
    std::env::temp_dir().join(format!("rundbrief-demo-{user}"))
}

/// Refuses a folder that somebody else created, or a link: its name is easy to guess, and everybody may write to /tmp.
fn ensure_own(dir: &Path) -> anyhow::Result<()> {
    let Ok(found) = fs::symlink_metadata(dir) else { return Ok(()) };
    if found.is_dir() && found.uid() == postgres::own_uid()? {
        return Ok(());
    }
    Err(anyhow!("{} is not a folder of yours; choose another with --dir", dir.display()))
}

fn port_problem(port: u16, error: &std::io::Error) -> anyhow::Error {
    if error.kind() == ErrorKind::AddrInUse {
        anyhow!(
            "port {port} is taken; choose another with --port, such as --port {}",
            port.wrapping_add(1).max(1024)
        )
    } else {
        anyhow!("cannot listen on port {port}: {error}; choose another with --port")
    }
}

/// One demo per folder. The system releases the lock when the process ends, also by kill -9.
fn lock(dir: &Path) -> anyhow::Result<File> {
    let path = dir.join("lock");
    let file = File::create(&path)
        .with_context(|| format!("{} cannot be written; choose another folder with --dir", path.display()))?;
    file.try_lock().map_err(|_| {
        anyhow!("another demo is running in {}; choose another folder with --dir", dir.display())
    })?;
    Ok(file)
}

/// The demo's settings, which are also written to a file for other commands.
fn settings(
    dir: &Path,
    port: u16,
    cluster: &Cluster,
    smtp_port: u16,
) -> anyhow::Result<Vec<(&'static str, String)>> {
    let images = Url::from_directory_path(dir.join("images")).map_err(|()| {
        anyhow!("{} cannot be written as a URL; choose another folder with --dir", dir.display())
    })?;
    let settings = vec![
        ("DATABASE_URL", cluster.url("rundbrief")),
        ("PUBLIC_URL", format!("http://127.0.0.1:{port}")),
        ("LISTEN_ADDR", format!("127.0.0.1:{port}")),
        ("SECRET_KEY", secret_key(&dir.join("secret_key"))?),
        ("SMTP_URL", format!("smtp://127.0.0.1:{smtp_port}?tls=none")),
        ("IMAGE_STORE", images.to_string()),
        ("STATE_DIR", dir.join("state").display().to_string()),
    ];
    let lines =
        settings.iter().fold(String::new(), |text, (name, value)| text + &format!("{name}='{value}'\n"));
    output::private_file(&dir.join("env"), &lines)?;
    Ok(settings)
}

/// The key of the last run, so that links in its mails still work.
fn secret_key(path: &Path) -> anyhow::Result<String> {
    if let Ok(key) = fs::read_to_string(path) {
        return Ok(key.trim().to_owned());
    }
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("the system has no random numbers: {error}"))?;
    let key = STANDARD.encode(bytes);
    output::private_file(path, &key)?;
    Ok(key)
}

fn introduce(config: &Config, dir: &Path, update: &str, password: Option<&str>) {
    let url = config.public_url.as_str();
    let program = std::env::args().next().unwrap_or_else(|| "rundbrief".into());
    let env = dir.join("env").display().to_string();
    // Quoted for the shell, whatever the path contains.
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    let shell = |text: &str| if plain(text) { text.to_owned() } else { quoted(text) };
    let (program, env) = (shell(&program), shell(&env));
    let email = samples::STAFF_EMAIL;
    let login = match password {
        Some(password) => format!("{email}, password {password} (shown this once)"),
        None => format!(
            "as at the first start; a new password: {program} --env-file {env} staff reset-password {email}"
        ),
    };
    output::line(&format!(
        "
Rundbrief is running. Everything stays on this machine.

  Sign up           {url}/
  Mail that arrives {url}/inbox
  Staff pages       {url}/staff
  Staff login       {login}

  1. Sign up with any address, such as maria@example.org.
  2. Open the confirmation mail in the inbox, follow its link, press the button.
  3. Send an update to everybody, in another terminal:

     {program} --env-file {env} mailings trigger {update} --watch

  4. Open the mail in the inbox and unsubscribe.

Mail to addresses that begin with nobody is refused, to show how that looks.

Data:  {dir}   (remove it to start over)
Stop:  Ctrl-C
",
        dir = dir.display()
    ));
}
