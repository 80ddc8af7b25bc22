//! `subscribers show --proof` and `subscribers verify-proof`: the consent proof, as a page to print and as JSON.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use chrono::Utc;
use serde_json::json;

use crate::{
    commands::{Usage, output},
    config::{self, SecretKeys, Source},
    domain::{
        address::EmailAddress,
        consent::ConsentEvent,
        proof::{Head, Proof},
        publication::Publication,
    },
    mail::compose::default_locale,
    web,
};

/// The format of a file, by its extension.
#[derive(Clone, Copy)]
enum Form {
    Page,
    Json,
}

impl Form {
    fn of(file: &Path) -> Result<Self, Usage> {
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("html" | "htm") => Ok(Self::Page),
            Some("json") => Ok(Self::Json),
            _ => Err(Usage("the name of the proof file must end in .html (to print) or .json".into())),
        }
    }
}

/// Writes the proof of these events.
pub fn write(
    file: &Path,
    keys: &SecretKeys,
    address: &EmailAddress,
    state: Option<String>,
    events: Vec<ConsentEvent>,
    publication: Option<&Publication>,
    json: bool,
) -> anyhow::Result<()> {
    let form = Form::of(file)?;
    let name = publication.map(|publication| publication.content.name.as_str()).unwrap_or_default();
    let proof = Proof::seal(keys, Head::new(address.as_str(), name, state, Utc::now()), events)?;
    let text = match form {
        Form::Page => web::proof::page(&proof, default_locale(publication))?,
        Form::Json => web::proof::json(&proof)?,
    };
    // It holds personal data.
    output::private_file(file, &text)?;
    let count = proof.events.len();
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
    let form = Form::of(file)?;
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let inner = match form {
        Form::Json => Some(text.as_str()),
        Form::Page => web::proof::json_within(&text),
    };
    let inner = inner.context("this page contains no consent proof")?;
    let proof: Proof =
        serde_json::from_str(inner).context("this is not a consent proof, or it was changed")?;
    let problem = match proof.verify(&keys) {
        Err(broken) => Some(broken.to_string()),
        // What the page shows must be what was checked.
        Ok(()) if matches!(form, Form::Page) && !web::proof::is_page_of(&proof, &text) => {
            Some(OTHER_PAGE.to_owned())
        }
        Ok(()) => None,
    };
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
            web::proof::written(proof.head.made_at)
        ));
    }
    Ok(())
}

const OTHER_PAGE: &str = "the sealed record in the page is unchanged, but the page around it is not the one this version writes: it was changed, or written by another version";
