//! Compiles the visual editor of the staff pages in where `make assets` has built it. Without it, that is without Node.js,
//! texts are written as Markdown.

use std::{env, fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    // The folder, because a file that is not there would be looked for anew by every build.
    println!("cargo::rerun-if-changed=src/web/editor/dist");
    let folder = |name: &str| PathBuf::from(env::var_os(name).unwrap_or_default());
    let bundle = folder("CARGO_MANIFEST_DIR").join("src/web/editor/dist/staff-visual.js");
    let content = fs::read(bundle).unwrap_or_default();
    fs::write(folder("OUT_DIR").join("staff-visual.js"), content)
}
