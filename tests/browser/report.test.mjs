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
