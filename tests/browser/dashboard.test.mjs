// The dashboard of a real server in a real browser.
import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { newPage, openDashboard, runBars, startBrowser, startServer } from "./lib.mjs";

let browser;

before(async () => { browser = await startBrowser(); });
after(() => browser.close());

async function send(page, n, path = "/") {
  await page.selectOption("#route", path);
  await page.fill("#count", String(n));
  await page.click("#send");
}

// Waits until n jobs have ended and are in the picture, which is a little behind.
function untilFinished(page, n) {
  return page.waitForFunction(n => model.event.finished === n && model.spans.size === n &&
    [...model.spans.values()].every(span => span.ended < view.now), n);
}

test("the page loads without an error, and asks nobody but its own server", async t => {
  const server = await startServer(t);
  const page = await newPage(t, browser);
  const answer = await page.goto(server.admin);
  await page.waitForSelector("#link[data-state=live]");

  assert.deepEqual(page.complaints, []);
  assert.deepEqual([...page.hosts], [new URL(server.admin).host]);
  assert.match(answer.headers()["content-security-policy"], /^default-src 'none'; style-src 'sha256-/);
});

test("the page is whole behind a proxy that serves it below a path", async t => {
  const server = await startServer(t, "--workers", "2", "--heavy-ms", "1");
  const proxy = createServer((asked, answer) => {
    if (!asked.url.startsWith("/below/")) return answer.writeHead(404).end();
    asked.pipe(request(server.admin + asked.url.slice(6), { method: asked.method, headers: asked.headers }, told => {
      answer.writeHead(told.statusCode, told.headers);
      told.pipe(answer);
    }));
  }).listen(0, "127.0.0.1");
  t.after(() => proxy.closeAllConnections());
  t.after(() => proxy.close());
  const page = await newPage(t, browser);

  await page.goto(`http://127.0.0.1:${proxy.address().port}/below/`);
  await send(page, 2);
  await untilFinished(page, 2);
  await page.fill("#workers", "1");
  await page.waitForFunction(() => model.event.workers === 1);
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
  assert.equal(await download.failure(), null);
  assert.deepEqual(page.complaints, []);
});

test("without JavaScript the page says so", async t => {
  const server = await startServer(t);
  const page = await newPage(t, browser, { javaScriptEnabled: false });
  await page.goto(server.admin);

  assert.equal(await page.innerText("#sentence"), "This page needs JavaScript; figures are also at /stats");
  assert.equal(await page.textContent("#link"), "");
  await page.click("#sentence a");
  assert.equal(new URL(page.url()).pathname, "/stats");
});

test("with one worker, eight / are eight bars one after another on one seat", async t => {
  const server = await startServer(t, "--workers", "1", "--workers-max", "8", "--heavy-ms", "200");
  const page = await openDashboard(t, browser, server);

  await send(page, 8);
  await untilFinished(page, 8);
  const bars = await runBars(page);

  assert.deepEqual(bars.map(bar => bar.seat), Array(8).fill(0));
  assert.equal(new Set(bars.map(bar => bar.top)).size, 1);
  for (let i = 1; i < 8; i++) assert.ok(bars[i].left >= bars[i - 1].right, `bar ${i} begins too early`);
  for (const bar of bars) assert.match(bar.name, /^\/, id \d+, 200 answered, waited .+, ran .+/);
});

test("with one worker, / show their wait from when they came until they run", async t => {
  const server = await startServer(t, "--workers", "1", "--heavy-ms", "400");
  const page = await openDashboard(t, browser, server);
  const holder = connect(new URL(server.data).port, "127.0.0.1");

  holder.write("GET /sleep/3600000 HTTP/1.1\r\nHost: localhost\r\n\r\n"); // its handler ends soon after its client
  await page.waitForSelector(".bar.run.live");
  await send(page, 8);
  await page.waitForFunction(() => model.event.waiting === 8);
  holder.resetAndDestroy();
  await untilFinished(page, 9);
  const runs = await runBars(page);
  const waits = await page.$$eval(".bar.wait", bars => bars.map(bar => {
    const x = Number(bar.getAttribute("x"));
    return { id: bar.dataset.id, left: x, right: x + Number(bar.getAttribute("width")) };
  }));

  for (let i = 1; i <= 8; i++) {
    const wait = waits.find(wait => wait.id === runs[i].id);
    assert.ok(wait.left < runs[0].right, `bar ${i} came while the worker was held`);
    assert.ok(Math.abs(runs[i].left - wait.right) < 2, `bar ${i} waits until it runs`);
  }
});

test("with eight workers, eight / are eight bars side by side on eight seats", async t => {
  const server = await startServer(t, "--workers", "8", "--heavy-ms", "3600000");
  const page = await openDashboard(t, browser, server);

  await send(page, 8);
  await page.waitForFunction(() => document.querySelectorAll(".bar.run.live").length === 8);
  const bars = await runBars(page);

  assert.deepEqual(bars.map(bar => bar.seat).sort(), [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.equal(new Set(bars.map(bar => bar.top)).size, 8);
});

test("the slider changes the server, by pointer and by key", async t => {
  const server = await startServer(t, "--workers", "1", "--workers-max", "8");
  const page = await openDashboard(t, browser, server);

  assert.equal(await page.locator(".seat.off").count(), 7);
  await page.fill("#workers", "8");
  await page.waitForFunction(() => model.event.workers === 8);
  assert.equal((await server.stats()).workers, 8);
  assert.equal(await page.locator(".seat.off").count(), 0);

  await page.press("#workers", "ArrowLeft");
  await page.waitForFunction(() => model.event.workers === 7);
  await page.press("#workers", "ArrowLeft");
  await page.waitForFunction(() => model.event.workers === 6);
  assert.equal((await server.stats()).workers, 6);
  assert.equal(await page.textContent("#workers-now"), "6 of 8");
});

test("the sentence says the state in words", async t => {
  const page = await openDashboard(t, browser, await startServer(t));
  const rows = [
    ["8 of 8 busy, 11 waiting, drains in 2.8 s", { busy: 8, waiting: 11, rate: 3.93 }],
    ["0 of 8 busy, nothing waiting", {}],
    ["3 of 8 busy, nothing waiting", { busy: 3, rate: 5 }],
    ["8 of 8 busy, 12 waiting, none finished yet", { busy: 8, waiting: 12 }],
    ["8 of 8 busy, 256 waiting, drains in 1 min 4 s, 1,900 refused in 5 s",
      { busy: 8, waiting: 256, rate: 4, refused: 1900 }],
    ["8 busy on the way to 2, 4 waiting, drains in 500 ms", { workers: 2, busy: 8, waiting: 4, rate: 8 }],
    ["5 of 8 busy, 2 abandoned, nothing waiting", { busy: 5, abandoned: 2 }],
    ["8 of 8 busy, 3 stuck, 1 waiting, drains in 1.0 s", { busy: 8, stuck: 3, abandoned: 3, waiting: 1, rate: 1 }],
    ["8 of 8 busy, all stuck, 9 waiting, nothing drains", { busy: 8, stuck: 8, abandoned: 8, waiting: 9, rate: 1 }],
    ["Draining: 3 of 8 busy, nothing waiting", { busy: 3, draining: true }],
    ["Drained, nothing runs or waits", { draining: true }],
    ["No workers: every handler runs on the loop", { executor: "inline", workers: 0 }],
  ];
  const defaults = { executor: "pool", workers: 8, busy: 0, waiting: 0, abandoned: 0, stuck: 0, draining: false,
    rate: 0, refused: 0 };
  const states = rows.map(([, state]) => ({ ...defaults, ...state }));
  const said = await page.evaluate(states => states.map(sentence), states);

  assert.deepEqual(said, rows.map(([words]) => words));
});

test("the rate at which it drains counts neither idle time nor long ago", async t => {
  const page = await openDashboard(t, browser, await startServer(t));
  const rows = [
    ["nothing is known", 0, [[1, 0, 0]]],
    ["none has finished", 0, [[1, 0, 8], [3, 0, 8]]],
    ["since the workers were idle", 4, [[0, 90, 8], [50, 100, 0], [52, 108, 8]]],
    ["the last five seconds", 2, [[0, 0, 8], [90, 1000, 8], [95, 1010, 8]]],
    ["longer, if they are slow", 0.4, [[0, 0, 8], [20, 8, 8], [35, 8, 8], [40, 16, 8]]],
    ["between two volleys", 0.4, [[0, 0, 8], [20, 8, 8], [35, 8, 8]]],
    ["after too long a silence", 1, [[0, 0, 8], [1, 8, 8], [8, 8, 8]]],
  ];
  const rates = await page.evaluate(rows => rows.map(([, , history]) =>
    drainRate(history.map(([t, finished, busy]) => ({ t, finished, busy })))), rows);

  assert.deepEqual(rates, rows.map(([, rate]) => rate));
});

test("a click on a bar tells its id, route, wait and run", async t => {
  const server = await startServer(t, "--workers", "1", "--heavy-ms", "300");
  const page = await openDashboard(t, browser, server);

  await send(page, 2);
  await untilFinished(page, 2);
  await page.click("#pause");
  const bar = page.locator(".bar.run").nth(1);
  await bar.click();

  const detail = await page.$$eval("#detail div", facts => Object.fromEntries(facts.map(fact =>
    [...fact.children].map(child => child.textContent))));
  assert.equal(detail.id, await bar.getAttribute("data-id"));
  assert.equal(detail.route, "/");
  assert.equal(detail.seat, "0");
  assert.equal(detail.outcome, "200 answered");
  assert.match(detail.wait, /^[\d.]+ (µs|ms|s)$/);
  assert.match(detail.run, /^[\d.]+ (ms|s)$/);
});

test("/dummy is answered on the loop while every worker is busy", async t => {
  const server = await startServer(t, "--workers", "1");
  const page = await openDashboard(t, browser, server);

  await send(page, 1);
  await page.waitForSelector(".bar.run.live");
  await page.click("#call");
  await page.waitForSelector(".bar.loop");

  await page.waitForFunction(() => /round trip .+ of it in the server/.test($("note").textContent));
  assert.equal(await page.locator(".bar.run.live").count(), 1);
});

// It says so after 2 s; the rest is for a busy machine.
test("with --executor inline, the loop says nothing while a handler holds it, and /dummy waits", async t => {
  const server = await startServer(t, "--executor", "inline", "--heavy-ms", "6000");
  const page = await openDashboard(t, browser, server);

  await send(page, 1);
  await page.waitForSelector("#link[data-state=silent]");
  assert.match(await page.textContent("#sentence"), /^Nothing heard for \d s: the loop is held, or the network$/);
  await page.click("#call");
  await page.waitForFunction(() => model.spans.size === 2);

  const [heavy, dummy] = await page.evaluate(() => [...model.spans.values()].map(s => [s.seat, s.started, s.ended]));
  assert.deepEqual([heavy[0], dummy[0]], [-1, -1]);
  assert.ok(dummy[1] >= heavy[2], "/dummy is answered after /");
  assert.equal(await page.textContent("#sentence"), "No workers: every handler runs on the loop");
});

test("a request whose client has left is outlined", async t => {
  const server = await startServer(t, "--workers", "1");
  const page = await openDashboard(t, browser, server);
  const client = connect(new URL(server.data).port, "127.0.0.1");

  client.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await page.waitForSelector(".bar.run.live");
  client.resetAndDestroy();

  await page.waitForSelector(".bar.run.live.abandoned");
  assert.equal(await page.textContent("#sentence"), "1 of 1 busy, all stuck, nothing waiting");
});

// A browser opens six connections to a host, for all pages of a profile.
test("pages that are not seen leave the connections to the one that is", async t => {
  const server = await startServer(t, "--heavy-ms", "1");
  const profile = await browser.newContext();
  t.after(() => profile.close());
  const page = await openDashboard(t, profile, server);
  const others = [];
  const show = (page, seen) => page.evaluate(seen => {
    Object.defineProperty(document, "hidden", { value: !seen, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, seen);

  for (let i = 0; i < 6; i++) {
    others.push(await openDashboard(t, profile, server));
    await show(others[i], false);
  }
  await page.click("#send");
  await page.waitForFunction(() => /^Sent/.test($("note").textContent));
  assert.equal(await others[0].textContent("#link"), "connecting");

  const before = await others[0].evaluate(() => model.event.t);
  await show(others[0], true);
  await others[0].waitForFunction(before => model.event.t > before && link === "live", before);
});

test("a request that is not answered is given up", async t => {
  const page = await openDashboard(t, browser, await startServer(t));
  await page.route("**/requests?*", () => {});
  await page.evaluate(() => {
    const { timeout } = AbortSignal;
    AbortSignal.timeout = ms => timeout.call(AbortSignal, ms / 100);
  });

  await page.click("#send");
  await page.waitForFunction(() => $("note").textContent === "Not sent: no answer for 30 s");
});

test("the trace can be saved", async t => {
  const server = await startServer(t, "--heavy-ms", "10");
  const page = await openDashboard(t, browser, server);

  await send(page, 3);
  await untilFinished(page, 3);
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
  const chunks = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk);
  const trace = JSON.parse(Buffer.concat(chunks).toString());

  assert.equal(download.suggestedFilename(), "hoist-trace.json");
  assert.equal(trace.traceEvents.filter(e => e.ph === "X" && e.name === "/").length, 3);
});

test("a server that comes back is another one", async t => {
  const first = await startServer(t, "--heavy-ms", "10");
  const page = await openDashboard(t, browser, first);

  await send(page, 3);
  await untilFinished(page, 3);
  await first.stop();
  await page.waitForSelector("#link[data-state=lost]");
  assert.match(await page.textContent("#sentence"), /does not answer/);
  await page.click("#send");
  await page.waitForFunction(() => $("note").textContent === "Not sent: the server does not answer");

  await startServer(t, "--admin", new URL(first.admin).host);
  await page.waitForSelector("#link[data-state=live]");
  assert.equal(await page.evaluate(() => model.event.finished + model.spans.size), 0);
  assert.equal(await page.locator(".bar").count(), 0);
  assert.equal(await page.textContent("#note"), "");
});

test("a page that is opened late is told all of the last seconds", async t => {
  const server = await startServer(t, "--workers", "4", "--heavy-ms", "1");
  for (let i = 0; i < 5; i++) await fetch(`${server.admin}/requests?path=/&n=200`, { method: "POST" });
  for (let told; !told || told.finished + told.shed < 1000;) told = await server.stats();
  const page = await openDashboard(t, browser, server);

  await page.waitForFunction(() => model.spans.size >= 1000);
  assert.equal(await page.evaluate(() => model.skipped), 0);
  assert.equal(await page.textContent("#skipped"), "");
});

test("a page that is opened when very many wait is told how many there are", async t => {
  const server = await startServer(t, "--workers", "1", "--queue", "400", "--heavy-ms", "600000");
  await fetch(`${server.admin}/requests?path=/&n=400`, { method: "POST" });
  for (let told; !told || told.admitted < 400;) told = await server.stats();
  const page = await openDashboard(t, browser, server);

  assert.deepEqual(await page.evaluate(() => [model.event.live.length, model.event.n_live]), [300, 400]);
  assert.equal(await page.textContent("#skipped"), "100 in progress not drawn");
});

test("a screen of 360 pixels needs no scrolling sideways", async t => {
  const server = await startServer(t, "--workers", "8");
  const page = await openDashboard(t, browser, server, { viewport: { width: 360, height: 780 } });

  await page.selectOption("#route", "/sleep/:ms");
  await page.click("#call");
  await page.waitForFunction(() => document.getElementById("note").textContent !== "");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
});

test("who has a keyboard is told the keys, on a narrow screen too, and who has a finger is not", async t => {
  const server = await startServer(t);
  const narrow = await openDashboard(t, browser, server, { viewport: { width: 360, height: 780 } });
  const touched = await openDashboard(t, browser, server, { isMobile: true, hasTouch: true });

  assert.ok(await narrow.isVisible("#keys"));
  assert.ok(!await touched.isVisible("#keys"));
});

// WCAG 2.2, 1.4.3 and 1.4.11: text has 4.5 to 1, bars and borders that matter have 3 to 1.
test("text and bars stand out, in light and dark", async t => {
  const server = await startServer(t, "--workers", "1", "--workers-max", "8"); // with seats that are off
  const routes = ["r0", "r1", "r2", "r3", "r4", "r5"];
  const pairs = [
    ...["ink", "quiet", "accent", "bad", "warn"].flatMap(text => [[text, "page", 4.5], [text, "panel", 4.5]]),
    ...routes.map(route => ["on-bar", route, 4.5]),
    ...[...routes, "wait", "bad", "warn"].map(bar => [bar, "lane", 3]),
    ["wait", "panel", 3],
  ];
  for (const colorScheme of ["light", "dark"]) {
    const page = await openDashboard(t, browser, server, { colorScheme });
    const weak = await page.evaluate(pairs => {
      const style = getComputedStyle(document.documentElement);
      const luminance = name => {
        const hex = style.getPropertyValue(`--${name}`).trim().replace(/^#(.)(.)(.)$/, "#$1$1$2$2$3$3");
        const [r, g, b] = [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16) / 255)
          .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      return pairs.map(([a, b, least]) => {
        const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
        return [a, b, (light + 0.05) / (dark + 0.05), least];
      }).filter(([, , contrast, least]) => !(contrast >= least))
        .map(([a, b, contrast]) => `${a} on ${b}: ${contrast.toFixed(2)}`);
    }, pairs);
    assert.deepEqual(weak, [], colorScheme);
    const off = await page.$$eval(".seat.off text", texts => texts.map(text => getComputedStyle(text).fillOpacity));
    assert.deepEqual(off, Array(7).fill("1"), colorScheme);
  }
});

test("what the colours mean can be seen with forced colours, and on paper", async t => {
  const page = await openDashboard(t, browser, await startServer(t), { forcedColors: "active" });
  const parts = [["#key .waits"], ["#key .refused"], ["#link", "::before"], ["#rows th", "::before"]];
  const swatches = await page.evaluate(parts => parts
    .map(([name, part]) => getComputedStyle(document.querySelector(name), part))
    .map(style => [style.backgroundColor, style.printColorAdjust]), parts);

  assert.equal(new Set(swatches.map(([colour]) => colour)).size, 4);
  assert.deepEqual(swatches.map(([, print]) => print), Array(4).fill("exact"));
});

test("on paper there are figures and the whole table, dark on light, and no picture for another width", async t => {
  const page = await openDashboard(t, browser, await startServer(t), { colorScheme: "dark" });
  await page.emulateMedia({ media: "print" });
  await page.setViewportSize({ width: 718, height: 1040 }); // A4 with Chromium's margins
  const inks = await page.evaluate(() => ["ink", "page"].map(name =>
    getComputedStyle(document.documentElement).getPropertyValue(`--${name}`)));

  assert.deepEqual(inks, ["#1d1f23", "#f6f6f4"]);
  assert.deepEqual(await page.locator("#figures, #controls, #chart, #rows").evaluateAll(parts =>
    parts.filter(part => part.checkVisibility()).map(part => part.id)), ["figures", "rows"]);
  assert.ok(await page.$eval("table", table => table.getBoundingClientRect().right <= innerWidth - 28));
});

// Linear RGB as it looks to who has no cones for red, or for green: Machado, Oliveira, Fernandes 2009, severity 1.
const sights = {
  all: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
};

// CIE L*a*b* of a colour (#rrggbb) as it is seen: 2.3 apart is noticed when two of them touch.
function labOf(colour, sight) {
  const times = (matrix, v) => matrix.map(row => row.reduce((sum, m, i) => sum + m * v[i], 0));
  const linear = [1, 3, 5].map(i => parseInt(colour.slice(i, i + 2), 16) / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const toXyz = [[0.4339, 0.3762, 0.1899], [0.2126, 0.7152, 0.0722], [0.0178, 0.1095, 0.8727]]; // white is 1, 1, 1
  const [x, y, z] = times(toXyz, times(sights[sight], linear).map(c => Math.min(1, Math.max(0, c))))
    .map(c => c > 216 / 24389 ? Math.cbrt(c) : (24389 / 27 * c + 16) / 116);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

test("routes' colours are told apart, by who sees no red or no green too", async t => {
  const server = await startServer(t);
  for (const colorScheme of ["light", "dark"]) {
    const page = await openDashboard(t, browser, server, { colorScheme });
    const colours = await page.evaluate(() => [0, 1, 2, 3, 4, 5].map(i =>
      getComputedStyle(document.documentElement).getPropertyValue(`--r${i}`).trim()));
    for (const sight in sights) {
      const labs = colours.map(colour => labOf(colour, sight));
      labs.forEach((a, i) => labs.slice(0, i).forEach((b, j) => {
        const apart = Math.hypot(...a.map((c, k) => c - b[k]));
        assert.ok(apart >= 20, `r${j} and r${i}, ${colorScheme}, ${sight}: ${apart.toFixed(1)}`);
      }));
    }
  }
});
