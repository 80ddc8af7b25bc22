//! `mailings signature`: what the relay's DKIM signature covers, read from a received mail.

use std::{
    io::{Read, stdin},
    path::Path,
};

use anyhow::{Context, bail};
use chrono::Utc;
use serde_json::json;

use crate::{
    app::read_signature::read_signature,
    domain::{actor::Actor, signature_seen::SignatureVerdict},
    web::Renderer,
};

use super::{
    super::{Usage, output},
    app,
};

/// Reads a received mail, stores what its signature covers for the preflight, and prints it; fails when something has to be
/// corrected.
pub async fn signature(file: &Path, json: bool) -> anyhow::Result<()> {
    let text = read(file)?;
    let app = app().await?;
    let (seen, counts) = read_signature(&app, &Actor::Command, &text, Utc::now())
        .await
        .with_context(|| format!("{} tells nothing about the signature", file.display()))?;
    if !counts {
        output::remark("A newer mail was read before; its result still counts.");
    }
    if json {
        output::json(&json!({
            "verdict": seen.verdict.as_str(), "signing_domain": seen.signing_domain, "selector": seen.selector,
            "missing": seen.missing, "mail_dated": seen.mail_dated,
        }))?;
    } else {
        let words = Renderer::load()?;
        let words = words.text(output::LANGUAGE, "staff.signature_verdict", seen.verdict.as_str());
        output::line(&words.replace("{domain}", &seen.signing_domain).replace("{missing}", &seen.missing));
    }
    match seen.verdict {
        SignatureVerdict::Right | SignatureVerdict::Unproven => Ok(()),
        SignatureVerdict::Incomplete => bail!(
            "the mail server has to sign it too; OpenDKIM: SignHeaders *,+List-Unsubscribe-Post; \
             Exim: dkim_sign_headers = _DKIM_SIGN_HEADERS:List-Unsubscribe-Post"
        ),
        SignatureVerdict::Failed | SignatureVerdict::Unsigned => {
            bail!("the mail server's DKIM signature has to be corrected")
        }
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        stdin().read_to_end(&mut bytes).context("standard input cannot be read")?;
    } else {
        bytes = std::fs::read(file)
            .map_err(|error| Usage(format!("{} cannot be read: {error}", file.display())))?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
