//! Protection against bots: those that fill in the signup form, and those that flood the service with requests.

use super::{Source, number, optional};

/// Settings against bots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// Seconds; a form that comes back sooner looks automated and is asked for one more press. 0 is off
    /// (`FORM_SECONDS`, default 2, at most 60).
    pub form_seconds: u8,
    /// When a signup has to bring a proof of work (`CAPTCHA`, default `adaptive`).
    pub captcha: Captcha,
    /// Requests per minute from one IPv4 address or IPv6 /64; 0 is no limit (`REQUESTS_PER_CLIENT`, default 240).
    pub requests_per_client: u32,
}

/// When a signup has to bring a proof of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Captcha {
    /// Never.
    Off,
    /// During a surge of signups, from the visitor's network or in all.
    Adaptive,
    /// Every time.
    Always,
}

impl Guard {
    /// The names of these settings. The demo reads them from the environment too.
    pub const NAMES: [&str; 3] = ["FORM_SECONDS", "CAPTCHA", "REQUESTS_PER_CLIENT"];

    pub(super) fn read(source: &Source, problems: &mut Vec<String>) -> Self {
        let [form_seconds, captcha, requests_per_client] = Self::NAMES;
        let form_seconds = optional(source, problems, form_seconds, |text| number(text, 0, 60));
        let captcha = optional(source, problems, captcha, |text| match text {
            "off" => Ok(Captcha::Off),
            "adaptive" => Ok(Captcha::Adaptive),
            "always" => Ok(Captcha::Always),
            _ => Err(format!("must be off, adaptive or always, not {text:?}")),
        });
        let requests_per_client =
            optional(source, problems, requests_per_client, |text| number(text, 0, 1_000_000));
        Self {
            form_seconds: form_seconds.unwrap_or(2),
            captcha: captcha.unwrap_or(Captcha::Adaptive),
            requests_per_client: requests_per_client.unwrap_or(240),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_has_its_default_and_what_is_wrong_names_itself() {
        let mut problems = Vec::new();
        let guard = Guard::read(&Source::pairs(&[]), &mut problems);
        assert_eq!(guard, Guard { form_seconds: 2, captcha: Captcha::Adaptive, requests_per_client: 240 });
        let wrong = [("FORM_SECONDS", "61"), ("CAPTCHA", "on"), ("REQUESTS_PER_CLIENT", "-1")];
        Guard::read(&Source::pairs(&wrong), &mut problems);
        assert_eq!(problems.len(), 3);
        for ((name, _), problem) in wrong.iter().zip(&problems) {
            assert!(problem.starts_with(name), "{problem}");
        }
    }
}
