//! Sample values for the pages of members.

use uuid::Uuid;

use crate::{
    domain::{ids::StaffId, staff::Role},
    web::{
        page_context::{PageContext, Sample},
        staff::{
            members::{LinkPage, PeoplePage, Person, PersonPage, PersonState, Sent},
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
        let typed = Sent { email: "ada".into(), name: String::new(), role: "admin".into() };
        vec![
            Self { people: Person::samples(), typed: Sent::default(), errors: Mistakes::default() },
            Self { people: Person::samples(), typed, errors },
        ]
    }
}

impl PageContext for PersonPage {
    const TEMPLATE: &'static str = "staff/person.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let mut pages: Vec<Self> = Person::samples()
            .into_iter()
            .map(|person| Self { person, is_self: false, errors: Mistakes::default() })
            .collect();
        let person = Person::sample(Role::Admin, PersonState::Active, true);
        let errors = Mistakes::one("form", "Das ist das letzte Konto mit allen Rechten.");
        pages.push(Self { person, is_self: true, errors });
        pages
    }
}

impl PageContext for LinkPage {
    const TEMPLATE: &'static str = "staff/link.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let person = Person::sample(Role::Editor, PersonState::Invited, false);
        let link = "https://news.example.org/staff/welcome/abc".into();
        vec![Self { person, link, expires_at: "27.11.2026, 14:05".into() }]
    }
}
