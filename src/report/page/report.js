// The page of `mpra-score report`. Everything it shows is in the element #data; nothing is asked for elsewhere.
// Names come from files that anyone may have made: they only ever become text, never markup.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const NS = "http://www.w3.org/2000/svg";
  const PALETTE = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f7f7f", "#b8a800"];
  const BASES = "ACGT";

  // ---- Small helpers ----
  const el = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
      else if (value !== null && value !== undefined) node.setAttribute(key, value);
    }
    node.append(...children);
    return node;
  };
  const svg = (tag, attributes = {}, ...children) => {
    const node = document.createElementNS(NS, tag);
    if (tag === "text" && !attributes.fill) node.setAttribute("fill", "var(--ink)");
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  };
  const floats = (text) => {
    const raw = atob(text);
    const bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
    return new Float32Array(bytes.buffer);
  };
  // The shortest decimal that is this float of 32 bits, as the tables have it.
  const exact = (v) => {
    if (!Number.isFinite(v)) return "NA";
    for (let digits = 1; digits < 10; digits++) {
      const text = v.toPrecision(digits);
      if (Math.fround(Number(text)) === Math.fround(v)) return String(Number(text));
    }
    return String(v);
  };
  const short = (v) => (v === null || !Number.isFinite(v) ? "NA" : Math.abs(v) >= 1e5 || (v !== 0 && Math.abs(v) < 1e-3) ? v.toExponential(2) : String(Number(v.toPrecision(4))));
  const grouped = (n) => n.toLocaleString("en-US");
  const ticks = (low, high, count) => {
    if (!(high > low)) return [low];
    const rough = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
    const list = [];
    for (let t = Math.ceil(low / step) * step; t <= high + step * 1e-9; t += step) list.push(Math.abs(t) < step * 1e-9 ? 0 : t);
    return list;
  };
  const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const tip = el("div", { class: "tip", hidden: "", role: "status" });
  const showTip = (event, text) => {
    tip.textContent = text;
    tip.hidden = false;
    tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8) + "px";
    tip.style.top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8) + "px";
  };
  const hideTip = () => { tip.hidden = true; };

  // ---- Saving figures ----
  const download = (name, blob) => {
    const link = el("a", { href: URL.createObjectURL(blob), download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 5000);
  };
  // A copy that stands alone: colours are resolved, the background is the page's.
  const standalone = (figure) => {
    const copy = figure.cloneNode(true);
    const [, , width, height] = figure.getAttribute("viewBox").split(" ").map(Number);
    copy.setAttribute("width", width);
    copy.setAttribute("height", height);
    copy.prepend(svg("rect", { width, height, fill: variable("--paper") || "#fff" }));
    copy.querySelectorAll("*").forEach((node) => {
      for (const key of ["fill", "stroke"]) {
        const value = node.getAttribute(key);
        if (value && value.startsWith("var(")) node.setAttribute(key, variable(value.slice(4, -1)));
      }
      if (node.tagName === "text") {
        node.setAttribute("font-family", "Helvetica, Arial, sans-serif");
      }
    });
    return new XMLSerializer().serializeToString(copy);
  };
  const saveButtons = (name, figure) => [
    el("button", { type: "button", on: { click: () => download(name + ".svg", new Blob([standalone(figure())], { type: "image/svg+xml" })) } }, "SVG"),
    el("button", { type: "button", on: { click: () => {
      const text = standalone(figure());
      const [, , width, height] = figure().getAttribute("viewBox").split(" ").map(Number);
      const image = new Image();
      image.onload = () => {
        const canvas = el("canvas");
        canvas.width = width * 2; canvas.height = height * 2;
        canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
        canvas.toBlob((blob) => download(name + ".png", blob));
      };
      image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
    } } }, "PNG"),
  ];
  const figure = (name, title, node) => el("figure", {}, node, el("figcaption", {}, el("span", {}, title), ...saveButtons(name, () => node)));

  // ---- Axes ----
  const axes = (g, box, x, y, labels) => {
    const [left, top, width, height] = box;
    const sx = (v) => left + ((v - x[0]) / (x[1] - x[0] || 1)) * width;
    const sy = (v) => top + height - ((v - y[0]) / (y[1] - y[0] || 1)) * height;
    for (const t of labels.bare ? [] : ticks(x[0], x[1], Math.max(3, width / 75))) {
      g.append(svg("line", { x1: sx(t), x2: sx(t), y1: top + height, y2: top + height + 4, stroke: "var(--soft)" }));
      g.append(svg("text", { x: sx(t), y: top + height + 16, "text-anchor": "middle", "font-size": 11 }, short(t)));
    }
    for (const t of ticks(y[0], y[1], Math.max(2, height / 45))) {
      g.append(svg("line", { x1: left, x2: left + width, y1: sy(t), y2: sy(t), stroke: "var(--line)", "stroke-width": 0.7 }));
      g.append(svg("text", { x: left - 5, y: sy(t) + 4, "text-anchor": "end", "font-size": 11 }, short(t)));
    }
    g.append(svg("line", { x1: left, x2: left + width, y1: top + height, y2: top + height, stroke: "var(--soft)" }));
    if (labels.x) g.append(svg("text", { x: left + width / 2, y: top + height + 32, "text-anchor": "middle", "font-size": 12 }, labels.x));
    if (labels.y) g.append(svg("text", { x: 0, y: 0, transform: `translate(13 ${top + height / 2}) rotate(-90)`, "text-anchor": "middle", "font-size": 12 }, labels.y));
    return [sx, sy];
  };

  const histogram = ({ name, edges, counts, label }, colour) => {
    const g = svg("svg", { viewBox: "0 0 380 230", role: "img", "aria-label": `Distribution of ${name}` });
    const most = Math.max(...counts, 1);
    const [sx, sy] = axes(g, [52, 12, 315, 170], [edges[0], edges[edges.length - 1]], [0, most], { x: label, y: "regions" });
    counts.forEach((count, i) => {
      const bar = svg("rect", { x: sx(edges[i]), y: sy(count), width: Math.max(0.5, sx(edges[i + 1]) - sx(edges[i]) - 0.6), height: sy(0) - sy(count), fill: colour });
      bar.addEventListener("mousemove", (e) => showTip(e, `${short(edges[i])} to ${short(edges[i + 1])}: ${grouped(count)}`));
      bar.addEventListener("mouseleave", hideTip);
      g.append(bar);
    });
    return figure(name, name, g);
  };

  const range = (values, zero) => {
    let [low, high] = zero ? [0, 0] : [Infinity, -Infinity];
    for (const v of values) if (Number.isFinite(v)) { if (v < low) low = v; if (v > high) high = v; }
    if (!Number.isFinite(low)) return [0, 1];
    const pad = (high - low || Math.abs(high) || 1) * 0.04;
    return [low - (zero && low === 0 ? 0 : pad), high + (zero && high === 0 ? 0 : pad)];
  };

  const scatter = (s, colour) => {
    const [x, y] = [floats(s.x), floats(s.y)];
    const g = svg("svg", { viewBox: "0 0 380 330", role: "img", "aria-label": `${s.xName} against ${s.yName}` });
    const [rx, ry] = [range(x), range(y)];
    const [sx, sy] = axes(g, [56, 12, 312, 268], rx, ry, { x: s.xName, y: s.yName });
    if (s.diagonal) {
      const [a, b] = [Math.max(rx[0], ry[0]), Math.min(rx[1], ry[1])];
      if (b > a) g.append(svg("line", { x1: sx(a), y1: sy(a), x2: sx(b), y2: sy(b), stroke: "var(--soft)", "stroke-dasharray": "4 3" }));
    }
    let path = "";
    for (let i = 0; i < x.length; i++) if (Number.isFinite(x[i]) && Number.isFinite(y[i])) path += `M${sx(x[i]).toFixed(1)} ${sy(y[i]).toFixed(1)}h0`;
    g.append(svg("path", { d: path, stroke: colour, "stroke-width": x.length > 3000 ? 1.8 : 3.2, "stroke-linecap": "round", "stroke-opacity": x.length > 3000 ? 0.35 : 0.7, fill: "none" }));
    if (s.r !== null && s.r !== undefined) g.append(svg("text", { x: 62, y: 25, "font-size": 12 }, `r = ${s.r.toFixed(3)}, n = ${grouped(s.n)}`));
    return figure(`${s.yName}_${s.xName}`, s.title, g);
  };

  const curve = (c) => {
    const series = c.series.map((s) => ({ name: s.name, x: floats(s.x), y: floats(s.y) }));
    const g = svg("svg", { viewBox: `0 0 560 ${300 + 16 * series.length}`, role: "img", "aria-label": `${c.title}: ${c.yName} by ${c.xName}` });
    const rx = range(series.flatMap((s) => Array.from(s.x)));
    const ry = range(series.flatMap((s) => Array.from(s.y)));
    const [sx, sy] = axes(g, [60, 12, 488, 236], rx, ry, { x: c.xName, y: c.yName });
    series.forEach((s, k) => {
      const colour = PALETTE[k % PALETTE.length];
      let [path, open] = ["", false];
      for (let i = 0; i < s.x.length; i++) {
        if (!Number.isFinite(s.y[i])) { open = false; continue; }
        path += `${open ? "L" : "M"}${sx(s.x[i]).toFixed(1)} ${sy(s.y[i]).toFixed(1)}`;
        open = true;
      }
      // Colours come again after the eighth: then in dashes.
      g.append(svg("path", { d: path, fill: "none", stroke: colour, "stroke-width": 1.8, "stroke-dasharray": k < PALETTE.length ? "none" : "5 3" }));
      s.x.forEach((x, i) => {
        if (!Number.isFinite(s.y[i])) return;
        const dot = svg("circle", { cx: sx(x).toFixed(1), cy: sy(s.y[i]).toFixed(1), r: s.x.length > 60 ? 1.6 : 3, fill: colour });
        dot.addEventListener("mousemove", (e) => showTip(e, `${s.name}\n${c.xName} ${short(x)}: ${short(s.y[i])}`));
        dot.addEventListener("mouseleave", hideTip);
        g.append(dot);
      });
      g.append(svg("line", { x1: 60, x2: 84, y1: 296 + 16 * k, y2: 296 + 16 * k, stroke: colour, "stroke-width": 2.5, "stroke-dasharray": k < PALETTE.length ? "none" : "5 3" }));
      g.append(svg("text", { x: 90, y: 300 + 16 * k, "font-size": 11 }, s.name.slice(0, 70)));
    });
    return figure(c.title.toLowerCase().replace(/\W+/g, "_"), c.title, g);
  };

  const manhattan = (m) => {
    const [at, value] = [floats(m.x), floats(m.y)];
    const g = svg("svg", { viewBox: "0 0 1100 280", role: "img", "aria-label": m.title });
    const [left, top, width, height] = [56, 12, 1034, 220];
    const total = m.contigs.reduce((sum, c) => sum + c.length, 0) || 1;
    const ry = range(value, true);
    const [, sy] = axes(g, [left, top, width, height], [0, total], ry, { y: m.yName, bare: true });
    let from = 0;
    m.contigs.forEach((c, i) => {
      const x0 = left + (from / total) * width;
      const w = (c.length / total) * width;
      let path = "";
      for (let k = c.first; k < c.first + c.count; k++) if (Number.isFinite(value[k])) path += `M${(x0 + (at[k] / c.length) * w).toFixed(1)} ${sy(value[k]).toFixed(1)}h0`;
      g.append(svg("path", { d: path, stroke: i % 2 ? PALETTE[4] : PALETTE[0], "stroke-width": 3, "stroke-linecap": "round", "stroke-opacity": 0.7 }));
      if (w > 16) g.append(svg("text", { x: x0 + w / 2, y: top + height + 18, "text-anchor": "middle", "font-size": 11 }, c.name.replace(/^chr/, "").slice(0, 8)));
      from += c.length;
    });
    return figure("manhattan", m.title, g);
  };

  // ---- Tables: sorted and searched whole, drawn by what is seen ----
  const ROW = 26;
  const table = (t, onPick) => {
    const count = t.rows;
    let order = Uint32Array.from({ length: count }, (_, i) => i);
    let [sorted, down] = [-1, true];
    const cell = (c, i) => (c.numbers ? (c.numbers[i] === null ? "NA" : c.integer ? String(c.numbers[i]) : short(c.numbers[i])) : c.texts[i]);
    const full = (c, i) => (c.numbers ? (c.numbers[i] === null ? "NA" : String(c.numbers[i])) : c.texts[i]);
    const status = el("span", { class: "note", "aria-live": "polite" });
    const search = el("input", { type: "search", class: "grow", placeholder: "search all columns", "aria-label": `search ${t.title}` });
    const head = el("tr");
    const body = el("tbody");
    const [above, below] = [el("tbody"), el("tbody")];
    const box = el("div", { class: "scroll", tabindex: 0, "aria-label": t.title });
    let selected = -1;
    const draw = () => {
      const first = Math.max(0, Math.floor(box.scrollTop / ROW) - 8);
      const last = Math.min(order.length, first + Math.ceil(box.clientHeight / ROW || 18) + 18);
      const spacer = (n) => { const row = el("tr"); row.append(el("td", { style: `height:${n * ROW}px;padding:0;border:0`, colspan: t.columns.length })); return row; };
      above.replaceChildren(...(first ? [spacer(first)] : []));
      below.replaceChildren(...(last < order.length ? [spacer(order.length - last)] : []));
      body.replaceChildren(...Array.from(order.subarray(first, last), (i) => {
        const row = el("tr", onPick ? { class: "pick", tabindex: 0, "aria-selected": String(i === selected) } : {});
        for (const c of t.columns) {
          const text = cell(c, i);
          const td = el("td", { class: c.numbers ? "n" : "", title: full(c, i) });
          if (c.link && text !== "NA" && text !== ".") td.append(el("a", { href: c.link === "dbsnp" ? "https://www.ncbi.nlm.nih.gov/snp/" + encodeURIComponent(text) : t.browser + encodeURIComponent(text), rel: "noopener noreferrer", target: "_blank" }, text));
          else td.append(text);
          row.append(td);
        }
        if (onPick) {
          const act = () => { selected = i; onPick(i); draw(); };
          row.addEventListener("click", act);
          row.addEventListener("keydown", (e) => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); act(); } });
        }
        return row;
      }));
    };
    const arrange = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let kept = Array.from({ length: count }, (_, i) => i);
      if (words.length) kept = kept.filter((i) => {
        const text = t.columns.map((c) => full(c, i)).join("\t").toLowerCase();
        return words.every((w) => text.includes(w));
      });
      if (sorted >= 0) {
        const c = t.columns[sorted];
        const sign = down ? -1 : 1;
        if (c.numbers) {
          const v = c.numbers;
          kept.sort((a, b) => (v[a] === null) - (v[b] === null) || (v[a] === null ? a - b : sign * (v[a] - v[b]) || a - b));
        } else {
          kept.sort((a, b) => sign * (c.texts[a] < c.texts[b] ? -1 : c.texts[a] > c.texts[b] ? 1 : 0) || a - b);
        }
      }
      order = Uint32Array.from(kept);
      status.textContent = `${grouped(order.length)} of ${grouped(count)} rows` + (t.left_out ? `; ${grouped(t.left_out)} more ${t.elsewhere || "are in the file"}` : "");
      box.scrollTop = 0;
      draw();
    };
    t.columns.forEach((c, i) => {
      const button = el("button", { type: "button", title: c.about || c.name }, c.name);
      const th = el("th", { scope: "col", "aria-sort": "none" }, button);
      button.addEventListener("click", () => {
        down = sorted === i ? !down : Boolean(c.numbers);
        sorted = i;
        head.querySelectorAll("th").forEach((other, k) => {
          other.setAttribute("aria-sort", k === i ? (down ? "descending" : "ascending") : "none");
          other.firstChild.textContent = t.columns[k].name + (k === i ? (down ? " ▾" : " ▴") : "");
        });
        arrange();
      });
      head.append(th);
    });
    let waiting = 0;
    search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(arrange, 120); });
    box.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
    box.append(el("table", {}, el("thead", {}, head), above, body, below));
    requestAnimationFrame(arrange);
    addEventListener("beforeprint", () => { box.scrollTop = 0; draw(); });
    return el("div", {}, el("div", { class: "bar" }, search, status), box);
  };

  // ---- The picture of a region ----
  // Letters in a box of 1 by 1, y upwards from 0, so that they can be stretched to any height.
  const GLYPHS = {
    A: "M0 0L0.4 1H0.6L1 0H0.79L0.7 0.24H0.3L0.21 0ZM0.36 0.4H0.64L0.5 0.78Z",
    C: "M1 0.34C0.95 0.12 0.78 0 0.54 0C0.2 0 0 0.2 0 0.5S0.2 1 0.54 1C0.78 1 0.95 0.88 1 0.68L0.79 0.62C0.75 0.76 0.67 0.83 0.53 0.83C0.33 0.83 0.21 0.7 0.21 0.5S0.33 0.17 0.53 0.17C0.67 0.17 0.76 0.25 0.79 0.4Z",
    G: "M1 0.52H0.54V0.36H0.79V0.24C0.72 0.19 0.64 0.17 0.55 0.17C0.34 0.17 0.21 0.3 0.21 0.5S0.34 0.83 0.55 0.83C0.67 0.83 0.75 0.78 0.79 0.68L0.99 0.74C0.92 0.92 0.77 1 0.55 1C0.2 1 0 0.8 0 0.5S0.2 0 0.55 0C0.74 0 0.89 0.05 1 0.14Z",
    T: "M0.4 0V0.82H0V1H1V0.82H0.6V0Z",
    N: "M0 0V1H0.22L0.78 0.36V1H1V0H0.78L0.22 0.64V0Z",
  };
  const picture = (regions) => {
    const holder = el("div", { class: "holder" });
    const title = el("h3", { tabindex: -1 });
    const chosen = new Set(regions.tasks.map((_, i) => i));
    let [current, from, to] = [null, 0, 0];
    let drawn = svg("svg", { viewBox: "0 0 1100 100" });
    const choose = el("select", { "aria-label": "region" });
    regions.list.forEach((r, i) => choose.append(el("option", { value: i }, `${r.contig}:${grouped(r.start + 1)}-${grouped(r.end)} ${r.name}`.slice(0, 90))));
    choose.addEventListener("change", () => show(Number(choose.value)));
    const act = (label, name, run) => el("button", { type: "button", "aria-label": name, title: name, on: { click: run } }, label);
    const zoom = (factor, centre = (from + to) / 2) => {
      const length = current.end - current.start;
      const width = Math.max(12, Math.min(length, (to - from) * factor));
      const share = (centre - from) / (to - from);
      place(centre - share * width, width);
    };
    const place = (start, width) => {
      const length = current.end - current.start;
      from = Math.max(0, Math.min(length - width, start));
      to = from + width;
      draw();
    };
    const pan = (share) => place(from + share * (to - from), to - from);
    const checks = regions.tasks.map((task, i) => {
      const box = el("input", { type: "checkbox", checked: "" });
      box.addEventListener("change", () => { if (box.checked) chosen.add(i); else chosen.delete(i); draw(); });
      return el("label", {}, box, " ", task);
    });
    const stage = el("figure", { tabindex: 0, "aria-label": "activity, importance and effects along the region; arrow keys move, + and - zoom, 0 shows all" });
    stage.addEventListener("keydown", (e) => {
      const keys = { ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2), "+": () => zoom(0.7), "=": () => zoom(0.7), "-": () => zoom(1.4), 0: () => place(0, current.end - current.start) };
      if (keys[e.key]) { e.preventDefault(); keys[e.key](); }
    });
    const LEFT = 96;
    const WIDTH = 990;
    const toBase = (event) => {
      const box = drawn.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * 1100;
      return from + ((x - LEFT) / WIDTH) * (to - from);
    };
    let dragged = null;
    stage.addEventListener("wheel", (e) => { if (e.ctrlKey || e.shiftKey) { e.preventDefault(); zoom(e.deltaY > 0 ? 1.2 : 0.83, toBase(e)); } }, { passive: false });
    stage.addEventListener("mousedown", (e) => { dragged = { at: toBase(e), from }; });
    addEventListener("mouseup", () => { dragged = null; });

    const draw = () => {
      const r = current;
      const tasks = [...chosen].sort((a, b) => a - b);
      const first = Math.max(0, Math.floor(from));
      const last = Math.min(r.end - r.start, Math.ceil(to));
      const sx = (i) => LEFT + ((i - from) / (to - from)) * WIDTH;
      const base = WIDTH / (to - from);
      const parts = [];
      let top = 6;
      const g = svg("svg", { role: "img", "aria-label": `${r.contig} ${r.start + 1} to ${r.end}` });
      const clip = "clip" + Math.random().toString(36).slice(2);
      g.append(svg("defs", {}, svg("clipPath", { id: clip }, svg("rect", { x: LEFT, y: 0, width: WIDTH, height: 4000 }))));
      const inside = svg("g", { "clip-path": `url(#${clip})` });
      const label = (text, y, colour) => g.append(svg("text", { x: LEFT - 8, y, "text-anchor": "end", "font-size": 11, ...(colour ? { fill: colour } : {}) }, text));
      const scale = (values, y, height, zero) => {
        const r = range(values, zero);
        for (const t of ticks(r[0], r[1], 2)) {
          const ty = y + height - ((t - r[0]) / (r[1] - r[0])) * height;
          g.append(svg("line", { x1: LEFT, x2: LEFT + WIDTH, y1: ty, y2: ty, stroke: "var(--line)", "stroke-width": t === 0 ? 1.2 : 0.5 }));
          g.append(svg("text", { x: LEFT - 4, y: ty + 4, "text-anchor": "end", "font-size": 9.5, fill: "var(--soft)" }, short(t)));
        }
        return (v) => y + height - ((v - r[0]) / (r[1] - r[0])) * height;
      };
      if (tasks.some((t) => r.tasks[t].activity)) {
        const seen = tasks.flatMap((t) => (r.tasks[t].activity ? Array.from(r.tasks[t].activity.subarray(first, last)) : []));
        g.append(svg("text", { x: LEFT, y: top + 9, "font-size": 11, "font-weight": 600 }, "activity"));
        const sy = scale(seen, top + 14, 74, false);
        tasks.forEach((t) => {
          const a = r.tasks[t].activity;
          if (!a) return;
          let [path, open] = ["", false];
          for (let i = first; i < last; i++) {
            if (!Number.isFinite(a[i])) { open = false; continue; }
            path += `${open ? "L" : "M"}${sx(i).toFixed(1)} ${sy(a[i]).toFixed(1)}H${sx(i + 1).toFixed(1)}`;
            open = true;
          }
          inside.append(svg("path", { d: path, fill: "none", stroke: PALETTE[t % PALETTE.length], "stroke-width": 1.8 }));
        });
        tasks.forEach((t, k) => {
          g.append(svg("text", { x: LEFT + 62 + k * 150, y: top + 9, "font-size": 11, fill: PALETTE[t % PALETTE.length], "font-weight": 600 }, regions.tasks[t].slice(0, 22)));
        });
        parts.push({ top: top + 14, bottom: top + 88, say: (i) => tasks.filter((t) => r.tasks[t].activity).map((t) => `${regions.tasks[t]} activity ${exact(r.tasks[t].activity[i])}`) });
        top += 100;
      }
      for (const t of tasks) {
        const imp = r.tasks[t].importance;
        if (imp) {
          const y = top + 18;
          const sy = scale(imp.subarray(first, last), y, 66, true);
          g.append(svg("text", { x: LEFT, y: y - 5, "font-size": 11, "font-weight": 600, fill: PALETTE[t % PALETTE.length] }, `${regions.tasks[t].slice(0, 40)} ${regions.of_bases}`));
          const paths = { A: "", C: "", G: "", T: "", N: "" };
          const letters = base > 3.2;
          for (let i = first; i < last; i++) {
            if (!Number.isFinite(imp[i]) || imp[i] === 0) continue;
            const letter = "ACGT".includes(r.sequence[i]) ? r.sequence[i] : "N";
            if (letters) {
              // Upright above the line, turned over below it.
              const node = svg("path", { d: GLYPHS[letter], fill: letter === "N" ? "var(--soft)" : `var(--${letter})`, "fill-rule": "evenodd",
                transform: `translate(${(sx(i) + base * 0.04).toFixed(2)} ${sy(0).toFixed(2)}) scale(${(base * 0.92).toFixed(3)} ${(sy(imp[i]) - sy(0)).toFixed(3)})` });
              inside.append(node);
            } else {
              paths[letter] += `M${sx(i + 0.5).toFixed(1)} ${sy(0).toFixed(1)}V${sy(imp[i]).toFixed(1)}`;
            }
          }
          for (const [letter, d] of Object.entries(paths)) if (d) inside.append(svg("path", { d, stroke: letter === "N" ? "var(--soft)" : `var(--${letter})`, "stroke-width": Math.max(0.7, base * 0.85), fill: "none" }));
          parts.push({ top: y, bottom: y + 66, say: (i) => [`${regions.tasks[t]} ${regions.of_bases} ${exact(imp[i])}`] });
          top += 90;
        }
        const effects = r.tasks[t].effects;
        if (effects) {
          const y = top;
          let most = 0;
          for (let i = first * 4; i < last * 4; i++) if (Math.abs(effects[i]) > most) most = Math.abs(effects[i]);
          const height = 9;
          for (let b = 0; b < 4; b++) g.append(svg("text", { x: LEFT - 4, y: y + b * height + 8, "text-anchor": "end", "font-size": 8.5, fill: `var(--${BASES[b]})` }, BASES[b]));
          for (let i = first; i < last; i++) {
            for (let b = 0; b < 4; b++) {
              const v = effects[i * 4 + b];
              const reference = r.sequence[i] === BASES[b];
              if (!reference && (!Number.isFinite(v) || Math.abs(v) < most * 0.02)) continue;
              inside.append(svg("rect", { x: sx(i).toFixed(2), y: y + b * height, width: Math.max(0.4, base - (base > 4 ? 0.4 : 0)).toFixed(2), height: height - 0.5,
                fill: reference ? "var(--line)" : v > 0 ? "var(--up)" : "var(--down)", "fill-opacity": reference ? 0.8 : Math.min(1, 0.08 + 0.92 * Math.abs(v) / (most || 1)).toFixed(3) }));
            }
          }
          parts.push({ top: y, bottom: y + 4 * height, say: (i, row) => {
            const b = Math.max(0, Math.min(3, Math.floor(row / height)));
            return [r.sequence[i] === BASES[b] ? `${BASES[b]} is the reference` : `${regions.tasks[t]} ${r.sequence[i]}>${BASES[b]}: effect ${exact(effects[i * 4 + b])}`];
          } });
          top += 4 * height + 12;
        }
      }
      for (const track of r.annotations) {
        label(track.name.slice(0, 15), top + 9);
        track.intervals.forEach(([s, e, name]) => {
          if (e < first || s > last) return;
          inside.append(svg("rect", { x: sx(s), y: top + 1, width: Math.max(1, sx(e) - sx(s)), height: 9, fill: "var(--soft)", "fill-opacity": 0.6 }));
          // As much of the name as there is room for.
          const room = Math.floor((Math.min(LEFT + WIDTH, sx(e)) - Math.max(LEFT, sx(s))) / 6);
          // HOCOMOCO's names begin with the factor's, behind which a dot stands; JASPAR's numbers are whole.
          const label = /^MA\d/.test(name) ? name : name.replace(/^(\w{2,})\.\S+/, "$1");
          if (name && room > 2) inside.append(svg("text", { x: Math.max(LEFT, sx(s)) + 1, y: top + 20, "font-size": 9 }, label.slice(0, room)));
        });
        const here = (i) => track.intervals.filter(([s, e]) => s <= i && i < e).map(([, , name]) => name || track.name);
        parts.push({ top, bottom: top + 22, say: (i) => here(i).slice(0, 6) });
        top += 24;
      }
      // Positions count from 1, as people read them.
      for (const t of ticks(r.start + from + 1, r.start + to, 8)) {
        if (!Number.isInteger(t)) continue;
        const x = sx(t - 1 - r.start + 0.5);
        g.append(svg("line", { x1: x, x2: x, y1: top, y2: top + 4, stroke: "var(--soft)" }));
        g.append(svg("text", { x, y: top + 16, "text-anchor": "middle", "font-size": 11 }, grouped(t)));
      }
      g.append(svg("text", { x: LEFT - 8, y: top + 16, "text-anchor": "end", "font-size": 11 }, r.contig.slice(0, 14)));
      g.setAttribute("viewBox", `0 0 1100 ${top + 24}`);
      g.append(inside);
      const height = top + 24;
      const cursor = svg("line", { y1: 0, y2: top, stroke: "var(--soft)", "stroke-dasharray": "2 2", visibility: "hidden", class: "cursor" });
      g.append(cursor);
      g.addEventListener("mousemove", (e) => {
        if (dragged) {
          const box = g.getBoundingClientRect();
          const now = dragged.from + (((e.clientX - box.left) / box.width) * 1100 - LEFT) / WIDTH * (to - from);
          place(from + (dragged.at - now) - (from - dragged.from), to - from);
          return;
        }
        const i = Math.floor(toBase(e));
        if (i < first || i >= last) { hideTip(); cursor.setAttribute("visibility", "hidden"); return; }
        const box = g.getBoundingClientRect();
        const y = ((e.clientY - box.top) / box.height) * height;
        const part = parts.find((p) => p.top <= y && y <= p.bottom);
        cursor.setAttribute("x1", sx(i + 0.5)); cursor.setAttribute("x2", sx(i + 0.5)); cursor.setAttribute("visibility", "visible");
        showTip(e, [`${r.contig}:${grouped(r.start + i + 1)} ${r.sequence[i] || ""}`, ...(part ? part.say(i, y - part.top) : [])].join("\n"));
      });
      g.addEventListener("mouseleave", () => { hideTip(); cursor.setAttribute("visibility", "hidden"); });
      stage.replaceChild(g, drawn);
      drawn = g;
    };
    const show = (index, focus) => {
      const r = regions.list[index];
      if (typeof r.tasks[0].importance === "string" || typeof r.tasks[0].activity === "string") {
        for (const t of r.tasks) for (const key of ["activity", "importance", "effects"]) if (typeof t[key] === "string") t[key] = floats(t[key]);
      }
      current = r;
      choose.value = index;
      title.textContent = `${r.contig}:${grouped(r.start + 1)}-${grouped(r.end)}  ${r.name === "." ? "" : r.name}`;
      place(0, r.end - r.start);
      if (focus) { holder.scrollIntoView({ block: "start" }); title.focus(); }
    };
    stage.append(drawn, el("figcaption", {}, el("span", {}, `letters: ${regions.of_bases} of each base; map: ${regions.of_bases === "importance" ? "effect of each change (orange raises, blue lowers activity)" : "contribution that each letter would have (orange above, blue below 0)"}; ctrl or shift and the wheel zoom, dragging moves`),
      ...saveButtons("region", () => drawn)));
    holder.append(title, el("div", { class: "bar" }, choose, act("+", "zoom in", () => zoom(0.6)), act("−", "zoom out", () => zoom(1.6)), act("◂", "left", () => pan(-0.3)), act("▸", "right", () => pan(0.3)),
      act("all", "the whole region", () => place(0, current.end - current.start)), ...checks), stage);
    if (regions.list.length) show(0);
    return [holder, show];
  };

  // ---- The genome view ----
  const genome = (g, regions) => {
    const place = el("div", { id: "igv" });
    const button = el("button", { type: "button" }, "Open the genome view");
    const note = el("p", { class: "note" }, "The pictured regions' tracks in igv.js, from this file alone; other places of the genome are empty.");
    button.addEventListener("click", async () => {
      button.disabled = true;
      // As JavaScript of its own, only when it is wanted: the page opens sooner.
      const code = document.getElementById("igv-code");
      await new Promise((done) => {
        const script = el("script");
        script.textContent = code.textContent;
        document.body.append(script);
        setTimeout(done, 0);
      });
      const fasta = regions.list.map((r) => `>${r.contig}:${r.start + 1}-${r.end} @len=${r.contig_length}\n${r.sequence}\n`).join("");
      const tracks = [];
      regions.tasks.forEach((task, t) => {
        for (const kind of ["activity", "importance"]) {
          const features = [];
          for (const r of regions.list) {
            const text = r.tasks[t][kind];
            if (!text) continue;
            const v = typeof text === "string" ? floats(text) : text;
            for (let i = 0; i < v.length; i++) if (Number.isFinite(v[i])) features.push({ chr: r.contig, start: r.start + i, end: r.start + i + 1, value: v[i] });
          }
          features.sort((a, b) => (a.chr < b.chr ? -1 : a.chr > b.chr ? 1 : a.start - b.start));
          if (features.length) tracks.push({ name: `${task} ${kind}`, type: "wig", height: 60, color: PALETTE[t % PALETTE.length], autoscale: true, features });
        }
      });
      const first = regions.list[0];
      try {
        await igv.createBrowser(place, {
          reference: { id: g.name, fastaURL: "data:text/plain;base64," + btoa(fasta), indexed: false, wholeGenomeView: false },
          // Nothing is asked for outside this file.
          loadDefaultGenomes: false,
          locus: `${first.contig}:${first.start + 1}-${first.end}`, tracks, showSampleNames: false, queryParametersSupported: false,
        });
        button.remove();
      } catch (error) {
        note.textContent = "The genome view could not be drawn: " + error;
      }
    });
    return el("div", {}, note, el("div", { class: "bar" }, button), place);
  };

  // ---- The page ----
  const main = document.querySelector("main");
  const links = document.querySelector("nav div");
  const section = (id, title, ...children) => {
    const heading = el("h2", { id }, title);
    links.append(el("a", { href: "#" + id }, title));
    main.append(el("section", { "aria-labelledby": id }, heading, ...children));
  };
  document.body.append(tip);
  const toggle = document.getElementById("theme");
  toggle.addEventListener("click", () => {
    const dark = document.documentElement.dataset.theme === "dark" || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.dataset.theme = dark ? "light" : "dark";
  });
  let number = 0;
  for (const part of data.parts) {
    number += 1;
    const id = (name) => `${name}-${number}`;
    const prefix = data.parts.length > 1 ? `${part.title}: ` : "";
    let show = null;
    let holder = null;
    if (part.regions && part.regions.list.length) [holder, show] = picture(part.regions);
    const wanted = new Map((part.regions ? part.regions.list : []).map((r, i) => [r.row, i]));
    if (part.elements) {
      section(id("elements"), prefix + "Strongest elements", el("p", { class: "note" }, part.elements.note),
        table(part.elements, show ? (i) => { const at = wanted.get(part.elements.region[i]); if (at !== undefined) show(at, true); } : null));
    }
    if (holder) section(id("picture"), prefix + "Regions, base by base", el("p", { class: "note" }, part.regions.note), holder);
    if ((part.manhattan || []).length) section(id("along"), prefix + "Along the genome", ...part.manhattan.map(manhattan));
    if ((part.curves || []).length) section(id("curves"), prefix + "Learning curves", el("div", { class: "grid" }, ...part.curves.map(curve)));
    if ((part.histograms || []).length || (part.scatters || []).length) {
      section(id("distributions"), prefix + "Distributions",
        el("div", { class: "grid" }, ...(part.histograms || []).map((h, i) => histogram(h, PALETTE[i % PALETTE.length])), ...(part.scatters || []).map((s) => scatter(s, PALETTE[0]))));
    }
    for (const t of part.tables) {
      const pick = t.regions && show ? (i) => { const at = wanted.get(i); if (at !== undefined) show(at, true); } : null;
      section(id("table-" + t.id), prefix + t.title, el("p", { class: "note" }, t.note), table(t, pick));
    }
    if (part.figures.length) {
      section(id("figures"), prefix + "Figures", el("div", { class: "grid" }, ...part.figures.map((f) => {
        const image = el("img", { src: "data:image/svg+xml;base64," + f.svg, alt: f.title, loading: "lazy" });
        return el("figure", {}, image, el("figcaption", {}, el("span", {}, f.title), el("a", { href: image.src, download: f.title }, "SVG")));
      })));
    }
    if (part.genome && part.regions && part.regions.list.length && document.getElementById("igv-code")) section(id("genome"), prefix + "Genome view", genome(part.genome, part.regions));
    const list = el("dl");
    for (const [key, value] of part.run.facts) list.append(el("dt", {}, key), el("dd", {}, value));
    section(id("run"), prefix + "What was run", ...part.run.warnings.map((w) => el("p", { class: "warning" }, w)),
      el("h3", {}, "In words"), el("p", {}, part.run.methods), el("h3", {}, "Command"), el("pre", {}, part.run.command), list);
  }
  document.querySelector("footer").append(el("p", {}, data.citation));
  document.documentElement.dataset.ready = "true";
})();
