//! `ClientTrafficPolicy.spec.http2`.

use crate::Decoder;
use crate::api::{Quantity, choice, object, refuse};
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
        "maxConcurrentStreams" => max_concurrent_streams: Option<u32>,
        /// What an invalid message ends.
        "onInvalidMessage" => on_invalid_message: Option<InvalidMessageAction>,
    }
}

choice! {
    /// What an invalid message ends.
    pub InvalidMessageAction {
        /// The connection.
        TerminateConnection,
        /// Only the stream of the message.
        TerminateStream,
    }
}

impl HTTP2Settings {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let most = u32::MAX >> 1;
        if self
            .max_concurrent_streams
            .is_some_and(|it| it == 0 || it > most)
        {
            let why = "must be from 1 to 2147483647";
            refuse(node, "maxConcurrentStreams", why, decoder);
        }
    }
}
