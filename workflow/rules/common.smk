# What the rules share: the sheet of samples, and what a job of so many bases takes.
import csv
import gzip
import math
import os
import shlex
from functools import lru_cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

validate(config, "../schemas/config.schema.yaml")

PROGRAM = config["program"]
if config["onnxruntime"]:
    library = shlex.quote(os.path.abspath(config["onnxruntime"]))
    shell.prefix(f"set -euo pipefail; export ORT_DYLIB_PATH={library}; ")


def read_samples(path):
    """The rows of the sheet by sample; empty cells take the schema's defaults."""
    with open(path, newline="") as file:
        lines = (line for line in file if line.strip() and not line.startswith("#"))
        rows = [{c: cell for c, cell in row.items() if cell} for row in csv.DictReader(lines, delimiter="\t")]
    # All at once: every job of a cohort reads the sheet again.
    validate({"rows": rows}, "../schemas/samples.schema.yaml")
    samples = {row["sample"]: row for row in rows}
    for row in rows:
        if samples[row["sample"]] is not row:
            raise WorkflowError(f"{path}: sample {row['sample']} stands there twice")
        if row["regions"] == "none" and "vcf" not in row:
            raise WorkflowError(f"{path}: sample {row['sample']} has nothing to score")
    return samples


SAMPLES = read_samples(config["samples"])


wildcard_constraints:
    sample="|".join(SAMPLES),


def has_tracks(sample):
    return SAMPLES[sample]["regions"] != "none"


def bed_of(sample):
    """The BED of a sample; nothing where whole contigs are scored."""
    regions = SAMPLES[sample]["regions"]
    return [] if regions in ("genome", "none") else [regions]


def annotations_of(sample):
    """(name, file) of each annotation."""
    named = (one.partition("=") for one in SAMPLES[sample].get("annotations", "").split(",") if one)
    return [(name, file) if file else (Path(name).name, name) for name, _, file in named]


def models_of(sample):
    return SAMPLES[sample]["model"].split(",")


def model_files(sample):
    """Models that are files, not inside the program."""
    return [m for m in models_of(sample) if m not in ("default", "distilled", "paper")]


@lru_cache(None)
def contig_bases(fasta):
    """Bases of a genome: by its index, or about, by its size (bgzip packs four in a byte)."""
    index = f"{fasta}.fai"
    if os.path.exists(index):
        with open(index) as file:
            return sum(int(line.split("\t")[1]) for line in file)
    if os.path.exists(fasta):
        return os.path.getsize(fasta) * (4 if fasta.endswith("gz") else 1)
    return 0


@lru_cache(None)
def region_bases(bed):
    if not os.path.exists(bed):
        return 0
    with (gzip.open if bed.endswith("gz") else open)(bed, "rt") as file:
        rows = (line.split() for line in file if not line.startswith(("#", "track", "browser")))
        return sum(int(row[2]) - int(row[1]) for row in rows if len(row) > 2)


def bases_of(sample):
    if bed := bed_of(sample):
        return region_bases(bed[0])
    return contig_bases(SAMPLES[sample]["fasta"]) if has_tracks(sample) else 0


def seconds_a_base(sample):
    """Of one thread; the models of an ensemble run one after the other."""
    speed = config["bases_per_second"]
    return sum(1 / speed.get(Path(m).stem, speed["other"]) for m in models_of(sample))


def seconds_a_record(sample):
    """Of one thread; a change far from others takes as long as 15 bases."""
    return 15 * seconds_a_base(sample)


def file_mb(path):
    return os.path.getsize(path) / 1e6 if os.path.exists(path) else 0


def records_of(vcf):
    """At most about: a record takes 30 bytes of text or 10 of gzip, more with samples."""
    return file_mb(vcf) * 1e6 / (10 if vcf.endswith(("gz", "bcf")) else 30)


def shards_of(sample):
    return max(1, math.ceil(bases_of(sample) / config["bases_per_shard"]))


# A process a sample: `--set-scatter hg38=20 hg38.variants=8` overrules.
scattergather:
    **{sample: shards_of(sample) for sample in SAMPLES},
    **{f"{sample}.variants": config["variants"]["shards"] for sample in SAMPLES},


def gathered(process, pattern):
    """The files of all shards of a process."""
    return getattr(gather, process)(pattern)


def of_shard(wildcards):
    """2-of-4 as the program has it."""
    return wildcards.scatteritem.replace("-of-", "/")


def bases_of_shard(wildcards):
    return bases_of(wildcards.sample) / int(wildcards.scatteritem.split("-of-")[1])


def minutes(seconds, attempt):
    """Twice what was reckoned and ten minutes; more for a job that ran out of it."""
    return math.ceil((10 + 2 * seconds / 60) * attempt)


def megabytes(of_job, attempt):
    return math.ceil(of_job * attempt)
