//! An operator's own mail templates: what they replace, and that errors are reported at the start.

use std::{fs, path::PathBuf};

use rundbrief::mail::templates::{MailKind, Templates};

use crate::{
    harness::{App, database::scratch, program::Program},
    mails::{sample, samples},
};

const LAYOUT_HTML: &str = include_str!("../../email_templates/layout.html");
const LAYOUT_TXT: &str = include_str!("../../email_templates/layout.txt");

/// An operator's folder of templates; goes away in the end.
struct Folder(PathBuf);

impl Folder {
    fn with(file: &str, content: &str) -> Self {
        let dir = scratch("templates");
        let path = dir.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        Self(dir)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a plain path")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A built-in template with one place changed, which must be there.
fn changed(template: &str, from: &str, to: &str) -> String {
    assert!(template.contains(from), "{from}");
    template.replace(from, to)
}

#[test]
fn a_template_in_the_operators_folder_replaces_that_one_and_no_other() {
    let folder = Folder::with("welcome/subject.txt", "Moin von {{ publication.name }}\n");
    let own = Templates::load(Some(&folder.0)).unwrap();
    for (kind, locale, built_in) in samples() {
        let mail = sample(&own, kind, locale);
        let is_changed = kind == MailKind::Welcome;
        let subject = if is_changed { "Moin von Werkstattbrief" } else { built_in.subject.as_str() };
        assert_eq!(mail.subject, subject);
        assert_eq!((mail.text, mail.html), (built_in.text, built_in.html), "{kind:?} {locale}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_sends_what_the_operators_folder_says() {
    let folder = Folder::with("confirmation/subject.txt", "Moin, bitte bestätigen\n");
    let app = App::new().setting("EMAIL_TEMPLATES_DIR", folder.path()).start().await;
    app.sign_up("maria@example.org").await;
    let mail = app.mail(1).await;
    assert_eq!(mail.subject, "Moin, bitte bestätigen");
    assert!(
        mail.text.contains("öffnen Sie bitte diesen Link und bestätigen Sie dort die Anmeldung"),
        "{}",
        mail.text
    );
}

#[test]
fn a_broken_template_is_refused_and_named() {
    let cases = [
        ("welcome/body.txt", "{% if locale %}".to_owned()),
        ("welcome/subject.txt", "{{ publication.nmae }}".to_owned()),
        ("update/subject.txt", "{{ titel }}".to_owned()),
        (
            "already_subscribed/subject.txt",
            "{% if locale == \"en\" %}{{ confirm_url }}{% endif %}".to_owned(),
        ),
        ("confirmation/body.html", "{% extends \"layuot.html\" %}".to_owned()),
        ("layout.html", changed(LAYOUT_HTML, "{{ publication.accent }}", "{{ publication.acent }}")),
        ("layout.txt", changed(LAYOUT_TXT, "{{ publication.privacy_url }}", "{{ update.title }}")),
    ];
    for (file, content) in cases {
        let folder = Folder::with(file, &content);
        let refused = Templates::load(Some(&folder.0)).expect_err(file).to_string();
        assert!(refused.contains(file), "{file} gave {refused}");
    }
    let folder = Folder::with("welcome/body.txt/nested", "a folder in the place of a file");
    let refused = Templates::load(Some(&folder.0)).unwrap_err().to_string();
    assert!(refused.contains("welcome/body.txt"), "{refused}");
}

#[test]
fn a_mistake_in_a_part_that_only_some_publications_show_is_refused_too() {
    let layout = changed(LAYOUT_HTML, "{{ publication.logo.height }}", "{{ publication.logo.hieght }}");
    let folder = Folder::with("layout.html", &layout);
    assert!(Templates::load(Some(&folder.0)).is_err(), "the first mail with a logo would fail");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_does_not_start_with_a_broken_template() {
    let app = App::new().without_worker().start().await;
    let folder = Folder::with("update/body.html", "{{ update.titel }}");
    let program = Program::beside(&app).setting("EMAIL_TEMPLATES_DIR", folder.path());
    for command in ["serve", "worker"] {
        let ran = program.run(&[command]).await;
        assert!(ran.refused(1).contains("update/body.html"), "{ran:?}");
    }
}

#[test]
fn a_template_that_drops_the_imprint_or_its_link_is_refused() {
    for (file, content) in [
        ("layout.txt", changed(LAYOUT_TXT, "{{ publication.imprint | trim }}", "")),
        ("update/body.txt", "{{ publication.imprint }} {{ update.body_text }}".to_owned()),
        ("confirmation/body.html", "{{ publication.imprint }}".to_owned()),
    ] {
        let folder = Folder::with(file, &content);
        let refused = Templates::load(Some(&folder.0)).expect_err(file).to_string();
        assert!(refused.contains("is missing"), "{file} gave {refused}");
    }
}
