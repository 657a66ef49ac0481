//! Writes the sections of an index file, in file order.
//!
//! ```text
//! header ‖ symbols ‖ series (16-aligned) ‖ label indices (4-aligned) ‖ postings (4-aligned)
//!        ‖ label index table ‖ postings offset table ‖ fingerprint offsets ‖ TOC
//! ```
//!
//! Nobody reads the label indices; upstream writes them, so they are here for equal bytes.

use std::sync::Arc;

use crate::build::PendingSeries;
use crate::chunks;
use crate::cursor::Put;
use crate::error::IndexError;
use crate::file::SERIES_ALIGN;
use crate::toc::{MAGIC, Toc, Version};

/// Every this many series one is noted in the fingerprint offsets.
const FINGERPRINT_INTERVAL: usize = 1024;

/// The file with these series. `strings` are what the pairs of the series number.
pub(crate) fn file(
    version: Version,
    strings: &[Arc<str>],
    mut series: Vec<PendingSeries>,
) -> Result<Vec<u8>, IndexError> {
    let symbols = sort_symbols(strings, &mut series);
    let mut out = Vec::new();
    out.put_be32(MAGIC);
    out.push(version as u8);
    let mut toc = Toc { symbols: out.len() as u64, ..Toc::default() };
    section(&mut out, "symbol table", |out| {
        out.put_be32(symbols.len() as u32);
        symbols.iter().for_each(|symbol| out.put_str(symbol.as_bytes()));
    })?;

    toc.series = out.len() as u64;
    let refs = write_series(version, &series, &mut out, &mut toc)?;
    toc.label_indices = out.len() as u64;
    let lists = value_lists(&series, &refs);
    let label_indices = write_label_indices(&lists, &mut out)?;

    toc.postings = out.len() as u64;
    pad(&mut out, 4);
    let mut table = Vec::new();
    write_postings(("", ""), &refs, &mut out, &mut table)?;
    let text = |id: u32| symbols.get(id as usize).map_or("", |text| text);
    let mut of_value = Vec::new();
    for list in lists.chunk_by(|a, b| a.0 == b.0 && a.1 == b.1) {
        of_value.clear();
        of_value.extend(list.iter().map(|(_, _, at)| *at));
        let (name, value, _) = list[0];
        write_postings((text(name), text(value)), &of_value, &mut out, &mut table)?;
    }
    let entries = 1 + lists.chunk_by(|a, b| a.0 == b.0 && a.1 == b.1).count();

    toc.label_index_table = out.len() as u64;
    section(&mut out, "label index table", |out| {
        out.put_be32(label_indices.len() as u32);
        for (name, at) in &label_indices {
            out.put_uv(1);
            out.put_str(text(*name).as_bytes());
            out.put_uv(*at);
        }
    })?;
    toc.postings_table = out.len() as u64;
    section(&mut out, "postings offset table", |out| {
        out.put_be32(entries as u32);
        out.extend_from_slice(&table);
    })?;
    toc.fingerprint_offsets = out.len() as u64;
    section(&mut out, "fingerprint offsets", |out| {
        out.put_be32(series.len().div_ceil(FINGERPRINT_INTERVAL) as u32);
        for (at, series) in std::iter::zip(&refs, &series).step_by(FINGERPRINT_INTERVAL) {
            out.put_be64(u64::from(*at));
            out.put_be64(series.fingerprint);
        }
    })?;
    toc.write(&mut out);
    Ok(out)
}

/// The symbols in use, ascending. Renumbers the pairs of all series so, and sorts the series.
fn sort_symbols<'s>(strings: &'s [Arc<str>], series: &mut [PendingSeries]) -> Vec<&'s str> {
    let mut used = vec![false; strings.len()];
    for (name, value) in series.iter().flat_map(|series| &series.pairs) {
        used[*name as usize] = true;
        used[*value as usize] = true;
    }
    let mut order: Vec<(&str, usize)> =
        strings.iter().enumerate().filter(|(at, _)| used[*at]).map(|(at, text)| (&**text, at)).collect();
    order.sort_unstable();
    let mut new_ids = vec![0u32; strings.len()];
    for (new, (_, old)) in order.iter().enumerate() {
        new_ids[*old] = new as u32;
    }
    for series in series.iter_mut() {
        for pair in &mut series.pairs {
            *pair = (new_ids[pair.0 as usize], new_ids[pair.1 as usize]);
        }
    }
    // Ordinals compare as their strings do, so this is the order by fingerprint, then labels.
    series.sort_unstable_by(|a, b| a.fingerprint.cmp(&b.fingerprint).then_with(|| a.pairs.cmp(&b.pairs)));
    order.into_iter().map(|(text, _)| text).collect()
}

fn write_series(
    version: Version,
    series: &[PendingSeries],
    out: &mut Vec<u8>,
    toc: &mut Toc,
) -> Result<Vec<u32>, IndexError> {
    let (mut body, mut scratch) = (Vec::new(), Vec::new());
    let mut refs = Vec::with_capacity(series.len());
    for series in series {
        pad(out, SERIES_ALIGN as usize);
        let limit = u64::from(u32::MAX);
        let at = u32::try_from(out.len() as u64 / SERIES_ALIGN)
            .map_err(|_| IndexError::TooLarge { what: "series section (in 16-byte steps)", limit })?;
        refs.push(at);
        body.clear();
        body.put_be64(series.fingerprint);
        body.put_uv(series.pairs.len() as u64);
        for (name, value) in &series.pairs {
            body.put_uv(u64::from(*name));
            body.put_uv(u64::from(*value));
        }
        chunks::write(version, &series.chunks, &mut body, &mut scratch, &mut toc.bounds);
        out.put_uv(body.len() as u64);
        let sum = crc32c::crc32c(&body);
        out.extend_from_slice(&body);
        out.put_be32(sum);
    }
    Ok(refs)
}

/// (name, value, series reference) of every label of every series, ascending.
fn value_lists(series: &[PendingSeries], refs: &[u32]) -> Vec<(u32, u32, u32)> {
    let labels = series.iter().map(|series| series.pairs.len()).sum();
    let mut lists = Vec::with_capacity(labels);
    for (at, series) in std::iter::zip(refs, series) {
        lists.extend(series.pairs.iter().map(|(name, value)| (*name, *value, *at)));
    }
    lists.sort_unstable();
    lists
}

/// One list of values per name; returns where each lies.
fn write_label_indices(lists: &[(u32, u32, u32)], out: &mut Vec<u8>) -> Result<Vec<(u32, u64)>, IndexError> {
    let mut places = Vec::new();
    for of_name in lists.chunk_by(|a, b| a.0 == b.0) {
        pad(out, 4);
        places.push((of_name[0].0, out.len() as u64));
        section(out, "label index", |out| {
            out.put_be32(1);
            let count_at = out.len();
            out.put_be32(0);
            let mut count = 0u32;
            for of_value in of_name.chunk_by(|a, b| a.1 == b.1) {
                out.put_be32(of_value[0].1);
                count += 1;
            }
            out[count_at..count_at + 4].copy_from_slice(&count.to_be_bytes());
        })?;
    }
    Ok(places)
}

fn write_postings(
    (name, value): (&str, &str),
    refs: &[u32],
    out: &mut Vec<u8>,
    table: &mut Vec<u8>,
) -> Result<(), IndexError> {
    pad(out, 4);
    table.put_uv(2);
    table.put_str(name.as_bytes());
    table.put_str(value.as_bytes());
    table.put_uv(out.len() as u64);
    section(out, "postings list", |out| {
        out.put_be32(refs.len() as u32);
        refs.iter().for_each(|at| out.put_be32(*at));
    })
}

/// Zeros up to the next multiple of `align`.
fn pad(out: &mut Vec<u8>, align: usize) {
    out.resize(out.len().next_multiple_of(align), 0);
}

/// `len be32 ‖ body ‖ crc32c(body)`.
fn section(out: &mut Vec<u8>, what: &'static str, body: impl FnOnce(&mut Vec<u8>)) -> Result<(), IndexError> {
    let len_at = out.len();
    out.put_be32(0);
    body(out);
    let limit = u64::from(u32::MAX);
    let len = u32::try_from(out.len() - len_at - 4).map_err(|_| IndexError::TooLarge { what, limit })?;
    out[len_at..len_at + 4].copy_from_slice(&len.to_be_bytes());
    let sum = crc32c::crc32c(&out[len_at + 4..]);
    out.put_be32(sum);
    Ok(())
}
