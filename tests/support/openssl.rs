//! Keys and certificates in formats that only openssl creates.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// Runs openssl with this standard input, and returns its output.
#[track_caller]
pub fn openssl(arguments: &[&str], input: &str) -> String {
    let mut command = Command::new("openssl");
    command.args(arguments).stderr(Stdio::null());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl, which ./x test installs");
    let mut stdin = child.stdin.take().expect("its input");
    stdin
        .write_all(input.as_bytes())
        .expect("openssl reads its input");
    drop(stdin);
    let mut output = String::new();
    let mut stdout = child.stdout.take().expect("its output");
    stdout.read_to_string(&mut output).expect("text");
    assert!(child.wait().expect("its end").success(), "{arguments:?}");
    output
}

/// Creates a self-signed certificate with a common name for a key.
#[track_caller]
pub fn self_signed(key: &str, name: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("key.pem");
    std::fs::write(&path, key).expect("the key written");
    let subject = format!("/CN={name}");
    let path = path.to_str().expect("a path");
    let request = [
        "req", "-x509", "-days", "30", "-subj", &subject, "-key", path,
    ];
    openssl(&request, "")
}
