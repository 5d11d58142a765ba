//! Checks that only this user can use the path of the upgrade socket.

use super::UpgradeError;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Write permission for the group and for others.
const OTHERS_WRITE: u32 = 0o022;

/// Creates the folder of the socket if it doesn't exist, and checks that no other user can create a socket in it.
/// Returns the absolute path.
pub(super) fn secure(path: &Path) -> Result<PathBuf, UpgradeError> {
    let failed = |error| UpgradeError::Socket {
        path: path.to_owned(),
        error,
    };
    let path = std::path::absolute(path).map_err(failed)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed)?;
    let found = fs::metadata(folder).map_err(failed)?;
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != own {
        let (folder, owner) = (folder.display(), found.uid());
        return Err(UpgradeError::Folder(format!(
            "the folder {folder} belongs to user {owner}, not to user {own}"
        )));
    }
    if found.mode() & OTHERS_WRITE != 0 {
        let (folder, mode) = (folder.display(), found.mode() & 0o7777);
        return Err(UpgradeError::Folder(format!(
            "the folder {folder} is writable by others (mode {mode:04o})"
        )));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn creates_a_missing_folder_for_its_owner_only() {
        let scratch = tempfile::tempdir().expect("a folder");
        let path = scratch.path().join("run/gatefold/upgrade.sock");
        secure(&path).expect("made");
        let folder = path.parent().expect("a folder");
        assert_eq!(fs::metadata(folder).expect("made").mode() & 0o777, 0o700);
    }

    #[test]
    fn refuses_a_folder_that_others_can_write_to() {
        let scratch = tempfile::tempdir().expect("a folder");
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(scratch.path(), open).expect("opened");
        let refused = secure(&scratch.path().join("upgrade.sock")).expect_err("refused");
        assert!(refused.to_string().contains("mode 0777"), "{refused}");
    }
}
