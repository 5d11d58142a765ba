//! Keys change while requests are served.

use super::{folder, status};
use crate::support::daemon::Daemon;
use crate::support::key_server::{KeyServer, KeyServerBehavior};
use crate::support::tokens::{TokenIssuer, jwks};
use crate::support::{SetOnDrop, eventually};
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

#[test]
fn rotation_denies_no_token_of_a_published_key() {
    let (old, new) = (TokenIssuer::new("2026-01"), TokenIssuer::new("2026-02"));
    let body = |issuers: &[&TokenIssuer]| KeyServerBehavior::Body(jwks(issuers));
    let server = KeyServer::start(body(&[&old]));
    let settings = format!(
        "jwt: {{providers: [{{name: idp, remoteJWKS: {{uri: '{}', cacheDuration: 1s}}}}]}}",
        server.url()
    );
    let daemon = Daemon::of(&folder(&settings)).echo().start();
    let (of_old, of_new) = (old.token(&json!({})), new.token(&json!({})));
    let reached = |token: &str, expected: u16| {
        eventually(&format!("a token is answered {expected}"), || {
            (status(&daemon, token) == expected).then_some(())
        });
    };
    reached(&of_old, 200);
    assert_eq!(status(&daemon, &of_new), 401);
    server.change(body(&[&old, &new]));
    reached(&of_new, 200);
    // Both keys are published. From here on, tokens of the new one must always be accepted.
    let (end, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let _end = SetOnDrop(&end);
        let traffic = (0..2).map(|_| {
            scope.spawn(|| {
                while !end.load(Ordering::Relaxed) {
                    assert_eq!(status(&daemon, &of_new), 200);
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let traffic: Vec<_> = traffic.collect();
        server.change(body(&[&new]));
        reached(&of_old, 401);
        let before = (sent.load(Ordering::Relaxed), server.requests());
        eventually("further fetches under traffic", || {
            let fetched = server.requests() > before.1 + 1;
            (fetched && sent.load(Ordering::Relaxed) > before.0).then_some(())
        });
        end.store(true, Ordering::Relaxed);
        for thread in traffic {
            thread.join().expect("no token was denied");
        }
    });
}

/// The successor has its keys before it accepts connections.
#[test]
fn an_upgrade_denies_no_token() {
    let issuer = TokenIssuer::new("key-1");
    let server = KeyServer::start(KeyServerBehavior::Body(jwks(&[&issuer])));
    let settings = format!(
        "jwt: {{providers: [{{name: idp, remoteJWKS: {{uri: '{}'}}}}]}}",
        server.url()
    );
    let folder = folder(&settings);
    let daemon = Daemon::of(&folder).echo().upgradable().start();
    let token = issuer.token(&json!({}));
    assert_eq!(status(&daemon, &token), 200, "the first request");
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        let _end = SetOnDrop(&end);
        let traffic = scope.spawn(|| {
            while !end.load(Ordering::Relaxed) {
                assert_eq!(status(&daemon, &token), 200);
            }
        });
        for upgrades in 1..=3 {
            daemon.upgrade();
            assert_eq!(server.requests(), 1 + upgrades, "each process fetches once");
        }
        end.store(true, Ordering::Relaxed);
        traffic.join().expect("no token was denied");
    });
}
