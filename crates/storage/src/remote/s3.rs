//! Amazon S3 and what speaks like it.

use std::net::IpAddr;
use std::sync::Arc;

use loptr_ports::Disk;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::{Attribute, Attributes, ObjectStore};
use url::Url;

use super::spread::Spread;
use super::{HttpSettings, Retries, StoreError};
use crate::store::ChunkNames;

/// What upstream signs with where no region is named.
const NO_REGION: &str = "dummy";

/// Encryption by the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// SSE-S3.
    Managed,
    /// SSE-KMS, with the key's id.
    Kms(String),
}

/// Where the buckets are and how they are written.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Settings {
    /// At least one. A key lies in the one its hash says.
    pub buckets: Vec<String>,
    /// `http://` or `https://` and a host; none: Amazon's for the region.
    pub endpoint: Option<String>,
    /// None: that of the environment.
    pub region: Option<String>,
    /// Id and secret; none: those of the environment, a web identity or the instance.
    pub keys: Option<(String, String)>,
    /// Of keys that expire.
    pub session_token: Option<String>,
    /// Whether the bucket is always named in the path.
    pub path_style: bool,
    /// `x-amz-storage-class` of what is put.
    pub storage_class: String,
    /// Encryption of what is put.
    pub encryption: Option<Encryption>,
    /// Instead of `:` in names of chunks.
    pub chunk_delimiter: Option<char>,
    /// Requests.
    pub http: HttpSettings,
    /// Tries.
    pub retries: Retries,
}

/// Without the secrets.
impl std::fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = self.keys.as_ref().map(|(id, _)| id);
        f.debug_struct("S3Settings")
            .field("buckets", &self.buckets)
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("access_key_id", &key)
            .finish_non_exhaustive()
    }
}

impl S3Settings {
    /// Settings with upstream's defaults and what `url` says, as upstream reads it: a host with a dot is an endpoint (plain
    /// `http` behind `s3://`), one without a region; user and password are the keys; the path is the bucket.
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        let mut settings = Self {
            buckets: Vec::new(),
            endpoint: None,
            region: None,
            keys: None,
            session_token: None,
            path_style: false,
            storage_class: "STANDARD".into(),
            encryption: None,
            chunk_delimiter: None,
            http: HttpSettings::default(),
            retries: Retries {
                count: 5,
                min: std::time::Duration::from_millis(100),
                max: std::time::Duration::from_secs(3),
            },
        };
        if url.is_empty() {
            return Ok(settings);
        }
        // The text may hold a secret: it is not told.
        let url =
            Url::parse(url).map_err(|error| StoreError::Invalid(format!("the S3 URL cannot be read: {error}")))?;
        let decoded = |text: &str| percent_decoded(text);
        if let (false, Some(secret)) = (url.username().is_empty(), url.password()) {
            settings.keys = Some((decoded(url.username()), decoded(secret)));
        }
        let host = url.host_str().unwrap_or_default();
        if host.contains('.') || url.port().is_some() {
            let scheme = if matches!(url.scheme(), "http" | "https") { url.scheme() } else { "http" };
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            settings.endpoint = Some(format!("{scheme}://{host}{port}"));
        } else if !host.is_empty() {
            settings.region = Some(host.to_owned());
        }
        let bucket = url.path().trim_matches('/');
        if !bucket.is_empty() {
            settings.buckets = vec![bucket.to_owned()];
        }
        Ok(settings)
    }

    pub(super) fn chunk_names(&self) -> ChunkNames {
        self.chunk_delimiter.map_or(ChunkNames::Plain, ChunkNames::Delimited)
    }

    pub(super) fn open(&self, disk: &dyn Disk) -> Result<Arc<dyn ObjectStore>, StoreError> {
        let stores = self.buckets.iter().map(|bucket| self.open_bucket(bucket, disk)).collect::<Result<Vec<_>, _>>()?;
        match <[_; 1]>::try_from(stores) {
            Ok([one]) => Ok(one),
            Err(none) if none.is_empty() => {
                Err(StoreError::Invalid("at least one bucket name must be specified".to_owned()))
            }
            Err(_) if self.chunk_delimiter.is_some() => {
                let text = "several bucketnames and chunk_delimiter are not supported together";
                Err(StoreError::Invalid(text.to_owned()))
            }
            Err(several) => Ok(Arc::new(Spread::new(several))),
        }
    }

    fn open_bucket(&self, bucket: &str, disk: &dyn Disk) -> Result<Arc<dyn ObjectStore>, StoreError> {
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(self.retries.config());
        if let Some(region) = &self.region {
            builder = builder.with_region(region);
        } else if builder.get_config_value(&AmazonS3ConfigKey::Region).is_none() {
            builder = builder.with_region(NO_REGION);
        }
        if let Some((id, secret)) = &self.keys {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
        }
        if let Some(token) = &self.session_token {
            builder = builder.with_token(token);
        }
        if let Some(endpoint) = &self.endpoint {
            let (endpoint, in_host) = self.addressed(endpoint, bucket)?;
            builder = builder.with_endpoint(endpoint).with_virtual_hosted_style_request(in_host);
        } else {
            builder = builder.with_virtual_hosted_style_request(!self.path_style && is_host_label(bucket));
        }
        let options = self.http.options(disk)?;
        builder = match &self.encryption {
            None => builder,
            Some(Encryption::Managed) => builder.with_config("aws_server_side_encryption".parse()?, "AES256"),
            Some(Encryption::Kms(key)) => builder.with_sse_kms_encryption(key),
        };
        Ok(Arc::new(builder.with_client_options(options).build()?))
    }

    /// What every put says of its object.
    pub(super) fn attributes(&self) -> Attributes {
        if self.storage_class == "STANDARD" {
            return Attributes::new();
        }
        Attributes::from_iter([(Attribute::StorageClass, self.storage_class.clone())])
    }

    /// The endpoint to ask for `bucket`, and whether the bucket is part of its host.
    fn addressed(&self, endpoint: &str, bucket: &str) -> Result<(String, bool), StoreError> {
        let url = Url::parse(endpoint);
        let url =
            url.map_err(|error| StoreError::Invalid(format!("S3 endpoint {endpoint} cannot be read: {error}")))?;
        let host = url.host_str().unwrap_or_default();
        let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        let plain = endpoint.trim_end_matches('/').to_owned();
        if self.path_style || is_address || !is_host_label(bucket) || !host.contains('.') {
            return Ok((plain, false));
        }
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Ok((format!("{}://{bucket}.{host}{port}", url.scheme()), true))
    }
}

/// Whether a bucket's name can stand in a host's name and be covered by its certificate.
fn is_host_label(bucket: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !bucket.is_empty() && bucket.bytes().all(legal)
}

fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}
