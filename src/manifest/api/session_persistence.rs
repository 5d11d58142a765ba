use super::{Duration, choice, object, refuse};
use crate::manifest::{Decoder, Node};

object! {
    /// Whether a client keeps its backend.
    pub closed SessionPersistence checked by SessionPersistence::check {
        /// The session's name.
        "sessionName" => session_name: Option<String> [0..=128],
        /// When a session ends at last.
        "absoluteTimeout" => absolute_timeout: Option<Duration>,
        /// By cookie or by header.
        "type" => kind: SessionPersistenceType = SessionPersistenceType::Cookie,
        /// About the cookie.
        "cookieConfig" => cookie_config: Option<CookieConfig>,
    }
}

object! {
    /// About a session's cookie.
    pub closed CookieConfig {
        /// How long the browser keeps it.
        "lifetimeType" => lifetime_type: CookieLifetimeType = CookieLifetimeType::Session,
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
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let Some(cookie) = &self.cookie_config else {
            return;
        };
        if self.kind != SessionPersistenceType::Cookie {
            refuse(node, "cookieConfig", "goes with type Cookie only", decoder);
        }
        if cookie.lifetime_type == CookieLifetimeType::Permanent && self.absolute_timeout.is_none()
        {
            let why = "a permanent cookie needs it";
            refuse(node, "absoluteTimeout", why, decoder);
        }
    }
}
