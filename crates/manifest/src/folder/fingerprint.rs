//! Fingerprints of files, which show that a file has changed without reading it.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// File systems count time in ticks of up to 10 ms (HZ=100). A second write within the same tick may leave the
/// fingerprint unchanged, so a file that was modified this shortly before it was read is read again.
const TICK: Duration = Duration::from_millis(50);
/// Some file systems count whole seconds, or steps of two seconds: ext4 with small inodes, FAT, and servers that use them.
const COARSE_TICK: Duration = Duration::from_millis(2_050);

/// The metadata that identifies the content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    device: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    size: u64,
}

impl Fingerprint {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Fingerprint {
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            size: metadata.size(),
        }
    }

    /// The fingerprint of the file at a path, following links. `None` if there is none.
    pub(super) fn of_path(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().as_ref().map(Fingerprint::of)
    }

    /// The fingerprint of a regular file that has only this name. `None` for links and for files with several names.
    pub(super) fn of_only_name(path: &Path) -> Option<Self> {
        let metadata = fs::symlink_metadata(path).ok()?;
        let plain = metadata.is_file() && metadata.nlink() == 1;
        plain.then(|| Fingerprint::of(&metadata))
    }

    /// Whether this may be the file that had the fingerprint `former` before it was renamed. Renaming changes only the
    /// time of the status change.
    pub(super) fn is_renamed(&self, former: &Fingerprint) -> bool {
        let lasting = |it: &Fingerprint| (it.device, it.inode, it.modified, it.size);
        lasting(self) == lasting(former)
    }

    /// Whether the file is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Whether the file may have been written to after it was read, without a change of the fingerprint.
    ///
    /// The modification time may be in the future: the clock of a file server may be wrong, or a program may have set the
    /// time. Such a file counts as outdated for the first reading only (`reread` is false), because otherwise it would be
    /// read forever.
    pub(super) fn may_be_outdated(&self, read: SystemTime, reread: bool) -> bool {
        let touched = self.touched();
        if touched > nanoseconds(read) {
            return !reread;
        }
        let tick = if self.is_coarse() { COARSE_TICK } else { TICK };
        let settled = read.checked_sub(tick).map(nanoseconds);
        settled.is_none_or(|settled| touched > settled)
    }

    /// Whether the file system seems to count time in whole seconds.
    fn is_coarse(&self) -> bool {
        self.modified.1 == 0 && self.changed.1 == 0
    }

    /// When the file was last touched, in nanoseconds since 1970.
    fn touched(&self) -> i128 {
        let nanoseconds =
            |(seconds, rest): (i64, i64)| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        nanoseconds(self.modified).max(nanoseconds(self.changed))
    }
}

#[cfg(test)]
impl Fingerprint {
    /// The fingerprint of a file with this size, touched at this time.
    pub(super) fn example(size: u64, (seconds, nanoseconds): (i64, i64)) -> Self {
        let time = (seconds, nanoseconds);
        Fingerprint {
            device: 1,
            inode: 1,
            modified: time,
            changed: time,
            size,
        }
    }
}

/// A time in nanoseconds since 1970.
fn nanoseconds(time: SystemTime) -> i128 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn is_outdated_within_one_tick_of_the_file_system() {
        let fine = Fingerprint::example(1, (1_000, 500_000_000));
        assert!(fine.may_be_outdated(at(1_000.51), false));
        assert!(!fine.may_be_outdated(at(1_000.6), false));
        let coarse = Fingerprint::example(1, (1_000, 0));
        assert!(coarse.may_be_outdated(at(1_001.9), false));
        assert!(!coarse.may_be_outdated(at(1_002.1), false));
    }

    #[test]
    fn a_time_in_the_future_is_outdated_only_once() {
        let future = Fingerprint::example(1, (2_000, 0));
        assert!(future.may_be_outdated(at(1_000.0), false));
        assert!(!future.may_be_outdated(at(1_000.0), true));
    }
}
