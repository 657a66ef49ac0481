//! Which files of a log's folder are read, in which order.
//!
//! ```text
//! 00000007                segments, numbered without a gap
//! checkpoint.000006       streams as they were when segment 6 had been written; replaces segments up to 6
//! checkpoint.000012.tmp   a checkpoint that was not finished: its rename never came
//! ```

use crate::UpstreamError;

/// The files of one log, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFolder {
    /// The newest finished checkpoint: a folder of segments.
    pub checkpoint: Option<(u64, String)>,
    /// Segments the checkpoint has replaced, oldest first: only which streams there were is read from them.
    pub covered: Vec<(u64, String)>,
    /// The other segments, oldest first.
    pub segments: Vec<(u64, String)>,
    /// Older checkpoints and unfinished ones: not read.
    pub stale: Vec<String>,
    /// Names that are none of upstream's log: left alone.
    pub others: Vec<String>,
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

impl LogFolder {
    /// Sorts a folder's entries: name, and whether it is a folder.
    pub fn of<'n>(entries: impl IntoIterator<Item = (&'n str, bool)>) -> Result<Self, UpstreamError> {
        let mut folder = Self::default();
        let mut checkpoints = Vec::new();
        let mut segments = Vec::new();
        for (name, is_dir) in entries {
            let checkpoint = name.strip_prefix("checkpoint.");
            if let Some(number) = checkpoint.and_then(number) {
                if !is_dir {
                    return Err(UpstreamError::Folder(format!("{name} is a checkpoint but no folder")));
                }
                checkpoints.push((number, name.to_owned()));
            } else if checkpoint.and_then(|rest| rest.strip_suffix(".tmp")).and_then(number).is_some() {
                folder.stale.push(name.to_owned());
            } else if let Some(number) = number(name).filter(|_| !is_dir) {
                segments.push((number, name.to_owned()));
            } else {
                folder.others.push(name.to_owned());
            }
        }
        checkpoints.sort();
        segments.sort();
        for pair in segments.windows(2) {
            if pair[0].0 + 1 != pair[1].0 {
                let (before, after) = (&pair[0].1, &pair[1].1);
                return Err(UpstreamError::Folder(format!("segments are missing between {before} and {after}")));
            }
        }
        folder.checkpoint = checkpoints.pop();
        folder.stale.extend(checkpoints.into_iter().map(|(_, name)| name));
        let through = folder.checkpoint.as_ref().map(|(number, _)| *number);
        if let (Some(through), Some((first, name))) = (through, segments.first())
            && *first > through + 1
        {
            return Err(UpstreamError::Folder(format!(
                "segments are missing between checkpoint.{through:06} and {name}"
            )));
        }
        (folder.covered, folder.segments) =
            segments.into_iter().partition(|(number, _)| through.is_some_and(|through| *number <= through));
        Ok(folder)
    }

    /// Whether upstream left nothing.
    pub fn is_empty(&self) -> bool {
        self.checkpoint.is_none() && self.covered.is_empty() && self.segments.is_empty() && self.stale.is_empty()
    }
}
