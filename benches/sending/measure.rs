//! What processes have used, as Linux tells it in `/proc`.

use std::{fs, process::Command, sync::LazyLock, time::Duration};

use anyhow::Context;

/// Clock ticks a second: the unit of CPU time in `/proc`.
static TICKS: LazyLock<u64> = LazyLock::new(|| {
    let told = Command::new("getconf").arg("CLK_TCK").output().ok();
    told.and_then(|told| String::from_utf8(told.stdout).ok()?.trim().parse().ok()).unwrap_or(100)
});

/// CPU time, user and system, of everybody who takes part in sending.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// The worker's process.
    pub worker: Duration,
    /// All processes of Postgres, those that have ended included.
    pub postgres: Duration,
    /// The sink's process.
    pub sink: Duration,
}

impl Usage {
    /// What these processes have used since they started.
    pub fn so_far(worker: u32, postmaster: u32, sink: u32) -> anyhow::Result<Self> {
        Ok(Self {
            worker: time(stat(worker)?.own),
            postgres: family(postmaster)?,
            sink: time(stat(sink)?.own),
        })
    }

    /// What they have used since an earlier look.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            worker: self.worker.saturating_sub(earlier.worker),
            postgres: self.postgres.saturating_sub(earlier.postgres),
            sink: self.sink.saturating_sub(earlier.sink),
        }
    }
}

/// Memory of a process in MiB, by its name in `/proc/PID/status`: `VmRSS` is what it has now, `VmHWM` the most it had.
pub fn memory(pid: u32, field: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()).context("no memory is told")?;
    Ok(f64::from(kibibytes.parse::<u32>()?) / 1024.0)
}

/// How many of these a second.
pub fn per_second(number: u32, time: Duration) -> f64 {
    f64::from(number) / time.as_secs_f64()
}

/// CPU time in ticks, and whose child the process is.
struct Stat {
    parent: u32,
    /// The process's own.
    own: u64,
    /// That of its children that have ended.
    ended_children: u64,
}

fn stat(pid: u32) -> anyhow::Result<Stat> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The program's name stands in brackets and may hold anything; behind it come numbers.
    let (_, fields) = line.rsplit_once(')').context("no process is told")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    // Counted as in proc(5), from 1, with the number and the name in front.
    let field = |number: usize| fields.get(number - 3).copied().context("a field is missing");
    let ticks = |number: usize| anyhow::Ok(field(number)?.parse::<u64>()?);
    Ok(Stat {
        parent: field(4)?.parse()?,
        own: ticks(14)? + ticks(15)?,
        ended_children: ticks(16)? + ticks(17)?,
    })
}

/// CPU time of a process and its children.
fn family(pid: u32) -> anyhow::Result<Duration> {
    let Stat { own, ended_children, .. } = stat(pid)?;
    let entries = fs::read_dir("/proc")?.flatten();
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // One that ends while we look is found among those that have ended, at the next look.
    let children = processes.filter_map(|process| stat(process).ok()).filter(|stat| stat.parent == pid);
    let living: u64 = children.map(|child| child.own + child.ended_children).sum();
    Ok(time(own + ended_children + living))
}

fn time(ticks: u64) -> Duration {
    Duration::from_micros(ticks * 1_000_000 / *TICKS)
}
