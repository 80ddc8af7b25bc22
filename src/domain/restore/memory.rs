//! What a process remembers of the database, and how it looks whether that is still true.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{TimeDelta, Utc};
use sqlx::{ConnectOptions, PgConnection, PgPool};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use uuid::Uuid;

use crate::domain::watermark::{self, Watermark};

use super::{Checked, Hold, Remembered, SeenValue, WAY_OUT, check, state_file::StateFile};

/// What this process remembers of its database. One a process, shared by everything that runs in it.
pub struct Memory {
    file: Option<StateFile>,
    state: Mutex<State>,
    /// One looks at a time.
    looking: tokio::sync::Mutex<()>,
    /// Counts how often mailings were held or released: claims of before are given up then.
    turns: watch::Sender<u64>,
    /// Told whenever a connection goes back to the pool: something may have been committed.
    pub released: Arc<Notify>,
}

struct State {
    remembered: Option<Remembered>,
    /// The server, by its start, on which everything was found to be there.
    found_on: Option<i64>,
    /// Since when that is so.
    found_at: Option<Instant>,
    hold: Option<Hold>,
    /// This process's own watermark.
    own: Watermark,
    is_saved: bool,
    saved_at: Option<Instant>,
}

/// How often a sign of life is written while nothing else happens.
const BEAT: Duration = Duration::from_secs(5);
/// How often it is looked whether held mailings were released.
const LOOK_WHILE_HELD: Duration = Duration::from_secs(1);
/// Between two beats, however much is committed.
const GAP: Duration = Duration::from_millis(50);
/// The state file is written so often at most.
const SAVE_EVERY: Duration = Duration::from_secs(1);
const HALF_A_MINUTE: Duration = Duration::from_secs(30);
/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(10);

impl Memory {
    /// What the state folder says. A folder that cannot be used is told, and the database's own memory has to do.
    #[must_use]
    pub fn open(dir: &Path) -> Self {
        let opened = StateFile::in_folder(dir).and_then(|file| Ok((file.read()?, file)));
        let (remembered, file) = match opened {
            Ok((remembered, file)) => (remembered, Some(file)),
            Err(error) => {
                tracing::warn!(
                    folder = %dir.display(), %error,
                    "the state folder cannot be used, so an old backup is known only by what the database itself remembers; STATE_DIR chooses another folder"
                );
                (None, None)
            }
        };
        let own = Watermark { id: Uuid::now_v7(), value: 1 };
        let state = State {
            remembered,
            found_on: None,
            found_at: None,
            hold: None,
            own,
            is_saved: true,
            saved_at: None,
        };
        Self {
            file,
            state: Mutex::new(state),
            looking: tokio::sync::Mutex::default(),
            turns: watch::Sender::new(0),
            released: Arc::default(),
        }
    }

    /// Verifies that this connection leads to the database that is remembered; to be asked on every connection before
    /// something of a mailing is moved over it. Cheap on a server on which that was found before.
    ///
    /// # Errors
    /// When the database fails; nothing is known then.
    pub async fn verify(&self, db: &mut PgConnection) -> sqlx::Result<()> {
        let server = this_server(&mut *db).await?;
        if self.state().found_on == Some(server) {
            return Ok(());
        }
        self.check(db).await
    }

    async fn check(&self, db: &mut PgConnection) -> sqlx::Result<()> {
        let _one_at_a_time = self.looking.lock().await;
        let (remembered, own) = {
            let state = self.state();
            (state.remembered.clone(), state.own)
        };
        let server = this_server(&mut *db).await?;
        let Checked { database, releases, hold } =
            check(db, remembered.as_ref(), (own.id, own.value)).await?;
        let mut state = self.state();
        let before = std::mem::replace(&mut state.hold, hold);
        if let Some(hold) = hold {
            // What is remembered stays as it is: somebody may bring the right database back.
            state.found_on = None;
            if before.is_none() {
                say(&hold);
                self.turns.send_modify(|turns| *turns += 1);
            }
            return Ok(());
        }
        if state.found_on.replace(server) != Some(server) {
            state.found_at = Some(Instant::now());
        }
        let is_known = |known: &Remembered| (known.database, known.releases) == (database, releases);
        if !state.remembered.as_ref().is_some_and(is_known) {
            state.remembered = Some(Remembered { database, releases, watermarks: BTreeMap::new() });
        }
        let seen = SeenValue { value: own.value, at: Utc::now() };
        if let Some(remembered) = &mut state.remembered {
            remembered.watermarks.insert(own.id, seen);
        }
        state.is_saved = false;
        drop(state);
        if before.is_some() {
            tracing::info!("mailings are no longer held; they go on");
            self.turns.send_modify(|turns| *turns += 1);
        }
        Ok(())
    }

    /// A watermark for another writer of this process.
    pub async fn register(&self, db: &mut PgConnection) -> sqlx::Result<Watermark> {
        let watermark = watermark::make(db).await?;
        let mut state = self.state();
        if state.hold.is_none()
            && let Some(remembered) = &mut state.remembered
        {
            remembered.watermarks.insert(watermark.id, SeenValue { value: watermark.value, at: Utc::now() });
        }
        Ok(watermark)
    }

    /// A commit was answered that gave this watermark its value.
    pub fn saw(&self, watermark: Watermark) {
        let mut state = self.state();
        // On a database on which mailings are held, nothing of the remembered one is seen.
        if state.hold.is_none()
            && let Some(known) = state.remembered.as_mut().and_then(|r| r.watermarks.get_mut(&watermark.id))
        {
            *known = SeenValue { value: known.value.max(watermark.value), at: Utc::now() };
            state.is_saved = false;
        }
    }

    /// The hold on mailings, as this process last saw it.
    #[must_use]
    pub fn hold(&self) -> Option<Hold> {
        self.state().hold
    }

    /// How long ago another process may have given its last sign of life to be waited for on a server that it has not
    /// looked at yet. Right after the server has changed that is long, because all of them may have been without one for
    /// as long as the change took; who has not looked within half a minute then is dead.
    #[must_use]
    pub fn waits_for(&self) -> TimeDelta {
        let has_just_changed = self.state().found_at.is_none_or(|at| at.elapsed() < HALF_A_MINUTE);
        if has_just_changed { TimeDelta::hours(1) } else { TimeDelta::seconds(30) }
    }

    /// Changes whenever mailings are held or released.
    #[must_use]
    pub fn turns(&self) -> watch::Receiver<u64> {
        self.turns.subscribe()
    }

    /// Writes signs of life and what is remembered, until `stopping` turns true. While the database is away, tries again.
    pub async fn keep(&self, pool: &PgPool, mut stopping: watch::Receiver<bool>) {
        while !*stopping.borrow() {
            let options = pool.connect_options();
            let kept =
                match timeout(PATIENCE, options.connect()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
                    Ok(mut db) => self.keep_over(&mut db, &mut stopping).await,
                    Err(error) => Err(error),
                };
            self.save(true);
            if let Err(error) = kept {
                tracing::debug!(%error, "no sign of life can be written at the moment; trying again");
                let _ = timeout(Duration::from_secs(1), stopping.wait_for(|stopping| *stopping)).await;
            }
        }
    }

    async fn keep_over(
        &self,
        db: &mut PgConnection,
        stopping: &mut watch::Receiver<bool>,
    ) -> sqlx::Result<()> {
        watermark::forget_old(&mut *db).await?;
        loop {
            timeout(PATIENCE, self.beat(&mut *db)).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
            self.save(false);
            let position = patiently(position(&mut *db)).await?;
            let next = Instant::now() + if self.state().hold.is_some() { LOOK_WHILE_HELD } else { BEAT };
            sleep(GAP).await;
            loop {
                tokio::select! {
                    () = tokio::time::sleep_until(next.into()) => break,
                    () = self.released.notified() => {}
                    () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => {
                        self.beat(&mut *db).await?;
                        // Nobody waits for a process that has ended.
                        let own = self.state().own.id;
                        sqlx::query!("update watermarks set server = null where id = $1", own).execute(db).await?;
                        return Ok(());
                    }
                }
                // Most connections that come back have only read.
                if patiently(self::position(&mut *db)).await? != position {
                    break;
                }
                sleep(GAP).await;
            }
        }
    }

    /// Commits a sign of life: whoever finds it finds everything that was committed before. Where something has changed,
    /// looks anew.
    async fn beat(&self, db: &mut PgConnection) -> sqlx::Result<()> {
        let (own, known) = {
            let state = self.state();
            let known =
                state.remembered.as_ref().map(|remembered| (remembered.database, remembered.releases));
            (state.own, known.filter(|_| state.found_on.is_some()))
        };
        let Some((database, releases)) = known else { return self.check(db).await };
        let value = sqlx::query_scalar!(
            "update watermarks w set value = w.value + 1, written_at = now(), server = this_server()
             from database_memory m
             where w.id = $1 and w.value >= $2 and w.written_at > now() - interval '1 hour'
               and m.only_row and m.held_at is null and m.database_id = $3 and m.releases = $4
             returning w.value",
            own.id,
            own.value,
            database,
            releases
        )
        .fetch_optional(&mut *db)
        .await?;
        match value {
            Some(value) => {
                let own = Watermark { value, ..own };
                self.state().own = own;
                self.saw(own);
                Ok(())
            }
            None => self.check(db).await,
        }
    }

    /// Writes the state file, where there is something new.
    fn save(&self, at_once: bool) {
        let mut state = self.state();
        let is_due = at_once || state.saved_at.is_none_or(|at| at.elapsed() >= SAVE_EVERY);
        let (Some(file), false, true, None) = (&self.file, state.is_saved, is_due, state.hold) else {
            return;
        };
        let Some(remembered) = state.remembered.clone() else { return };
        state.is_saved = true;
        state.saved_at = Some(Instant::now());
        drop(state);
        if let Err(error) = file.write(&remembered) {
            tracing::warn!(%error, "the state file cannot be written; an old backup may not be recognised");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection may be dead without a word.
async fn patiently<T>(asked: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    timeout(PATIENCE, asked).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

fn say(hold: &Hold) {
    let last_seen = hold.last_seen.map(|at| at.to_rfc3339());
    tracing::error!(
        found = hold.reason.found(),
        last_seen,
        to_do = WAY_OUT,
        "all mailings are held; confirmations go on"
    );
}

async fn this_server(db: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"select this_server() as "server!""#).fetch_one(db).await
}

/// How far the server has written. Any other value says that something was written since; nothing where it may not be
/// asked.
async fn position(db: &mut PgConnection) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "select case when pg_is_in_recovery() then null else pg_current_wal_insert_lsn()::text end"
    )
    .fetch_one(db)
    .await
}
