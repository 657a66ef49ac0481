//! `server.http_tls_config` and what belongs to it, as upstream reads it.

use std::path::PathBuf;

use loptr_config::Config;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{SupportedCipherSuite, SupportedProtocolVersion, version};

use super::TlsError;

/// Where a certificate or key is.
#[derive(Clone)]
pub(super) enum Pem {
    Text(String),
    File { path: PathBuf, key: &'static str },
}

impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text"),
            Self::File { path, .. } => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// What is asked of clients. Go's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientAuth {
    None,
    Request,
    RequireAny,
    VerifyIfGiven,
    RequireAndVerify,
}

/// How the HTTP server speaks TLS.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    pub(super) cert: Pem,
    pub(super) key: Pem,
    pub(super) client_ca: Option<Pem>,
    pub(super) client_auth: ClientAuth,
    pub(super) versions: Vec<&'static SupportedProtocolVersion>,
    pub(super) suites: Option<Vec<SupportedCipherSuite>>,
}

/// Suites Go has and rustls does not: old ones, which a list may name beside others.
const OLD_SUITES: &[&str] = &[
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
];

impl TlsSettings {
    /// Reads the block; `None` means plain HTTP.
    pub(crate) fn from_config(config: &Config) -> Result<Option<Self>, TlsError> {
        let block = |key: &str| config.str(&format!("server.http_tls_config.{key}"));
        // Where both are set, upstream takes the file.
        let pem = |text: &str, file: &'static str| match (block(text), block(file)) {
            ("", "") => None,
            (text, "") => Some(Pem::Text(text.to_owned())),
            (_, path) => Some(Pem::File { path: path.into(), key: file }),
        };
        let (cert, key) = (pem("cert", "cert_file"), pem("key", "key_file"));
        let client_ca = pem("client_ca", "client_ca_file");
        let client_auth = match block("client_auth_type") {
            "" | "NoClientCert" => ClientAuth::None,
            "RequestClientCert" => ClientAuth::Request,
            "RequireAnyClientCert" | "RequireClientCert" => ClientAuth::RequireAny,
            "VerifyClientCertIfGiven" => ClientAuth::VerifyIfGiven,
            "RequireAndVerifyClientCert" => ClientAuth::RequireAndVerify,
            other => return Err(TlsError(format!("invalid ClientAuth: {other}"))),
        };
        let (cert, key) = match (cert, key) {
            (Some(cert), Some(key)) => (cert, key),
            (None, None) if client_ca.is_none() && client_auth == ClientAuth::None => return Ok(None),
            (None, _) => return Err(TlsError("missing one of cert or cert_file".to_owned())),
            (_, None) => return Err(TlsError("missing one of key or key_file".to_owned())),
        };
        if client_ca.is_some() && client_auth == ClientAuth::None {
            return Err(TlsError("client CA's have been configured without a Client Auth Policy".to_owned()));
        }
        if client_ca.is_none() && matches!(client_auth, ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify) {
            let text = "client_auth_type verifies client certificates: missing one of client_ca or client_ca_file";
            return Err(TlsError(text.to_owned()));
        }
        let versions = match config.str("server.tls_min_version") {
            "VersionTLS13" => vec![&version::TLS13],
            "" | "VersionTLS12" => vec![&version::TLS12, &version::TLS13],
            old @ ("VersionTLS10" | "VersionTLS11") => {
                tracing::warn!("server.tls_min_version = {old}: the least version spoken is VersionTLS12");
                vec![&version::TLS12, &version::TLS13]
            }
            other => return Err(TlsError(format!("TLS version {} not recognized", loptr_model::go_quote(other)))),
        };
        let suites = suites(config.str("server.tls_cipher_suites"))?;
        Ok(Some(Self { cert, key, client_ca, client_auth, versions, suites }))
    }
}

/// The suites a list names, and those of TLS 1.3, which Go does not let anyone choose.
fn suites(list: &str) -> Result<Option<Vec<SupportedCipherSuite>>, TlsError> {
    if list.is_empty() {
        return Ok(None);
    }
    let known = aws_lc_rs::ALL_CIPHER_SUITES;
    // rustls calls the suites of TLS 1.3 `TLS13_…`, Go `TLS_…`.
    let name_of = |suite: &SupportedCipherSuite| format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1);
    let mut wanted: Vec<SupportedCipherSuite> = known.iter().filter(|suite| suite.tls13().is_some()).copied().collect();
    let mut any_of_tls12 = false;
    for name in list.split(',') {
        let name = name.trim();
        let full_name = if name.ends_with("_CHACHA20_POLY1305") { format!("{name}_SHA256") } else { name.to_owned() };
        match known.iter().find(|suite| name_of(suite) == full_name) {
            Some(suite) if suite.tls13().is_some() => {}
            Some(suite) => {
                any_of_tls12 = true;
                wanted.push(*suite);
            }
            None if OLD_SUITES.contains(&name) => {
                tracing::warn!("server.tls_cipher_suites: {name} is too old to be spoken");
            }
            None => return Err(TlsError(format!("cipher suite {} not recognized", loptr_model::go_quote(name)))),
        }
    }
    if !any_of_tls12 {
        tracing::warn!("server.tls_cipher_suites names no suite of TLS 1.2 that can be spoken: TLS 1.3 alone is");
    }
    Ok(Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_have_gos_names() {
        let named = |list: &str| suites(list).map(|suites| suites.map_or(0, |suites| suites.len()));
        assert_eq!(named("").expect("none"), 0);
        let of_tls13 = named("TLS_AES_128_GCM_SHA256").expect("known");
        assert_eq!(of_tls13, 3, "those of TLS 1.3 are always there");
        for name in [
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        ] {
            assert_eq!(named(name).expect(name), of_tls13 + 1, "{name}");
        }
        let mixed = "TLS_RSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
        assert_eq!(named(mixed).expect("an old one is left out"), of_tls13 + 1);
        assert_eq!(
            named("TLS_NULL").expect_err("unknown").to_string(),
            "server.http_tls_config: cipher suite \"TLS_NULL\" not recognized"
        );
    }
}
