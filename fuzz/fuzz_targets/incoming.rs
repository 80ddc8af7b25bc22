//! A message that came back, of whatever bytes: it is read without a panic, within what is promised of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rundbrief::mail::incoming;

fuzz_target!(|message: &[u8]| {
    let report = incoming::read(message);
    assert!(report.recipients.len() <= 1_000);
    for recipient in &report.recipients {
        assert!(recipient.diagnostic.as_ref().is_none_or(|said| said.chars().count() <= 1_000));
    }
    assert!(incoming::readable(message).text.chars().count() <= 10_000);
    let _ = incoming::subject(message);
});
