//! An update as a file: Markdown under a front matter of YAML.

use chrono::{Datelike, NaiveDate};
use serde::Deserialize;
use url::Url;

use crate::domain::locale::Locale;

/// An update as it stands in a file, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateFile {
    /// Title, one line, 1 to 200 characters.
    pub title: String,
    /// One or two sentences, up to 400 characters.
    pub teaser: String,
    /// The date it carries.
    pub date: Option<NaiveDate>,
    /// Its page on the project's site, http(s).
    pub link: Option<String>,
    /// The address of its picture, http(s).
    pub image: Option<String>,
    /// What the picture shows; always there when `image` is.
    pub image_alt: Option<String>,
    /// Who made the picture.
    pub image_credit: Option<String>,
    /// Its language.
    pub locale: Locale,
    /// The Markdown below the front matter, without blank lines around it.
    pub body: String,
    /// The line of the file in which `body` begins, counted from 1.
    pub body_line: u64,
}

/// What is wrong with an update file, with its line. Tell the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct UpdateFileError {
    /// Counted from 1.
    pub line: u64,
    /// What is wrong and what to write instead.
    pub problem: String,
}

/// The front matter as YAML has it. Every field is text, so that a mistake can be told in our own words.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontMatter {
    title: Option<String>,
    teaser: Option<String>,
    date: Option<String>,
    link: Option<String>,
    image: Option<String>,
    image_alt: Option<String>,
    image_credit: Option<String>,
    locale: Option<String>,
}

/// Longest body in bytes. A mail's HTML stays under 90 KB with it.
pub const MAX_BODY: usize = 50_000;

impl UpdateFile {
    /// Reads a file. `default_locale` is used where the file names none.
    ///
    /// # Errors
    /// [`UpdateFileError`] names the line and the way out.
    pub fn parse(file: &str, default_locale: Locale) -> Result<Self, UpdateFileError> {
        let file = file.strip_prefix('\u{FEFF}').unwrap_or(file).replace("\r\n", "\n");
        let (front, body) = split(&file)?;
        let yaml: FrontMatter = serde_saphyr::from_str(front).map_err(|error| {
            let plain = error.without_snippet();
            let line = plain.location().map_or(1, |location| location.line());
            UpdateFileError { line, problem: in_our_words(&plain.to_string()) }
        })?;
        let field = |name: &'static str, value: Option<String>| Field { front, name, value };

        let title = field("title", yaml.title).line(200)?;
        let Some(title) = title else {
            return Err(UpdateFileError {
                line: 1,
                problem: "title is missing: add a line such as title: Erste Werkstatt".into(),
            });
        };
        let teaser = field("teaser", yaml.teaser).line(400)?.unwrap_or_default();
        let date = field("date", yaml.date).parsed(|text| {
            let date = text.parse::<NaiveDate>().ok().filter(|date| (1900..=9999).contains(&date.year()));
            date.ok_or_else(|| "must be written as 2026-12-16".to_owned())
        })?;
        let link = field("link", yaml.link).parsed(|text| web_address(&text))?;
        let image = field("image", yaml.image).parsed(|text| web_address(&text))?;
        let image_alt = field("image_alt", yaml.image_alt).line(500)?;
        let image_credit = field("image_credit", yaml.image_credit).line(200)?;
        let locale = field("locale", yaml.locale)
            .parsed(|text| Locale::from_tag(&text).ok_or_else(|| format!("must be {}", Locale::every_tag())))?
            .unwrap_or(default_locale);
        if image.is_some() && image_alt.is_none() {
            return Err(UpdateFileError {
                line: line_of(front, "image"),
                problem: "image has no text: add image_alt with what the picture shows, for readers who do not see it".into(),
            });
        }
        let body_line = front.lines().count() as u64 + 2;
        check_body(body, body_line)?;
        let blank = body.len() - body.trim_start().len();
        let body_line = body_line + body[..blank].matches('\n').count() as u64;
        let body = body.trim().to_owned();
        Ok(Self { title, teaser, date, link, image, image_alt, image_credit, locale, body, body_line })
    }
}

/// What the YAML library says, with the way out where its words do not name one.
fn in_our_words(problem: &str) -> String {
    if problem.contains("duplicate mapping key") {
        return "a field stands there twice; keep one of the two".into();
    }
    if problem.contains("mapping values are not allowed") {
        return "a value with a colon in it goes into quotes, such as title: \"Werkstatt: erster Tag\""
            .into();
    }
    problem.to_owned()
}

/// The front matter with its opening `---`, so that its lines count as in the file, and the body behind it.
fn split(file: &str) -> Result<(&str, &str), UpdateFileError> {
    let no_front = |problem: &str| UpdateFileError { line: 1, problem: problem.to_owned() };
    let Some(rest) = file.strip_prefix("---\n") else {
        return Err(no_front(
            "the file must begin with a line --- and its front matter, such as title: Erste Werkstatt",
        ));
    };
    let end = if rest.starts_with("---\n") { Some(0) } else { rest.find("\n---\n").map(|at| at + 1) };
    let end = end.or_else(|| rest.strip_suffix("\n---").map(|front| front.len() + 1));
    let Some(end) = end else {
        return Err(no_front("the front matter is not closed: add a line --- behind its last field"));
    };
    let body = rest[end..].strip_prefix("---").unwrap_or_default();
    Ok((&file[..4 + end], body.strip_prefix('\n').unwrap_or(body)))
}

fn check_body(body: &str, first_line: u64) -> Result<(), UpdateFileError> {
    if body.trim().is_empty() {
        return Err(UpdateFileError {
            line: first_line,
            problem: "there is no text below the front matter".into(),
        });
    }
    if body.len() > MAX_BODY {
        let problem = format!(
            "the text is longer than {MAX_BODY} bytes; mail programs cut such mails off, so link to the page instead"
        );
        return Err(UpdateFileError { line: first_line, problem });
    }
    let offending = body.lines().position(|line| line.chars().any(|c| c.is_control() && c != '\t'));
    offending.map_or(Ok(()), |at| {
        Err(UpdateFileError {
            line: first_line + at as u64,
            problem: "there is a control character in this line".into(),
        })
    })
}

/// One field of the front matter on its way from text to value.
struct Field<'a> {
    front: &'a str,
    name: &'static str,
    value: Option<String>,
}

impl Field<'_> {
    /// A single line of at most `most` characters; empty counts as not there.
    fn line(self, most: usize) -> Result<Option<String>, UpdateFileError> {
        self.parsed(|text| {
            if text.chars().any(char::is_control) {
                Err("must be a single line".to_owned())
            } else if text.chars().count() > most {
                Err(format!("is longer than {most} characters"))
            } else {
                Ok(text)
            }
        })
    }

    fn parsed<T>(
        self,
        parse: impl FnOnce(String) -> Result<T, String>,
    ) -> Result<Option<T>, UpdateFileError> {
        let Field { front, name, value } = self;
        match value.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => parse(text).map(Some).map_err(|problem| UpdateFileError {
                line: line_of(front, name),
                problem: format!("{name} {problem}"),
            }),
        }
    }
}

fn line_of(front: &str, field: &str) -> u64 {
    let starts = |line: &str| line.strip_prefix(field).is_some_and(|rest| rest.trim_start().starts_with(':'));
    front.lines().position(starts).map_or(1, |at| at as u64 + 1)
}

fn web_address(text: &str) -> Result<String, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url.to_string()),
        _ => Err("must be an address that begins with https://".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(file: &str) -> Result<UpdateFile, UpdateFileError> {
        UpdateFile::parse(file, Locale::De)
    }

    #[test]
    fn a_complete_file_is_read() {
        let update = parse(
            "---\ntitle: \"Werkstatt: erster Tag\"\ndate: 2026-12-16\nlink: https://example.org/a\n\
             image: https://example.org/a.jpg\nimage_alt: Zwei Menschen\nlocale: de\n---\n\nHallo **Welt**.\n",
        )
        .unwrap();
        assert_eq!(update.title, "Werkstatt: erster Tag");
        assert_eq!(update.date, NaiveDate::from_ymd_opt(2026, 12, 16));
        assert_eq!((update.body.as_str(), update.body_line), ("Hallo **Welt**.", 10));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let cases = [
            ("# Hallo", 1, "begin with"),
            ("---\ntitle: A\n", 1, "not closed"),
            ("---\nteaser: A\n---\nText", 1, "title is missing"),
            ("---\ntitle: A\ndate: 16.12.2026\n---\nText", 3, "2026-12-16"),
            ("---\ntitle: A\nlink: javascript:alert(1)\n---\nText", 3, "https://"),
            ("---\ntitle: A\n\nimage: https://example.org/a.jpg\n---\nText", 4, "image_alt"),
            ("---\ntitle: A\ntitel: B\n---\nText", 3, "titel"),
            ("---\ntitle: A\nlocale: fr\n---\nText", 3, "de or en"),
            ("---\ntitle: A\ntitle: B\n---\nText", 3, "twice"),
            ("---\ntitle: A: B\n---\nText", 2, "quotes"),
            ("---\ntitle: A\ndate: -9999-01-01\n---\nText", 3, "2026-12-16"),
            ("---\ntitle: A\n---\n\n", 4, "no text"),
            ("---\ntitle: A\n---\nText\nmit \u{7} Glocke", 5, "control character"),
            ("---\ntitle: [A\n---\nText", 2, ""),
        ];
        for (file, line, problem) in cases {
            let error = parse(file).unwrap_err();
            assert!(error.problem.contains(problem), "{file:?} gave {error}");
            assert!(
                error.line == line || (problem.is_empty() && error.line >= line),
                "{file:?} gave {error}"
            );
        }
    }

    #[test]
    fn windows_line_ends_and_a_byte_order_mark_do_no_harm() {
        assert_eq!(parse("\u{FEFF}---\r\ntitle: A\r\n---\r\nText\r\n").unwrap().body, "Text");
    }
}
