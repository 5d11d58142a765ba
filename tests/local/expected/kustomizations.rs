//! Repositories whose namespaces and variables come from kustomize and Flux.

use super::ExpectedOutcome::{Redirect, Service};
use super::{ExpectedRepository, answer, http};

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
