#!/usr/bin/env python3
"""Opens pages of `mpra-score report` in a real browser (headless chromium), and uses them.

usage: report.py PROGRAM FIXTURES

Checked: a page opens in time, without an error in the console and without asking anything outside itself; tables sort and
search; the picture zooms, and shows under the cursor the number that the bigWig holds; motif hits lie below; figures are saved; the genome
view draws; learning curves grow while a network is trained; `serve` gives tracks by ranges, and nothing else to nobody else.
"""

import http.client
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&=1+1"
# Twice the two seconds that a page may take, for slow machines.
SECONDS = 4.0


def call(*words: object) -> None:
    subprocess.run([str(w) for w in words], check=True, stderr=subprocess.DEVNULL)


def make_pages(program: str, fixtures: Path, folder: Path) -> tuple[Path, Path]:
    """A page of four regions, one with a hostile name, and one of 15,720."""
    small = folder / "small.bed"
    small.write_text(f"chr1\t1000\t1295\t{HOSTILE}\nchr1\t2200\t2495\tsecond\nchr2\t300\t595\tthird\nchr2\t310\t605\tfourth\n")
    common = ["--fasta", fixtures / "genome.fa", "--model", fixtures / "models/demo.onnx"]
    call(program, "--bed", small, *common, "--format", "bigwig,bedgraph", "--out", folder / "small")
    # A motif of six bases of the first region.
    genome = {part.split("\n")[0].split()[0]: "".join(part.split("\n")[1:]) for part in (fixtures / "genome.fa").read_text().split(">")[1:]}
    word = genome["chr1"][1100:1108].upper()
    columns = "\n".join(" ".join("1" if b == letter else "0" for b in "ACGT") for letter in word)
    meme = folder / "known.meme"
    meme.write_text(f"MEME version 4\n\nMOTIF M1 <b>{word}</b>\nletter-probability matrix: alength= 4 w= 8\n{columns}\n")
    call(program, "report", folder / "small", "--motifs", meme)
    random.seed(1)
    contigs = {"chr1": "".join(random.choices("ACGT", k=4_000_000))}
    (folder / "large.fa").write_text("".join(f">{n}\n{s}\n" for n, s in contigs.items()))
    rows = (f"chr1\t{200 * i + 500}\t{200 * i + 795}\tregion{i}" for i in range(15_720))
    (folder / "large.bed").write_text("\n".join(rows) + "\n")
    call(program, "--bed", folder / "large.bed", "--fasta", folder / "large.fa", "--out", folder / "large", "--report")
    return folder / "small/report.html", folder / "large/report.html"


class Watched:
    """A page with what its console said and what it asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: self.errors.append(str(e)))
        page.on("dialog", lambda d: (self.errors.append("a dialog: " + d.message), d.dismiss()))
        page.on("request", lambda r: self.asked.append(r.url))

    def open(self, path: Path) -> float:
        begin = time.monotonic()
        self.page.goto(f"file://{path}")
        self.page.wait_for_selector("html[data-ready='true']")
        self.page.wait_for_selector("tbody tr td")
        return time.monotonic() - begin

    def close(self) -> None:
        outside = [u for u in self.asked if not u.startswith(("file://", "data:", "blob:"))]
        assert not outside, outside
        assert not self.errors, self.errors
        self.page.close()


def first_cells(page: Page, name: str, column: int) -> list[str]:
    return page.eval_on_selector_all(f"[aria-label='{name}'] tbody tr", f"rows => rows.map(r => r.cells[{column}]?.textContent).filter(Boolean)")


def bedgraph(path: Path, contig: str) -> dict[int, float]:
    values = {}
    for line in path.read_text().splitlines():
        name, start, end, value = line.split("\t")
        if name == contig:
            values.update({at: float(value) for at in range(int(start), int(end))})
    return values


def check_small(watched: Watched, report: Path) -> None:
    page = watched.page
    assert watched.open(report) < SECONDS
    assert HOSTILE in page.content().replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") or HOSTILE in page.inner_text("main")
    # The number under the cursor is the track's.
    page.select_option("[aria-label='region']", index=0)
    chosen = page.inner_text(".holder h3").split()[0].replace(",", "")
    contig, span = chosen.split(":")
    start = int(span.split("-")[0]) - 1
    importance = bedgraph(report.parent / "HepG2_minP.importance.bedGraph", contig)
    figure = page.locator("figure[tabindex] svg").first
    box = figure.bounding_box()
    assert box
    seen = 0
    for share in (0.3, 0.45, 0.62):
        at = int(share * 295)
        x = box["x"] + (96 + (at + 0.5) / 295 * 990) / 1100 * box["width"]
        height = float(figure.get_attribute("viewBox").split()[3])
        # Within the first task's letters.
        y = box["y"] + 140 / height * box["height"]
        page.mouse.move(x, y)
        text = page.inner_text(".tip")
        assert f"{start + at + 1:,}" in text, (text, start + at + 1)
        if "importance NA" in text:
            assert start + at not in importance
            continue
        shown = float(text.split("importance ")[1].split()[0])
        assert abs(shown - importance[start + at]) <= 1e-6 * max(1, abs(shown)), (shown, importance[start + at])
        seen += 1
    assert seen > 0
    # Zooming shows fewer bases, by button and by key.
    whole = figure.text_content()
    page.get_by_label("zoom in").click()
    page.locator("figure[tabindex]").first.focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    assert page.locator("figure[tabindex] svg").first.text_content() != whole
    page.keyboard.press("0")
    for kind in ("SVG", "PNG"):
        with page.expect_download() as download:
            page.locator("figure[tabindex] button", has_text=kind).first.click()
        data = Path(download.value.path()).read_bytes()
        assert data.startswith(b"<svg" if kind == "SVG" else b"\x89PNG"), kind
        assert b"var(--" not in data
    page.click("#theme")
    watched.close()


def check_motifs(watched: Watched, report: Path) -> None:
    page = watched.page
    watched.open(report)
    texts = page.locator("figure[tabindex] svg").first.text_content() or ""
    assert "motifs" in texts, texts[-300:]
    page.select_option("[aria-label='region']", label=next(o for o in page.locator("[aria-label='region'] option").all_inner_texts() if "1,001" in o or "1001" in o))
    figure = page.locator("figure[tabindex] svg").first
    box = figure.bounding_box()
    height = float(figure.get_attribute("viewBox").split()[3])
    assert box
    # The hit covers bases 1101 to 1108; its row is above the axis.
    at = {"x": (96 + 104.5 / 295 * 990) / 1100 * box["width"], "y": (height - 24 - 18) / height * box["height"]}
    figure.hover(position=at, force=True)
    tip = page.inner_text(".tip")
    assert "<b>" in tip and "p 1.5e-5" in tip, tip
    watched.close()


def check_training(watched: Watched, program: str, fixtures: Path, folder: Path) -> None:
    """The page of a training that goes on, then that of one that is done."""
    random.seed(2)
    rows = (("".join(random.choices("ACGT", k=145)), random.gauss(0, 1)) for _ in range(4000))
    data = folder / "own.tsv"
    data.write_text("name\tsequence\tactivity\n" + "".join(f"s{i}\t{s}\t{v:.3f}\n" for i, (s, v) in enumerate(rows)))
    out = folder / "trained"
    words = [program, "train", "--data", data, "--arch", "conv 32x11, relu, maxpool 45, dense", "--epochs", "12", "--out", out, "--report"]
    training = subprocess.Popen([str(w) for w in words], stderr=subprocess.DEVNULL)
    begin = time.monotonic()
    report = out / "report.html"
    while not report.exists() and training.poll() is None and time.monotonic() - begin < 120:
        time.sleep(0.05)
    assert training.poll() is None, "the training was over before there was a page"
    page = watched.page
    watched.open(report)
    assert "Not finished" in page.inner_text("main")
    assert page.locator("meta[http-equiv=refresh]").count() == 1
    assert page.get_by_role("img", name="Loss: loss by epoch").count() == 1
    training.wait(timeout=300)
    assert training.returncode == 0
    watched.open(report)
    assert "Not finished" not in page.inner_text("main")
    assert page.locator("meta[http-equiv=refresh]").count() == 0
    loss = page.get_by_role("img", name="Loss: loss by epoch")
    epochs = len({c.get_attribute("cx") for c in loss.locator("circle").all()})
    assert epochs == len((out / "training.tsv").read_text().splitlines()) - 1, epochs
    watched.close()


def check_served(watched: Watched, program: str, results: Path) -> None:
    server = subprocess.Popen([program, "serve", str(results), "--port", "0"], stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr
        address = ""
        for line in server.stderr:
            found = re.search(r"http://(127\.0\.0\.1:\d+)/", line)
            if found:
                address = found.group(1)
                break
        page = watched.page
        ranges: list[int] = []
        page.on("response", lambda r: ranges.append(r.status) if r.url.endswith(".bw") else None)
        page.goto(f"http://{address}/")
        page.wait_for_selector("html[data-ready='true']", timeout=30_000)
        page.wait_for_selector("#regions tr.pick")
        page.fill("[aria-label='search regions']", "third")
        page.locator("#regions tr.pick").first.click()
        page.wait_for_timeout(1_500)
        assert page.locator("#regions tr.pick").count() == 1
        assert ranges and set(ranges) == {206}, ranges
        outside = [u for u in watched.asked if not u.startswith((f"http://{address}/", "data:", "blob:"))]
        assert not outside, outside
        assert not watched.errors, watched.errors
        page.close()

        def ask(method: str, path: str, headers: dict[str, str]) -> int:
            connection = http.client.HTTPConnection(address, timeout=10)
            connection.putrequest(method, path, skip_host="Host" in headers)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            status = connection.getresponse().status
            connection.close()
            return status

        assert ask("GET", "/", {}) == 200
        for method, path, headers, expected in [
            ("GET", "/../run.json", {}, {403, 404}),
            ("GET", "/tracks/..%2f..%2frun.json", {}, {403, 404}),
            ("GET", "/run.json", {}, {403, 404}),
            ("GET", "/", {"Host": "example.org"}, {403}),
            ("GET", "/data.json", {"Host": "127.0.0.1.example.org"}, {403}),
            ("PUT", "/data.json", {}, {403, 404, 405}),
            ("DELETE", "/", {}, {403, 404, 405}),
        ]:
            status = ask(method, path, headers)
            assert status in expected, (method, path, headers, status)
    finally:
        server.send_signal(2)
        server.wait(timeout=10)


def check_large(watched: Watched, report: Path) -> None:
    page = watched.page
    taken = watched.open(report)
    size = report.stat().st_size / 1e6
    print(f"15,720 regions: {size:.1f} MB, opens in {taken:.2f} s")
    assert taken < SECONDS and size < 30
    begin = time.monotonic()
    page.locator("[aria-label='Regions'] th button", has_text="HepG2_minP.mean_activity").first.click()
    page.wait_for_timeout(200)
    column = page.eval_on_selector_all("[aria-label='Regions'] th", "cells => cells.findIndex(c => c.textContent.startsWith('HepG2_minP.mean_activity'))")
    values = [float(v) for v in first_cells(page, "Regions", column)]
    assert len(values) > 5 and values == sorted(values, reverse=True), values[:9]
    page.fill("[aria-label='search Regions']", "region15719")
    page.wait_for_timeout(400)
    names = first_cells(page, "Regions", page.eval_on_selector_all("[aria-label='Regions'] th", "cells => cells.findIndex(c => c.textContent === 'name')"))
    assert names == ["region15719"], names
    assert time.monotonic() - begin < 2 * SECONDS
    if page.get_by_text("Open the genome view").count():
        page.get_by_text("Open the genome view").click()
        page.wait_for_selector("#igv > *", timeout=30_000)
        page.wait_for_timeout(2_000)
    else:
        print("skipped: the genome view, as igv.js is not beside the program")
    watched.close()


def main() -> None:
    program, fixtures = str(Path(sys.argv[1]).resolve()), Path(sys.argv[2]).resolve()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        small, large = make_pages(program, fixtures, Path(scratch))
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        check_small(Watched(browser.new_page(viewport={"width": 1280, "height": 900})), small)
        check_motifs(Watched(browser.new_page(viewport={"width": 1280, "height": 900})), small)
        check_large(Watched(browser.new_page(viewport={"width": 1280, "height": 900})), large)
        check_training(Watched(browser.new_page(viewport={"width": 1280, "height": 900})), program, fixtures, Path(scratch))
        check_served(Watched(browser.new_page(viewport={"width": 1280, "height": 900})), program, small.parent)
        browser.close()
    print("the pages do what they should")


if __name__ == "__main__":
    main()
