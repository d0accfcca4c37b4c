// The page of `mpra-score serve`: igv.js over tracks that are read by ranges, and the table of regions.
"use strict";
(async () => {
  const PALETTE = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f7f7f", "#b8a800"];
  const data = await (await fetch("/data.json")).json();
  const tasks = [...new Set(data.tracks.map((t) => t.name.replace(/\.(activity|importance)(_spread)?\.bw$/, "")))];
  const tracks = data.tracks.map((t) => ({
    name: t.name.replace(/\.bw$/, ""), url: t.url, type: "wig", format: t.type, height: 60, autoscale: true,
    color: PALETTE[tasks.findIndex((task) => t.name.startsWith(task + ".")) % PALETTE.length] || PALETTE[0],
    altColor: t.name.includes(".importance") ? "#6e6e6e" : undefined,
  }));
  const reference = { id: "genome", wholeGenomeView: false };
  if (data.genome.fasta.endsWith(".2bit")) reference.twoBitURL = data.genome.fasta;
  else Object.assign(reference, { fastaURL: data.genome.fasta, indexURL: data.genome.fasta + ".fai" });
  if (data.genome.packed) reference.compressedIndexURL = data.genome.fasta + ".gzi";
  const browser = await igv.createBrowser(document.getElementById("igv"), {
    reference, tracks, locus: data.places[0], loadDefaultGenomes: false, showSampleNames: false, queryParametersSupported: false,
  });
  document.documentElement.dataset.ready = "true";
  if (!data.table) return;
  // The first thousand rows that hold what is searched for.
  const holder = document.getElementById("regions");
  const search = document.createElement("input");
  search.type = "search";
  search.placeholder = "search regions";
  search.setAttribute("aria-label", "search regions");
  const box = document.createElement("div");
  box.className = "scroll";
  const table = document.createElement("table");
  box.append(table);
  holder.append(search, box);
  const columns = data.table.columns;
  const cell = (c, i) => (c.numbers ? (c.numbers[i] === null ? "NA" : c.integer ? String(c.numbers[i]) : String(Number(c.numbers[i].toPrecision(5)))) : c.texts[i]);
  const draw = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const head = document.createElement("tr");
    for (const c of [{ name: "place (from 1)" }, ...columns]) {
      const th = document.createElement("th");
      th.textContent = c.name;
      head.append(th);
    }
    table.replaceChildren(head);
    let shown = 0;
    for (let i = 0; i < data.table.rows && shown < 1000; i++) {
      const cells = [data.places[i], ...columns.map((c) => cell(c, i))];
      const text = cells.join("\t").toLowerCase();
      if (!words.every((w) => text.includes(w))) continue;
      shown += 1;
      const row = document.createElement("tr");
      row.className = "pick";
      row.tabIndex = 0;
      const go = () => { browser.search(data.places[i]); document.getElementById("igv").scrollIntoView(); };
      row.addEventListener("click", go);
      row.addEventListener("keydown", (e) => { if (e.key === "Enter") go(); });
      for (const value of cells) {
        const td = document.createElement("td");
        td.textContent = value;
        row.append(td);
      }
      table.append(row);
    }
  };
  search.addEventListener("input", draw);
  draw();
})();
