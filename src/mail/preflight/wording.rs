//! What is said about links and pictures: whether it says where a link leads and what a picture shows.

use url::Url;

use crate::config::is_on_this_machine;

use super::{Code, Finding};

/// Whether an address goes without encryption; on this machine, where the demo runs, that is as good as with it.
pub fn is_plain_http(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| url.scheme() == "http" && !is_on_this_machine(&url))
}

/// What people write where they mean "this one".
const VAGUE_LINKS: [&str; 26] = [
    "hier",
    "hier klicken",
    "klicken sie hier",
    "klick hier",
    "bitte hier klicken",
    "hier lesen",
    "hier entlang",
    "mehr",
    "mehr lesen",
    "mehr erfahren",
    "mehr dazu",
    "mehr infos",
    "weiter",
    "weiterlesen",
    "link",
    "dieser link",
    "zum link",
    "here",
    "click here",
    "more",
    "read more",
    "learn more",
    "this",
    "this link",
    "this page",
    "continue",
];

/// What says no more than that there is a picture.
const VAGUE_ALTS: [&str; 16] = [
    "bild",
    "foto",
    "fotos",
    "grafik",
    "abbildung",
    "logo",
    "symbolbild",
    "titelbild",
    "image",
    "photo",
    "picture",
    "graphic",
    "illustration",
    "screenshot",
    "alt",
    "alternativtext",
];

fn bare(text: &str) -> String {
    let trimmed = text.trim_matches(|c: char| !c.is_alphanumeric());
    trimmed.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Whether the text of a picture says nothing about it: a word that means picture, or the name of a file.
pub fn is_vague_alt(alt: &str) -> bool {
    let said = bare(alt);
    let is_file = said.rsplit_once('.').is_some_and(|(_, extension)| {
        ["jpg", "jpeg", "png", "webp", "gif", "heic", "tif", "tiff"].contains(&extension)
    });
    let is_camera = ["img_", "dsc_", "dscf", "dsc0", "pxl_", "whatsapp image"]
        .iter()
        .any(|start| said.starts_with(start));
    is_file || is_camera || VAGUE_ALTS.contains(&said.as_str())
}

/// What is wrong with a link that says this.
pub fn link(address: &str, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let text = text.trim();
    if text.is_empty() {
        found.push(Finding::new(Code::LinkEmpty).with("address", address));
    } else if VAGUE_LINKS.contains(&bare(text).as_str()) {
        found.push(Finding::new(Code::LinkTextVague).with("text", text));
    } else if let Some(host) = host_said(text) {
        let target = Url::parse(address).ok().and_then(|url| url.host_str().map(str::to_owned));
        let plain = |host: &str| host.trim_start_matches("www.").to_lowercase();
        if target.is_some_and(|target| plain(&target) != plain(&host)) {
            found.push(Finding::new(Code::LinkTextDiffers).with("text", text).with("address", address));
        } else if text.chars().count() > 40 {
            found.push(Finding::new(Code::LinkTextAddress).with("text", text));
        }
    }
    if is_plain_http(address) {
        found.push(Finding::new(Code::LinkHttp).with("address", address));
    }
    found
}

/// The host that a text names, when it is an address.
fn host_said(text: &str) -> Option<String> {
    if text.contains(char::is_whitespace) || text.contains('@') {
        return None;
    }
    let url = if text.contains("://") {
        Url::parse(text).ok()?
    } else if text.starts_with("www.") {
        Url::parse(&format!("https://{text}")).ok()?
    } else {
        return None;
    };
    Some(url.host_str()?.to_owned())
}
