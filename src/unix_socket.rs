//! Unix sockets that nobody but their owner can ever open.
//!
//! A socket is made in a folder of its own, and moved to its path when its permissions are right: there is
//! no moment at which others could connect. That also lets a successor prepare its socket while its
//! predecessor still answers at the same path. In the end the file goes, unless somebody else's is there by then
//! or is about to be.

use socket2::{Domain, SockAddr, Socket, Type};
use std::fs;
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

/// The name of a socket in its hidden folder.
const HIDDEN: &str = "s";

/// The file of a socket that is bound; dropped, it is removed.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// The folder that it is in until it is placed.
    hidden: Option<PathBuf>,
    /// Device and inode; nothing when it isn't this process's to remove.
    identity: Option<(u64, u64)>,
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
        match remove_folder(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let mut file = SocketFile {
            path: path.to_owned(),
            hidden: Some(folder),
            identity: None,
        };
        let inside = file.inside().unwrap_or_default();
        let socket = bind(&inside)?;
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o600))?;
        file.identity = Some(identity(&inside).ok_or(io::ErrorKind::NotFound)?);
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

    /// Leaves the file to a successor, which puts its own in its place: to look whose it is and to remove it are
    /// two steps, and the successor's would come between them.
    pub fn leave(mut self) {
        self.identity = None;
    }

    fn inside(&self) -> Option<PathBuf> {
        self.hidden.as_ref().map(|folder| folder.join(HIDDEN))
    }

    fn remove_hidden(&mut self) {
        if let Some(folder) = self.hidden.take() {
            // After a rename the socket isn't in it any more.
            let _ = remove_folder(&folder);
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.hidden.is_some() {
            self.remove_hidden();
        } else if self.identity.is_some() && identity(&self.path) == self.identity {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes a hidden folder and the socket in it. Should it be somebody else's folder, with something else in it, that
/// is an error.
fn remove_folder(folder: &Path) -> io::Result<()> {
    let socket = folder.join(HIDDEN);
    if is_socket(&socket)? {
        fs::remove_file(&socket)?;
    }
    fs::remove_dir(folder)
}

/// Makes way for a new socket: a file that nobody answers at is what a process left that was killed.
///
/// # Errors
///
/// When somebody answers there, when the file is no socket, or can't be removed.
pub fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => {
            let no_socket = "there is a file that is no socket";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, no_socket));
        }
    }
    must_be_stale(path)?;
    // Another process may have found the same, and have put its socket there since. So the file is taken aside
    // first, and given back if it is that one.
    let mut aside = path.as_os_str().to_owned();
    // Not longer than where a socket is made: a path of a socket has 107 bytes at most.
    aside.push(format!(".{}~", std::process::id()));
    let aside = PathBuf::from(aside);
    match fs::rename(path, &aside) {
        // The other one has removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        renamed => renamed?,
    }
    let stale = must_be_stale(&aside);
    if stale.is_err() {
        // Unless a third one was faster still, it is where it was.
        let _ = fs::hard_link(&aside, path);
    }
    fs::remove_file(&aside)?;
    stale
}

/// Whether nobody answers at a socket. A refusal is the only sign of it: one of another type, or with a full queue,
/// is alive.
fn must_be_stale(path: &Path) -> io::Result<()> {
    let probe = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    let alive = || io::Error::new(io::ErrorKind::AddrInUse, "another process answers there");
    let Err(error) = probe.connect(&SockAddr::unix(path)?) else {
        return Err(alive());
    };
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Ok(()),
        io::ErrorKind::PermissionDenied => Err(error),
        _ => Err(alive()),
    }
}

fn is_socket(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        found => Ok(found?.file_type().is_socket()),
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
    fn who_has_handed_over_removes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.sock");
        let (_socket, mut file) = prepare(&path);
        file.place(Place::Free).expect("placed");
        file.leave();
        assert!(path.exists(), "the successor may have put its own there");
    }

    #[test]
    fn a_folder_of_somebody_else_is_left_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.sock");
        let other = folder.path().join(format!("a.sock.{}", std::process::id()));
        fs::create_dir(&other).expect("made");
        let notes = other.join("notes.txt");
        fs::write(&notes, "precious").expect("written");
        SocketFile::prepare(&path, |path| UnixListener::bind(path)).expect_err("in the way");
        assert!(notes.exists());
    }

    #[test]
    fn a_socket_at_which_somebody_answers_does_not_make_way() {
        let folder = tempfile::tempdir().expect("a folder");
        for kind in [Type::STREAM, Type::SEQPACKET] {
            let path = folder.path().join(format!("{kind:?}.sock"));
            let socket = Socket::new(Domain::UNIX, kind, None).expect("a socket");
            let address = SockAddr::unix(&path).expect("a path");
            socket.bind(&address).expect("bound");
            socket.listen(0).expect("it listens");
            // With a full queue it doesn't take a connection any more.
            let clients = [(), ()].map(|()| {
                let client = Socket::new(Domain::UNIX, kind.nonblocking(), None).expect("a socket");
                let _ = client.connect(&address);
                client
            });
            let refused = remove_stale(&path).expect_err("it is alive");
            assert_eq!(refused.kind(), io::ErrorKind::AddrInUse, "{kind:?}");
            assert!(path.exists(), "{kind:?}");
            drop((socket, clients));
            remove_stale(&path).expect("now it is stale");
            assert!(!path.exists(), "{kind:?}");
        }
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
