//! The real program, as a process beside the bench.

use std::{
    env,
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, ensure};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// How many commands there were: each works on a database of its own, and remembers nothing of the one before.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A command of the program, in a folder without `.env`, and with no setting yet. Killed when it is dropped.
pub fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rundbrief"));
    command.args(arguments).current_dir(dir).env_clear();
    for name in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    command.env("STATE_DIR", dir.join(format!("state-{number}")));
    command.env("RUST_LOG", "warn").stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    command
}

/// Ends it as an operator would, and waits for that.
pub async fn end(mut child: Child) -> anyhow::Result<()> {
    let pid = child.id().context("the program has ended")?;
    // The shell has `kill` built in, wherever the program of that name is.
    let kill = format!("kill -TERM {pid}");
    let sent = Command::new("/bin/sh").args(["-c", &kill]).status().await?;
    ensure!(sent.success(), "{kill}: {sent}");
    let ended = timeout(Duration::from_secs(30), child.wait()).await;
    let status = ended.context("the program does not end")??;
    ensure!(status.success(), "the program failed: {status}");
    Ok(())
}
