// What the dashboard says and offers beside its picture, in a real browser, from events that a test makes up.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { event, hears, openPicture, startBrowser } from "./lib.mjs";

let browser;

before(async () => { browser = await startBrowser(); });
after(() => browser.close());

const openWith = (t, events, options) => openPicture(t, browser, events, options);
const take = (page, fields) => page.evaluate(fields => take({ ...model.event, ...fields }), fields);
const texts = (page, selector) => page.$$eval(selector, all => all.map(one => one.textContent));
const route = fields => ({ ...event().routes[0], ...fields });

test("times are told in the unit that fits, with three digits", async t => {
  const page = await openWith(t, [event({})]);
  const rows = [[null, "–"], [4e-7, "< 1 µs"], [42e-6, "42 µs"], [0.00123, "1.23 ms"], [0.0123, "12.3 ms"],
    [0.123, "123 ms"], [0.9994, "999 ms"], [0.9996, "1.0 s"], [62, "1 min 2 s"], [3600, "1 h 0 min"], [3725, "1 h 2 min"]];

  const told = await page.evaluate(rows => rows.map(([s]) => seconds(s)), rows);
  assert.deepEqual(told, rows.map(([, text]) => text));
});

test("figures are those of the event, and have a colour while they are bad news", async t => {
  const page = await openWith(t, [event({ t: 10, shed: 5, lag_s: 9 })]);
  const told = () => page.evaluate(() => ["busy", "waiting", "shed", "abandoned", "lag", "rate", "sentence"]
    .map(id => [$(id).textContent, $(id).className].join(" ").trim()));

  await take(page, { t: 10.25, lag_s: 0 }); // the first one's lag is that of a time nobody knows
  assert.deepEqual(await told(), ["0 of 8", "0", "5", "0", "< 1 µs", "0.0", "0 of 8 busy, nothing waiting"]);
  await take(page, { t: 14, busy: 2, waiting: 1234, shed: 6, abandoned: 1, stuck: 1, lag_s: 0.2, answers: 45 });
  assert.deepEqual(await told(), ["2 of 8", "1,234", "6 bad", "1 warn", "200 ms bad", "12",
    "2 of 8 busy, 1 stuck, 1,234 waiting, none finished yet, 1 refused in 5 s bad"]);
  assert.deepEqual(await texts(page, "#lane-lag, #lane-waiting"), ["lag 200 ms", "1,234"]);
  await page.setViewportSize({ width: 500, height: 900 });
  await page.waitForFunction(() => plan.width === $("chart").clientWidth && plan.gutter < 80);
  await take(page, { t: 14.25 });
  assert.equal(await page.textContent("#lane-lag"), "200 ms");
  await take(page, { t: 30.25, busy: 0, waiting: 0, abandoned: 0, stuck: 0, lag_s: 0, answers: 77 });
  assert.deepEqual(await told(), ["0 of 8", "0", "6", "0", "< 1 µs", "2.0", "0 of 8 busy, nothing waiting"]);
  await take(page, { t: 31, executor: "inline" });
  assert.equal(await page.textContent("#busy"), "–");
  assert.ok(await page.isHidden("#resize"));
});

test("each figure is below its name", async t => {
  const page = await openWith(t, [event({ t: 10 })]);

  await take(page, { t: 12, workers: 4, busy: 2, waiting: 3, shed: 4, abandoned: 1, lag_s: 0.05, answers: 12 });
  assert.deepEqual(await page.$$eval("#figures div", all => all.map(one => one.innerText.split(/\s*\n\s*/))), [
    ["busy", "2 of 4"], ["waiting", "3"], ["shed since start", "4"], ["abandoned", "1"], ["loop lag", "50.0 ms"],
    ["answers a second", "6.0"]]);
});

test("what was not told is counted for five seconds", async t => {
  const page = await openWith(t, [event({})]);
  const told = async t => {
    await take(page, { t, skipped: t === 11 ? 7 : 0 });
    return page.textContent("#skipped");
  };

  assert.deepEqual([await told(11), await told(14.9), await told(17)],
    ["7 of the last 5 s not drawn", "7 of the last 5 s not drawn", ""]);
});

test("what is in progress and was never told is counted", async t => {
  const live = (first, n) => Array.from({ length: n }, (_, i) => [first + i, 0, -1, 9, null, 0]);
  const page = await openWith(t, [event({ waiting: 1000, live: live(1, 300), n_live: 1000 })]);
  const told = async fields => {
    await take(page, fields);
    return page.textContent("#skipped");
  };

  assert.equal(await page.textContent("#skipped"), "700 in progress not drawn");
  assert.equal(await told({ t: 11, live: live(301, 300) }), "400 in progress not drawn");
  assert.equal(await told({ t: 12, live: live(601, 300), n_live: 900 }), "");
});

test("who pauses is told so, by the button and by the state", async t => {
  const page = await openWith(t, [event({})]);
  const told = () => texts(page, "#pause, #link");
  await hears(page);

  assert.deepEqual(await told(), ["live", "Pause"]);
  await page.click("#pause");
  assert.deepEqual(await told(), ["paused", "Resume"]);
  await page.click("#pause");
  assert.deepEqual(await told(), ["live", "Pause"]);
});

test("figures of a server that is not heard are as quiet as their names, and the axis ends when it was", async t => {
  const page = await openWith(t, [event({ waiting: 1 })]);
  const quiet = await page.$eval("dt", one => getComputedStyle(one).color);
  const told = state => page.evaluate(state => {
    link = state;
    showLink();
    figure("shed", 1, "bad");
    const parts = [$("busy"), $("shed"), $("rows").rows[0].cells[0], $("rows").rows[0].cells[1]];
    return [$("edge").textContent, ...parts.map(one => getComputedStyle(one).color)];
  }, state);

  for (const state of ["lost", "silent", "connecting"])
    assert.deepEqual(await told(state), ["last heard", quiet, quiet, quiet, quiet], state);
  const [edge, ...colours] = await told("live");
  assert.equal(edge, "now");
  assert.ok(!colours.includes(quiet));
});

test("buttons do what they are called, and show which one has the focus", async t => {
  const page = await openWith(t, [event({})]);

  await page.getByRole("button", { name: "zoom out" }).click();
  assert.equal(await page.textContent("#window"), "60 s");
  await page.getByRole("button", { name: "zoom in" }).focus();
  await page.keyboard.press("Space");
  assert.equal(await page.textContent("#window"), "30 s");
  assert.equal(await page.getAttribute("#pause", "aria-pressed"), "false", "the space bar is the button's");
  await page.keyboard.press("Tab");
  assert.deepEqual(await page.evaluate(() => [document.activeElement.id,
    getComputedStyle(document.activeElement).outlineStyle]), ["pause", "solid"]);
  await page.keyboard.press("Space");
  assert.equal(await page.getAttribute("#pause", "aria-pressed"), "true");
});

test("a screen reader hears the state and what became of a request", async t => {
  const page = await openWith(t, [event({})]);

  assert.equal(await page.getAttribute("#spoken", "aria-live"), "polite");
  assert.equal(await page.getAttribute("#note", "role"), "status");
});

test("the line beside the answers a second is that of 30 s, as high as their most", async t => {
  const page = await openWith(t, [event({ t: 9 }), event({ t: 40 }), event({ t: 50, answers: 100 }),
    event({ t: 55, answers: 125 })]);

  assert.equal(await page.getAttribute("#spark polyline", "points"), "60.0,23.0 100.0,1.0 120.0,12.0");
});

test("each figure of a route is below its head, and what is nothing is quiet", async t => {
  const times = (count, p50) => ({ count, p50, p90: 2 * p50, p99: 3 * p50, max: 4 * p50 });
  const busy = route({ waiting: 1, running: 2, shed: 4, wait_s: times(3, 0.001), run_s: times(3, 0.01) });
  const page = await openWith(t, [event({ routes: [busy, route({ method: "POST", path: "/idle", run: "inline" })] })]);

  assert.deepEqual(await texts(page, "thead th"), ["route", "runs", "waiting", "running", "ran", "shed", "wait", "run",
    "p50", "p90", "p99", "p50", "p90", "p99"]);
  assert.deepEqual(await texts(page, "#rows tr:first-child td"),
    ["offload", "1", "2", "3", "4", "1.00 ms", "2.00 ms", "3.00 ms", "10.0 ms", "20.0 ms", "30.0 ms"]);
  assert.equal(await page.textContent("#rows tr:last-child th"), "POST /idle");
  assert.equal(await page.locator("#rows tr:first-child .zero").count(), 0);
  assert.equal(await page.locator("#rows tr:last-child .zero").count(), 10);
});

test("a server's other routes take the place of those before", async t => {
  const page = await openWith(t, [event({})]);

  await take(page, { t: 11, routes: [route({ path: "/other" })] });
  assert.deepEqual(await texts(page, "#rows th"), ["/other"]);
  assert.equal(await page.textContent("#send"), "20 × /other");
});

test("what is offered to be sent is a path of a GET, of a worker's first", async t => {
  const routes = [route({ method: "POST", path: "/put" }), route({ path: "/item/:id", run: "inline" }),
    route({ path: "/fast", run: "inline" }), route({ path: "/nap/:ms/:id/*" })];
  const page = await openWith(t, [event({ routes })]);

  assert.deepEqual(await texts(page, "#route option"), ["/item/:id", "/fast", "/nap/:ms/:id/*"]);
  assert.equal(await page.inputValue("#path"), "/nap/500/1/1");
  assert.equal(await page.textContent("#call"), "Call /fast now");
  await page.fill("#path", "/nap/7/8/9");
  assert.equal(await page.textContent("#send"), "20 × /nap/7/8/9");
  await page.fill("#count", "3");
  assert.equal(await page.textContent("#send"), "3 × /nap/7/8/9");
  await page.selectOption("#route", "/fast");
  assert.ok(await page.isHidden("#path"));

  await take(page, { t: 11, routes: routes.slice(3) });
  assert.deepEqual(await Promise.all(["#burst", "#route", "#call"].map(id => page.isVisible(id))), [true, false, false]);
  await take(page, { t: 12, routes: routes.slice(0, 1) });
  assert.ok(await page.isHidden("#burst"));
});

test("without a number, one request is sent; and what failed to be called can be called again", async t => {
  const page = await openWith(t, [event({ routes: [route({}), route({ path: "/dummy", run: "inline" })] })]);
  await page.route("**/requests?*", route => route.fulfill({ status: 503, body: '{"error":"full"}' }));

  await page.fill("#count", "");
  assert.equal(await page.textContent("#send"), "1 × /");
  const asked = page.waitForRequest("**/requests?*");
  await page.click("#send");
  assert.equal(new URL((await asked).url()).searchParams.get("n"), "1");
  await page.click("#call");
  await page.waitForFunction(() => $("note").textContent === "/dummy was not called: 503: full" &&
    $("call").getAttribute("aria-disabled") === "false");
});

test("a failure is told in red, whoever answers, and not what is sent after it", async t => {
  const page = await openWith(t, [event({})]);
  const answers = [{ status: 502, body: " <h1>Bad gateway</h1>\n" }, { status: 202, body: "{}" }];
  await page.route("**/requests?*", route => route.fulfill(answers.shift()));
  const told = async words => {
    await page.click("#send");
    await page.waitForFunction(words => $("note").textContent === words, words);
    return page.getAttribute("#note", "class");
  };

  assert.equal(await told("Not sent: 502: <h1>Bad gateway</h1>"), "bad");
  assert.equal(await told("Sent 20 × /"), "");
});

test("a call's round trip is its own time, and what its server did is told only if all was told", async t => {
  const routes = [route({ path: "/dummy", run: "inline" }), route({ path: "/other", run: "inline" })];
  const page = await openWith(t, [event({ routes, n_routes: 2 })]);
  await page.route("**/requests?*", route => route.fulfill({ status: 202, body: "{}" }));
  const call = skipped => page.evaluate(async skipped => {
    const { now } = performance;
    note("");
    const called = window.call();
    performance.now = () => now.call(performance) + 62_000; // so long does the answer take
    while (!$("note").textContent) await new Promise(done => setTimeout(done));
    const t = clock() + model.offset;
    const spans = [0, 1].map(route => [1000 * t + route, route, -1, t, t, t + 0.001 + route, 200, 0]);
    take({ ...model.event, t, spans, skipped });
    take({ ...model.event, t: t + 60, spans: [], skipped: 0 });
    await called;
    return [$("note").textContent, view.chosen && routeName(view.chosen.route)];
  }, skipped);

  assert.deepEqual(await call(1), ["/dummy called: round trip 1 min 2 s", null]);
  assert.deepEqual(await call(0),
    ["/dummy called: round trip 1 min 2 s, 1.00 ms of it in the server", "/dummy"]);
});

test("the slider shows what others asked for", async t => {
  const page = await openWith(t, [event({})]);

  for (const workers of [3, 7]) {
    await take(page, { t: 11 + workers, workers });
    assert.equal(await page.inputValue("#workers"), String(workers));
    assert.equal(await page.textContent("#workers-now"), `${workers} of 8`);
  }
});

test("the slider asks for one number at a time, and last for the last one", async t => {
  const page = await openWith(t, [event({})]);
  const asked = [], answer = [];
  const answers = [0, 1, 2].map(i => new Promise(give => { answer[i] = give; }));
  await page.route("**/workers?*", async route => {
    asked.push(new URL(route.request().url()).searchParams.get("n"));
    await route.fulfill(await answers[asked.length - 1]);
  });
  const askedFor = n => page.waitForRequest(`**/workers?n=${n}`);

  let next = askedFor(3);
  for (const n of ["3", "4", "5"]) await page.fill("#workers", n);
  await next;
  next = askedFor(5);
  answer[0]({ body: "{}" });
  await next;
  await take(page, { t: 11 });
  assert.equal(await page.textContent("#workers-now"), "5 of 8", "an event from before does not take it back");
  answer[1]({ status: 409, body: '{"error":"no"}' });
  await page.waitForFunction(() => $("note").textContent === "The number of workers stays: 409: no");
  assert.ok(await page.evaluate(() => wish.until > 0 && (wish.until += 60))); // for a busy machine
  await take(page, { t: 12 });
  assert.equal(await page.textContent("#workers-now"), "5 of 8", "nor does one that is on its way");

  await page.fill("#workers", "6");
  answer[2]({ body: "{}" });
  await page.waitForFunction(() => $("note").textContent === "" && wish.sent == null);
  assert.deepEqual(asked, ["3", "5", "6"]);
  await take(page, { t: 13, workers: 1, workers_max: 1 });
  assert.ok(await page.isDisabled("#workers"));
  assert.match(await page.getAttribute("#resize", "title"), /--workers-max/);
});

test("two seconds without an event are silence, and a page's own end is not", async t => {
  const page = await openWith(t, [event({})]);
  const after = (state, s) => page.evaluate(([state, s]) => {
    link = state;
    model.heard = clock() - s;
    watchSilence();
    return link;
  }, [state, s]);

  assert.deepEqual([await after("live", 1.5), await after("live", 2.5), await after("lost", 2.5)],
    ["live", "silent", "lost"]);
});

test("a page that is not seen listens only while it is paused", async t => {
  const page = await openWith(t, [event({})]);
  const listens = seen => page.evaluate(seen => {
    Object.defineProperty(document, "hidden", { value: !seen, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
    listen();
    return source != null;
  }, seen);

  assert.deepEqual([await listens(true), await listens(false)], [true, false]);
  await listens(true);
  await page.click("#pause");
  assert.ok(await listens(false));
});

test("a stream that breaks is closed, and opened again in a second", async t => {
  const page = await openWith(t, [event({})]);

  assert.deepEqual(await page.evaluate(() => {
    const later = [];
    window.setTimeout = (what, ms) => later.push([what === listen, ms]);
    listen();
    const broken = source;
    broken.onerror();
    return [broken.readyState, ...later];
  }), [2, [true, 1000]]);
});

test("of another server nothing is left of the one before", async t => {
  const page = await openWith(t, [event({ t: 40, spans: [[1, 0, 0, 38, 38, 39, 200, 0]] })]);

  await page.evaluate(() => {
    leave("lost");
    take({ ...model.event, t: 90 });
    choose([...model.spans.values()][0]);
    pause(true);
  });
  assert.match(await page.textContent("#skipped"), /^nothing before/);
  assert.match(await page.textContent("#detail"), /^id1/);
  await take(page, { t: 5, spans: [] });
  assert.equal(await page.textContent("#skipped"), "");
  assert.equal(await page.getAttribute("#lost", "width"), "0");
  assert.equal(await page.textContent("#detail"), "Choose a bar for its id, route, wait and run.");
  assert.equal(await page.getAttribute("#pause", "aria-pressed"), "false");
});

test("what is older than any picture can show is forgotten", async t => {
  const page = await openWith(t, [event({})]);
  const known = await page.evaluate(() => {
    for (let t = 11; t < 300; t++) take({ ...model.event, t, spans: [[t, 0, 0, t - 1, t - 1, t, 200, 0]] });
    return [model.history.length, model.spans.size, model.event.t - model.history[0].t];
  });

  assert.deepEqual(known, [126, 125, 125]);
});

test("a server that has another clock is another one, and a page that slept is not", async t => {
  const page = await openWith(t, [event({}), event({ t: 10.25 })]);
  const hear = (after, reopened) => page.evaluate(([after, reopened]) => {
    model.offset += after;
    model.reopened = reopened;
    take({ ...model.event, t: model.event.t + 0.25 });
    return [model.history.length, Math.abs(model.event.t - model.heard - model.offset) < 0.001];
  }, [after, reopened]);

  const nearer = await page.evaluate(() => {
    const before = model.offset += 1; // as if each event since had come a second late
    take({ ...model.event, t: model.event.t + 0.25 });
    return before - model.offset;
  });
  assert.ok(nearer > 0 && nearer < 0.2, `the clock is set by ${nearer} s`);
  assert.deepEqual(await hear(100, false), [4, true]);
  assert.deepEqual(await hear(100, true), [1, true]);
});

test("the page tells whose it is", async t => {
  const page = await openWith(t, [event({})]);

  assert.equal(await page.textContent("#address"), new URL(page.url()).host);
});
