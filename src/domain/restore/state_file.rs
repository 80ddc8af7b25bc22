//! What is remembered of the database outside of it, in the state folder.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What the processes of this machine have seen of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Which one.
    pub database: Uuid,
    /// How often held mailings had been released there.
    pub releases: i64,
    /// The highest value that each writer has seen answered.
    pub watermarks: BTreeMap<Uuid, SeenValue>,
}

/// A value that was seen answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenValue {
    /// The value.
    pub value: i64,
    /// When.
    pub at: DateTime<Utc>,
}

/// Writers remembered at most; those that were heard of last.
const MOST: usize = 32;

impl Remembered {
    /// This, and what another process of the same machine remembers of the same database.
    fn with(mut self, other: Self) -> Self {
        if (other.database, other.releases) == (self.database, self.releases) {
            for (id, seen) in other.watermarks {
                let known = self.watermarks.entry(id).or_insert(seen);
                known.value = known.value.max(seen.value);
                known.at = known.at.max(seen.at);
            }
        }
        let mut times: Vec<DateTime<Utc>> = self.watermarks.values().map(|seen| seen.at).collect();
        times.sort_unstable();
        if let Some(oldest) = times.len().checked_sub(MOST) {
            self.watermarks.retain(|_, seen| seen.at >= times[oldest]);
        }
        self
    }
}

/// The file that several processes of one machine share.
pub struct StateFile(PathBuf);

impl StateFile {
    /// In this folder, which is made if it is not there.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn in_folder(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let file = Self(dir.join("database.json"));
        file.locked()?;
        Ok(file)
    }

    /// What it says; nothing when there is none yet, or when it cannot be understood.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(&self) -> io::Result<Option<Remembered>> {
        match fs::read(&self.0) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(remembered) => Ok(Some(remembered)),
                Err(error) => {
                    tracing::warn!(file = %self.0.display(), %error, "what was remembered of the database cannot be understood; going by the database alone");
                    Ok(None)
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds what this process has seen. A reader finds the old file or the new one, whatever is killed when.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, remembered: &Remembered) -> io::Result<()> {
        let _lock = self.locked()?;
        let all = match self.read()? {
            Some(before) => remembered.clone().with(before),
            None => remembered.clone(),
        };
        let new = self.0.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(&all)?)?;
        file.sync_data()?;
        fs::rename(new, &self.0)
    }

    /// Keeps other processes out until it is dropped.
    fn locked(&self) -> io::Result<File> {
        let path = self.0.with_extension("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        file.lock()?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn remembered(releases: i64, seen: &[(u128, i64)]) -> Remembered {
        let seen = seen.iter().map(|(id, value)| {
            let at = DateTime::UNIX_EPOCH + TimeDelta::seconds(*value);
            (Uuid::from_u128(*id), SeenValue { value: *value, at })
        });
        Remembered { database: Uuid::from_u128(1), releases, watermarks: seen.collect() }
    }

    #[test]
    fn processes_of_one_machine_add_to_what_the_others_remember() {
        let both = remembered(0, &[(7, 5), (8, 2)]).with(remembered(0, &[(7, 3), (9, 4)]));
        assert_eq!(both, remembered(0, &[(7, 5), (8, 2), (9, 4)]));
        let later = remembered(1, &[(8, 2)]).with(remembered(0, &[(7, 3)]));
        assert_eq!(later, remembered(1, &[(8, 2)]), "of before the release nothing is kept");
    }

    #[test]
    fn those_heard_of_last_are_kept() {
        let many: Vec<(u128, i64)> = (0..100).map(|n| (n, i64::try_from(n).unwrap())).collect();
        let kept = remembered(0, &many).with(remembered(0, &[]));
        assert_eq!(kept.watermarks.len(), MOST);
        assert!(kept.watermarks.contains_key(&Uuid::from_u128(99)));
    }
}
