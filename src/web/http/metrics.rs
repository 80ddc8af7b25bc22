//! What is counted of requests, and of what people do with the signup form.

use std::{array, time::Duration};

use axum::http::Method;
use strum::VariantNames;

use crate::{
    telemetry::metrics::{Counter, EncodeLabelSet, Family, Gauge, Histogram, Labels, Registry},
    web::http::problem::Problem,
};

/// Metrics of one process's web server.
#[derive(Debug)]
pub struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram>,
    /// Those answered with 500. By itself, because a series that begins with its first event is no increase to
    /// Prometheus.
    failures: Counter,
    /// Requests that are being answered.
    pub in_flight: Gauge,
    signups: [Counter; FormAnswer::VARIANTS.len()],
    signups_family: Family<Labels, Counter>,
    presses: [Counter; Press::VARIANTS.len()],
    presses_family: Family<Labels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

/// Bounds in seconds: a request is given up after 15, an upload after minutes.
const TOOK: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

/// How the form was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum FormAnswer {
    /// It was taken, and its sender told to look into the mailbox.
    Taken,
    /// A proof of work was asked for.
    ProofOfWork,
    /// One more press was asked for.
    PressAgain,
    /// The address has to be mended.
    Mistake,
    /// The form was about a subscriber of whom nothing is stored any more.
    NothingStored,
    /// It came from a site that the publication does not name.
    OtherSite,
    /// It could not be read, or was too old.
    Unreadable,
    /// It could not be taken: no database, no publication, or a mistake of ours.
    Failed,
}

impl From<&Problem> for FormAnswer {
    fn from(problem: &Problem) -> Self {
        match problem {
            Problem::OtherSite => Self::OtherSite,
            problem if problem.status().is_server_error() => Self::Failed,
            _ => Self::Unreadable,
        }
    }
}

/// What was pressed on the page behind a confirmation link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum Press {
    /// "Ja, anmelden", and the address is subscribed.
    Confirmed,
    /// "Das war ich nicht", and the signup has ended.
    Declined,
    /// Either, and it could not be done any more.
    TooLate,
}

fn counters<const N: usize>(family: &Family<Labels, Counter>, names: &[&'static str]) -> [Counter; N] {
    array::from_fn(|at| family.get_or_create_owned(&vec![("answer", names[at])]))
}

impl Default for HttpMetrics {
    fn default() -> Self {
        let (signups_family, presses_family) = (Family::default(), Family::default());
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(TOOK)),
            failures: Counter::default(),
            in_flight: Gauge::default(),
            signups: counters(&signups_family, FormAnswer::VARIANTS),
            signups_family,
            presses: counters(&presses_family, Press::VARIANTS),
            presses_family,
        }
    }
}

impl HttpMetrics {
    /// Has requests served.
    pub fn register_requests(&self, registry: &mut Registry) {
        registry.register(
            "http_requests",
            "HTTP requests answered, by route as it is written in the code",
            self.requests.clone(),
        );
        registry.register(
            "http_failures",
            "Requests answered with status 500: mistakes of ours",
            self.failures.clone(),
        );
        registry.register(
            "http_request_duration_seconds",
            "Time until the head of the answer, by route",
            self.seconds.clone(),
        );
        registry.register(
            "http_requests_in_flight",
            "Requests that are being answered",
            self.in_flight.clone(),
        );
    }

    /// Has signups served.
    pub fn register_signups(&self, registry: &mut Registry) {
        registry.register(
            "signups",
            "Signup forms by how they were answered; what the address is to us makes no difference here",
            self.signups_family.clone(),
        );
        registry.register(
            "signup_presses",
            "Presses on the page behind a confirmation link, by what is so afterwards; a second press counts again",
            self.presses_family.clone(),
        );
    }

    /// A request was answered.
    pub fn answered(&self, method: &Method, route: &str, status: u16, took: Duration) {
        // A client may make up methods.
        let method = match *method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::OPTIONS => "OPTIONS",
            _ => "other",
        };
        let labels = RequestLabels { method, route: route.to_owned(), status };
        self.requests.get_or_create(&labels).inc();
        if status == 500 {
            self.failures.inc();
        }
        self.seconds.get_or_create(&RouteLabels { route: labels.route }).observe(took);
    }

    /// A signup form was answered.
    pub fn signup(&self, answer: FormAnswer) {
        self.signups[answer as usize].inc();
    }

    /// Somebody has pressed.
    pub fn press(&self, press: Press) {
        self.presses[press as usize].inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_labelled_as_dashboards_know_them() {
        let labels = [
            "taken",
            "proof_of_work",
            "press_again",
            "mistake",
            "nothing_stored",
            "other_site",
            "unreadable",
            "failed",
        ];
        assert_eq!(FormAnswer::VARIANTS, labels);
        assert_eq!(Press::VARIANTS, ["confirmed", "declined", "too_late"]);
    }
}
