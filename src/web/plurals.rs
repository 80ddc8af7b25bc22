//! Which form of a text goes with a number. Each language has its own rules: those of the Unicode CLDR, which name the forms
//! `zero`, `one`, `two`, `few`, `many` and `other`. A text with forms is a table of those that its language uses:
//!
//! ```toml
//! people.one = "1 person"
//! people.other = "{count} people"
//! ```

use icu_locale_core::LanguageIdentifier;
use icu_plurals::{PluralCategory, PluralRules, PluralRulesOptions};
use tera::{Filter, Kwargs, Map, State, Tera, TeraResult};

use crate::domain::locale::Locale;

/// The name of the form that goes with a number.
pub fn form(locale: Locale, count: u64) -> &'static str {
    let category = rules(locale).map_or(PluralCategory::Other, |rules| rules.category_for(count));
    match category {
        PluralCategory::Zero => "zero",
        PluralCategory::One => "one",
        PluralCategory::Two => "two",
        PluralCategory::Few => "few",
        PluralCategory::Many => "many",
        PluralCategory::Other => "other",
    }
}

fn rules(locale: Locale) -> Option<PluralRules> {
    let language: LanguageIdentifier = locale.tag().parse().ok()?;
    PluralRules::try_new(language.into(), PluralRulesOptions::default()).ok()
}

/// Lets templates say `{{ t.staff.images.used | plural(count=3) }}`. Before they are added: Tera looks for what they use.
pub fn register(tera: &mut Tera) {
    tera.register_filter("plural", Plural);
}

struct Plural;

impl Filter<&Map, TeraResult<String>> for Plural {
    fn call(&self, forms: &Map, arguments: Kwargs, state: &State) -> TeraResult<String> {
        let count = arguments.must_get::<i64>("count")?;
        let language = state.get::<String>("lang")?.and_then(|tag| Locale::from_tag(&tag));
        let locale = language.ok_or_else(|| tera::Error::message("the page has no language"))?;
        let form = form(locale, count.unsigned_abs());
        let text = forms.get(&form.into()).and_then(|text| text.as_str());
        let text = text.ok_or_else(|| tera::Error::message(format!("there is no form `{form}`")))?;
        Ok(text.replace("{count}", &locale.number(count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_all_others_are_many_in_german_and_english() {
        for locale in [Locale::De, Locale::En] {
            assert_eq!(
                [0, 1, 2, 21, 1_000_000].map(|count| form(locale, count)),
                ["other", "one", "other", "other", "other"]
            );
            assert!(rules(locale).is_some());
        }
    }
}
