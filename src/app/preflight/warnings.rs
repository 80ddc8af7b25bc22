//! The tick that warnings need before a mailing. It counts for what stood on the page, and for nothing found since.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::mail::preflight::{Code, Finding, Level, Place};

/// So many warnings have marks; nobody reads more of them.
const MOST: usize = 500;

/// What the box to be ticked stands for: a short mark of each warning. `None` where nothing has to be ticked.
#[must_use]
pub fn marks(findings: &[Finding]) -> Option<String> {
    let marks: Vec<String> = each(findings).into_iter().collect();
    (!marks.is_empty()).then(|| marks.join(" "))
}

/// Whether every warning is among those that were ticked. One that has gone meanwhile is no reason to ask again.
#[must_use]
pub fn are_ticked(findings: &[Finding], ticked: &str) -> bool {
    let ticked: BTreeSet<&str> = ticked.split(' ').collect();
    each(findings).iter().all(|mark| ticked.contains(mark.as_str()))
}

/// How many warnings have to be ticked, for the audit log; nothing where none have to.
#[must_use]
pub fn count(findings: &[Finding]) -> Option<usize> {
    Some(each(findings).len()).filter(|count| *count > 0)
}

fn each(findings: &[Finding]) -> BTreeSet<String> {
    // That it was sent before has a tick of its own.
    let needs_tick =
        |finding: &&Finding| finding.level == Level::Warning && finding.code != Code::AlreadySent;
    let warnings = findings.iter().filter(needs_tick).take(MOST);
    warnings.map(|warning| hex::encode(&Sha256::digest(said(warning))[..4])).collect()
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
    use super::{are_ticked, count, marks};
    use crate::mail::preflight::{Code, Finding};

    fn http(address: &str) -> Finding {
        Finding::new(Code::LinkHttp).with("address", address)
    }

    #[test]
    fn errors_notes_and_what_has_its_own_tick_need_none() {
        let others = [Code::LinkEmpty, Code::BoldHeading, Code::AlreadySent].map(Finding::new);
        for none in [&[][..], &others] {
            assert_eq!((marks(none), count(none)), (None, None));
            assert!(are_ticked(none, ""));
        }
    }

    #[test]
    fn a_tick_counts_for_the_warnings_that_were_shown_and_for_fewer_but_for_no_other() {
        let (a, b, c) = (http("http://a.example"), http("http://b.example"), http("http://c.example"));
        let ticked = marks(&[a.clone(), b.clone()]).unwrap();
        assert!(are_ticked(&[b.clone(), Finding::new(Code::BoldHeading), a.clone()], &ticked));
        assert!(are_ticked(std::slice::from_ref(&b), &ticked));
        assert!(!are_ticked(&[a, c], &ticked) && !are_ticked(&[b], ""));
    }

    #[test]
    fn somebody_who_subscribes_meanwhile_is_no_new_warning() {
        let rose = |now: &str| Finding::new(Code::RecipientsRose).with("now", now).with("before", "10");
        assert!(are_ticked(&[rose("21")], &marks(&[rose("20")]).unwrap()));
    }
}
