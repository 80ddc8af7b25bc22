//! Files that are compiled in: templates, texts, style sheets, scripts.
//!
//! A debug build reads them from the source folder instead, as long as that is there, so that a change to one is seen at the
//! next request, without a compiler. A release build knows no folder.

use std::borrow::Cow;

#[cfg(debug_assertions)]
use std::{
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// A file that is compiled in; made by [`source_file!`](crate::source_file).
#[derive(Debug, Clone, Copy)]
pub struct SourceFile {
    /// Its path from the repository's root.
    #[cfg_attr(not(debug_assertions), expect(dead_code, reason = "read by debug builds alone"))]
    path: &'static str,
    built_in: &'static str,
}

/// The file at a path from the repository's root, as a [`SourceFile`].
#[macro_export]
macro_rules! source_file {
    ($($path:expr),+ $(,)?) => {
        $crate::source::SourceFile::new(
            concat!($($path),+),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $($path),+)),
        )
    };
}

impl SourceFile {
    /// Use [`source_file!`](crate::source_file).
    #[must_use]
    pub const fn new(path: &'static str, built_in: &'static str) -> Self {
        Self { path, built_in }
    }

    /// Its content.
    #[must_use]
    pub fn read(&self) -> Cow<'static, str> {
        #[cfg(debug_assertions)]
        if let Ok(content) = fs::read_to_string(self.on_disk()) {
            return content.into();
        }
        self.built_in.into()
    }

    #[cfg(debug_assertions)]
    fn on_disk(&self) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(self.path)
    }
}

/// What is made of some of these files, such as parsed templates. A debug build makes it anew when one of them has changed.
pub struct Live<T: 'static> {
    first: T,
    #[cfg(debug_assertions)]
    latest: Mutex<Latest<T>>,
}

#[cfg(debug_assertions)]
struct Latest<T: 'static> {
    /// When each file was written when `made` was made.
    written: Vec<Option<SystemTime>>,
    /// When the files were last looked at.
    looked: Instant,
    /// What was made since; nothing while the first is good.
    made: Option<&'static T>,
}

/// One page asks for many texts: the files are looked at once for all of them.
#[cfg(debug_assertions)]
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl<T> Live<T> {
    /// Makes the first.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn new<E>(files: &[SourceFile], make: impl FnOnce() -> Result<T, E>) -> Result<Self, E> {
        #[cfg(debug_assertions)]
        let written = written(files);
        #[cfg(not(debug_assertions))]
        let _ = files;
        Ok(Self {
            first: make()?,
            #[cfg(debug_assertions)]
            latest: Mutex::new(Latest { written, looked: Instant::now(), made: None }),
        })
    }

    /// The newest.
    ///
    /// # Errors
    /// Those of `make`, for as long as the files are broken.
    pub fn current<E>(&self, files: &[SourceFile], make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        #[cfg(debug_assertions)]
        {
            let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
            if latest.looked.elapsed() >= LOOK_EVERY {
                let now = written(files);
                if now != latest.written {
                    // Not freed: others may hold the one before, and nobody saves a file that often.
                    latest.made = Some(Box::leak(Box::new(make()?)));
                    latest.written = now;
                }
                latest.looked = Instant::now();
            }
            Ok(latest.made.unwrap_or(&self.first))
        }
        #[cfg(not(debug_assertions))]
        {
            let _ = (files, make);
            Ok(&self.first)
        }
    }

    /// The newest that could be made.
    pub fn working(&self) -> &T {
        #[cfg(debug_assertions)]
        if let Some(made) = self.latest.lock().unwrap_or_else(PoisonError::into_inner).made {
            return made;
        }
        &self.first
    }
}

#[cfg(debug_assertions)]
fn written(files: &[SourceFile]) -> Vec<Option<SystemTime>> {
    files.iter().map(|file| fs::metadata(file.on_disk()).and_then(|found| found.modified()).ok()).collect()
}

#[cfg(test)]
#[cfg(debug_assertions)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    /// A file of its own, somewhere else: an absolute path stands for itself.
    fn scratch(name: &str, content: &str) -> SourceFile {
        let path = std::env::temp_dir().join(format!("rundbrief-source-{}-{name}", std::process::id()));
        fs::write(&path, content).unwrap();
        SourceFile::new(path.to_str().unwrap().to_owned().leak(), "built in")
    }

    fn write(file: SourceFile, content: &str, later: u64) {
        fs::write(file.on_disk(), content).unwrap();
        let time = SystemTime::now() + Duration::from_secs(later);
        fs::File::options().write(true).open(file.on_disk()).unwrap().set_modified(time).unwrap();
        std::thread::sleep(LOOK_EVERY * 2);
    }

    #[test]
    fn a_file_is_read_from_the_source_folder_and_without_one_from_the_program() {
        let file = scratch("read", "on disk");
        assert_eq!(file.read(), "on disk");
        fs::remove_file(file.on_disk()).unwrap();
        assert_eq!(file.read(), "built in");
    }

    #[test]
    fn what_is_made_of_a_file_is_made_anew_when_it_changes_and_a_broken_one_is_told() {
        let file = scratch("live", "1");
        let make = || file.read().parse::<u32>();
        let live = Live::new(&[file], make).unwrap();
        assert_eq!(live.current(&[file], make), Ok(&1));
        write(file, "2", 1);
        assert_eq!(live.current(&[file], make), Ok(&2));
        write(file, "two", 2);
        assert!(live.current(&[file], make).is_err());
        assert!(live.current(&[file], make).is_err(), "for as long as it is broken");
        assert_eq!(live.working(), &2);
        write(file, "3", 3);
        assert_eq!(live.current(&[file], make), Ok(&3));
        fs::remove_file(file.on_disk()).unwrap();
    }
}
