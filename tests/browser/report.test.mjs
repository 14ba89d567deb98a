// The report of `hoist experiment --out DIR` in a real browser.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { newPage, program, startBrowser } from "./lib.mjs";

const run = promisify(execFile);
const hasExperiment = await run(program, ["experiment", "--help"])
  .then(help => help.stdout.includes("--out "), () => false);
const skip = hasExperiment ? false : "the program has no experiment";
const JOBS = 8;
const ALL = "all", NAMES = ["1 worker", "2 workers", "inline"]; // several settings on one page
let browser, folder;

// For how long jobs run, so that a busy machine does not change who runs them. Eight workers must each take one before
// the first is done.
const SETTINGS = [
  { workers: 1, route: "/sleep/20", rows: [JOBS] },
  { workers: 8, route: "/sleep/4000", rows: Array(JOBS).fill(1) },
];

before(async () => {
  browser = await startBrowser();
  folder = await mkdtemp(join(tmpdir(), "hoist-report-"));
  if (!hasExperiment) return;
  for (const { workers, route } of SETTINGS)
    await experiment("--workers", String(workers), "--jobs", String(JOBS), "--route", route, "--out", folderOf(workers));
  const several = ["--workers", "1,2", "--compare", "inline", "--jobs", "4", "--route", "/sleep/400"];
  await experiment(...several, "--out", folderOf(ALL));
});

after(async () => {
  await browser.close();
  await rm(folder, { recursive: true });
});

function folderOf(workers) {
  return join(folder, String(workers));
}

// On a busy machine it finds that it does not agree with theory, and says so by its status too; the report is there.
async function experiment(...options) {
  await run(program, ["experiment", ...options]).catch(error => {
    if (!error.stdout?.includes("The page: ")) throw error;
  });
}

// The rows of the bars, from top to bottom, and how many bars each has. A request's bar has a title, the key's has not.
async function bars(page) {
  const tops = await page.$$eval("rect.bar", rects => rects.filter(rect => rect.querySelector("title"))
    .map(rect => rect.getAttribute("y")));
  return tops.reduce((rows, y) => rows.set(y, (rows.get(y) ?? 0) + 1), new Map());
}

for (const file of ["lanes.svg", "index.html"])
  test(`${file} has a bar for each request, on one row for 1 worker and on eight for 8`, { skip }, async t => {
    for (const { workers, rows } of SETTINGS) {
      const page = await newPage(t, browser);
      await page.goto(pathToFileURL(join(folderOf(workers), file)).href);

      assert.deepEqual([...(await bars(page)).values()], rows, `${workers} workers`);
      assert.deepEqual(page.complaints, []);
    }
  });

// The page of all settings, and its data.
async function openAll(t) {
  const page = await newPage(t, browser);
  await page.goto(pathToFileURL(join(folderOf(ALL), "index.html")).href);
  return { page, data: JSON.parse(await page.textContent("#data")) };
}

// What is told, as a number: "1.201 s", "0.15 ms", "2.00 x", "+0.1 %", "2.50".
function valueOf(text) {
  const [, number, unit] = /^([-+]?[\d.]+)(?: (m?s|x|%))?$/.exec(text) ?? [];
  return number === undefined ? null : number * ({ ms: 0.001, "%": 0.01 }[unit] ?? 1);
}

// With three digits, a sign where that is told, and of a share one digit behind the point.
function assertSays(text, value, what) {
  const least = /%$/.test(text) ? 0.0006 : /ms$/.test(text) ? 6e-6 : / s$/.test(text) ? 0.0006 : 0.006;

  if (value === null) return assert.equal(text, "-", what);
  assert.ok(Math.abs(valueOf(text) - value) <= Math.max(least, 0.006 * Math.abs(value)), `${what}: ${text}, ${value}`);
  if (/^[-+]/.test(text)) assert.equal(text[0], value < 0 ? "-" : "+", what);
}

// By its heads, what each table shows of a setting.
const COLUMNS = [{
  makespan: s => s.makespan_s,
  "speed-up": s => s.speedup,
  "wait mean": s => s.wait_mean_s,
  "wait max": s => s.wait_max_s,
  "run mean": s => s.run_mean_s,
  busy: s => s.busy,
  "/dummy p50": s => s.dummy_p50_s,
  "/dummy p99": s => s.dummy_p99_s,
  "/dummy max": s => s.dummy_max_s,
  503: s => s.shed,
}, {
  "makespan predicted": s => s.predicted_s,
  "makespan measured": s => s.makespan_s,
  off: s => s.makespan_s / s.predicted_s - 1,
  "p99 predicted": s => s.latency_p99_predicted_s,
  "p99 measured": s => s.latency_p99_s,
  "in flight L": (s, little) => little.l,
  "in flight X x W": (s, little) => little.x * little.w_s,
  "handler CPU": s => s.cpu_share,
}];

test("tables, the verdict and the warnings say what the data says", { skip }, async t => {
  const { page, data } = await openAll(t);
  const tables = await page.$$eval("table", all => all.map(table => [...table.rows].map(row =>
    [...row.cells].map(cell => cell.innerText.trim().split(/\s*\n\s*/).join(" ")))));

  for (const [i, [heads, ...rows]] of tables.entries()) {
    assert.deepEqual(heads.slice(1).sort(), Object.keys(COLUMNS[i]).sort());
    assert.deepEqual(rows.map(row => row[0]), NAMES);
    for (const [k, row] of rows.entries())
      for (const [j, head] of heads.entries())
        if (j > 0) assertSays(row[j], COLUMNS[i][head](data.settings[k], data.littles_law[k]), `${head}, ${row[0]}`);
  }
  assert.equal(await page.textContent(".lead"), data.verdict);
  assert.deepEqual(await page.$$eval("ul.warnings li", all => all.map(one => one.textContent)), data.warnings);
});

// A picture's parts, in its order; where they are is told in the seconds of its axis.
function readPicture(page, name) {
  return page.getByRole("region", { name, exact: true }).evaluate(region => {
    const all = selector => [...region.querySelectorAll(selector)];
    const number = (part, name) => Number(part.getAttribute(name));
    const ticks = all("text[text-anchor=middle].soft").map(text => {
      const [value, unit] = text.textContent.split(" ");
      return [number(text, "x"), value * (unit === "ms" ? 0.001 : 1)];
    });
    const [[x0, s0], [x1, s1]] = [ticks[0], ticks.at(-1)];
    const at = x => s0 + (x - x0) / (x1 - x0) * (s1 - s0);
    const points = path => {
      let x, y;
      return [...path.getAttribute("d").matchAll(/([MLHV])([\d.]+)(?: ([\d.]+))?/g)].map(([, how, a, b]) => {
        if (how !== "V") x = at(Number(a));
        if (how !== "H") y = Number(b ?? a);
        return [x, y];
      });
    };
    return {
      said: all("svg > text.soft:not([text-anchor])").map(text =>
        [text.previousElementSibling.getAttribute("class"), text.textContent]),
      lanes: all(".lane").map(lane => number(lane, "y")),
      bars: all(".bar:has(title)").map(bar => ({ y: number(bar, "y"), title: bar.textContent,
        from: at(number(bar, "x")), to: at(number(bar, "x") + number(bar, "width") + 1) })),
      late: all(".late").map(block => at(number(block, "x") + number(block, "width")) - at(number(block, "x"))),
      waits: all("path.wait").map(points),
      lines: all("g > path.s").map(line => [line.getAttribute("class"), points(line)]),
      levels: all("g > text[text-anchor=end]").map(text => [text.textContent, number(text, "y") - 4]),
    };
  });
}

function assertNear(a, b, what) {
  assert.ok(Math.abs(a - b) < 0.2, `${what} at ${a}, not ${b}`); // a request may come late; it runs for longer
}

test("each request is where the axis says that it was served, and what waits ends there", { skip }, async t => {
  const { page, data } = await openAll(t);
  const { said, bars, lanes, late, waits } = await readPicture(page, "Lanes of requests");

  assert.deepEqual(said.splice(0, 4), [["bar", "a request is served"], ["wait", "requests wait"],
    ["tick", "/dummy is answered"], ["late", "/dummy is kept waiting"]]);
  for (const [i, { workers, makespan_s, dummy_max_s }] of data.settings.entries()) {
    const own = lanes.splice(0, workers || 1), served = bars.splice(0, 4);
    for (const { y, title, from, to } of served) {
      const [waited, ran] = /^request \d: waited (.+), ran (.+)$/.exec(title).slice(1).map(valueOf);
      assert.ok(own.includes(y), `${title}: on a lane of its setting`);
      assertNear(from, waited, `${title}: begins`);
      assertNear(to, from + ran, `${title}: ends`);
    }
    assertNear(Math.max(...served.map(bar => bar.to)), makespan_s, "the last one ends");
    const [[, ground]] = waits[i], most = Math.min(...waits[i].map(([, y]) => y));
    assert.ok(waits[i].findIndex(([, y]) => y === most) < waits[i].length / 2, "most wait at the beginning");
    assertNear(waits[i].findLast(([, y]) => y < ground)[0], Math.max(...served.map(bar => bar.from)), "no more wait");
    const [, answered, probe] = /^all answered after (.+); \/dummy after (.+) at most$/.exec(said[i][1]);
    assertSays(answered, makespan_s, NAMES[i]);
    assertSays(probe, dummy_max_s, NAMES[i]);
  }
  assertNear(Math.max(...late), data.settings.at(-1).dummy_max_s, "the loop is free");
});

test("charts have each setting's line, at the levels that are written beside them", { skip }, async t => {
  const { page, data } = await openAll(t);
  const probe = await readPicture(page, "What the probe took");
  const requests = await readPicture(page, "What requests took");
  const { bars } = await readPicture(page, "Lanes of requests");
  const yOf = ({ levels }, value, scale) => {
    const [[a, bottom], [b, top]] = [levels[0], levels.at(-1)].map(([text, y]) => [scale(valueOf(text)), y]);
    return bottom + (scale(value) - a) / (b - a) * (top - bottom);
  };

  for (const { said, lines, levels } of [probe, requests]) {
    const looks = ["s s0 w0", "s s1 w0", "s s2 w0"];
    assert.deepEqual(said, looks.map((look, i) => [look, NAMES[i]]));
    assert.deepEqual(lines.map(([look]) => look), looks);
    assert.ok(levels.at(-1)[1] < levels[0][1], "more is higher");
  }
  for (const [i, { dummy_max_s, makespan_s, answered }] of data.settings.entries()) {
    const took = probe.lines[i][1], shares = requests.lines[i][1];
    const longest = Math.min(...took.map(([, y]) => y));
    assert.ok(Math.abs(longest - yOf(probe, dummy_max_s, Math.log10)) < 0.2, `the longest /dummy, ${NAMES[i]}`);
    assert.ok(took[0][0] < makespan_s / 5, "it is told when it was due, not when it was answered");
    const ends = bars.splice(0, answered).map(bar => bar.to).sort((a, b) => a - b);
    const steps = [...new Set(shares.map(([, y]) => y))];
    assert.equal(steps.length, answered + 1);
    for (const [k, y] of steps.entries()) {
      assert.ok(Math.abs(y - yOf(requests, k / answered, share => share)) < 0.2, `${k} of ${answered}, ${NAMES[i]}`);
      if (k > 0) assertNear(shares.find(point => point[1] === y)[0], ends[k - 1], `${k} of ${answered}, ${NAMES[i]}`);
    }
  }
});

// Of a picture 960 wide that shrinks to the screen, text of 12 would be 4.5 high.
test("on a narrow screen text can be read: pictures scroll, the page does not", { skip }, async t => {
  const page = await newPage(t, browser);
  await page.setViewportSize({ width: 400, height: 800 });
  await page.goto(pathToFileURL(join(folderOf(8), "index.html")).href);

  const heights = await page.$$eval("figure text.soft", texts => texts.map(text => text.getBoundingClientRect().height));
  assert.ok(heights.length > 0 && Math.min(...heights) >= 9, `${Math.min(...heights)} px`);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 400);
});

test("on paper pictures are as wide as the text", { skip }, async t => {
  const page = await newPage(t, browser);
  await page.setViewportSize({ width: 400, height: 800 });
  await page.emulateMedia({ media: "print" });
  await page.goto(pathToFileURL(join(folderOf(8), "index.html")).href);

  const widths = await page.$$eval("svg", pictures => pictures.map(picture => picture.getBoundingClientRect().width));
  assert.ok(Math.max(...widths) <= 400, `${widths}`);
});

test("what belongs to a heading is below it, and all to the page's main part", { skip }, async t => {
  const page = await newPage(t, browser);
  await page.goto(pathToFileURL(join(folderOf(1), "index.html")).href);

  assert.equal(await page.locator("body > :not(main, script)").count(), 0);
  const parts = await page.$$eval("h1, h2, svg, table, ul.warnings, dl", all => all.map(part =>
    part.matches("h1, h2") ? part.textContent : part.localName));
  assert.deepEqual(parts, ["What do more workers buy?", "svg", "Measured", "table", "Predicted beside measured", "table",
    "Warnings", "ul", "Latencies", "svg", "svg", "How to read it", "dl"]);
});

test("what scrolls can be reached by keys and has a name, and so do tables and their heads", { skip }, async t => {
  const page = await newPage(t, browser);
  await page.setViewportSize({ width: 360, height: 800 });
  await page.goto(pathToFileURL(join(folderOf(8), "index.html")).href);

  const scrolling = await page.$$eval("body *", all => all.filter(box => box.scrollWidth > box.clientWidth &&
    getComputedStyle(box).overflowX === "auto").map(box => box.getAttribute("aria-label")));
  assert.equal(scrolling.length, 5);
  for (const name of scrolling) {
    const box = page.getByRole("region", { name, exact: true });
    await box.focus();
    await page.keyboard.press("End");
    await page.keyboard.press("ArrowRight");
    await page.waitForFunction(box => box.scrollLeft > 0, await box.elementHandle());
  }
  assert.equal(await page.getByRole("table", { name: "Measured", exact: true }).count(), 1);
  assert.equal(await page.getByRole("rowheader", { name: "8 workers" }).count(), 2);
  assert.equal(await page.locator("th:not([scope]), th:empty").count(), 0);
});

// WCAG 2.1 of two colours that the browser computed.
function contrastOf(colours) {
  const [less, more] = colours.map(colour => colour.match(/\d+/g).map(value => value / 255)
    .map(value => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0)).sort((a, b) => a - b);
  return (more + 0.05) / (less + 0.05);
}

// WCAG 2.1: 4.5 for text of this size, 3 for what is no text.
test("the numbers on bars can be read, and what waits can be seen", { skip }, async t => {
  for (const colorScheme of ["light", "dark"]) {
    const page = await newPage(t, browser, { colorScheme });
    await page.goto(pathToFileURL(join(folderOf(8), "index.html")).href);

    const numbers = await page.$$eval(".number", all => all.map(number =>
      [number, number.previousElementSibling].map(element => getComputedStyle(element).fill)));
    assert.equal(numbers.length, JOBS);
    const least = Math.min(...numbers.map(contrastOf));
    assert.ok(least >= 4.5, `${colorScheme}: ${least}`);
    for (const ground of [".ground", ".lane"]) {
      const wait = contrastOf(await page.evaluate(names => names.map(name =>
        getComputedStyle(document.querySelector(name)).fill), [".wait", ground]));
      assert.ok(wait >= 3, `${colorScheme}: ${wait} on ${ground}`);
    }
  }
});
