use std::sync::atomic::{AtomicUsize, Ordering};

use loptr_model::Nanos;
use loptr_ports::sim::{SimClock, World};
use object_store::memory::InMemory;
use object_store::{Error, ObjectStoreExt};

use super::hedge::Hedge;
use super::spread::{Spread, fnv1a};
use super::*;

fn s3(url: &str) -> S3Settings {
    S3Settings::from_url(url).expect("a URL")
}

#[test]
fn an_s3_url_is_read_as_upstream_reads_it() {
    let all = s3("s3://key%2F1:sec%2Bret@minio.example:9000/logs");
    assert_eq!(all.endpoint.as_deref(), Some("http://minio.example:9000"));
    assert_eq!(all.keys, Some(("key/1".to_owned(), "sec+ret".to_owned())));
    assert_eq!((all.buckets, all.region), (vec!["logs".to_owned()], None));
    let region = s3("s3://eu-west-1/logs");
    assert_eq!((region.endpoint, region.region.as_deref(), region.keys), (None, Some("eu-west-1"), None));
    assert_eq!(s3("https://s3.example/b").endpoint.as_deref(), Some("https://s3.example"));
    assert_eq!(s3("").buckets, Vec::<String>::new());
    let disk = World::new(1, Nanos(0)).ports().disk;
    let error = s3("").open(&*disk).expect_err("no bucket").to_string();
    assert_eq!(error, "at least one bucket name must be specified");
}

#[test]
fn secrets_are_not_printed() {
    let text = format!("{:?}", s3("s3://id:topsecret@minio.example/logs"));
    assert!(text.contains("minio.example") && text.contains("id") && !text.contains("topsecret"), "{text}");
    let error = S3Settings::from_url("://id:topsecret@x").expect_err("no URL").to_string();
    assert!(!error.contains("topsecret"), "{error}");
    let error = AzureSettings::connection("AccountName=a;AccountKey").expect_err("cut").to_string();
    assert_eq!(error, "the Azure connection string has no `=` in one of its pairs");
}

#[test]
fn azure_connection_strings() {
    let (account, endpoint, credentials) = AzureSettings::connection(
        "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5==;EndpointSuffix=core.example",
    )
    .expect("whole");
    assert_eq!((account.as_str(), endpoint.as_str()), ("a", "http://a.blob.core.example"));
    assert!(matches!(credentials, AzureCredentials::Key(key) if key == "a2V5=="));
    let (_, endpoint, credentials) =
        AzureSettings::connection("AccountName=a;SharedAccessSignature=sv=1&sig=x;BlobEndpoint=http://127.0.0.1:1/a/")
            .expect("whole");
    assert_eq!(endpoint, "http://127.0.0.1:1/a");
    assert!(matches!(credentials, AzureCredentials::Sas(text) if text == "sv=1&sig=x"));
    assert!(AzureSettings::connection("AccountName=a").is_err());
}

/// Published test vectors of FNV-1a.
#[test]
fn keys_are_spread_by_fnv() {
    assert_eq!([fnv1a(b""), fnv1a(b"a"), fnv1a(b"foobar")], [0x811c_9dc5, 0xe40c_292c, 0xbf9c_f968]);
}

#[tokio::test]
async fn several_buckets_are_one_store() {
    let stores: [Arc<dyn ObjectStore>; 3] = std::array::from_fn(|_| Arc::new(InMemory::new()) as Arc<dyn ObjectStore>);
    let spread = Spread::new(stores.to_vec());
    for at in 0..30 {
        let key = Path::parse(format!("t/{at:x}/1:2:3")).expect("legal");
        spread.put(&key, format!("{at}").into()).await.expect("put");
        assert_eq!(spread.get(&key).await.expect("get").bytes().await.expect("bytes"), format!("{at}"));
        let holder = fnv1a(key.as_ref().as_bytes()) as usize % 3;
        assert!(stores[holder].head(&key).await.is_ok(), "{key} in bucket {holder}");
    }
    assert_eq!(spread.list_with_delimiter(Some(&Path::from("t"))).await.expect("list").common_prefixes.len(), 30);
    spread.delete(&Path::parse("t/1/1:2:3").expect("legal")).await.expect("delete");
    assert!(matches!(spread.get(&Path::parse("t/1/1:2:3").expect("legal")).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_prefix_changes_no_character_of_a_key() {
    let settings = RemoteSettings { kind: RemoteKind::Memory, prefix: "some/where/".into(), hedge: None };
    let store = Store::remote(
        &settings,
        &*World::new(1, Nanos(0)).ports().disk,
        SimClock::at(Nanos(0)),
        &StorageMetrics::default(),
    )
    .expect("opens");
    let key = Path::parse("t~!*'()/1f/1:2:3").expect("legal");
    store.objects().put(&key, "x".into()).await.expect("put");
    use futures::TryStreamExt;
    let listed: Vec<_> = store.objects().list(None).map_ok(|meta| meta.location).try_collect().await.expect("list");
    assert_eq!(listed, [key]);
}

#[tokio::test]
async fn a_slow_read_is_asked_again_within_its_bounds() {
    let clock = SimClock::at(Nanos(0));
    let settings = HedgeSettings { at: Duration::from_millis(100), up_to: 3, max_per_sec: 1 };
    let hedge = Hedge::new(settings, clock.clone());
    let asked = AtomicUsize::new(0);
    // The first never answers, the second does.
    let ask = || {
        let number = asked.fetch_add(1, Ordering::Relaxed);
        async move { if number == 0 { std::future::pending().await } else { Ok(number) } }
    };
    let (answer, ()) = tokio::join!(hedge.first(ask), async {
        tokio::task::yield_now().await;
        clock.advance(Duration::from_millis(150));
    });
    assert_eq!((answer.expect("an answer"), asked.load(Ordering::Relaxed)), (1, 2));
    // A failure counts only when nobody else is asked any more.
    let failing = || async { Err::<(), _>(Error::NotImplemented { operation: "x".into(), implementer: "y".into() }) };
    assert!(hedge.first(failing).await.is_err());
}

#[tokio::test]
async fn requests_are_counted_as_upstream_names_them() {
    use futures::{StreamExt, TryStreamExt};
    let metrics = StorageMetrics::default();
    let clock = SimClock::at(Nanos(0));
    for remote in [Remote::S3, Remote::Gcs] {
        let meter = Some(metrics.requests_of(remote, clock.clone()));
        let client = Client { inner: InMemory::new(), attributes: Attributes::new(), hedge: None, meter };
        let key = Path::from("a");
        client.put(&key, "x".into()).await.expect("put");
        client.get(&key).await.expect("get");
        assert!(client.get(&Path::from("b")).await.is_err());
        let _listed: Vec<_> = client.list(None).try_collect().await.expect("list");
        let _deleted: Vec<_> =
            client.delete_stream(futures::stream::iter([Ok(key)]).boxed()).try_collect().await.expect("delete");
    }
    let mut registry = prometheus_client::registry::Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
    for (series, count) in [
        ("loki_s3_request_duration_seconds_count{operation=\"S3.PutObject\",status_code=\"200\"}", 1),
        ("loki_s3_request_duration_seconds_count{operation=\"S3.GetObject\",status_code=\"500\"}", 1),
        ("loki_s3_request_duration_seconds_count{operation=\"S3.List\",status_code=\"200\"}", 1),
        ("loki_gcs_request_duration_seconds_count{operation=\"GET\",status_code=\"404\"}", 1),
        ("loki_gcs_request_duration_seconds_count{operation=\"DELETE\",status_code=\"200\"}", 1),
        ("loki_objstore_bucket_transport_requests_total{method=\"PUT\",status_code=\"200\"}", 2),
    ] {
        assert!(text.contains(&format!("{series} {count}\n")), "{series} {count} in {text}");
    }
    assert!(!text.contains("azure"), "there is none: {text}");
}
