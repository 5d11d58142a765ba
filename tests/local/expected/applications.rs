//! Repositories of applications: plain manifests, Argo CD, and the output of Helm.

use super::ExpectedOutcome::{Grpc, Redirect, Service};
use super::{ExpectedRepository, answer, grpc, http};

pub const APPLICATION: ExpectedRepository = ExpectedRepository {
    name: "application",
    flags: &[],
    exit_code: 0,
    routes: &[
        http(
            "default/notes",
            &[
                answer("https://notes.example.com/api", Service(&["default/api"])),
                answer(
                    "https://notes.example.com/health",
                    Service(&["default/api"]),
                ),
                answer("https://notes.example.com/live", Service(&["default/web"])),
                answer("https://notes.example.com/", Service(&["default/web"])),
            ],
        ),
        http(
            "default/notes-http",
            &[answer(
                "http://notes.example.com/",
                Redirect(301, "https://notes.example.com/"),
            )],
        ),
    ],
};

/// The namespace of an Application's destination isn't read, so the wiki is in `default`. The paths `/health` and `/status`
/// of the tickets must reach its Service.
pub const ARGOCD: ExpectedRepository = ExpectedRepository {
    name: "argocd",
    flags: &[],
    exit_code: 0,
    routes: &[
        http(
            "argocd/argocd",
            &[answer(
                "https://argocd.example.io:8443/",
                Service(&["argocd/argocd-server"]),
            )],
        ),
        http(
            "metrics/dashboards",
            &[answer(
                "https://metrics.example.io:8443/",
                Service(&["metrics/metrics-dashboards"]),
            )],
        ),
        http(
            "tickets/tickets",
            &[
                answer(
                    "https://tickets.example.io:8443/health",
                    Service(&["tickets/tickets"]),
                ),
                answer(
                    "https://tickets.example.io:8443/status",
                    Service(&["tickets/tickets"]),
                ),
            ],
        ),
        http(
            "default/wiki",
            &[
                answer("http://wiki.example.io:8000/", Service(&["default/wiki"])),
                answer("https://wiki.example.io:8443/", Service(&["default/wiki"])),
                answer("http://docs.example.io:8000/", Service(&["default/wiki"])),
                answer("https://docs.example.io:8443/", Service(&["default/wiki"])),
            ],
        ),
    ],
};

pub const HELM_OUTPUT: ExpectedRepository = ExpectedRepository {
    name: "helm-output",
    flags: &[],
    exit_code: 0,
    routes: &[
        http(
            "default/survey",
            &[
                answer("http://survey.example.com/", Service(&["default/survey"])),
                answer("https://survey.example.com/", Service(&["default/survey"])),
                answer(
                    "http://survey.example.com/results/*",
                    Service(&["default/survey-results"]),
                ),
                answer(
                    "https://survey.example.com/results/*",
                    Service(&["default/survey-results"]),
                ),
            ],
        ),
        grpc(
            "default/survey-results",
            &[answer(
                "https://results.example.com/survey.v1.Results/*",
                Grpc("default/survey-results"),
            )],
        ),
    ],
};
