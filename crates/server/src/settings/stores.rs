//! The object stores that the periods of the schema name.

use std::path::PathBuf;
use std::time::Duration;

use loptr_config::{Config, Object};
use loptr_storage::{
    AzureCredentials, AzureSettings, Encryption, GcsSettings, HedgeSettings, HttpSettings, RemoteKind, RemoteSettings,
    Retries, S3Settings,
};

use super::SettingsError;

/// One object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreSettings {
    /// Files below a folder.
    Filesystem(PathBuf),
    /// A store on the network.
    Remote(Box<RemoteSettings>),
}

impl StoreSettings {
    /// Its folder, bucket or container.
    pub(super) fn bucket_name(&self) -> String {
        let remote = match self {
            Self::Filesystem(dir) => return dir.display().to_string(),
            Self::Remote(remote) => remote,
        };
        match &remote.kind {
            RemoteKind::S3(s3) => s3.buckets.join(","),
            RemoteKind::Azure(azure) => azure.container.clone(),
            RemoteKind::Gcs(gcs) => gcs.bucket.clone(),
            RemoteKind::Memory => String::new(),
        }
    }
}

/// The stores that periods name, in the order of their first period, with their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Stores {
    names: Vec<String>,
    pub(super) settings: Vec<StoreSettings>,
}

impl Stores {
    /// The place of the store called `name`.
    pub(super) fn place(&mut self, config: &Config, name: &str) -> Result<usize, SettingsError> {
        if let Some(at) = self.names.iter().position(|known| known == name) {
            return Ok(at);
        }
        let settings = store(config, name).map_err(|reason| SettingsError::Store { name: name.to_owned(), reason })?;
        self.names.push(name.to_owned());
        self.settings.push(settings);
        Ok(self.names.len() - 1)
    }
}

fn store(config: &Config, name: &str) -> Result<StoreSettings, String> {
    let known = config.object_store(name);
    let (kind, values) = known.ok_or_else(|| "this object store is not supported yet".to_owned())?;
    let buckets = config.bool("storage_config.use_thanos_objstore");
    let kind = match (kind.as_str(), buckets) {
        ("filesystem", false) => return Ok(StoreSettings::Filesystem(PathBuf::from(values.str("directory")))),
        ("filesystem", true) => {
            let prefix = config.str("storage_config.object_store.storage_prefix");
            return Ok(StoreSettings::Filesystem(PathBuf::from(values.str("dir")).join(prefix)));
        }
        ("s3", false) => RemoteKind::S3(s3(&values)?),
        ("s3", true) => RemoteKind::S3(bucket_s3(&values)?),
        ("azure", buckets) => RemoteKind::Azure(azure(&values, buckets)?),
        ("gcs", buckets) => RemoteKind::Gcs(gcs(&values, buckets)),
        (kind, _) => {
            return Err(format!("object store {kind} is not supported yet, only s3, azure, gcs and filesystem are"));
        }
    };
    let prefix = if buckets { "storage_config.object_store.storage_prefix" } else { "storage_config.object_prefix" };
    let at = config.duration("storage_config.hedging.at");
    let hedge = (!at.is_zero()).then(|| HedgeSettings {
        at,
        up_to: config.count("storage_config.hedging.up_to"),
        max_per_sec: config.count("storage_config.hedging.max_per_second"),
    });
    let prefix = config.str(prefix).to_owned();
    Ok(StoreSettings::Remote(Box::new(RemoteSettings { kind, prefix, hedge })))
}

fn text(values: &Object, path: &str) -> Option<String> {
    Some(values.str(path)).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn file(values: &Object, path: &str) -> Option<PathBuf> {
    text(values, path).map(PathBuf::from)
}

/// What stands for `:` in names of chunks: upstream replaces by exactly one character.
fn chunk_delimiter(values: &Object) -> Option<char> {
    let mut chars = values.str("chunk_delimiter").chars();
    chars.next().filter(|_| chars.next().is_none())
}

/// Both keys or neither.
fn s3_keys(values: &Object) -> Result<Option<(String, String)>, String> {
    match (text(values, "access_key_id"), text(values, "secret_access_key")) {
        (Some(id), Some(secret)) => Ok(Some((id, secret))),
        (None, None) => Ok(None),
        _ => Err("must supply both an Access Key ID and Secret Access Key or neither".to_owned()),
    }
}

fn encryption(values: &Object) -> Result<Option<Encryption>, String> {
    if !values.str("sse.kms_encryption_context").is_empty() {
        return Err("sse.kms_encryption_context is not supported yet".to_owned());
    }
    match values.str("sse.type") {
        "" => Ok(None),
        "SSE-S3" => Ok(Some(Encryption::Managed)),
        "SSE-KMS" => match text(values, "sse.kms_key_id") {
            Some(key) => Ok(Some(Encryption::Kms(key))),
            None => Err("sse.kms_key_id: SSE-KMS needs a key".to_owned()),
        },
        _ => Err("unsupported S3 SSE type".to_owned()),
    }
}

/// An endpoint with its scheme.
fn endpoint(text: &str, insecure: bool) -> String {
    match (text.contains("://"), insecure) {
        (true, _) => text.to_owned(),
        (false, true) => format!("http://{text}"),
        (false, false) => format!("https://{text}"),
    }
}

fn s3(values: &Object) -> Result<S3Settings, String> {
    let of_url = S3Settings::from_url(values.str("s3")).map_err(|error| error.to_string())?;
    match values.str("signature_version") {
        "v4" => {}
        other => return Err(format!("unsupported signature version: {other}")),
    }
    let names: Vec<String> = values
        .str("bucketnames")
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    let given = text(values, "endpoint").map(|given| endpoint(&given, values.bool("insecure")));
    Ok(S3Settings {
        buckets: if names.is_empty() { of_url.buckets } else { names },
        endpoint: given.or(of_url.endpoint),
        region: text(values, "region").or(of_url.region),
        keys: s3_keys(values)?.or(of_url.keys),
        session_token: text(values, "session_token"),
        path_style: values.bool("s3forcepathstyle"),
        storage_class: values.str("storage_class").to_owned(),
        encryption: encryption(values)?,
        chunk_delimiter: chunk_delimiter(values),
        http: HttpSettings {
            timeout: values.duration("http_config.timeout"),
            idle: values.duration("http_config.idle_conn_timeout"),
            any_certificate: values.bool("http_config.insecure_skip_verify"),
            ca_file: file(values, "http_config.ca_file"),
        },
        retries: Retries {
            count: values.count("backoff_config.max_retries"),
            min: values.duration("backoff_config.min_period"),
            max: values.duration("backoff_config.max_period"),
        },
    })
}

/// S3 as `storage_config.object_store` describes it.
fn bucket_s3(values: &Object) -> Result<S3Settings, String> {
    let defaults = S3Settings::from_url("").map_err(|error| error.to_string())?;
    for key in ["http.tls_cert_path", "http.tls_key_path", "http.tls_server_name", "sts_endpoint"] {
        if !values.str(key).is_empty() {
            return Err(format!("{key} is not supported yet"));
        }
    }
    Ok(S3Settings {
        buckets: text(values, "bucket_name").into_iter().collect(),
        endpoint: text(values, "endpoint").map(|given| endpoint(&given, values.bool("insecure"))),
        region: text(values, "region"),
        keys: s3_keys(values)?,
        session_token: text(values, "session_token"),
        path_style: values.str("bucket_lookup_type") == "path",
        storage_class: text(values, "storage_class").unwrap_or(defaults.storage_class),
        encryption: encryption(values)?,
        chunk_delimiter: None,
        http: HttpSettings {
            timeout: Duration::ZERO,
            idle: values.duration("http.idle_conn_timeout"),
            any_certificate: values.bool("http.insecure_skip_verify"),
            ca_file: file(values, "http.tls_ca_path"),
        },
        retries: Retries { count: values.count("max_retries"), ..defaults.retries },
    })
}

fn azure(values: &Object, buckets: bool) -> Result<AzureSettings, String> {
    let mut account = values.str("account_name").to_owned();
    let environment = if buckets { "AzureGlobal" } else { values.str("environment") };
    let (suffix, authority) = match environment {
        "AzureGlobal" => ("blob.core.windows.net", None),
        "AzureChinaCloud" => ("blob.core.chinacloudapi.cn", Some("https://login.chinacloudapi.cn")),
        "AzureGermanCloud" => ("blob.core.cloudapi.de", Some("https://login.microsoftonline.de")),
        "AzureUSGovernment" => ("blob.core.usgovcloudapi.net", Some("https://login.microsoftonline.us")),
        other => return Err(format!("unsupported Azure blob storage environment: {other}")),
    };
    let suffix = text(values, "endpoint_suffix").unwrap_or_else(|| suffix.to_owned());
    let mut endpoint = format!("https://{account}.{suffix}");
    let flag = |key: &str| !buckets && values.bool(key);
    let needed = |key: &str| {
        text(values, key)
            .ok_or_else(|| format!("{key} is required if authentication using Service Principal is enabled"))
    };
    let credentials = if let Some(connection) = text(values, "connection_string") {
        let (name, url, credentials) = AzureSettings::connection(&connection).map_err(|error| error.to_string())?;
        (account, endpoint) = (name, url);
        credentials
    } else if flag("use_service_principal") {
        AzureCredentials::Principal {
            tenant: needed("tenant_id")?,
            client: needed("client_id")?,
            secret: needed("client_secret")?,
        }
    } else if flag("use_federated_token") {
        AzureCredentials::Federated
    } else if let Some(key) = text(values, "account_key").filter(|_| !flag("use_managed_identity")) {
        AzureCredentials::Key(key)
    } else {
        AzureCredentials::Managed(text(values, "user_assigned_id"))
    };
    let override_of = |key: &str| if buckets { None } else { text(values, key) };
    Ok(AzureSettings {
        account,
        container: values.str("container_name").to_owned(),
        endpoint,
        credentials,
        authority: override_of("active_directory_endpoint").or(authority.map(str::to_owned)),
        chunk_delimiter: chunk_delimiter(values)
            .ok_or("chunk_delimiter: one character, which stands for `:`, is supported")?,
        http: HttpSettings {
            timeout: if buckets { Duration::ZERO } else { values.duration("request_timeout") },
            ..HttpSettings::default()
        },
        retries: Retries {
            count: values.count("max_retries"),
            min: if buckets { Duration::from_millis(10) } else { values.duration("min_retry_delay") },
            max: if buckets { Duration::from_millis(500) } else { values.duration("max_retry_delay") },
        },
    })
}

fn gcs(values: &Object, buckets: bool) -> GcsSettings {
    let retries = if buckets { values.count("max_retries") } else { usize::from(values.bool("enable_retries")) * 5 };
    GcsSettings {
        bucket: values.str("bucket_name").to_owned(),
        service_account: text(values, "service_account"),
        endpoint: if buckets { None } else { text(values, "endpoint") },
        http: HttpSettings {
            timeout: if buckets { Duration::ZERO } else { values.duration("request_timeout") },
            ..HttpSettings::default()
        },
        retries: Retries { count: retries, min: Duration::from_millis(100), max: Duration::from_secs(3) },
    }
}
