//! Azure Blob Storage.

use std::sync::Arc;

use loptr_ports::Disk;
use object_store::ObjectStore;
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};

use super::{HttpSettings, Retries, StoreError};

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub enum AzureCredentials {
    /// The account's key.
    Key(String),
    /// A shared access signature, as a query string.
    Sas(String),
    /// A managed identity; which one, if there are several.
    Managed(Option<String>),
    /// A token that Kubernetes keeps in a file (`AZURE_FEDERATED_TOKEN_FILE` and its neighbours).
    Federated,
    /// A service principal.
    Principal {
        /// Its directory.
        tenant: String,
        /// Its id.
        client: String,
        /// Its secret.
        secret: String,
    },
}

/// Without the secrets.
impl std::fmt::Debug for AzureCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key",
            Self::Sas(_) => "Sas",
            Self::Managed(_) => "Managed",
            Self::Federated => "Federated",
            Self::Principal { .. } => "Principal",
        })
    }
}

/// Where the container is.
#[derive(Clone, PartialEq, Eq)]
pub struct AzureSettings {
    /// Storage account.
    pub account: String,
    /// Container of the blobs.
    pub container: String,
    /// URL of the account's blobs, without the container.
    pub endpoint: String,
    /// Who asks.
    pub credentials: AzureCredentials,
    /// Where tokens come from, if not from the public cloud.
    pub authority: Option<String>,
    /// Instead of `:` in names of chunks.
    pub chunk_delimiter: char,
    /// Requests.
    pub http: HttpSettings,
    /// Tries.
    pub retries: Retries,
}

/// Without the secrets.
impl std::fmt::Debug for AzureSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AzureSettings")
            .field("account", &self.account)
            .field("container", &self.container)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// What a connection string says: account, URL of its blobs, who asks.
pub type Connection = (String, String, AzureCredentials);

impl AzureSettings {
    /// Takes a connection string apart.
    pub fn connection(text: &str) -> Result<Connection, StoreError> {
        // The text holds a secret: it is not told.
        let missing = |name: &str| StoreError::Invalid(format!("the Azure connection string has no {name}"));
        let (mut account, mut key, mut sas, mut endpoint) = (None, None, None, None);
        let (mut protocol, mut suffix) = ("https", "core.windows.net");
        for pair in text.split(';').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| missing("`=` in one of its pairs"))?;
            match name {
                "AccountName" => account = Some(value.to_owned()),
                "AccountKey" => key = Some(value.to_owned()),
                "SharedAccessSignature" => sas = Some(value.to_owned()),
                "BlobEndpoint" => endpoint = Some(value.trim_end_matches('/').to_owned()),
                "DefaultEndpointsProtocol" => protocol = value,
                "EndpointSuffix" => suffix = value,
                _ => {}
            }
        }
        let account = account.ok_or_else(|| missing("AccountName"))?;
        let credentials = match (key, sas) {
            (Some(key), _) => AzureCredentials::Key(key),
            (None, Some(sas)) => AzureCredentials::Sas(sas),
            (None, None) => return Err(missing("AccountKey and no SharedAccessSignature")),
        };
        let endpoint = endpoint.unwrap_or_else(|| format!("{protocol}://{account}.blob.{suffix}"));
        Ok((account, endpoint, credentials))
    }

    pub(super) fn open(&self, disk: &dyn Disk) -> Result<Arc<dyn ObjectStore>, StoreError> {
        let mut builder = MicrosoftAzureBuilder::from_env()
            .with_account(&self.account)
            .with_container_name(&self.container)
            .with_endpoint(self.endpoint.clone())
            .with_allow_http(true)
            .with_retry(self.retries.config())
            .with_client_options(self.http.options(disk)?);
        if let Some(authority) = &self.authority {
            builder = builder.with_authority_host(authority);
        }
        builder = match &self.credentials {
            AzureCredentials::Key(key) => builder.with_access_key(key),
            AzureCredentials::Sas(text) => {
                let pairs = url::form_urlencoded::parse(text.trim_start_matches('?').as_bytes()).into_owned();
                builder.with_sas_authorization(pairs.collect::<Vec<_>>())
            }
            AzureCredentials::Managed(Some(id)) => builder.with_client_id(id),
            AzureCredentials::Managed(None) => builder,
            AzureCredentials::Federated => {
                if builder.get_config_value(&AzureConfigKey::FederatedTokenFile).is_none() {
                    let text = "use_federated_token: AZURE_FEDERATED_TOKEN_FILE is not set";
                    return Err(StoreError::Invalid(text.to_owned()));
                }
                builder
            }
            AzureCredentials::Principal { tenant, client, secret } => {
                builder.with_client_secret_authorization(client, secret, tenant)
            }
        };
        Ok(Arc::new(builder.build()?))
    }
}
