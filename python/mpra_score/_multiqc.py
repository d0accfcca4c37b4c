"""MultiQC's module for `run.json`: one row a job, where this package is installed beside MultiQC.

Jobs are found by their content, so that folders may have any names; a job is named by its folder.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from multiqc import config
from multiqc.base_module import BaseMultiqcModule
from multiqc.plots import bargraph, table

log = logging.getLogger(__name__)
_PATTERN = {"mpra_score": {"fn": "*run.json", "contents": '"program": "mpra-score"', "num_lines": 5}}


def search() -> None:
    """Tells MultiQC what to look for (a hook, once its own settings are read)."""
    for name, pattern in _PATTERN.items():
        config.sp.setdefault(name, pattern)


class MultiqcModule(BaseMultiqcModule):  # type: ignore[misc]
    """Regions, windows and time of each job; what could not be scored, and why."""

    def __init__(self) -> None:
        super().__init__(
            name="mpra-score",
            anchor="mpra_score",
            info="predicts, base by base, which DNA switches genes on or off.",
            doi="10.1101/099879",
        )
        rows: dict[str, dict[str, Any]] = {}
        status: dict[str, dict[str, int]] = {}
        for found in self.find_log_files("mpra_score"):
            try:
                run = json.loads(found["f"])
            except ValueError:
                log.warning("%s is no JSON", found["fn"])
                continue
            folder = Path(found["root"]).name
            name = folder if found["fn"] == "run.json" else found["fn"].removesuffix(".run.json")
            name = self.clean_s_name(name, found)
            counts = run.get("counts", {})
            self.add_data_source(found, s_name=name)
            self.add_software_version(run.get("version"), name)
            rows[name] = {
                "job": run.get("job"),
                "rows": counts.get("rows", counts.get("records", counts.get("variants"))),
                "windows": counts.get("windows_scored"),
                "bases": counts.get("bases_scored"),
                "seconds": run.get("seconds"),
                "model": ", ".join(m.get("embedded") or Path(m.get("path", "")).name for m in run.get("models", [])),
            }
            rows[name] = {key: value for key, value in rows[name].items() if value not in (None, "")}
            if isinstance(counts.get("rows_by_status"), dict):
                status[name] = counts["rows_by_status"]
        rows = self.ignore_samples(rows)
        if not rows:
            raise ModuleNotFoundError
        log.info("Found %s reports", len(rows))
        headers = {
            "job": {"title": "Job", "description": "What was run"},
            "model": {"title": "Model"},
            "rows": {"title": "Rows", "description": "Regions or variants of the input", "format": "{:,.0f}", "scale": "Blues"},
            "windows": {"title": "Windows", "description": "Windows scored", "format": "{:,.0f}", "scale": "Greens"},
            "bases": {"title": "Bases", "description": "Bases with a value", "format": "{:,.0f}", "scale": "Greens"},
            "seconds": {"title": "Seconds", "description": "Wall time", "format": "{:,.1f}", "scale": "Oranges"},
        }
        self.general_stats_addcols(
            {name: {k: v for k, v in row.items() if k in ("rows", "bases")} for name, row in rows.items()},
            {key: headers[key] for key in ("rows", "bases")},
        )
        self.add_section(
            name="Jobs", anchor="mpra_score-jobs",
            plot=table.plot(rows, headers, {"id": "mpra_score_jobs", "title": "mpra-score: jobs"}),
        )
        if status:
            self.add_section(
                name="Regions", anchor="mpra_score-regions",
                description="Regions by what became of them (docs/run.md): `ok`, or why they could not be scored.",
                plot=bargraph.plot(status, pconfig={"id": "mpra_score_status", "title": "mpra-score: regions", "ylab": "regions"}),
            )
        self.write_data_file(rows, "multiqc_mpra_score")
