//! Whatever comes back, of whatever bytes: it is read without a panic, within what is promised, and no token that is not ours
//! names a delivery.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::{collection::vec, prelude::*, sample::Index};
use rundbrief::{
    config::{BounceAddress, SecretKeys},
    domain::ids::DeliveryId,
    mail::{
        incoming::{self, read},
        return_path::{Named, ReturnPaths},
    },
};

use super::samples::SAMPLES;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn return_paths() -> ReturnPaths {
    let keys = SecretKeys::parse(&STANDARD.encode([7; 32])).unwrap();
    let address = BounceAddress { local: "bounces".into(), domain: "news.example.org".into() };
    ReturnPaths::new(keys, &address).unwrap()
}

fn is_within_bounds(message: &[u8]) -> Result<(), TestCaseError> {
    let report = read(message);
    prop_assert!(report.recipients.len() <= 1_000);
    for recipient in &report.recipients {
        prop_assert!(recipient.diagnostic.as_ref().is_none_or(|said| said.chars().count() <= 1_000));
    }
    prop_assert!(serde_json::to_string(&report).is_ok());
    prop_assert!(incoming::readable(message).text.chars().count() <= 10_000);
    prop_assert!(incoming::subject(message).is_none_or(|subject| !subject.contains(char::is_control)));
    prop_assert_eq!(return_paths().named_in(message), Named::Nobody);
    Ok(())
}

/// What happens to a message on its way, and what somebody does to it.
#[derive(Debug, Clone)]
enum Change {
    Put(Index, u8),
    Cut(Index),
    Double(Index, Index),
    Insert(Index, &'static str),
    Swap(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    let pieces = prop::sample::select(vec![
        "\r\n",
        "\n\n",
        "\0",
        "\u{feff}",
        "=?utf-8?B?4oSi?=",
        "--b\n",
        "--b--\n",
        "Content-Type: message/rfc822\n\n",
        "Content-Transfer-Encoding: base64\n",
        "Status: 5.1.1\n",
        "Action: failed\n",
        "<erika@example.org>:",
        ";",
        "=",
    ]);
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Change::Put(at, byte)),
        index().prop_map(Change::Cut),
        (index(), index()).prop_map(|(from, to)| Change::Double(from, to)),
        (index(), pieces).prop_map(|(at, piece)| Change::Insert(at, piece)),
        (index(), index()).prop_map(|(from, to)| Change::Swap(from, to)),
    ]
}

fn changed(mut message: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let at = |index: &Index| index.index(message.len().max(1)).min(message.len().saturating_sub(1));
        match change {
            _ if message.is_empty() => {}
            Change::Put(place, byte) => {
                let place = at(place);
                message[place] = *byte;
            }
            Change::Cut(place) => message.truncate(at(place)),
            Change::Double(from, to) => {
                let (from, to) = (at(from), at(to));
                message.extend_from_within(from.min(to)..from.max(to));
            }
            Change::Insert(place, piece) => {
                let place = at(place);
                message.splice(place..place, piece.bytes());
            }
            Change::Swap(from, to) => {
                let (from, to) = (at(from), at(to));
                message.swap(from, to);
            }
        }
    }
    message
}

proptest! {
    #![proptest_config(cases(500))]
    #[test]
    fn any_bytes_are_read_within_bounds(message in vec(any::<u8>(), 0..3_000)) {
        is_within_bounds(&message)?;
    }
}

proptest! {
    #![proptest_config(cases(1_500))]
    #[test]
    fn any_report_that_was_changed_on_its_way_is_read_within_bounds(
        sample in 0..SAMPLES.len(),
        changes in vec(change(), 0..10),
    ) {
        is_within_bounds(&changed(SAMPLES[sample].message.as_bytes().to_vec(), &changes))?;
    }
}

proptest! {
    #![proptest_config(cases(2_000))]
    #[test]
    fn no_token_that_is_not_ours_names_a_delivery(id in 1..i64::MAX, at in 0_usize..39, letter in "[a-z2-7]") {
        let path = return_paths().of(DeliveryId(id)).as_str().to_owned();
        let at = "bounces+".len() + at;
        let forged = format!("{}{letter}{}", &path[..at], &path[at + 1..]);
        prop_assert_eq!(return_paths().read(&path), Some(DeliveryId(id)));
        prop_assert_eq!(return_paths().read(&forged), (forged == path).then_some(DeliveryId(id)), "{}", forged);
    }
}
