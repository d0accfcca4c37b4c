"""`mpra-score haplotypes` beside `bcftools consensus`: the sequence of every chromosome of every sample over regions.

Random phased variants of the fixtures' genome: single bases, insertions, deletions, exchanges, and single bases inside deletions,
which both leave out where the deletion is carried. bcftools writes each chromosome whole with a chain file, by which the region's
middle is found in it.
"""

import csv
import os
import random
import subprocess
from pathlib import Path

import pysam
import pysam.bcftools

WINDOW, STRIDE = 145, 29
SAMPLES = ["s1", "s2", "s3"]


def variants(genome: dict[str, str]) -> list[tuple[str, int, str, str, list[str]]]:
    """Contig, POS (1-based), REF, ALT and genotypes, in order."""
    draw = random.Random(4)
    found = []
    for contig, length in (("chr1", 4000), ("chr2", 1000)):
        at = 20
        while at < length - 40:
            at += draw.randint(3, 14)
            # Where the genome is known, in capitals for the comparison.
            word = genome[contig][at : at + 8].upper()
            if set(word) - set("ACGT"):
                continue
            other = "ACGT"[("ACGT".index(word[0]) + draw.randint(1, 3)) % 4]
            added = "".join(draw.choice("ACGT") for _ in range(draw.randint(1, 5)))
            cut = draw.randint(1, 5)
            kind = draw.choice("ssssid")
            ref, alt = {"s": (word[0], other), "i": (word[0], word[0] + added), "d": (word[: cut + 1], word[0])}[kind]
            genotypes = [draw.choice(["0|0", "0|1", "1|0", "1|1"]) for _ in SAMPLES]
            found.append((contig, at + 1, ref, alt, genotypes))
            if kind == "d" and draw.random() < 0.5:
                # A single base inside.
                inside = "ACGT"[("ACGT".index(word[1]) + 1) % 4]
                found.append((contig, at + 2, word[1], inside, [draw.choice(["0|1", "1|1"]) for _ in SAMPLES]))
            at += len(ref)
    return found


def lifted(chain: Path, contig: str, position: int) -> int:
    """Where a base of the contig lies in the chromosome that was written."""
    rows = chain.read_text().splitlines()
    inside = False
    from_, to = 0, 0
    for row in rows:
        cells = row.split()
        if row.startswith("chain"):
            inside = cells[2] == contig
            from_, to = int(cells[5]), int(cells[10])
        elif inside and cells:
            size = int(cells[0])
            if from_ <= position < from_ + size:
                return to + position - from_
            if len(cells) == 3:
                from_, to = from_ + size + int(cells[1]), to + size + int(cells[2])
    raise AssertionError(f"{contig}:{position} is in no block")


def run(program: Path, root: Path, scratch: Path, check) -> None:
    fasta = root / "fixtures/genome.fa"
    scratch = scratch / "haplotypes"
    scratch.mkdir()
    with pysam.FastaFile(str(fasta)) as file:
        genome = {name: file.fetch(name) for name in file.references}
    # bcftools compares letters as they are.
    upper = scratch / "genome.fa"
    upper.write_text("".join(f">{name}\n{bases.upper()}\n" for name, bases in genome.items()))
    records = variants(genome)
    text = "##fileformat=VCFv4.2\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"g\">\n"
    text += "".join(f"##contig=<ID={name},length={len(bases)}>\n" for name, bases in genome.items())
    text += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(SAMPLES) + "\n"
    for contig, position, ref, alt, genotypes in records:
        text += f"{contig}\t{position}\t.\t{ref}\t{alt}\t.\tPASS\t.\tGT\t" + "\t".join(genotypes) + "\n"
    (scratch / "in.vcf").write_text(text)
    pysam.tabix_index(str(scratch / "in.vcf"), preset="vcf", keep_original=True)
    vcf = scratch / "in.vcf.gz"

    # Regions of several lengths, whose middle no record touches.
    touched = {(c, p - 1 + i) for c, p, ref, _, _ in records for i in range(len(ref))}
    regions = []
    draw = random.Random(5)
    while len(regions) < 60:
        contig = draw.choice(["chr1", "chr2"])
        length = draw.choice([20, 100, 145, 200, 296])
        start = draw.randint(300, len(genome[contig]) - 700)
        middle = start + length // 2
        around = genome[contig][start - 200 : start + length + 200].upper()
        if not set(around) - set("ACGT") and not {(contig, middle + i) for i in range(-3, 4)} & touched:
            regions.append((contig, start, start + length))
    bed = scratch / "r.bed"
    bed.write_text("".join(f"{c}\t{a}\t{b}\tr{i}\n" for i, (c, a, b) in enumerate(regions)))
    out = scratch / "out"
    subprocess.run(
        [program, "haplotypes", "-q", "--vcf", vcf, "--bed", bed, "--fasta", fasta, "--model",
         root / "fixtures/models/demo.onnx", "--sequences", "--out", out], check=True)
    sequences = {}
    for record in (out / "haplotypes.fa").read_text().split(">")[1:]:
        head, bases = record.split("\n", 1)
        sequences[head.split(" ")[0]] = bases.strip()

    # bcftools says on stderr what it leaves out.
    quiet, kept = os.open(os.devnull, os.O_WRONLY), os.dup(2)
    os.dup2(quiet, 2)
    written = {}
    try:
        for sample in SAMPLES:
            for chromosome in "12":
                chain = scratch / f"{sample}.{chromosome}.chain"
                text = pysam.bcftools.consensus(
                    "-f", str(upper), "-s", sample, "-H", chromosome, "-c", str(chain), str(vcf))
                records_ = text.split(">")[1:]
                whole = {r.split("\n", 1)[0].split(" ")[0]: r.split("\n", 1)[1].replace("\n", "") for r in records_}
                written[sample, chromosome] = (whole, chain)
    finally:
        os.dup2(kept, 2)
    same = compared = conflicts = 0
    with (out / "haplotypes.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            contig, start, end = regions[int(row["region"][1:])]
            whole, chain = written[row["sample"], row["haplotype"]]
            middle = start + (end - start) // 2
            more = -(-max(end - start - WINDOW, 0) // STRIDE)
            length = WINDOW + more * STRIDE
            before = middle - (start + (end - start - length) // 2)
            at = lifted(chain, contig, middle) - before
            compared += 1
            conflicts += row["status"] == "conflict"
            same += sequences[f"{row['region']}|{row['sequence']}"] == whole[contig][at : at + length]
    version = pysam.version.__bcftools_version__
    check(f"bcftools {version} consensus writes the same {compared} haplotypes ({conflicts} with conflicts)",
          same == compared == 60 * 6 and conflicts > 10)
