//! Reads PEM, and explains why a text can't be read.
//!
//! In: the bytes of an entry of a Secret or ConfigMap. Out: certificates, lists of revoked ones or a private key, or a [`PemProblem`], whose
//! message continues a sentence that begins with the entry's name. A message never quotes the text: it may be a key.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use thiserror::Error;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The first characters of `-----BEGIN ` in base64.
const BEGIN_IN_BASE64: &[u8] = b"LS0tLS1CRUdJTi";
const CERTIFICATE: &str = "CERTIFICATE";
const REVOCATION_LIST: &str = "X509 CRL";
/// The labels of private keys that can be used, if they aren't encrypted.
const PRIVATE_KEYS: [&str; 3] = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];
/// The labels that a message may name.
const LABELS: [&str; 14] = [
    CERTIFICATE,
    "PRIVATE KEY",
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "DSA PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
    "PUBLIC KEY",
    "CERTIFICATE REQUEST",
    "NEW CERTIFICATE REQUEST",
    "TRUSTED CERTIFICATE",
    "X509 CERTIFICATE",
    REVOCATION_LIST,
    "PKCS7",
];

/// Why a text can't be read as PEM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum PemProblem {
    /// The text contains nothing but whitespace.
    #[error("is empty")]
    Empty,
    /// The bytes are DER, which PEM encodes.
    #[error(
        "is binary (DER), not PEM; `openssl x509 -inform DER -in FILE` prints a certificate as PEM, \
         `openssl pkey -inform DER -in FILE` a key"
    )]
    Der,
    /// The PEM text was encoded once more than the manifest's field requires.
    #[error(
        "is base64 of PEM; under `data` PEM is encoded once, under `stringData` and in a ConfigMap not at all"
    )]
    EncodedTwice,
    /// A byte order mark precedes a block. Some tools don't recognise such a block. The line, from 1.
    #[error(
        "has a byte order mark (BOM, U+FEFF) before the BEGIN line {0}; save it as UTF-8 without one, \
         or remove it: `sed -i 's/\\xEF\\xBB\\xBF//' FILE`"
    )]
    ByteOrderMark(usize),
    /// A block is indented. Some tools don't recognise such a block. The line, from 1.
    #[error("has spaces before `-----` in line {0}; remove them")]
    Indented(usize),
    /// A BEGIN line doesn't end after its label. The line, from 1.
    #[error(
        "has a BEGIN line ({0}) that doesn't end after `-----BEGIN ...-----`: line breaks are lost; \
         in YAML, write the text as a block that begins with `|`"
    )]
    NoLineBreak(usize),
    /// A block has no END line. The block's label.
    #[error("is cut off before its END line (`-----END {0}-----`); copy the whole file again")]
    CutOff(&'static str),
    /// A block has no BEGIN line. The line of its END line, from 1.
    #[error("has an END line ({0}) without its BEGIN line; copy the whole file again")]
    NoBegin(usize),
    /// The content between BEGIN and END can't be decoded. The line of the BEGIN line, from 1.
    #[error(
        "contains a block that isn't base64, after the BEGIN line {0}; copy the whole file again"
    )]
    NotBase64(usize),
    /// No block is a certificate. The label of the first block that a message may name.
    #[error("has no `BEGIN CERTIFICATE` block{}", instead(.0))]
    NoCertificate(Option<&'static str>),
    /// No block is a list of revoked certificates. The label of the first block that a message may name.
    #[error("has no `BEGIN X509 CRL` block{}", instead(.0))]
    NoRevocationList(Option<&'static str>),
    /// The private key is encrypted, so reading it needs a password.
    #[error("contains an encrypted key; decrypt it first (`openssl pkey -in KEY -out PLAIN`)")]
    EncryptedKey,
    /// No block is a private key. The label of the first block that a message may name.
    #[error(
        "has no `BEGIN PRIVATE KEY`, `BEGIN RSA PRIVATE KEY` or `BEGIN EC PRIVATE KEY` block{}",
        instead(.0)
    )]
    NoPrivateKey(Option<&'static str>),
}

/// Describes the block found instead of the expected one, and how to get the expected one.
fn instead(label: &Option<&'static str>) -> String {
    let Some(label) = label else {
        return String::new();
    };
    let help = match *label {
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
            ": an authority has to sign it; the certificate is what it sends back"
        }
        "TRUSTED CERTIFICATE" | "X509 CERTIFICATE" => " (`openssl x509 -in FILE` rewrites it)",
        "PKCS7" => " (`openssl pkcs7 -print_certs -in FILE` prints its certificates)",
        "OPENSSH PRIVATE KEY" => " (`ssh-keygen -p -m PKCS8 -f FILE` rewrites it)",
        _ => "",
    };
    format!(", but a `BEGIN {label}` block{help}")
}

/// A block from its BEGIN line to its END line.
struct PemBlock<'t> {
    /// The label of its BEGIN line.
    label: &'t [u8],
    /// The number of its BEGIN line, from 1.
    line: usize,
    text: &'t [u8],
    /// Whether its header declares it encrypted (RFC 1421: `Proc-Type: 4,ENCRYPTED`).
    encrypted: bool,
}

impl PemBlock<'_> {
    fn is(&self, label: &str) -> bool {
        self.label == label.as_bytes()
    }

    fn is_private_key(&self) -> bool {
        PRIVATE_KEYS.iter().any(|label| self.is(label))
    }

    /// Returns the label if a message may name it.
    fn known_label(&self) -> Option<&'static str> {
        LABELS.into_iter().find(|label| self.is(label))
    }

    fn cut_off(&self) -> PemProblem {
        PemProblem::CutOff(self.known_label().unwrap_or("..."))
    }

    /// Whether an END line with this text after `-----END ` ends the block.
    fn ends_with(&self, line: &[u8]) -> bool {
        let rest = line.strip_prefix(self.label);
        rest.is_some_and(|rest| rest.starts_with(DASHES))
    }
}

/// Reads all certificates of a text; at least one.
///
/// # Errors
/// Returns the problem even if a part of the text can be read: if a certificate were left out, only clients would notice.
pub(super) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemProblem> {
    let blocks = blocks(text)?;
    let certificates = blocks.iter().filter(|block| block.is(CERTIFICATE));
    let certificates = certificates.map(|block| {
        CertificateDer::from_pem_slice(block.text).map_err(|_| PemProblem::NotBase64(block.line))
    });
    let certificates = certificates.collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() {
        return Err(PemProblem::NoCertificate(first_label(&blocks)));
    }
    Ok(certificates)
}

/// Reads all lists of revoked certificates of a text; at least one.
///
/// # Errors
/// Returns the problem even if a part of the text can be read.
pub(super) fn revocation_lists(
    text: &[u8],
) -> Result<Vec<CertificateRevocationListDer<'static>>, PemProblem> {
    let blocks = blocks(text)?;
    let lists = blocks.iter().filter(|block| block.is(REVOCATION_LIST));
    let lists = lists.map(|block| {
        CertificateRevocationListDer::from_pem_slice(block.text)
            .map_err(|_| PemProblem::NotBase64(block.line))
    });
    let lists = lists.collect::<Result<Vec<_>, _>>()?;
    if lists.is_empty() {
        return Err(PemProblem::NoRevocationList(first_label(&blocks)));
    }
    Ok(lists)
}

/// Reads the first private key of a text.
///
/// # Errors
/// Returns the problem with the text, or the kind of block that it contains instead of a key.
pub(super) fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, PemProblem> {
    let blocks = blocks(text)?;
    if let Some(block) = blocks.iter().find(|block| block.is_private_key()) {
        if block.encrypted {
            return Err(PemProblem::EncryptedKey);
        }
        return PrivateKeyDer::from_pem_slice(block.text)
            .map_err(|_| PemProblem::NotBase64(block.line));
    }
    if blocks.iter().any(|block| block.is("ENCRYPTED PRIVATE KEY")) {
        return Err(PemProblem::EncryptedKey);
    }
    Err(PemProblem::NoPrivateKey(first_label(&blocks)))
}

/// Whether the first text contains a key and no certificate, and the second text a certificate and no key.
pub(super) fn are_swapped(certificates: &[u8], key: &[u8]) -> bool {
    let has = |text: &[u8]| {
        let blocks = blocks(text).unwrap_or_default();
        let encrypted = |block: &PemBlock<'_>| block.is("ENCRYPTED PRIVATE KEY");
        let key = |block: &PemBlock<'_>| block.is_private_key() || encrypted(block);
        let certificate = |block: &PemBlock<'_>| block.is(CERTIFICATE);
        (blocks.iter().any(certificate), blocks.iter().any(key))
    };
    (has(certificates), has(key)) == ((false, true), (true, false))
}

fn first_label(blocks: &[PemBlock<'_>]) -> Option<&'static str> {
    blocks.iter().find_map(PemBlock::known_label)
}

/// Returns every block of a text, in order.
fn blocks(text: &[u8]) -> Result<Vec<PemBlock<'_>>, PemProblem> {
    check_encoding(text)?;
    let mut blocks = Vec::new();
    let mut open: Option<(PemBlock<'_>, usize)> = None;
    for PemLine {
        number,
        start,
        bytes,
    } in lines(text)
    {
        check_margin(bytes, number)?;
        if let Some(rest) = bytes.strip_prefix(BEGIN) {
            if let Some((block, _)) = open {
                return Err(block.cut_off());
            }
            let block = PemBlock {
                label: label(rest).ok_or(PemProblem::NoLineBreak(number))?,
                line: number,
                text: &[],
                encrypted: false,
            };
            open = Some((block, start));
        } else if let Some(rest) = bytes.strip_prefix(END) {
            let (mut block, begin) = open.take().ok_or(PemProblem::NoBegin(number))?;
            if !block.ends_with(rest) {
                return Err(block.cut_off());
            }
            block.text = text.get(begin..start + bytes.len()).unwrap_or_default();
            blocks.push(block);
        } else if let Some((block, _)) = &mut open {
            block.encrypted |=
                bytes.starts_with(b"Proc-Type:") && bytes.trim_ascii_end().ends_with(b"ENCRYPTED");
        }
    }
    match open {
        Some((block, _)) => Err(block.cut_off()),
        None => Ok(blocks),
    }
}

/// Refuses a text that is empty, DER, or encoded once more.
fn check_encoding(text: &[u8]) -> Result<(), PemProblem> {
    let trimmed = text.trim_ascii();
    if trimmed.is_empty() {
        return Err(PemProblem::Empty);
    }
    // A DER sequence of more than 127 bytes.
    if let [0x30, 0x81..=0x84, ..] = text {
        return Err(PemProblem::Der);
    }
    if trimmed.starts_with(BEGIN_IN_BASE64) {
        return Err(PemProblem::EncodedTwice);
    }
    Ok(())
}

/// Refuses a line that would be a BEGIN or END line without the byte order mark or spaces before it.
fn check_margin(line: &[u8], number: usize) -> Result<(), PemProblem> {
    let is_marker = |line: &[u8]| line.starts_with(BEGIN) || line.starts_with(END);
    let trimmed = line.trim_ascii_start();
    match trimmed.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) if is_marker(rest.trim_ascii_start()) => Err(PemProblem::ByteOrderMark(number)),
        None if trimmed.len() < line.len() && is_marker(trimmed) => {
            Err(PemProblem::Indented(number))
        }
        _ => Ok(()),
    }
}

/// Returns the label of a BEGIN line if the line ends after it. `rest` is the text after `-----BEGIN `.
fn label(rest: &[u8]) -> Option<&[u8]> {
    let label = rest.trim_ascii_end().strip_suffix(DASHES)?;
    (!label.contains(&b'-')).then_some(label)
}

/// A line of a text.
struct PemLine<'t> {
    /// Its number, from 1.
    number: usize,
    /// The offset of its first byte in the text.
    start: usize,
    /// Its content, without the line ending.
    bytes: &'t [u8],
}

/// Splits a text into lines, which end in LF, CRLF or CR.
fn lines(text: &[u8]) -> impl Iterator<Item = PemLine<'_>> {
    let (mut start, mut number) = (0, 0);
    std::iter::from_fn(move || {
        let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
        let length = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let length = length.unwrap_or(rest.len());
        let (bytes, end) = rest.split_at(length);
        let line = PemLine {
            number: number + 1,
            start,
            bytes,
        };
        number += 1;
        start += length + if end.starts_with(b"\r\n") { 2 } else { 1 };
        Some(line)
    })
}

#[cfg(test)]
mod tests;
