//! Programs of others that verify DKIM signatures, as `scripts/mail-servers` has unpacked them: `OpenDKIM`, and dkimpy.
//! No DNS is asked: the records come from a file.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use tokio::process::Command;

use super::{app::Folder, database, mail_server};

/// Both of them, with the records that the DNS would give them.
pub struct Verifiers {
    root: PathBuf,
    folder: Folder,
}

/// What both say about the signatures of a mail: by program and selector, whether it is valid.
pub type Verdicts = BTreeMap<(&'static str, String), bool>;

/// Its arguments: the file with the records, the mail. A line for each signature: selector, `pass` or `fail`.
const DKIMPY: &str = r#"
import sys, dkim
records = dict(line.rstrip("\n").split(" ", 1) for line in open(sys.argv[1]))
mail = open(sys.argv[2], "rb").read()
def texts(name, timeout=5):
    return records.get(name.decode().rstrip(".").lower(), "").encode() or None
signatures = sum(name.lower() == b"dkim-signature" for name, _ in dkim.rfc822_parse(mail)[0])
for index in range(signatures):
    one = dkim.DKIM(mail)
    try:
        valid = one.verify(index, dnsfunc=texts)
    except dkim.DKIMException as problem:
        print(problem, file=sys.stderr)
        valid = False
    print(one.signature_fields[b"s"].decode(), "pass" if valid else "fail")
"#;

impl Verifiers {
    /// With these records: name and text. Nothing, said loudly, where they cannot run.
    pub fn new(records: &[(String, String)]) -> Option<Self> {
        let root = match mail_server::unpacked() {
            Ok(root) if Path::new("/usr/bin/python3").exists() => root,
            missing => {
                let why = missing.err().unwrap_or_else(|| "there is no /usr/bin/python3".to_owned());
                // Past the test program, which keeps what a passing test prints.
                let _ = writeln!(std::io::stderr(), "\n!!! NOT TESTED with OpenDKIM and dkimpy: {why}\n");
                return None;
            }
        };
        let folder = Folder(database::scratch("dkim"));
        fs::create_dir_all(&folder.0).unwrap();
        let lines: Vec<String> = records.iter().map(|(name, text)| format!("{name} {text}\n")).collect();
        fs::write(folder.0.join("records"), lines.concat()).unwrap();
        fs::write(folder.0.join("dkimpy.py"), DKIMPY).unwrap();
        let setup = format!("Mode v\nTestDNSData file:{}\n", folder.0.join("records").display());
        fs::write(folder.0.join("opendkim.conf"), setup).unwrap();
        Some(Self { root, folder })
    }

    /// What they say about a mail.
    pub async fn verdicts(&self, mail: &[u8]) -> Verdicts {
        let file = self.folder.0.join("mail");
        fs::write(&file, mail).unwrap();
        let mut verdicts = Verdicts::new();

        let words = self.output(Path::new("/usr/bin/python3"), &["dkimpy.py", "records", "mail"]).await;
        for line in words.lines() {
            let (selector, verdict) = line.split_once(' ').unwrap_or_else(|| panic!("{words}"));
            verdicts.insert(("dkimpy", selector.to_owned()), verdict == "pass");
        }

        // Said with -vv alone: dkim=pass … header.s=mail2026, a line a signature.
        let opendkim = self.root.join("usr/sbin/opendkim");
        let words = self.output(&opendkim, &["-x", "opendkim.conf", "-vv", "-t", "mail"]).await;
        for result in words.split("dkim=").skip(1) {
            if let Some((_, rest)) = result.split_once("header.s=") {
                let selector = rest.split_whitespace().next().unwrap_or_default();
                verdicts.insert(("OpenDKIM", selector.to_owned()), result.starts_with("pass"));
            }
        }
        verdicts
    }

    async fn output(&self, program: &Path, arguments: &[&str]) -> String {
        let mut libraries = vec![self.root.join("usr/lib")];
        for folder in ["usr/lib", "lib"] {
            let entries = fs::read_dir(self.root.join(folder)).into_iter().flatten().flatten();
            libraries.extend(
                entries
                    .map(|entry| entry.path())
                    .filter(|path| path.to_string_lossy().ends_with("-linux-gnu")),
            );
        }
        let output = Command::new(program)
            .args(arguments)
            .current_dir(&self.folder.0)
            .env("LD_LIBRARY_PATH", std::env::join_paths(libraries).unwrap())
            .env("PYTHONPATH", self.root.join("usr/lib/python3/dist-packages"))
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", program.display());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
