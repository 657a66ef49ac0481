//! Which files upstream left. Reads folders and lengths, no contents.

use std::io;
use std::path::{Path, PathBuf};

use loptr_index::tables::{self, FileKind, FileName};
use loptr_ports::Disk;
use loptr_storage::{Schema, TableId};
use loptr_takeover::LogFolder;

use super::{TakeoverError, TakeoverSettings};

/// A file and its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// The log of one index head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) dir: PathBuf,
    /// Oldest first.
    pub(super) segments: Vec<Found>,
    /// Why its chunks have no place here, if it holds any.
    pub(super) foreign: Option<String>,
}

/// An index file that upstream built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Built {
    pub(super) file: Found,
    pub(super) tables: Vec<TableId>,
    pub(super) name: FileName,
}

/// Everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// Folder of the log.
    pub(super) wal_dir: PathBuf,
    /// Folder of the newest finished checkpoint.
    pub(super) checkpoint_dir: Option<PathBuf>,
    /// Its segments.
    pub(super) checkpoint: Vec<Found>,
    /// Segments that it replaced.
    pub(super) covered: Vec<Found>,
    /// The others.
    pub(super) segments: Vec<Found>,
    /// Folders of unfinished and older checkpoints, with what is in them.
    pub(super) stale: Vec<(PathBuf, Vec<Found>)>,
    /// Index heads, oldest first.
    pub(super) heads: Vec<Head>,
    /// Index files.
    pub(super) built: Vec<Built>,
}

fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<(PathBuf, bool)>, TakeoverError> {
    match disk.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        found => found.map_err(|source| TakeoverError::Disk { path: dir.to_owned(), source }),
    }
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn found(disk: &dyn Disk, path: PathBuf) -> Result<Found, TakeoverError> {
    match disk.stat(&path) {
        Ok((bytes, _)) => Ok(Found { path, bytes }),
        Err(source) => Err(TakeoverError::Disk { path, source }),
    }
}

fn folder(dir: &Path, entries: &[(PathBuf, bool)]) -> Result<LogFolder, TakeoverError> {
    LogFolder::of(entries.iter().map(|(path, is_dir)| (name(path), *is_dir)))
        .map_err(|source| TakeoverError::File { path: dir.to_owned(), source })
}

fn files(disk: &dyn Disk, dir: &Path, names: &[(u64, String)]) -> Result<Vec<Found>, TakeoverError> {
    names.iter().map(|(_, name)| found(disk, dir.join(name))).collect()
}

/// Files of a folder whatever they are.
fn all_files(disk: &dyn Disk, dir: &Path) -> Result<Vec<Found>, TakeoverError> {
    list(disk, dir)?.into_iter().filter(|(_, is_dir)| !is_dir).map(|(path, _)| found(disk, path)).collect()
}

impl Survey {
    pub(super) fn of(disk: &dyn Disk, settings: &TakeoverSettings, schema: &Schema) -> Result<Self, TakeoverError> {
        let mut survey = Self::default();
        if let Some(dir) = &settings.wal_dir {
            survey.log(disk, dir)?;
        }
        survey.heads(disk, settings)?;
        survey.built(disk, &settings.index_dir.join("multitenant"), schema)?;
        survey.boltdb(disk, &settings.boltdb_dir, schema)?;
        Ok(survey)
    }

    fn log(&mut self, disk: &dyn Disk, dir: &Path) -> Result<(), TakeoverError> {
        let folder = folder(dir, &list(disk, dir)?)?;
        if let Some((_, name)) = &folder.checkpoint {
            let checkpoint = dir.join(name);
            let inside = self::folder(&checkpoint, &list(disk, &checkpoint)?)?;
            self.checkpoint = files(disk, &checkpoint, &inside.segments)?;
            self.checkpoint_dir = Some(checkpoint);
        }
        self.covered = files(disk, dir, &folder.covered)?;
        self.segments = files(disk, dir, &folder.segments)?;
        for name in &folder.stale {
            let stale = dir.join(name);
            let inside = all_files(disk, &stale)?;
            self.stale.push((stale, inside));
        }
        self.wal_dir = dir.to_owned();
        Ok(())
    }

    fn heads(&mut self, disk: &dyn Disk, settings: &TakeoverSettings) -> Result<(), TakeoverError> {
        let is_time = |path: &Path| name(path).parse::<u64>().is_ok();
        let mut dirs: Vec<(PathBuf, Option<String>)> = Vec::new();
        for (path, _) in list(disk, &settings.index_dir.join("wal"))?.into_iter().filter(|(_, is_dir)| *is_dir) {
            if is_time(&path) {
                dirs.push((path, None));
                continue;
            }
            let period = name(&path).to_owned();
            let foreign = (!settings.periods.contains(&period))
                .then(|| format!("index head of period {period}, which the schema does not have"));
            let heads = list(disk, &path)?.into_iter().filter(|(head, is_dir)| *is_dir && is_time(head));
            dirs.extend(heads.map(|(head, _)| (head, foreign.clone())));
        }
        for (dir, foreign) in dirs {
            let inside = folder(&dir, &list(disk, &dir)?)?;
            let segments = files(disk, &dir, &inside.segments)?;
            self.heads.push(Head { dir, segments, foreign });
        }
        Ok(())
    }

    fn built(&mut self, disk: &dyn Disk, dir: &Path, schema: &Schema) -> Result<(), TakeoverError> {
        for (table, _) in list(disk, dir)?.into_iter().filter(|(_, is_dir)| *is_dir) {
            for (path, _) in list(disk, &table)?.into_iter().filter(|(_, is_dir)| !is_dir) {
                let not_ours = |reason: String| TakeoverError::NotOurs { path: path.clone(), reason };
                if !name(&path).ends_with(".tsdb") {
                    continue;
                }
                let tables = tables_named(schema, name(&table), FileKind::Tsdb);
                if tables.is_empty() {
                    return Err(not_ours(format!("the schema has no index table {}", name(&table))));
                }
                let name = FileName::parse(name(&path)).ok_or_else(|| not_ours("not an index file's name".into()))?;
                self.built.push(Built { file: found(disk, path)?, tables, name });
            }
        }
        Ok(())
    }

    /// Databases of an index before TSDB, as many per table as quarters of an hour were written in. Upstream uploads them
    /// under these names, so one that it has uploaded already is the same object.
    fn boltdb(&mut self, disk: &dyn Disk, dir: &Path, schema: &Schema) -> Result<(), TakeoverError> {
        let uploader = match disk.read(&dir.join("uploader/name")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => "loki".to_owned(),
            read => {
                let bytes = read.map_err(|source| TakeoverError::Disk { path: dir.join("uploader/name"), source })?;
                String::from_utf8_lossy(&bytes).trim().to_owned()
            }
        };
        // Tables end in their day's number; beside them lies what is no table.
        let is_table = |path: &Path| name(path).ends_with(|last: char| last.is_ascii_digit());
        for (table, is_dir) in list(disk, dir)?.into_iter().filter(|(path, _)| is_table(path)) {
            let files = if is_dir { all_files(disk, &table)? } else { vec![found(disk, table.clone())?] };
            let copies = [".snapshot", ".temp"];
            let kept = |file: &Found| file.bytes > 0 && !copies.iter().any(|end| name(&file.path).ends_with(end));
            for file in files.into_iter().filter(kept) {
                let tables = tables_named(schema, name(&table), FileKind::Boltdb);
                if tables.is_empty() {
                    let reason = format!("the schema has no boltdb-shipper index table {}", name(&table));
                    return Err(TakeoverError::NotOurs { path: file.path, reason });
                }
                let database = name(&file.path);
                // A file beside the tables, and what became of it, has its table's name.
                let uploaded =
                    if database == name(&table) { uploader.clone() } else { format!("{uploader}-{database}") };
                self.built.push(Built { tables, name: FileName::Boltdb { name: format!("{uploaded}.gz") }, file });
            }
        }
        Ok(())
    }

    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.checkpoint_dir.is_none() && self.stale.is_empty() && self.files().next().is_none()
    }

    /// Every file that is removed at the end.
    pub(super) fn files(&self) -> impl Iterator<Item = &Found> {
        let log = self.checkpoint.iter().chain(&self.covered).chain(&self.segments);
        let heads = self.heads.iter().flat_map(|head| &head.segments);
        log.chain(heads).chain(self.built.iter().map(|built| &built.file))
    }

    /// Their bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.files().map(|file| file.bytes).sum()
    }
}

/// The tables called `name`, in whichever periods have one with such files.
fn tables_named(schema: &Schema, name: &str, kind: FileKind) -> Vec<TableId> {
    let mut found: Vec<TableId> = Vec::new();
    for period in schema.periods() {
        let Some(day) = tables::parse_day(&period.index_prefix, name) else { continue };
        let path_prefix = period.path_prefix.clone();
        let table = TableId { store: period.store, path_prefix, name: name.to_owned() };
        let start = loptr_model::Millis(day.saturating_mul(86_400_000));
        let end = loptr_model::Millis(start.0.saturating_add(86_399_999));
        let is_of_kind = schema.index_kind(&table).files() == kind;
        if is_of_kind && schema.tables_of(start, end).contains(&table) && !found.contains(&table) {
            found.push(table);
        }
    }
    found
}
