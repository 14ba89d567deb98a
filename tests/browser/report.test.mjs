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
