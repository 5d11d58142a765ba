//! Session persistence of rules.

use crate::Decoder;
use crate::api::{Duration, HeaderName, choice, object, refuse};
use gatefold_diagnostic::yaml::Node;

object! {
    /// How a client stays with one backend. The fields are those of v1.7.0 and the ones that they replaced.
    pub closed SessionPersistence checked by SessionPersistence::check {
        /// The maximum lifetime of a session.
        "absoluteTimeout" => absolute_timeout: Option<Duration>,
        /// Whether a cookie or a header identifies the session.
        "type" => kind: SessionPersistenceType = SessionPersistenceType::Cookie,
        /// The settings of the cookie.
        "cookie" => cookie: Option<CookieConfig>,
        /// The settings of the header.
        "header" => header: Option<HeaderConfig>,
        /// The name of the session, until v1.6.
        "sessionName" => session_name: Option<String> [0..=128],
        /// The settings of the cookie, until v1.6.
        "cookieConfig" => cookie_config: Option<CookieConfig>,
    }
}

object! {
    /// The settings of a session cookie.
    pub closed CookieConfig {
        /// The name.
        "name" => name: Option<HeaderName>,
        /// The path.
        "path" => path: String [0..=1024] = "/".to_owned(),
        /// How long the browser keeps the cookie.
        "lifetimeType" => lifetime_type: CookieLifetimeType = CookieLifetimeType::Session,
    }
}

object! {
    /// The settings of a session header.
    pub closed HeaderConfig {
        /// The name.
        "name" => name: HeaderName,
    }
}

choice! {
    /// What identifies the session of a client.
    pub SessionPersistenceType {
        /// A cookie.
        Cookie,
        /// A header.
        Header,
    }
}

choice! {
    /// How long a browser keeps a session cookie.
    pub CookieLifetimeType {
        /// For the absolute timeout.
        Permanent,
        /// Until the browser is closed.
        Session,
    }
}

impl SessionPersistence {
    /// Checks the rules that v1.7.0 and earlier versions share.
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let cookies = [
            ("cookie", self.cookie.as_ref()),
            ("cookieConfig", self.cookie_config.as_ref()),
        ];
        for (field, cookie) in cookies {
            let Some(cookie) = cookie else {
                continue;
            };
            if self.kind != SessionPersistenceType::Cookie {
                refuse(node, field, "is allowed only with type Cookie", decoder);
            }
            let permanent = cookie.lifetime_type == CookieLifetimeType::Permanent;
            if permanent && self.absolute_timeout.is_none() {
                let why = "is required for a permanent cookie";
                refuse(node, "absoluteTimeout", why, decoder);
            }
        }
        if self.header.is_some() && self.kind != SessionPersistenceType::Header {
            refuse(node, "header", "is allowed only with type Header", decoder);
        }
    }
}
