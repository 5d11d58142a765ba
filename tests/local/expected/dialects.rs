//! Repositories with the kinds and settings of vendors.

use super::ExpectedOutcome::{Grpc, Redirect, Refused, Service};
use super::{ExpectedRepository, ExpectedRoute, answer, grpc, http};

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
                    "http://books.library.example/search?q=*",
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
