//! How long, and in how much memory, a table of many series is compacted: `series 2000000`.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement told on the terminal")]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use loptr_chunk::SchemaVersion;
use loptr_compact::{CompactSettings, Compactor};
use loptr_index::tables::FileName;
use loptr_index::{ChunkMeta, IndexBuilder, Version, gzip};
use loptr_model::{Labels, Millis, Nanos, TenantId};
use loptr_ports::sim::World;
use loptr_storage::{Bucket, ChunkNames, IndexCacheSettings, IndexKind, IndexStore, Period, Schema, Store, TableId};
use object_store::memory::InMemory;

/// Files the series are spread over, as two ingesters would upload them in an hour.
const FILES: usize = 8;

/// A figure of this process, in MiB.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let series: usize = std::env::args().nth(1).map_or(Ok(200_000), |count| count.parse())?;
    let period = Period {
        from: Millis(0),
        schema: SchemaVersion::V13,
        index: IndexKind::Tsdb,
        index_prefix: "index_".into(),
        path_prefix: "index/".into(),
        store: 0,
    };
    let schema = Arc::new(Schema::new(vec![period]).ok_or("one period")?);
    let bucket = Bucket::new(vec![Store::new(Arc::new(InMemory::new()), ChunkNames::Plain)], schema, None);
    let table = TableId { store: 0, path_prefix: "index/".into(), name: "index_100".into() };
    let tenant = TenantId::single();
    let mut packed = 0;
    for file in 0..FILES {
        let mut builder = IndexBuilder::new(Version::V3);
        for number in (file..series).step_by(FILES) {
            let (pod, node) = (format!("pod-{number:08x}"), format!("node-{}", number % 500));
            let labels = Labels::from_pairs([("app", "api"), ("cluster", "eu-1"), ("node", &node), ("pod", &pod)]);
            let min = Millis(8_640_000_000 + number as i64 % 3_600_000);
            let chunk =
                ChunkMeta { min, max: Millis(min.0 + 60_000), checksum: number as u32, kb: 900, entries: 9_000 };
            builder.add_tenant_series(&tenant, labels.iter(), labels.fingerprint(), [chunk]);
        }
        let object = gzip::compress(&builder.build()?);
        packed += object.len();
        let name = FileName::Common { unix_secs: 8_640_000 + file as i64, uploader: "a-1".to_owned() };
        bucket.put_index(&table, &name, object.into()).await?;
    }
    let (world, bucket) = (World::new(1, Nanos(8_640_000_000_000_000)), Arc::new(bucket));
    let ports = world.ports();
    let index = IndexStore::new(&bucket, ports.clock.clone(), ports.cpu.clone(), IndexCacheSettings::default());
    let settings = CompactSettings { batch_bytes: 1 << 30, ..CompactSettings::default() };
    let compactor = Compactor::new(ports, bucket, Arc::new(index), settings);
    println!("{series} series in {FILES} files, {} MiB packed, {} MiB held", packed >> 20, memory("VmRSS"));
    let began = Instant::now();
    compactor.table(&table).await?;
    println!("compacted in {:.1} s, {} MiB at most", began.elapsed().as_secs_f64(), memory("VmHWM"));
    Ok(())
}
