//! Sample values for the pages of members.

use uuid::Uuid;

use crate::{
    domain::{ids::StaffId, staff::Role},
    web::{
        page_context::{PageContext, Sample},
        staff::{
            members::{LinkPage, MemberForm, PeoplePage, Person, PersonPage, PersonState},
            staff_page::Mistakes,
        },
    },
};

impl Person {
    fn sample(role: Role, state: PersonState, has_second_factor: bool) -> Self {
        let (id, seen) = (StaffId(Uuid::nil()), matches!(state, PersonState::Active));
        Self {
            id,
            name: "Ada Muster".into(),
            email: "ada@example.org".into(),
            role,
            state,
            has_second_factor,
            created_at: "24.11.2026, 9:12".into(),
            last_seen_at: seen.then(|| "25.11.2026, 14:05".into()),
        }
    }

    fn samples() -> Vec<Self> {
        vec![
            Self::sample(Role::Admin, PersonState::Active, true),
            Self::sample(Role::Editor, PersonState::Invited, false),
            Self::sample(Role::Editor, PersonState::Disabled, false),
        ]
    }
}

impl PageContext for PeoplePage {
    const TEMPLATE: &'static str = "staff/people.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let mut errors = Mistakes::one("name", "Bitte einen Namen angeben.");
        errors.add("role", "Bitte eine Rolle wählen.");
        let fresh = MemberForm { mail: "1".into(), ..MemberForm::default() };
        let typed = MemberForm { email: "ada".into(), role: "admin".into(), ..MemberForm::default() };
        let page = |typed, can_mail, errors| Self { people: Person::samples(), typed, can_mail, errors };
        vec![
            page(fresh, true, Mistakes::default()),
            page(typed, true, errors),
            page(MemberForm::default(), false, Mistakes::default()),
        ]
    }
}

impl PageContext for PersonPage {
    const TEMPLATE: &'static str = "staff/person.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let mut pages: Vec<Self> = Person::samples()
            .into_iter()
            .map(|person| Self { person, is_self: false, can_mail: true, errors: Mistakes::default() })
            .collect();
        let person = Person::sample(Role::Admin, PersonState::Active, true);
        let errors = Mistakes::one("form", "Das ist das letzte Konto mit allen Rechten.");
        pages.push(Self { person, is_self: true, can_mail: false, errors });
        let person = Person::sample(Role::Editor, PersonState::Invited, false);
        pages.push(Self { person, is_self: false, can_mail: false, errors: Mistakes::default() });
        pages
    }
}

impl PageContext for LinkPage {
    const TEMPLATE: &'static str = "staff/link.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let page = |is_mailed| Self {
            person: Person::sample(Role::Editor, PersonState::Invited, false),
            link: "https://news.example.org/staff/welcome/abc".into(),
            expires_at: "27.11.2026, 14:05".into(),
            is_mailed,
        };
        vec![page(false), page(true)]
    }
}
