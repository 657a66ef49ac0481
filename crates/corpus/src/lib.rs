//! Inputs that a fuzzer found worth keeping, packed into one file a target, and the bounds they are run in.
//!
//! A fuzz target and an ordinary test share one check. The target calls it through [`within`] for every input the fuzzer
//! makes up; the test calls [`replay`] with the packed corpus, so what was found once is tried again on every `cargo test`,
//! without a fuzzer. `loptr-corpus pack DIR FILE` makes the file of a fuzzer's minimised folder.
//!
//! ```text
//! file    = zstd( { u32 little endian: bytes } { bytes } … )        sorted, without repetition
//! ```
//!
//! Time is the CPU time of the calling thread, so that a busy machine fails nobody. Memory is what the process had
//! allocated at its highest above what it had at the start: it is counted where [`PeakAlloc`] is the global allocator and
//! nothing else runs, else it reads as 0.
//!
//! ```
//! use std::time::Duration;
//! use loptr_corpus::{Bounds, pack, replay};
//!
//! let packed = pack(vec![b"5".to_vec(), b"x".to_vec(), b"5".to_vec()])?;
//! let bounds = Bounds { time: Duration::from_secs(1), bytes: 1 << 20, bytes_per_byte: 16 };
//! let tried = replay(&packed, bounds, |input| {
//!     let _ = std::str::from_utf8(input).map(str::parse::<u32>);
//! })?;
//! assert_eq!(tried, 2);
//! # Ok::<(), loptr_corpus::CorpusError>(())
//! ```

use std::io;
use std::time::Duration;

pub use peak_alloc::PeakAlloc;
use rustix::time::{ClockId, clock_gettime};

/// No corpus unpacks to more.
const MAX_BYTES: u64 = 64 << 20;

/// What one input may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// CPU time.
    pub time: Duration,
    /// Bytes allocated at once, whatever the input.
    pub bytes: usize,
    /// Bytes allocated at once for each byte of the input, on top.
    pub bytes_per_byte: usize,
}

/// Why a file is no packed corpus.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// It is not what zstd writes.
    #[error("packed corpus: {0}")]
    Zstd(#[from] io::Error),
    /// It breaks off inside an input.
    #[error("packed corpus ends inside input {input}")]
    Truncated {
        /// Number of the input, from 0.
        input: usize,
    },
}

/// Runs `check` on one input and panics if it took longer or more memory than `bounds` allow.
pub fn within(bounds: Bounds, input: &[u8], check: impl FnOnce(&[u8])) {
    PeakAlloc.reset_peak_usage();
    let (held, started) = (PeakAlloc.current_usage(), cpu_time());
    check(input);
    let took = cpu_time().saturating_sub(started);
    let bytes = PeakAlloc.peak_usage().saturating_sub(held);
    assert!(took <= bounds.time, "took {took:?}, more than {:?}: {}", bounds.time, input.escape_ascii());
    let allowed = bounds.bytes.saturating_add(bounds.bytes_per_byte.saturating_mul(input.len()));
    assert!(bytes <= allowed, "allocated {bytes} bytes, more than {allowed}: {}", input.escape_ascii());
}

/// Runs `check` on every input of a packed corpus, each within `bounds`; says how many there are.
pub fn replay(packed: &[u8], bounds: Bounds, mut check: impl FnMut(&[u8])) -> Result<usize, CorpusError> {
    let inputs = unpack(packed)?;
    for input in &inputs {
        within(bounds, input, &mut check);
    }
    Ok(inputs.len())
}

/// Packs inputs, sorted and each once.
pub fn pack(mut inputs: Vec<Vec<u8>>) -> Result<Vec<u8>, CorpusError> {
    inputs.sort_unstable();
    inputs.dedup();
    let mut raw = Vec::new();
    for input in inputs {
        let len = u32::try_from(input.len()).map_err(|_| io::Error::other("an input of 4 GiB or more"))?;
        raw.extend(len.to_le_bytes());
        raw.extend(input);
    }
    Ok(zstd::bulk::compress(&raw, 19)?)
}

/// The inputs of a packed corpus.
pub fn unpack(packed: &[u8]) -> Result<Vec<Vec<u8>>, CorpusError> {
    let raw = zstd::bulk::decompress(packed, MAX_BYTES as usize)?;
    let (mut inputs, mut rest) = (Vec::new(), raw.as_slice());
    while !rest.is_empty() {
        let truncated = CorpusError::Truncated { input: inputs.len() };
        let Some((len, tail)) = rest.split_first_chunk::<4>() else { return Err(truncated) };
        let Some((input, tail)) = tail.split_at_checked(u32::from_le_bytes(*len) as usize) else {
            return Err(truncated);
        };
        inputs.push(input.to_vec());
        rest = tail;
    }
    Ok(inputs)
}

/// CPU time this thread has used.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: PeakAlloc = PeakAlloc;

    const BOUNDS: Bounds = Bounds { time: Duration::from_millis(200), bytes: 1 << 20, bytes_per_byte: 16 };

    #[test]
    fn what_was_packed_is_unpacked() {
        let inputs = vec![Vec::new(), b"a".to_vec(), vec![0, 255, 10]];
        let packed = pack(inputs.iter().rev().cloned().chain(inputs.clone()).collect()).unwrap();
        let mut sorted = inputs;
        sorted.sort();
        assert_eq!(unpack(&packed).unwrap(), sorted);
    }

    #[test]
    fn what_is_no_corpus_is_refused() {
        assert!(matches!(unpack(b"plain"), Err(CorpusError::Zstd(_))));
        for cut in [&[3, 0, 0][..], &[3, 0, 0, 0, 1], &[1, 0, 0, 0, 1, 255, 255, 255, 255]] {
            let packed = zstd::bulk::compress(cut, 1).unwrap();
            assert!(matches!(unpack(&packed), Err(CorpusError::Truncated { .. })));
        }
    }

    #[test]
    #[should_panic(expected = "took")]
    fn a_slow_check_is_told() {
        within(BOUNDS, b"slow", |_| {
            let started = cpu_time();
            while cpu_time() - started < Duration::from_millis(300) {
                std::hint::black_box(started);
            }
        });
    }

    #[test]
    #[should_panic(expected = "allocated")]
    fn a_greedy_check_is_told() {
        within(BOUNDS, b"greedy", |input| drop(std::hint::black_box(vec![input.len(); 4 << 20])));
    }
}
