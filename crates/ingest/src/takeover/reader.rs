//! Records out of segment files, in batches. Decides what a segment that is not whole means.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loptr_index::ChunkMeta;
use loptr_model::{Fingerprint, Labels, TenantId};
use loptr_ports::Disk;
use loptr_takeover::{End, Frames, IndexRecord, PAGE_BYTES, UpstreamError, begins_whole, index_record};

use super::survey::{Found, Head, Survey};
use super::{Named, TakeoverError};

/// Bytes read at once.
const READ_BYTES: u64 = 1 << 20;

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// In the checkpoint.
    Checkpoint,
    /// In a segment that the checkpoint replaced.
    Covered,
    /// In a segment behind the checkpoint.
    Segment,
    /// In the log of an index head.
    IndexHead,
}

/// One record.
#[derive(Clone, Debug)]
pub(super) struct RawRecord {
    pub(super) kind: Kind,
    pub(super) path: Arc<PathBuf>,
    /// Byte at which it starts.
    pub(super) at: u64,
    pub(super) bytes: Vec<u8>,
}

impl RawRecord {
    pub(super) fn refuse(&self, source: UpstreamError) -> TakeoverError {
        TakeoverError::Record { path: self.path.to_path_buf(), at: self.at, source }
    }
}

/// Reads segments one after the other.
pub(super) struct LogReader {
    files: std::vec::IntoIter<(Kind, Found)>,
    open: Option<Open>,
    torn: u64,
    read_bytes: u64,
}

struct Open {
    kind: Kind,
    file: Found,
    path: Arc<PathBuf>,
    frames: Frames,
    /// Bytes fed.
    fed: u64,
}

impl LogReader {
    /// The log: checkpoint, what it replaced, what came after.
    pub(super) fn new(survey: Arc<Survey>) -> Self {
        let of = |kind: Kind, files: &[Found]| files.iter().map(move |file| (kind, file.clone())).collect::<Vec<_>>();
        let mut files = of(Kind::Checkpoint, &survey.checkpoint);
        files.extend(of(Kind::Covered, &survey.covered));
        files.extend(of(Kind::Segment, &survey.segments));
        Self::over(files)
    }

    fn over(files: Vec<(Kind, Found)>) -> Self {
        Self { files: files.into_iter(), open: None, torn: 0, read_bytes: 0 }
    }

    /// Records that a kill had cut short.
    pub(super) fn torn(&self) -> u64 {
        self.torn
    }

    /// Bytes read so far.
    pub(super) fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// The next records, about `budget` bytes of them; none at the end.
    pub(super) fn batch(&mut self, disk: &dyn Disk, budget: usize) -> Result<Vec<RawRecord>, TakeoverError> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while bytes < budget {
            let Some(mut open) = self.open.take().or_else(|| self.begin()) else { break };
            let next = open.frames.next().map(|frame| frame.map(|frame| (frame.at, frame.bytes.to_vec())));
            match next {
                Ok(Some((at, record))) => {
                    bytes += record.len();
                    batch.push(RawRecord { kind: open.kind, path: open.path.clone(), at, bytes: record });
                    self.open = Some(open);
                }
                Ok(None) if open.feed(disk, &mut self.read_bytes)? => self.open = Some(open),
                Ok(None) => self.end(&open)?,
                Err(fault) => self.fault(disk, &open, fault)?,
            }
        }
        Ok(batch)
    }

    fn begin(&mut self) -> Option<Open> {
        let (kind, file) = self.files.next()?;
        let path = Arc::new(file.path.clone());
        Some(Open { kind, file, path, frames: Frames::new(), fed: 0 })
    }

    /// The file's bytes stop.
    fn end(&mut self, open: &Open) -> Result<(), TakeoverError> {
        match open.frames.end() {
            End::Clean => Ok(()),
            End::Torn { at } if open.kind == Kind::Checkpoint => {
                Err(TakeoverError::Unfinished { path: open.file.path.clone(), at })
            }
            End::Torn { at } => {
                self.cut(&open.file.path, at);
                Ok(())
            }
        }
    }

    /// A fault is a torn end where a log may end and nothing whole comes after; else it is damage.
    fn fault(&mut self, disk: &dyn Disk, open: &Open, fault: UpstreamError) -> Result<(), TakeoverError> {
        let path = &open.file.path;
        let is_last = self.files.as_slice().is_empty() && open.kind != Kind::Checkpoint;
        let limited = fault.kind() == loptr_takeover::ErrorKind::Limited;
        if limited || !is_last || whole_behind(disk, &open.file, open.frames.at())? {
            return Err(TakeoverError::File { path: path.clone(), source: fault });
        }
        self.read_bytes += open.file.bytes - open.fed;
        self.cut(path, open.frames.at());
        Ok(())
    }

    fn cut(&mut self, path: &Path, at: u64) {
        self.torn += 1;
        tracing::warn!(path = %path.display(), at, "segment of Loki's log ends inside a record that it never acknowledged");
    }
}

impl Open {
    /// Feeds the next bytes; false at the file's end. Bytes appended since the survey are not read: they are seen as a
    /// change at the end.
    fn feed(&mut self, disk: &dyn Disk, read_bytes: &mut u64) -> Result<bool, TakeoverError> {
        let len = READ_BYTES.min(self.file.bytes - self.fed);
        if len == 0 {
            return Ok(false);
        }
        let piece = read(disk, &self.file.path, self.fed, len)?;
        if piece.len() as u64 != len {
            return Err(TakeoverError::Changed { path: self.file.path.clone() });
        }
        self.frames.feed(&piece);
        self.fed += len;
        *read_bytes += len;
        Ok(true)
    }
}

fn read(disk: &dyn Disk, path: &Path, at: u64, len: u64) -> Result<Vec<u8>, TakeoverError> {
    disk.read_range(path, at, len).map_err(|source| TakeoverError::Disk { path: path.to_owned(), source })
}

/// Whether a whole fragment lies behind the one at `at`: anywhere in its page, or at the start of a later one.
fn whole_behind(disk: &dyn Disk, file: &Found, at: u64) -> Result<bool, TakeoverError> {
    let page = PAGE_BYTES as u64;
    let mut start = at / page * page;
    let in_page = read(disk, &file.path, start, page)?;
    let behind = (at - start) as usize + 1;
    if (behind..in_page.len()).any(|at| begins_whole(&in_page[at..])) {
        return Ok(true);
    }
    start += page;
    while start < file.bytes {
        let piece = read(disk, &file.path, start, READ_BYTES)?;
        if piece.is_empty() {
            break;
        }
        if piece.chunks(PAGE_BYTES).any(begins_whole) {
            return Ok(true);
        }
        start += READ_BYTES;
    }
    Ok(false)
}

/// Chunks that the log of an index head names, and how many records were torn.
pub(super) fn index_head(disk: &dyn Disk, head: &Head) -> Result<(Vec<Named>, u64), TakeoverError> {
    let files = head.segments.iter().map(|file| (Kind::IndexHead, file.clone())).collect();
    let mut reader = LogReader::over(files);
    let mut series: HashMap<(TenantId, u64), (Fingerprint, Labels)> = HashMap::new();
    let mut named = Vec::new();
    loop {
        let batch = reader.batch(disk, super::BATCH_BYTES)?;
        if batch.is_empty() {
            return Ok((named, reader.torn()));
        }
        for raw in batch {
            if let Some(reason) = &head.foreign {
                return Err(TakeoverError::NotOurs { path: head.dir.clone(), reason: reason.clone() });
            }
            match index_record(&raw.bytes).map_err(|source| raw.refuse(source))? {
                IndexRecord::Series { tenant, reference, fingerprint, labels } => {
                    series.insert((tenant, reference), (fingerprint, labels));
                }
                IndexRecord::Chunks { tenant, reference, chunks } => {
                    let key = (tenant, reference);
                    let Some((fingerprint, labels)) = series.get(&key) else {
                        let (path, tenant) = (raw.path.to_path_buf(), key.0.to_string());
                        return Err(TakeoverError::UnknownStream {
                            path,
                            at: raw.at,
                            what: "chunks",
                            tenant,
                            reference,
                        });
                    };
                    let metas = chunks.into_iter().map(|chunk| ChunkMeta {
                        min: chunk.min,
                        max: chunk.max,
                        checksum: chunk.checksum,
                        kb: chunk.kb,
                        entries: chunk.entries,
                    });
                    named.push((key.0, labels.clone(), *fingerprint, metas.collect()));
                }
            }
        }
    }
}
