//! Unix sockets that nobody but their owner can ever open.
//!
//! A socket is made in a folder of its own, and moved to its path when its permissions are right: there is
//! no moment at which others could connect. That also lets a successor prepare its socket while its
//! predecessor still answers at the same path. In the end the file goes, unless somebody else's is there by then.

use std::fs;
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

/// The file of a socket that is bound; dropped, it is removed.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// The folder that it is in until it is placed.
    hidden: Option<PathBuf>,
    /// Device and inode.
    identity: (u64, u64),
}

/// What may be at the path when the file is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing.
    Free,
    /// Another socket, which is reached no longer from then on.
    Over,
}

impl SocketFile {
    /// Binds a socket beside `path`. Nobody finds it until it is [placed](Self::place).
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn prepare<S>(
        path: &Path,
        bind: impl FnOnce(&Path) -> io::Result<S>,
    ) -> io::Result<(S, Self)> {
        let mut folder = path.as_os_str().to_owned();
        folder.push(format!(".{}", std::process::id()));
        let folder = PathBuf::from(folder);
        // Left by a process that was killed and had the same id, as the main one of a container always has.
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let mut file = SocketFile {
            path: path.to_owned(),
            hidden: Some(folder),
            identity: (0, 0),
        };
        let inside = file.inside().unwrap_or_default();
        let socket = bind(&inside)?;
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o600))?;
        file.identity = identity(&inside).ok_or(io::ErrorKind::NotFound)?;
        Ok((socket, file))
    }

    /// Moves it to its path.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] when something is there that may not be; else what the system says.
    pub fn place(&mut self, place: Place) -> io::Result<()> {
        let Some(inside) = self.inside() else {
            return Ok(());
        };
        match place {
            // Unlike a rename, a link never replaces anything.
            Place::Free => fs::hard_link(&inside, &self.path)?,
            Place::Over => fs::rename(&inside, &self.path)?,
        }
        self.remove_hidden();
        Ok(())
    }

    fn inside(&self) -> Option<PathBuf> {
        self.hidden.as_ref().map(|folder| folder.join("s"))
    }

    fn remove_hidden(&mut self) {
        if let Some(folder) = self.hidden.take() {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.hidden.is_some() {
            self.remove_hidden();
        } else if identity(&self.path) == Some(self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes way for a new socket: a file that nobody answers at is what a process left that was killed.
///
/// # Errors
///
/// When the file is no socket, or can't be removed.
pub fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file that is no socket",
        )),
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};

    fn prepare(path: &Path) -> (UnixListener, SocketFile) {
        SocketFile::prepare(path, |path| UnixListener::bind(path)).expect("bound")
    }

    #[test]
    fn a_socket_is_its_owners_and_goes_in_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.sock");
        let (_socket, mut file) = prepare(&path);
        assert!(!path.exists(), "nobody finds it yet");
        file.place(Place::Free).expect("placed");
        let mode = fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        UnixStream::connect(&path).expect("it listens");
        drop(file);
        let left = fs::read_dir(folder.path()).expect("the folder").count();
        assert_eq!(left, 0, "nothing is left");
    }

    #[test]
    fn what_a_killed_process_of_the_same_id_left_is_no_hindrance() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.sock");
        let left = folder.path().join(format!("a.sock.{}", std::process::id()));
        fs::create_dir(&left).expect("made");
        drop(UnixListener::bind(left.join("s")).expect("bound"));
        let (_socket, mut file) = prepare(&path);
        file.place(Place::Free).expect("placed");
        UnixStream::connect(&path).expect("it listens");
    }

    #[test]
    fn a_successors_file_is_not_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.sock");
        let (_old, mut old_file) = prepare(&path);
        old_file.place(Place::Free).expect("placed");
        let (_new, mut new_file) = prepare(&path);
        assert!(new_file.place(Place::Free).is_err(), "the path isn't free");
        new_file
            .place(Place::Over)
            .expect("placed over the old one");
        drop(old_file);
        UnixStream::connect(&path).expect("the new one listens");
    }

    #[test]
    fn a_stale_socket_makes_way_and_any_other_file_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let stale = folder.path().join("a.sock");
        drop(UnixListener::bind(&stale).expect("bound"));
        remove_stale(&stale).expect("removed");
        remove_stale(&stale).expect("nothing is there");
        let notes = folder.path().join("notes.txt");
        fs::write(&notes, "precious").expect("written");
        assert!(remove_stale(&notes).is_err());
        assert!(notes.exists());
    }
}
