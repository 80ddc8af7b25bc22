//! The style sheets, the scripts and the icon, and their addresses.
//!
//! A page names each by an address that holds a hash of its content (`/assets/rundbrief.3f2a9c41d7e0.css`), so that browsers
//! keep it for a year and still take no old one after an upgrade. Without the hash the address is good for ever, for
//! other sites: they name `/assets/embed.js`.

use std::borrow::Cow;
#[cfg(not(debug_assertions))]
use std::sync::OnceLock;

use sha2::{Digest, Sha256};
use tera::{Function, Kwargs, State, Tera, TeraResult};

use crate::{source::SourceFile, source_file};

/// One of the files.
pub struct AssetFile {
    name: &'static str,
    /// What it is sent as.
    pub media_type: &'static str,
    file: SourceFile,
    #[cfg(not(debug_assertions))]
    version: OnceLock<String>,
}

/// What style sheets are sent as.
pub const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($name:literal => $media_type:ident),+ $(,)?) => {
        [$(AssetFile {
            name: $name,
            media_type: $media_type,
            file: source_file!("src/web/assets/", $name),
            #[cfg(not(debug_assertions))]
            version: OnceLock::new(),
        }),+]
    };
}

/// The visual editor, where `make assets` had built it before this program was compiled; else it is empty. See `build.rs`.
static VISUAL_EDITOR: AssetFile = AssetFile {
    name: "staff-visual.js",
    media_type: JS,
    file: SourceFile::new(
        "src/web/editor/dist/staff-visual.js",
        include_str!(concat!(env!("OUT_DIR"), "/staff-visual.js")),
    ),
    #[cfg(not(debug_assertions))]
    version: OnceLock::new(),
};

/// Whether pages have the visual editor. Those without it have the field for Markdown.
#[must_use]
pub fn has_visual_editor() -> bool {
    !VISUAL_EDITOR.content().is_empty()
}

static FILES: [AssetFile; 22] = files! {
    "rundbrief.css" => CSS,
    "mail-frame.css" => CSS,
    "staff.css" => CSS,
    "captcha.js" => JS,
    "captcha-solver.js" => JS,
    "embed.js" => JS,
    "staff-copy.js" => JS,
    "staff-dialogs.js" => JS,
    "staff-editor.js" => JS,
    "staff-files.js" => JS,
    "staff-find.js" => JS,
    "staff-logos.js" => JS,
    "staff-mailing.js" => JS,
    "staff-paste.js" => JS,
    "staff-pasted-pictures.js" => JS,
    "staff-progress.js" => JS,
    "staff-search.js" => JS,
    "staff-ticks.js" => JS,
    "staff-toolbar.js" => JS,
    "staff-upload.js" => JS,
    "favicon.svg" => SVG,
    "sample.svg" => SVG,
};

/// Hexadecimal digits of a hash in an address.
const VERSION_LENGTH: usize = 12;

impl AssetFile {
    /// What it holds.
    #[must_use]
    pub fn content(&self) -> Cow<'static, str> {
        self.file.read()
    }

    /// The hash of what it holds, as it stands in its address.
    #[must_use]
    pub fn version(&self) -> Cow<'_, str> {
        #[cfg(debug_assertions)]
        return hash(&self.content()).into();
        #[cfg(not(debug_assertions))]
        self.version.get_or_init(|| hash(&self.content())).as_str().into()
    }
}

/// The hash of a content, as it stands in an address.
#[must_use]
pub fn hash(content: &str) -> String {
    hex::encode(&Sha256::digest(content)[..VERSION_LENGTH / 2])
}

fn all() -> impl Iterator<Item = &'static AssetFile> {
    FILES.iter().chain([&VISUAL_EDITOR])
}

/// The address of a file by its name, with its hash.
#[must_use]
pub fn address(name: &str) -> Option<String> {
    let file = all().find(|file| file.name == name)?;
    let (stem, extension) = name.rsplit_once('.')?;
    Some(format!("/assets/{stem}.{}.{extension}", file.version()))
}

/// The file behind the last part of an address, and the hash in that, which need not be the one it has now.
#[must_use]
pub fn find(asked: &str) -> Option<(&'static AssetFile, Option<&str>)> {
    if let Some(file) = all().find(|file| file.name == asked) {
        return Some((file, None));
    }
    let (rest, extension) = asked.rsplit_once('.')?;
    let (stem, version) = rest.rsplit_once('.')?;
    let is_version = version.len() == VERSION_LENGTH
        && version.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_it = |file: &&AssetFile| file.name.rsplit_once('.') == Some((stem, extension));
    Some((all().find(is_it)?, Some(version))).filter(|_| is_version)
}

/// Lets templates say `{{ asset(name="rundbrief.css") }}`. Before they are added: Tera looks for what they call.
pub fn register(tera: &mut Tera) {
    tera.register_function("asset", AssetAddress);
}

struct AssetAddress;

impl Function<TeraResult<String>> for AssetAddress {
    fn call(&self, arguments: Kwargs, _: &State) -> TeraResult<String> {
        let name = arguments.must_get::<&str>("name")?;
        address(name).ok_or_else(|| tera::Error::message(format!("there is no asset {name}")))
    }

    fn is_safe(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn an_address_finds_its_file_and_so_does_the_name_alone() {
        for file in all() {
            let address = address(file.name).unwrap();
            let (found, version) = find(address.strip_prefix("/assets/").unwrap()).unwrap();
            assert_eq!((found.name, version), (file.name, Some(&*file.version())));
            let (found, version) = find(file.name).unwrap();
            assert_eq!((found.name, version), (file.name, None));
        }
    }

    #[test]
    fn what_only_looks_like_an_address_finds_nothing() {
        let no_hash =
            ["embed.js.js", "embed..js", "embed.0123456789ag.js", "embed.0123456789AB.js", "embed.012345.js"];
        for asked in no_hash.into_iter().chain([
            "",
            ".",
            "..",
            "js",
            "other.0123456789ab.js",
            "embed.0123456789ab.css",
        ]) {
            assert!(find(asked).is_none(), "{asked}");
        }
        assert!(find("embed.0123456789ab.js").is_some(), "a hash of another version");
    }

    #[test]
    fn every_file_of_the_folder_has_an_address_and_a_page_names_it_by_that() {
        let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web");
        for entry in fs::read_dir(web.join("assets")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            // This one goes out with the words of the box.
            assert!(address(&name).is_some() || name == "embed.css", "{name}");
        }
        let mut folders = vec![web.join("templates"), web.join("../commands/demo/templates")];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let template = fs::read_to_string(&path).unwrap();
                for part in template.split("asset(name=\"").skip(1) {
                    let name = part.split('"').next().unwrap();
                    assert!(address(name).is_some(), "{name} in {}", path.display());
                    seen += 1;
                }
                // The script for other sites has the address that they are told.
                let bare = template.replace("{{ service }}/assets/embed.js", "");
                assert!(!bare.contains("/assets/"), "an address without a hash in {}", path.display());
            }
        }
        assert!(seen > 15, "the templates were found");
    }
}
