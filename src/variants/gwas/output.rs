//! Rows wait in a temporary file until their loci are known; then the tables are written.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use noodles::bgzf;

use super::super::VariantError;
use super::super::lift::beside;
use super::super::setup::Setup;
use super::loci::{Loci, Place};
use super::rows::{Key, Scored, push_number};
use super::{GwasConfig, Status};
use crate::Error;
use crate::job::{Cancel, RunInfo};
use crate::output::{WholeFile, stdout};

/// Everything that the job writes.
pub(super) struct Outputs {
    spool: BufWriter<File>,
    folder: PathBuf,
    length: u64,
    pub keys: Vec<Key>,
    /// Names of all columns but for those of loci.
    header: String,
    out: Option<WholeFile>,
    candidates: Option<WholeFile>,
    rejects: Option<(WholeFile, BufWriter<File>)>,
}

/// Where rows go that could not be lifted: beside the output, unless a file is named.
///
/// # Errors
/// When the output is standard output and no file is named.
pub(super) fn rejects_path(config: &GwasConfig) -> Result<Option<PathBuf>, VariantError> {
    let endings = [".tsv.gz", ".txt.gz", ".tsv", ".txt"];
    beside(config.liftover.as_ref(), &config.out, &endings, "tsv")
}

const OF_LOCI: [&str; 4] = [
    "MPRA_LOCUS",
    "MPRA_RANK",
    "MPRA_POSTERIOR",
    "MPRA_BY_ASSOCIATION",
];

impl Outputs {
    /// Opens the files.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn create(
        config: &GwasConfig,
        setup: &Setup,
        names: &[String],
    ) -> Result<Self, VariantError> {
        let folder = match (config.out.as_os_str() == "-", config.out.parent()) {
            (true, _) => std::env::temp_dir(),
            (false, Some(folder)) if !folder.as_os_str().is_empty() => folder.into(),
            _ => ".".into(),
        };
        let spool =
            tempfile::tempfile_in(&folder).map_err(|e| VariantError::Write(e, folder.clone()))?;
        let mut columns: Vec<String> = names.to_vec();
        columns.extend(["MPRA_STATUS", "MPRA_SITE", "MPRA_EFFECT_ALLELE"].map(str::to_owned));
        columns.extend(setup.tasks.iter().map(|task| format!("MPRA_{task}")));
        let background = !matches!(
            config.scoring.background.source,
            super::super::BackgroundSource::None
        );
        if background {
            columns.extend(setup.tasks.iter().map(|task| format!("MPRA_P_{task}")));
        }
        columns.extend(["MPRA_MAX", "MPRA_MAX_TASK"].map(str::to_owned));
        if background {
            columns.push("MPRA_P".into());
        }
        if !config.annotations.is_empty() {
            columns.push("MPRA_ANNOTATIONS".into());
        }
        columns.push("MPRA_ABS_Z".into());
        let rejects = match rejects_path(config)? {
            None => None,
            Some(path) => {
                let whole = WholeFile::create(&path, config.force)?;
                let mut file = BufWriter::new(whole.file()?);
                writeln!(file, "{}", names.join("\t"))
                    .map_err(|e| VariantError::Write(e, path.clone()))?;
                Some((whole, file))
            }
        };
        let whole =
            |path: &Path| (path.as_os_str() != "-").then(|| WholeFile::create(path, config.force));
        Ok(Self {
            spool: BufWriter::with_capacity(1 << 18, spool),
            folder,
            length: 0,
            keys: Vec::new(),
            header: columns.join("\t"),
            out: whole(&config.out).transpose()?,
            candidates: config
                .candidates
                .as_deref()
                .map(|path| WholeFile::create(path, config.force))
                .transpose()?,
            rejects,
        })
    }

    /// Takes a row.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn append(&mut self, row: &Scored) -> Result<(), VariantError> {
        let mut write = || -> io::Result<()> {
            self.spool.write_all(row.text.as_bytes())?;
            self.spool.write_all(b"\n")
        };
        write().map_err(|e| VariantError::Write(e, self.folder.clone()))?;
        if let (Some(Status::NotLifted(lost)), Some((whole, file))) =
            (row.status, &mut self.rejects)
        {
            writeln!(file, "#{lost}\n{}", &row.text[..row.cells])
                .map_err(|e| VariantError::Write(e, whole.path().into()))?;
        }
        self.keys.push(Key {
            at: self.length,
            ..row.key
        });
        self.length += row.text.len() as u64 + 1;
        Ok(())
    }

    /// Writes the tables and gives all files their names.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn finish(
        self,
        config: &GwasConfig,
        loci: &Loci,
        saved: Option<WholeFile>,
        mut run: RunInfo,
        cancel: &Cancel,
    ) -> Result<Vec<PathBuf>, Error> {
        let folder = self.folder;
        let spool_error = |e| VariantError::Write(e, folder.clone());
        let mut spool = (self.spool.into_inner()).map_err(|e| spool_error(e.into_error()))?;
        spool.rewind().map_err(spool_error)?;
        let mut buffer = zmij::Buffer::new();
        let mut cells = |place: Option<Place>, line: &mut String| {
            let Some(place) = place else {
                line.push_str("NA\tNA\tNA\tNA");
                return;
            };
            line.push_str(&format!("{}\t{}", place.locus, place.rank));
            for value in [place.posterior, place.by_association] {
                line.push('\t');
                push_number(&mut buffer, line, value, true);
            }
        };

        let fail = |e| VariantError::Write(e, config.out.clone());
        let mut out = open(self.out.as_ref(), &config.out)?;
        let names = OF_LOCI.join("\t");
        writeln!(out, "{}\t{names}", self.header).map_err(fail)?;
        let mut lines = BufReader::with_capacity(1 << 18, &spool);
        let (mut row, mut line) = (0u32, String::new());
        loop {
            line.clear();
            if lines.read_line(&mut line).map_err(spool_error)? == 0 {
                break;
            }
            line.pop();
            line.push('\t');
            cells(loci.of(row), &mut line);
            line.push('\n');
            out.write_all(line.as_bytes()).map_err(fail)?;
            row += 1;
            if row % 4096 == 0 {
                cancel.check()?;
            }
        }
        drop(lines);
        finish(out).map_err(fail)?;

        if let Some(whole) = &self.candidates {
            let fail = |e| VariantError::Write(e, whole.path().into());
            let mut out = open(Some(whole), whole.path())?;
            writeln!(out, "{names}\t{}", self.header).map_err(fail)?;
            for &row in &loci.ranked {
                let (at, next) = (self.keys[row as usize].at, self.keys.get(row as usize + 1));
                let end = next.map_or(self.length, |next| next.at);
                let mut text = vec![0; (end - at) as usize];
                spool.read_exact_at(&mut text, at).map_err(spool_error)?;
                let mut line = String::new();
                cells(loci.of(row), &mut line);
                line.push('\t');
                out.write_all(line.as_bytes()).map_err(fail)?;
                out.write_all(&text).map_err(fail)?;
            }
            finish(out).map_err(fail)?;
        }
        cancel.check()?;

        let mut files = Vec::new();
        let mut describe = None;
        if let Some(whole) = &self.out {
            let mut name = whole.path().as_os_str().to_owned();
            name.push(".run.json");
            let tables = [Some(whole), self.candidates.as_ref(), saved.as_ref()];
            run.outputs = (tables.into_iter().flatten())
                .filter_map(|file| file.path().file_name())
                .map(|name| name.to_string_lossy().into_owned())
                .collect();
            let whole = WholeFile::create(Path::new(&name), true)?;
            let fail = |e: io::Error| VariantError::Write(e, whole.path().into());
            let text = serde_json::to_string_pretty(&run).map_err(|e| fail(e.into()))?;
            whole
                .file()?
                .write_all(format!("{text}\n").as_bytes())
                .map_err(fail)?;
            describe = Some(whole);
        }
        let rejects = match self.rejects {
            None => None,
            Some((whole, mut file)) => {
                let flushed = file.flush();
                flushed.map_err(|e| VariantError::Write(e, whole.path().into()))?;
                Some(whole)
            }
        };
        let all = [self.out, self.candidates, rejects, describe, saved];
        for file in all.into_iter().flatten() {
            files.push(file.keep()?);
        }
        Ok(files)
    }
}

/// A table's file: plain text, or bgzip where its name ends in `.gz`; standard output without one.
enum Out {
    Plain(Box<dyn Write>),
    Packed(Box<bgzf::io::Writer<BufWriter<File>>>),
}

fn open(file: Option<&WholeFile>, name: &Path) -> Result<Out, VariantError> {
    let Some(file) = file else {
        return Ok(Out::Plain(Box::new(BufWriter::new(stdout()?))));
    };
    let out = BufWriter::with_capacity(1 << 17, file.file()?);
    Ok(
        match name.extension().is_some_and(|e| e == "gz" || e == "bgz") {
            true => Out::Packed(Box::new(bgzf::io::Writer::new(out))),
            false => Out::Plain(Box::new(out)),
        },
    )
}

fn finish(out: Out) -> io::Result<()> {
    match out {
        Out::Plain(mut out) => out.flush(),
        Out::Packed(out) => out.finish()?.flush(),
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Packed(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Packed(out) => out.flush(),
        }
    }
}
