// How the dashboard draws what it knows, and what a hand does to it, in a real browser, from events that a test makes up.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { event, hears, openPicture, startBrowser } from "./lib.mjs";

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

  assert.deepEqual(await page.$$eval("#key li", all => all.map(one => [one.firstChild.className, one.textContent])),
    [["waits", "waiting"], ["runs", "running, by route"], ["left", "abandoned"], ["refused", "shed"]]);
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
  await hears(page);
  const looks = await page.evaluate(() => {
    const lost = make($("bars"), "rect", { class: `lag ${lagLevel(0.1)}` });
    const slow = make($("bars"), "rect", { class: `lag ${lagLevel(0.01)}` });
    const fine = make($("bars"), "rect", { class: `lag ${lagLevel(0.009)}` });
    figure("shed", 1, "bad");
    const figures = ["sentence", "shed"].map(id => getComputedStyle($(id)).color);
    link = "silent";
    showLink();
    return [getComputedStyle($("link"), "::before").backgroundColor, ...figures,
      ...[lost, slow, fine].map(one => getComputedStyle(one).fill)];
  });

  assert.deepEqual(looks.slice(0, 4), [red, red, red, red]);
  assert.equal(new Set(looks.slice(3)).size, 3);
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

test("the bar that is chosen tells its own times, and so does one under the pointer", async t => {
  const page = await openWith(t, [event({ spans: [[1, 0, 3, 9, 9.2, 9.5, 200, 0]] })]);

  await page.locator("#bar-run-1").dispatchEvent("pointerover");
  assert.equal(await page.textContent("#bar-run-1 title"), "/, id 1, 200 answered, waited 200 ms, ran 300 ms");
  await page.evaluate(() => choose(model.spans.get(1)));
  assert.deepEqual(await page.$$eval("#detail div", facts => facts.map(fact => fact.innerText.split(/\s+/).join(" "))),
    ["id 1", "route /", "seat 3", "outcome 200 answered", "wait 200 ms", "run 300 ms"]);
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
  const columns = await page.$$eval(".lag", all => all.map(one => one.getBBox()).map(({ x, y, width, height }) =>
    [y + height, height, x / view.scale + view.origin, (x + width + 1) / view.scale + view.origin]));

  for (const [bottom] of columns) assert.equal(bottom, lane);
  const [a, b, c] = columns.map(([, height]) => height);
  assert.ok(a > 0 && Math.abs((c - b) - (b - a)) < 0.2 && c > b + 3);
  for (const [i, [, , from, to]] of columns.entries()) {
    assert.ok(Math.abs(from - (10 + i / 4)) < 0.01, `column ${i} begins with an event, not at ${from}`);
    assert.ok(Math.abs(to - (10.25 + i / 4)) < 0.01, `column ${i} ends with the next, not at ${to}`);
  }
});

test("the axis has round times from now at the right edge, at each zoom", async t => {
  const page = await openWith(t, [event({})]);
  await hears(page);
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

test("a bar is on the row of its seat, and where the axis says that it was", async t => {
  const page = await openWith(t, [event({}), event({ t: 60, spans: [[1, 0, 3, 40, 40, 50, 200, 0]] })]);
  await pauseAt(page, 60);
  const [bar, seat, ...ticks] = await page.evaluate(() => {
    const words = text => [...document.querySelectorAll("#chart text")].find(one => one.textContent === text);
    return [$("bar-run-1"), words("seat 3"), words("−10 s"), words("−20 s")]
      .map(one => one.getBoundingClientRect().toJSON());
  });
  const lines = await page.$$eval(".grid", all => all.map(line => line.getBoundingClientRect().left));
  const [end, begin] = ticks.map(({ left, right }) => (left + right) / 2);

  assert.ok(bar.top < (seat.top + seat.bottom) / 2 && (seat.top + seat.bottom) / 2 < bar.bottom, "its row");
  assert.ok(Math.abs(bar.left - begin) < 2, `${bar.left} at ${begin}`);
  assert.ok(Math.abs(bar.right + 1 - end) < 2, `${bar.right} at ${end}`);
  for (const x of [end, begin]) assert.ok(lines.some(line => Math.abs(line - x) < 1), `a line at ${x}`);
});

test("handlers on the loop and timers are in its lane, and what waits is in the other", async t => {
  const routes = [event().routes[0], { ...event().routes[0], path: "/async", run: "async" }];
  const spans = [[1, 0, -1, 9, 9, 9.5, 200, 0], [2, 1, -1, 9, null, 9.5, 200, 0, null]];
  const page = await openWith(t, [event({ routes, n_routes: 2, spans, live: [[3, 0, -1, 9, null, 0]] })]);
  const lanes = await page.$$eval(".lane", all => all.slice(0, 2).map(lane =>
    [lane.querySelector(".name").textContent, lane.querySelector(".back").getBoundingClientRect().toJSON()]));
  const [loop, waiting] = lanes.map(([, box]) => box);

  assert.deepEqual(lanes.map(([name]) => name), ["loop", "waiting"]);
  for (const [id, lane] of [["loop-1", loop], ["timer-2", loop], ["wait-3", waiting]]) {
    const { top, bottom } = await page.$eval(`#bar-${id}`, bar => bar.getBoundingClientRect().toJSON());
    assert.ok(lane.top <= top && bottom <= lane.bottom, id);
    if (lane === waiting) assert.ok(lane.bottom - bottom < 4, "a timer takes no row of what waits");
  }
});

test("who waits has the lowest row that is free, also when all is drawn anew", async t => {
  const wait = (id, at) => [id, 0, -1, at, null, 0], run = (id, at, started) => [id, 0, id, at, started, 0];
  const page = await openWith(t, [event({ live: [wait(1, 8), wait(2, 8.1), wait(3, 8.2)] }),
    event({ t: 11, live: [run(1, 8, 10.2), wait(2, 8.1), wait(3, 8.2), wait(4, 10.4)] })]);
  const tops = () => page.evaluate(() => [1, 2, 3, 4].map(id => Number($(`bar-wait-${id}`).getAttribute("y"))));

  for (const button of [null, "#out", "#in"]) {
    if (button) await page.click(button);
    const [first, second, third, fourth] = await tops();
    assert.ok(first > second && second > third, `${first}, ${second}, ${third}`);
    assert.equal(fourth, first, "it came when the first had gone");
  }
});

test("of very many that wait each fourth is drawn, as long as there are so many", async t => {
  const ids = Array.from({ length: 100 }, (_, i) => i + 1);
  const page = await openWith(t, [event({ live: ids.map(id => [id, 0, -1, 9, null, 0]) })]);
  const band = () => page.evaluate(() => [document.querySelectorAll(".bar.wait").length, view.deep]);

  assert.deepEqual(await band(), [25, 128]);
  const spans = ids.map(id => [id, 0, 0, 9, 10 + id / 1000, 10 + id / 1000, 200, 0]);
  const since = [event({ t: 11, spans }), event({ t: 60 }), event({ t: 60.25 })];
  await page.evaluate(events => events.forEach(take), since);
  assert.deepEqual(await band(), [0, 8]);
});

test("a bar of what goes on ends at the last event", async t => {
  const live = [[1, 0, 0, 9, 9, 0], [2, 0, -1, 9, null, 0]];
  const page = await openWith(t, [event({ live }), event({ t: 10.5, live })]);

  const ends = await page.$$eval(".bar.live", bars => bars.map(bar =>
    (Number(bar.getAttribute("x")) + Number(bar.getAttribute("width"))) / view.scale + view.origin));
  assert.equal(ends.length, 2);
  for (const end of ends) assert.ok(Math.abs(end - 10.5) < 0.01, `${end}`);
});

test("a bar of what goes on ends at the last event, also if that had no room for it", async t => {
  const waiting = (first, n) => Array.from({ length: n }, (_, i) => [first + i, 0, -1, 9, null, 0]);
  const page = await openWith(t, [event({ live: waiting(1, 300), n_live: 600 }),
    event({ t: 10.25, live: waiting(301, 300), n_live: 600 }), event({ t: 13, live: waiting(301, 300), n_live: 600 })]);

  const ends = await page.$$eval(".bar.wait", bars => bars.map(bar =>
    (Number(bar.getAttribute("x")) + Number(bar.getAttribute("width"))) / view.scale + view.origin));
  assert.ok(ends.length >= 16);
  assert.deepEqual(ends.filter(end => Math.abs(end - 13) > 0.01), []);
});

test("a bar that has left the picture takes its words along, and none hides the lanes' names", async t => {
  const page = await openWith(t, [event({ t: 20, spans: [[1, 0, 0, 5, 5, 15, 200, 0]] }), event({ t: 44 })]);

  assert.equal(await page.locator("#bars text").count(), 1);
  await page.waitForFunction(() => {
    slide();
    const bar = $("bar-run-1").getBoundingClientRect(), left = $("clip").getBoundingClientRect().left;
    return bar.left < left - 20 && bar.right > left;
  });
  assert.equal(await page.evaluate(() => {
    const left = $("clip").getBoundingClientRect().left, top = $("bar-run-1").getBoundingClientRect().top;
    return document.elementFromPoint(left - 10, top + 5).classList.contains("bar");
  }), false);
  await page.evaluate(() => [60, 61].forEach(t => take({ ...model.event, t, spans: [] })));
  assert.equal(await page.locator("#bars text, .bar").count(), 0);
});

test("a click chooses the nearest bar of its row, and beside all of them none", async t => {
  const spans = [[1, 0, 0, 40, 40, 45, 200, 0], [2, 0, 0, 45.2, 45.2, 50, 200, 0], [3, 0, 1, 30, 30, 35, 200, 0],
    [4, 0, 1, 40, 40, 45, 200, 0]];
  const page = await openWith(t, [event({}), event({ t: 60, spans })]);
  await pauseAt(page, 60);
  const clickBy = async (id, side, by) => {
    const box = await page.locator(`#bar-run-${id}`).boundingBox();
    await page.mouse.click(box.x + (side === "right" ? box.width : 0) + by, box.y + box.height / 2);
    return page.evaluate(() => view.chosen && view.chosen.id);
  };

  assert.deepEqual(await clickBy(1, "left", 20), 1);
  assert.deepEqual(await clickBy(4, "left", 20), 4);
  assert.deepEqual(await clickBy(1, "right", 1), 1);
  assert.deepEqual(await clickBy(2, "left", -1), 2);
  assert.deepEqual(await clickBy(2, "right", 6), 2);
  assert.deepEqual(await clickBy(2, "right", 30), null);
  assert.deepEqual(await clickBy(3, "left", 5), 3);
  assert.deepEqual(await clickBy(1, "left", -30), null);
});

test("a picture is moved no further to the left than is remembered", async t => {
  const page = await openWith(t, [event({}), event({ t: 400 })]);

  await pauseAt(page, 400);
  assert.equal(await page.evaluate(() => {
    pan(1e6);
    return view.now - view.span - keptSince();
  }), 0);
});

test("plus is plus with and without shift, and with control it is the browser's", async t => {
  const page = await openWith(t, [event({})]);

  await page.focus("#chart");
  await page.keyboard.press("=");
  assert.equal(await page.textContent("#window"), "10 s");
  await page.keyboard.press("Control+=");
  await page.keyboard.press("Meta++");
  await page.keyboard.press("Alt+=");
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
