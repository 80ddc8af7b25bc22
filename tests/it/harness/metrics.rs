//! Metrics as Prometheus reads them.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use axum::http::Method;
use tokio::time::sleep;

use super::{TestApp, http};

/// What one scrape gave.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// All of it.
    pub text: String,
    /// Each series, as it is written with its labels, and its value.
    series: BTreeMap<String, f64>,
}

/// Scrapes what is served there.
pub async fn scrape(address: SocketAddr) -> Metrics {
    let answer = http::send(address, Method::GET, "/metrics", &[], String::new()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let series = answer.body.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        (sorted(series), value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
    });
    Metrics { series: series.collect(), text: answer.body }
}

/// A series with its labels in order.
fn sorted(series: &str) -> String {
    let Some((name, labels)) = series.trim_end_matches('}').split_once('{') else { return series.into() };
    let mut labels: Vec<&str> = labels.split("\",").map(|label| label.trim_end_matches('"')).collect();
    labels.sort_unstable();
    let labels: Vec<String> =
        labels.into_iter().filter(|label| !label.is_empty()).map(|label| format!("{label}\"")).collect();
    if labels.is_empty() { name.into() } else { format!("{name}{{{}}}", labels.join(",")) }
}

impl Metrics {
    /// A series' value; nothing when it is not served. Labels in any order.
    pub fn get(&self, series: &str) -> Option<f64> {
        self.series.get(&sorted(series)).copied()
    }

    /// The names of all metrics.
    pub fn names(&self) -> Vec<&str> {
        let types = self.text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        types.filter_map(|line| line.split(' ').next()).collect()
    }

    /// Every series of this name whose value is not 0, with its labels.
    pub fn nonzero(&self, name: &str) -> Vec<(String, f64)> {
        let of_name = |series: &str| series.split('{').next() == Some(name);
        let series = self.series.iter().filter(|(series, value)| of_name(series) && **value != 0.0);
        series.map(|(series, value)| (series[name.len()..].to_owned(), *value)).collect()
    }

    /// Every series and its labels.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.series.keys().map(String::as_str)
    }
}

impl TestApp {
    /// Scrapes the service.
    pub async fn scrape(&self) -> Metrics {
        scrape(self.metrics).await
    }

    /// Waits until a series has this value; panics after 30 seconds. Answers everything as of then.
    pub async fn wait_for_metric(&self, series: &str, value: f64) -> Metrics {
        let mut last = None;
        for _ in 0..600 {
            let metrics = self.scrape().await;
            last = metrics.get(series);
            if last == Some(value) {
                return metrics;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("{series} was {last:?} and not {value}");
    }
}
