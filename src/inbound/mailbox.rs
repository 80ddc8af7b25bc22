//! The mailbox that reports arrive in, read over IMAP (RFC 3501). A message leaves the folder that is read once what follows
//! from it is committed, and not before; none is ever deleted. Whatever breaks in between, it is read again, which changes
//! nothing (invariant 12).

mod connection;
mod dialogue;
mod trouble;

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    time::{Duration, Instant},
};

use chrono::Utc;
use sqlx::PgPool;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    app::{
        follow_mailbox::{self, Claim},
        off_runtime::Busy,
        take_bounce::{Addressee, Recognition, TakeError, take_bounce},
    },
    config::BounceMailbox,
    domain::bounce::BounceKind,
};

use self::{
    connection::{Connection, Folder, Moved},
    trouble::Trouble,
};

/// How long new messages are waited for until it is looked again. Some come without a word (RFC 2177 asks for less than 29
/// minutes).
const LOOK_AGAIN: Duration = Duration::from_mins(2);
/// Between two looks, whatever the server says.
const PAUSE: Duration = Duration::from_secs(1);
/// After so many messages it is noted that the mailbox is read, and looked whether the claim holds.
const PART: usize = 50;
/// How long until the next attempt after the line broke; each further one waits twice as long.
const SOONEST: Duration = Duration::from_secs(2);
const LATEST: Duration = Duration::from_mins(5);
/// How long until it is looked again whether another process still reads the mailbox.
const CLAIM_AGAIN: Duration = Duration::from_secs(5);
/// How long the database may take to say whether the claim holds.
const CLAIM_WITHIN: Duration = Duration::from_secs(10);
/// A message that was begun so often and never came to an end is passed over.
const ATTEMPTS: u32 = 3;
/// How long a message waits in its folder that was passed over.
const PUT_OFF: Duration = Duration::from_hours(1);
/// How often it is noted that somebody wants the mailbox to be read.
const WANTED_EVERY: Duration = Duration::from_mins(1);

/// Reads the mailbox until `stop` turns true.
pub async fn run(
    mailbox: BounceMailbox,
    pool: PgPool,
    recognition: Recognition,
    mut stop: watch::Receiver<bool>,
) {
    let mut reader = Reader {
        mailbox,
        pool,
        recognition,
        validity: None,
        put_off: HashMap::new(),
        attempts: HashMap::new(),
        trouble: None,
    };
    tokio::select! {
        () = reader.run() => {}
        // What is cut off here is read again.
        () = async { drop(stop.wait_for(|stop| *stop).await) } => {}
    }
}

/// Notes that the mailbox is to be read, until `stop` turns true: beside the reading, so that somebody is told also when that
/// hangs or has died.
pub async fn want(pool: PgPool, mut stop: watch::Receiver<bool>) {
    loop {
        if let Err(error) = follow_mailbox::is_wanted(&pool, Utc::now()).await {
            tracing::debug!(%error, "that the mailbox is to be read cannot be noted");
        }
        let stopped = async { drop(stop.wait_for(|stop| *stop).await) };
        if timeout(WANTED_EVERY, stopped).await.is_ok() {
            return;
        }
    }
}

struct Reader {
    mailbox: BounceMailbox,
    pool: PgPool,
    recognition: Recognition,
    /// What the numbers below belong to (RFC 3501 §2.3.1.1).
    validity: Option<u32>,
    /// Messages that are passed over, and since when.
    put_off: HashMap<u32, Instant>,
    /// How often a message was begun that did not come to an end yet.
    attempts: HashMap<u32, u32>,
    /// What was wrong last; nothing while all is well.
    trouble: Option<Trouble>,
}

impl Reader {
    async fn run(&mut self) {
        let mut wait = SOONEST;
        loop {
            let was_in_trouble = self.trouble.is_some();
            let Err(trouble) = self.hold().await;
            // All was well in between.
            if !was_in_trouble || self.trouble.is_none() {
                wait = SOONEST;
            }
            self.tell(trouble).await;
            sleep(wait).await;
            wait = (wait * 2).min(LATEST);
        }
    }

    /// Takes in what there is and what comes, until something breaks.
    async fn hold(&mut self) -> Result<Infallible, Trouble> {
        let mut claim = loop {
            match follow_mailbox::claim(&self.pool).await? {
                Some(claim) => break claim,
                None => sleep(CLAIM_AGAIN).await,
            }
        };
        let mut connection = connection::open(&self.mailbox).await?;
        if self.validity != connection.validity {
            self.validity = connection.validity;
            self.put_off.clear();
            self.attempts.clear();
        }
        loop {
            match self.take_in_all(&mut connection, &mut claim).await? {
                None => self.is_well().await?,
                // The line is good, and the rest was read.
                Some(unmoved) => self.tell(unmoved).await,
            }
            sleep(PAUSE).await;
            connection.wait(LOOK_AGAIN).await?;
        }
    }

    /// Takes in what waits; answers what kept some messages from being moved.
    async fn take_in_all(
        &mut self,
        connection: &mut Connection,
        claim: &mut Claim,
    ) -> Result<Option<Trouble>, Trouble> {
        self.put_off.retain(|_, since| since.elapsed() < PUT_OFF);
        let (mut unmoved, mut moved, mut count) = (None, HashSet::new(), 0_usize);
        let mut is_full = false;
        loop {
            still_holds(claim).await?;
            let mut waiting = connection.waiting().await?;
            waiting.retain(|message| !self.put_off.contains_key(message));
            if waiting.is_empty() {
                return Ok(unmoved);
            }
            for message in waiting {
                count += 1;
                if count.is_multiple_of(PART) {
                    still_holds(claim).await?;
                    follow_mailbox::was_read(&self.pool, Utc::now()).await?;
                }
                let outcome = if moved.contains(&message) {
                    let why = "it says that it has moved them, and shows them again".to_owned();
                    Some(Moved::Refused("another folder".to_owned(), why))
                } else {
                    match self.take(connection, message, &mut is_full).await? {
                        Some(folder) => Some(connection.move_to(folder, message).await?),
                        None => None,
                    }
                };
                match outcome {
                    Some(Moved::Away) => {
                        self.attempts.remove(&message);
                        moved.insert(message);
                    }
                    Some(Moved::Refused(to, why)) => {
                        unmoved = Some(Trouble::NotMoved(to, why));
                        self.pass_over(message);
                    }
                    None => self.pass_over(message),
                }
            }
        }
    }

    fn pass_over(&mut self, message: u32) {
        self.attempts.remove(&message);
        self.put_off.insert(message, Instant::now());
    }

    /// Takes one message in; answers where it belongs now. Nothing: it is passed over for now, and stays.
    async fn take(
        &mut self,
        connection: &mut Connection,
        message: u32,
        is_full: &mut bool,
    ) -> Result<Option<Folder>, Trouble> {
        let attempts = self.attempts.entry(message).or_default();
        *attempts += 1;
        if *attempts > ATTEMPTS {
            tracing::warn!(
                message,
                "a message of the mailbox came to no end again and again; it is passed over for now"
            );
            return Ok(None);
        }
        let Some(text) = connection.read(message).await? else {
            tracing::info!(message, "a message of the mailbox is gone, or the server does not hand it out");
            return Ok(None);
        };
        for pause in [1, 5, 20] {
            let taking =
                take_bounce(&self.pool, &self.recognition, Addressee::Anybody, text.clone(), Utc::now());
            match taking.await {
                Ok(taken) => {
                    taken.log("mailbox");
                    let says_something = taken.is_recognised && taken.kind != BounceKind::Unrecognised;
                    return Ok(Some(if says_something { Folder::Done } else { Folder::Unrecognised }));
                }
                Err(TakeError::Full) => {
                    if !std::mem::replace(is_full, true) {
                        TakeError::log_full();
                    }
                    return Ok(None);
                }
                Err(TakeError::Busy(Busy::TooMuch)) => sleep(Duration::from_secs(pause)).await,
                Err(TakeError::Busy(panicked @ Busy::Panicked(_))) => {
                    tracing::error!(message, error = %panicked, "a message of the mailbox cannot be read; it is passed over for now");
                    return Ok(None);
                }
                Err(TakeError::Database(error)) => return Err(error.into()),
            }
        }
        tracing::warn!(message, "a message of the mailbox takes too long to read; it is passed over for now");
        Ok(None)
    }

    async fn is_well(&mut self) -> Result<(), Trouble> {
        follow_mailbox::was_read(&self.pool, Utc::now()).await?;
        if self.trouble.take().is_some() {
            tracing::info!("the mailbox for what comes back is read again");
        }
        Ok(())
    }

    /// Tells what is wrong, once for as long as it is of the same kind: a server's words differ each time.
    async fn tell(&mut self, trouble: Trouble) {
        let words = trouble.to_string();
        let kind = std::mem::discriminant(&trouble);
        if self.trouble.as_ref().map(std::mem::discriminant) != Some(kind) {
            tracing::warn!(
                trouble = words,
                "the mailbox for what comes back cannot be read; it is tried again"
            );
        }
        if let Err(error) = follow_mailbox::was_not_read(&self.pool, &words, Utc::now()).await {
            tracing::debug!(%error, "nor can that be recorded");
        }
        self.trouble = Some(trouble);
    }
}

async fn still_holds(claim: &mut Claim) -> Result<(), Trouble> {
    match timeout(CLAIM_WITHIN, claim.holds()).await {
        Ok(holds) => Ok(holds?),
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()).into()),
    }
}
