use super::{Duration, HeaderName, choice, object, refuse};
use crate::Decoder;
use gatefold_diagnostic::yaml::Node;

object! {
    /// Whether a client keeps its backend. The fields are those of v1.7.0, and those that it replaced.
    pub closed SessionPersistence checked by SessionPersistence::check {
        /// When a session ends at last.
        "absoluteTimeout" => absolute_timeout: Option<Duration>,
        /// By cookie or by header.
        "type" => kind: SessionPersistenceType = SessionPersistenceType::Cookie,
        /// About the cookie.
        "cookie" => cookie: Option<CookieConfig>,
        /// About the header.
        "header" => header: Option<HeaderConfig>,
        /// The session's name, until v1.6.
        "sessionName" => session_name: Option<String> [0..=128],
        /// About the cookie, until v1.6.
        "cookieConfig" => cookie_config: Option<CookieConfig>,
    }
}

object! {
    /// About a session's cookie.
    pub closed CookieConfig {
        /// Its name.
        "name" => name: Option<HeaderName>,
        /// Its path.
        "path" => path: String [0..=1024] = "/".to_owned(),
        /// How long the browser keeps it.
        "lifetimeType" => lifetime_type: CookieLifetimeType = CookieLifetimeType::Session,
    }
}

object! {
    /// About a session's header.
    pub closed HeaderConfig {
        /// Its name.
        "name" => name: HeaderName,
    }
}

choice! {
    /// How a client shows which session it belongs to.
    pub SessionPersistenceType {
        /// By a cookie.
        Cookie,
        /// By a header.
        Header,
    }
}

choice! {
    /// How long a browser keeps a session's cookie.
    pub CookieLifetimeType {
        /// For the absolute timeout.
        Permanent,
        /// Until it is closed.
        Session,
    }
}

impl SessionPersistence {
    /// What both v1.7.0 and the versions before ask for.
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
                refuse(node, field, "goes with type Cookie only", decoder);
            }
            let permanent = cookie.lifetime_type == CookieLifetimeType::Permanent;
            if permanent && self.absolute_timeout.is_none() {
                let why = "a permanent cookie needs it";
                refuse(node, "absoluteTimeout", why, decoder);
            }
        }
        if self.header.is_some() && self.kind != SessionPersistenceType::Header {
            refuse(node, "header", "goes with type Header only", decoder);
        }
    }
}
