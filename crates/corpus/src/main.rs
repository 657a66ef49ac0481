//! `loptr-corpus pack DIR FILE`: packs the files of a fuzzer's folder. `loptr-corpus unpack FILE DIR` is the way back, to
//! go on from there.
#![allow(clippy::disallowed_methods, reason = "a tool outside the server, for files of one's own")]

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

use loptr_corpus::{pack, unpack};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["pack", folder, file] => packed(Path::new(folder), Path::new(file)),
        ["unpack", file, folder] => unpacked(Path::new(file), Path::new(folder)),
        _ => Err(io::Error::other("loptr-corpus pack DIR FILE | unpack FILE DIR")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "loptr-corpus: {error}");
            ExitCode::FAILURE
        }
    }
}

fn packed(folder: &Path, file: &Path) -> io::Result<()> {
    let inputs = fs::read_dir(folder)?.map(|entry| fs::read(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    fs::write(file, pack(inputs).map_err(io::Error::other)?)
}

fn unpacked(file: &Path, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let inputs = unpack(&fs::read(file)?).map_err(io::Error::other)?;
    inputs.iter().enumerate().try_for_each(|(at, input)| fs::write(folder.join(format!("kept-{at:05}")), input))
}
