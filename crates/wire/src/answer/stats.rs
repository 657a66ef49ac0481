//! The `stats` object: what a query touched and how long it took.
//!
//! Keys are always there, but for `recvWaitTime`, which is left out when zero. Fields of type `f64` are seconds; other
//! times are nanoseconds.

use super::text::push_int;
use crate::go::push_float;

/// How floats are written: results of log lines round to six decimals, all others do not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Floats {
    SixDecimals,
    Shortest,
}

/// A value of the object.
trait Field {
    fn put(&self, out: &mut Vec<u8>, floats: Floats);

    fn is_left_out(&self) -> bool {
        false
    }
}

impl Field for i64 {
    fn put(&self, out: &mut Vec<u8>, _: Floats) {
        push_int(out, *self);
    }
}

impl Field for bool {
    fn put(&self, out: &mut Vec<u8>, _: Floats) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
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
}

/// Seconds that are left out when zero.
impl Field for Option<f64> {
    fn put(&self, out: &mut Vec<u8>, floats: Floats) {
        self.unwrap_or_default().put(out, floats);
    }

    fn is_left_out(&self) -> bool {
        self.is_none_or(|seconds| seconds == 0.0)
    }
}

macro_rules! object {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $key:literal,)* }) => {
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
        }
    };
}

object! {
    /// Statistics of one query.
    QueryStats {
        /// Totals.
        summary: SummaryStats = "summary",
        /// What queriers read from the store.
        querier: QuerierStats = "querier",
        /// What ingesters read.
        ingester: IngesterStats = "ingester",
        /// Caches, by kind.
        caches: CachesStats = "cache",
        /// Index lookups.
        index: IndexQueryStats = "index",
    }
}

object! {
    /// Totals over all parts of a query.
    SummaryStats {
        /// Bytes of lines per second.
        bytes_per_second: i64 = "bytesProcessedPerSecond",
        /// Lines per second.
        lines_per_second: i64 = "linesProcessedPerSecond",
        /// Bytes of lines read.
        total_bytes: i64 = "totalBytesProcessed",
        /// Lines read.
        total_lines: i64 = "totalLinesProcessed",
        /// Seconds from start to end.
        exec_secs: f64 = "execTime",
        /// Seconds spent waiting in queues.
        queue_secs: f64 = "queueTime",
        /// Parts; upstream keeps it at 0.
        subqueries: i64 = "subqueries",
        /// Entries or series answered.
        total_entries_returned: i64 = "totalEntriesReturned",
        /// Parts by time.
        splits: i64 = "splits",
        /// Parts by hash.
        shards: i64 = "shards",
        /// Lines that passed the filters.
        total_post_filter_lines: i64 = "totalPostFilterLines",
        /// Bytes of structured metadata read.
        total_metadata_bytes: i64 = "totalStructuredMetadataBytesProcessed",
    }
}

object! {
    /// What queriers did.
    QuerierStats {
        /// Reads from the store.
        store: StoreStats = "store",
        /// Seconds queriers were busy.
        exec_secs: f64 = "querierExecTime",
    }
}

object! {
    /// What ingesters did.
    IngesterStats {
        /// Ingesters asked.
        total_reached: i64 = "totalReached",
        /// Chunks that matched.
        total_chunks_matched: i64 = "totalChunksMatched",
        /// Batches sent.
        total_batches: i64 = "totalBatches",
        /// Lines sent.
        total_lines_sent: i64 = "totalLinesSent",
        /// Reads from memory.
        store: StoreStats = "store",
        /// Seconds spent waiting to receive; left out when zero.
        recv_wait_secs: Option<f64> = "recvWaitTime",
    }
}

object! {
    /// Reads from chunks, wherever they lie.
    StoreStats {
        /// Chunks the index named.
        total_chunks_ref: i64 = "totalChunksRef",
        /// Chunks downloaded.
        total_chunks_downloaded: i64 = "totalChunksDownloaded",
        /// Nanoseconds downloading took.
        chunks_download_ns: i64 = "chunksDownloadTime",
        /// Whether the query looks at structured metadata.
        metadata_referenced: bool = "queryReferencedStructuredMetadata",
        /// Upstream's new engine; never here.
        used_v2_engine: bool = "queryUsedV2Engine",
        /// Bytes and lines of the chunks.
        chunk: ChunkStats = "chunk",
        /// Nanoseconds to find the chunks.
        chunk_refs_fetch_ns: i64 = "chunkRefsFetchTime",
        /// Nanoseconds lost to congestion control.
        congestion_ns: i64 = "congestionControlLatency",
        /// Lines a wrapper kept from the query.
        wrapper_filtered_lines: i64 = "pipelineWrapperFilteredLines",
        /// Upstream's data objects; never here.
        dataobj: DataObjStats = "dataobj",
    }
}

object! {
    /// Bytes and lines of chunks.
    ChunkStats {
        /// Bytes read from heads.
        head_bytes: i64 = "headChunkBytes",
        /// Lines read from heads.
        head_lines: i64 = "headChunkLines",
        /// Bytes read from blocks.
        decompressed_bytes: i64 = "decompressedBytes",
        /// Lines read from blocks.
        decompressed_lines: i64 = "decompressedLines",
        /// Bytes of those blocks as stored.
        compressed_bytes: i64 = "compressedBytes",
        /// Entries met twice.
        total_duplicates: i64 = "totalDuplicates",
        /// Lines that passed the filters.
        post_filter_lines: i64 = "postFilterLines",
        /// Bytes of metadata read from heads.
        head_metadata_bytes: i64 = "headChunkStructuredMetadataBytes",
        /// Bytes of metadata read from blocks.
        decompressed_metadata_bytes: i64 = "decompressedStructuredMetadataBytes",
    }
}

object! {
    /// Upstream's data objects. All zero here; the keys must be there.
    DataObjStats {
        /// Rows before predicates.
        pre_rows: i64 = "prePredicateDecompressedRows",
        /// Bytes before predicates.
        pre_bytes: i64 = "prePredicateDecompressedBytes",
        /// Bytes of metadata before predicates.
        pre_metadata_bytes: i64 = "prePredicateDecompressedStructuredMetadataBytes",
        /// Rows after predicates.
        post_rows: i64 = "postPredicateRows",
        /// Bytes after predicates.
        post_bytes: i64 = "postPredicateDecompressedBytes",
        /// Bytes of metadata after predicates.
        post_metadata_bytes: i64 = "postPredicateStructuredMetadataBytes",
        /// Rows after filters.
        post_filter_rows: i64 = "postFilterRows",
        /// Pages scanned.
        pages_scanned: i64 = "pagesScanned",
        /// Pages downloaded.
        pages_downloaded: i64 = "pagesDownloaded",
        /// Bytes of pages downloaded.
        pages_downloaded_bytes: i64 = "pagesDownloadedBytes",
        /// Batches of pages.
        page_batches: i64 = "pageBatches",
        /// Rows there are.
        total_rows_available: i64 = "totalRowsAvailable",
        /// Nanoseconds downloading took.
        total_page_download_ns: i64 = "totalPageDownloadTime",
    }
}

object! {
    /// Caches, by kind.
    CachesStats {
        /// Chunks.
        chunk: CacheStats = "chunk",
        /// Index.
        index: CacheStats = "index",
        /// Results of metric queries.
        result: CacheStats = "result",
        /// Results of index stats.
        stats_result: CacheStats = "statsResult",
        /// Results of volumes.
        volume_result: CacheStats = "volumeResult",
        /// Results of series.
        series_result: CacheStats = "seriesResult",
        /// Results of labels.
        label_result: CacheStats = "labelResult",
        /// Results of instant metric queries.
        instant_metric_result: CacheStats = "instantMetricResult",
    }
}

object! {
    /// Use of one cache.
    CacheStats {
        /// Entries found.
        entries_found: i64 = "entriesFound",
        /// Entries asked for.
        entries_requested: i64 = "entriesRequested",
        /// Entries stored.
        entries_stored: i64 = "entriesStored",
        /// Bytes read.
        bytes_received: i64 = "bytesReceived",
        /// Bytes written.
        bytes_sent: i64 = "bytesSent",
        /// Requests made.
        requests: i64 = "requests",
        /// Nanoseconds reading took.
        download_ns: i64 = "downloadTime",
        /// Nanoseconds of query time answered.
        query_length_served_ns: i64 = "queryLengthServed",
    }
}

object! {
    /// Index lookups.
    IndexQueryStats {
        /// Chunks found.
        total_chunks: i64 = "totalChunks",
        /// Chunks left after filters.
        post_filter_chunks: i64 = "postFilterChunks",
        /// Nanoseconds planning shards took.
        shards_ns: i64 = "shardsDuration",
        /// Whether bloom filters were used.
        used_bloom_filters: bool = "usedBloomFilters",
        /// Streams found.
        total_streams: i64 = "totalStreams",
        /// Seconds lookups took.
        chunk_refs_lookup_secs: f64 = "chunkRefsLookupTime",
        /// Seconds bloom filters took.
        bloom_filter_secs: f64 = "bloomFilterTime",
    }
}

/// Appends the object.
pub(super) fn push_stats(out: &mut Vec<u8>, stats: &QueryStats, floats: Floats) {
    stats.put(out, floats);
}
