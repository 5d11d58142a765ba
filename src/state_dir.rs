//! The folder of what must survive a restart and is no manifest, such as the key of the development CA.
//!
//! In: `--state-dir` and the environment. Out: private files. The folder isn't made before something is written, and nothing in it
//! can be read by other users.

use anyhow::{Context as _, bail, ensure};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// What to do about a folder that can't be used.
const HELP: &str = " (--state-dir DIR names another folder)";

/// The folder of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// Returns the folder that was given, or else the first of `$STATE_DIRECTORY` (set by systemd), `$XDG_STATE_HOME/gatefold` and
    /// `$HOME/.local/state/gatefold`.
    ///
    /// # Errors
    /// If none of them is known.
    pub fn choose(given: Option<&Path>) -> anyhow::Result<StateDir> {
        StateDir::choose_from(given, |name| {
            std::env::var(name).ok().filter(|it| !it.is_empty())
        })
    }

    fn choose_from(
        given: Option<&Path>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<StateDir> {
        if let Some(given) = given {
            return Ok(StateDir(given.to_owned()));
        }
        if let Some(first) = variable("STATE_DIRECTORY") {
            // systemd lists several folders with colons between them.
            let first = first.split(':').next().unwrap_or_default();
            return Ok(StateDir(first.into()));
        }
        // Relative paths must be ignored (XDG Base Directory Specification).
        let absolute = |name| {
            variable(name)
                .map(PathBuf::from)
                .filter(|it| it.is_absolute())
        };
        let state = absolute("XDG_STATE_HOME");
        let state = state.or_else(|| absolute("HOME").map(|it| it.join(".local/state")));
        match state {
            Some(state) => Ok(StateDir(state.join("gatefold"))),
            None => {
                bail!(
                    "there is no folder for gatefold's state, since HOME isn't set: give one with --state-dir DIR"
                )
            }
        }
    }

    /// Returns the path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Reads a file. `None` if it doesn't exist.
    ///
    /// # Errors
    /// If it can't be read, or other users may change the folder.
    pub fn read(&self, name: &str) -> anyhow::Result<Option<String>> {
        let path = self.path(name);
        match fs::read_to_string(&path) {
            Ok(text) => {
                self.check()?;
                Ok(Some(text))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(error).with_context(|| format!("can't read {}{HELP}", path.display()))
            }
        }
    }

    /// Writes a file with mode 0600, and makes the folder with mode 0700 if it doesn't exist. Readers see the old content or the
    /// new one.
    ///
    /// # Errors
    /// If it can't be written, or other users may change the folder.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        self.make()?;
        let path = self.path(name);
        let temporary = self.path(&format!(".{name}.{}", std::process::id()));
        let written = write_new(&temporary, text).and_then(|()| fs::rename(&temporary, &path));
        written.with_context(|| format!("can't write {}{HELP}", path.display()))
    }

    /// Waits until no other process has locked the folder, and locks it until the result is dropped. Makes the folder if it doesn't
    /// exist.
    ///
    /// # Errors
    /// If the folder can't be made or opened, or other users may change it.
    pub fn lock(&self) -> anyhow::Result<File> {
        self.make()?;
        let folder = &self.0;
        let opened = File::open(folder);
        let opened =
            opened.with_context(|| format!("can't open the folder {}{HELP}", folder.display()))?;
        // Some network file systems have no locks.
        let _ = opened.lock();
        Ok(opened)
    }

    fn make(&self) -> anyhow::Result<()> {
        let mut make = DirBuilder::new();
        let folder = &self.0;
        let made = make.recursive(true).mode(0o700).create(folder);
        made.with_context(|| format!("can't make the folder {}{HELP}", folder.display()))?;
        self.check()
    }

    /// Checks that only the user can change the folder.
    fn check(&self) -> anyhow::Result<()> {
        let folder = &self.0;
        let found = fs::metadata(folder);
        let found = found.with_context(|| format!("can't examine {}", folder.display()))?;
        let user = rustix::process::geteuid().as_raw();
        ensure!(
            found.uid() == user || found.uid() == 0,
            "the folder {} belongs to another user{HELP}",
            folder.display()
        );
        ensure!(
            found.mode() & 0o022 == 0,
            "other users may change the folder {}; run: chmod 700 {}",
            folder.display(),
            folder.display()
        );
        Ok(())
    }
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    // A killed process with the same id may have left it.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn chooses_the_first_folder_that_is_known() {
        let choose = |given: Option<&str>, variables: &[(&str, &str)]| {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let chosen = StateDir::choose_from(given.map(Path::new), variable);
            chosen.ok().map(|it| it.0.display().to_string())
        };
        let all = [
            ("STATE_DIRECTORY", "/var/lib/gatefold:/var/lib/other"),
            ("XDG_STATE_HOME", "/state"),
            ("HOME", "/home/user"),
        ];
        assert_eq!(choose(Some("given"), &all).as_deref(), Some("given"));
        assert_eq!(choose(None, &all).as_deref(), Some("/var/lib/gatefold"));
        assert_eq!(choose(None, &all[1..]).as_deref(), Some("/state/gatefold"));
        let home = "/home/user/.local/state/gatefold";
        assert_eq!(choose(None, &all[2..]).as_deref(), Some(home));
        let relative = [("XDG_STATE_HOME", "state"), all[2]];
        assert_eq!(choose(None, &relative).as_deref(), Some(home));
        assert_eq!(choose(None, &[]), None);
    }

    #[test]
    fn files_are_private_and_folders_that_others_may_change_are_refused() {
        let root = tempfile::tempdir().expect("a folder");
        let state = StateDir(root.path().join("a/gatefold"));
        assert_eq!(state.read("file").expect("no error"), None);
        assert!(!state.path("").exists(), "reading makes no folder");
        state.write("file", "one").expect("written");
        state.write("file", "two").expect("replaced");
        assert_eq!(state.read("file").expect("read").as_deref(), Some("two"));
        let mode = |path: &Path| fs::metadata(path).expect("exists").mode() & 0o777;
        assert_eq!(mode(&state.path("file")), 0o600);
        assert_eq!(mode(&state.0), 0o700);
        let names = fs::read_dir(&state.0).expect("a folder").count();
        assert_eq!(names, 1, "no temporary file is left");

        fs::set_permissions(&state.0, fs::Permissions::from_mode(0o777)).expect("changed");
        for outcome in [state.read("file").map(drop), state.write("file", "three")] {
            let error = outcome.expect_err("a folder that others may change");
            assert!(error.to_string().contains("chmod 700"), "{error:#}");
        }
    }
}
