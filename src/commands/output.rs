//! What commands say: results on standard output, everything else on standard error.
//!
//! A reader that goes away (`| head`) is no error.

use std::{
    fs::OpenOptions,
    io::{IsTerminal, Write, stderr, stdin, stdout},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::Context;
use serde::Serialize;

use super::Usage;

/// A line of result.
pub fn line(text: &str) {
    let _ = writeln!(stdout(), "{text}");
}

/// A remark beside the result.
pub fn remark(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

/// Why the command failed.
pub fn error(text: &str) {
    let _ = writeln!(stderr(), "rundbrief: {text}");
}

/// One JSON value, and only that.
///
/// # Errors
/// When a value cannot be written as JSON; none of ours is like that.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string(value)?);
    Ok(())
}

/// Writes a file that nobody else may read.
///
/// # Errors
/// When it cannot be written.
pub fn private_file(path: &Path, text: &str) -> anyhow::Result<()> {
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    opened
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// Replaces the last line on a terminal; elsewhere it is a line like any other.
pub fn progress(text: &str) {
    let mut out = stdout();
    let _ = if out.is_terminal() { write!(out, "\r\u{1b}[K{text}") } else { writeln!(out, "{text}") };
    let _ = out.flush();
}

/// Asks a question that is answered with yes or no; anything but a clear yes is no. `unasked` is what `--yes` does
/// without asking, such as `send`.
///
/// # Errors
/// [`Usage`] when nobody sits at standard input who could be asked.
pub fn confirm(question: &str, unasked: &str) -> Result<bool, Usage> {
    if !stdin().is_terminal() {
        return Err(Usage(format!("nobody is there to be asked; say --yes to {unasked} without asking")));
    }
    let _ = write!(stderr(), "{question} [yes/no] ");
    let _ = stderr().flush();
    let mut answer = String::new();
    let read = stdin().read_line(&mut answer);
    Ok(read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes" | "j" | "ja"))
}
