//! The mailbox that reports arrive in, read over IMAP (RFC 3501). A message leaves the folder that is read once what follows
//! from it is committed, and not before; none is ever deleted. Whatever breaks in between, it is read again, which changes
//! nothing (invariant 12), also by two processes at a time.

mod connection;

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use chrono::Utc;
use sqlx::PgPool;
use tokio::{sync::watch, time::sleep};

use crate::{
    app::{
        follow_mailbox::{self, Claim},
        take_bounce::{Addressee, Recognition, TakeError, take_bounce},
    },
    config::BounceMailbox,
    domain::bounce::BounceKind,
    inbound::taken,
};

use self::connection::{Connection, Folder, Trouble};

/// Messages that are moved away together.
const BATCH: usize = 20;
/// How long new messages are waited for until it is looked again. Some come without a word (RFC 2177 asks for less than 29
/// minutes).
const LOOK_AGAIN: Duration = Duration::from_mins(2);
/// How long until the next attempt after the line broke; each further one waits twice as long.
const SOONEST: Duration = Duration::from_secs(2);
const LATEST: Duration = Duration::from_mins(5);
/// How long until it is looked again whether another process still reads the mailbox.
const CLAIM_AGAIN: Duration = Duration::from_secs(5);
/// A message at which the line breaks so often in a row is passed over.
const BREAKS: u32 = 3;
/// How long a message waits in its folder that could not be taken.
const PUT_OFF: Duration = Duration::from_hours(1);

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
        put_off: HashSet::new(),
        put_off_since: Instant::now(),
        reading: None,
        trouble: None,
    };
    tokio::select! {
        () = reader.run() => {}
        // What is cut off here is read again.
        () = async { drop(stop.wait_for(|stop| *stop).await) } => {}
    }
}

struct Reader {
    mailbox: BounceMailbox,
    pool: PgPool,
    recognition: Recognition,
    /// What the numbers below belong to (RFC 3501 §2.3.1.1).
    validity: Option<u32>,
    /// Messages that could not be taken.
    put_off: HashSet<u32>,
    put_off_since: Instant,
    /// The message that is being read, and the how-manieth time in a row.
    reading: Option<(u32, u32)>,
    /// What was wrong last; nothing while all is well.
    trouble: Option<String>,
}

impl Reader {
    async fn run(&mut self) {
        let mut wait = SOONEST;
        loop {
            let begun = Instant::now();
            let Err(trouble) = self.hold().await;
            if begun.elapsed() > LATEST {
                wait = SOONEST;
            }
            self.tell(&trouble).await;
            sleep(wait).await;
            wait = (wait * 2).min(LATEST);
        }
    }

    /// Takes in what there is and what comes, until something breaks.
    async fn hold(&mut self) -> Result<std::convert::Infallible, Trouble> {
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
            self.reading = None;
        }
        loop {
            self.take_in_all(&mut connection, &mut claim).await?;
            self.is_well().await?;
            connection = connection.wait(LOOK_AGAIN).await?;
        }
    }

    async fn take_in_all(&mut self, connection: &mut Connection, claim: &mut Claim) -> Result<(), Trouble> {
        if self.put_off_since.elapsed() > PUT_OFF {
            self.put_off.clear();
            self.put_off_since = Instant::now();
        }
        loop {
            claim.holds().await?;
            let mut waiting = connection.waiting().await?;
            waiting.retain(|message| !self.put_off.contains(message));
            waiting.truncate(BATCH);
            if waiting.is_empty() {
                return Ok(());
            }
            let (mut done, mut unrecognised) = (Vec::new(), Vec::new());
            for message in waiting {
                match self.take(connection, message).await? {
                    Some(Folder::Done) => done.push(message),
                    Some(Folder::Unrecognised) => unrecognised.push(message),
                    None => drop(self.put_off.insert(message)),
                }
            }
            connection.move_to(Folder::Done, &done).await?;
            connection.move_to(Folder::Unrecognised, &unrecognised).await?;
        }
    }

    /// Takes one message in; answers where it belongs now. Nothing: it stays, and is read again later.
    async fn take(&mut self, connection: &mut Connection, message: u32) -> Result<Option<Folder>, Trouble> {
        let times = self.reading.filter(|(last, _)| *last == message).map_or(1, |(_, times)| times + 1);
        if times > BREAKS {
            self.reading = None;
            tracing::warn!(
                message,
                "the line broke again and again at this message of the mailbox; it is passed over for now"
            );
            return Ok(None);
        }
        self.reading = Some((message, times));
        let text = connection.read(message).await?;
        self.reading = None;
        // Nothing: somebody else has moved it.
        let Some(text) = text else { return Ok(None) };
        loop {
            let taking =
                take_bounce(&self.pool, &self.recognition, Addressee::Anybody, text.clone(), Utc::now());
            return match taking.await {
                Ok(taken) => {
                    taken::tell(taken);
                    let says_something = taken.is_recognised && taken.kind != BounceKind::Unrecognised;
                    Ok(Some(if says_something { Folder::Done } else { Folder::Unrecognised }))
                }
                Err(TakeError::Full) => {
                    taken::tell_full();
                    Ok(None)
                }
                Err(TakeError::Busy(_)) => {
                    sleep(Duration::from_secs(1)).await;
                    continue;
                }
                Err(TakeError::Database(error)) => Err(error.into()),
            };
        }
    }

    async fn is_well(&mut self) -> Result<(), Trouble> {
        follow_mailbox::was_read(&self.pool, Utc::now()).await?;
        if self.trouble.take().is_some() {
            tracing::info!("the mailbox for what comes back is read again");
        }
        Ok(())
    }

    /// Tells what is wrong, once for as long as it stays the same.
    async fn tell(&mut self, trouble: &Trouble) {
        let words = trouble.to_string();
        if self.trouble.as_ref() != Some(&words) {
            tracing::warn!(
                trouble = words,
                "the mailbox for what comes back cannot be read; it is tried again"
            );
        }
        if let Err(error) = follow_mailbox::was_not_read(&self.pool, &words, Utc::now()).await {
            tracing::debug!(%error, "nor can that be recorded");
        }
        self.trouble = Some(words);
    }
}
