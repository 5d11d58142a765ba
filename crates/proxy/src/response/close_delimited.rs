//! Responses to HTTP/1.0 clients, which don't support chunks: the end of the connection is the end of the body.
//!
//! Pingora adds `Transfer-Encoding: chunked` to a response without a length, for HTTP/2 backends after the last hook. Only a
//! Pingora module sees the header after that. Modules cost every request something, so only these clients get one.

use async_trait::async_trait;
use http::header::TRANSFER_ENCODING;
use pingora_core::Result;
use pingora_core::modules::http::{HttpModule, HttpModuleBuilder, HttpModules, Module};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use std::any::Any;

/// Sends the responses of a session without a transfer coding. Pingora then closes the connection after the body.
pub(crate) fn set(session: &mut Session) {
    let mut modules = HttpModules::new();
    modules.add_module(Box::new(CloseDelimitedBuilder));
    session.downstream_modules_ctx = modules.build_ctx();
}

struct CloseDelimitedBuilder;

impl HttpModuleBuilder for CloseDelimitedBuilder {
    fn init(&self) -> Module {
        Box::new(CloseDelimited)
    }
}

struct CloseDelimited;

#[async_trait]
impl HttpModule for CloseDelimited {
    async fn response_header_filter(
        &mut self,
        response: &mut ResponseHeader,
        _end_of_stream: bool,
    ) -> Result<()> {
        response.remove_header(&TRANSFER_ENCODING);
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
