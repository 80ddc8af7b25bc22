//! Alerts and dashboard name only metrics that the service serves.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::harness::{App, metrics::Metrics};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// A running service's metrics, once each of them has something to tell.
async fn served() -> Metrics {
    let app = App::new().start().await;
    app.get("/").await;
    app.sign_up("maria@example.org").await;
    app.relay.wait_for(1).await;
    app.wait_for_metric("rundbrief_retention_runs_total{result=\"done\"}", 1.0).await;
    app.wait_for_metric("rundbrief_workers{relay=\"ok\"}", 1.0).await
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The metrics that a query names.
fn metrics_in(query: &str) -> BTreeSet<String> {
    let words = query.split(|c| !is_of_word(c)).filter(|word| word.starts_with("rundbrief_"));
    words.map(str::to_owned).collect()
}

/// The values that a query asks for, as they would be served: `kind="mailing"`. Those that are patterns, one by one.
fn labels_in(query: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in query.match_indices('"') {
        let before = query[..at].trim_end_matches(['=', '!', '~']);
        let name: String = before.chars().rev().take_while(|c| is_of_word(*c)).collect();
        let name: String = name.chars().rev().collect();
        if name.is_empty() || before.len() == at {
            continue;
        }
        let value = query[at + 1..].split('"').next().unwrap();
        found.extend(value.split('|').map(|value| format!("{name}=\"{value}\"")));
    }
    found.retain(|label| !label.starts_with("job="));
    found
}

/// The names of the series: of a histogram there are three.
fn names(served: &Metrics) -> BTreeSet<String> {
    let series = served.all().map(|series| series.split('{').next().unwrap().to_owned());
    series.chain(served.names().into_iter().map(str::to_owned)).collect()
}

fn assert_served(served: &Metrics, queries: &[String]) {
    let names = names(served);
    for query in queries {
        let used = metrics_in(query);
        assert!(!used.is_empty(), "no metric in {query}");
        for metric in used {
            assert!(names.contains(&metric), "{metric} is not served: {query}");
        }
        for label in labels_in(query) {
            assert!(served.text.contains(&label), "{label} is not served: {query}");
        }
    }
}

/// The alerts' names and queries. The file's form is checked by promtool; here every `expr` counts, on one line or folded.
fn alerts() -> Vec<(String, String)> {
    let text = read("docs/operations/alerts.yml");
    let mut found = Vec::new();
    for alert in text.split("- alert: ").skip(1) {
        let name = alert.lines().next().unwrap().trim().to_owned();
        let query = alert.split("expr:").nth(1).unwrap();
        let query = query.split("\n        for:").next().unwrap().split("\n        labels:").next().unwrap();
        let query: Vec<&str> = query.trim().trim_start_matches('>').split_whitespace().collect();
        found.push((name, query.join(" ")));
    }
    found
}

fn dashboard_queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(query) if name == "expr" || (name == "query" && query.contains('(')) => {
                        found.push(query.to_owned());
                    }
                    _ => dashboard_queries(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| dashboard_queries(value, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_and_dashboard_name_only_what_the_service_serves() {
    let served = served().await;
    let alerts: Vec<String> = alerts().into_iter().map(|(_, query)| query).collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    let of_ours: Vec<String> = alerts.into_iter().filter(|query| !query.starts_with("up{")).collect();
    assert_served(&served, &of_ours);
    let mut queries = Vec::new();
    dashboard_queries(&serde_json::from_str(&read("docs/operations/grafana.json")).unwrap(), &mut queries);
    assert!(queries.len() > 30, "{queries:?}");
    assert_served(&served, &queries);
    // And all that is served can be seen on the dashboard.
    let seen: BTreeSet<String> = queries.iter().flat_map(|query| metrics_in(query)).collect();
    for name in served.names() {
        assert!(seen.iter().any(|query| query.trim_end_matches("_bucket") == name), "{name} is on no panel");
    }
}

#[test]
fn each_alert_has_a_section_that_says_what_to_do() {
    let (text, rules) = (read("docs/operations/alerts.md"), read("docs/operations/alerts.yml"));
    let sections: BTreeSet<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let alerts: Vec<String> = alerts().into_iter().map(|(name, _)| name).collect();
    let names: BTreeSet<&str> = alerts.iter().map(String::as_str).collect();
    assert_eq!(sections, names);
    assert_eq!(names.len(), alerts.len(), "each name once");
    for name in names {
        let section = text.split(&format!("## {name}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
        assert!(section.trim().len() > 100, "{name}: {section}");
        let url = format!("runbook_url: docs/operations/alerts.md#{}\n", name.to_lowercase());
        assert_eq!(rules.matches(&url).count(), 1, "{name}");
    }
}

#[test]
fn what_a_query_names_is_found() {
    let query =
        r#"sum(rate(rundbrief_a_total{kind="x",outcome=~"y|z",job="$job"}[5m])) / max(rundbrief_b) > 0.5"#;
    assert_eq!(metrics_in(query).into_iter().collect::<Vec<_>>(), ["rundbrief_a_total", "rundbrief_b"]);
    assert_eq!(labels_in(query), ["kind=\"x\"", "outcome=\"y\"", "outcome=\"z\""]);
}
