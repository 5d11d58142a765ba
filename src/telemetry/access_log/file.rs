//! The files of access logs.

use crate::telemetry::writer::{Output, write_waiting};
use gatefold_dataplane::access_log::Destination;
use gatefold_listen::log_throttle::LogThrottle;
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path};
use std::time::{Duration, Instant};
use tracing::warn;

/// How long to wait after a file couldn't be opened.
const PAUSE: Duration = Duration::from_secs(1);
/// The owner reads and writes, the group reads: lines may contain addresses and tokens.
const MODE: Mode = Mode::from_raw_mode(0o640);

/// A destination that is opened when it is first written.
pub(super) struct LogFile {
    destination: Destination,
    file: Option<OpenFile>,
    failed: Option<Instant>,
    throttle: LogThrottle,
}

/// An open destination.
pub(super) enum OpenFile {
    StandardOutput,
    StandardError,
    File(OwnedFd),
}

impl LogFile {
    pub(super) fn new(destination: Destination) -> Self {
        LogFile {
            destination,
            file: None,
            failed: None,
            throttle: LogThrottle::default(),
        }
    }

    fn opened(&mut self) -> io::Result<&OpenFile> {
        if self.file.is_none() {
            if self.failed.is_some_and(|failed| failed.elapsed() < PAUSE) {
                return Err(io::ErrorKind::NotFound.into());
            }
            match open(&self.destination) {
                Ok(file) => self.file = Some(file),
                Err(error) => {
                    self.failed = Some(Instant::now());
                    self.report(&error);
                    return Err(error);
                }
            }
        }
        self.file
            .as_ref()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn report(&mut self, error: &io::Error) {
        if self.throttle.is_due() {
            warn!(
                file = %self.destination,
                %error,
                "an access log can't be written: its lines are dropped"
            );
        }
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self.opened()? {
            OpenFile::StandardOutput => write_waiting(io::stdout(), bytes),
            OpenFile::StandardError => write_waiting(io::stderr(), bytes),
            OpenFile::File(file) => write_waiting(file, bytes),
        };
        if let Err(error) = &written {
            self.report(error);
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for LogFile {
    /// If the file can't be opened, lines are still written to the old one.
    fn reopen(&mut self) -> bool {
        self.failed = None;
        match open(&self.destination) {
            Ok(file) => {
                self.file = Some(file);
                true
            }
            Err(error) => {
                self.report(&error);
                false
            }
        }
    }
}

/// Opens a destination.
pub(super) fn open(destination: &Destination) -> io::Result<OpenFile> {
    Ok(match destination {
        Destination::StandardOutput => OpenFile::StandardOutput,
        Destination::StandardError => OpenFile::StandardError,
        Destination::File(path) => OpenFile::File(openat(CWD, path, appending(), MODE)?),
        Destination::FileBelow { folder, path } => OpenFile::File(open_below(folder, path)?),
    })
}

/// Without a reader, a named pipe must not block the thread that opens it.
fn appending() -> OFlags {
    OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::CLOEXEC
        | OFlags::NONBLOCK
        | OFlags::NOCTTY
}

/// Opens a regular file below a folder, without following a symbolic link below it.
fn open_below(folder: &Path, path: &Path) -> io::Result<OwnedFd> {
    let inside = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
    let mut at = openat(CWD, folder, inside, Mode::empty())?;
    let mut names = path.components().peekable();
    while let Some(Component::Normal(name)) = names.next() {
        if names.peek().is_some() {
            at = openat(&at, name, inside | OFlags::NOFOLLOW, Mode::empty())?;
            continue;
        }
        let file = openat(&at, name, appending() | OFlags::NOFOLLOW, MODE)?;
        let kind = FileType::from_raw_mode(fstat(&file)?.st_mode);
        return match kind {
            FileType::RegularFile => Ok(file),
            _ => Err(io::Error::other("it isn't a regular file")),
        };
    }
    Err(io::ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn below(folder: &Path, path: &str) -> io::Result<OpenFile> {
        open(&Destination::FileBelow {
            folder: folder.to_owned(),
            path: path.into(),
        })
    }

    #[test]
    fn a_file_that_a_manifest_names_stays_below_the_folder() {
        let root = tempfile::tempdir().expect("a folder");
        let (logs, other) = (root.path().join("logs"), root.path().join("other"));
        fs::create_dir_all(logs.join("shop")).expect("a folder");
        fs::create_dir_all(logs.join("folder")).expect("a folder");
        fs::create_dir(&other).expect("a folder");
        symlink(&other, logs.join("link")).expect("a link");
        symlink(other.join("file"), logs.join("file")).expect("a link");
        below(&logs, "shop/access.log").expect("opened");
        let made = fs::metadata(logs.join("shop/access.log")).expect("created");
        assert_eq!(
            made.permissions().mode() & 0o137,
            0,
            "{:?}",
            made.permissions()
        );
        for refused in [
            "link/file",
            "file",
            "../other/file",
            "/etc/x",
            "folder",
            "none/a",
            ".",
        ] {
            assert!(below(&logs, refused).is_err(), "{refused}");
        }
        assert_eq!(fs::read_dir(&other).expect("a folder").count(), 0);
    }

    #[test]
    fn a_named_pipe_without_a_reader_does_not_block() {
        let root = tempfile::tempdir().expect("a folder");
        let pipe = root.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo runs").success());
        assert!(open(&Destination::File(pipe)).is_err());
    }
}
