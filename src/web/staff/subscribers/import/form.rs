//! What the form for the columns of a list sends, as a plan.

use std::collections::HashMap;

use chrono::Utc;
use serde::Deserialize;

use crate::{
    domain::{
        import::{
            dates,
            lines::{self, LineProblem},
            plan::{Encoding, MOST_COLUMNS, Plan, Separator, StateColumn},
            presets::Preset,
            states::{Listed, Means},
        },
        locale::Locale,
    },
    web::staff::staff_page::{Mistakes, StaffPage},
};

/// The choice for a column that is not to be read as a state.
pub const IGNORED: &str = "ignore";

/// What that form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ImportForm {
    pub action: String,
    separator: String,
    encoding: String,
    /// Of the service; empty for none.
    preset: Option<String>,
    /// `leave_out` or anything else.
    away: String,
    /// What the list says of everybody in it; empty for nothing.
    everybody: String,
    email: String,
    consented_at: String,
    day: String,
    source: String,
    source_of_all: String,
    locale: String,
    locale_of_all: String,
    /// `state_N`: what column N says of states.
    #[serde(flatten)]
    further: HashMap<String, String>,
}

impl ImportForm {
    /// The plan that was sent.
    pub fn plan(&self, before: &Plan, beginning: &[u8]) -> Plan {
        let separator = Separator::from_name(&self.separator);
        let encoding = Encoding::ALL.into_iter().find(|one| one.name() == self.encoding);
        let columns = Plan {
            separator: separator.unwrap_or(before.separator),
            encoding: encoding.unwrap_or(before.encoding),
            consented_at_of_all: dates::past(self.day.trim(), before.time_zone, Utc::now()).ok(),
            // The database takes no zeros; other control characters are told.
            source_of_all: self.source_of_all.replace('\0', "").trim().to_owned(),
            locale_of_all: Locale::from_tag(&self.locale_of_all).unwrap_or(before.locale_of_all),
            leaves_out: self.away == "leave_out",
            listed_as: Listed::from_name(&self.everybody),
            time_zone: before.time_zone,
            preset: self.preset.as_deref().map_or(before.preset, Preset::from_name),
            ..Plan::default()
        };
        let are_others = columns.separator != before.separator || columns.encoding != before.encoding;
        // "Not known" is an answer, unless it was given of other columns.
        let guessed = if are_others && columns.preset.is_none() {
            columns.with_service_of(beginning)
        } else {
            columns.with_columns_of(beginning)
        };
        if self.action == "preview" || are_others || guessed.preset != before.preset {
            // Other columns now: what was chosen among the old ones says nothing.
            return guessed;
        }
        let width = guessed.columns(beginning);
        let column = |text: &str| text.parse::<usize>().ok().filter(|column| *column < width);
        let consented_at = column(&self.consented_at);
        let plan = Plan {
            email: column(&self.email),
            consented_at,
            consented_at_with: guessed.consented_at_with.filter(|_| consented_at == guessed.consented_at),
            source: column(&self.source),
            locale: column(&self.locale),
            ..guessed
        };
        self.with_states(plan, width)
    }

    /// With what was chosen of states. A column of which nothing was sent is read as it was guessed.
    fn with_states(&self, mut plan: Plan, width: usize) -> Plan {
        for column in 0..width {
            let Some(chosen) = self.further.get(&format!("state_{column}")) else { continue };
            plan.states.retain(|state| state.column != column);
            if chosen == IGNORED {
                plan.ignored.push(column);
            } else if let Some(means) = Means::from_name(chosen) {
                plan.states.push(StateColumn { column, means });
            }
        }
        // The address says nothing of a state; a date of consent may: where it is missing, nobody confirmed.
        let is_other = |column| [plan.email, plan.source, plan.locale].contains(&Some(column));
        let states = plan.states.iter().copied().filter(|state| !is_other(state.column)).collect();
        plan.states = states;
        plan
    }
}

/// What is missing in a plan.
pub fn mistakes_in(page: &StaffPage, plan: &Plan, file_name: &str, beginning: &[u8]) -> Mistakes {
    let mut mistakes = Mistakes::default();
    if plan.columns(beginning) > MOST_COLUMNS {
        mistakes.add("columns", page.text("error", "too_many_columns"));
    }
    if plan.asks_of_everybody(file_name) {
        mistakes.add("everybody", page.text("error", "everybody_asked"));
    }
    if !plan.asked(beginning).is_empty() {
        mistakes.add("states", page.text("error", "states_asked"));
    }
    if plan.email.is_none() {
        mistakes.add("email", page.text("error", "column_email"));
    }
    if plan.is_of_others() {
        return mistakes;
    }
    if plan.consented_at.is_none() && plan.consented_at_of_all.is_none_or(|at| at > Utc::now()) {
        mistakes.add("day", page.text("error", "consent_day"));
    }
    if plan.source.is_none() {
        match lines::checked_source(&plan.source_of_all) {
            Ok(()) => {}
            Err(LineProblem::NoSource) => mistakes.add("source_of_all", page.text("error", "consent_source")),
            Err(problem) => {
                mistakes.add("source_of_all", page.text("line_problem", problem.key()));
            }
        }
    }
    mistakes
}
