//! Unix sockets that only their owner can connect to.
//!
//! A socket is created in a temporary private folder and moved to its path once its permissions are set, so there is no
//! moment at which other users could connect. This also lets a successor prepare its socket while its predecessor still
//! answers at the same path. The file is removed at the end, unless another process's socket is at the path by then.

use socket2::{Domain, SockAddr, Socket, Type};
use std::fs;
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

/// The name of a socket in its private folder.
const PRIVATE_NAME: &str = "s";

/// The file of a bound socket. Dropping it removes the file.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// The private folder that contains it until it is published.
    private: Option<PathBuf>,
    /// Device and inode; `None` if this process must not remove it.
    identity: Option<(u64, u64)>,
}

/// What happens if the path exists when the file is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfExists {
    /// Publishing fails.
    Fail,
    /// The existing socket is replaced, and clients no longer reach it.
    Replace,
}

impl SocketFile {
    /// Binds a socket in a private folder next to `path`. Clients can't find it before [`publish`](Self::publish).
    ///
    /// # Errors
    ///
    /// If a system call fails.
    pub fn prepare<S>(
        path: &Path,
        bind: impl FnOnce(&Path) -> io::Result<S>,
    ) -> io::Result<(S, Self)> {
        let mut folder = path.as_os_str().to_owned();
        folder.push(format!(".{}", std::process::id()));
        let folder = PathBuf::from(folder);
        // A killed process with the same id may have left it; the main process of a container always has the same id.
        match remove_folder(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let mut file = SocketFile {
            path: path.to_owned(),
            private: Some(folder),
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
    /// [`io::ErrorKind::AlreadyExists`] with [`IfExists::Fail`] if the path exists; otherwise the error of the system call.
    pub fn publish(&mut self, if_exists: IfExists) -> io::Result<()> {
        let Some(inside) = self.inside() else {
            return Ok(());
        };
        match if_exists {
            // Unlike a rename, a hard link never replaces a file.
            IfExists::Fail => fs::hard_link(&inside, &self.path)?,
            IfExists::Replace => fs::rename(&inside, &self.path)?,
        }
        self.remove_private();
        Ok(())
    }

    /// Leaves the file to a successor, which replaces it with its own. This process must not remove it: checking the identity
    /// of the file and removing it are two steps, and the successor could replace the file in between.
    pub fn leave(mut self) {
        self.identity = None;
    }

    fn inside(&self) -> Option<PathBuf> {
        self.private
            .as_ref()
            .map(|folder| folder.join(PRIVATE_NAME))
    }

    fn remove_private(&mut self) {
        if let Some(folder) = self.private.take() {
            // After a rename the folder is empty.
            let _ = remove_folder(&folder);
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.private.is_some() {
            self.remove_private();
        } else if self.identity.is_some() && identity(&self.path) == self.identity {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes a private folder and the socket in it. Fails if the folder contains anything else, since it then isn't ours.
fn remove_folder(folder: &Path) -> io::Result<()> {
    let socket = folder.join(PRIVATE_NAME);
    if is_socket(&socket)? {
        fs::remove_file(&socket)?;
    }
    fs::remove_dir(folder)
}

/// Removes a stale socket: a file at which no process answers was left by a killed process.
///
/// # Errors
///
/// If a process answers, the file isn't a socket, or it can't be removed.
pub fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => {
            let other = "the path exists and isn't a socket";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, other));
        }
    }
    must_be_stale(path)?;
    // Another process may have found the same stale socket and have published its own since. So the file is renamed first,
    // checked again, and moved back if a process answers.
    let mut aside = path.as_os_str().to_owned();
    // Not longer than the path in the private folder: the path of a socket has 107 bytes at most.
    aside.push(format!(".{}~", std::process::id()));
    let aside = PathBuf::from(aside);
    match fs::rename(path, &aside) {
        // Another process has removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        renamed => renamed?,
    }
    let stale = must_be_stale(&aside);
    if stale.is_err() {
        // This fails only if a third process has published its socket at the path.
        let _ = fs::hard_link(&aside, path);
    }
    fs::remove_file(&aside)?;
    stale
}

/// Fails unless no process answers at a socket. Only a refused connection shows that: a socket of another type or with a full
/// queue is in use.
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
    fn only_the_owner_can_use_a_socket_and_it_is_removed_at_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.sock");
        let (_socket, mut file) = prepare(&path);
        assert!(!path.exists(), "clients can't find it yet");
        file.publish(IfExists::Fail).expect("published");
        let mode = fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        UnixStream::connect(&path).expect("it listens");
        drop(file);
        let left = fs::read_dir(folder.path()).expect("the folder").count();
        assert_eq!(left, 0, "no file is left");
    }

    #[test]
    fn replaces_the_private_folder_of_a_killed_process_with_the_same_id() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.sock");
        let left = folder.path().join(format!("a.sock.{}", std::process::id()));
        fs::create_dir(&left).expect("made");
        drop(UnixListener::bind(left.join("s")).expect("bound"));
        let (_socket, mut file) = prepare(&path);
        file.publish(IfExists::Fail).expect("published");
        UnixStream::connect(&path).expect("it listens");
    }

    #[test]
    fn keeps_the_file_of_a_successor() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.sock");
        let (_old, mut old_file) = prepare(&path);
        old_file.publish(IfExists::Fail).expect("published");
        let (_new, mut new_file) = prepare(&path);
        assert!(new_file.publish(IfExists::Fail).is_err(), "the path exists");
        new_file
            .publish(IfExists::Replace)
            .expect("the old socket is replaced");
        drop(old_file);
        UnixStream::connect(&path).expect("the new socket listens");
    }

    #[test]
    fn removes_no_file_after_a_handover() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.sock");
        let (_socket, mut file) = prepare(&path);
        file.publish(IfExists::Fail).expect("published");
        file.leave();
        assert!(path.exists(), "the successor may have published its own");
    }

    #[test]
    fn keeps_a_folder_that_contains_other_files() {
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
    fn keeps_a_socket_at_which_a_process_answers() {
        let folder = tempfile::tempdir().expect("a folder");
        for kind in [Type::STREAM, Type::SEQPACKET] {
            let path = folder.path().join(format!("{kind:?}.sock"));
            let socket = Socket::new(Domain::UNIX, kind, None).expect("a socket");
            let address = SockAddr::unix(&path).expect("a path");
            socket.bind(&address).expect("bound");
            socket.listen(0).expect("it listens");
            // With a full queue it accepts no more connections.
            let clients = [(), ()].map(|()| {
                let client = Socket::new(Domain::UNIX, kind.nonblocking(), None).expect("a socket");
                let _ = client.connect(&address);
                client
            });
            let refused = remove_stale(&path).expect_err("it is in use");
            assert_eq!(refused.kind(), io::ErrorKind::AddrInUse, "{kind:?}");
            assert!(path.exists(), "{kind:?}");
            drop((socket, clients));
            remove_stale(&path).expect("now it is stale");
            assert!(!path.exists(), "{kind:?}");
        }
    }

    #[test]
    fn removes_a_stale_socket_but_no_other_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let stale = folder.path().join("a.sock");
        drop(UnixListener::bind(&stale).expect("bound"));
        remove_stale(&stale).expect("removed");
        remove_stale(&stale).expect("the path doesn't exist");
        let notes = folder.path().join("notes.txt");
        fs::write(&notes, "precious").expect("written");
        assert!(remove_stale(&notes).is_err());
        assert!(notes.exists());
    }
}
