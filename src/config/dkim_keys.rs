//! The keys with which mails are signed (DKIM, RFC 6376).

use std::{fs::File, io::Read, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use mail_auth::common::crypto::{Algorithm, Ed25519Key, RsaKey, Sha256, SigningKey};
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, pem::PemObject};

/// Keys at most: two of each kind while one is replaced. Each costs a signature a mail.
const MOST: usize = 4;

/// Bytes of a file at most; a key of 4,096 bits has 3,300.
const LONGEST: u64 = 64 * 1024;

/// One of `DKIM_KEYS`: a private key, and under which name receivers find the public one.
#[derive(Clone)]
pub struct DkimKey {
    /// The part of the key's DNS name before `._domainkey`.
    pub selector: String,
    /// What signs.
    pub secret: Arc<DkimSecret>,
}

/// A private key. RSA has 2,048 to 4,096 bits (RFC 8301 §3.2).
pub enum DkimSecret {
    /// With SHA-256 (RFC 6376 §3.3.2).
    Rsa(RsaKey<Sha256>),
    /// RFC 8463.
    Ed25519(Ed25519Key),
}

impl DkimKey {
    /// Reads what `DKIM_KEYS` names: `selector:FILE[,selector:FILE]`.
    pub(super) fn parse(text: &str) -> Result<Vec<Self>, String> {
        let mut keys: Vec<Self> = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let Some((selector, file)) = entry.split_once(':') else {
                return Err(format!("must be written as selector:FILE, not {entry:?}"));
            };
            let selector = parse_selector(selector.trim())?;
            if keys.iter().any(|key| key.selector.eq_ignore_ascii_case(&selector)) {
                return Err(format!("names the selector {selector} twice; each key has its own"));
            }
            let file = Path::new(file.trim());
            let secret =
                read(file).map_err(|problem| format!("names {}, which {problem}", file.display()))?;
            keys.push(Self { selector, secret: Arc::new(secret) });
        }
        match keys.len() {
            0 => Err("names no key; write it as selector:FILE".to_owned()),
            count if count > MOST => Err(format!("names {count} keys; {MOST} at most")),
            _ => Ok(keys),
        }
    }
}

impl DkimSecret {
    /// From a private key: PKCS#8, or PKCS#1 for RSA.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence about it.
    pub fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let der = PrivateKeyDer::from_pem_slice(pem).map_err(
            |_| "holds no private key that can be read; it has to begin with -----BEGIN PRIVATE KEY-----",
        )?;
        // Not of 32 bytes alone: those of OpenSSL come without the public key.
        if let PrivateKeyDer::Pkcs8(der) = &der
            && let Ok(key) = Ed25519Key::from_pkcs8_maybe_unchecked_der(der.secret_pkcs8_der())
        {
            return Ok(Self::Ed25519(key));
        }
        RsaKey::from_key_der(der).map(Self::Rsa).map_err(|error| {
            format!("is neither an RSA key of 2,048 to 4,096 bits nor an Ed25519 key ({error})")
        })
    }

    /// The public key: DER of an `RSAPublicKey` (RFC 8017 A.1.1), or the 32 bytes of Ed25519.
    #[must_use]
    pub fn public_key(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => key.public_key(),
            Self::Ed25519(key) => key.public_key(),
        }
    }

    /// What `a=` of its signatures names.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa(key) => key.algorithm(),
            Self::Ed25519(key) => key.algorithm(),
        }
    }
}

fn read(path: &Path) -> Result<DkimSecret, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read ({error})");
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("is no file".to_owned());
    }
    let mode = metadata.permissions().mode() & 0o777;
    // Whoever has it can write in our name. The group may read: that is how keys of services are kept.
    if mode & 0o027 != 0 {
        return Err(format!("others may read or write (mode {mode:04o}); run: chmod 640 {}", path.display()));
    }
    let mut pem = Vec::new();
    file.take(LONGEST).read_to_end(&mut pem).map_err(unreadable)?;
    DkimSecret::from_pem(&pem)
}

/// A selector (RFC 6376 §3.1): labels of a DNS name, separated by dots.
///
/// # Errors
/// What is wrong with it, as the end of a sentence about it.
pub fn parse_selector(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    if text.split('.').all(is_label) && text.len() <= 150 {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "must have a selector such as mail2026, the part before ._domainkey in the DNS, not {text:?}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::OpenOptionsExt};

    use super::*;

    /// PKCS#8 of an Ed25519 key, as `openssl genpkey` writes it.
    const ED25519: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIEfS9FWMn+MAs0zt0ywURb1MfVQY5iLn8tLC12DnwNF/\n\
        -----END PRIVATE KEY-----\n";

    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("rundbrief-dkim-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self, name: &str, text: &str, mode: u32) -> String {
            let path = self.0.join(name);
            let _ = fs::remove_file(&path);
            let mut options = fs::OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(mode).open(&path).unwrap();
            std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path.to_str().unwrap().to_owned()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn problem(text: &str) -> String {
        DkimKey::parse(text).err().unwrap_or_else(|| panic!("{text} is taken"))
    }

    #[test]
    fn a_key_is_read_from_a_file_that_nobody_else_may_read() {
        let folder = Folder::new("mode");
        for mode in [0o600, 0o400, 0o640, 0o440] {
            let file = folder.file("key", ED25519, mode);
            let keys = DkimKey::parse(&format!("mail2026:{file}")).unwrap();
            assert_eq!((keys.len(), keys[0].selector.as_str()), (1, "mail2026"));
            assert_eq!(keys[0].secret.public_key().len(), 32);
        }
        for mode in [0o644, 0o604, 0o660, 0o602] {
            let file = folder.file("key", ED25519, mode);
            let problem = problem(&format!("mail2026:{file}"));
            assert!(problem.contains("chmod 640") && problem.contains(&format!("{mode:04o}")), "{problem}");
        }
    }

    #[test]
    fn what_is_wrong_names_itself_and_never_the_key() {
        let folder = Folder::new("wrong");
        let good = folder.file("good", ED25519, 0o600);
        let other =
            folder.file("other", "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n", 0o600);
        let broken = folder.file("broken", &ED25519.replace("MC4C", "MC4D"), 0o600);
        let empty = folder.file("empty", "", 0o600);
        for (text, word) in [
            (",", "names no key"),
            (good.as_str(), "selector:FILE"),
            (&format!(":{good}"), "selector such as"),
            (&format!("a..b:{good}"), "selector such as"),
            (&format!("a b:{good}"), "selector such as"),
            (&format!("a:{good},A:{good}"), "twice"),
            (&format!("a:{good},b:{good},c:{good},d:{good},e:{good}"), "4 at most"),
            (&format!("a:{}", folder.0.display()), "no file"),
            ("a:/nowhere/at/all", "cannot be read"),
            (&format!("a:{other}"), "BEGIN PRIVATE KEY"),
            (&format!("a:{empty}"), "BEGIN PRIVATE KEY"),
            (&format!("a:{broken}"), "neither an RSA key"),
        ] {
            let problem = problem(text);
            assert!(problem.contains(word) && !problem.contains("MC4"), "{text}: {problem}");
        }
    }
}
