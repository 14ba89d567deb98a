// How the dashboard draws what it knows, and what a hand does to it, in a real browser, from events that a test makes up.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { event, openPicture, startBrowser } from "./lib.mjs";

let browser;

before(async () => { browser = await startBrowser(); });
after(() => browser.close());

const openWith = (t, events, options) => openPicture(t, browser, events, options);
const names = page => page.$$eval(".bar", bars => bars.map(bar => bar.getAttribute("aria-label")));

// Pauses a picture at the moment t, which is that of the last event.
async function pauseAt(page, t) {
  await page.waitForFunction(t => view.now === t, t);
  await page.click("#pause");
}

test("a bar's name says what became of it", async t => {
  const span = (id, status, outcome, started = 9.2) => [id, 0, 0, 9, started, 9.5, status, outcome];
  const spans = [span(1, 200, 0), span(2, 503, 1, null), span(3, 504, 2, null), span(4, 0, 3, null), span(5, 0, 4)];
  const live = [[6, 0, -1, 9, null, 0], [7, 0, 1, 9, 9, 0], [8, 0, 2, 9, 9, 1]];
  const page = await openWith(t, [event({ spans, live })]);

  const told = [...new Set((await names(page)).map(name => name.split(", ").slice(1, -2).join(" ")))];
  assert.deepEqual(told.sort(), ["id 1 200 answered", "id 2 503 shed", "id 3 504 expired", "id 4 cancelled",
    "id 5 abandoned", "id 6 waiting", "id 7 running", "id 8 running abandoned"]);
});

test("each kind of bar looks as the key says, and a route's as its row", async t => {
  const spans = [[1, 0, 0, 9, 9, 9.1, 503, 1], [2, 0, -1, 9, null, 9.5, 0, 3], [3, 0, 0, 9, 9.3, 9.5, 0, 4],
    ...Array.from({ length: 7 }, (_, i) => [i + 4, i, i, 9, 9, 9.5, 200, 0])];
  const routes = Array.from({ length: 7 }, (_, i) => ({ ...event().routes[0], path: `/${i}` }));
  const page = await openWith(t, [event({ spans, routes, n_routes: 7, live: [[20, 0, -1, 9, null, 0]] })]);
  const look = (selector, property, part) => page.$eval(selector, (one, [property, part]) =>
    getComputedStyle(one, part)[property], [property, part]);
  const key = name => look(`#key .${name}`, "backgroundColor");

  assert.equal(await look("#bar-shed-1", "fill"), await key("refused"));
  assert.equal(await look("#bar-wait-20", "fill"), await key("waits"));
  assert.equal(await look("#bar-wait-3", "fill"), await key("waits"));
  assert.equal(await look("#bar-wait-2", "fill"), "none");
  assert.equal(await look("#bar-wait-2", "stroke"), await key("waits"));
  assert.equal(await look("#bar-run-3", "stroke"), await look("#key .left", "borderTopColor"));
  assert.ok(await look("#bar-run-3", "fillOpacity") < 0.2, "what is abandoned is outlined");
  assert.equal(await look("#bar-wait-3", "stroke"), "none");
  const fills = [], swatches = [];
  for (let i = 0; i < 7; i++) {
    fills.push(await look(`#bar-run-${i + 4}`, "fill"));
    swatches.push(await look(`#rows tr:nth-child(${i + 1}) th`, "backgroundColor", "::before"));
  }
  assert.deepEqual(fills, swatches);
  assert.equal(new Set(fills).size, 6);
  assert.equal(fills[6], fills[0]);
});

test("bad news are red, and a seat that is off is pale", async t => {
  const page = await openWith(t, [event({ workers: 1, workers_max: 2 })]);
  const red = await page.$eval("#key .refused", one => getComputedStyle(one).backgroundColor);
  const looks = await page.evaluate(() => {
    link = "silent";
    showLink();
    const lost = make($("bars"), "rect", { class: `lag ${lagLevel(0.1)}` });
    const slow = make($("bars"), "rect", { class: `lag ${lagLevel(0.01)}` });
    const fine = make($("bars"), "rect", { class: `lag ${lagLevel(0.009)}` });
    return [getComputedStyle($("link"), "::before").backgroundColor, getComputedStyle($("sentence")).color,
      ...[lost, slow, fine].map(one => getComputedStyle(one).fill)];
  });

  assert.deepEqual(looks.slice(0, 3), [red, red, red]);
  assert.equal(new Set(looks.slice(2)).size, 3);
  const [on, off] = await page.$$eval(".seat .back", seats => seats.map(seat => Number(getComputedStyle(seat).fillOpacity)));
  assert.ok(off < on);
});

test("what was refused is a mark that can be seen, at the edge of what waits", async t => {
  const page = await openWith(t, [event({ spans: [[1, 0, -1, 9, null, 9, 503, 1]] })]);
  const box = selector => page.$eval(selector, one => one.getBoundingClientRect().toJSON());
  const mark = await box(".bar.shed"), band = await box(".lane:nth-child(2) .back");

  assert.ok(mark.width >= 3);
  assert.ok(mark.top < band.top && band.top < mark.bottom);
});

test("a bar says its route and id as far as there is room", async t => {
  const spans = [[1, 0, 0, 5, 5, 8, 200, 0], [2, 0, 1, 8, 8, 9, 200, 0], [3, 0, 2, 8, 8, 8.3, 200, 0]];
  const page = await openWith(t, [event({ spans })]);

  assert.deepEqual(await page.$$eval("#bars text", texts => texts.map(text => text.textContent)), ["/  1", "/"]);
  const wide = await page.$$eval("#bars text", texts => texts.map(text =>
    text.getBBox().width < text.ownerSVGElement.querySelector(".bar.run").getBBox().width));
  assert.deepEqual(wide, [true, true]);
});

test("short bars of one route are told as one, with the last one's id; those of two routes are not", async t => {
  const short = (id, route) => [id, route, route * 4, 9 + id / 1e4, 9 + id / 1e4, 9.0001 + id / 1e4, 200, 0];
  const routes = ["/a", "/b"].map(path => ({ ...event().routes[0], path }));
  const other = [9, 1, 0, 9.0009, 9.0009, 9.001, 200, 0];
  const page = await openWith(t, [event({ routes, n_routes: 2, spans: [short(1, 0), short(2, 0), short(3, 0), other] })]);

  const told = (await names(page)).map(name => name.replace(/, 200 .*/, ""));
  assert.deepEqual(told, ["3 requests drawn as one, the last: /a, id 3", "/b, id 9"]);
  await page.evaluate(() => choose(model.spans.get(3)));
  assert.match(await page.textContent("#detail"), /drawn as one with2 more$/);
});

test("what ran on the loop had no seat", async t => {
  const page = await openWith(t, [event({ spans: [[1, 0, -1, 9, 9, 9.5, 200, 0]] })]);

  await page.evaluate(() => choose(model.spans.get(1)));
  assert.match(await page.textContent("#detail"), /seatnone/);
});

test("lag stands on the ground of its lane, and ten times of it adds as much", async t => {
  const lags = [0, 0.001, 0.01, 0.1];
  const page = await openWith(t, lags.map((lag_s, i) => event({ t: 10 + i / 4, lag_s })));
  const lane = await page.$eval(".lane .back", one => one.getBBox().y + one.getBBox().height);
  const columns = await page.$$eval(".lag", all => all.map(one => one.getBBox()).map(({ y, height }) => [y + height, height]));

  for (const [bottom] of columns) assert.equal(bottom, lane);
  const [a, b, c] = columns.map(([, height]) => height);
  assert.ok(a > 0 && Math.abs((c - b) - (b - a)) < 0.2 && c > b + 3);
});

test("the axis has round times from now at the right edge, at each zoom", async t => {
  const page = await openWith(t, [event({})]);
  const axis = () => page.$$eval("#axis text", texts => texts.map(text => text.textContent));
  const zooms = {};
  for (const button of ["#out", "#in"]) {
    do zooms[await page.textContent("#window")] = await axis();
    while (await page.isEnabled(button) && !await page.click(button));
  }

  assert.deepEqual(Object.keys(zooms).sort((a, b) => parseInt(a) - parseInt(b)),
    ["1 s", "2 s", "5 s", "10 s", "30 s", "60 s", "120 s"]);
  for (const [zoom, labels] of Object.entries(zooms)) {
    assert.ok(labels.length >= 4 && labels.length <= 6, `${zoom}: ${labels}`);
    assert.equal(labels[0], "now");
  }
  assert.deepEqual(zooms["60 s"], ["now", "−10 s", "−20 s", "−30 s", "−40 s", "−50 s"]);
  const [edge, now] = await page.evaluate(() => [$("chart"), $("axis").firstElementChild].map(one =>
    one.getBoundingClientRect().right));
  assert.ok(Math.abs(edge - now) < 2);
  assert.ok(Math.abs(edge - await page.$eval("#clip", clip => clip.getBoundingClientRect().right)) < 1);
  await page.click("#pause");
  assert.equal((await axis())[0], "paused");
});

test("plus is plus with and without shift, and with control it is the browser's", async t => {
  const page = await openWith(t, [event({})]);

  await page.focus("#chart");
  await page.keyboard.press("=");
  assert.equal(await page.textContent("#window"), "10 s");
  await page.keyboard.press("Control+=");
  await page.keyboard.press("Meta++");
  assert.equal(await page.textContent("#window"), "10 s");
});

test("a hand moves a picture that is paused, and chooses when it holds still", async t => {
  const page = await openWith(t, [event({}), event({ t: 60, spans: [[1, 0, 0, 50, 50, 55, 200, 0]] })]);
  await pauseAt(page, 60);
  const bar = await page.locator(".bar.run").boundingBox();
  const at = { x: bar.x + bar.width / 2, y: bar.y + bar.height / 2 };
  const now = () => page.evaluate(() => [view.now, view.scale]);
  const drag = async (by, up = true) => {
    await page.mouse.move(at.x, at.y);
    await page.mouse.down();
    await page.mouse.move(at.x + by, at.y);
    if (up) await page.mouse.up();
  };

  await drag(3);
  assert.equal((await now())[0], 60);
  assert.equal(await page.locator(".bar.chosen").count(), 1);
  await page.keyboard.press("Escape");
  await drag(100);
  const [moved, scale] = await now();
  assert.ok(Math.abs(moved - (60 - 100 / scale)) < 0.01);
  assert.equal(await page.locator(".bar.chosen").count(), 0);
  await page.mouse.move(at.x, at.y);
  assert.equal((await now())[0], moved, "no button is held");

  await page.mouse.wheel(0, 50);
  assert.equal((await now())[0], moved, "the wheel is the page's");
  await page.mouse.wheel(50, 0);
  await page.waitForFunction(([moved, scale]) => Math.abs(view.now - moved - 50 / scale) < 0.01, [moved, scale]);
  await page.mouse.wheel(5000, 0);
  await page.waitForFunction(() => view.now === 60);
});

test("keys bring the bar that they choose into the picture", async t => {
  const spans = [[1, 0, 0, 20, 20, 21, 200, 0], [2, 0, 0, 55, 55, 59, 200, 0], [3, 0, 1, 57, 57, 58, 200, 0]];
  const page = await openWith(t, [event({}), event({ t: 60, spans })]);
  const chosen = () => page.evaluate(() => {
    const bar = view.chosen.bars.run.rect.getBoundingClientRect(), clip = $("clip").getBoundingClientRect();
    return [view.chosen.id, bar.right > clip.left && bar.left < clip.right];
  });

  await pauseAt(page, 60);
  await page.focus("#chart");
  const rows = [["ArrowLeft", 3], ["ArrowUp", 2], ["ArrowLeft", 1], ["Escape"], ["ArrowLeft", 1], ["ArrowRight", 2],
    ["ArrowDown", 3]];
  for (const [key, id] of rows) {
    await page.keyboard.press(key);
    if (id) assert.deepEqual(await chosen(), [id, true], key);
  }
});

test("who wants less motion has a picture that moves with events only", async t => {
  const page = await openWith(t, [event({})], { reducedMotion: "reduce" });
  const moves = () => page.evaluate(async () => {
    model.event.t = 1000;
    model.offset += 1;
    const before = view.now;
    for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
    return view.now > before;
  });

  assert.equal(await moves(), false);
  await page.evaluate(() => { view.reduced = false; });
  assert.equal(await moves(), true);
});
