//! `subscribers show --proof` and `subscribers verify-proof`: the consent proof, as a page to print and as JSON.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use serde_json::json;

use crate::{
    app::take_proof::{
        Taken,
        document::{self, Format},
    },
    commands::{Usage, output},
    config::{self, Source},
};

/// What a file is written as, by its extension.
pub fn format_of(file: &Path) -> Result<Format, Usage> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html" | "htm") => Ok(Format::Page),
        Some("json") => Ok(Format::Json),
        _ => Err(Usage("the name of the proof file must end in .html (to print) or .json".into())),
    }
}

/// Writes a proof that was taken to its file.
pub fn keep(file: &Path, proof: &Taken, json: bool) -> anyhow::Result<()> {
    // It holds personal data.
    output::private_file(file, &proof.text)?;
    let count = proof.events;
    if json {
        return output::json(&json!({ "file": file, "events": count, "seal": proof.seal }));
    }
    output::line(&format!("{} contains the proof: {count} events.", file.display()));
    output::remark("To check it later: rundbrief subscribers verify-proof FILE");
    Ok(())
}

/// Checks a proof; fails when it was changed.
pub fn verify(file: &Path, json: bool) -> anyhow::Result<()> {
    let keys = config::secret_keys(&Source::environment())?;
    let format = format_of(file)?;
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let proof = document::read(&text, format)?;
    let problem = document::check(&keys, &proof, &text, format).err().map(|changed| changed.to_string());
    if json {
        output::json(
            &json!({ "whole": problem.is_none(), "problem": problem, "events": proof.events.len() }),
        )?;
    }
    if let Some(problem) = problem {
        bail!(problem);
    }
    if !json {
        output::line(&format!(
            "Nothing was changed: {} events of {}, sealed at {}.",
            proof.events.len(),
            proof.head.address,
            document::written(proof.head.made_at)
        ));
    }
    Ok(())
}
