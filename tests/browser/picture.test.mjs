// What the dashboard draws, in a real browser, from events that a test makes up.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { event, openPicture, runBars, startBrowser } from "./lib.mjs";

let browser;

before(async () => { browser = await startBrowser(); });
after(() => browser.close());

const openWith = (t, events, options) => openPicture(t, browser, events, options);

test("keys pause, zoom and go from bar to bar", async t => {
  const spans = [[1, 0, 0, 9, 9, 9.3, 200, 0], [2, 0, 1, 9, 9.01, 9.35, 200, 0], [3, 0, 0, 9, 9.3, 9.6, 200, 0],
    [4, 0, 1, 9, 9.35, 9.65, 200, 0]];
  const page = await openWith(t, [event({ spans }), event({ t: 11 })]);
  const chosen = () => page.locator(".bar.chosen:not(.wait)").evaluate(bar => [bar.dataset.id, bar.dataset.seat]);

  await page.waitForFunction(() => view.now > 10);
  await page.focus("#chart");
  await page.keyboard.press("Space");
  assert.equal(await page.getAttribute("#pause", "aria-pressed"), "true");
  const still = await page.evaluate(() => view.now);
  await page.evaluate(e => take(e), event({ t: 12 }));
  assert.equal(await page.evaluate(() => view.now), still);

  await page.keyboard.press("ArrowLeft");
  const [newest, seat] = await chosen();
  await page.keyboard.press("ArrowLeft");
  const [older, sameSeat] = await chosen();
  assert.ok(Number(older) < Number(newest));
  assert.equal(sameSeat, seat);
  await page.keyboard.press(seat === "0" ? "ArrowDown" : "ArrowUp");
  assert.notEqual((await chosen())[1], seat);

  await page.keyboard.press("+");
  assert.equal(await page.textContent("#window"), "10 s");
  await page.keyboard.press("-");
  await page.keyboard.press("-");
  assert.equal(await page.textContent("#window"), "60 s");
  assert.equal((await runBars(page)).length, 4);

  await page.keyboard.press("Escape");
  assert.equal(await page.locator(".bar.chosen").count(), 0);
  await page.keyboard.press("Space");
  await page.evaluate(e => take(e), event({ t: 13 }));
  await page.waitForFunction(t => view.now > t, still);
});

test("a button that can do no more keeps the focus, and does nothing", async t => {
  const routes = [{ ...event().routes[0], path: "/dummy", run: "inline" }];
  const page = await openWith(t, [event({ routes })]);
  const answer = [];
  await page.route("**/requests?*", route => answer.push(() => route.fulfill({ status: 503, body: '{"error":"full"}' })));
  const has = id => page.$eval(`#${id}`, button =>
    [document.activeElement === button, button.getAttribute("aria-disabled"), getComputedStyle(button).cursor]);

  for (const [id, last] of [["in", "1 s"], ["out", "120 s"]]) {
    await page.focus(`#${id}`);
    for (let i = 0; i < 8; i++) await page.keyboard.press("Enter");
    assert.equal(await page.textContent("#window"), last);
    assert.deepEqual(await has(id), [true, "true", "default"]);
  }
  const asked = page.waitForRequest("**/requests?*");
  await page.focus("#call");
  for (let i = 0; i < 3; i++) await page.keyboard.press("Enter");
  await asked;
  assert.deepEqual(await has("call"), [true, "true", "default"]);
  assert.equal(answer.length, 1, "it is called once");
  answer[0]();
  await page.waitForFunction(() => $("call").getAttribute("aria-disabled") === "false");
  assert.deepEqual(await has("call"), [true, "false", "pointer"]);
});

test("a bar that runs is named as it is when it is chosen", async t => {
  const page = await openWith(t, [event({ live: [[1, 0, 0, 9, 9.8, 0]] }), event({ t: 14, live: [[1, 0, 0, 9, 9.8, 0]] })]);
  await page.waitForFunction(() => view.now > 10);
  await page.focus("#chart");
  await page.keyboard.press("ArrowLeft");

  assert.deepEqual(await page.$eval("#chart", chart => [chart.getAttribute("aria-activedescendant"),
    document.getElementById(chart.getAttribute("aria-activedescendant")).getAttribute("aria-label")]),
  ["bar-run-1", "/, id 1, running, waited 800 ms, ran 4.2 s"]);
});

test("keys outside of the picture do nothing to it", async t => {
  const page = await openWith(t, [event({})]);

  for (const place of ["body", "#save", "#routes"]) {
    await page.$eval(place, element => element === document.body ? document.activeElement.blur() : element.focus());
    for (const key of ["+", "-", "-", "="]) await page.keyboard.press(key);
    if (place !== "#save") await page.keyboard.press("Space");
    assert.equal(await page.textContent("#window"), "30 s", place);
    assert.equal(await page.getAttribute("#pause", "aria-pressed"), "false", place);
  }
  await page.focus("#pause");
  await page.keyboard.press("+");
  assert.equal(await page.textContent("#window"), "10 s");
});

test("the bar that is chosen is the option that is selected, and is not told again with each event", async t => {
  const live = [[1, 0, 0, 9, 9, 0], [2, 0, 1, 9, 9, 0]];
  const page = await openWith(t, [event({ live })]);

  await page.locator(".bar.run").first().dispatchEvent("click");
  await page.evaluate(() => choose(model.spans.get(2)));
  const selected = await page.$$eval("[role=option]", bars =>
    bars.map(bar => [bar.id, bar.getAttribute("aria-selected")]));
  assert.deepEqual(selected, [["bar-run-1", "false"], ["bar-run-2", "true"]]);
  assert.equal(await page.getAttribute("#chart", "aria-activedescendant"), "bar-run-2");

  const told = await page.evaluate(async () => {
    const before = $("detail").textContent;
    const observer = new MutationObserver(() => {});
    for (const region of document.querySelectorAll("section [aria-live], section [role=status]"))
      observer.observe(region, { subtree: true, childList: true, characterData: true });
    for (let t = 11; t < 14; t++) take({ ...model.event, t });
    return [observer.takeRecords().length, before === $("detail").textContent];
  });
  assert.deepEqual(told, [0, false]);
});

test("a route's name is text", async t => {
  const path = "/<img src=x onerror=\"document.title='run'\">";
  const routes = event().routes.map(route => ({ ...route, path }));
  const page = await openWith(t, [event({ routes, spans: [[1, 0, 0, 9, 9.1, 9.5, 200, 0]] })]);

  await page.locator(".bar.run").dispatchEvent("pointerover");
  assert.equal(await page.locator("img").count(), 0);
  assert.equal(await page.title(), "hoist");
  assert.equal(await page.textContent("#rows th"), path);
});

test("what is too short to be told apart is drawn as one, and zoom takes it apart", async t => {
  const spans = Array.from({ length: 100 }, (_, i) => [i + 1, 0, 0, 9 + i / 200, 9 + i / 200, 9.003 + i / 200, 200, 0]);
  const page = await openWith(t, [event({ spans })]);

  assert.ok(await page.locator(".bar.run").count() < 20);
  for (let i = 0; i < 4; i++) await page.click("#in");
  assert.equal(await page.textContent("#window"), "1 s");
  assert.equal(await page.locator(".bar.run").count(), 100);
});

test("what has left the picture is dropped", async t => {
  const span = (id, t) => [id, 0, id % 8, t, t, t + 0.4, 200, 0];
  const old = Array.from({ length: 50 }, (_, i) => span(i + 1, 9));
  const page = await openWith(t, [event({ spans: old }), event({ t: 60, spans: [span(99, 59)] }), event({ t: 61 })]);

  assert.equal(await page.locator(".bar").count(), 1);
});

// One each millisecond up to t, too different to be drawn as one; and one that takes two seconds.
function crowd(n, t) {
  const spans = Array.from({ length: n }, (_, i) => {
    const from = t - (n - i) / 1000;
    return [i + 1, 0, i % 8, from, from, from + 0.0005, 200, i % 16 < 8 ? 0 : 4];
  });
  return [...spans, [n + 1, 0, 0, t - 2, t - 2, t, 200, 0]];
}

test("where bars were too many to be drawn is hatched", async t => {
  const page = await openWith(t, [event({ t: 30, spans: crowd(6000, 30) })]);
  const picture = () => page.evaluate(() => {
    const at = (view.lost - view.origin) * view.scale;
    const edge = Number($("lost").getAttribute("x")) + Number($("lost").getAttribute("width"));
    const lefts = [...document.querySelectorAll(".bar")].map(bar => Number(bar.getAttribute("x")));
    return { bars: lefts.length, lost: view.lost, off: edge - at, early: lefts.filter(x => x < at - 0.01).length };
  });

  const { bars, lost, off, early } = await picture();
  assert.equal(bars, 4000);
  assert.ok(Math.abs(lost - 26) < 0.01, `hatched until ${lost}`);
  assert.ok(Math.abs(off) < 0.01);
  assert.equal(early, 0);
  assert.match(await page.textContent("#skipped"), /^nothing before −\d\.\d s is drawn$/);
  await page.evaluate(spans => take({ ...model.event, t: 30.25, spans }), [[7000, 0, 1, 20, 20, 30.1, 200, 0]]);
  assert.equal((await picture()).early, 1, "what began there and ended later is drawn");

  await page.click("#pause");
  assert.deepEqual([(await picture()).bars, await page.locator("#lost").getAttribute("width")], [6002, "0"]);
});

test("where jobs were too many to be remembered is hatched, and not for one that was long", async t => {
  const page = await openWith(t, [event({ t: 29, live: [[50000, 0, 7, 5, 5, 0]] })]);
  await page.evaluate(spans => take({ ...model.event, t: 30, live: [], spans }),
    [...crowd(20500, 30), [50000, 0, 7, 5, 5, 30, 200, 0]]);
  await page.click("#pause");

  assert.ok(Math.abs(await page.evaluate(() => view.lost) - 10) < 0.01);
  assert.ok(Number(await page.locator("#lost").getAttribute("width")) > 0);
  assert.equal(await page.locator("#bar-run-50000").count(), 1);
});

test("a job that an event leaves out as it ends is drawn whole when the next one tells", async t => {
  const page = await openWith(t, [event({ live: [[1, 0, -1, 9, null, 0]] }), event({ t: 10.25 }),
    event({ t: 10.5, spans: [[1, 0, 3, 9, 10.05, 10.24, 200, 0]] })]);

  const [bar] = await runBars(page);
  assert.equal(bar?.seat, 3);
  assert.match(bar.name, /^\/, id 1, 200 answered, waited 1.* s, ran 190 ms/);
  assert.equal(await page.locator(".bar.wait.gone").count(), 0);
});

test("a job that has no room among those in progress has not ended", async t => {
  const live = first => Array.from({ length: 200 }, (_, i) => [first + i, 0, -1, 9.5, null, 0, 9.5]);
  const page = await openWith(t, [event({ live: [[1, 0, 0, 9, 9, 0, 9]] }),
    event({ t: 10.25, live: live(2), n_live: 201 }), event({ t: 10.5, live: live(2).slice(1) })]);

  assert.deepEqual(await page.evaluate(() => [1, 2, 3].map(id => model.spans.get(id).ended)), [10.5, 10.5, null]);
});

test("a screen reader hears the state every ten seconds at most, and bad news every two", async t => {
  const page = await openWith(t, [event({})]);
  const heard = await page.evaluate(() => {
    const hear = (ago, text, bad) => {
      spoken.at = clock() - ago;
      say(text, bad);
      return $("spoken").textContent;
    };
    return [hear(11, "one"), hear(9, "two"), hear(9, "three", true), hear(1, "four", true), $("sentence").textContent];
  });

  assert.deepEqual(heard, ["one", "one", "three", "three", "four"]);
});

test("a screen reader hears once that nothing is heard, not every second with another number", async t => {
  const page = await openWith(t, [event({})]);
  const [shown, heard] = await page.evaluate(() => {
    const shown = new Set(), heard = new Set();
    for (const silence of [3.5, 4.5, 9.5]) {
      link = "live";
      model.heard = clock() - silence;
      spoken.at = -Infinity;
      watchSilence();
      shown.add($("sentence").textContent);
      heard.add($("spoken").textContent);
    }
    return [[...shown], [...heard]];
  });

  assert.deepEqual(shown, [3, 4, 9].map(s => `Nothing heard for ${s} s: the loop is held, or the network`));
  assert.deepEqual(heard, ["Nothing heard: the loop is held, or the network"]);
});

test("what is not told is counted, and not drawn as if it had never run", async t => {
  const page = await openWith(t, [event({ live: [[1, 0, -1, 9, null, 0]] }), event({ t: 10.25 }),
    event({ t: 10.5, skipped: 1200, spans: [[2, 0, 0, 9, 9.1, 9.2, 200, 0]] })]);

  assert.equal(await page.textContent("#skipped"), "1,200 of the last 5 s not drawn");
  assert.deepEqual(await page.evaluate(() => [...model.spans.keys()]), [2]);
  assert.equal(await page.locator(".bar.gone").count(), 0);
});

test("a picture that is paused keeps what it shows, and moved on it shows what came since", async t => {
  const page = await openWith(t, [event({ spans: [[1, 0, 0, 9, 9, 9.5, 200, 0]] }), event({ t: 11 })]);
  const ids = () => page.$$eval(".bar", bars => bars.map(bar => Number(bar.dataset.id)));

  await page.waitForFunction(() => view.now > 10.5);
  await page.click("#pause");
  const since = [event({ t: 110, lag_s: 0.2, live: [[2, 0, 1, 105, 105, 0]] }),
    event({ t: 190, spans: [[2, 0, 1, 105, 105, 115, 200, 0]] })];
  await page.evaluate(events => events.forEach(take), since);
  assert.deepEqual(await page.evaluate(() => [...model.spans.keys()]), [1, 2]);
  assert.deepEqual(await ids(), [1]);

  await page.evaluate(() => pan(-110 * view.scale));
  assert.deepEqual(await ids(), [1, 2]);
  assert.equal(await page.locator(".lag.bad").count(), 1);
  await page.evaluate(() => pan(110 * view.scale));
  await page.waitForFunction(() => view.now < 20);

  await page.click("#pause");
  await page.evaluate(e => take(e), event({ t: 240.5 }));
  assert.deepEqual(await page.evaluate(() => [...model.spans.keys()]), []);
});

test("of several calls of a route at once, none is told as this page's", async t => {
  const routes = event().routes.map(route => ({ ...route, path: "/dummy", run: "inline" }));
  const page = await openWith(t, [event({ routes })]);
  await page.route("**/requests?*", route => route.fulfill({ status: 202, body: "{}" }));
  const callAmong = received => page.evaluate(async received => {
    const called = call();
    const now = clock() + model.offset;
    const spans = received.map(after => now + after)
      .map((t, i) => [100 * now + i, 0, -1, t, t, t + 0.001, 200, 0]);
    take({ ...model.event, t: now + 0.01, spans });
    take({ ...model.event, t: now + 60, spans: [] });
    await called;
    return [$("note").textContent, view.chosen?.received - now];
  }, received);

  assert.match((await callAmong([0.002, 0.003]))[0], /^\/dummy called: round trip [^,]+$/);
  const [note, after] = await callAmong([-0.02, 0.002]);
  assert.match(note, /round trip .+, 1\.00 ms of it in the server$/);
  assert.ok(Math.abs(after - 0.002) < 1e-6);
});

test("a route's name that is not ASCII is sent encoded, and a refusal is told in words", async t => {
  const routes = event().routes.map(route => ({ ...route, path: "/日本 語/a%20b" }));
  const page = await openWith(t, [event({ routes })]);
  const asked = page.waitForRequest("**/requests?*");

  await page.click("#send");
  const url = new URL((await asked).url());
  assert.equal(url.searchParams.get("path"), "/%E6%97%A5%E6%9C%AC%20%E8%AA%9E/a%20b");
  await page.waitForFunction(() => $("note").textContent.startsWith("Sent"));

  await page.evaluate(() => { $("path").value = "no path"; });
  await page.click("#send");
  await page.waitForFunction(() => $("note").classList.contains("bad"));
  assert.equal(await page.textContent("#note"),
    "Not sent: 400: path is needed: visible ASCII from '/' on, shorter than 1024 bytes");
});

test("what ended while nobody listened is hatched if it was too long ago to be told", async t => {
  const page = await openWith(t, [event({ live: [[1, 0, 0, 9, 9, 0], [2, 0, 1, 9, 9, 0]] })]);
  const again = fields => page.evaluate(e => {
    leave("lost");
    take({ ...model.event, ...e });
    return [model.lost, [...model.live].map(span => span.id), model.history.at(-1).lag];
  }, fields);

  assert.deepEqual(await again({ t: 39, lag_s: 5 }), [-Infinity, [1, 2], 0]);
  assert.deepEqual(await again({ t: 70, lag_s: 5, live: [[2, 0, 1, 9, 9, 0]] }), [40, [2], 0]);
  assert.equal(await page.locator(".bar.run").count(), 1);
  assert.ok(await page.locator("#lost").getAttribute("width") > 0);

  await page.click("#pause");
  assert.deepEqual(await again({ t: 200 }), [40, [2], 0], "a picture that is paused is kept");
});

test("routes that have no room in an event are counted, and named by their number", async t => {
  const spans = [[1, 36, 0, 9, 9, 9.5, 200, 0], [2, 37, -1, 9, 9, 9.5, 404, 0]];
  const page = await openWith(t, [event({ n_routes: 37, spans })]);

  assert.equal(await page.textContent("#more"), "and 36 more routes");
  const names = await page.$$eval(".bar", bars => bars.map(bar => bar.getAttribute("aria-label").split(",")[0]));
  assert.deepEqual(names, ["route 37", "no route"]);
});

test("a picture that is paused is drawn anew only when it is moved to what came since", async t => {
  const page = await openWith(t, [event({ t: 11, spans: [[1, 0, 0, 9, 9, 9.5, 200, 0]] })]);

  await page.waitForFunction(() => view.now > 10);
  await page.click("#pause");
  await page.evaluate(e => take(e), event({ t: 40 }));
  const drawn = await page.evaluate(() => [5, 5, 5, -10, 10].map(by => {
    const before = document.querySelector(".bar");
    pan(-by * view.scale);
    return document.querySelector(".bar") !== before;
  }));
  assert.deepEqual(drawn, [true, false, false, false, false]);
});

test("answers a second are those of two seconds, however long each event took", async t => {
  const times = [10, 10.25, 10.5, 12, 12.1, 12.5];
  const page = await openWith(t, times.map((t, i) => event({ t, answers: [0, 0, 7, 10, 10, 12][i] })));

  assert.equal(await page.textContent("#rate"), "2.5");
});

test("as many seats are lit as there are workers, and always those that are taken", async t => {
  const live = [[1, 0, 5, 9, 9.1, 0], [2, 0, 7, 9, 9.1, 0], [3, 0, -1, 9, null, 0]];
  const page = await openWith(t, [event({ workers: 3, workers_max: 8, live })]);

  const lit = await page.$$eval(".seat", seats => seats.flatMap((seat, i) => seat.classList.contains("off") ? [] : [i]));
  assert.deepEqual(lit, [0, 5, 7]);
});

test("times of a route are told as soon as one is known, of waiting and of running", async t => {
  const [route] = event().routes;
  const run_s = { ...route.run_s, count: 1 };
  const page = await openWith(t, [event({ routes: [{ ...route, run_s }] })]);

  const cells = await page.$$eval("#rows td", cells => cells.slice(-8).map(cell => cell.textContent));
  assert.deepEqual(cells, ["1", "0", "–", "–", "–", "< 1 µs", "< 1 µs", "< 1 µs"]);
});

test("an async request that ends without a job is a timer, not a handler that holds the loop", async t => {
  const routes = event().routes.map(route => ({ ...route, run: "async" }));
  const spans = [[1, 0, -1, 9, 9, 9.5, 200, 0, null], [2, 0, 3, 9, 9.2, 9.5, 200, 0, 9.2]];
  const page = await openWith(t, [event({ routes, spans })]);

  assert.equal(await page.locator(".bar.loop").count(), 0);
  const names = await page.$$eval(".bar.timer", bars => bars.map(bar => bar.getAttribute("aria-label")));
  assert.deepEqual(names,
    ["/, id 1, 200 answered, waited 500 ms, ran –", "/, id 2, 200 answered, waited < 1 µs, ran 300 ms"]);
  assert.equal((await runBars(page)).length, 1);
});

test("an async request waits for a worker once its timer is over", async t => {
  const routes = event().routes.map(route => ({ ...route, run: "async" }));
  const spans = [[1, 0, 3, 8, 9.2, 9.5, 200, 0, 8.8]], live = [[2, 0, -1, 8.5, null, 0, 9]];
  const page = await openWith(t, [event({ routes, spans, live })]);

  const bars = await page.$$eval(".bar", bars => bars.map(bar => bar.getAttribute("class").split(" ")[1]).sort());
  assert.deepEqual(bars, ["run", "timer", "timer", "wait", "wait"]);
  const edges = await page.evaluate(() => [1, 2].map(id => {
    const { timer, wait } = model.spans.get(id).bars;
    return [timer.from, timer.to, wait.from, wait.to];
  }));
  assert.deepEqual(edges, [[8, 8.8, 8.8, 9.2], [8.5, 9, 9, null]]);
  assert.match((await runBars(page))[0].name, /waited 400 ms, ran 300 ms/);
});

test("the lag of the loop stays in the picture when that is paused", async t => {
  const page = await openWith(t, [event({ t: 10 }), event({ t: 10.25, lag_s: 0.05 }), event({ t: 10.5, lag_s: 0.2 })]);

  const classes = await page.$$eval(".lag", lags => lags.map(lag => lag.getAttribute("class")));
  assert.deepEqual(classes, ["lag warn", "lag bad"]);
  await page.click("#pause");
  assert.equal(await page.locator(".lag").count(), 2);
});

test("64 seats fit, and more of them scroll", async t => {
  const fits = () => page.$eval("#scroll", scroll => scroll.scrollHeight <= scroll.clientHeight);
  let page = await openWith(t, [event({ workers: 64, workers_max: 64 })]);
  assert.equal(await page.locator(".seat").count(), 64);
  assert.ok(await fits());

  page = await openWith(t, [event({ workers: 200, workers_max: 200 })]);
  assert.equal(await page.locator(".seat").count(), 200);
  assert.ok(!await fits());
});

test("a route with a long name needs no scrolling sideways", async t => {
  const path = "/api/v3/organisations/:organisation/departments/:department/reports/monthly-consolidated-statements/3";
  const routes = event().routes.map(route => ({ ...route, path }));
  for (const width of [360, 768]) {
    const page = await openWith(t, [event({ routes, spans: [[1, 0, 0, 9, 9.1, 9.5, 200, 0]] })],
                                { viewport: { width, height: 780 } });
    await page.locator(".bar").first().dispatchEvent("click");
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
  }
});

test("a time is never a minute less than it is", async t => {
  const page = await openWith(t, [event({})]);
  const told = await page.evaluate(() => [59.94, 59.96, 60.2, 119.7, 3599.7].map(seconds));
  assert.deepEqual(told, ["59.9 s", "1 min 0 s", "1 min 0 s", "2 min 0 s", "1 h 0 min"]);
});
