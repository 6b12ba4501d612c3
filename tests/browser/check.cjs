// Uses each page as a person would and says what is wrong with it. See run.sh.
"use strict";
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const { chromium } = require("playwright-core");

const [folder, keep, ...names] = process.argv.slice(2);
const quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

const steps = {
  "fits the window": async page => {
    const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(content <= window, `${content} px of content in ${window}`);
  },

  "shows figures whole and their words large enough": async page => {
    const figures = await page.evaluate(() => [...document.querySelectorAll(".pan svg")].filter(svg => svg.checkVisibility()).map(svg => {
      const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
      const words = [...svg.querySelectorAll("text")];
      const beyond = words.filter(text => {
        const [box, around] = [text.getBoundingClientRect(), svg.getBoundingClientRect()];
        return box.left < around.left - 1 || box.right > around.right + 1;
      });
      return {
        name: svg.dataset.figure,
        scrolls: svg.parentElement.scrollWidth > svg.parentElement.clientWidth,
        smallest: Math.min(...words.map(text => scale * parseFloat(getComputedStyle(text).fontSize))),
        beyond: beyond.map(text => text.textContent),
      };
    }));
    for (const { name, scrolls, smallest, beyond } of figures) {
      assert.ok(!scrolls, `${name} scrolls`);
      assert.ok(smallest >= 9.5, `${name} has words of ${smallest.toFixed(1)} px`);
      assert.deepEqual(beyond, [], `${name} is left by its words`);
    }
  },

  "is short enough to read": async page => {
    const [height, width] = await page.evaluate(() => [document.documentElement.scrollHeight, innerWidth]);
    const most = width < 500 ? 9_000 : 5_000;
    assert.ok(height <= most, `${height} px tall`);
  },

  "unfolds by keyboard what it folds": async page => {
    const fold = await page.locator("details:not([open]) > summary").first().elementHandle({ timeout: 500 }).catch(() => null);
    if (!fold) return;
    await fold.focus();
    await page.keyboard.press("Enter");
    assert.ok(await fold.evaluate(summary => summary.parentElement.open));
    await page.keyboard.press("Enter");
  },

  "says the result first": async page => {
    const text = await page.locator(".verdict h2").innerText();
    assert.match(text, /hit|compare|The cache|knee|requests a second/);
    const [figures, verdict] = await page.evaluate(() => [".figures", ".verdict"].map(part =>
      document.querySelector(part).getBoundingClientRect().top));
    assert.ok(verdict < figures, "the verdict stands above the figures");
  },

  "shows a sample under the pointer": async (page, log) => {
    const dot = page.locator("circle[data-trial]").first();
    if (!await dot.count()) return;
    await dot.scrollIntoViewIfNeeded();
    await dot.hover({ force: true });
    await page.waitForFunction(() => !document.getElementById("tip").hidden);
    const shown = await page.locator("#tip").innerText();
    const here = page.locator("circle.here");
    const row = JSON.parse(log[await here.getAttribute("data-row")]);
    assert.match(shown, new RegExp(`(trial|pair) `));
    if (row.sent_ns !== undefined) {
      const ttft = ((row.first_token_ns - row.sent_ns) / 1e6).toFixed(3) + " ms";
      assert.ok(shown.includes(ttft), `${ttft} is not in: ${shown}`);
    }
    await page.mouse.move(1, 1);
    await page.waitForFunction(() => document.getElementById("tip").hidden);
  },

  "walks the dots by keyboard": async page => {
    const pan = page.locator(".pan:visible", { has: page.locator("circle[data-trial]") }).first();
    if (!await pan.count()) return;
    await pan.focus();
    await page.keyboard.press("ArrowRight");
    await page.waitForFunction(() => !document.getElementById("tip").hidden);
    const first = await page.locator("circle.here").getAttribute("data-row");
    await page.keyboard.press("ArrowRight");
    await page.waitForFunction(row => document.querySelector("circle.here").dataset.row !== row, first);
    await page.keyboard.press("Escape");
    assert.ok(await page.locator("#tip").isHidden());
  },

  "switches a series off and on": async page => {
    const key = page.locator("[data-key]:visible").first();
    if (!await key.count()) return;
    const name = await key.getAttribute("data-key");
    const shown = () => page.evaluate(name => [...document.querySelectorAll("[data-series]")]
      .filter(series => series.dataset.series === name && getComputedStyle(series).display !== "none").length, name);
    const before = await shown();
    assert.ok(before > 0);
    await key.click();
    assert.equal(await shown(), 0);
    assert.equal(await key.getAttribute("aria-pressed"), "false");
    await key.focus();
    await page.keyboard.press("Enter");
    assert.equal(await shown(), before);
  },

  "sorts a table": async page => {
    const table = page.locator("details[open] table").first();
    const head = table.locator("thead th").first();
    const cells = async () => (await table.locator("tbody td:first-child").evaluateAll(cells =>
      cells.map(cell => cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value))));
    const up = (a, b) => typeof a === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
    for (const order of [up, (a, b) => up(b, a)]) {
      await head.locator("button").click();
      const found = await cells();
      assert.deepEqual(found, [...found].sort(order));
    }
    assert.equal(await head.getAttribute("aria-sort"), "descending");
  },

  "prints the heads of its tables": async page => {
    await page.emulateMedia({ media: "print" });
    const heads = page.locator("details table thead th");
    for (const head of await heads.all()) {
      assert.notEqual((await head.innerText()).trim(), "");
      assert.ok(await head.evaluate(head => head.getBoundingClientRect().height > 0), "what is folded is on paper");
    }
    assert.ok(await page.locator("#scheme").isHidden());
    await page.emulateMedia({ media: "screen" });
  },

  "sorts a table by keyboard": async page => {
    const button = page.locator("details[open] table thead th button").nth(1);
    await button.focus();
    await page.keyboard.press("Enter");
    assert.equal(await button.locator("..").getAttribute("aria-sort"), "ascending");
  },

  "prints on paper": async page => {
    const pages = (await page.pdf({ format: "A4" })).toString("latin1").match(/\/Type\s*\/Page\b/g).length;
    assert.ok(pages >= 1 && pages < 20, `${pages} sheets`);
  },

  "hands out the log": async (page, log) => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#samples").click()]);
    assert.equal(download.suggestedFilename(), "samples.jsonl");
    const found = fs.readFileSync(await download.path(), "utf8");
    assert.equal(found, log.join("\n") + "\n");
  },

  "changes its colours": async page => {
    const paper = () => page.evaluate(() => [document.body, document.querySelector("svg.figure > rect")]
      .map(e => getComputedStyle(e)).map(style => style.fill === "rgb(0, 0, 0)" ? style.backgroundColor : style.fill));
    const before = await paper();
    assert.equal(before[0], before[1], "page and figures share a colour");
    await page.locator("#scheme").click();
    const after = await paper();
    assert.equal(after[0], after[1]);
    assert.notEqual(before[0], after[0]);
    await page.locator("#scheme").click();
  },
};

async function check(browser, name, width, colorScheme) {
  const file = path.resolve(folder, name);
  const log = fs.readFileSync(file + ".jsonl", "utf8").trimEnd().split("\n");
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  const messages = [];
  page.on("console", message => messages.push(message.text()));
  page.on("dialog", async dialog => { messages.push("a dialog: " + dialog.message()); await dialog.dismiss(); });
  page.on("pageerror", error => messages.push(error.message));
  page.on("request", request => { if (!/^(file|data|blob):/.test(request.url())) messages.push("asks " + request.url()); });
  await page.goto(pathToFileURL(file + ".html").href);
  await page.screenshot({ path: path.join(keep, `${name}-${width}-${colorScheme}.png`), fullPage: true });
  for (const [step, run] of Object.entries(steps)) {
    await run(page, log).catch(error => { throw new Error(`${name}, ${width} px, ${colorScheme}: ${step}: ${error.message}`); });
  }
  assert.deepEqual(messages, [], `${name}: the console is silent`);
  await page.close();
}

async function checkWithoutScripts(browser, name) {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(pathToFileURL(path.resolve(folder, name + ".html")).href);
  for (const part of [".verdict h2", "svg.figure", "table", "#samples"]) {
    assert.ok(await page.locator(part).first().isVisible(), `${name} without scripts: ${part} is there`);
  }
  assert.ok(await page.locator("#scheme").isHidden(), `${name} without scripts: no switch that does nothing`);
  await context.close();
}

(async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: quiet });
  try {
    for (const name of names) {
      for (const width of [380, 1600]) {
        for (const colorScheme of ["light", "dark"]) await check(browser, name, width, colorScheme);
      }
      await checkWithoutScripts(browser, name);
      console.log(`${name}: ok`);
    }
  } finally {
    await browser.close();
  }
})().catch(error => { console.error(error.message); process.exitCode = 1; });
