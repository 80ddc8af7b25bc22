//! Output of commands: results on standard output, everything else on standard error.
//!
//! A reader that closes the pipe (`| head`) is not an error.

use std::{
    fs::OpenOptions,
    io::{IsTerminal, Write, stderr, stdin, stdout},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::Context;
use serde::Serialize;

use crate::domain::locale::Locale;

use super::Usage;

/// The language of everything that commands say.
pub const LANGUAGE: Locale = Locale::En;

/// A line of the result, on standard output.
pub fn line(text: &str) {
    let _ = writeln!(stdout(), "{text}");
}

/// A remark, on standard error.
pub fn remark(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

/// The reason of a failure, on standard error.
pub fn error(text: &str) {
    let _ = writeln!(stderr(), "rundbrief: {text}");
}

/// One JSON value, and only that.
///
/// # Errors
/// When the value cannot be serialized.
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

/// Writes a new file that nobody else may read, and never over one that is there.
///
/// # Errors
/// When it is there already, or cannot be written.
pub fn new_private_file(path: &Path, text: &str) -> anyhow::Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.with_context(|| format!("{} cannot be written", path.display()))
}

/// Replaces the last line on a terminal; elsewhere writes a line.
pub fn progress(text: &str) {
    let mut out = stdout();
    let _ = if out.is_terminal() { write!(out, "\r\u{1b}[K{text}") } else { writeln!(out, "{text}") };
    let _ = out.flush();
}

/// Asks a yes-or-no question; anything but a clear yes is no. `unasked` names what `--yes` does, such as `send`.
///
/// # Errors
/// [`Usage`] when standard input is not a terminal.
pub fn confirm(question: &str, unasked: &str) -> Result<bool, Usage> {
    if !stdin().is_terminal() {
        return Err(Usage(format!(
            "standard input is not a terminal, so nobody can be asked; use --yes to {unasked} without asking"
        )));
    }
    let _ = write!(stderr(), "{question} [yes/no] ");
    let _ = stderr().flush();
    let mut answer = String::new();
    let read = stdin().read_line(&mut answer);
    Ok(read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes" | "j" | "ja"))
}
