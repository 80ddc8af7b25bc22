//! Whether links lead anywhere. Each address is asked once, with HEAD and where that is not understood with GET, and
//! what comes behind the headers is not read.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hyper::Method;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, timeout_at},
};
use url::Url;

use crate::{
    app::public_web::{Answer, NotReached, PublicWeb, REDIRECTS},
    config::PublicUrl,
    domain::{hosted::Hosted, image, shared_file},
    mail::preflight::{Code, Finding, Target},
};

/// How long one address may take, and all of them.
const EACH: Duration = Duration::from_secs(5);
const ALL: Duration = Duration::from_secs(12);

/// Addresses that are asked at the same time.
const AT_ONCE: usize = 10;
/// Addresses of one update that are asked at all.
const MOST: usize = 100;

/// How long an answer is remembered, so that looking again costs nobody anything, and how many are.
const REMEMBERED: Duration = Duration::from_mins(5);
const MEMORY: usize = 1_000;

/// What servers see in their logs: who asks, and why.
const USER_AGENT: &str =
    concat!("Rundbrief/", env!("CARGO_PKG_VERSION"), " (checks the links of a newsletter before it is sent)");

/// What became of asking an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// It is there.
    Fine,
    /// It is not: 404 or 410.
    Dead(u16),
    /// Its name is not known.
    NoHost,
    /// Its name is for examples.
    Example,
    /// It leads to an address that is not public.
    Private,
    /// Nobody answered as they should; the reason is a key of `staff.preflight_value`.
    Unreachable(&'static str),
    /// Its redirects do not end.
    Loop,
    /// The answer says neither: 403, 500 and others, which servers also give to programs that they do not know.
    Uncertain(u16),
    /// It was not asked: another port, or no time.
    Unasked,
}

impl From<NotReached> for LinkState {
    fn from(error: NotReached) -> Self {
        match error {
            NotReached::NoHost => Self::NoHost,
            NotReached::Example => Self::Example,
            NotReached::Private => Self::Private,
            NotReached::NotAsked => Self::Unasked,
            NotReached::Failed(reason) => Self::Unreachable(reason),
        }
    }
}

/// Asks addresses, and remembers for a while what they answered.
pub struct Links(Arc<Asking>);

struct Asking {
    web: PublicWeb,
    known: Mutex<HashMap<Url, (Instant, LinkState)>>,
    places: Semaphore,
}

impl Links {
    /// Asks the public web.
    #[must_use]
    pub fn new(web: PublicWeb) -> Self {
        Self(Arc::new(Asking { web, known: Mutex::default(), places: Semaphore::new(AT_ONCE) }))
    }

    /// Looks at every target; those of our own service without asking. `hosted` knows the pictures and files of ours that the
    /// text names.
    pub async fn check(&self, targets: Vec<Target>, own: &PublicUrl, hosted: &Hosted) -> Vec<Finding> {
        let until = Instant::now() + ALL;
        let mut asked = JoinSet::new();
        let mut states = vec![LinkState::Unasked; targets.len()];
        for (number, target) in targets.iter().enumerate().take(MOST) {
            if let Some(state) = own_state(&target.url, own, hosted) {
                states[number] = state;
                continue;
            }
            let (asking, url) = (Arc::clone(&self.0), target.url.clone());
            asked.spawn(async move { (number, asking.state(url, until).await) });
        }
        while let Some(answered) = asked.join_next().await {
            if let Ok((number, state)) = answered {
                states[number] = state;
            }
        }
        let mut unasked = 0;
        let mut found = Vec::new();
        for (target, state) in targets.iter().zip(states) {
            unasked += usize::from(state == LinkState::Unasked);
            let Some(finding) = finding(&target.url, state) else { continue };
            let finding = finding.at(target.place);
            found.push(target.line.map_or(finding.clone(), |line| finding.in_line(line)));
        }
        if unasked > 0 {
            found.push(Finding::new(Code::LinksUnchecked).with("count", unasked.to_string()));
        }
        found
    }

    /// What becomes of asking one address.
    pub async fn ask(&self, url: &Url) -> LinkState {
        self.0.state(url.clone(), Instant::now() + ALL).await
    }
}

/// What becomes of an address of ours; nothing of those that are not.
fn own_state(url: &Url, own: &PublicUrl, hosted: &Hosted) -> Option<LinkState> {
    if !Url::parse(own.as_str()).is_ok_and(|own| own.origin() == url.origin()) {
        return None;
    }
    let address = own.join(url.path());
    let is_there = if image::file_in(&address, own).is_some() {
        hosted.size(&address).is_some()
    } else if shared_file::file_in(&address, own).is_some() {
        hosted.file(&address).is_some()
    } else {
        true
    };
    Some(if is_there { LinkState::Fine } else { LinkState::Dead(404) })
}

fn finding(url: &Url, state: LinkState) -> Option<Finding> {
    let about = |code| Finding::new(code).with("address", url.as_str());
    match state {
        LinkState::Fine | LinkState::Unasked => None,
        LinkState::Dead(status) => Some(about(Code::LinkDead).with("status", status.to_string())),
        LinkState::NoHost => Some(about(Code::LinkNoHost).with("host", url.host_str().unwrap_or_default())),
        LinkState::Example => Some(about(Code::LinkExample)),
        LinkState::Private => Some(about(Code::LinkPrivate)),
        LinkState::Unreachable(reason) => Some(about(Code::LinkUnreachable).with("reason", reason)),
        LinkState::Loop => Some(about(Code::LinkLoop)),
        LinkState::Uncertain(status) => Some(about(Code::LinkUncertain).with("status", status.to_string())),
    }
}

impl Asking {
    async fn state(&self, mut url: Url, until: Instant) -> LinkState {
        // Not part of what is asked.
        url.set_fragment(None);
        if let Some((at, state)) = self.known().get(&url)
            && at.elapsed() < REMEMBERED
        {
            return *state;
        }
        let Ok(Ok(_place)) = timeout_at(until, self.places.acquire()).await else {
            return LinkState::Unasked;
        };
        let state = match timeout_at(until.min(Instant::now() + EACH), self.follow(url.clone())).await {
            Ok(state) => state,
            Err(_) if Instant::now() >= until => return LinkState::Unasked,
            Err(_) => LinkState::Unreachable("slow"),
        };
        let mut known = self.known();
        if known.len() >= MEMORY {
            known.clear();
        }
        known.insert(url, (Instant::now(), state));
        state
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Url, (Instant, LinkState)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks an address, and those it leads on to.
    async fn follow(&self, mut url: Url) -> LinkState {
        for _ in 0..=REDIRECTS {
            let answer = match self.visit(&url).await {
                Ok(answer) => answer,
                Err(error) => return error.into(),
            };
            match (answer.status.as_u16(), answer.leads_to) {
                (_, Some(next)) => url = next,
                (200..=299, None) => return LinkState::Fine,
                (status @ (404 | 410), None) => return LinkState::Dead(status),
                (status, None) => return LinkState::Uncertain(status),
            }
        }
        LinkState::Loop
    }

    /// One request, or two: what is not understood, or refused, with HEAD is asked for with GET.
    async fn visit(&self, url: &Url) -> Result<Answer, NotReached> {
        let place = self.web.locate(url).await?;
        let answer = self.web.ask(url, &place, Method::HEAD, USER_AGENT, 0).await?;
        if answer.status.is_client_error() || answer.status.is_server_error() {
            return self.web.ask(url, &place, Method::GET, USER_AGENT, 0).await;
        }
        Ok(answer)
    }
}
