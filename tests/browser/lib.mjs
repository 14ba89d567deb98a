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

// The bars on seats, as they are drawn: id, seat, top, left and right edge.
export function runBars(page) {
  return page.$$eval(".bar.run", bars => bars.map(bar => {
    const x = Number(bar.getAttribute("x"));
    return { id: bar.dataset.id, seat: Number(bar.dataset.seat), top: Number(bar.getAttribute("y")), left: x,
      right: x + Number(bar.getAttribute("width")), name: bar.getAttribute("aria-label") };
  }).sort((a, b) => a.left - b.left));
}
