//! The program on a command line: arguments in, exit code and output back.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};

use super::{TestApp, database::scratch};

/// A place to run the program from: a fresh folder, in which no `.env` is found, and a clean environment.
pub struct Program {
    settings: Vec<(&'static str, String)>,
    dir: PathBuf,
    /// How many files it may have open, where that is not as for the tests.
    /// What a shell does before it becomes the program.
    before: Option<String>,
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The exit code; nothing when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A run that goes on; killed when it is dropped.
pub struct Running {
    child: Child,
    pid: u32,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// How much memory a process holds.
pub struct Memory {
    pid: u32,
    before: u64,
}

impl Memory {
    /// Bytes that it held at most since this was begun, beyond what it held then.
    pub fn more(&self) -> u64 {
        self.said("VmHWM:").expect("it runs").saturating_sub(self.before)
    }

    fn said(&self, name: &str) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(value.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
    }
}

/// No command may take longer.
const LONGEST: Duration = Duration::from_mins(2);

impl Program {
    /// With the settings of this service: on its database and relay.
    pub fn beside(app: &TestApp) -> Self {
        Self { settings: app.settings.clone(), dir: fresh_dir(), before: None }
    }

    /// With no settings at all.
    pub fn alone() -> Self {
        Self { settings: Vec::new(), dir: fresh_dir(), before: None }
    }

    /// With this setting too, in the place of another value.
    pub fn setting(mut self, name: &'static str, value: &str) -> Self {
        self.settings.retain(|(known, _)| *known != name);
        self.settings.push((name, value.to_owned()));
        self
    }

    /// With so many open files at most.
    pub fn open_files(mut self, files: u32) -> Self {
        self.before = Some(format!("ulimit -n {files}"));
        self
    }

    /// As `nohup` starts it: the terminal may be closed.
    pub fn living_through_hangups(mut self) -> Self {
        self.before = Some("trap '' HUP".to_owned());
        self
    }

    /// Its working directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a file into its working directory.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.dir.join(name), content).expect("the file is written");
    }

    /// Runs it to its end. Nobody sits at its standard input.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        let run = self.command(arguments).output();
        let output = timeout(LONGEST, run).await.expect("it ends in time").expect("it starts");
        Ran::new(output.status, &output.stdout, &output.stderr)
    }

    /// Starts it. Its output goes into files of the working directory, so one at a time.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let (stdout, stderr) = (self.dir.join("stdout"), self.dir.join("stderr"));
        let mut command = self.command(arguments);
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let child = command.spawn().expect("it starts");
        let pid = child.id().expect("it runs");
        Running { child, pid, stdout, stderr }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_rundbrief");
        let mut command = match &self.before {
            None => Command::new(program),
            Some(before) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("{before}; exec \"$0\" \"$@\""), program]);
                shell
            }
        };
        command.args(arguments).current_dir(&self.dir).stdin(Stdio::null()).kill_on_drop(true).env_clear();
        for name in ["PATH", "HOME", "TMPDIR"] {
            if let Some(value) = env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(self.settings.iter().map(|(name, value)| (*name, value.as_str())));
        command
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Ran {
    fn new(status: ExitStatus, stdout: &[u8], stderr: &[u8]) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Standard output of a run that went well.
    pub fn done(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        &self.stdout
    }

    /// The one JSON value on standard output of a run that went well; anything beside it fails.
    pub fn json(&self) -> Value {
        let value = serde_json::from_str(self.done());
        assert!(value.is_ok(), "one JSON value was expected: {self:?}");
        value.unwrap()
    }

    /// Standard error of a run that ended with this code and printed no result.
    pub fn refused(&self, code: i32) -> &str {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{self:?}");
        &self.stderr
    }
}

impl Running {
    /// Waits until standard output holds this text; answers all of it so far.
    pub async fn says(&mut self, text: &str) -> String {
        let said = async {
            loop {
                let said = read(&self.stdout);
                if said.contains(text) {
                    return said;
                }
                let ended = self.child.try_wait().unwrap();
                assert!(ended.is_none(), "it ended ({ended:?}): {said}{}", read(&self.stderr));
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(LONGEST, said).await.expect("it says so in time")
    }

    /// Sends it a signal by its short name, such as `INT`.
    pub fn signal(&self, name: &str) {
        // The shell has `kill` built in, wherever the program of that name is.
        let kill = format!("kill -{name} {}", self.pid);
        let sent = std::process::Command::new("/bin/sh").args(["-c", &kill]).status();
        assert!(sent.unwrap().success(), "{kill}");
    }

    /// Begins to measure how much memory it holds. Nothing, and a line that says so, where the system does not tell it as
    /// Linux does (proc(5)).
    pub fn memory(&self) -> Option<Memory> {
        let memory = Memory { pid: self.pid, before: 0 };
        // Five makes the peak what is held now.
        let forgotten = fs::write(format!("/proc/{}/clear_refs", self.pid), "5");
        match (forgotten, memory.said("VmRSS:")) {
            (Ok(()), Some(before)) => Some(Memory { before, ..memory }),
            (forgotten, _) => {
                #[allow(clippy::print_stderr, reason = "whoever runs the tests is told what they leave out")]
                {
                    eprintln!("memory is not measured, because /proc does not tell it here: {forgotten:?}");
                }
                None
            }
        }
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> Ran {
        let waited = timeout(Duration::from_secs(30), self.child.wait()).await;
        assert!(waited.is_ok(), "it did not end within 30 s: {}", read(&self.stderr));
        Ran::new(waited.unwrap().unwrap(), read(&self.stdout).as_bytes(), read(&self.stderr).as_bytes())
    }
}

fn fresh_dir() -> PathBuf {
    let dir = scratch("program");
    fs::create_dir_all(&dir).expect("a folder to run in");
    dir
}

fn read(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
