//! Reads the text of a file.

use gatefold_diagnostic::{Code, Diagnostic, Place, Source};
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::sync::Arc;

/// The size of the largest file that is read, in bytes. 10,000 HTTPRoutes have 11 MiB.
pub const FILE_SIZE: u64 = 32 << 20;

/// The text of a file, or the reason why there is none.
pub(super) enum FileText {
    /// The text.
    Read(Arc<Source>),
    /// The file doesn't exist.
    Gone,
    /// The file isn't text, or is too large.
    Refused(Box<Diagnostic>),
    /// The file can't be read. Reading it may succeed later without a change of the file, because a network, a disk or a
    /// limit was the cause.
    Failed(Box<Diagnostic>),
}

impl FileText {
    /// Reads a file, but never more than [`FILE_SIZE`] of it.
    pub(super) fn read(path: &Path) -> Self {
        let bytes = match read_bytes(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return FileText::Gone,
            Err(error) => {
                return FileText::Failed(Box::new(unreadable(path, &error.to_string())));
            }
        };
        match decode_text(path, bytes) {
            Ok(source) => FileText::Read(Arc::new(source)),
            Err(refused) => FileText::Refused(refused),
        }
    }
}

/// The diagnostic for a file or a folder that can't be read.
pub(super) fn unreadable(path: &Path, why: &str) -> Diagnostic {
    let message = format!("can't be read: {why}");
    Diagnostic::new(Code::UnreadableFile, Place::File(path.to_owned()), message)
}

fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    // One byte more than the limit shows that a file is too large, even if it grows while it is read.
    let most = FILE_SIZE + 1;
    let mut bytes = Vec::new();
    if metadata.is_file() && metadata.len() > FILE_SIZE {
        bytes.resize(usize::try_from(most).unwrap_or(usize::MAX), b' ');
        return Ok(bytes);
    }
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Converts the bytes of a file to text.
pub(super) fn decode_text(path: &Path, bytes: Vec<u8>) -> Result<Source, Box<Diagnostic>> {
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
    // The text before the offset is valid, so replacement characters after it don't move the offset.
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
