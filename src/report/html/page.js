// What the page can do beyond being read: switch series, show a sample, sort a table, hand out the log.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

  // The samples: gzip in the download link, which works without this script too.
  const link = document.getElementById("samples");
  const log = (async () => {
    const packed = Uint8Array.from(atob(link.href.slice(link.href.indexOf(",") + 1)), c => c.charCodeAt(0));
    return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  })();
  const rows = log.then(text => text.split("\n"));
  link.addEventListener("click", async event => {
    event.preventDefault();
    const plain = document.createElement("a");
    plain.href = URL.createObjectURL(new Blob([await log], { type: "application/jsonl" }));
    plain.download = link.download.replace(/\.gz$/, "");
    plain.click();
    setTimeout(() => URL.revokeObjectURL(plain.href), 10_000);
  });
  link.textContent = link.dataset.plain;

  // The colour scheme.
  const scheme = document.getElementById("scheme");
  scheme.hidden = false;
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  scheme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; });

  // The legend. What is an image has no buttons in it for those who cannot see it.
  for (const figure of all("svg.figure")) figure.setAttribute("role", "group");
  const toggle = key => {
    const shown = key.getAttribute("aria-pressed") === "false";
    const name = key.dataset.key;
    for (const same of all("[data-key]")) if (same.dataset.key === name) same.setAttribute("aria-pressed", shown);
    for (const series of all("[data-series]")) if (series.dataset.series === name) series.classList.toggle("off", !shown);
  };
  for (const key of all("[data-key]")) {
    key.setAttribute("role", "button");
    key.setAttribute("tabindex", "0");
    key.setAttribute("aria-pressed", "true");
    key.setAttribute("aria-label", "show " + key.dataset.key);
    key.addEventListener("click", () => toggle(key));
    key.addEventListener("keydown", event => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); toggle(key); }
    });
  }

  // A sample: hover a dot, or focus a figure and walk its dots with the arrow keys.
  const tip = document.getElementById("tip");
  let here = null;
  const moments = ["due", "dial", "connect", "tls", "sent", "sent_end", "first_byte", "first_event", "role", "first_token", "first_content", "last_token", "end"];
  const stamps = row => moments.filter(m => Number.isFinite(row[m + "_ns"]))
    .map(m => [m.replace(/_/g, " "), ((row[m + "_ns"] - row.sent_ns) / 1e6).toFixed(3) + " ms"]);
  const facts = row => ["cached_tokens", "prompt_tokens", "completion_tokens"]
    .map(name => [name, (row.usage || row)[name]]).filter(([, value]) => Number.isFinite(value))
    .concat(row.stamp ? [["stamped by", row.stamp]] : []);
  const hide = () => { if (here) here.classList.remove("here"); here = null; tip.hidden = true; };
  const show = async dot => {
    if (dot === here) return;
    hide();
    here = dot;
    const title = dot.querySelector("title");
    // The browser's own tooltip would cover ours.
    if (title) { dot.setAttribute("aria-label", title.textContent); title.remove(); }
    dot.classList.add("here");
    const [first, ...others] = (dot.getAttribute("aria-label") || "").split("; ");
    const head = document.createElement("strong");
    head.textContent = first;
    const words = document.createElement("p");
    words.textContent = others.join(" \u00b7 ");
    const table = document.createElement("table");
    const add = (name, value) => {
      const row = table.insertRow();
      row.insertCell().textContent = name;
      row.insertCell().textContent = value;
    };
    let row = {};
    try { row = JSON.parse((await rows)[dot.dataset.row]); } catch { /* a dot that is not one line of the log */ }
    if (dot !== here) return;
    if (Number.isFinite(row.sent_ns)) stamps(row).forEach(pair => add(...pair));
    facts(row).forEach(pair => add(...pair));
    tip.replaceChildren(head, words, table);
    tip.hidden = false;
    const at = dot.getBoundingClientRect();
    const left = Math.max(8, Math.min(at.right + 12, innerWidth - tip.offsetWidth - 8));
    const below = at.bottom + 10 + tip.offsetHeight < innerHeight;
    tip.style.left = left + scrollX + "px";
    tip.style.top = (below ? at.bottom + 10 : Math.max(8, at.top - tip.offsetHeight - 10)) + scrollY + "px";
  };
  document.addEventListener("pointerover", event => {
    const dot = event.target.closest ? event.target.closest("circle[data-trial]") : null;
    if (dot) show(dot); else hide();
  });
  document.addEventListener("keydown", event => { if (event.key === "Escape") hide(); });
  for (const pan of all(".pan")) {
    pan.setAttribute("tabindex", "0");
    pan.addEventListener("blur", hide);
    pan.addEventListener("keydown", event => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step || event.target !== pan) return;
      const dots = all("g[data-series]:not(.off) circle[data-trial]", pan);
      if (!dots.length) return;
      event.preventDefault();
      show(dots[(dots.indexOf(here) + step + dots.length) % dots.length]);
    });
  }

  // Tables.
  for (const head of all("thead th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = row => {
        const cell = row.cells[head.cellIndex];
        return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
      };
      const order = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
      const body = head.closest("table").tBodies[0];
      const sorted = [...body.rows].sort((a, b) => (up ? 1 : -1) * order(value(a), value(b)));
      body.replaceChildren(...sorted);
    });
  }
})();
