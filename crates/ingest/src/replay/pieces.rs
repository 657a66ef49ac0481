//! Reads old segments in pieces of bounded length, each beginning with a record. A disk that fails is asked again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use loptr_ports::Ports;
use loptr_wal::{Framed, Record, frame, next_whole};
use tokio_util::sync::CancellationToken;

use super::Progress;
use super::files::OldSegment;

/// Pause before a disk that failed is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Told to stop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopped;

/// Bytes of one segment, from a record's start on.
#[derive(Debug)]
pub(super) struct Piece {
    /// Position among the old segments.
    pub(super) segment: usize,
    /// Number of the segment.
    pub(super) number: u64,
    pub(super) version: u8,
    /// Where it starts.
    pub(super) at: u64,
    /// Bytes from there to the segment's end.
    left: u64,
    pub(super) bytes: Vec<u8>,
}

/// Where the records of a piece end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PieceEnd {
    /// Here the next piece starts.
    At(usize),
    /// Here is a record of so many bytes, too long for the piece.
    Needs { at: usize, bytes: usize },
    /// Here is none.
    Bad(usize),
}

impl Piece {
    /// Calls `visit` with each whole record and its place in the segment.
    pub(super) fn records<'a>(&'a self, mut visit: impl FnMut(u64, Record<'a>)) -> PieceEnd {
        let mut at = 0;
        while at < self.bytes.len() {
            match frame(&self.bytes[at..], self.left - at as u64) {
                Framed::Whole(whole) => match whole.record(self.version) {
                    Some(record) => {
                        visit(self.at + at as u64, record);
                        at += whole.len_bytes();
                    }
                    None => return PieceEnd::Bad(at),
                },
                Framed::Needs(bytes) => return PieceEnd::Needs { at, bytes },
                Framed::Bad => return PieceEnd::Bad(at),
            }
        }
        PieceEnd::At(at)
    }
}

/// Goes through the old segments once.
pub(super) struct Pieces {
    ports: Ports,
    progress: Arc<Progress>,
    segments: Arc<Vec<OldSegment>>,
    piece_bytes: u64,
    stop: CancellationToken,
    /// Whether damage is told and counted: by the first who goes through.
    tells: bool,
    segment: usize,
    at: u64,
    needs: u64,
}

impl Pieces {
    pub(super) fn new(
        ports: &Ports,
        progress: &Arc<Progress>,
        segments: &Arc<Vec<OldSegment>>,
        piece_bytes: u64,
        stop: &CancellationToken,
        tells: bool,
    ) -> Self {
        Self {
            ports: ports.clone(),
            progress: progress.clone(),
            segments: segments.clone(),
            piece_bytes: piece_bytes.max(1),
            stop: stop.clone(),
            tells,
            segment: 0,
            at: 0,
            needs: 0,
        }
    }

    /// The next piece, or `None` behind the last. Tell [`Pieces::ended`] where its records ended before the next call.
    pub(super) async fn next(&mut self) -> Result<Option<Piece>, Stopped> {
        while let Some(segment) = self.segments.get(self.segment) {
            self.at = self.at.max(segment.start);
            if self.at >= segment.bytes {
                (self.segment, self.at, self.needs) = (self.segment + 1, 0, 0);
                continue;
            }
            let left = segment.bytes - self.at;
            let (number, version, at) = (segment.number, segment.version, self.at);
            let bytes = self.read(at, self.piece_bytes.max(self.needs).min(left)).await?;
            // Shorter than it was: what is missing is treated as torn.
            let left = if bytes.is_empty() { 0 } else { left };
            if left == 0 {
                self.at = u64::MAX;
                continue;
            }
            return Ok(Some(Piece { segment: self.segment, number, version, at, left, bytes }));
        }
        Ok(None)
    }

    /// Goes on where the records of `piece` ended; finds the next whole one behind damage.
    pub(super) async fn ended(&mut self, piece: &Piece, end: PieceEnd) -> Result<(), Stopped> {
        self.needs = 0;
        match end {
            PieceEnd::At(at) => self.at = piece.at + at as u64,
            PieceEnd::Needs { at: 0, bytes } if bytes <= piece.bytes.len() => return self.skip(piece.at, piece).await,
            PieceEnd::Needs { at, bytes } => (self.at, self.needs) = (piece.at + at as u64, bytes as u64),
            PieceEnd::Bad(at) => return self.skip(piece.at + at as u64, piece).await,
        }
        Ok(())
    }

    /// What lies at `at` is no record. Rare: the rest of the segment is read whole.
    async fn skip(&mut self, at: u64, piece: &Piece) -> Result<(), Stopped> {
        let segment = &self.segments[piece.segment];
        let (path, version) = (segment.path.clone(), segment.version);
        let rest = self.read(at, segment.bytes - at).await?;
        let len = rest.len();
        let search = move || next_whole(&rest, 1, version);
        let found = self.ports.spawner.run_blocking("search the log", search).await;
        match found {
            Ok(Some(place)) => {
                let resumes_at = at + place as u64;
                if self.tells {
                    self.progress.damaged();
                    tracing::error!(path = %path.display(), at, resumes_at, "log segment is damaged, records between these bytes are lost");
                }
                self.at = resumes_at;
            }
            Ok(None) => {
                if self.tells {
                    tracing::info!(path = %path.display(), at, bytes = len, "log segment ends inside a record that was never acknowledged");
                }
                self.at = u64::MAX;
            }
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "damage in the log could not be stepped over, the rest of the segment is left out");
                self.progress.damaged();
                self.at = u64::MAX;
            }
        }
        Ok(())
    }

    async fn read(&self, at: u64, len: u64) -> Result<Vec<u8>, Stopped> {
        let path = &self.segments[self.segment].path;
        read_again(&self.ports, &self.progress, &self.stop, path, at, len).await
    }
}

/// Reads a part of a file, again and again until the disk gives it or `stop`.
pub(super) async fn read_again(
    ports: &Ports,
    progress: &Progress,
    stop: &CancellationToken,
    path: &std::path::Path,
    at: u64,
    len: u64,
) -> Result<Vec<u8>, Stopped> {
    loop {
        if stop.is_cancelled() {
            return Err(Stopped);
        }
        let (disk, file) = (ports.disk.clone(), path.to_owned());
        let read = ports.spawner.run_blocking("read the log", move || disk.read_range(&file, at, len)).await;
        match read.map_err(io::Error::other).flatten() {
            Ok(bytes) => {
                progress.stalled(None);
                return Ok(bytes);
            }
            Err(error) => {
                tracing::error!(path = %path.display(), at, %error, "the log cannot be read, trying again");
                progress.stalled(Some(format!("{} cannot be read: {error}", path.display())));
            }
        }
        tokio::select! {
            () = stop.cancelled() => return Err(Stopped),
            () = ports.clock.sleep(AGAIN) => {}
        }
    }
}
