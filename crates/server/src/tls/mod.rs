//! TLS of the HTTP server: certificates from files or from the configuration, client certificates, and all of it read
//! again while running, so that a renewed certificate needs no restart.
//!
//! Files are read by their paths every two seconds and compared by content: this sees a file that is written anew, one
//! that is renamed over it, and the symlink that Kubernetes swaps below a mounted secret. New contents hold for new
//! connections. Certificate and key that do not fit each other, as between two writes, change nothing.
//!
//! `server.http_tls_config` with neither certificate nor key means plain HTTP. With only one of the two, upstream serves
//! plain HTTP without a word; here the start is refused.

mod client;
mod settings;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use loptr_ports::{Connection, Disk, Ports, TaskHandle};
use parking_lot::RwLock;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_util::sync::CancellationToken;

use self::client::AnyClient;
pub use self::settings::TlsSettings;
use self::settings::{ClientAuth, Pem};

/// How often files are looked at for new contents.
const RELOAD_EVERY: Duration = Duration::from_secs(2);

/// Why TLS cannot be had.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("server.http_tls_config: {0}")]
pub struct TlsError(String);

/// Contents of what the settings name.
#[derive(PartialEq, Eq)]
struct Material {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

fn read(settings: &TlsSettings, disk: &dyn Disk) -> Result<Material, TlsError> {
    let bytes = |pem: &Pem| match pem {
        Pem::Text(text) => Ok(text.clone().into_bytes()),
        Pem::File { path, key } => {
            disk.read(path).map_err(|error| TlsError(format!("failed to read {key} ({}): {error}", path.display())))
        }
    };
    let client_ca = settings.client_ca.as_ref().map(bytes).transpose()?;
    Ok(Material { cert: bytes(&settings.cert)?, key: bytes(&settings.key)?, client_ca })
}

fn certificates(bytes: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let all = all.map_err(|error| TlsError(format!("{what}: {error}")))?;
    if all.is_empty() { Err(TlsError(format!("{what}: it holds no certificate"))) } else { Ok(all) }
}

fn build(settings: &TlsSettings, material: &Material) -> Result<ServerConfig, TlsError> {
    let mut provider = aws_lc_rs::default_provider();
    if let Some(suites) = &settings.suites {
        provider.cipher_suites.clone_from(suites);
    }
    let provider = Arc::new(provider);
    let chain = certificates(&material.cert, "certificate")?;
    let key = PrivateKeyDer::from_pem_slice(&material.key).map_err(|error| TlsError(format!("key: {error}")))?;
    let mut roots = RootCertStore::empty();
    if let Some(bytes) = &material.client_ca {
        for root in certificates(bytes, "client CA")? {
            roots.add(root).map_err(|error| TlsError(format!("client CA: {error}")))?;
        }
    }
    let built = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&settings.versions)
        .map_err(|error| TlsError(error.to_string()))?;
    let verifying = || WebPkiClientVerifier::builder_with_provider(Arc::new(roots.clone()), provider.clone());
    let failed = |error: VerifierBuilderError| TlsError(format!("client CA: {error}"));
    let built = match settings.client_auth {
        ClientAuth::None => built.with_no_client_auth(),
        ClientAuth::Request => built.with_client_cert_verifier(Arc::new(AnyClient { provider, mandatory: false })),
        ClientAuth::RequireAny => built.with_client_cert_verifier(Arc::new(AnyClient { provider, mandatory: true })),
        ClientAuth::VerifyIfGiven => {
            built.with_client_cert_verifier(verifying().allow_unauthenticated().build().map_err(failed)?)
        }
        ClientAuth::RequireAndVerify => built.with_client_cert_verifier(verifying().build().map_err(failed)?),
    };
    let mut config =
        built.with_single_cert(chain, key).map_err(|error| TlsError(format!("failed to load X509KeyPair: {error}")))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// TLS as it is spoken now.
pub(crate) struct Tls {
    settings: TlsSettings,
    current: RwLock<(Arc<Material>, Arc<ServerConfig>)>,
    succeeded: AtomicBool,
    failed_handshakes: AtomicU64,
}

impl Tls {
    /// Reads everything once; a fault stops the start.
    pub(crate) async fn load(settings: TlsSettings, ports: &Ports) -> Result<Self, TlsError> {
        let loaded = load(&settings, ports, None).await?;
        let current = loaded.ok_or_else(|| TlsError("nothing was read".to_owned()))?;
        let (succeeded, failed_handshakes) = (AtomicBool::new(true), AtomicU64::new(0));
        Ok(Self { settings, current: RwLock::new(current), succeeded, failed_handshakes })
    }

    /// Whether the files could be used when they were looked at last.
    pub(crate) fn succeeded(&self) -> bool {
        self.succeeded.load(Ordering::Relaxed)
    }

    /// Connections that ended before they were secure.
    pub(crate) fn failed_handshakes(&self) -> u64 {
        self.failed_handshakes.load(Ordering::Relaxed)
    }

    /// Counts one.
    pub(crate) fn handshake_failed(&self) {
        self.failed_handshakes.fetch_add(1, Ordering::Relaxed);
    }

    /// Shakes hands with a new connection.
    pub(crate) async fn accept(&self, stream: Box<dyn Connection>) -> std::io::Result<Box<dyn Connection>> {
        let config = self.current.read().1.clone();
        Ok(Box::new(TlsAcceptor::from(config).accept(stream).await?))
    }

    /// Looks at the files every now and then until `stop`; new contents hold for new connections, bad ones are logged
    /// once.
    pub(crate) fn keep_loading(self: Arc<Self>, ports: &Ports, stop: CancellationToken) -> TaskHandle {
        let task_ports = ports.clone();
        let task = async move {
            let mut told = None;
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = task_ports.clock.sleep(RELOAD_EVERY) => {}
                }
                let known = self.current.read().0.clone();
                let loaded = load(&self.settings, &task_ports, Some(known)).await;
                self.succeeded.store(loaded.is_ok(), Ordering::Relaxed);
                match loaded {
                    Ok(Some(new)) => {
                        *self.current.write() = new;
                        told = None;
                        tracing::info!("new TLS certificates in use");
                    }
                    Ok(None) => told = None,
                    Err(error) if told.as_ref() == Some(&error) => {}
                    Err(error) => {
                        tracing::error!(err = %error, "TLS certificates not taken over: the last good ones stay in use");
                        told = Some(error);
                    }
                }
            }
        };
        ports.spawner.spawn("tls certificates", Box::pin(task))
    }
}

type Loaded = (Arc<Material>, Arc<ServerConfig>);

/// Reads and prepares everything; `None` if it is what is `known`.
async fn load(settings: &TlsSettings, ports: &Ports, known: Option<Arc<Material>>) -> Result<Option<Loaded>, TlsError> {
    let (settings, disk) = (settings.clone(), ports.disk.clone());
    let work = move || {
        let material = read(&settings, &*disk)?;
        if known.is_some_and(|known| *known == material) {
            return Ok(None);
        }
        let config = build(&settings, &material)?;
        Ok(Some((Arc::new(material), Arc::new(config))))
    };
    let loaded = ports.spawner.run_blocking("read TLS certificates", work).await;
    loaded.map_err(|error| TlsError(error.to_string()))?
}
