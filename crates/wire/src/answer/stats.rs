//! The `stats` object: what a query touched and how long it took.
//!
//! Keys are always there, but for `recvWaitTime`, which is left out when zero. Fields of type `f64` are seconds; other
//! times are nanoseconds. In protobuf (`stats.Result`) each has the number behind its key.

use super::text::push_int;
use crate::go::push_float;
use crate::proto::{nest, put_double, put_varint_field};

/// How floats are written: results of log lines round to six decimals, all others do not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Floats {
    SixDecimals,
    Shortest,
}

/// A value of the object.
trait Field {
    fn put(&self, out: &mut Vec<u8>, floats: Floats);

    /// In protobuf, as field `number`.
    fn put_proto(&self, out: &mut Vec<u8>, number: u8);

    fn is_left_out(&self) -> bool {
        false
    }
}

impl Field for i64 {
    fn put(&self, out: &mut Vec<u8>, _: Floats) {
        push_int(out, *self);
    }

    fn put_proto(&self, out: &mut Vec<u8>, number: u8) {
        put_varint_field(out, number, *self as u64);
    }
}

impl Field for bool {
    fn put(&self, out: &mut Vec<u8>, _: Floats) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }

    fn put_proto(&self, out: &mut Vec<u8>, number: u8) {
        put_varint_field(out, number, u64::from(*self));
    }
}

impl Field for f64 {
    fn put(&self, out: &mut Vec<u8>, floats: Floats) {
        if !self.is_finite() {
            out.push(b'0');
        } else if floats == Floats::SixDecimals {
            push_float((*self * 1e6).round() / 1e6, out);
        } else {
            push_float(*self, out);
        }
    }

    fn put_proto(&self, out: &mut Vec<u8>, number: u8) {
        put_double(out, number, if self.is_finite() { *self } else { 0.0 });
    }
}

/// Seconds that are left out when zero.
impl Field for Option<f64> {
    fn put(&self, out: &mut Vec<u8>, floats: Floats) {
        self.unwrap_or_default().put(out, floats);
    }

    fn is_left_out(&self) -> bool {
        self.is_none_or(|seconds| seconds == 0.0)
    }

    fn put_proto(&self, out: &mut Vec<u8>, number: u8) {
        self.unwrap_or_default().put_proto(out, number);
    }
}

macro_rules! object {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $key:literal, $number:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl Field for $name {
            fn put(&self, out: &mut Vec<u8>, floats: Floats) {
                let mut before: u8 = b'{';
                $(
                    if !self.$field.is_left_out() {
                        out.push(before);
                        out.extend_from_slice(concat!("\"", $key, "\":").as_bytes());
                        self.$field.put(out, floats);
                        before = b',';
                    }
                )*
                if before == b'{' {
                    out.push(before);
                }
                out.push(b'}');
            }

            fn put_proto(&self, out: &mut Vec<u8>, number: u8) {
                nest(out, number, |out| { $(self.$field.put_proto(out, $number);)* });
            }
        }
    };
}

object! {
    /// Statistics of one query.
    QueryStats {
        /// Totals.
        summary: SummaryStats = "summary", 1;
        /// What queriers read from the store.
        querier: QuerierStats = "querier", 2;
        /// What ingesters read.
        ingester: IngesterStats = "ingester", 3;
        /// Caches, by kind.
        caches: CachesStats = "cache", 4;
        /// Index lookups.
        index: IndexQueryStats = "index", 5;
    }
}

object! {
    /// Totals over all parts of a query.
    SummaryStats {
        /// Bytes of lines per second.
        bytes_per_second: i64 = "bytesProcessedPerSecond", 1;
        /// Lines per second.
        lines_per_second: i64 = "linesProcessedPerSecond", 2;
        /// Bytes of lines read.
        total_bytes: i64 = "totalBytesProcessed", 3;
        /// Lines read.
        total_lines: i64 = "totalLinesProcessed", 4;
        /// Seconds from start to end.
        exec_secs: f64 = "execTime", 5;
        /// Seconds spent waiting in queues.
        queue_secs: f64 = "queueTime", 6;
        /// Parts; upstream keeps it at 0.
        subqueries: i64 = "subqueries", 7;
        /// Entries or series answered.
        total_entries_returned: i64 = "totalEntriesReturned", 8;
        /// Parts by time.
        splits: i64 = "splits", 9;
        /// Parts by hash.
        shards: i64 = "shards", 10;
        /// Lines that passed the filters.
        total_post_filter_lines: i64 = "totalPostFilterLines", 11;
        /// Bytes of structured metadata read.
        total_metadata_bytes: i64 = "totalStructuredMetadataBytesProcessed", 12;
    }
}

object! {
    /// What queriers did.
    QuerierStats {
        /// Reads from the store.
        store: StoreStats = "store", 1;
        /// Seconds queriers were busy.
        exec_secs: f64 = "querierExecTime", 2;
    }
}

object! {
    /// What ingesters did.
    IngesterStats {
        /// Ingesters asked.
        total_reached: i64 = "totalReached", 1;
        /// Chunks that matched.
        total_chunks_matched: i64 = "totalChunksMatched", 2;
        /// Batches sent.
        total_batches: i64 = "totalBatches", 3;
        /// Lines sent.
        total_lines_sent: i64 = "totalLinesSent", 4;
        /// Reads from memory.
        store: StoreStats = "store", 5;
        /// Seconds spent waiting to receive; left out when zero.
        recv_wait_secs: Option<f64> = "recvWaitTime", 6;
    }
}

object! {
    /// Reads from chunks, wherever they lie.
    StoreStats {
        /// Chunks the index named.
        total_chunks_ref: i64 = "totalChunksRef", 1;
        /// Chunks downloaded.
        total_chunks_downloaded: i64 = "totalChunksDownloaded", 2;
        /// Nanoseconds downloading took.
        chunks_download_ns: i64 = "chunksDownloadTime", 3;
        /// Whether the query looks at structured metadata.
        metadata_referenced: bool = "queryReferencedStructuredMetadata", 13;
        /// Upstream's new engine; never here.
        used_v2_engine: bool = "queryUsedV2Engine", 14;
        /// Bytes and lines of the chunks.
        chunk: ChunkStats = "chunk", 4;
        /// Nanoseconds to find the chunks.
        chunk_refs_fetch_ns: i64 = "chunkRefsFetchTime", 5;
        /// Nanoseconds lost to congestion control.
        congestion_ns: i64 = "congestionControlLatency", 6;
        /// Lines a wrapper kept from the query.
        wrapper_filtered_lines: i64 = "pipelineWrapperFilteredLines", 7;
        /// Upstream's data objects; never here.
        dataobj: DataObjStats = "dataobj", 8;
    }
}

object! {
    /// Bytes and lines of chunks.
    ChunkStats {
        /// Bytes read from heads.
        head_bytes: i64 = "headChunkBytes", 4;
        /// Lines read from heads.
        head_lines: i64 = "headChunkLines", 5;
        /// Bytes read from blocks.
        decompressed_bytes: i64 = "decompressedBytes", 6;
        /// Lines read from blocks.
        decompressed_lines: i64 = "decompressedLines", 7;
        /// Bytes of those blocks as stored.
        compressed_bytes: i64 = "compressedBytes", 8;
        /// Entries met twice.
        total_duplicates: i64 = "totalDuplicates", 9;
        /// Lines that passed the filters.
        post_filter_lines: i64 = "postFilterLines", 10;
        /// Bytes of metadata read from heads.
        head_metadata_bytes: i64 = "headChunkStructuredMetadataBytes", 11;
        /// Bytes of metadata read from blocks.
        decompressed_metadata_bytes: i64 = "decompressedStructuredMetadataBytes", 12;
    }
}

object! {
    /// Upstream's data objects. All zero here; the keys must be there.
    DataObjStats {
        /// Rows before predicates.
        pre_rows: i64 = "prePredicateDecompressedRows", 1;
        /// Bytes before predicates.
        pre_bytes: i64 = "prePredicateDecompressedBytes", 2;
        /// Bytes of metadata before predicates.
        pre_metadata_bytes: i64 = "prePredicateDecompressedStructuredMetadataBytes", 3;
        /// Rows after predicates.
        post_rows: i64 = "postPredicateRows", 4;
        /// Bytes after predicates.
        post_bytes: i64 = "postPredicateDecompressedBytes", 5;
        /// Bytes of metadata after predicates.
        post_metadata_bytes: i64 = "postPredicateStructuredMetadataBytes", 6;
        /// Rows after filters.
        post_filter_rows: i64 = "postFilterRows", 7;
        /// Pages scanned.
        pages_scanned: i64 = "pagesScanned", 8;
        /// Pages downloaded.
        pages_downloaded: i64 = "pagesDownloaded", 9;
        /// Bytes of pages downloaded.
        pages_downloaded_bytes: i64 = "pagesDownloadedBytes", 10;
        /// Batches of pages.
        page_batches: i64 = "pageBatches", 11;
        /// Rows there are.
        total_rows_available: i64 = "totalRowsAvailable", 12;
        /// Nanoseconds downloading took.
        total_page_download_ns: i64 = "totalPageDownloadTime", 13;
    }
}

object! {
    /// Caches, by kind.
    CachesStats {
        /// Chunks.
        chunk: CacheStats = "chunk", 1;
        /// Index.
        index: CacheStats = "index", 2;
        /// Results of metric queries.
        result: CacheStats = "result", 3;
        /// Results of index stats.
        stats_result: CacheStats = "statsResult", 4;
        /// Results of volumes.
        volume_result: CacheStats = "volumeResult", 5;
        /// Results of series.
        series_result: CacheStats = "seriesResult", 6;
        /// Results of labels.
        label_result: CacheStats = "labelResult", 7;
        /// Results of instant metric queries.
        instant_metric_result: CacheStats = "instantMetricResult", 8;
    }
}

object! {
    /// Use of one cache.
    CacheStats {
        /// Entries found.
        entries_found: i64 = "entriesFound", 1;
        /// Entries asked for.
        entries_requested: i64 = "entriesRequested", 2;
        /// Entries stored.
        entries_stored: i64 = "entriesStored", 3;
        /// Bytes read.
        bytes_received: i64 = "bytesReceived", 4;
        /// Bytes written.
        bytes_sent: i64 = "bytesSent", 5;
        /// Requests made.
        requests: i64 = "requests", 6;
        /// Nanoseconds reading took.
        download_ns: i64 = "downloadTime", 7;
        /// Nanoseconds of query time answered.
        query_length_served_ns: i64 = "queryLengthServed", 8;
    }
}

object! {
    /// Index lookups.
    IndexQueryStats {
        /// Chunks found.
        total_chunks: i64 = "totalChunks", 1;
        /// Chunks left after filters.
        post_filter_chunks: i64 = "postFilterChunks", 2;
        /// Nanoseconds planning shards took.
        shards_ns: i64 = "shardsDuration", 3;
        /// Whether bloom filters were used.
        used_bloom_filters: bool = "usedBloomFilters", 4;
        /// Streams found.
        total_streams: i64 = "totalStreams", 5;
        /// Seconds lookups took.
        chunk_refs_lookup_secs: f64 = "chunkRefsLookupTime", 6;
        /// Seconds bloom filters took.
        bloom_filter_secs: f64 = "bloomFilterTime", 7;
    }
}

/// Appends the object.
pub(super) fn push_stats(out: &mut Vec<u8>, stats: &QueryStats, floats: Floats) {
    stats.put(out, floats);
}

/// Appends the object in protobuf, as field `number`.
pub(super) fn put_stats(out: &mut Vec<u8>, number: u8, stats: &QueryStats) {
    stats.put_proto(out, number);
}
