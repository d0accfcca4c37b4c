//! Bad models, bad files, bad disks, impatient users: a clear error, and nothing left behind.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::*;
use mpra_score::genome::Aliases;
use mpra_score::model::onnx::{AttributeProto, GraphBuilder};
use mpra_score::score::RegionSource;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mpra-score");

/// Runs the job with this model file and returns its error.
fn error_of(folder: &Path, model: &[u8]) -> String {
    let path = folder.join("model.onnx");
    fs::write(&path, model).unwrap();
    let mut config = config("count.onnx", &folder.join("out"));
    config.model = path.into();
    let error = run(&config).unwrap_err().to_string();
    assert!(!config.out.exists(), "nothing may be left behind");
    error
}

/// A model that gives the sum of its input, with the given axes.
fn summing(
    input: &[Result<usize, &str>],
    sum_over: &[i64],
    output: &[Result<usize, &str>],
) -> GraphBuilder {
    let mut g = GraphBuilder::new("sum");
    g.input("x", input);
    g.output("y", output);
    let axes = g.ints("axes", sum_over);
    g.node_to(
        "ReduceSum",
        &["x", &axes],
        vec![AttributeProto::of_int("keepdims", 0)],
        "y",
    );
    g
}

#[test]
fn models_that_do_not_fit_say_what_is_wrong() {
    use prost::Message;
    let dir = tempfile::tempdir().unwrap();
    let sound = || summing(&[Err("n"), Ok(20), Ok(4)], &[1], &[Err("n"), Ok(4)]);
    let check = |bytes: Vec<u8>, parts: &[&str]| {
        let error = error_of(dir.path(), &bytes);
        for part in parts {
            assert!(error.contains(part), "{error:?} should say {part:?}");
        }
    };
    check(b"".to_vec(), &["not an ONNX model"]);
    check(vec![7; 300], &["not an ONNX model"]);
    check(
        summing(&[Err("n"), Ok(20), Ok(5)], &[1], &[Err("n"), Ok(5)]).to_bytes(),
        &["input shape", "[?, 20, 5]", "[batch, 4, W]"],
    );
    check(
        summing(&[Err("n"), Ok(80)], &[1], &[Err("n")]).to_bytes(),
        &["input shape", "[?, 80]"],
    );
    check(
        summing(&[Err("n"), Ok(4), Ok(4)], &[1], &[Err("n"), Ok(4)]).to_bytes(),
        &["input shape", "ambiguous"],
    );
    check(
        summing(&[Err("n"), Err("length"), Ok(4)], &[1], &[Err("n"), Ok(4)]).to_bytes(),
        &["leaves the window's length open", "--frame"],
    );
    check(
        summing(&[Err("n"), Ok(20), Ok(4)], &[3], &[Err("n"), Ok(20), Ok(4)]).to_bytes(),
        &["output", "20, 4]", "--reduce"],
    );
    let mut named = sound();
    named.metadata("mpra_score.tasks", r#"["a","b"]"#);
    check(named.to_bytes(), &["task count", "2 names for 4"]);
    let mut named = sound();
    named.metadata("mpra_score.tasks", r#"["a","b","../c","d"]"#);
    check(named.to_bytes(), &["task names", "../c"]);
    let mut named = sound();
    named.metadata("mpra_score.tasks", "a,b,c,d");
    check(named.to_bytes(), &["task names", "mpra_score.tasks"]);
    let mut lettered = sound();
    lettered.metadata("mpra_score.alphabet", "ACGN");
    check(lettered.to_bytes(), &["alphabet", "ACGN"]);

    let mut double = sound().build();
    let graph = double.graph.as_mut().unwrap();
    graph.input[0]
        .r#type
        .as_mut()
        .unwrap()
        .tensor_type
        .as_mut()
        .unwrap()
        .elem_type = 11;
    check(double.encode_to_vec(), &["type", "double", "float"]);

    let mut two = sound();
    two.input("z", &[Ok(1)]);
    check(two.to_bytes(), &["input count", "2 inputs"]);

    let mut external = sound();
    external.weight("w", &[1], &[1.0]);
    let mut external = external.build();
    external.graph.as_mut().unwrap().initializer[1].data_location = 1;
    check(external.encode_to_vec(), &["external data", "\"w\""]);

    let mut unknown = GraphBuilder::new("unknown");
    unknown.input("x", &[Err("n"), Ok(20), Ok(4)]);
    unknown.output("y", &[Err("n"), Ok(4)]);
    unknown.node_to("NoSuchOperator", &["x"], vec![], "y");
    check(unknown.to_bytes(), &["ONNX Runtime cannot load"]);

    // A shape that only shows when the model runs.
    let lying = summing(&[Err("n"), Ok(20), Ok(4)], &[0], &[Err("n"), Err("t")]);
    check(lying.to_bytes(), &["output shape"]);
}

#[test]
fn a_model_that_depends_on_its_batch_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut g = GraphBuilder::new("softmax");
    g.input("x", &[Err("n"), Ok(4), Ok(145)]);
    g.output("y", &[Err("n"), Ok(2)]);
    let values: Vec<f32> = (0..1160).map(|i| (i as f32).sin()).collect();
    let w = g.weight("w", &[580, 2], &values);
    let x = g.node("Flatten", &["x"], vec![]);
    let x = g.node("MatMul", &[&x, &w], vec![]);
    g.node_to(
        "Softmax",
        &[&x],
        vec![AttributeProto::of_int("axis", 0)],
        "y",
    );
    let reason = "so that its scores depend on how windows are batched; Softmax \"node_2\"";
    let error = error_of(dir.path(), &g.to_bytes());
    assert!(error.contains(reason), "{error}");
    let model = dir.path().join("model.onnx");
    let mut info = program(&["model", "info", model.to_str().unwrap()]);
    let output = info.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains(reason) && error.contains("hint: "),
        "{error}"
    );
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("on its own"), "{text}");
}

#[test]
fn a_model_that_gives_nan_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut g = GraphBuilder::new("log");
    g.input("x", &[Err("n"), Ok(20), Ok(4)]);
    g.output("y", &[Err("n"), Ok(4)]);
    let axes = g.ints("axes", &[1]);
    let sum = g.node(
        "ReduceSum",
        &["x", &axes],
        vec![AttributeProto::of_int("keepdims", 0)],
    );
    // Negative for windows of more than 5 of a base.
    let five = g.weight("five", &[1], &[5.5]);
    let left = g.node("Sub", &[&five, &sum], vec![]);
    // The trial window is all A; keep that one finite by taking the root of the third column only.
    let two = g.ints("two", &[2]);
    let third = g.node(
        "Gather",
        &[&left, &two],
        vec![AttributeProto::of_int("axis", 1)],
    );
    let root = g.node("Sqrt", &[&third], vec![]);
    let ones = g.weight("ones", &[1, 4], &[1.0; 4]);
    g.node_to("Mul", &[&root, &ones], vec![], "y");
    let error = error_of(dir.path(), &g.to_bytes());
    assert!(error.contains("NaN") && error.contains("task_0"), "{error}");
}

#[test]
fn a_fixed_batch_and_a_free_length_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let reference = config("count.onnx", &dir.path().join("reference"));
    run(&reference).unwrap();
    let expected = fs::read(reference.out.join("A.importance.bw")).unwrap();
    for (name, axes) in [
        ("fixed", [Ok(3), Ok(145), Ok(4)]),
        ("free", [Err("n"), Err("length"), Ok(4)]),
    ] {
        let batch = if name == "fixed" { Ok(3) } else { Err("n") };
        let mut model = summing(&axes, &[1], &[batch, Ok(4)]);
        model.metadata("mpra_score.tasks", r#"["A","C","G","T"]"#);
        let path = dir.path().join(name);
        fs::write(&path, model.to_bytes()).unwrap();
        let mut config = config("count.onnx", &dir.path().join(format!("{name}_out")));
        config.model = path.into();
        if name == "free" {
            config.model_options.frame = Some(mpra_score::model::Frame {
                window: 145,
                offset: None,
                length: None,
            });
        }
        run(&config).unwrap();
        assert!(fs::read(config.out.join("A.importance.bw")).unwrap() == expected);
    }
}

#[test]
fn damaged_inputs() {
    let dir = tempfile::tempdir().unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let lines: String = (0..2000)
        .map(|i| format!("chr1\t{i}\t{}\n", i + 7))
        .collect();
    gz.write_all(lines.as_bytes()).unwrap();
    let gz = gz.finish().unwrap();
    let path = dir.path().join("cut.bed.gz");
    fs::write(&path, &gz[..gz.len() / 2]).unwrap();
    let mut job = config("count.onnx", &dir.path().join("out"));
    job.regions = RegionSource::Bed(mpra_score::genome::BedSource::File(path));
    let error = run(&job).unwrap_err().to_string();
    assert!(
        error.contains("cannot read") && error.contains("cut.bed.gz"),
        "{error}"
    );
    assert!(!job.out.exists());

    // A FASTA cut short, with the index of the whole.
    let text = fs::read(fixture("genome.fa")).unwrap();
    let cut = dir.path().join("cut.fa");
    fs::write(&cut, &text[..text.len() - 500]).unwrap();
    fs::copy(fixture("genome.fa.fai"), dir.path().join("cut.fa.fai")).unwrap();
    let mut job = config("count.onnx", &dir.path().join("out"));
    job.fasta = cut;
    let error = run(&job).unwrap_err().to_string();
    assert!(error.contains("truncated"), "{error}");
    assert!(Aliases::from_file(&dir.path().join("none")).is_err());
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The arguments of the main job on the fixtures into `out`.
fn job<'a>(out: &'a str, paths: &'a [String; 3]) -> Vec<&'a str> {
    vec![
        "--bed", &paths[0], "--fasta", &paths[1], "--model", &paths[2], "--out", out,
    ]
}

fn paths() -> [String; 3] {
    ["regions.bed", "genome.fa", "models/demo.onnx"]
        .map(|name| fixture(name).to_string_lossy().into_owned())
}

#[test]
fn results_are_not_overwritten_unasked() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out").to_string_lossy().into_owned();
    let paths = paths();
    assert!(program(&job(&out, &paths)).status().unwrap().success());
    let second = program(&job(&out, &paths)).output().unwrap();
    let stderr = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1));
    assert!(
        stderr.contains("already holds results") && stderr.contains("--force"),
        "{stderr}"
    );
    let mut forced = job(&out, &paths);
    forced.push("--force");
    assert!(program(&forced).status().unwrap().success());
}

#[test]
fn a_full_disk_leaves_nothing() {
    let dir = jobs::folder();
    let here = dir.path();
    let score = "score --bed regions.bed --fasta genome.fa --model count.onnx --out made/out";
    let variants = "variants --vcf in.vcf --fasta genome.fa --model count.onnx --background none";
    jobs::succeed(here, &format!("{} --out examples", jobs::DATASET));
    let data = "train --data examples/examples.parquet --batch 8 --preset authors --out made/out";
    fs::create_dir(here.join("made")).unwrap();
    for (line, blocks, file) in [
        (
            format!("{score} --format bedgraph"),
            8,
            ".importance.bedGraph",
        ),
        (format!("{score} --format bigwig"), 4, ".activity.bw"),
        (
            format!("{score} --format bigwig --no-importance --windows --stride 1"),
            12,
            "windows.tsv.gz",
        ),
        (
            format!(
                "{} --saturation --anchor region --format bedgraph",
                score.replace("regions.bed", "sites.bed")
            ),
            8,
            "made/out/.partial/saturation.parts",
        ),
        (format!("{variants} --out made/x.vcf"), 1, "made/x.vcf"),
        (
            format!("{variants} --out made/x.vcf.gz"),
            1,
            "made/x.vcf.gz",
        ),
        (format!("{variants} --out made/x.bcf"), 1, "made/x.bcf"),
        (
            format!("{variants} --tasks A --out - --table made/t.tsv --annotation s=sites.bed"),
            1,
            "made/t.tsv",
        ),
        (
            format!("{variants} --out - --plots made/out --table made/t.tsv"),
            4,
            "made/out",
        ),
        (
            format!("{} --out made/out", jobs::DATASET),
            8,
            "made/out/.partial/examples.parquet",
        ),
        (
            "sharpr --rna rna1,rna2 --dna dna1,dna2 --tile 145 --step 29 --tiles 3 --out made/out"
                .into(),
            1,
            "made/out/.partial/",
        ),
        (
            format!("{} --out made/out", jobs::ENRICHMENT),
            1,
            "made/out/.partial/",
        ),
        (
            format!("{data} --arch conv~64x15,~relu,~maxpool~131,~dense --epochs 1 --seed 1"),
            16,
            "made/out/.partial/",
        ),
    ] {
        let output = jobs::limited(here, blocks, &jobs::words(&line));
        jobs::refused_to_write(&output, file);
        let left = fs::read_dir(here.join("made")).unwrap();
        let left: Vec<_> = left.map(|e| e.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{line}: {left:?}");
        let whole = jobs::program(here, &line);
        let error = String::from_utf8_lossy(&whole.stderr).into_owned();
        assert!(whole.status.success(), "{line}: {error}");
        fs::remove_dir_all(here.join("made")).unwrap();
        fs::create_dir(here.join("made")).unwrap();
    }
}

#[test]
fn a_folder_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    for out in [
        file.clone(),
        file.join("below"),
        PathBuf::from("/proc/mpra-score-test"),
    ] {
        let mut config = config("count.onnx", &out);
        config.existing.force = true;
        let error = run(&config).unwrap_err().to_string();
        assert!(error.contains("folder"), "{error}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "x");
}

#[test]
fn interrupted_runs_remove_their_files() {
    let dir = tempfile::tempdir().unwrap();
    // Enough work for minutes, so that the signal comes in its midst.
    let fasta = dir.path().join("long.fa");
    let mut text = String::from(">long\n");
    for _ in 0..60_000 {
        text.push_str("ACGTTGCATGACTCATTGACCAGGTGCATCGATCGATTAGCTAGGCTATTATCGCGCGATA\n");
    }
    fs::write(&fasta, text).unwrap();
    let out = dir.path().join("out");
    for signal in ["-INT", "-TERM"] {
        let mut child = program(&["--genome", "--fasta"])
            .arg(&fasta)
            .args(["--model", &paths()[2], "--out"])
            .arg(&out)
            .spawn()
            .unwrap();
        let started = Instant::now();
        while !out.join(".partial/regions.tsv").exists()
            && !out.join(".partial/HepG2_minP.importance.bw").exists()
        {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "it never began"
            );
            assert!(child.try_wait().unwrap().is_none(), "it ended early");
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(300));
        send(&child, signal);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130));
        assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted"));
        assert!(!out.exists());
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let model = paths()[2].clone();
    let mut child = program(&["model", "info", &model]).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn waiting_for_standard_input_can_be_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let paths = paths();
    let mut child = program(&[
        "--bed", "-", "--fasta", &paths[1], "--model", &paths[2], "--out",
    ])
    .arg(&out)
    .stdin(Stdio::piped())
    .spawn()
    .unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert!(
        Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "it does not listen"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!out.exists());
}

#[test]
fn odd_paths_and_deaf_terminals() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let paths = paths();
    let out = dir.path().join(std::ffi::OsStr::from_bytes(b"o\xff\xfe"));
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let status = program(&[
        "--bed", &paths[0], "--fasta", &paths[1], "--model", &paths[2], "--out",
    ])
    .arg(&out)
    .stderr(full)
    .status()
    .unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(out.join("run.json").exists());
}

#[test]
fn absurd_sizes_are_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let check = |bytes: Vec<u8>, part: &str| {
        let error = error_of(dir.path(), &bytes);
        assert!(error.contains(part), "{error:?} should say {part:?}");
    };
    let mut far = summing(&[Err("n"), Ok(20), Ok(4)], &[1], &[Err("n"), Ok(4)]);
    far.metadata(
        "mpra_score.frame",
        r#"{"window":15,"frame":20,"offset":18446744073709551615}"#,
    );
    check(far.to_bytes(), "reaches past");
    let mut long = summing(&[Err("n"), Err("l"), Ok(4)], &[1], &[Err("n"), Ok(4)]);
    long.metadata(
        "mpra_score.frame",
        r#"{"window":15,"frame":9999999999999999}"#,
    );
    check(long.to_bytes(), "at most");
    let batch = Ok(2_000_000_000);
    check(
        summing(&[batch, Ok(20), Ok(4)], &[1], &[batch, Ok(4)]).to_bytes(),
        "fixed batch is too large",
    );
    check(
        summing(
            &[Err("n"), Ok(20), Ok(4)],
            &[1],
            &[Err("n"), Ok(2_000_000_000)],
        )
        .to_bytes(),
        "task count",
    );
}

#[test]
fn a_file_in_the_way_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("regions.tsv"), "mine").unwrap();
    let config = config("count.onnx", &out);
    let error = run(&config).unwrap_err().to_string();
    assert!(error.contains("regions.tsv is there already"), "{error}");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(out.join("regions.tsv")).unwrap(), "mine");
}

#[test]
fn without_onnx_runtime_it_says_where_it_looked() {
    let dir = tempfile::tempdir().unwrap();
    // A copy of the program in a folder of its own, where no library lies beside it.
    let copy = dir.path().join("mpra-score");
    fs::copy(PROGRAM, &copy).unwrap();
    let out = dir.path().join("out").to_string_lossy().into_owned();
    let paths = paths();
    let attempt = |variable: Option<&str>, more: &[&str]| {
        let mut command = Command::new(&copy);
        command
            .args(job(&out, &paths))
            .args(more)
            .env_remove("ORT_DYLIB_PATH");
        if let Some(value) = variable {
            command.env("ORT_DYLIB_PATH", value);
        }
        let output = command.output().unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, stderr) = attempt(None, &[]);
    assert_eq!(code, Some(1), "{stderr}");
    for part in [
        "no ONNX Runtime",
        "--ort-lib",
        "ORT_DYLIB_PATH",
        "libonnxruntime",
        "/lib",
        "make setup",
    ] {
        assert!(stderr.contains(part), "{stderr}");
    }
    let (code, stderr) = attempt(Some("/nowhere/libonnxruntime.so"), &[]);
    assert!(
        code == Some(1) && stderr.contains("/nowhere/libonnxruntime.so"),
        "{stderr}"
    );
    let (code, stderr) = attempt(None, &["--ort-lib", &paths[1]]);
    assert!(
        code == Some(1) && stderr.contains("cannot load ONNX Runtime"),
        "{stderr}"
    );

    // Too old: a library that says it is 1.16.
    let source = dir.path().join("old.c");
    fs::write(
        &source,
        "static const char *version(void) { return \"1.16.3\"; }\n\
         static const void *api(unsigned v) { (void)v; return 0; }\n\
         static struct { const void *(*a)(unsigned); const char *(*v)(void); } base = { api, version };\n\
         const void *OrtGetApiBase(void) { return &base; }\n",
    )
    .unwrap();
    let library = dir.path().join("libonnxruntime.so.1.16.3");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status()
        .unwrap();
    assert!(built.success());
    let (code, stderr) = attempt(None, &[]);
    assert!(
        code == Some(1) && stderr.contains("1.16.3") && stderr.contains("too old"),
        "{stderr}"
    );

    // The right one beside the program: no variable needed.
    fs::remove_file(&library).unwrap();
    let real = std::env::var("ORT_DYLIB_PATH").unwrap();
    fs::copy(
        fs::canonicalize(real).unwrap(),
        dir.path().join("libonnxruntime.so.1"),
    )
    .unwrap();
    let (code, stderr) = attempt(None, &[]);
    assert_eq!(code, Some(0), "{stderr}");
}
