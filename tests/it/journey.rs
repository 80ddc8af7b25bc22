//! From signup to one-click unsubscribe, end to end.

use rundbrief::domain::mailing::MailingState;

use crate::harness::App;

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_signs_up_confirms_gets_an_update_and_leaves_with_one_click() {
    let app = App::new().start().await;
    app.subscriber("anna@example.org").await;

    let answer = app.sign_up("Maria.Muster@Example.ORG").await;
    assert!(answer.leads_to_mailbox("de"), "{:?}", answer.headers);
    let confirmation = app.mail(1).await;
    assert_eq!(confirmation.subject, "Bitte bestätigen Sie Ihre Anmeldung: LOK Lausitz");
    assert_eq!(confirmation.header("To").unwrap(), "<Maria.Muster@example.org>");

    let page = app.get(&confirmation.link("/confirm/")).await;
    assert!(page.body.contains("M…r@example.org"), "{}", page.body);
    let confirmed = app.confirm(&confirmation.link("/confirm/")).await;
    assert_eq!((confirmed.status.as_u16(), confirmed.heading()), (200, "Sie sind angemeldet"));
    let welcome = app.mail(2).await;
    assert!(welcome.text.contains("/unsubscribe/"));

    let first = app.trigger().await;
    let counts = app.wait_for_state(first, MailingState::Done).await;
    assert_eq!(counts.accepted, 2);
    let accepted = app.relay.wait_for(4).await;
    let copy =
        accepted[2..].iter().find(|mail| mail.to == ["Maria.Muster@example.org"]).expect("Maria's copy");
    let copy = crate::harness::mail::Mail::parse(&copy.data);
    assert_eq!(copy.subject, "Neues aus der Werkstatt");

    // As a mail program does it: from the header, with no cookie and no form.
    let header = copy.header("List-Unsubscribe").unwrap();
    let path = header.trim_matches(['<', '>']).strip_prefix("https://brief.example.org").unwrap().to_owned();
    let left = app.post(&path, "List-Unsubscribe=One-Click").await;
    assert_eq!(left.status, 200);

    let second = app.trigger().await;
    let counts = app.wait_for_state(second, MailingState::Done).await;
    assert_eq!((counts.accepted, app.status(second).await.0.audience), (1, 1));
    let to: Vec<String> = app.relay.accepted()[4..].iter().flat_map(|mail| mail.to.clone()).collect();
    assert_eq!(to, ["anna@example.org"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_confirmation_arrives_although_the_relay_was_down_at_first() {
    let app = App::new().start().await;
    app.relay.stop().await;
    assert_eq!(app.sign_up("maria@example.org").await.status, 303);
    app.wait_for_count("select count(*) from deliveries where state = 'pending'", 1).await;
    app.relay.resume().await;
    assert!(app.mail(1).await.text.contains("/confirm/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_subscribed_gets_a_mail_that_says_so() {
    let app = App::new().start().await;
    let id = app.subscriber("maria@example.org").await;
    app.sign_up("MARIA@example.org").await;
    let mail = app.mail(1).await;
    assert!(!mail.text.contains("/confirm/"));
    assert!(mail.text.contains(&app.unsubscribe_path(id)), "{}", mail.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_can_come_back_through_the_form() {
    let app = App::new().start().await;
    let id = app.subscriber("maria@example.org").await;
    app.post(&app.unsubscribe_path(id), "").await;
    app.sign_up("maria@example.org").await;
    let confirmation = app.mail(1).await;
    app.confirm(&confirmation.link("/confirm/")).await;
    assert_eq!(app.count("select count(*) from subscribers where state = 'active'").await, 1);
}
