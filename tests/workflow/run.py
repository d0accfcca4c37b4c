#!/usr/bin/env python3
"""The workflow, on this machine and on a Slurm cluster of this machine, beside single runs of the program.

usage: run.py --program PROGRAM [--only local|slurm]

Checked: what the workflow writes is what one run writes, byte for byte, for a genome, regions and variants; a shard whose program
is killed, one whose job is cancelled, and one whose node is lost go on from their checkpoints; merged bases that do not
add up, a wrong configuration and a wrong sheet are refused; lint and format.
"""

import argparse
import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import slurm

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SNAKEFILE = ROOT / "workflow/Snakefile"
FIXTURES = ROOT / "fixtures"
CONTIGS, LENGTH = 3, 16_000
# The full engine, so that shards last long enough to be killed; both engines go on alike.
FLAGS = {"score": "--engine full", "variants": "--background-windows 50", "overlap": "--bins 20 --shifts 20 --bootstrap 20", "report": ""}


def say(text: str) -> None:
    print(f"{time.monotonic() - BEGIN:6.1f} s  {text}", flush=True)


def check(holds: object, what: str) -> None:
    if not holds:
        raise SystemExit(f"FAILED: {what}")


def call(*words: object, **more) -> subprocess.CompletedProcess:
    done = subprocess.run([str(w) for w in words], text=True, capture_output=True, **more)
    check(done.returncode == 0, f"{' '.join(map(str, words))}\n{done.stdout}\n{done.stderr}")
    return done


def make_data(folder: Path) -> None:
    """A random genome with a gap, sites on it, and a change every ninth base."""
    random.seed(11)
    at = 0
    with open(folder / "genome.fa", "w") as fasta, open(folder / "genome.fa.fai", "w") as index, open(folder / "changes.vcf", "w") as vcf:
        names = [f"c{i}" for i in range(1, CONTIGS + 1)]
        vcf.write("##fileformat=VCFv4.2\n" + "".join(f"##contig=<ID={name},length={LENGTH}>\n" for name in names))
        vcf.write("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
        for name in names:
            bases = random.choices("ACGT", k=LENGTH)
            bases[5000:5400] = "N" * 400
            fasta.write(f">{name}\n{''.join(bases)}\n")
            at += len(name) + 2
            index.write(f"{name}\t{LENGTH}\t{at}\t{LENGTH}\t{LENGTH + 1}\n")
            at += LENGTH + 1
            for i in range(200, LENGTH, 9):
                if bases[i] != "N":
                    vcf.write(f"{name}\t{i + 1}\t.\t{bases[i]}\t{'CGTA'['ACGT'.index(bases[i])]}\t.\t.\t.\n")
    sites = ((f"c{random.randint(1, CONTIGS)}", random.randint(0, LENGTH - 200)) for _ in range(60))
    (folder / "sites.bed").write_text("".join(f"{name}\t{start}\t{start + 150}\n" for name, start in sites))


SAMPLES = {
    "genome": f"genome.fa\tgenome\t{FIXTURES}/models/demo.onnx\tsites=sites.bed\tchanges.vcf",
    "regions": f"{FIXTURES}/genome.fa\t{FIXTURES}/regions.bed\t{FIXTURES}/models/cnn_4w.onnx\t\t",
    "changes": "genome.fa\tnone\tpaper\t\tchanges.vcf",
}


def make_work(folder: Path, data: Path, program: Path, samples: dict[str, str], **more) -> dict:
    """A folder to run the workflow in, and its configuration."""
    (folder / "config").mkdir(parents=True)
    for file in data.iterdir():
        if file.is_file():
            (folder / file.name).symlink_to(file)
    sheet = "".join(f"{name}\t{row}\n" for name, row in samples.items())
    (folder / "config/samples.tsv").write_text("sample\tfasta\tregions\tmodel\tannotations\tvcf\n" + sheet)
    config = {"program": str(program), "bases_per_shard": LENGTH, "threads": 1, "checkpoint_seconds": 1}
    config |= {"variants": {"shards": 2}, "flags": FLAGS, **more}
    (folder / "config/config.yaml").write_text(json.dumps(config))
    return config


def snakemake(folder: Path, *words: object) -> list[str]:
    return [sys.executable, "-m", "snakemake", "-s", str(SNAKEFILE), "-d", str(folder), *map(str, words)]


def single_runs(folder: Path, data: Path, program: Path) -> None:
    """What one run a job writes, for all samples."""
    for name, row in SAMPLES.items():
        fasta, regions, model, annotation, vcf = row.split("\t")
        common = ["--fasta", fasta, "--model", model]
        out = folder / name
        out.mkdir(parents=True)
        if regions != "none":
            asked = ["--genome"] if regions == "genome" else ["--bed", regions]
            call(program, *asked, *common, *FLAGS["score"].split(), "--out", out / "tracks", cwd=data)
        if annotation:
            scores = (w for track in sorted((out / "tracks").glob("*.importance.bw")) for w in ("--scores", track))
            more = ["--annotation", annotation, "--out", out / "overlap", *FLAGS["overlap"].split()]
            call(program, "overlap", "enrichment", *scores, *more, cwd=data)
        if vcf:
            to = out / "variants"
            to.mkdir()
            more = ["--out", to / "scored.vcf.gz", "--table", to / "ranked.tsv", *FLAGS["variants"].split()]
            call(program, "variants", "--vcf", vcf, *common, *more, cwd=data)


def content(file: Path) -> bytes:
    """Of a scored VCF all but the line that says the command (and so of its index nothing)."""
    if file.suffix != ".gz":
        return file.read_bytes()
    return b"".join(line for line in gzip.open(file) if not line.startswith(b"##mpra-scoreCommand="))


def compare(ours: Path, single: Path) -> int:
    """All files of single runs but run.json and the VCF's index; gives their number."""
    files = [f for f in single.rglob("*") if f.is_file() and f.name != "run.json" and f.suffix != ".tbi"]
    for file in files:
        other = ours / file.relative_to(single)
        check(other.exists(), f"{other} is missing")
        check(content(other) == content(file), f"{other} and {file} differ")
    return len(files)


def parts_of(page: Path) -> list[dict]:
    """What a page shows, a part a folder or file of results."""
    data = re.search('<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    return json.loads(data.group(1))["parts"]


def notes_of(work: Path, shard: str) -> int:
    """How many units a running shard has noted as done."""
    try:
        return json.loads((work / f"results/genome/unfinished/{shard}/.partial/checkpoint.json").read_text())["notes"]["next_unit"]
    except (OSError, ValueError):
        return 0


def went_on(work: Path, shard: str, least: int) -> int:
    """The unit behind which a killed shard went on, as its log says."""
    log = (work / f"results/genome/logs/score.{shard}.log").read_text()
    found = [int(line.rsplit(" ", 1)[1]) for line in log.splitlines() if line.startswith("going on behind unit")]
    check(found and found[-1] >= least, f"shard {shard} did not go on behind unit {least}:\n{log}")
    return found[-1]


def running(program: Path, work: Path, shard: str) -> list[int]:
    """Processes of the program that score a shard."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            folder = os.readlink(process / "cwd")
        except OSError:
            continue
        if words[0] == str(program).encode() and f"results/genome/unfinished/{shard}".encode() in words and folder == str(work):
            found.append(int(process.name))
    return found


class Workflow:
    """Snakemake at work in a folder; killed when the `with` block ends before it."""

    def __init__(self, work: Path, *words: object, **more) -> None:
        self.work, self.log = work, work.with_suffix(".log")
        with open(self.log, "w") as out:
            self.process = subprocess.Popen(snakemake(work, *words), stdout=out, stderr=out, start_new_session=True, **more)

    def __enter__(self) -> "Workflow":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait()

    def logs(self) -> str:
        files = [self.log, *self.work.glob("results/*/logs/*.log"), *self.work.glob(".snakemake/slurm_logs/**/*.log")]
        ends = ("\n".join(file.read_text().splitlines()[-60:]) for file in files)
        return "\n".join(f"--- {file}\n{end}" for file, end in zip(files, ends))

    def wait_for(self, what: str, condition, seconds: float = 120):
        deadline = time.monotonic() + seconds
        while not (result := condition()):
            check(self.process.poll() is None, f"the workflow ended before {what}\n{self.logs()}")
            check(time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s\n{self.logs()}")
            time.sleep(0.1)
        return result

    def ends_well(self) -> None:
        try:
            code = self.process.wait(timeout=300)
        except subprocess.TimeoutExpired:
            code = "no end"
        check(code == 0, f"the workflow ended with {code}\n{self.logs()}")


def local(folder: Path, data: Path, program: Path, single: Path) -> None:
    work = folder / "local"
    make_work(work, data, program, SAMPLES)
    call(*snakemake(work, "--lint"))
    snakefmt = [sys.executable, "-m", "snakefmt", "--check", "-l", "120", ROOT / "workflow"]
    call(*snakefmt)
    say("lint and format: clean")

    with Workflow(work, "--cores", 2, "--notemp") as workflow:
        shard = "2-of-3"
        noted = workflow.wait_for("a checkpoint", lambda: notes_of(work, shard))
        for pid in running(program, work, shard):
            os.kill(pid, signal.SIGKILL)
        workflow.ends_well()
    behind = went_on(work, shard, noted)
    files = sum(compare(work / "results" / name, single / name) for name in SAMPLES)
    for name in SAMPLES:
        page = parts_of(work / f"results/{name}/report.html")
        check(len(page) == {"genome": 4, "regions": 1, "changes": 2}[name], f"parts of the page of {name}: {page}")
        if (run := work / f"results/{name}/tracks/run.json").exists():
            bases = str(json.loads(run.read_text())["counts"]["bases_scored"])
            check(["bases scored", bases] in page[0]["run"]["facts"], f"{bases} bases are not on the page of {name}")
            check(page[0]["tables"], f"the page of {name} has no table of regions")
    say(f"local: {files} files as single runs write them; shard {shard}, killed, went on behind unit {behind}")

    tracks, shards = work / "results/genome/tracks", sorted((work / "results/genome/shards").glob("*-of-*"))
    command = [sys.executable, ROOT / "workflow/scripts/check_bases.py", tracks, "--fai", data / "genome.fa.fai", "--shards"]
    call(*command, *shards)
    run = json.loads((shards[0] / "run.json").read_text())
    run["counts"]["bases_scored"] += 1
    (shards[0] / "run.json").write_text(json.dumps(run))
    done = subprocess.run([str(w) for w in (*command, *shards)], text=True, capture_output=True)
    check(done.returncode == 1 and "bases of the merged results" in done.stderr, f"a base too few passed:\n{done}")
    say("merged bases that do not add up: refused")

    for name, spoil, word in (
        ("key", lambda c, w: c.update(shards=4), "shards"),
        ("type", lambda c, w: c.update(threads="many"), "many"),
        ("sheet", lambda c, w: (w / "config/samples.tsv").write_text("sample\tfasta\tgenome\nx y\tg.fa\t\n"), "x y"),
    ):
        wrong = folder / f"wrong-{name}"
        config = make_work(wrong, data, program, SAMPLES)
        spoil(config, wrong)
        (wrong / "config/config.yaml").write_text(json.dumps(config))
        done = subprocess.run(snakemake(wrong, "-n"), text=True, capture_output=True)
        check(done.returncode and word in done.stderr + done.stdout, f"a wrong {name} passed:\n{done.stderr}")
    say("wrong configurations and sheets: refused")

    # 3 Gb: shards below 250 Mb, and twice the time of 250 Mb at 4 threads' 232,000 bases a second, and ten minutes.
    large = folder / "large"
    config = {"bases_per_shard": 250_000_000, "threads": 4, "bases_per_second": {"default": 58_000}}
    make_work(large, data, program, {"large": "large.fa\tgenome\tdefault\t\t"}, **config)
    (large / "large.fa").touch()
    (large / "large.fa.fai").write_text("".join(f"c{i}\t1000000000\t3\t60\t61\n" for i in range(3)))
    plan = call(*snakemake(large, "-n", "--cores", 4)).stdout.splitlines()
    runtimes = [line for line in plan if "runtime=46," in line and "mem_mb=1600" in line]
    check(len(runtimes) == 12 and any(line.split() == ["score", "12"] for line in plan), "\n".join(plan))
    say("3 Gb: 12 shards of 46 minutes are asked for")


def on_slurm(folder: Path, data: Path, program: Path, single: Path) -> None:
    work = folder / "slurm"
    # Without its VCF: every job costs two starts of Snakemake here.
    make_work(work, data, program, {"genome": SAMPLES["genome"].rsplit("\t", 1)[0]})
    words = ["--workflow-profile", ROOT / "workflow/profiles/slurm", "--latency-wait", 5, "--slurm-no-account"]
    words += ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", 10]
    with slurm.Cluster(folder / "cluster", 3) as cluster, Workflow(work, *words, env=cluster.env) as workflow:
        say(f"{cluster.call('sinfo', '--version').strip()}: {len(cluster.nodes)} nodes")

        def noted() -> dict[str, dict]:
            """Running jobs of shards that have noted something, by shard."""
            jobs = (job for job in cluster.jobs() if job["state"] == "RUNNING" and "rule_score" in job["comment"])
            shards = ((job["comment"].rsplit("_", 1)[1], job) for job in jobs)
            return {shard: job for shard, job in shards if notes_of(work, shard)}

        cancelled, job = next(iter(workflow.wait_for("a checkpoint", noted).items()))
        units = {cancelled: notes_of(work, cancelled)}
        cluster.call("scancel", job["id"])
        say(f"job {job['id']} (shard {cancelled}) cancelled")

        def elsewhere() -> list:
            return [(s, j) for s, j in noted().items() if s != cancelled and j["node"] != job["node"]]

        lost, other = workflow.wait_for("a checkpoint on another node", elsewhere)[0]
        units[lost] = notes_of(work, lost)
        cluster.lose(other["node"])
        say(f"node {other['node']} lost, with job {other['id']} (shard {lost})")
        workflow.ends_well()
        states = {j["id"]: j["state"] for j in cluster.jobs()}
    check(states[job["id"]] == "CANCELLED", f"job {job['id']} is {states[job['id']]}")
    check(states[other["id"]] == "NODE_FAIL", f"job {other['id']} is {states[other['id']]}")
    behind = [f"{shard} behind unit {went_on(work, shard, least)}" for shard, least in units.items()]
    files = sum(compare(work / "results/genome" / part, single / "genome" / part) for part in ("tracks", "overlap"))
    say(f"slurm: {len(states)} jobs; {files} files as single runs write them; went on: {', '.join(behind)}")
    check(not any((work / "results/genome/shards").glob("*-of-*")), "shards are left")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--only", choices=["local", "slurm"])
    args = parser.parse_args()
    program = args.program.resolve()
    passed = skipped = 0
    with tempfile.TemporaryDirectory(prefix="workflow-test.") as name:
        folder = Path(name).resolve()
        data, single = folder / "data", folder / "single"
        data.mkdir()
        make_data(data)
        single_runs(single, data, program)
        say("single runs: done")
        for part, run in (("local", local), ("slurm", on_slurm)):
            if args.only not in (None, part):
                continue
            if part == "slurm" and (lacks := slurm.missing()):
                print(f"skipped: the workflow on Slurm, as this machine lacks {', '.join(lacks)}")
                skipped += 1
                continue
            run(folder, data, program, single)
            passed += 1
    print(f"workflow: {passed} passed, 0 failed, {skipped} skipped")
    return 0


BEGIN = time.monotonic()
if __name__ == "__main__":
    sys.exit(main())
