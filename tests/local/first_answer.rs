//! The path of a new user: clone, one command, the first answer over HTTPS.

use crate::support::dev::ClonedRepository;
use crate::support::eventually;
use std::time::{Duration, Instant};

/// A loaded machine needs many times as long as an idle one.
const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn a_new_user_gets_an_answer_over_https_within_seconds() {
    let begin = Instant::now();
    let clone = ClonedRepository::of("application");
    let mut dev = clone.dev(&[]);
    let lines = dev.curl_lines();
    let secure = lines.iter().find(|it| it.url.starts_with("https://"));
    let line = secure.expect("a curl line over HTTPS");
    eventually("the first answer is 200", || {
        let answer = dev.run(line).ok()?;
        (answer.status == 200).then_some(())
    });
    let time = begin.elapsed();
    println!("the first 200 over HTTPS came after {time:?}");
    assert!(time < LIMIT, "the first answer took {time:?}");
}
