//! The tick that warnings need before a mailing. It counts for what stood on the page, and for nothing found since.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::mail::preflight::{Code, Finding, Level, Place};

/// What the box to be ticked stands for: a mark of all the warnings, whatever their order. `None` where nothing has to be
/// ticked.
#[must_use]
pub fn mark(findings: &[Finding]) -> Option<String> {
    // That it was sent before has a tick of its own.
    let needs_tick =
        |finding: &&Finding| finding.level == Level::Warning && finding.code != Code::AlreadySent;
    let warnings: BTreeSet<String> = findings.iter().filter(needs_tick).map(said).collect();
    let all = warnings.into_iter().collect::<Vec<_>>().join("\n");
    (!all.is_empty()).then(|| hex::encode(&Sha256::digest(all)[..8]))
}

/// What a warning says. Not the number of people: one who subscribes meanwhile is no new warning, and the number itself is
/// compared when it is sent.
fn said(finding: &Finding) -> String {
    if finding.place == Place::Recipients {
        return finding.code.as_str().to_owned();
    }
    format!("{} {:?} {:?}", finding.code.as_str(), finding.place, finding.values)
}

#[cfg(test)]
mod tests {
    use super::mark;
    use crate::mail::preflight::{Code, Finding};

    fn http(address: &str) -> Finding {
        Finding::new(Code::LinkHttp).with("address", address)
    }

    #[test]
    fn errors_notes_and_what_has_its_own_tick_need_none() {
        assert_eq!(mark(&[]), None);
        let others = [Code::LinkEmpty, Code::BoldHeading, Code::AlreadySent].map(Finding::new);
        assert_eq!(mark(&others), None);
    }

    #[test]
    fn the_same_warnings_have_the_same_mark_and_others_another() {
        let (a, b) = (http("http://a.example"), http("http://b.example"));
        let both = mark(&[a.clone(), b.clone()]);
        assert!(both.is_some());
        assert_eq!(both, mark(&[b.clone(), a.clone(), Finding::new(Code::BoldHeading)]));
        assert_ne!(both, mark(&[a]));
        assert_ne!(mark(&[b]), mark(&[http("http://c.example")]));
    }

    #[test]
    fn somebody_who_subscribes_meanwhile_is_no_new_warning() {
        let rose = |now: &str| Finding::new(Code::RecipientsRose).with("now", now).with("before", "10");
        assert_eq!(mark(&[rose("20")]), mark(&[rose("21")]));
    }
}
