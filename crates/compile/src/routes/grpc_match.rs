//! Compiles the matches of GRPCRoutes.

use super::compile_match::{CompileMatch, Patterns};
use gatefold_dataplane::routing::grpc_match::{GrpcMatch, NameMatch};
use gatefold_dataplane::routing::matcher::Matcher;
use gatefold_manifest::api::{GRPCRouteMatch, ValueMatchType};

impl CompileMatch for GRPCRouteMatch {
    type Compiled = GrpcMatch;

    fn compile(&self, patterns: &mut Patterns) -> Option<GrpcMatch> {
        let method = self.method.as_ref();
        let name = |text: Option<&String>| match (text, method) {
            (Some(text), Some(method)) if !text.is_empty() => named(method.kind, text),
            _ => NameMatch::Any,
        };
        let conditions = Matcher {
            headers: patterns.headers(&self.headers)?,
            ..Matcher::default()
        };
        Some(GrpcMatch {
            service: name(method.and_then(|it| it.service.as_ref())),
            method: name(method.and_then(|it| it.method.as_ref())),
            matcher: patterns.share(conditions),
        })
    }

    /// GRPCRoutes have no filters that change paths.
    fn prefix(&self) -> &str {
        "/"
    }
}

fn named(kind: ValueMatchType, text: &str) -> NameMatch {
    match kind {
        ValueMatchType::Exact => NameMatch::Exact(text.into()),
        ValueMatchType::RegularExpression => NameMatch::Regex(text.into()),
    }
}
