//! Encrypts and authenticates cookies.
//!
//! In: the secret of a policy, and a content. Out: a text for a cookie that only the same policy can read, in this process, after a
//! restart, and in every other gatefold with the same manifests. As in RFC 8188, each cookie has a random salt, from which
//! its key is derived; so no key is ever used twice, however many cookies there are.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;

const SALT_LENGTH: usize = 16;

/// The key of a policy's cookies.
pub struct CookieKey(Prk);

/// The policy that cookies belong to. A cookie of another one can't be read.
#[derive(Clone, Copy, Debug)]
pub struct CookieOwner<'o> {
    /// `namespace/name` of the policy.
    pub policy: &'o str,
    /// The issuer.
    pub issuer: &'o str,
    /// The client's id at the issuer.
    pub client_id: &'o str,
}

/// What a cookie contains. A cookie of one kind can't be used as one of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieContent {
    /// A login that has begun.
    Login,
    /// The tokens of a user.
    Session,
}

impl CookieContent {
    fn label(self) -> &'static [u8] {
        match self {
            CookieContent::Login => b"login",
            CookieContent::Session => b"session",
        }
    }
}

impl CookieKey {
    /// Derives the key from a secret (RFC 5869).
    pub fn derive(secret: &[u8], owner: CookieOwner<'_>) -> Self {
        let of_secret = Salt::new(HKDF_SHA256, b"gatefold oidc cookies").extract(secret);
        let CookieOwner {
            policy,
            issuer,
            client_id,
        } = owner;
        // With their lengths, so that no two owners have the same text.
        let lengths = [policy, issuer, client_id].map(|it| (it.len() as u64).to_be_bytes());
        let bound: [&[u8]; 6] = [
            &lengths[0],
            policy.as_bytes(),
            &lengths[1],
            issuer.as_bytes(),
            &lengths[2],
            client_id.as_bytes(),
        ];
        match of_secret.expand(&bound, HKDF_SHA256) {
            Ok(key) => CookieKey(key.into()),
            // Only longer outputs than this one fail.
            Err(_) => CookieKey(of_secret),
        }
    }

    /// Encrypts a content. `None` if the system has no random numbers.
    pub fn seal(&self, kind: CookieContent, content: &[u8]) -> Option<String> {
        let mut salt = [0; SALT_LENGTH];
        SystemRandom::new().fill(&mut salt).ok()?;
        let key = self.single_use(kind, &salt)?;
        let mut sealed = Vec::with_capacity(SALT_LENGTH + content.len() + MAX_TAG_LEN);
        sealed.extend_from_slice(&salt);
        let mut encrypted = content.to_vec();
        key.seal_in_place_append_tag(nonce(), Aad::empty(), &mut encrypted)
            .ok()?;
        sealed.append(&mut encrypted);
        Some(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Decrypts a content. `None` if this policy hasn't encrypted it as such a content, or it has been changed.
    pub fn open(&self, kind: CookieContent, text: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (salt, encrypted) = sealed.split_at_mut_checked(SALT_LENGTH)?;
        let key = self.single_use(kind, salt)?;
        let content = key.open_in_place(nonce(), Aad::empty(), encrypted).ok()?;
        Some(content.to_vec())
    }

    /// Returns the key of one cookie.
    fn single_use(&self, kind: CookieContent, salt: &[u8]) -> Option<LessSafeKey> {
        let info = [kind.label(), salt];
        let key = self.0.expand(&info, &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(key)))
    }
}

/// Each key encrypts one cookie, so the nonce may always be the same.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// Never prints the key.
impl fmt::Debug for CookieKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OWNER: CookieOwner<'static> = CookieOwner {
        policy: "default/shop",
        issuer: "https://idp.example",
        client_id: "shop",
    };

    fn key() -> CookieKey {
        CookieKey::derive(b"a client secret", OWNER)
    }

    #[test]
    fn only_the_same_secret_and_owner_can_open_a_cookie() {
        let sealed = key().seal(CookieContent::Session, b"tokens");
        let sealed = sealed.expect("a cookie").into_bytes();
        let opens = |key: CookieKey| key.open(CookieContent::Session, &sealed).is_some();
        assert!(opens(key()), "another process with the same manifests");
        assert!(!opens(CookieKey::derive(b"another secret", OWNER)));
        for other in [
            CookieOwner {
                policy: "default/admin",
                ..OWNER
            },
            CookieOwner {
                issuer: "https://other.example",
                ..OWNER
            },
            CookieOwner {
                client_id: "admin",
                ..OWNER
            },
            CookieOwner {
                policy: "default/shophttps",
                issuer: "://idp.example",
                ..OWNER
            },
        ] {
            assert!(
                !opens(CookieKey::derive(b"a client secret", other)),
                "{other:?}"
            );
        }
        assert_eq!(
            key().open(CookieContent::Login, &sealed),
            None,
            "another kind"
        );
    }

    #[test]
    fn equal_contents_have_different_cookies() {
        let seal = || {
            key()
                .seal(CookieContent::Login, b"content")
                .expect("a cookie")
        };
        assert_ne!(seal(), seal());
    }

    proptest! {
        #[test]
        fn what_is_sealed_can_be_opened_and_not_changed(
            content in proptest::collection::vec(any::<u8>(), 0..200),
            place in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let key = key();
            let sealed = key.seal(CookieContent::Session, &content).expect("a cookie");
            prop_assert_eq!(key.open(CookieContent::Session, sealed.as_bytes()), Some(content));
            let mut bytes = URL_SAFE_NO_PAD.decode(&sealed).expect("Base64url");
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            let changed = URL_SAFE_NO_PAD.encode(&bytes);
            prop_assert_eq!(key.open(CookieContent::Session, changed.as_bytes()), None);
            let cut = URL_SAFE_NO_PAD.encode(&bytes[..place]);
            prop_assert_eq!(key.open(CookieContent::Session, cut.as_bytes()), None);
        }

        #[test]
        fn text_that_is_not_sealed_is_refused(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(key().open(CookieContent::Login, &text), None);
        }
    }
}
