//! HTTP requests as browsers, mail programs and link scanners send them.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request, StatusCode, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

/// An answer of the service.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// A header as text; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The value of the first field of the form with this name.
    pub fn field(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let from = self.body.find(&start).unwrap_or_else(|| panic!("no field {name} in {}", self.body));
        let rest = &self.body[from + start.len()..];
        rest[..rest.find('"').unwrap()].replace("&amp;", "&")
    }

    /// Where the first form of the page goes.
    pub fn form_action(&self) -> String {
        let start = "action=\"";
        let from = self.body.find(start).unwrap_or_else(|| panic!("no form in {}", self.body));
        let rest = &self.body[from + start.len()..];
        rest[..rest.find('"').unwrap()].replace("&amp;", "&")
    }

    /// Whether this leads to "check your mailbox" in this language. What else its address says is sealed.
    pub fn leads_to_mailbox(&self, lang: &str) -> bool {
        let start = format!("/check-mailbox?lang={lang}&to=");
        self.status == 303
            && self.header("location").strip_prefix(&start).is_some_and(|token| token.len() > 40)
    }

    /// The page's heading.
    pub fn heading(&self) -> &str {
        let from = self.body.find("<h1>").map_or(0, |at| at + 4);
        let to = self.body[from..].find("</h1>").map_or(from, |at| from + at);
        &self.body[from..to]
    }
}

/// Sends one request on a connection of its own.
pub async fn send(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    send_bytes(address, method, path, &headers, body).await
}

/// The same of a service that may be gone; then nothing.
pub async fn try_send(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Option<Answer> {
    let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    exchange(address, method, path, &headers, body).await.ok()
}

/// The same with headers that need be no text.
pub async fn send_bytes(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &[u8])],
    body: impl Into<Bytes>,
) -> Answer {
    exchange(address, method, path, headers, body).await.expect("the service answers")
}

async fn exchange(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &[u8])],
    body: impl Into<Bytes>,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
    let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = client.request(request.body(Full::new(body.into()))?).await?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}
