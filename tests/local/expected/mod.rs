//! What `gatefold dev` and `gatefold check --dev` must do with each repository of `tests/fixtures/repositories`.

pub mod applications;
pub mod dialects;
pub mod kustomizations;

/// A repository, the flags, and what is expected with them.
pub struct ExpectedRepository {
    /// The folder.
    pub name: &'static str,
    /// Further flags of `dev` and `check`.
    pub flags: &'static [&'static str],
    /// The exit code of `gatefold check --dev`: 0 if a cluster would take it and gatefold can serve it.
    pub exit_code: i32,
    /// All routes.
    pub routes: &'static [ExpectedRoute],
}

/// A route and its answers.
pub struct ExpectedRoute {
    /// `httproutes` or `grpcroutes`.
    pub resource: &'static str,
    /// `NAMESPACE/NAME`.
    pub name: &'static str,
    /// The answers to its curl lines. Each has at least one line. Empty for a route that no Gateway serves.
    pub answers: &'static [ExpectedAnswer],
}

/// The answer to the curl lines with a URL.
pub struct ExpectedAnswer {
    /// The URL, without the scheme's own port. `*` is any text.
    pub url: &'static str,
    /// What is expected.
    pub outcome: ExpectedOutcome,
}

/// What is answered.
#[derive(Clone, Copy, Debug)]
pub enum ExpectedOutcome {
    /// 200 from one of these Services (`NAMESPACE/NAME`).
    Service(&'static [&'static str]),
    /// A gRPC call is answered by the Service.
    Grpc(&'static str),
    /// A redirect with this status to a URL, in which `*` is any text.
    Redirect(u16, &'static str),
    /// An answer of gatefold with this status.
    Refused(u16),
}

const fn http(name: &'static str, answers: &'static [ExpectedAnswer]) -> ExpectedRoute {
    ExpectedRoute {
        resource: "httproutes",
        name,
        answers,
    }
}

const fn grpc(name: &'static str, answers: &'static [ExpectedAnswer]) -> ExpectedRoute {
    ExpectedRoute {
        resource: "grpcroutes",
        name,
        answers,
    }
}

const fn answer(url: &'static str, outcome: ExpectedOutcome) -> ExpectedAnswer {
    ExpectedAnswer { url, outcome }
}
