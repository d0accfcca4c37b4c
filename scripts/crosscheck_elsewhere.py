"""What `mpra-score report --hub` writes for other programs, checked by their rules and by one of them.

The hub by UCSC's documented rules (hub.txt, genomes.txt, trackDb of bigWigs and super-tracks), the IGV
session and script as far as files tell, and `tracks.ini` by pyGenomeTracks itself, where it is
installed: the area of each colour in its picture must be what the bigWigs say. Hubs and inis that
are broken on purpose must be refused. By itself: crosscheck_elsewhere.py PROGRAM.
"""

import importlib.metadata
import importlib.util
import os
import re
import struct
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyBigWig

# Settings that UCSC documents for hubs' bigWig and bigBed tracks and their super-tracks.
KNOWN = set(
    "track type shortLabel longLabel bigDataUrl html visibility meta color altColor priority boxedCfg chromosomes darkerLabels "
    "dataVersion configureByPopup downloadUrl origAssembly pennantIcon parent superTrack autoScale maxHeightPixels viewLimits "
    "viewLimitsMax alwaysZero graphTypeDefault maxWindowToQuery negateValues smoothingWindow transformFunc windowingFunction "
    "yLineMark yLineOnOff gridDefault mouseOverFunction maxWindowCoverage spectrum scoreMin scoreMax itemRgb".split()
)
WORDS = {
    "visibility": {"hide", "dense", "squish", "pack", "full"},
    "spectrum": {"on", "off"},
    "superTrack": {"on", "on show"},
    "autoScale": {"on", "off", "group"},
    "alwaysZero": {"on", "off"},
    "yLineOnOff": {"on", "off"},
    "windowingFunction": {"maximum", "mean", "mean+whiskers", "minimum"},
}
# UCSC puts a prefix and a suffix to a name and has 128 characters for all.
LONGEST_NAME = 106
BIGWIG, BIGBED = 0x888FFC26, 0x8789F2EB


def stanzas(path: Path, faults: list[str]) -> list[dict[str, str]]:
    found = []
    for block in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
        stanza: dict[str, str] = {}
        for line in block.splitlines():
            key, _, value = line.partition(" ")
            if not key or not value or value != value.strip() or re.search(r"[\x00-\x1f\x7f]|\\$", line):
                faults.append(f"{path.name}: no setting and value: {line!r}")
            elif key in stanza:
                faults.append(f"{path.name}: {key} twice in one stanza")
            stanza[key] = value
        if stanza:
            found.append(stanza)
    return found


def numbers(text: str, separator: str | None, count: int) -> list[float] | None:
    parts = text.split(separator)
    try:
        values = [float(p) for p in parts]
    except ValueError:
        return None
    return values if len(values) == count and all(np.isfinite(values)) else None


def labels(where: str, stanza: dict[str, str], faults: list[str]) -> None:
    for key, most in [("shortLabel", 17), ("longLabel", 80)]:
        if key not in stanza:
            faults.append(f"{where}: no {key}")
        elif len(stanza[key]) > most:
            faults.append(f"{where}: {key} has {len(stanza[key])} characters")


def track_faults(folder: Path, stanza: dict[str, str], tracks: dict[str, dict[str, str]], faults: list[str]) -> None:
    name = stanza["track"]
    where = f"track {name}"
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or len(name) > LONGEST_NAME:
        faults.append(f"{where}: a name is letters, digits and _, a letter first")
    labels(where, stanza, faults)
    for key, value in stanza.items():
        if key not in KNOWN:
            faults.append(f"{where}: {key} is no setting")
        if key in WORDS and value not in WORDS[key]:
            faults.append(f"{where}: {key} {value}")
        if key in ("color", "altColor") and not (
            re.fullmatch(r"\d{1,3},\d{1,3},\d{1,3}", value) and all(int(c) < 256 for c in value.split(","))
        ):
            faults.append(f"{where}: {key} {value}")
        if key in ("priority", "yLineMark") and numbers(value, None, 1) is None:
            faults.append(f"{where}: {key} {value}")
    limits = numbers(stanza.get("viewLimits", "0:1"), ":", 2)
    if limits is None or limits[0] >= limits[1]:
        faults.append(f"{where}: viewLimits {stanza['viewLimits']}")
    heights = numbers(stanza.get("maxHeightPixels", "3:2:1"), ":", 3)
    if heights is None or not heights[0] >= heights[1] >= heights[2] > 0:
        faults.append(f"{where}: maxHeightPixels {stanza['maxHeightPixels']}")
    if "superTrack" in stanza:
        if "bigDataUrl" in stanza:
            faults.append(f"{where}: a super-track with bigDataUrl")
        if all(t.get("parent") != name for t in tracks.values()):
            faults.append(f"{where}: a super-track without tracks")
        return
    if ("parent" in stanza or "viewLimits" in stanza) and "superTrack" not in tracks.get(stanza.get("parent", ""), {}):
        faults.append(f"{where}: its parent {stanza.get('parent')} is no super-track")
    kind, _, rest = stanza.get("type", "").partition(" ")
    span = numbers(rest, None, 2)
    columns = re.fullmatch(r"(\d+)( [.+])?", rest)
    if kind == "bigBed" and columns and 3 <= int(columns[1]) <= 12:
        if "viewLimits" in stanza:
            faults.append(f"{where}: viewLimits of a bigBed")
    elif kind != "bigWig" or span is None or span[0] >= span[1]:
        faults.append(f"{where}: type {stanza.get('type')}")
    elif stanza.get("visibility") in ("squish", "pack"):
        faults.append(f"{where}: visibility of a bigWig")
    url = stanza.get("bigDataUrl", "")
    file = folder / unquote(url)
    if not re.fullmatch(r"(%[0-9A-F]{2}|[A-Za-z0-9._~-])+", url) or not file.is_file():
        faults.append(f"{where}: bigDataUrl {url} leads nowhere")
    elif {"bigWig": BIGWIG, "bigBed": BIGBED}.get(kind) not in [struct.unpack(order + "I", file.read_bytes()[:4])[0] for order in "<>"]:
        faults.append(f"{where}: {url} is no {kind}")
    elif kind == "bigBed" and columns:
        bed_faults(where, file, int(columns[1]), faults)


def bed_faults(where: str, file: Path, columns: int, faults: list[str]) -> None:
    """A bigBed has as many columns as its autoSql, at least those of its type, and scores of 0 to 1000."""
    bed = pyBigWig.open(str(file))
    fields = re.findall(r"^\s*[\w\[\]]+ (\w+);", bed.SQL().decode(), re.MULTILINE)
    rows = [row for contig, length in bed.chroms().items() for row in bed.entries(contig, 0, length) or []]
    if not rows or len(fields) < columns:
        faults.append(f"{where}: {len(rows)} rows, {len(fields)} columns")
    for start, end, rest in rows:
        cells = rest.split("\t")
        if start >= end or len(cells) + 3 != len(fields) or not 0 <= int(cells[1]) <= 1000 or cells[2] not in "+-.":
            faults.append(f"{where}: row {start} {end} {rest}")
            return


def hub_faults(folder: Path) -> list[str]:
    """What UCSC's rules have against the hub in a folder."""
    faults: list[str] = []
    hubs = stanzas(folder / "hub.txt", faults)
    for key in ["hub", "shortLabel", "longLabel", "genomesFile", "email"]:
        if len(hubs) != 1 or key not in hubs[0]:
            return faults + [f"hub.txt: no {key}"]
    labels("hub.txt", hubs[0], faults)
    if not re.fullmatch(r"\w+", hubs[0]["hub"], re.ASCII) or "@" not in hubs[0]["email"]:
        faults.append("hub.txt: hub or email")
    if not (folder / hubs[0]["genomesFile"]).is_file():
        return faults + ["hub.txt: genomesFile leads nowhere"]
    genomes = stanzas(folder / hubs[0]["genomesFile"], faults)
    if not genomes or len({g.get("genome") for g in genomes}) < len(genomes):
        faults.append("genomes.txt: no genome, or one twice")
    for genome in genomes:
        if set(genome) != {"genome", "trackDb"} or not re.fullmatch(r"[A-Za-z0-9._-]+", genome["genome"]):
            faults.append(f"genomes.txt: {genome}")
        elif not (folder / genome["trackDb"]).is_file():
            faults.append("genomes.txt: trackDb leads nowhere")
        else:
            found = stanzas(folder / genome["trackDb"], faults)
            if any(next(iter(s)) != "track" for s in found):
                return faults + ["trackDb.txt: a stanza does not begin with track"]
            tracks = {s["track"]: s for s in found}
            if len(tracks) < len(found):
                faults.append("trackDb.txt: a track's name twice")
            for stanza in found:
                track_faults(folder, stanza, tracks, faults)
    return faults


# File, what is replaced (first occurrence), by what.
BROKEN = [
    ("hub.txt", "email nobody@example.org\n", ""),
    ("hub.txt", "genomesFile genomes.txt", "genomesFile elsewhere.txt"),
    ("hub.txt", "shortLabel mpra-score", "shortLabel mpra-score mpra-score"),
    ("genomes.txt", "genome hg19", "genome hg19 hg38"),
    ("genomes.txt", "trackDb trackDb.txt", "trackDb elsewhere.txt"),
    ("trackDb.txt", "track HepG2_minP_activity", "track 8_minP_activity"),
    ("trackDb.txt", "track HepG2_minP_activity", "track HepG2-minP"),
    ("trackDb.txt", "track HepG2_minP_activity", "track HepG2_minP_importance"),
    ("trackDb.txt", "track HepG2_minP_activity", "\ntype bigWig 0 1\ntrack HepG2_minP_activity"),
    ("trackDb.txt", "parent mpra_HepG2", "parent mpra_other"),
    ("trackDb.txt", "parent mpra_HepG2", "parent HepG2_minP_importance"),
    ("trackDb.txt", "superTrack on show", "superTrack show"),
    ("trackDb.txt", "superTrack on show", "compositeTrack on"),
    ("trackDb.txt", "track mpra_HepG2\n", "track mpra_alone\nsuperTrack on\nshortLabel a\nlongLabel a\n\ntrack mpra_HepG2\n"),
    ("trackDb.txt", "bigDataUrl HepG2_minP.activity.bw", "bigDataUrl HepG2_minP.activity.bigWig"),
    ("trackDb.txt", "bigDataUrl HepG2_minP.activity.bw", "bigDataUrl regions.tsv"),
    ("trackDb.txt", "bigDataUrl HepG2_minP.activity.bw\n", ""),
    ("trackDb.txt", "type bigWig ", "type bigBed "),
    ("trackDb.txt", "type bigWig ", "type bigWig 1 "),
    ("trackDb.txt", "type bigBed 6 +", "type bigBed 13 +"),
    ("trackDb.txt", "type bigBed 6 +", "type bigBed 12"),
    ("trackDb.txt", "bigDataUrl regions.bb", "bigDataUrl HepG2_minP.activity.bw"),
    ("trackDb.txt", "spectrum on", "spectrum grey"),
    ("trackDb.txt", "shortLabel HepG2_minP act", "shortLabel HepG2_minP activity"),
    ("trackDb.txt", "longLabel HepG2_minP: ", "longLabel HepG2_minP: " + "x" * 40),
    ("trackDb.txt", "longLabel HepG2_minP: ", "shortLabel HepG2_minP: "),
    ("trackDb.txt", "visibility full", "visibility all"),
    ("trackDb.txt", "color 0,114,178", "color 0,114,256"),
    ("trackDb.txt", "altColor 0,114,178", "altColor 0072b2"),
    ("trackDb.txt", "autoScale off", "autoScale no"),
    ("trackDb.txt", "autoScale off", "autoscale off"),
    ("trackDb.txt", "viewLimits -", "viewLimits 9:-"),
    ("trackDb.txt", "yLineMark 0", "yLineMark zero"),
    ("trackDb.txt", "windowingFunction mean", "windowingFunction median"),
    ("trackDb.txt", "maxHeightPixels 100:48:16", "maxHeightPixels 16:48:100"),
    ("trackDb.txt", "priority 1", "priority"),
]


def with_change(folder: Path, file: str, old: str, new: str, judge) -> bool:
    """Whether a judge refuses a folder once a text is changed, which is changed back."""
    path = folder / file
    text = path.read_text()
    if old not in text:
        return False
    try:
        path.write_text(text.replace(old, new, 1))
        return bool(judge(folder))
    finally:
        path.write_text(text)


def igv_faults(folder: Path, genome: str) -> list[str]:
    """What files tell of session and script: names, files, places, limits."""
    faults = []
    session = ET.fromstring((folder / "igv_session.xml").read_bytes())
    if session.tag != "Session" or session.get("genome") != genome:
        faults.append(f"igv_session.xml: genome {session.get('genome')!r}")
    resources = [r.get("path", "") for r in session.iter("Resource")]
    if not resources or not all((folder / r).is_file() for r in resources):
        return faults + ["igv_session.xml: a resource leads nowhere"]
    tracks = list(session.iter("Track"))
    if [t.get("id") for t in tracks] != resources or len({t.get("name") for t in tracks}) < len(tracks):
        faults.append("igv_session.xml: tracks are not the resources")
    for track in tracks:
        if track.get("id", "").endswith(".bb"):
            continue
        span = track.find("DataRange")
        low, base, high = (float(span.get(k, "nan")) for k in ("minimum", "baseline", "maximum"))
        if not low <= base <= high or low == high:
            faults.append(f"igv_session.xml: limits {low}, {base}, {high}")
    contigs = pyBigWig.open(str(folder / resources[0])).chroms()
    script = [l.split(" ", 1) for l in (folder / "igv_batch.txt").read_text().splitlines()]
    known = {"new", "load", "snapshotDirectory", "maxPanelHeight", "goto", "snapshot"}
    if script[0] != ["new"] or not {s[0] for s in script} <= known:
        faults.append("igv_batch.txt: commands")
    places = [session.get("locus", "")] + [s[1] for s in script if s[0] == "goto"]
    for place in places:
        found = re.fullmatch(r"(.+):(\d+)-(\d+)", place)
        if not found or found[1] not in contigs or not 1 <= int(found[2]) <= min(int(found[3]), contigs[found[1]]):
            faults.append(f"igv: place {place}")
    if any(not (folder / s[1]).is_file() for s in script if s[0] == "load"):
        faults.append("igv_batch.txt: what it loads leads nowhere")
    return faults


def draw(folder: Path, ini: str, place: str, picture: Path) -> None:
    script = folder / "drawn.ini"
    script.write_text(ini)
    package = Path(importlib.util.find_spec("pygenometracks").origin).resolve()
    subprocess.run(
        [sys.executable, "-c", "from pygenometracks.plotTracks import main; main()", "--tracks", script.name,
         "--region", place, "--dpi", "200", "-o", picture],
        check=True, cwd=folder, capture_output=True, env=os.environ | {"PYTHONPATH": str(package.parent.parent)})
    script.unlink()


def shares(picture: Path, colours: list[tuple[int, int, int]]) -> list[float]:
    """How many pixels a colour fills in the panel of a picture, also partly where it fades into white."""
    from PIL import Image

    pixels = 255.0 - np.asarray(Image.open(picture).convert("RGB"), dtype=float)
    first = 255.0 - np.array(colours[0], dtype=float)
    columns = np.flatnonzero((np.abs(pixels - first).max(axis=2) < 3).sum(axis=0) > 5)
    if not len(columns):
        return [0.0] * len(colours)
    # Left and right of the panel are axes and titles, above it is the axis of places.
    rows = np.flatnonzero((np.abs(pixels - first).max(axis=2) < 3).any(axis=1))
    panel = pixels[rows[0] :, columns[0] : columns[-1] + 1].reshape(-1, 3)
    found = []
    for colour in colours:
        ink = 255.0 - np.array(colour, dtype=float)
        share = np.clip(panel @ ink / (ink @ ink), 0.0, 1.0)
        found.append(float(share[np.abs(panel - share[:, None] * ink).max(axis=1) < 6].sum()))
    return found


def areas(folder: Path, place: tuple[str, int, int]) -> dict[tuple[int, ...], float]:
    """Area by colour, in heights of a track times bases: activity and importance of a task in its colour, but
    importance below 0 in the other one."""
    found: dict[tuple[int, ...], float] = {}
    for stanza in stanzas(folder / "trackDb.txt", []):
        if "viewLimits" not in stanza:
            continue
        low, high = numbers(stanza["viewLimits"], ":", 2)
        values = pyBigWig.open(str(folder / unquote(stanza["bigDataUrl"]))).values(*place)
        values = np.clip(values, low, high) / (high - low)
        for key, part in [("color", values.clip(min=0)), ("altColor", values.clip(max=0))]:
            colour = tuple(map(int, stanza[key].split(",")))
            # Bases are points that are joined by lines.
            found[colour] = found.get(colour, 0.0) + abs(float(np.trapezoid(part)))
    return found


# As many bases as the ini has bins.
PLACE = ("chr1", 2480, 2680)


def worst_share(folder: Path, picture: Path, ini: str) -> float:
    """The largest relative difference of a colour's share of the picture from what the bigWigs say."""
    draw(folder, ini, f"{PLACE[0]}:{PLACE[1]}-{PLACE[2]}", picture)
    expected = areas(folder, PLACE)
    found = np.array(shares(picture, list(expected)))
    wanted = np.array(list(expected.values()))
    if not found.all():
        return np.inf
    return float(np.abs(found / found.sum() / (wanted / wanted.sum()) - 1).max())


def run(program: Path, root: Path, scratch: Path, check) -> None:
    scratch = scratch / "elsewhere"
    scratch.mkdir()

    def results(name: str, genome: str, model: Path) -> Path:
        out = scratch / name
        if not out.exists():
            subprocess.run(
                [program, "-q", "--bed", root / "fixtures/regions.bed", "--fasta", root / "fixtures/genome.fa",
                 "--model", model, "--out", out], check=True)
        subprocess.run([program, "report", "-q", out, "--hub", genome, "--force"], check=True)
        return out

    def none(what: str, faults: list[str]) -> None:
        check("; ".join([what, *faults]), not faults)

    model = root / "fixtures/models/demo.onnx"
    out = results("plain", "hg19", model)
    count = (out / "trackDb.txt").read_text().count("bigDataUrl ")
    check(f"a hub has {count} tracks", count == 10)
    none("UCSC's rules have nothing against the hub", hub_faults(out))
    kept = [f"{file}: {old!r} as {new!r}" for file, old, new in BROKEN if not with_change(out, file, old, new, hub_faults)]
    none(f"{len(BROKEN)} broken hubs are refused", kept)
    none("IGV's session and script agree with the files", igv_faults(out, "hg19"))
    changes = [("igv_session.xml", 'genome="hg19"', 'genome="hg18"'), ("igv_session.xml", 'path="HepG2', 'path="HepG3'),
               ("igv_session.xml", 'maximum="', 'maximum="-'), ("igv_session.xml", 'id="K562', 'id="K563'),
               ("igv_batch.txt", "goto chr1:", "goto chr9:"), ("igv_batch.txt", "load igv", "load vgi"),
               ("igv_batch.txt", "snapshot ", "snap ")]
    kept = [f"{old!r} as {new!r}" for file, old, new in changes
            if not with_change(out, file, old, new, lambda folder: igv_faults(folder, "hg19"))]
    none(f"{len(changes)} broken sessions and scripts are refused", kept)

    # Tasks whose names are one once they are made a hub's, begin with a digit, or are parents'. As long as the old ones.
    names = {"HepG2_minP": "293T+minP_", "K562_SV40P": "293T-minP_", "K562_minP": "mpra.293T", "HepG2_SV40P": "mpra+293T_m"}
    network = model.read_bytes()
    for old, new in names.items():
        assert len(old) == len(new) and old.encode() in network
        network = network.replace(old.encode(), new.encode())
    (scratch / "hostile.onnx").write_bytes(network)
    hostile = results("hostile", "hg19 x\ntrackDb evil.txt", scratch / "hostile.onnx")
    check("tasks have hostile names", all((hostile / f"{name}.activity.bw").is_file() for name in names.values()))
    none("a hub of hostile names", hub_faults(hostile))
    none("a session of hostile names", igv_faults(hostile, "hg19 x trackDb evil.txt"))
    results("plain", "GCA_000001405.15", model)
    none("an accession as the genome", hub_faults(out))
    check("is kept", "genome GCA_000001405.15\n" in (out / "genomes.txt").read_text())
    fasta = root / "fixtures/genome.fa"
    results("plain", str(fasta), model)
    none("a FASTA as the genome", hub_faults(out) + igv_faults(out, str(fasta)))

    if importlib.util.find_spec("pygenometracks") is None:
        print("skipped: tracks.ini drawn by pyGenomeTracks, which is not installed (make crosscheck-elsewhere)")
        return
    ini = (out / "tracks.ini").read_text()
    worst = worst_share(out, scratch / "picture.png", ini)
    version = importlib.metadata.version("pyGenomeTracks")
    check(f"pyGenomeTracks {version}: colours fill what the bigWigs say (largest difference {worst:.1%})", worst < 0.05)
    lacking = ini.replace("operation = max(file, 0)", "negative_color = #6e6e6e").replace("operation = min(file, 0)\n", "alpha = 0\n")
    for what, change in [("too many bins", ini.replace("number_of_bins = 200", "number_of_bins = 1000")),
                         ("negative_color", lacking),
                         ("other limits", re.sub("max_value = .*", "max_value = 2", ini)),
                         ("another colour", ini.replace("#0072b2", "#0072ff", 1))]:
        worst = worst_share(out, scratch / "picture.png", change)
        check(f"a picture with {what} is refused ({worst:.1%})", worst > 0.05 and change != ini)


if __name__ == "__main__":
    done = 0

    def say(what: str, condition: bool) -> None:
        global done
        if not condition:
            sys.exit(f"crosscheck FAILED: {what}")
        done += 1
        print(f"ok: {what}")

    with tempfile.TemporaryDirectory() as folder:
        run(Path(sys.argv[1]).resolve(), Path(__file__).resolve().parent.parent, Path(folder), say)
    print(f"crosscheck: {done} passed, 0 failed")
