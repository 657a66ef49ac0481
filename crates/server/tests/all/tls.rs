//! TLS of the HTTP server: certificates made here, clients with and without their own, files swapped while running.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::json;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned, SupportedCipherSuite,
    SupportedProtocolVersion, version,
};

use crate::support::http::{JSON, Reply, parse_reply, push_body, request_bytes};
use crate::support::now;
use crate::support::process::{Home, Loptr};

/// One who signs.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    cert: String,
    key: String,
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key can be made")
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a good name");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = key();
        let pem = params.self_signed(&key).expect("it signs itself").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn sign(&self, name: &str) -> Identity {
        let key = key();
        let cert = params(name).signed_by(&key, &self.issuer).expect("it signs");
        Identity { cert: cert.pem(), key: key.serialize_pem() }
    }
}

/// How a client speaks.
pub(crate) struct Client<'a> {
    trusts: &'a Authority,
    shows: Option<&'a Identity>,
    versions: Vec<&'static SupportedProtocolVersion>,
    suites: Vec<SupportedCipherSuite>,
}

/// What came of a request.
pub(crate) struct Told {
    pub(crate) reply: Reply,
    version: ProtocolVersion,
    cert: Vec<u8>,
}

impl<'a> Client<'a> {
    pub(crate) fn new(trusts: &'a Authority, shows: Option<&'a Identity>) -> Self {
        let versions = vec![&version::TLS13, &version::TLS12];
        Self { trusts, shows, versions, suites: aws_lc_rs::ALL_CIPHER_SUITES.to_vec() }
    }

    pub(crate) fn send(&self, loptr: &Loptr, request: &[u8]) -> io::Result<Told> {
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites.clone_from(&self.suites);
        let mut roots = RootCertStore::empty();
        roots.add(der(&self.trusts.pem)).expect("a certificate");
        let built = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&self.versions)
            .expect("versions that have suites")
            .with_root_certificates(roots);
        let config = match self.shows {
            Some(shows) => {
                let key = PrivateKeyDer::from_pem_slice(shows.key.as_bytes()).expect("a key");
                built.with_client_auth_cert(vec![der(&shows.cert)], key).expect("they fit")
            }
            None => built.with_no_client_auth(),
        };
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let socket = TcpStream::connect(loptr.api().address)?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut stream = StreamOwned::new(connection, socket);
        stream.write_all(request)?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let cert = stream.conn.peer_certificates().and_then(|certs| certs.first()).map(|cert| cert.to_vec());
        let version = stream.conn.protocol_version().expect("the handshake is done");
        Ok(Told { reply: parse_reply(&bytes)?, version, cert: cert.unwrap_or_default() })
    }

    pub(crate) fn get(&self, loptr: &Loptr, target: &str) -> io::Result<Told> {
        self.send(loptr, &request_bytes("GET", target, &[], b""))
    }

    #[track_caller]
    fn gets_in(&self, loptr: &Loptr) -> Told {
        let told = self.get(loptr, "/ready").expect("it is let in");
        assert_eq!(told.reply.status, 200);
        told
    }

    #[track_caller]
    pub(crate) fn is_kept_out(&self, loptr: &Loptr) {
        if let Ok(told) = self.get(loptr, "/ready") {
            panic!("let in: {:?}", told.reply);
        }
    }
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}

/// A home whose folder `tls` holds the files, with `more` in the block `server`.
fn home(server: &Identity, clients: Option<(&Authority, &str)>, more: &str) -> Home {
    let home = Home::new("");
    let dir = home.dir().join("tls");
    std::fs::create_dir(&dir).expect("the folder can be written");
    write(&dir, server);
    let mut block = format!("{{cert_file: {0}/tls.crt, key_file: {0}/tls.key", dir.display());
    if let Some((authority, auth)) = clients {
        std::fs::write(dir.join("ca.crt"), &authority.pem).expect("the folder can be written");
        block += &format!(", client_ca_file: {}/ca.crt, client_auth_type: {auth}", dir.display());
    }
    edit(&home, &format!("  http_tls_config: {block}}}\n{more}"));
    home
}

fn edit(home: &Home, server: &str) {
    let text = std::fs::read_to_string(home.config()).expect("just written");
    home.configure(&text.replace("  grpc_listen_port: 0\n", &format!("  grpc_listen_port: 0\n{server}")));
}

pub(crate) fn write(dir: &Path, identity: &Identity) {
    std::fs::write(dir.join("tls.crt"), &identity.cert).expect("the folder can be written");
    std::fs::write(dir.join("tls.key"), &identity.key).expect("the folder can be written");
}

#[test]
fn pushes_and_queries_of_clients_with_a_certificate() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("theirs"));
    let (server, client) = (authority.sign("server"), authority.sign("client"));
    let foreign = stranger.sign("client");
    let loptr = home(&server, Some((&authority, "RequireAndVerifyClientCert")), "").start();
    let client = Client::new(&authority, Some(&client));
    let told = client.gets_in(&loptr);
    assert_eq!((told.version, told.cert), (ProtocolVersion::TLSv1_3, der(&server.cert).to_vec()));

    let body = push_body(&[(json!({"app": "a"}), vec![json!([now().to_string(), "over TLS"])])]);
    let pushed = client.send(&loptr, &request_bytes("POST", "/loki/api/v1/push", &[JSON], &body)).expect("it answers");
    assert_eq!(pushed.reply.status, 204, "{:?}", pushed.reply);
    let found = client.get(&loptr, "/loki/api/v1/query_range?query=%7Bapp%3D%22a%22%7D").expect("it answers");
    assert_eq!(found.reply.json()["data"]["result"][0]["values"][0][1], "over TLS");

    Client::new(&authority, None).is_kept_out(&loptr);
    Client::new(&authority, Some(&foreign)).is_kept_out(&loptr);
    assert!(loptr.api().send("GET", "/ready", &[], &[]).is_err(), "plain HTTP is not answered");
    let metrics = client.get(&loptr, "/metrics").expect("it answers").reply.text();
    assert!(metrics.contains("\nloptr_tls_last_reload_successful 1\n"), "{metrics}");
    assert!(metrics.contains("\nloptr_tls_failed_handshakes_total 3\n"), "{metrics}");
    assert!(loptr.stop().0.success());
}

/// Who is let in: without a certificate, with one of a stranger, with one of ours.
#[test]
fn client_auth_types() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("theirs"));
    let (server, ours, theirs) = (authority.sign("server"), authority.sign("client"), stranger.sign("client"));
    for (auth, wanted) in [
        ("RequestClientCert", [true, true, true]),
        ("RequireAnyClientCert", [false, true, true]),
        ("RequireClientCert", [false, true, true]),
        ("VerifyClientCertIfGiven", [true, false, true]),
        ("RequireAndVerifyClientCert", [false, false, true]),
    ] {
        let loptr = home(&server, Some((&authority, auth)), "").start();
        let shown = [None, Some(&theirs), Some(&ours)];
        let let_in = shown.map(|shows| Client::new(&authority, shows).get(&loptr, "/ready").is_ok());
        assert_eq!(let_in, wanted, "{auth}");
    }
}

#[test]
fn versions_and_suites() {
    let authority = Authority::new("ours");
    let server = authority.sign("server");
    let only = |suite: &str| {
        let all = aws_lc_rs::ALL_CIPHER_SUITES.iter().filter(|known| format!("{:?}", known.suite()) == suite);
        all.copied().collect::<Vec<_>>()
    };
    let small = only("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    let large = only("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
    let client = |suites: &[SupportedCipherSuite]| Client {
        versions: vec![&version::TLS12],
        suites: suites.to_vec(),
        ..Client::new(&authority, None)
    };
    let chosen = "  tls_cipher_suites: TLS_RSA_WITH_AES_128_CBC_SHA,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\n";
    let loptr = home(&server, None, chosen).start();
    assert_eq!(client(&small).gets_in(&loptr).version, ProtocolVersion::TLSv1_2);
    client(&large).is_kept_out(&loptr);
    assert_eq!(Client::new(&authority, None).gets_in(&loptr).version, ProtocolVersion::TLSv1_3);
    let told = |line: &String| line.contains("TLS_RSA_WITH_AES_128_CBC_SHA is too old");
    assert!(loptr.log_lines().iter().any(told), "{:?}", loptr.log_lines());

    let loptr = home(&server, None, "  tls_min_version: VersionTLS13\n").start();
    client(&small).is_kept_out(&loptr);
    assert_eq!(Client::new(&authority, None).gets_in(&loptr).version, ProtocolVersion::TLSv1_3);
}

#[test]
fn certificates_in_the_file_itself() {
    let authority = Authority::new("ours");
    let server = authority.sign("server");
    let home = Home::new("");
    let text = |text: &str| json!(text).to_string();
    let block = format!("{{cert: {}, key: {}}}", text(&server.cert), text(&server.key));
    edit(&home, &format!("  http_tls_config: {block}\n"));
    let loptr = home.start();
    let client = Client::new(&authority, None);
    client.gets_in(&loptr);
    let shown = client.get(&loptr, "/config").expect("it answers").reply.text();
    assert!(!shown.contains("PRIVATE KEY"), "the key is not shown");
}

/// Asks until `wanted` holds.
#[track_caller]
fn wait(what: &str, mut wanted: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !wanted() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A folder as Kubernetes mounts a secret: `tls.crt` → `..data/tls.crt`, `..data` → a folder of this version.
fn mount(dir: &Path, version: &str, identity: &Identity) {
    let folder = dir.join(version);
    std::fs::create_dir(&folder).expect("a new version");
    write(&folder, identity);
    std::os::unix::fs::symlink(version, dir.join("..tmp")).expect("a link");
    std::fs::rename(dir.join("..tmp"), dir.join("..data")).expect("the swap");
}

#[test]
fn a_swapped_secret_is_taken_over_without_a_restart() {
    let authority = Authority::new("ours");
    let (first, second, third) = (authority.sign("one"), authority.sign("two"), authority.sign("three"));
    let home = home(&first, None, "");
    let dir = home.dir().join("tls");
    for file in ["tls.crt", "tls.key"] {
        std::fs::remove_file(dir.join(file)).expect("just written");
        std::os::unix::fs::symlink(format!("..data/{file}"), dir.join(file)).expect("a link");
    }
    mount(&dir, "..1", &first);
    let loptr = home.start();
    let client = Client::new(&authority, None);
    let shown = || client.gets_in(&loptr).cert;
    let metric = |name: &str| {
        let text = client.get(&loptr, "/metrics").expect("it answers").reply.text();
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok()).expect("it is there")
    };
    assert_eq!(shown(), der(&first.cert).to_vec());
    mount(&dir, "..2", &second);
    wait("the second is served", || shown() == der(&second.cert).to_vec());

    // A key that does not belong to the certificate changes nothing, and is told once.
    mount(&dir, "..3", &Identity { cert: third.cert.clone(), key: second.key.clone() });
    wait("the mismatch is noticed", || metric("loptr_tls_last_reload_successful") == 0.0);
    assert_eq!(shown(), der(&second.cert).to_vec());
    std::thread::sleep(Duration::from_secs(3));
    let told = loptr.log_lines().iter().filter(|line| line.contains("TLS certificates not taken over")).count();
    assert_eq!(told, 1);

    mount(&dir, "..4", &third);
    wait("the third is served", || shown() == der(&third.cert).to_vec());
    assert_eq!(metric("loptr_tls_last_reload_successful"), 1.0);
    assert!(loptr.stop().0.success());
}

#[test]
fn what_cannot_be_spoken_stops_the_start() {
    let authority = Authority::new("ours");
    let server = authority.sign("server");
    let other = authority.sign("other");
    let mixed = Identity { cert: server.cert.clone(), key: other.key };
    let no_files = |block: &str| {
        let home = Home::new("");
        edit(&home, &format!("  http_tls_config: {{{block}}}\n"));
        home
    };
    for (home, wanted) in [
        (no_files("cert_file: /no/such.crt, key_file: /no/such.key"), "failed to read cert_file (/no/such.crt)"),
        (no_files("cert_file: /no/such.crt"), "missing one of key or key_file"),
        (no_files("client_auth_type: RequireAndVerifyClientCert"), "missing one of cert or cert_file"),
        (home(&mixed, None, ""), "failed to load X509KeyPair"),
        (
            home(&server, Some((&authority, "NoClientCert")), ""),
            "client CA's have been configured without a Client Auth",
        ),
        (home(&server, Some((&authority, "Sometimes")), ""), "invalid ClientAuth: Sometimes"),
        (home(&server, None, "  tls_min_version: TLS12\n"), "TLS version \\\"TLS12\\\" not recognized"),
        (home(&server, None, "  tls_cipher_suites: FOO\n"), "cipher suite \\\"FOO\\\" not recognized"),
    ] {
        let ended = home.run(&[]);
        assert_eq!(ended.code, Some(1), "{wanted}: {}", ended.stderr);
        assert!(ended.stderr.contains("server.http_tls_config: ") && ended.stderr.contains(wanted), "{}", ended.stderr);
        assert!(!home.dir().join("chunks").exists(), "nothing was written");
    }
}
