use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::KeyPair;

fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]);
    let made = made.expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn problem(text: impl AsRef<[u8]>) -> String {
    let read = certificates(text.as_ref());
    read.expect_err("it can't be read").to_string()
}

fn key_problem(text: impl AsRef<[u8]>) -> String {
    let read = private_key(text.as_ref());
    read.expect_err("it can't be read").to_string()
}

#[test]
fn reads_every_certificate_with_any_line_ending() {
    let (certificate, _) = pair();
    let text = format!("a comment\n{certificate}\n# between\n{certificate}");
    for text in [
        text.clone(),
        text.replace('\n', "\r\n"),
        text.replace('\n', "\r"),
    ] {
        assert_eq!(certificates(text.as_bytes()).map(|read| read.len()), Ok(2));
    }
    let commented = format!("{certificate}# -----BEGIN CERTIFICATE-----\n");
    assert_eq!(certificates(commented.as_bytes()).map(|it| it.len()), Ok(1));
}

#[test]
fn reports_a_text_that_is_cut_off() {
    let (certificate, key) = pair();
    let expected =
        "is cut off before its END line (`-----END CERTIFICATE-----`); copy the whole file again";
    let half = &certificate[..certificate.len() / 2];
    assert_eq!(problem(half), expected);
    assert_eq!(
        problem(certificate.trim_end().trim_end_matches('-')),
        expected
    );
    // The END line of the next block must not end this one.
    assert_eq!(problem(format!("{half}\n{certificate}")), expected);
    let rest = &certificate[certificate.len() / 2..];
    assert_eq!(
        problem(rest),
        "has an END line (4) without its BEGIN line; copy the whole file again"
            .replace("(4)", &format!("({})", rest.lines().count()))
    );
    let half = &key[..key.len() / 2];
    let message = key_problem(half);
    assert!(
        message.contains("before its END line (`-----END PRIVATE KEY-----`)"),
        "{message}"
    );
}

#[test]
fn reports_a_byte_order_mark_before_any_block() {
    let (certificate, key) = pair();
    let message = problem(format!("\u{feff}{certificate}"));
    assert!(
        message.starts_with("has a byte order mark (BOM, U+FEFF) before the BEGIN line 1;"),
        "{message}"
    );
    // Two concatenated files: without the check, the second block would be ignored.
    let lines = certificate.lines().count();
    let message = problem(format!("{certificate}\u{feff}{certificate}"));
    assert!(
        message.contains(&format!("before the BEGIN line {}", lines + 1)),
        "{message}"
    );
    assert!(key_problem(format!("\u{feff}{key}")).contains("byte order mark"));
}

#[test]
fn reports_lines_mangled_by_yaml_or_editors() {
    let (certificate, _) = pair();
    let folded = certificate.trim().replace('\n', " ");
    for text in [folded, certificate.trim().replace('\n', "\\n")] {
        let message = problem(text);
        assert!(message.contains("line breaks are lost"), "{message}");
    }
    let indented = certificate.replace('\n', "\n  ");
    assert!(problem(indented).starts_with("has spaces before `-----` in line "));
    let second = format!("{certificate}  {certificate}");
    assert!(problem(second).starts_with("has spaces before `-----` in line "));
}

#[test]
fn reports_other_encodings() {
    let (certificate, _) = pair();
    assert!(problem(STANDARD.encode(&certificate)).starts_with("is base64 of PEM"));
    let der = certificates(certificate.as_bytes()).expect("it is PEM");
    let message = problem(&der[0]);
    assert!(
        message.starts_with("is binary (DER), not PEM; `openssl x509 -inform DER"),
        "{message}"
    );
    assert_eq!(problem(" \n"), "is empty");
    let mangled = certificate.replacen("MII", "M?I", 1);
    assert!(
        problem(mangled).starts_with("contains a block that isn't base64, after the BEGIN line 1")
    );
}

#[test]
fn names_the_block_found_instead_of_a_certificate_or_key() {
    let (certificate, key) = pair();
    assert_eq!(problem("hello"), "has no `BEGIN CERTIFICATE` block");
    assert_eq!(
        problem(&key),
        "has no `BEGIN CERTIFICATE` block, but a `BEGIN PRIVATE KEY` block"
    );
    assert!(key_problem(&certificate).ends_with("but a `BEGIN CERTIFICATE` block"));
    let request = certificate.replace("CERTIFICATE", "CERTIFICATE REQUEST");
    assert!(problem(request).contains("an authority has to sign it"));
    let open_ssh = key.replace("PRIVATE KEY", "OPENSSH PRIVATE KEY");
    assert!(key_problem(open_ssh).contains("ssh-keygen"));
    assert!(are_swapped(key.as_bytes(), certificate.as_bytes()));
    assert!(!are_swapped(certificate.as_bytes(), key.as_bytes()));
}

#[test]
fn reports_encrypted_keys_of_both_forms() {
    let key = KeyPair::generate().expect("a key").serialize_pem();
    let pkcs_8 = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let header =
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n";
    let pkcs_1 = key
        .replace("-----BEGIN PRIVATE KEY-----\n", header)
        .replace("END PRIVATE", "END RSA PRIVATE");
    for text in [pkcs_8, pkcs_1] {
        assert_eq!(
            key_problem(text),
            "contains an encrypted key; decrypt it first (`openssl pkey -in KEY -out PLAIN`)"
        );
    }
}

#[test]
fn never_shows_a_part_of_the_key() {
    let key = KeyPair::generate().expect("a key").serialize_pem();
    let secret: String = key.lines().skip(1).take(1).collect();
    for text in [
        key.replace(
            "-----BEGIN PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----",
        ),
        key.replace("-----END", "----END"),
        key.replacen(&secret, &format!("?{secret}"), 1),
        format!("-----BEGIN {secret}-----\n{key}"),
    ] {
        let message = key_problem(&text);
        assert!(!message.contains(&secret[..16]), "{message}");
    }
}
