// What the browser tests share: servers, which end with their test, and pages, which tell what went wrong on them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

export const program = process.env.HOIST_PROGRAM;
const PATIENCE_MS = 120_000; // a busy machine takes its time

// A server on free ports, ended after the test t, and what still runs with it. Its stderr is the test's, so that a
// sanitizer's report is seen.
export async function startServer(t, ...options) {
  const child = spawn(program, ["--port", "0", "--log-level", "error", "--drain-ms", "1", ...options],
    { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const address = async pattern => {
    const { value } = await lines.next();
    const match = pattern.exec(value ?? "");
    if (!match) throw new Error(`the server says: ${value}`);
    return match[1];
  };
  const server = {
    data: `http://${await address(/^listening on ([^,]+), /)}`,
    admin: `http://${await address(/^admin on (.+)$/)}`,
    async stop() {
      if (child.exitCode != null || child.signalCode != null) return;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    },
    async stats() {
      return (await fetch(`${server.admin}/stats`)).json();
    },
  };
  t.after(server.stop);
  return server;
}

export function startBrowser() {
  const root = process.getuid() === 0; // whom Chromium gives no sandbox
  const args = ["--disable-dev-shm-usage", ...(root ? ["--no-sandbox"] : [])]; // a container has little of that
  return chromium.launch({ executablePath: process.env.CHROMIUM, args, timeout: PATIENCE_MS });
}

// A page, closed after the test; page.complaints collects what a console would show in red, page.hosts who was asked.
export async function newPage(t, browser, options = {}) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
  page.setDefaultTimeout(PATIENCE_MS);
  page.complaints = [];
  page.hosts = new Set();
  page.on("console", message => {
    if (["error", "warning"].includes(message.type())) page.complaints.push(message.text());
  });
  page.on("pageerror", error => page.complaints.push(error.stack));
  page.on("request", request => {
    if (!request.url().startsWith("data:")) page.hosts.add(new URL(request.url()).host);
  });
  t.after(() => page.close());
  return page;
}

// The dashboard of a server, once it has heard of it.
export async function openDashboard(t, browser, server, options) {
  const page = await newPage(t, browser, options);
  await page.goto(server.admin);
  await page.waitForSelector("#link[data-state=live]");
  return page;
}

// An event as the server tells it, for what a real one does not do on demand.
export function event(fields) {
  const times = { count: 0, p50: 0, p90: 0, p99: 0, max: 0 };
  return { t: 10, executor: "pool", workers: 8, workers_max: 8, busy: 0, waiting: 0, abandoned: 0, stuck: 0,
    ready: true, draining: false, admitted: 0, finished: 0, cancelled: 0, shed: 0, connections: 0, lag_s: 0, loop: 0,
    answers: 0,
    routes: [{ method: "GET", path: "/", run: "offload", waiting: 0, running: 0, abandoned: 0, shed: 0,
      wait_s: times, run_s: times }],
    n_routes: 1,
    spans: [], skipped: 0, live: [], n_live: fields?.live?.length ?? 0, ...fields };
}

// A dashboard that hears the events given, and then waits for more.
export async function openPicture(t, browser, events, options) {
  const server = await startServer(t);
  const page = await newPage(t, browser, options);
  const body = events.map(e => `data: ${JSON.stringify(e)}\n\n`).join("");
  let asked = 0;
  await page.route("**/events", route => asked++ === 0 && route.fulfill({ contentType: "text/event-stream", body }));
  await page.goto(server.admin);
  await page.waitForFunction(t => model.event && model.event.t === t, events.at(-1).t);
  await page.waitForFunction(() => model.reopened); // for a stream that is made up ends
  await page.evaluate(() => { model.reopened = false; });
  return page;
}

// A page that is told by events that a test makes up is as one that hears, however long the test takes.
export function hears(page) {
  return page.evaluate(() => {
    link = "live";
    model.heard = Infinity;
    showLink();
  });
}

// The bars on seats, as they are drawn: id, seat, top, left and right edge.
export function runBars(page) {
  return page.$$eval(".bar.run", bars => bars.map(bar => {
    const x = Number(bar.getAttribute("x"));
    return { id: bar.dataset.id, seat: Number(bar.dataset.seat), top: Number(bar.getAttribute("y")), left: x,
      right: x + Number(bar.getAttribute("width")), name: bar.getAttribute("aria-label") };
  }).sort((a, b) => a.left - b.left));
}
