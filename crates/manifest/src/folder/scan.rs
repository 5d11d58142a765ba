//! Which files there are, and their text.

use gatefold_diagnostic::{Code, Diagnostic, Place, Source};
use hashbrown::HashSet;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry, File, Metadata};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// The largest file that is read. 10,000 HTTPRoutes have 11 MiB.
pub const FILE_SIZE: u64 = 32 << 20;
/// How many links to folders may follow one another.
const LINKS: usize = 16;
/// How deep folders may be nested.
const FOLDERS: usize = 64;

/// What shows that a file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    device: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    size: u64,
}

impl Fingerprint {
    fn of(metadata: &Metadata) -> Self {
        Fingerprint {
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            size: metadata.size(),
        }
    }

    /// Whether it is that of a file which had the other one under another name. Renaming leaves all but the time of the
    /// change of state as it is.
    pub(super) fn is_renamed(&self, from: &Fingerprint) -> bool {
        let lasting = |it: &Fingerprint| (it.device, it.inode, it.modified, it.size);
        lasting(self) == lasting(from)
    }

    /// Whether its file system seems to count time in whole seconds.
    pub(super) fn is_coarse(&self) -> bool {
        self.modified.1 == 0 && self.changed.1 == 0
    }

    /// The same of a file that was touched at another time.
    #[cfg(test)]
    pub(super) fn changed_at(self, seconds: i64, nanoseconds: i64) -> Self {
        let time = (seconds, nanoseconds);
        Fingerprint {
            modified: time,
            changed: time,
            ..self
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// When the file was last touched, in nanoseconds since 1970.
    pub(super) fn touched(&self) -> i128 {
        let nanoseconds =
            |(seconds, rest): (i64, i64)| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        nanoseconds(self.modified).max(nanoseconds(self.changed))
    }
}

/// The manifest files of some folders at one moment. Two that are equal mean that nothing has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprints {
    /// Every manifest file, by the path as the user would write it, in the order of paths.
    pub files: Vec<(PathBuf, Fingerprint)>,
    /// What couldn't be looked at, and why. What was known below stays as it is.
    pub problems: BTreeMap<PathBuf, String>,
    /// Links that lead nowhere.
    pub dangling: Vec<PathBuf>,
    /// Whether two ways lead to one file or folder, of which only the first one counts.
    pub aliases: bool,
    /// Whether there are links, wherever they lead.
    pub links: bool,
}

/// Looks which manifest files there are below `roots`, folders or single files. Nothing is opened but
/// folders, so it is cheap.
pub fn scan(roots: &[PathBuf]) -> Fingerprints {
    let mut walk = Walk::default();
    for root in roots {
        match fs::metadata(root) {
            Ok(metadata) if metadata.is_dir() => walk.folder(root, &metadata, 0, 0),
            // A file that is named outright is read whatever its name.
            Ok(metadata) => walk.file(root.clone(), &metadata),
            Err(error) => walk.problem(root, &error),
        }
    }
    // Within a root they come in order.
    if roots.len() > 1 {
        walk.found.files.sort_by(|(a, _), (b, _)| a.cmp(b));
        walk.found.files.dedup_by(|(a, _), (b, _)| a == b);
    }
    walk.found
}

/// The fingerprint of a file, or of what a link leads to.
pub(super) fn fingerprint(path: &Path) -> Option<Fingerprint> {
    fs::metadata(path).ok().as_ref().map(Fingerprint::of)
}

/// The fingerprint of a file that is there under no other name than this.
pub(super) fn plain(path: &Path) -> Option<Fingerprint> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let plain = metadata.is_file() && metadata.nlink() == 1;
    plain.then(|| Fingerprint::of(&metadata))
}

/// Whether nothing is there.
pub(super) fn is_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Whether a scan of `roots` finds, or would find, a file of this name: nothing but visible folders is on the way from a
/// root, and none of them is a link.
pub(super) fn is_direct(path: &Path, roots: &[PathBuf]) -> bool {
    let Some(root) = roots.iter().find(|root| path.starts_with(root)) else {
        return false;
    };
    let is_folder = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let is_visible = |path: &Path| path.file_name().is_some_and(|name| !is_hidden(name));
    let folders = path.ancestors().skip(1);
    let below: Vec<&Path> = folders.take_while(|folder| folder != root).collect();
    // A file that is named outright is read whatever its name; that it is gone is a problem.
    path != root
        && is_manifest(path)
        && below.len() < FOLDERS
        && fs::metadata(root).is_ok_and(|root| root.is_dir())
        && below
            .iter()
            .all(|folder| is_visible(folder) && is_folder(folder))
}

/// Since 1970.
pub(super) fn nanoseconds(time: SystemTime) -> i128 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
}

#[derive(Default)]
struct Walk {
    found: Fingerprints,
    /// Folders and files by device and inode. Each is taken once, whichever ways lead there: so loops
    /// of links end, and no object is a duplicate of itself.
    seen: HashSet<(u64, u64)>,
}

impl Walk {
    fn folder(&mut self, path: &Path, metadata: &Metadata, links: usize, depth: usize) {
        if self.is_known(metadata) {
            return;
        }
        if links > LINKS || depth > FOLDERS {
            let why = "too many folders or links to folders on the way".to_owned();
            self.found.problems.insert(path.to_owned(), why);
            return;
        }
        let entries = match visible_entries(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound && depth > 0 => return,
            Err(error) => return self.problem(path, &error),
        };
        for (name, entry) in entries {
            self.entry(path.join(name), &entry, links, depth);
        }
    }

    fn entry(&mut self, path: PathBuf, entry: &DirEntry, links: usize, depth: usize) {
        let manifest = is_manifest(&path);
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => return self.problem(&path, &error),
        };
        self.found.links |= kind.is_symlink();
        if !(manifest || kind.is_dir() || kind.is_symlink()) {
            return;
        }
        match metadata(&path, entry) {
            Ok(metadata) if metadata.is_dir() => {
                let links = links + usize::from(kind.is_symlink());
                self.folder(&path, &metadata, links, depth + 1);
            }
            Ok(metadata) if metadata.is_file() && manifest => self.file(path, &metadata),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if manifest && kind.is_symlink() {
                    self.found.dangling.push(path);
                }
            }
            // Also what may be a folder: nobody knows what became of the files in it.
            Err(error) if manifest || !is_loop(&error) => self.problem(&path, &error),
            Err(_) => {}
        }
    }

    fn file(&mut self, path: PathBuf, metadata: &Metadata) {
        if !self.is_known(metadata) {
            self.found.files.push((path, Fingerprint::of(metadata)));
        }
    }

    fn is_known(&mut self, metadata: &Metadata) -> bool {
        let known = !self.seen.insert((metadata.dev(), metadata.ino()));
        self.found.aliases |= known;
        known
    }

    fn problem(&mut self, path: &Path, error: &std::io::Error) {
        self.found
            .problems
            .insert(path.to_owned(), error.to_string());
    }
}

/// What is in a folder, in order, but for hidden names.
fn visible_entries(folder: &Path) -> std::io::Result<Vec<(OsString, DirEntry)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if !is_hidden(&name) {
            entries.push((name, entry));
        }
    }
    entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Ok(entries)
}

/// What an entry of a folder is, or what it leads to. An entry is looked up in its open folder, which is cheaper than
/// by its whole path.
fn metadata(path: &Path, entry: &DirEntry) -> std::io::Result<Metadata> {
    match entry.metadata() {
        Ok(metadata) if metadata.is_symlink() => fs::metadata(path),
        found => found,
    }
}

/// Whether links lead to one another: there is nothing behind them.
fn is_loop(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// Names of editors' and Kubernetes' own files.
pub fn is_hidden(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let unfinished = [".swp", ".tmp", "~"].iter().any(|end| name.ends_with(end));
    name.starts_with('.') || unfinished
}

/// Whether a file of this name in a folder is read.
pub fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let visible = path.file_name().is_some_and(|name| !is_hidden(name));
    visible && matches!(extension, Some("yaml" | "yml" | "json"))
}

/// A file's text, or why it can't be had.
pub(super) enum Text {
    /// The text.
    Read(Arc<Source>),
    /// The file is gone.
    Gone,
    /// It isn't text, or too much of it.
    Refused(Box<Diagnostic>),
    /// It can't be read. Next time it may be, although nothing about the file changes: a network, a disk, a limit.
    Failed(Box<Diagnostic>),
}

/// Reads a file, but never more of it than [`FILE_SIZE`].
pub(super) fn text(path: &Path) -> Text {
    let bytes = match bytes(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Text::Gone,
        Err(error) => return Text::Failed(Box::new(unreadable(path, &error.to_string()))),
    };
    match source(path, bytes) {
        Ok(source) => Text::Read(Arc::new(source)),
        Err(refused) => Text::Refused(refused),
    }
}

/// That a file or a folder can't be read.
pub(super) fn unreadable(path: &Path, why: &str) -> Diagnostic {
    let message = format!("can't be read: {why}");
    Diagnostic::new(Code::UnreadableFile, Place::File(path.to_owned()), message)
}

fn bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    // One byte more than the limit tells a file that is too large, and one that grows meanwhile.
    let most = FILE_SIZE + 1;
    let mut bytes = Vec::new();
    if metadata.is_file() && metadata.len() > FILE_SIZE {
        bytes.resize(usize::try_from(most).unwrap_or(usize::MAX), b' ');
        return Ok(bytes);
    }
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes text of a file's bytes.
pub(super) fn source(path: &Path, bytes: Vec<u8>) -> Result<Source, Box<Diagnostic>> {
    let file = || Place::File(path.to_owned());
    if bytes.len() as u64 > FILE_SIZE {
        let message = format!("larger than {} MiB", FILE_SIZE >> 20);
        let found = Diagnostic::new(Code::TooLarge, file(), message);
        return Err(Box::new(found.help("split it into several files")));
    }
    if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] = bytes[..] {
        let message = "the file is UTF-16; Kubernetes manifests are UTF-8";
        let found = Diagnostic::new(Code::NotUtf8, file(), message);
        return Err(Box::new(found.help("save it as UTF-8")));
    }
    if let Some(offset) = bytes.iter().position(|byte| *byte == 0) {
        let message = format!("not a text file: there is a zero byte at offset {offset}");
        return Err(Box::new(Diagnostic::new(Code::NotUtf8, file(), message)));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source {
            path: path.to_owned(),
            text: text.into(),
        }),
        Err(error) => Err(Box::new(not_utf8(
            path,
            error.as_bytes(),
            error.utf8_error().valid_up_to(),
        ))),
    }
}

fn not_utf8(path: &Path, bytes: &[u8], offset: usize) -> Diagnostic {
    // The text up to there is whole, so the place has the same offset with replacement characters after it.
    let text: Arc<str> = String::from_utf8_lossy(bytes).into();
    let source = Arc::new(Source {
        path: path.to_owned(),
        text,
    });
    let place = Place::Bytes {
        source,
        bytes: offset..offset + '\u{fffd}'.len_utf8(),
    };
    let value = bytes.get(offset).copied().unwrap_or(0);
    let message = format!("byte 0x{value:02x} isn't UTF-8");
    Diagnostic::new(Code::NotUtf8, place, message).help("save the file as UTF-8")
}
