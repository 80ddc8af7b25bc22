//! The texts of the pages. Each language has two files in `texts/`: `TAG.toml` for the public pages, and `staff.TAG.toml` for
//! those of staff, whose tables stand under `staff`.

use std::collections::BTreeMap;

use crate::{
    domain::locale::{Locale, languages},
    source::SourceFile,
    source_file,
    web::plurals,
};

macro_rules! files {
    ($($name:ident $tag:ident),+) => {
        [$((
            Locale::$name,
            source_file!("src/web/texts/", stringify!($tag), ".toml"),
            source_file!("src/web/texts/staff.", stringify!($tag), ".toml"),
        )),+]
    };
}

const FILES: [(Locale, SourceFile, SourceFile); Locale::ALL.len()] = languages!(files);

/// Every file.
pub fn files() -> impl Iterator<Item = SourceFile> {
    FILES.into_iter().flat_map(|(_, public, staff)| [public, staff])
}

/// The texts of all languages.
pub struct Texts(BTreeMap<Locale, toml::Table>);

impl Texts {
    /// # Errors
    /// When a file is no TOML.
    pub fn read() -> Result<Self, toml::de::Error> {
        let read = FILES.into_iter().map(|(locale, public, staff)| {
            let mut texts: toml::Table = public.read().parse()?;
            texts.insert("staff".into(), staff.read().parse::<toml::Table>()?.into());
            Ok((locale, texts))
        });
        Ok(Self(read.collect::<Result<_, _>>()?))
    }

    /// Everything in one language, as templates take it.
    pub fn of(&self, locale: Locale) -> Option<&toml::Table> {
        self.0.get(&locale)
    }

    /// A text by its table (`staff.mailing`) and key.
    pub fn text_if_any(&self, locale: Locale, table: &str, key: &str) -> Option<&str> {
        self.find(locale, table, key)?.as_str()
    }

    /// A text that there is. Without it the page has a gap: a debug build stops there, a release build logs it.
    pub fn text(&self, locale: Locale, table: &str, key: &str) -> &str {
        told(self.text_if_any(locale, table, key), locale, table, key)
    }

    /// A text with the form that goes with a number, which stands in it for `{count}`; see [`plurals`].
    pub fn plural(&self, locale: Locale, table: &str, key: &str, count: i64) -> String {
        let forms = self.find(locale, table, key).and_then(toml::Value::as_table);
        let form = plurals::form(locale, count.unsigned_abs());
        let text = forms.and_then(|forms| forms.get(form)?.as_str());
        told(text, locale, table, key).replace("{count}", &locale.number(count))
    }

    fn find(&self, locale: Locale, table: &str, key: &str) -> Option<&toml::Value> {
        let mut found = self.of(locale)?;
        for part in table.split('.') {
            found = found.get(part)?.as_table()?;
        }
        found.get(key)
    }
}

fn told<'a>(text: Option<&'a str>, locale: Locale, table: &str, key: &str) -> &'a str {
    debug_assert!(text.is_some(), "there is no text {table}.{key} in {locale}");
    text.unwrap_or_else(|| {
        tracing::error!(%locale, table, key, "a text of the pages is missing");
        ""
    })
}

#[cfg(test)]
mod tests;
