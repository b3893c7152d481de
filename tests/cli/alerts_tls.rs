//! Webhooks over https: posted to whom this machine trusts, and to nobody else.

use crate::harness::{Daemon, json, until};
use crate::receiving::Receiving;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::Value;
use tempfile::TempDir;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server whose certificate is for `host`, signed by `authority`.
fn receiving(authority: &Authority, host: &str) -> Receiving {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([host.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    Receiving::with_certificate(vec![certificate.der().clone()], key.into())
}

/// A daemon on a machine that trusts this authority and nobody else.
fn daemon(trusts: &str, address: &str) -> Daemon {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let alerts =
        format!("[alerts.desk]\nfilter = ''\nfrom = 'start'\nretry-max-s = 1\nwebhook = '{address}'\n");
    std::fs::write(folder.path().join("chancery.toml"), alerts).unwrap();
    let file = folder.path().join("trusted.pem");
    std::fs::write(&file, trusts).unwrap();
    let none = folder.path().join("none");
    std::fs::create_dir(&none).unwrap();
    let settings = ["--listen", "127.0.0.1:0", "--http", "off", "--shutdown-s", "1"];
    let daemon = Daemon::with_env(
        folder,
        &settings,
        &[("SSL_CERT_FILE", &file), ("SSL_CERT_DIR", &none)],
    );
    daemon.append(r#"{"series":"desk","key":"k0","kind":"event","title":"t0"}"#);
    daemon
}

fn fails(daemon: &Daemon) -> String {
    let now: Value = until("a failure", || {
        let now = json(&daemon.ok(&["status", "-o", "json"]))["alerts"][0].clone();
        (now["failures"] != 0).then_some(now)
    });
    assert_eq!(now["position"], 0);
    now["last_error"].as_str().unwrap().to_owned()
}

#[test]
fn a_webhook_over_https_is_posted_to_whom_this_machine_trusts() {
    let authority = authority("known");
    let server = receiving(&authority, "127.0.0.1");
    let daemon = daemon(&authority.pem(), &server.address);
    let posted = server.next();
    assert_eq!(posted.key(), "k0");
    assert!(
        posted.head.starts_with("POST /in?desk=1 HTTP/1.1\r\n"),
        "{posted:?}"
    );
    until("it is done", || {
        let now = json(&daemon.ok(&["status", "-o", "json"]))["alerts"][0].clone();
        (now["position"] == 1).then_some(())
    });
}

#[test]
fn a_webhook_is_not_posted_to_whom_this_machine_does_not_trust() {
    let (known, unknown) = (authority("known"), authority("unknown"));
    let stranger = receiving(&unknown, "127.0.0.1");
    let error = fails(&daemon(&known.pem(), &stranger.address));
    assert!(
        error.contains("no TLS with 127.0.0.1:") && error.contains("UnknownIssuer"),
        "{error}"
    );
    let other = receiving(&known, "desk.example");
    let error = fails(&daemon(&known.pem(), &other.address));
    assert!(error.contains("not valid for name"), "{error}");
    for server in [stranger, other] {
        assert!(server.posted.try_recv().is_err(), "nothing was posted");
    }
}

#[test]
fn a_webhook_over_https_says_so_where_there_is_no_tls_and_where_nobody_is_trusted() {
    let plain = Receiving::start();
    let authority = authority("known");
    let error = fails(&daemon(
        &authority.pem(),
        &plain.address.replace("http:", "https:"),
    ));
    assert!(error.contains("no TLS with 127.0.0.1:"), "{error}");
    let server = receiving(&authority, "127.0.0.1");
    let error = fails(&daemon("", &server.address));
    assert!(
        error.contains("no certificate is trusted on this machine"),
        "{error}"
    );
    assert!(server.posted.try_recv().is_err(), "nothing was posted");
}
