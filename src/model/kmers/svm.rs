//! Files of gapped k-mer support vector machines.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::kernel::{Filter, Kernel, Places, Vector};
use super::{Gapped, KmerFacts, KmerTable, LONGEST, line, open};
use crate::encode::UNKNOWN;
use crate::input::{Lines, shorten};
use crate::model::ModelError;

/// Which program's file it is.
pub(super) enum Kind {
    /// None's.
    None,
    /// LS-GKM's, one file.
    LsGkm,
    /// gkm-SVM's, two files.
    Classic,
}

/// Ends of the names of gkm-SVM's files.
const ALPHA: &str = "svalpha.out";
const SEQUENCES: &str = "svseq.fa";

/// LS-GKM's names of its kernels, by their numbers.
const KERNELS: [&str; 7] = [
    "gkm_cnt",
    "gkm_estfull",
    "gkm_esttrunc",
    "gkmrbf",
    "wgkm",
    "wgkmrbf",
    "gkm_cnt_rbf",
];

/// Looks at the first line, and leaves it to be read.
///
/// # Errors
/// When it cannot be read, or the file is of a kind that is not read.
pub(super) fn kind(path: &Path, lines: &mut Lines) -> Result<Kind, ModelError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    if name.ends_with(ALPHA) || name.ends_with(SEQUENCES) {
        return Ok(Kind::Classic);
    }
    let found = match lines.next_line()? {
        Some(text) if text.starts_with("svm_type") => Kind::LsGkm,
        Some(text) if text.starts_with("#gkmmodel") => {
            return Err(line(
                lines,
                "a .gkmmodel file".into(),
                format!(
                    "the files PREFIX_{SEQUENCES} and PREFIX_{ALPHA}, which gkm-SVM writes beside it"
                ),
            ));
        }
        Some(text) if text.starts_with('>') => {
            return Err(line(
                lines,
                "a sequence".into(),
                format!("a model; support vectors are in a file PREFIX_{SEQUENCES}"),
            ));
        }
        _ => Kind::None,
    };
    lines.unread();
    Ok(found)
}

/// What the head of an LS-GKM model says, by key, with its line.
type Head = HashMap<String, (u64, String)>;

/// Reads a model of LS-GKM.
///
/// # Errors
/// With the line, where one is not as LS-GKM writes it; when the file ends too early.
pub(super) fn ls_gkm(lines: &mut Lines) -> Result<KmerTable, ModelError> {
    let head = head(lines)?;
    let (kernel, name) = kernel(lines, &head)?;
    let svm = word(lines, &head, "svm_type")?;
    if !["c_svc", "nu_svc", "epsilon_svr", "nu_svr"].contains(&svm) {
        return Err(unlike(
            lines,
            &head,
            "svm_type",
            "c_svc, nu_svc, epsilon_svr or nu_svr",
        ));
    }
    if number::<u64>(lines, &head, "nr_class", "a whole number")? != 2 {
        return Err(unlike(lines, &head, "nr_class", "2"));
    }
    let rho = number::<f64>(lines, &head, "rho", "one number")?;
    let total = number::<usize>(lines, &head, "total_sv", "a whole number")?;
    let mut vectors = Vec::new();
    let mut unknown = 0;
    loop {
        let vector = match lines.next_line()? {
            None => break,
            Some(text) if text.trim().is_empty() => continue,
            Some(text) => {
                let mut fields = text.split_whitespace();
                match (fields.next(), fields.next(), fields.next()) {
                    (Some(coefficient), Some(sequence), None) => {
                        vector(coefficient, sequence.as_bytes(), kernel.l, &mut unknown)
                    }
                    _ => Err((
                        format!("{:?}", shorten(text)),
                        "the coefficient and the sequence of a support vector".into(),
                    )),
                }
            }
        };
        match vector {
            Ok(vector) => vectors.push(vector),
            Err((found, wanted)) => return Err(line(lines, found, wanted)),
        }
    }
    if vectors.len() != total {
        return Err(ModelError::Unfit {
            path: lines.path().into(),
            what: "support vectors",
            problem: format!(
                "it holds {} where its head says total_sv {total}: {}",
                vectors.len(),
                if vectors.len() < total {
                    "it is cut short"
                } else {
                    "there are too many"
                }
            ),
        });
    }
    let from = format!(
        "an LS-GKM model, kernel {name}, {} support vectors, rho {rho}",
        vectors.len()
    );
    Ok(table(lines.path(), &kernel, &vectors, rho, from, unknown))
}

/// The head, as far as the line `SV`.
fn head(lines: &mut Lines) -> Result<Head, ModelError> {
    const KEYS: [&str; 15] = [
        "svm_type",
        "kernel_type",
        "L",
        "k",
        "d",
        "gamma",
        "M",
        "H",
        "norc",
        "nr_class",
        "total_sv",
        "rho",
        "label",
        "probA",
        "probB",
    ];
    let mut head = Head::new();
    loop {
        let (key, value) = match lines.next_line()? {
            None => {
                return Err(ModelError::Unfit {
                    path: lines.path().into(),
                    what: "support vectors",
                    problem: "it ends before the line SV: it is cut short".into(),
                });
            }
            Some(text) => {
                let text = text.trim();
                let (key, value) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
                (key.to_owned(), value.trim().to_owned())
            }
        };
        match key.as_str() {
            "" => continue,
            "SV" => return Ok(head),
            "nr_sv" => {}
            known if KEYS.contains(&known) => {}
            _ => {
                let found = format!("{:?}", shorten(&key));
                return Err(line(lines, found, "a key of LS-GKM's models, or SV"));
            }
        }
        head.insert(key, (lines.number(), value));
    }
}

fn word<'h>(lines: &Lines, head: &'h Head, key: &str) -> Result<&'h str, ModelError> {
    let value = head.get(key).map(|(_, value)| value.as_str());
    value.ok_or_else(|| ModelError::Unfit {
        path: lines.path().into(),
        what: "head",
        problem: format!("it says no {key}"),
    })
}

fn number<T: std::str::FromStr>(
    lines: &Lines,
    head: &Head,
    key: &str,
    wanted: &str,
) -> Result<T, ModelError> {
    let value = word(lines, head, key)?.parse();
    value.map_err(|_| unlike(lines, head, key, wanted))
}

/// A value of the head that cannot be.
fn unlike(lines: &Lines, head: &Head, key: &str, wanted: &str) -> ModelError {
    let (number, value) = head.get(key).cloned().unwrap_or_default();
    crate::input::InputError::Line {
        path: lines.path().into(),
        line: number,
        problem: format!("{key} {value}"),
        expected: wanted.into(),
    }
    .into()
}

/// The kernel, and its name with its numbers.
fn kernel(lines: &Lines, head: &Head) -> Result<(Kernel, String), ModelError> {
    let named = word(lines, head, "kernel_type")?;
    let by_number = named.parse::<usize>().ok().and_then(|n| KERNELS.get(n));
    let name = by_number.copied().unwrap_or(named);
    let (filter, placed) = match name {
        "gkm_cnt" => (Filter::Counts, false),
        "gkm_estfull" => (Filter::Full, false),
        "gkm_esttrunc" => (Filter::Truncated, false),
        "wgkm" => (Filter::Truncated, true),
        "gkmrbf" | "wgkmrbf" | "gkm_cnt_rbf" => {
            let wanted = "a kernel that is a sum over l-mers (gkm_cnt, gkm_estfull, gkm_esttrunc, wgkm): one with RBF is none, and no table of k-mers says what it gives";
            return Err(unlike(lines, head, "kernel_type", wanted));
        }
        _ => {
            let wanted = "gkm_cnt, gkm_estfull, gkm_esttrunc or wgkm";
            return Err(unlike(lines, head, "kernel_type", wanted));
        }
    };
    let number_of = |key: &str| number::<usize>(lines, head, key, "a whole number");
    let (l, k) = (number_of("L")?, number_of("k")?);
    let d = match head.contains_key("d") || filter != Filter::Counts {
        true => number_of("d")?,
        // With more mismatches no k letters are shared; gkmsvm-lite writes none.
        false => l.saturating_sub(k),
    };
    let (gapped, mut text) = (Gapped { l, k, d }, String::new());
    if let Some((key, wanted)) = misfit(gapped) {
        return Err(unlike(lines, head, key, &wanted));
    }
    let mut places = None;
    if placed {
        let most = number::<u8>(lines, head, "M", "a whole number up to 255")?;
        let half = number::<f64>(lines, head, "H", "a number above 0")?;
        if most == 0 {
            return Err(unlike(lines, head, "M", "a whole number from 1 to 255"));
        }
        if !(half.is_finite() && half > 0.0) {
            return Err(unlike(lines, head, "H", "a number above 0"));
        }
        text = format!(", M {most}, H {half}");
        places = Some(Places { most, half });
    }
    let both = match head.get("norc") {
        None => true,
        Some(_) => number::<u8>(lines, head, "norc", "0 or 1")? == 0,
    };
    let strand = if both { "" } else { ", one strand" };
    let Gapped { l, k, d } = gapped;
    let kernel = Kernel {
        filter,
        l,
        k,
        d,
        places,
        both,
    };
    Ok((
        kernel,
        format!("{name} (L {l}, k {k}, d {d}{text}{strand})"),
    ))
}

/// Which of the numbers cannot be, by LS-GKM's name, and what could.
fn misfit(gapped: Gapped) -> Option<(&'static str, String)> {
    let Gapped { l, k, d } = gapped;
    match (l, k, d) {
        (l, ..) if !(2..=LONGEST).contains(&l) => Some(("L", format!("2 to {LONGEST} letters"))),
        (l, k, _) if !(1..=l).contains(&k) => Some(("k", format!("1 to L ({l})"))),
        (l, _, d) if d > l => Some(("d", format!("0 to L ({l})"))),
        _ => None,
    }
}

/// A support vector. Letters that are no base are taken for A, as LS-GKM does, and counted.
fn vector(
    coefficient: &str,
    sequence: &[u8],
    l: usize,
    unknown: &mut u64,
) -> Result<Vector, (String, String)> {
    let number = coefficient.parse::<f64>().ok().filter(|c| c.is_finite());
    let number = number.ok_or_else(|| {
        let found = format!("the coefficient {:?}", shorten(coefficient));
        (found, "a number".to_owned())
    })?;
    let mut codes = Vec::with_capacity(sequence.len());
    for &letter in sequence {
        match crate::encode::code(letter) {
            Some(code) if code < UNKNOWN => codes.push(code),
            Some(_) => {
                *unknown += 1;
                codes.push(0);
            }
            None => {
                let found = format!("the letter {:?} in a support vector", char::from(letter));
                return Err((found, "bases".into()));
            }
        }
    }
    if codes.len() < l {
        return Err((
            format!("a support vector of {} bases", codes.len()),
            format!("at least L ({l})"),
        ));
    }
    Ok(Vector {
        coefficient: number,
        codes,
    })
}

fn table(
    path: &Path,
    kernel: &Kernel,
    vectors: &[Vector],
    rho: f64,
    from: String,
    unknown: u64,
) -> KmerTable {
    if unknown > 0 {
        tracing::warn!(
            "{}: {unknown} letters of support vectors are no bases; they are taken for A, as LS-GKM does",
            path.display()
        );
    }
    let weights = kernel.table(vectors, rho);
    let differ = match kernel.both {
        true => 0,
        false => (weights.iter().enumerate())
            .filter(|(n, w)| **w != weights[super::kernel::reverse(*n as u32, kernel.l) as usize])
            .count() as u64,
    };
    KmerTable {
        k: kernel.l,
        weights,
        facts: KmerFacts {
            k: kernel.l,
            from,
            without: 0,
            differ,
        },
    }
}

/// Reads gkm-SVM's two files, one of which is at hand; also gives the other's bytes.
///
/// # Errors
/// When the other cannot be read, a line of either is unlike gkm-SVM's, or support vectors lack a
/// coefficient or a sequence.
pub(super) fn classic(
    path: &Path,
    bytes: &[u8],
    gapped: Option<Gapped>,
) -> Result<(KmerTable, Vec<u8>), ModelError> {
    let (other, is_alpha) = partner(path);
    let theirs = fs::read(&other).map_err(|e| ModelError::Read(e, other.clone()))?;
    let (alpha, sequences) = match is_alpha {
        true => (open(path, bytes.to_vec())?, open(&other, theirs.clone())?),
        false => (open(&other, theirs.clone())?, open(path, bytes.to_vec())?),
    };
    if gapped.is_none() {
        let Gapped { l, k, d } = Gapped::default();
        tracing::warn!(
            "{}: gkm-SVM's files do not say l, k and d: its defaults {l}, {k}, {d} are taken (`mpra-score model convert --gapped L,K,D` for others)",
            path.display()
        );
    }
    let gapped = gapped.unwrap_or_default();
    if let Some((key, wanted)) = misfit(gapped) {
        let Gapped { l, k, d } = gapped;
        return Err(ModelError::Unfit {
            path: path.into(),
            what: "gapped k-mers",
            problem: format!("l {l}, k {k}, d {d}: {key} is to be {wanted}"),
        });
    }
    let kernel = Kernel {
        filter: Filter::Truncated,
        l: gapped.l,
        k: gapped.k,
        d: gapped.d,
        places: None,
        both: true,
    };
    let mut unknown = 0;
    let vectors = pairs(alpha, sequences, kernel.l, &mut unknown)?;
    let Gapped { l, k, d } = gapped;
    let from = format!(
        "a gkm-SVM model (l {l}, k {k}, d {d}), {} support vectors, without its rho",
        vectors.len()
    );
    Ok((table(path, &kernel, &vectors, 0.0, from, unknown), theirs))
}

/// The other of gkm-SVM's two files, and whether the one at hand is that of coefficients.
fn partner(path: &Path) -> (PathBuf, bool) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (name, packed) = match name.strip_suffix(".gz") {
        Some(name) => (name, ".gz"),
        None => (name.as_ref(), ""),
    };
    let (ending, other) = match name.strip_suffix(ALPHA) {
        Some(begin) => (begin, SEQUENCES),
        None => (name.strip_suffix(SEQUENCES).unwrap_or(name), ALPHA),
    };
    let of = |packed: &str| path.with_file_name(format!("{ending}{other}{packed}"));
    let as_it_is = of(packed);
    let found = [as_it_is.clone(), of(""), of(".gz")]
        .into_iter()
        .find(|p| p.exists());
    (found.unwrap_or(as_it_is), other == SEQUENCES)
}

fn pairs(
    mut alpha: Lines,
    mut sequences: Lines,
    l: usize,
    unknown: &mut u64,
) -> Result<Vec<Vector>, ModelError> {
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut coefficients: Vec<String> = Vec::new();
    while let Some(text) = alpha.next_filled()? {
        let mut fields = text.split_whitespace();
        let (Some(name), Some(value), None) = (fields.next(), fields.next(), fields.next()) else {
            let wanted = "the name of a support vector and its coefficient";
            return Err(line(&alpha, format!("{:?}", shorten(&text)), wanted));
        };
        if names.insert(name.to_owned(), coefficients.len()).is_some() {
            return Err(line(
                &alpha,
                format!("{name:?} stands twice"),
                "each support vector once",
            ));
        }
        coefficients.push(value.to_owned());
    }
    let mut found: Vec<Option<Vector>> = vec![None; coefficients.len()];
    let mut at: Option<(usize, u64, Vec<u8>)> = None;
    loop {
        let next = sequences.next_filled()?;
        let begins = next.as_deref().is_none_or(|text| text.starts_with('>'));
        if begins && let Some((index, from, letters)) = at.take() {
            let vector = vector(&coefficients[index], &letters, l, unknown);
            let vector = vector.map_err(|(problem, expected)| crate::input::InputError::Line {
                path: sequences.path().into(),
                line: from,
                problem,
                expected,
            })?;
            if found[index].replace(vector).is_some() {
                return Err(ModelError::Unfit {
                    path: sequences.path().into(),
                    what: "support vectors",
                    problem: format!("the sequence of line {from} stands twice"),
                });
            }
        }
        let Some(text) = next else {
            break;
        };
        match text.strip_prefix('>') {
            Some(name) => {
                let name = name.split_whitespace().next().unwrap_or("");
                at = (names.get(name)).map(|&i| (i, sequences.number(), Vec::new()));
            }
            None => {
                if let Some((_, _, letters)) = &mut at {
                    letters.extend(text.trim().bytes());
                }
            }
        }
    }
    let missing = found.iter().position(Option::is_none);
    if let Some(index) = missing {
        let name = names
            .iter()
            .find(|(_, i)| **i == index)
            .map_or("", |(name, _)| name);
        return Err(ModelError::Unfit {
            path: sequences.path().into(),
            what: "support vectors",
            problem: format!("it has no sequence of {name:?}, which has a coefficient"),
        });
    }
    let vectors: Vec<Vector> = found.into_iter().flatten().collect();
    match vectors.is_empty() {
        false => Ok(vectors),
        true => Err(ModelError::Unfit {
            path: alpha.path().into(),
            what: "support vectors",
            problem: "it holds none".into(),
        }),
    }
}
