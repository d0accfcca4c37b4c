//! Golden cases: every folder in `tests/cases/` is one run of the program.
//!
//! - `args`: the arguments, one a line. The program runs in a folder of its own in which
//!   `fixtures` is the fixtures' folder and every other file of the case lies beside it.
//! - `exit`: the exit code (0 when the file is absent).
//! - `stdin`: standard input, if any.
//! - `stdout`, `stderr`: what is printed, whole. Seconds are written as `[T]`.
//! - `expected/`: files that must be there afterwards with this content, by path.
//! - `absent`: paths that must not be there afterwards, one a line.
//!
//! `UPDATE=1 cargo test --test golden` writes `exit`, `stdout`, `stderr` and the files of
//! `expected/` anew: look at the difference before committing it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut folders: Vec<PathBuf> = fs::read_dir(&cases)
        .expect("tests/cases is there")
        .map(|e| e.expect("readable").path())
        .filter(|p| p.is_dir())
        .collect();
    folders.sort();
    let trials = folders
        .into_iter()
        .map(|folder| {
            let name = folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            Trial::test(name, move || run(&folder).map_err(Failed::from))
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn run(case: &Path) -> Result<(), String> {
    let update = std::env::var_os("UPDATE").is_some();
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let work = folder.path();
    std::os::unix::fs::symlink(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"),
        work.join("fixtures"),
    )
    .map_err(|e| e.to_string())?;
    for entry in fs::read_dir(case).map_err(|e| e.to_string())? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.is_file() {
            fs::copy(&path, work.join(path.file_name().unwrap_or_default()))
                .map_err(|e| e.to_string())?;
        }
    }
    let read = |name: &str| fs::read_to_string(case.join(name)).unwrap_or_default();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mpra-score"))
        .args(read("args").lines())
        .current_dir(work)
        .env("COLUMNS", "100")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    let mut stdin = child.stdin.take().ok_or("no stdin")?;
    // A program that does not read it is no failure.
    let _ = stdin.write_all(read("stdin").as_bytes());
    drop(stdin);
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    let text = |bytes: &[u8]| without_seconds(&String::from_utf8_lossy(bytes));
    let code = output
        .status
        .code()
        .map_or("signal".into(), |c| c.to_string());
    let found = [
        ("exit", format!("{code}\n")),
        ("stdout", text(&output.stdout)),
        ("stderr", text(&output.stderr)),
    ];
    let mut problems = Vec::new();
    for (name, found) in found {
        let mut expected = read(name);
        if name == "exit" && expected.is_empty() {
            expected = "0\n".into();
        }
        compare(&case.join(name), &expected, &found, update, &mut problems)?;
    }
    let expected = case.join("expected");
    for path in files_below(&expected) {
        let relative = path.strip_prefix(&expected).map_err(|e| e.to_string())?;
        let wanted = fs::read_to_string(&path).map_err(|e| e.to_string())?;
        match fs::read_to_string(work.join(relative)) {
            Ok(found) => compare(&path, &wanted, &found, update, &mut problems)?,
            Err(e) => problems.push(format!("{}: {e}", relative.display())),
        }
    }
    for name in read("absent").lines() {
        if work.join(name).exists() {
            problems.push(format!("{name} is there, and should not be"));
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems.join("\n")),
    }
}

fn compare(
    path: &Path,
    expected: &str,
    found: &str,
    update: bool,
    problems: &mut Vec<String>,
) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    if update {
        return fs::write(path, found).map_err(|e| e.to_string());
    }
    problems.push(format!(
        "{} differs\n--- expected\n{expected}--- found\n{found}---",
        path.file_name().unwrap_or_default().to_string_lossy()
    ));
    Ok(())
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for path in entries.flatten().map(|e| e.path()) {
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// `in 0.3 s` becomes `in [T] s`.
fn without_seconds(text: &str) -> String {
    text.lines()
        .map(|line| match line.rsplit_once(" in ") {
            Some((before, after))
                if after
                    .strip_suffix(" s")
                    .is_some_and(|n| n.parse::<f64>().is_ok()) =>
            {
                format!("{before} in [T] s\n")
            }
            _ => format!("{line}\n"),
        })
        .collect()
}
