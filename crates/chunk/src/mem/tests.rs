use proptest::prelude::*;

use super::*;

type Made = (i64, Vec<u8>, Vec<(String, String)>);

fn options(encoding: Encoding) -> ChunkOptions {
    ChunkOptions::new(Format::V4, encoding).expect("writable")
}

fn add(chunk: &mut MemChunk, (ts, line, metadata): &Made) -> bool {
    let metadata: Vec<_> = metadata.iter().map(|(name, value)| (&name[..], &value[..])).collect();
    chunk.append(Nanos(*ts), line, &metadata).expect("appends")
}

/// Every entry of every block, in the order they lie.
fn read(chunk: &Chunk) -> Vec<Made> {
    let symbols = chunk.symbols().expect("symbols decode");
    let mut buf = Vec::new();
    let mut found = Vec::new();
    for (index, meta) in chunk.blocks().iter().enumerate() {
        let before = found.len();
        for entry in chunk.decode_block(index, &mut buf).expect("decodes").entries() {
            let entry = entry.expect("well formed");
            assert!(meta.min_ts <= entry.ts && entry.ts <= meta.max_ts);
            let pairs = entry.metadata.resolve(symbols).map(|pair| pair.expect("well formed"));
            let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            found.push((entry.ts.0, entry.line.to_vec(), pairs));
        }
        assert_eq!(meta.entries as usize, found.len() - before);
    }
    found
}

fn plain(ts: i64, line: &str) -> Made {
    (ts, line.into(), vec![])
}

/// What the rules say, without any of the machinery: heads as plain lists.
#[derive(Default)]
struct Model {
    blocks: Vec<Vec<Made>>,
    head: Vec<Made>,
}

impl Model {
    fn counter(entries: &[Made]) -> usize {
        entries.iter().map(|(_, line, metadata)| line.len() + 8 * metadata.len()).sum()
    }

    fn add(&mut self, entry: &Made, block_bytes: usize) -> bool {
        let duplicate = self.head.contains(entry);
        if !duplicate {
            self.head.push(entry.clone());
        }
        if Self::counter(&self.head) >= block_bytes {
            self.cut();
        }
        duplicate
    }

    fn cut(&mut self) {
        let mut head = std::mem::take(&mut self.head);
        if !head.is_empty() {
            head.sort_by_key(|entry| entry.0);
            self.blocks.push(head);
        }
    }

    fn in_blocks(&self) -> Vec<Made> {
        let mut head = self.head.clone();
        head.sort_by_key(|entry| entry.0);
        self.blocks.concat().into_iter().chain(head).collect()
    }

    /// Blocks that overlap go through heads again, in time order.
    fn closed(&mut self, block_bytes: usize) -> Vec<Made> {
        self.cut();
        if self.blocks.windows(2).any(|pair| pair[1][0].0 < pair[0].last().expect("never empty").0) {
            let mut all = self.in_blocks();
            all.sort_by_key(|entry| entry.0);
            let mut again = Model::default();
            all.iter().for_each(|entry| {
                again.add(entry, block_bytes);
            });
            again.cut();
            *self = again;
        }
        self.in_blocks()
    }
}

#[test]
fn duplicates_are_told_by_time_line_and_metadata() {
    // Appendix A.4 of the golden vectors.
    let mut chunk = MemChunk::new(options(Encoding::None));
    let mut append =
        |line: &str, metadata: &[(&str, &str)]| chunk.append(Nanos(9), line.as_bytes(), metadata).expect("appends");
    assert!(!append("x", &[("a", "1"), ("b", "2")]));
    assert!(append("x", &[("b", "2"), ("a", "1")]));
    assert!(!append("x", &[("a", "1")]));
    assert!(!append("y", &[("a", "1"), ("b", "2")]));
    assert!(append("x", &[("a", "1"), ("b", "2")]));
    let closed = Chunk::parse(chunk.close().expect("closes").bytes).expect("parses");
    let mut buf = Vec::new();
    let block = closed.decode_block(0, &mut buf).expect("decodes");
    let want = b"\x12\x01\x78\x05\x02\x00\x01\x02\x03\x12\x01\x78\x03\x01\x00\x01\x12\x01\x79\x05\x02\x00\x01\x02\x03";
    assert_eq!(block.bytes(), want);
    assert_eq!(closed.blocks()[0].uncompressed, 43);
    let symbols: Vec<_> = closed.symbols().expect("decodes").iter().map(|symbol| symbol.1.to_owned()).collect();
    assert_eq!(symbols, ["a", "1", "b", "2"]);
}

#[test]
fn many_entries_at_one_time_and_late_ones_are_compared_by_hash() {
    let mut chunk = MemChunk::new(options(Encoding::Snappy));
    for round in 0..3 {
        for at in 0..20_000 {
            assert_eq!(add(&mut chunk, &plain(5, &format!("{at}"))), round > 0, "{round} {at}");
        }
    }
    assert!(!add(&mut chunk, &plain(9, "late")));
    assert!(!add(&mut chunk, &plain(4, "early")));
    assert!(add(&mut chunk, &plain(4, "early")));
    assert!(add(&mut chunk, &plain(9, "late")));
    assert!(add(&mut chunk, &plain(5, "7")));
    assert_eq!(chunk.entries(), 20_002);
    assert_eq!(chunk.bounds(), Some((Nanos(4), Nanos(9))));
    let found = read(&chunk.snapshot(TimeRange::ALL));
    assert_eq!((&found[0].1[..], &found[1].1[..], &found[20_001].1[..]), (&b"early"[..], &b"0"[..], &b"late"[..]));
}

#[test]
fn a_head_is_cut_at_its_counter() {
    let mut chunk = MemChunk::new(options(Encoding::None).block_bytes(20));
    assert!(!chunk.append(Nanos(1), b"0123456789", &[("a", "b")]).expect("appends"));
    assert_eq!((chunk.blocks(), chunk.uncompressed_size()), (0, 20));
    assert!(!chunk.append(Nanos(2), b"xx", &[]).expect("appends"));
    assert_eq!(chunk.blocks(), 1);
    // The head is empty again: what it held is forgotten.
    assert!(!chunk.append(Nanos(2), b"xx", &[]).expect("appends"));
    assert_eq!((chunk.blocks(), chunk.entries(), chunk.uncompressed_size()), (1, 3, 24));
}

#[test]
fn what_upstream_loses_is_kept() {
    let mut chunk = MemChunk::new(options(Encoding::Gzip).block_bytes(100));
    let entries = [plain(-7, "negative"), plain(-5, ""), plain(0, ""), plain(3, "")];
    entries.iter().for_each(|entry| assert!(!add(&mut chunk, entry)));
    chunk.cut();
    assert!(!add(&mut chunk, &plain(10, "")));
    let sealed = chunk.close().expect("closes");
    assert_eq!(sealed.bounds, Some((Nanos(-7), Nanos(10))));
    let closed = Chunk::parse(sealed.bytes).expect("parses");
    assert_eq!(read(&closed), [&entries[..], &[plain(10, "")]].concat());
    assert_eq!(closed.bounds(), Some((Nanos(-7), Nanos(10))));
}

#[test]
fn empty_lines_alone_fill_a_block_too() {
    let mut chunk = MemChunk::new(options(Encoding::Snappy).block_bytes(1024));
    (0..10_000).for_each(|ts| assert!(!add(&mut chunk, &plain(1_700_000_000_000_000_000 + ts, ""))));
    assert!(chunk.blocks() >= 7, "{}", chunk.blocks());
    assert_eq!(chunk.close().expect("closes").entries, 10_000);
}

#[test]
fn space_is_upstreams() {
    let v4 = MemChunk::new(options(Encoding::None).target_bytes(10));
    assert!(v4.space_for(b"012345678", &[]) && !v4.space_for(b"0123456789", &[]));
    assert!(v4.space_for(b"0123", &[("ab", "cde")]) && !v4.space_for(b"01234", &[("ab", "cde")]));
    let v3 = MemChunk::new(ChunkOptions::new(Format::V3, Encoding::None).expect("writable").target_bytes(10));
    assert!(v3.space_for(b"012345678", &[("ab", "cde")]));
    let mut blocks = MemChunk::new(options(Encoding::None).target_bytes(0).block_bytes(1));
    for ts in 0..10 {
        assert!(blocks.space_for(b"x", &[]));
        add(&mut blocks, &plain(ts, "x"));
    }
    assert!(!blocks.space_for(b"x", &[]));
    assert_eq!(blocks.utilization(), 1.0);
}

#[test]
fn formats_1_and_2_are_not_written() {
    let found = ChunkOptions::new(Format::V2, Encoding::Gzip);
    assert_eq!(found.expect_err("read only").to_string(), "chunk format 2 is read only");
}

#[test]
fn an_empty_chunk_closes() {
    for encoding in Encoding::ALL {
        let sealed = MemChunk::new(options(encoding)).close().expect("closes");
        assert_eq!((sealed.bounds, sealed.entries, sealed.uncompressed_size), (None, 0, 0));
        let chunk = Chunk::parse(sealed.bytes).expect("parses");
        assert!(chunk.blocks().is_empty() && chunk.symbols().expect("decodes").is_empty());
    }
}

#[test]
fn an_idle_stream_is_small() {
    let mut chunk = MemChunk::new(options(Encoding::Snappy));
    assert!(size_of::<MemChunk>() < 400, "{}", size_of::<MemChunk>());
    for ts in 0..3 {
        let metadata = [("detected_level", "info"), ("trace_id", "0af7651916cd43dd8448eb211c80319c")];
        chunk.append(Nanos(ts), &[b'x'; 150], &metadata).expect("appends");
    }
    assert!(chunk.memory_bytes() < 2048, "{}", chunk.memory_bytes());
}

#[test]
fn blocks_can_be_compressed_elsewhere() {
    let mut chunk = MemChunk::new(options(Encoding::Zstd).block_bytes(1000).defer_compression(true));
    let entries: Vec<_> = (0..100).map(|ts| plain(ts, &format!("{ts:0>50}"))).collect();
    entries.iter().for_each(|entry| assert!(!add(&mut chunk, entry)));
    let raw_size = chunk.compressed_size();
    assert_eq!((chunk.blocks(), chunk.pending().count()), (5, 5));
    assert_eq!(read(&chunk.snapshot(TimeRange::ALL)), entries);
    let done: Vec<_> = chunk.pending().skip(1).map(|block| block.compress().expect("compresses")).collect();
    let again: Vec<_> = chunk.pending().map(|block| block.compress().expect("compresses")).collect();
    assert!(done.into_iter().all(|block| chunk.install(block)));
    assert_eq!(chunk.pending().count(), 1);
    assert_eq!(
        again.into_iter().map(|block| chunk.install(block)).collect::<Vec<_>>(),
        [true, false, false, false, false]
    );
    assert!(chunk.compressed_size() < raw_size / 2);
    assert_eq!(read(&chunk.snapshot(TimeRange::ALL)), entries);
    let sealed = chunk.close().expect("closes");
    assert_eq!(read(&Chunk::parse(sealed.bytes).expect("parses")), entries);

    // Never compressed elsewhere: closing does it.
    let mut chunk = MemChunk::new(options(Encoding::Zstd).block_bytes(1000).defer_compression(true));
    entries.iter().rev().for_each(|entry| assert!(!add(&mut chunk, entry)));
    let sealed = chunk.close().expect("closes");
    assert!(sealed.bytes.len() < 3000);
    assert_eq!(read(&Chunk::parse(sealed.bytes).expect("parses")), entries);
}

#[test]
fn a_snapshot_holds_what_overlaps_the_range() {
    let mut chunk = MemChunk::new(options(Encoding::Snappy).block_bytes(10));
    (0..10).for_each(|ts| assert!(!add(&mut chunk, &plain(ts, "01234"))));
    add(&mut chunk, &plain(20, "head"));
    let lens = |start, end| chunk.snapshot(TimeRange::new(Nanos(start), Nanos(end))).entries();
    assert_eq!((lens(0, 100), lens(3, 5), lens(10, 20), lens(15, 21)), (11, 4, 0, 1));
}

#[test]
fn too_long_a_line_is_refused() {
    let line = vec![0; MAX_LINE_BYTES + 1];
    let found = MemChunk::new(options(Encoding::None)).append(Nanos(0), &line, &[]);
    let found = found.expect_err("too long");
    assert_eq!(found.to_string(), "line too long 1073741824, maximum 1073741823");
    assert_eq!(found.kind(), crate::ErrorKind::Limited);
}

/// Two blocks and a head, with symbols.
fn imaged() -> (MemChunk, Vec<u8>) {
    let mut chunk = MemChunk::new(options(Encoding::Snappy).block_bytes(200));
    for ts in 0..14 {
        let value = format!("v{}", ts % 3);
        chunk.append(Nanos(100 - ts), &[b'x'; 40], &[("a", "same"), ("b", &value)]).expect("appends");
    }
    assert!(chunk.blocks() >= 2 && chunk.head.entries() > 0);
    let mut image = Vec::new();
    chunk.write_image(&mut image);
    (chunk, image)
}

#[test]
fn an_image_goes_on_where_the_chunk_was() {
    let (mut chunk, image) = imaged();
    MemChunk::check_image(&image).expect("whole");
    let mut restored = MemChunk::restore(&image, *chunk.options()).expect("whole");
    for ts in 50..90 {
        let value = format!("v{}", ts % 5);
        let duplicate = |chunk: &mut MemChunk| chunk.append(Nanos(ts), b"more", &[("b", &value)]).expect("appends");
        assert_eq!(duplicate(&mut restored), duplicate(&mut chunk));
    }
    assert_eq!(restored.close().expect("closes"), chunk.close().expect("closes"));
    let empty = MemChunk::new(options(Encoding::Zstd));
    let mut image = Vec::new();
    empty.write_image(&mut image);
    let restored = MemChunk::restore(&image, options(Encoding::None)).expect("whole");
    assert!(restored.is_empty() && restored.options().encoding() == Encoding::Zstd);
}

#[test]
fn damaged_images_are_refused() {
    let (chunk, image) = imaged();
    for cut in 0..image.len() {
        assert!(MemChunk::check_image(&image[..cut]).is_err(), "cut at {cut}");
    }
    for bit in 0..image.len() * 8 {
        let mut damaged = image.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        // Bodies have checksums; what stands before them may still be another chunk's, and must not panic.
        if let Ok(mut restored) = MemChunk::restore(&damaged, *chunk.options()) {
            restored.append(Nanos(7), b"more", &[("c", "d")]).expect("appends");
            drop(restored.encode());
        }
    }
    let message = MemChunk::check_image(&image[..image.len() - 1]).expect_err("cut").to_string();
    assert!(message.starts_with("chunk ends inside head at byte "), "{message}");
    let mut damaged = image;
    *damaged.last_mut().expect("not empty") ^= 1;
    let message = MemChunk::check_image(&damaged).expect_err("flipped").to_string();
    assert!(message.starts_with("head at byte ") && message.contains(" has checksum "), "{message}");
}

fn entries() -> impl Strategy<Value = Vec<Made>> {
    let text = || prop_oneof![Just(String::new()), "[a-c]{1,3}", "[a-z]{20,60}"];
    let metadata = proptest::collection::btree_map("[a-d]", text(), 0..3);
    let entry = (prop_oneof![4 => 0i64..40, 1 => -5i64..5, 1 => any::<i64>()], text(), metadata);
    let entry = entry
        .prop_map(|(ts, line, metadata)| (ts.min(i64::MAX - 1), line.into_bytes(), metadata.into_iter().collect()));
    proptest::collection::vec(entry, 0..80)
}

proptest! {
    #[test]
    fn equals_the_model(
        mut made in entries(),
        which in 0usize..9,
        v3: bool,
        defer: bool,
        in_order: bool,
        // Small enough for many blocks, large enough that the raw limit, meant for empty lines, plays no part.
        block_bytes in prop_oneof![Just(0usize), 100usize..300, Just(1 << 20)],
    ) {
        if in_order {
            made.sort_by_key(|entry| entry.0);
        }
        let format = if v3 { Format::V3 } else { Format::V4 };
        if v3 {
            made.iter_mut().for_each(|entry| entry.2.clear());
        }
        let options = ChunkOptions::new(format, Encoding::ALL[which]).expect("writable");
        let mut chunk = MemChunk::new(options.block_bytes(block_bytes).defer_compression(defer));
        let mut model = Model::default();
        for entry in &made {
            prop_assert_eq!(add(&mut chunk, entry), model.add(entry, block_bytes));
            prop_assert_eq!(chunk.blocks(), model.blocks.len());
        }
        prop_assert_eq!(read(&chunk.snapshot(TimeRange::ALL)), model.in_blocks());
        let mut image = Vec::new();
        chunk.write_image(&mut image);
        let other = ChunkOptions::new(Format::V4, Encoding::None).expect("writable").block_bytes(block_bytes);
        let restored = MemChunk::restore(&image, other).expect("just written");
        prop_assert_eq!(restored.bounds(), chunk.bounds());
        prop_assert_eq!(restored.compressed_size(), chunk.compressed_size());
        prop_assert_eq!(read(&restored.snapshot(TimeRange::ALL)), model.in_blocks());

        let encoded = chunk.encode().expect("encodes");
        if !defer {
            prop_assert_eq!(&restored.encode().expect("encodes"), &encoded);
        }
        prop_assert!(encoded.entries <= chunk.entries());
        let closed = chunk.close().expect("closes");
        prop_assert_eq!(&encoded, &closed);

        let parsed = Chunk::parse(closed.bytes.clone()).expect("parses");
        prop_assert_eq!((parsed.format(), parsed.encoding()), (format, Encoding::ALL[which]));
        prop_assert_eq!(read(&parsed), model.closed(block_bytes));
        prop_assert_eq!(parsed.bounds(), closed.bounds);
        prop_assert!(parsed.blocks().windows(2).all(|pair| pair[0].max_ts <= pair[1].min_ts));
        let counters: u64 = parsed.blocks().iter().map(|block| block.uncompressed).sum();
        let symbols = parsed.symbols().expect("decodes").text_bytes() as u64;
        prop_assert_eq!(counters + symbols, closed.uncompressed_size);
    }
}
