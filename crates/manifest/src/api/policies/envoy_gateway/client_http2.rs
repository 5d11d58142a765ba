//! `ClientTrafficPolicy.spec.http2`.

use crate::Decoder;
use crate::api::{Quantity, object, refuse};
use gatefold_diagnostic::yaml::Node;

object! {
    /// How HTTP/2 is spoken with clients. The field table reports unknown fields.
    #[derive(Default)]
    pub open HTTP2Settings checked by HTTP2Settings::check {
        /// How many bytes of a request's body may arrive before the endpoint reads them.
        "initialStreamWindowSize" => initial_stream_window_size: Option<Quantity>,
        /// The same for all requests of a connection.
        "initialConnectionWindowSize" => initial_connection_window_size: Option<Quantity>,
        /// How many requests a client may send at once.
        "maxConcurrentStreams" => max_concurrent_streams: Option<i32>,
        /// What an invalid message ends: `TerminateStream`, or `TerminateConnection`, which any other text means as well (the schema has
        /// no list of values).
        "onInvalidMessage" => on_invalid_message: Option<String>,
    }
}

impl HTTP2Settings {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.max_concurrent_streams.is_some_and(|it| it < 1) {
            let why = "must be from 1 to 2147483647";
            refuse(node, "maxConcurrentStreams", why, decoder);
        }
    }
}
