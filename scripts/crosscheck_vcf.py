"""bcftools reads what the program made of odd VCF files: nothing but its own INFO fields differs.

The files are those of tests/corpus/vcf. Each goes VCF to VCF, VCF to BCF, BCF to BCF and BCF to VCF;
`bcftools view` of the input and of each output must agree in every line, but for the program's
own fields and header lines and for definitions of what the input's header lacks.
"""

import csv
import os
import re
import subprocess
from pathlib import Path

import pysam
import pysam.bcftools

OURS = re.compile(rb"MPRA_(SKIP|MAX|(HepG2|K562)_(minP|SV40P))(=|$)")
OWN_LINE = re.compile(
    rb"##mpra-score|##INFO=<ID=" + OURS.pattern.replace(b"(=|$)", b",") + rb"|.*Description=\"(Undefined|Dummy)\""
    rb"|##contig=<ID=chr\d+(,length=\d+)?>$"
)


def view(path: Path) -> list[bytes]:
    """What bcftools prints, without what is the program's own."""
    text = pysam.bcftools.view("--no-version", str(path))
    text = text if isinstance(text, bytes) else text.encode()
    lines = []
    for line in text.splitlines():
        if line.startswith(b"##"):
            if not OWN_LINE.match(line):
                lines.append(line)
        elif line.startswith(b"#"):
            lines.append(line)
        else:
            columns = line.split(b"\t")
            entries = [e for e in columns[7].split(b";") if not OURS.match(e)]
            columns[7] = b";".join(entries) or b"."
            lines.append(b"\t".join(columns))
    return lines


def run(program: Path, root: Path, scratch: Path, check) -> None:
    corpus = root / "tests/corpus/vcf"
    scratch = scratch / "vcf"
    scratch.mkdir()

    def score(source: Path, out: Path) -> Path:
        subprocess.run(
            [program, "variants", "-q", "--vcf", source, "--fasta", root / "fixtures/genome.fa", "--model",
             root / "fixtures/models/demo.onnx", "--background", "none", "--engine", "full", "--out", out],
            check=True, stderr=subprocess.DEVNULL)
        return out

    rows = list(csv.DictReader((corpus / "index.tsv").open(encoding="utf-8"), delimiter="\t", quoting=csv.QUOTE_NONE))
    records = 0
    # bcftools says on stderr what it thinks of each file.
    quiet, kept = os.open(os.devnull, os.O_WRONLY), os.dup(2)
    try:
        for row in rows:
            source = corpus / f"{row['file']}.vcf"
            if row["bcftools"] == "refuses":
                continue
            os.dup2(quiet, 2)
            expected = view(source)
            text = score(source, scratch / "out.vcf.gz")
            bcf = score(source, scratch / "out.bcf")
            outputs = [text, bcf, score(bcf, scratch / "again.bcf"), score(bcf, scratch / "back.vcf")]
            differing = [o.name for o in outputs if view(o) != expected]
            os.dup2(kept, 2)
            if differing:
                check(f"bcftools reads {row['file']} as before from {differing}", False)
            records += int(row["records"])
            for path in scratch.iterdir():
                path.unlink()
    finally:
        os.dup2(kept, 2)
    version = pysam.version.__bcftools_version__
    check(f"bcftools {version} reads {records} odd records as before, by four ways of text and BCF", records > 150)
