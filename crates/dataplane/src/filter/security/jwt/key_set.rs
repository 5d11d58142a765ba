//! The keys of an issuer (JWKS; RFC 7517, section 5).
//!
//! In: the text of a JWKS, which may come from the network. Out: its usable keys, with the reasons against the others. The size of
//! the text and the number of its keys are limited, and so is the number of keys that a token is tried with.

use super::key::{KeyProblem, VerificationKey};
use super::token::Token;
use crate::filter::security::denial::Denial;
use serde::Deserialize;
use std::fmt;

/// The maximum length of a JWKS, in bytes.
pub const MAX_KEY_SET: usize = 1024 * 1024;
/// The maximum number of keys in a JWKS.
pub const MAX_KEYS: usize = 100;
/// The maximum number of keys that the signature of one token is tried with.
const MAX_TRIALS: usize = 16;

/// The keys of an issuer. At least one.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<VerificationKey>,
}

/// A key of a JWKS that isn't used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its position in `keys`, from 0.
    pub index: usize,
    /// Why it isn't used.
    pub problem: KeyProblem,
}

/// Why a JWKS can't be used. No text contains a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetProblem {
    /// The text is too long.
    #[error("the JWKS has more than {MAX_KEY_SET} bytes")]
    TooLong,
    /// The text isn't JSON.
    #[error("the JWKS isn't JSON: line {line}, column {column}")]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The column, from 1. 0 at the end of the previous line.
        column: usize,
    },
    /// The text is another JSON than an object with a list of keys.
    #[error("the JWKS isn't an object with a list `keys` (RFC 7517, section 5)")]
    NoKeys,
    /// There are too many keys.
    #[error("the JWKS has {0} keys, more than {MAX_KEYS}")]
    TooManyKeys(usize),
    /// No key can be used.
    #[error("the JWKS has no key that can verify a signature{}", first(.0))]
    NoUsableKey(Vec<SkippedKey>),
}

/// Explains why the first key isn't used.
fn first(skipped: &[SkippedKey]) -> String {
    skipped
        .first()
        .map_or_else(String::new, |first| format!("; {first}"))
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SkippedKey { index, problem } = self;
        write!(f, "`keys[{index}]`: {problem}")
    }
}

/// Explains an error without the value that it is about, which may be a secret.
fn problem(error: serde_json::Error) -> KeySetProblem {
    if error.is_data() {
        return KeySetProblem::NoKeys;
    }
    KeySetProblem::NotJson {
        line: error.line(),
        column: error.column(),
    }
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// Reads a JWKS. Keys that can't be used are skipped. Keys that aren't for signatures are not even mentioned.
    ///
    /// # Errors
    /// If it can't be read, or no key can be used.
    pub fn parse(text: &[u8]) -> Result<(KeySet, Vec<SkippedKey>), KeySetProblem> {
        if text.len() > MAX_KEY_SET {
            return Err(KeySetProblem::TooLong);
        }
        let Jwks { keys } = serde_json::from_slice(text).map_err(problem)?;
        if keys.len() > MAX_KEYS {
            return Err(KeySetProblem::TooManyKeys(keys.len()));
        }
        let (mut usable, mut skipped) = (Vec::new(), Vec::new());
        for (index, entry) in keys.into_iter().enumerate() {
            match VerificationKey::read(entry) {
                Some(Ok(key)) => usable.push(key),
                Some(Err(problem)) => skipped.push(SkippedKey { index, problem }),
                None => {}
            }
        }
        if usable.is_empty() {
            return Err(KeySetProblem::NoUsableKey(skipped));
        }
        Ok((KeySet { keys: usable }, skipped))
    }

    /// Returns the number of usable keys.
    pub fn size(&self) -> usize {
        self.keys.len()
    }

    /// Verifies the signature of a token.
    ///
    /// # Errors
    /// If no key fits the token, or its signature is none of a key that fits.
    pub(super) fn verify(&self, token: &Token<'_>) -> Result<(), Denial> {
        let (algorithm, id) = (token.algorithm, token.key_id.as_deref());
        let fitting = self.keys.iter().filter(|key| key.fits(algorithm, id));
        let mut denial = Denial::JwtUnknownKey;
        for key in fitting.take(MAX_TRIALS) {
            if key.verifies(algorithm, token.signed.as_bytes(), &token.signature) {
                return Ok(());
            }
            denial = Denial::JwtBadSignature;
        }
        Err(denial)
    }
}
