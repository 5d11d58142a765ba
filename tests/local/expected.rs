//! What `gatefold dev` and `gatefold check --dev` must do with each repository of `tests/fixtures/repositories`.

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

use ExpectedOutcome::{Grpc, Redirect, Refused, Service};

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

/// `${SECRET_DOMAIN}` is in an encrypted Secret, so its stand-in is `secret-domain.test`.
pub const FLUX_HOME: ExpectedRepository = ExpectedRepository {
    name: "flux-home",
    flags: &[],
    exit_code: 0,
    routes: &[
        http(
            "network/https-redirect",
            &[
                answer("http://*.secret-domain.test/", Redirect(301, "https://*")),
                answer("http://*.home.example.net/", Redirect(301, "https://*")),
            ],
        ),
        http(
            "media/photos",
            &[
                answer(
                    "https://photos.secret-domain.test/",
                    Service(&["media/photos"]),
                ),
                answer(
                    "https://photos.home.example.net/",
                    Service(&["media/photos"]),
                ),
            ],
        ),
        http(
            "media/player",
            &[
                answer(
                    "https://watch.home.example.net/api",
                    Service(&["media/player-api"]),
                ),
                answer(
                    "https://watch.home.example.net/",
                    Service(&["media/player"]),
                ),
            ],
        ),
    ],
};

pub const FLUX_FLEET: ExpectedRepository = ExpectedRepository {
    name: "flux-fleet",
    flags: &[],
    exit_code: 0,
    routes: &[
        http(
            "gateway/redirect-to-https",
            &[
                answer(
                    "http://www.shop.example/",
                    Redirect(308, "https://www.shop.example/"),
                ),
                answer(
                    "http://api.shop.example/",
                    Redirect(308, "https://api.shop.example/"),
                ),
            ],
        ),
        http(
            "storefront/storefront",
            &[
                answer(
                    "https://www.shop.example/checkout",
                    Service(&["checkout/checkout"]),
                ),
                answer(
                    "https://www.shop.example/",
                    Service(&["storefront/storefront"]),
                ),
            ],
        ),
        http(
            "checkout/checkout-api",
            &[
                answer(
                    "https://api.shop.example/v1/orders",
                    Service(&["checkout/checkout"]),
                ),
                answer(
                    "https://api.shop.example/v1/prices",
                    Service(&["checkout/checkout"]),
                ),
            ],
        ),
    ],
};

pub const KUSTOMIZE_PRODUCTION: ExpectedRepository = ExpectedRepository {
    name: "kustomize",
    flags: &["--overlay", "deploy/overlays/production"],
    exit_code: 0,
    routes: &[
        http(
            "ledger/ledger",
            &[
                answer(
                    "https://ledger.example.org/reports",
                    Service(&["ledger/reports"]),
                ),
                answer("https://ledger.example.org/", Service(&["ledger/ledger"])),
            ],
        ),
        http(
            "ledger/redirect",
            &[answer("http://*/", Redirect(302, "https://*"))],
        ),
    ],
};

pub const KUSTOMIZE_STAGING: ExpectedRepository = ExpectedRepository {
    name: "kustomize",
    flags: &["--overlay", "deploy/overlays/staging"],
    exit_code: 0,
    routes: &[
        http(
            "ledger-staging/ledger",
            &[
                answer(
                    "https://ledger.example.org/reports",
                    Service(&["ledger-staging/reports"]),
                ),
                answer(
                    "https://ledger.example.org/",
                    Service(&["ledger-staging/ledger"]),
                ),
            ],
        ),
        http(
            "ledger-staging/preview",
            &[answer(
                "http://*.preview.example.org/",
                Service(&["ledger-staging/ledger"]),
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

pub const GKE: ExpectedRepository = ExpectedRepository {
    name: "gke",
    flags: &[],
    exit_code: 0,
    routes: &[
        http(
            "infra/redirect",
            &[answer("http://*/", Redirect(302, "https://*"))],
        ),
        http(
            "store/store",
            &[
                answer(
                    "https://store.example.com/",
                    Service(&["store/store-v1", "store/store-v2"]),
                ),
                answer(
                    "https://www.store.example.com/",
                    Service(&["store/store-v1", "store/store-v2"]),
                ),
            ],
        ),
        http(
            "billing/invoices",
            &[answer(
                "http://billing.internal.example.com/invoices",
                Service(&["billing/invoices"]),
            )],
        ),
    ],
};

/// The SnippetsFilter is an object that no rule uses: gatefold doesn't run filters of other vendors.
pub const NGINX: ExpectedRepository = ExpectedRepository {
    name: "nginx",
    flags: &[],
    exit_code: 0,
    routes: &[
        http(
            "library/books",
            &[
                answer("http://books.library.example/", Service(&["library/books"])),
                answer(
                    "https://books.library.example/",
                    Service(&["library/books"]),
                ),
                answer(
                    "https://books.library.example/search?q=*",
                    Service(&["library/books"]),
                ),
            ],
        ),
        http(
            "library/loans",
            &[answer(
                "https://loans.library.example/loans",
                Service(&["library/loans"]),
            )],
        ),
        http(
            "library/members",
            &[answer(
                "https://*.members.library.example/card",
                Service(&["library/members"]),
            )],
        ),
        http(
            "library/members-redirect",
            &[answer(
                "http://*.members.library.example/",
                Redirect(302, "https://*.members.library.example/card"),
            )],
        ),
    ],
};

/// The route with a Service as parent is for traffic inside the mesh.
pub const ISTIO: ExpectedRepository = ExpectedRepository {
    name: "istio",
    flags: &[],
    exit_code: 0,
    routes: &[
        http(
            "istio-ingress/redirect",
            &[answer(
                "http://www.bookings.example/",
                Redirect(302, "https://www.bookings.example/"),
            )],
        ),
        http(
            "bookings/frontend",
            &[
                answer(
                    "https://www.bookings.example/guests",
                    Service(&["bookings/guests"]),
                ),
                answer(
                    "https://www.bookings.example/",
                    Service(&["bookings/frontend"]),
                ),
            ],
        ),
        grpc(
            "bookings/rooms",
            &[
                answer(
                    "https://rooms.bookings.example/bookings.rooms.v1.Rooms/Search",
                    Grpc("bookings/rooms"),
                ),
                answer(
                    "https://rooms.bookings.example/bookings.guests.v1.Guests/*",
                    Grpc("bookings/guests"),
                ),
            ],
        ),
        http("bookings/guests-in-the-mesh", &[]),
    ],
};

/// The SecurityPolicy of the route `partner` isn't enforced, so the route is closed.
pub const ENVOY_GATEWAY: ExpectedRepository = ExpectedRepository {
    name: "envoy-gateway",
    flags: &[],
    exit_code: 1,
    routes: &[
        TRACKING,
        LABELS,
        DISPATCH,
        http(
            "parcels/partner",
            &[answer("https://partner.parcels.example/v2", Refused(500))],
        ),
    ],
};

pub const ENVOY_GATEWAY_WITHOUT_PROTECTION: ExpectedRepository = ExpectedRepository {
    name: "envoy-gateway",
    flags: &["--dev-allow-auth"],
    exit_code: 0,
    routes: &[
        TRACKING,
        LABELS,
        DISPATCH,
        http(
            "parcels/partner",
            &[answer(
                "https://partner.parcels.example/v2",
                Service(&["parcels/partner"]),
            )],
        ),
    ],
};

const TRACKING: ExpectedRoute = http(
    "parcels/tracking",
    &[answer(
        "https://track.parcels.example/",
        Service(&["parcels/tracking"]),
    )],
);

/// The BackendTLSPolicy's ConfigMap is missing: the development CA takes the place of its authority.
const LABELS: ExpectedRoute = http(
    "parcels/labels",
    &[
        answer(
            "http://labels.parcels.example/print",
            Service(&["parcels/labels"]),
        ),
        answer(
            "https://labels.parcels.example/print",
            Service(&["parcels/labels"]),
        ),
    ],
);

const DISPATCH: ExpectedRoute = grpc(
    "parcels/dispatch",
    &[answer(
        "http://dispatch.parcels.example/parcels.v1.Dispatch/*",
        Grpc("dispatch/dispatch"),
    )],
);
