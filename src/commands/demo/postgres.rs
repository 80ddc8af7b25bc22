//! A private Postgres cluster, started from the installed server binaries.
//!
//! It listens on a socket in its own folder and nowhere else. As root, where Postgres refuses to run, it runs as
//! an unprivileged user. It ends with the process that started it, whatever ends that: a small shell holds the other
//! end of a pipe and stops the server when the pipe closes.

use std::{
    env,
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::db::own_server;

/// A running cluster.
pub struct Cluster {
    socket_dir: PathBuf,
    watchdog: Child,
}

/// What is done with the folder when the cluster ends, and how careful the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// Data stays and is written to disk properly.
    Data,
    /// The folder goes away; nothing waits for the disk.
    Nothing,
}

/// The database's superuser.
const USER: &str = "rundbrief";

/// Runs the server, waits for standard input to end, stops the server, and removes the folder named by `REMOVE`.
const WATCHDOG: &str = r#"
exec 3<&0
"$@" </dev/null & server=$!
( cat <&3 >/dev/null; kill -INT $server 2>/dev/null ) &
wait $server; status=$?
# A signal may have ended the waiting and not the server.
while kill -0 $server 2>/dev/null; do sleep 0.1; done
if [ -n "$REMOVE" ]; then rm -rf "$REMOVE"; fi
exit $status
"#;

impl Cluster {
    /// Starts a cluster whose data lives in `dir`, made there if there is none.
    ///
    /// # Errors
    /// When Postgres is not installed, the folder cannot be used, or the server does not start; the message says
    /// what to do.
    pub async fn start(dir: &Path) -> anyhow::Result<Self> {
        Self::launch(dir, Keep::Data).await
    }

    /// Starts a cluster in `dir` that is fast, forgets everything, and removes `dir` in the end: for tests.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn throwaway(dir: &Path) -> anyhow::Result<Self> {
        Self::launch(dir, Keep::Nothing).await
    }

    async fn launch(dir: &Path, keep: Keep) -> anyhow::Result<Self> {
        let binaries = binaries()?;
        let user = ServerUser::find()?;
        fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
        fs::set_permissions(dir, Permissions::from_mode(0o700))?;
        user.give(dir)?;
        let data = dir.join("data");
        if !data.join("PG_VERSION").exists() {
            initialise(&binaries, &user, dir, &data).await?;
        }
        wait_for_predecessor(&data).await;
        // The path of a Unix socket may have 107 bytes.
        if dir.as_os_str().len() > 80 {
            bail!("the path {} is too long for a database socket; choose a shorter folder", dir.display());
        }
        let mut command = user.command(Path::new("/bin/sh"));
        command
            .arg("-c")
            .arg(WATCHDOG)
            .arg("watchdog")
            .arg(binaries.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=", "-c", "max_connections=300", "-c", "log_min_messages=warning"])
            .arg("-c")
            .arg(format!("unix_socket_directories={}", dir.display()))
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log_file(dir, &user)?)
            // Ctrl-C is for us; the server is stopped in order, by us.
            .process_group(0);
        if keep == Keep::Nothing {
            command.args(["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]);
            command.env("REMOVE", dir);
        }
        let watchdog = command.spawn().context("the database server could not be started")?;
        let mut cluster = Self { socket_dir: dir.to_owned(), watchdog };
        cluster.wait_until_ready(dir).await?;
        Ok(cluster)
    }

    /// The address of one of its databases.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let host = url::form_urlencoded::byte_serialize(self.socket_dir.as_os_str().as_encoded_bytes());
        format!("postgres://{USER}@localhost/{database}?host={}", host.collect::<String>())
    }

    /// Makes a database, unless it is there.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn create_database(&self, name: &str) -> anyhow::Result<()> {
        Ok(own_server::create_database(&self.url("postgres"), name).await?)
    }

    /// Stops the server and waits until it has ended.
    pub async fn stop(mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait().await;
    }

    async fn wait_until_ready(&mut self, dir: &Path) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            if own_server::answers(&self.url("postgres")).await {
                return Ok(());
            }
            if self.watchdog.try_wait()?.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let last = lines[lines.len().saturating_sub(5)..].join("\n");
                bail!("the database in {} did not start. Its last words:\n{last}", dir.display());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A server that was left by a kill -9 is just being stopped by its watchdog; it must be gone before ours can begin.
async fn wait_for_predecessor(data: &Path) {
    for _ in 0..150 {
        let pid_file = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        let Some(pid) = pid_file.lines().next().and_then(|line| line.trim().parse::<u32>().ok()) else {
            return;
        };
        // A number that belongs to nobody was left by a crash of the machine; the server sees to that itself.
        let alive = Command::new("kill").arg("-0").arg(pid.to_string()).stderr(Stdio::null()).status().await;
        if !alive.is_ok_and(|status| status.success()) {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn initialise(binaries: &Path, user: &ServerUser, dir: &Path, data: &Path) -> anyhow::Result<()> {
    // What a killed first run left half made.
    if data.exists() {
        fs::remove_dir_all(data)?;
    }
    let made = user
        .command(&binaries.join("initdb"))
        .arg("-D")
        .arg(data)
        .args(["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"])
        .current_dir(dir)
        .output()
        .await
        .context("initdb could not be run")?;
    if !made.status.success() {
        // A half-made cluster would pass for a whole one.
        let _ = fs::remove_dir_all(data);
        let why = String::from_utf8_lossy(&made.stderr);
        bail!(
            "the database in {} could not be made: {}\nA folder that every user can reach may help (--dir).",
            dir.display(),
            why.trim()
        );
    }
    Ok(())
}

fn log_file(dir: &Path, user: &ServerUser) -> anyhow::Result<fs::File> {
    let path = dir.join("log");
    let file = fs::File::create(&path)?;
    user.give(&path)?;
    Ok(file)
}

/// The folder with `initdb` and `postgres`: on the PATH, or where the packages of Debian, Fedora and Homebrew put
/// them, the newest major first.
///
/// # Errors
/// When it is not installed; the message says how.
pub fn binaries() -> anyhow::Result<PathBuf> {
    let on_path =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    let is_server = |dir: &PathBuf| dir.join("initdb").is_file() && dir.join("postgres").is_file();
    if let Some(dir) = on_path.into_iter().find(is_server) {
        return Ok(dir);
    }
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for (parent, prefix) in [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql@"),
        ("/usr/local/opt", "postgresql@"),
    ] {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let version = name.to_str().and_then(|name| name.strip_prefix(prefix)?.parse().ok());
            let dir = entry.path().join("bin");
            if let (Some(version), true) = (version, is_server(&dir)) {
                found.push((version, dir));
            }
        }
    }
    found.sort();
    found.pop().map(|(_, dir)| dir).ok_or_else(|| {
        anyhow!("the PostgreSQL server is not installed. Debian and Ubuntu: apt-get install postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql@17")
    })
}

/// Who the server runs as: ourselves, or, when we are root, an unprivileged user.
struct ServerUser(Option<(u32, u32)>);

impl ServerUser {
    fn find() -> anyhow::Result<Self> {
        // A process's own files belong to its effective user.
        let own = own_uid()?;
        if own != 0 {
            return Ok(Self(None));
        }
        let passwd = fs::read_to_string("/etc/passwd").context("/etc/passwd cannot be read")?;
        let ids = |name: &str| {
            let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        };
        let found = ids("postgres").or_else(|| ids("nobody"));
        found
            .map(|ids| Self(Some(ids)))
            .ok_or_else(|| anyhow!("as root, the database needs a user named postgres or nobody"))
    }

    fn give(&self, path: &Path) -> anyhow::Result<()> {
        if fs::symlink_metadata(path)?.is_symlink() {
            bail!("{} is a link to another place; it is not used", path.display());
        }
        if let Some((uid, gid)) = self.0 {
            chown(path, Some(uid), Some(gid))
                .with_context(|| format!("{} cannot be given to the database's user", path.display()))?;
        }
        Ok(())
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((uid, gid)) = self.0 {
            command.uid(uid).gid(gid);
        }
        // Settings for clients must not reach the server.
        for name in ["PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGDATA", "PGOPTIONS"] {
            command.env_remove(name);
        }
        command
    }
}

/// Our effective user, read off a file we make: the standard library has no other way to ask.
///
/// # Errors
/// When no file can be made in the folder for temporary files.
pub fn own_uid() -> anyhow::Result<u32> {
    let path = env::temp_dir().join(format!(
        "rundbrief-{}-{:08x}",
        std::process::id(),
        getrandom::u32().unwrap_or(0)
    ));
    let file = fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
    let owner = file.metadata()?.uid();
    fs::remove_file(&path)?;
    Ok(owner)
}
