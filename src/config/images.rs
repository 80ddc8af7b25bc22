//! `IMAGE_STORE`: where uploaded pictures are stored, in a folder or in a bucket of an S3 service.

use std::path::PathBuf;

use url::Url;

use super::{Source, default_state_dir, is_on_this_machine, optional};

/// Where uploaded pictures are stored (`IMAGE_STORE`).
#[derive(Clone, PartialEq, Eq)]
pub enum ImageStore {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A bucket.
    S3(Box<S3>),
}

/// A bucket of an S3 service. Its debug output holds no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct S3 {
    /// The bucket's name.
    pub bucket: String,
    /// Prefix of the object names, without slashes around it; may be empty.
    pub prefix: String,
    /// Such as `eu-central-1`.
    pub region: String,
    /// The service's URL if it is not Amazon's.
    pub endpoint: Option<Url>,
    /// `None` uses the machine's own identity (instance metadata).
    pub credentials: Option<S3Credentials>,
}

/// The access key of an S3 service.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Credentials {
    /// `AWS_ACCESS_KEY_ID`
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`
    pub session_token: Option<String>,
}

impl std::fmt::Debug for ImageStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// As log lines and messages name it.
impl std::fmt::Display for ImageStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ImageStore::Folder(path) => write!(f, "the folder {}", path.display()),
            ImageStore::S3(s3) => write!(f, "the bucket {}", s3.bucket),
        }
    }
}

impl ImageStore {
    /// Default: `images` in systemd's `StateDirectory=`, else in `/var/lib/rundbrief`.
    pub(super) fn read(source: &Source, problems: &mut Vec<String>) -> Self {
        optional(source, problems, "IMAGE_STORE", |text| parse(text, source))
            .unwrap_or_else(|| ImageStore::Folder(default_state_dir(source).join("images")))
    }
}

fn parse(text: &str, source: &Source) -> Result<ImageStore, String> {
    let hint = "write it as file:///var/lib/rundbrief/images or s3://bucket/prefix?region=eu-central-1";
    let url = Url::parse(text).map_err(|error| format!("is not a URL ({error}); {hint}"))?;
    match url.scheme() {
        "file" => {
            let path =
                url.to_file_path().map_err(|()| format!("does not name a folder of this machine; {hint}"))?;
            Ok(ImageStore::Folder(path))
        }
        "s3" => s3(&url, source).map(|s3| ImageStore::S3(Box::new(s3))),
        other => Err(format!("begins with {other}:, which is neither file: nor s3:; {hint}")),
    }
}

fn s3(url: &Url, source: &Source) -> Result<S3, String> {
    let bucket = url
        .host_str()
        .filter(|bucket| !bucket.is_empty())
        .ok_or("names no bucket; write it as s3://bucket/prefix?region=eu-central-1")?
        .to_owned();
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain a key; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".into());
    }
    let prefix = url.path().trim_matches('/').to_owned();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
    if !prefix.chars().all(is_plain) || prefix.split('/').any(|part| part == ".." || part == ".") {
        return Err("has a prefix with characters other than letters, digits and /-_.".into());
    }
    let (mut region, mut endpoint) = (source.get("AWS_REGION"), source.get("AWS_ENDPOINT_URL"));
    for (name, value) in url.query_pairs() {
        match name.as_ref() {
            "region" => region = Some(value.into_owned()),
            "endpoint" => endpoint = Some(value.into_owned()),
            other => {
                return Err(format!(
                    "has an unknown parameter {other:?}; only region and endpoint are known"
                ));
            }
        }
    }
    let endpoint = endpoint.map(|text| self::endpoint(&text)).transpose()?;
    let region = match region {
        Some(region) => region,
        // Most other services ignore it, but it is part of what is signed.
        None if endpoint.is_some() => "us-east-1".into(),
        None => return Err("needs a region: s3://bucket?region=eu-central-1, or AWS_REGION".into()),
    };
    let credentials = match (source.get("AWS_ACCESS_KEY_ID"), source.get("AWS_SECRET_ACCESS_KEY")) {
        (Some(access_key_id), Some(secret_access_key)) => {
            let session_token = source.get("AWS_SESSION_TOKEN");
            Some(S3Credentials { access_key_id, secret_access_key, session_token })
        }
        (None, None) => None,
        _ => return Err("needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, both or none".into()),
    };
    Ok(S3 { bucket, prefix, region, endpoint, credentials })
}

fn endpoint(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && is_on_this_machine(&url)) => Ok(url),
        _ => Err("has an endpoint that is not an https:// URL (http:// only on this machine)".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ImageStore, String> {
        let mut problems = Vec::new();
        let store = ImageStore::read(&Source::pairs(pairs), &mut problems);
        problems.pop().map_or(Ok(store), Err)
    }

    #[test]
    fn a_folder_is_where_systemd_or_the_setting_says() {
        let folder = |path: &str| Ok(ImageStore::Folder(path.into()));
        assert_eq!(read(&[]), folder("/var/lib/rundbrief/images"));
        assert_eq!(read(&[("STATE_DIRECTORY", "/var/lib/brief:/x")]), folder("/var/lib/brief/images"));
        assert_eq!(read(&[("IMAGE_STORE", "file:///srv/a%20b")]), folder("/srv/a b"));
    }

    #[test]
    fn a_bucket_has_what_it_needs_and_shows_no_secret() {
        let keys = [("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "geheim")];
        let with = |url| read(&[("IMAGE_STORE", url), keys[0], keys[1]]);
        let Ok(ImageStore::S3(s3)) =
            with("s3://brief/bilder/?region=eu-central-1&endpoint=https://s3.example.org")
        else {
            panic!("not taken")
        };
        assert_eq!(
            (s3.bucket.as_str(), s3.prefix.as_str(), s3.region.as_str()),
            ("brief", "bilder", "eu-central-1")
        );
        assert_eq!(s3.endpoint.as_ref().map(Url::as_str), Some("https://s3.example.org/"));
        assert!(!format!("{:?}", ImageStore::S3(s3)).contains("geheim"));
    }

    #[test]
    fn what_is_wrong_names_itself() {
        for (wrong, why) in [
            ("/var/lib", "not a URL"),
            ("https://example.org", "neither file: nor s3:"),
            ("file://elsewhere/srv", "folder of this machine"),
            ("s3://brief", "needs a region"),
            ("s3://key:secret@brief?region=x", "AWS_ACCESS_KEY_ID"),
            ("s3://brief/a%20b?region=x", "prefix"),
            ("s3://brief?region=x&acl=public", "\"acl\""),
            ("s3://brief?region=x&endpoint=http://s3.example.org", "endpoint"),
        ] {
            let problem = read(&[("IMAGE_STORE", wrong)]).unwrap_err();
            assert!(problem.starts_with("IMAGE_STORE ") && problem.contains(why), "{wrong}: {problem}");
            assert!(!problem.contains("secret@"), "{problem}");
        }
        let half = [("IMAGE_STORE", "s3://brief?region=x"), ("AWS_ACCESS_KEY_ID", "AKIA")];
        assert!(read(&half).unwrap_err().contains("both or none"));
    }
}
