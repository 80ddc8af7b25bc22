//! A browser on the staff pages: it keeps cookies and sends `Origin`.

use std::{collections::BTreeMap, net::SocketAddr, sync::Mutex};

use axum::http::{Method, header};
use chrono::Utc;
use rundbrief::{
    app::members::give_password,
    domain::{
        actor::Actor,
        address::EmailAddress,
        ids::StaffId,
        staff::{
            Role,
            password::{NewPassword, Passwords},
            session,
        },
    },
};
use tokio::sync::OnceCell;

use super::{Answer, TestApp, http};

/// The password of every member that tests make.
pub const PASSWORD: &str = "Kamel tanzt auf Nebelhorn";

/// Its cookies, and the service it is on.
pub struct Browser<'a> {
    app: &'a TestApp,
    /// Another process of the same service that it is on.
    process: Option<SocketAddr>,
    jar: Mutex<BTreeMap<String, String>>,
}

/// A member that a test made.
#[derive(Debug, Clone)]
pub struct Member {
    /// Their id.
    pub id: StaffId,
    /// Their address.
    pub email: String,
    /// What they may do.
    pub role: Role,
}

impl Member {
    /// Them, for the audit log.
    pub fn actor(&self) -> Actor {
        Actor::Member { id: self.id, email: self.email.clone(), role: self.role }
    }
}

impl TestApp {
    /// A browser without cookies.
    pub fn browser(&self) -> Browser<'_> {
        Browser { app: self, process: None, jar: Mutex::default() }
    }

    /// Makes a member who can log in with [`PASSWORD`].
    pub async fn member(&self, email: &str, role: Role) -> Member {
        static HASH: OnceCell<String> = OnceCell::const_new();
        let hash = HASH.get_or_init(|| async {
            Passwords::default().hash(&NewPassword::check(PASSWORD, &[]).unwrap()).await.unwrap()
        });
        let hash = hash.await;
        let (address, now) = (EmailAddress::parse(email).unwrap(), Utc::now());
        let account = (&address, "Ada Muster", role);
        let id = give_password(&self.pool, &Actor::Command, account, hash, now).await.unwrap();
        Member { id, email: email.to_owned(), role }
    }

    /// A browser with a session of this member, without the way through the login.
    pub async fn browser_of(&self, member: &Member) -> Browser<'_> {
        let browser = self.browser();
        let mut db = self.pool.acquire().await.unwrap();
        let token = session::begin(&mut db, member.id, false, "Test", Utc::now()).await.unwrap();
        browser.set_cookie("__Host-rundbrief", &token.reveal());
        browser
    }

    /// The actions in the audit log, oldest first.
    pub async fn actions(&self) -> Vec<String> {
        sqlx::query_scalar("select action from audit_log order by id").fetch_all(&self.pool).await.unwrap()
    }
}

impl Browser<'_> {
    /// On another process of the same service.
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.process = Some(address);
        self
    }

    /// GET, as a German browser.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    /// POST of a form from a page of ours.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.send(Method::POST, path, &[("sec-fetch-site", "same-origin")], &form).await
    }

    /// Any request, with its cookies; keeps those of the answer.
    pub async fn send(&self, method: Method, path: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let cookies = self.cookies();
        let mut headers = vec![
            ("accept-language", "de"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ];
        if !cookies.is_empty() {
            headers.push(("cookie", &cookies));
        }
        headers.extend(more);
        let answer =
            http::send(self.process.unwrap_or(self.app.address), method, path, &headers, body.to_owned())
                .await;
        for line in answer.headers.get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.set_cookie(name, value);
        }
        answer
    }

    /// Sends a file and texts, as a form does (RFC 7578) or as the script does, which wants JSON: a picture, or what the text
    /// `filename` calls a file.
    pub async fn upload(&self, path: &str, file: &[u8], fields: &[(&str, &str)], wants_json: bool) -> Answer {
        const BOUNDARY: &str = "----a-line-that-is-in-no-file";
        let mut body = Vec::new();
        for (name, value) in fields {
            body.extend(
                format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                    .bytes(),
            );
        }
        // What a file is said to be is of no account, and neither is what a picture is called.
        let (field, file_name) = match fields.iter().find(|(name, _)| *name == "filename") {
            Some((_, file_name)) => ("file", *file_name),
            None => ("image", "../../a.svg"),
        };
        let head = format!(
            "content-disposition: form-data; name=\"{field}\"; filename=\"{file_name}\"\r\ncontent-type: text/html"
        );
        body.extend(format!("--{BOUNDARY}\r\n{head}\r\n\r\n").bytes());
        body.extend(file);
        body.extend(format!("\r\n--{BOUNDARY}--\r\n").bytes());
        let media_type = format!("multipart/form-data; boundary={BOUNDARY}");
        let headers = [
            ("accept-language", "de"),
            ("accept", if wants_json { "application/json" } else { "text/html" }),
            ("content-type", media_type.as_str()),
            ("sec-fetch-site", "same-origin"),
            ("cookie", &self.cookies()),
        ];
        http::send(self.process.unwrap_or(self.app.address), Method::POST, path, &headers, body).await
    }

    /// Sends address and password.
    pub async fn log_in(&self, email: &str, password: &str) -> Answer {
        self.post("/staff/login", &[("email", email), ("password", password)]).await
    }

    /// Sets a cookie; takes it away when the value is empty.
    pub fn set_cookie(&self, name: &str, value: &str) {
        let mut jar = self.jar.lock().unwrap();
        if value.is_empty() {
            jar.remove(name);
        } else {
            jar.insert(name.to_owned(), value.to_owned());
        }
    }

    /// A cookie's value; empty when it is not there.
    pub fn cookie(&self, name: &str) -> String {
        self.jar.lock().unwrap().get(name).cloned().unwrap_or_default()
    }

    fn cookies(&self) -> String {
        let jar = self.jar.lock().unwrap();
        jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }
}
