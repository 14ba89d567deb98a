/* Lanes: spans as bars on a time axis, and the one that is looked at.
 *
 * Happy path: draw() makes or changes the bars of a span that take() has learnt; between events frame() only moves the
 * picture. The axis ends at view.now, a little behind the server's clock, so that whatever is shown is known.
 * Another zoom, width or number of seats: rebuild() draws everything anew. Failures: none; what is too much to be drawn
 * is merged, and then dropped, oldest first; where that was is hatched.
 */
"use strict";

const OUTCOMES = ["answered", "shed", "expired", "cancelled", "abandoned"];
const ZOOMS = [1, 2, 5, 10, 30, 60, 120];
const DELAY = 0.3;     // seconds that the picture is behind
const BARS_MAX = 4000; // drawn while the picture moves; one that is paused has a bar of all that is remembered
const ROWS_MAX = 32;   // of the waiting band that are drawn; if it is deeper, every 2nd, 4th, ... is
const COLOURS = 6;

/* ---- the picture's measures ---- */

const view = {
  now: 0, span: 30, paused: false, chosen: null,
  reduced: matchMedia("(prefers-reduced-motion: reduce)").matches,
  frozen: 0,    // the moment at which it was paused
  drawn: 0,     // the moment up to which a picture that is paused is drawn; moved to the left, it ends before
  lost: 0,      // the moment up to which bars that were too many had ended
  origin: 0,    // the server's time at x = 0
  scale: 1,     // pixels per second
  base: NaN,    // the x at which what is painted begins
  moved: NaN,   // how far it is moved to the left, in pixels
  bars: [],     // drawn, oldest first
  rows: {},     // who holds which row of the waiting band, and of the timers
  deep: 8,      // the rows that the band has room for, a power of two
  stale: false, // everything is to be drawn anew
  tail: new Map(), // the last bar of each lane, to which one that is too short to be seen may be added
};
const plan = { width: 0, height: 0, gutter: 0, seats: -1, seat: 0, inset: 0 };
const LOOP = { y: 0, height: 46, bar: 16 }, BAND = { y: 52, height: 64 }, SEATS_Y = 126;

/* Measures anew if the number of lanes or the width is another. */
function lay(again) {
  const event = model.event;
  const width = $("chart").clientWidth;
  const seats = event ? (event.executor === "inline" ? 0 : event.workers_max) : 0;

  if (!again && width === plan.width && seats === plan.seats) return;
  plan.width = width;
  plan.seats = seats;
  plan.gutter = width < 560 ? 58 : 96;
  plan.seat = Math.max(6, Math.min(30, Math.floor(400 / Math.max(1, seats))));
  plan.inset = plan.seat >= 12 ? 2 : plan.seat >= 8 ? 1 : 0.5;
  plan.height = SEATS_Y + seats * plan.seat;
  view.lost = -Infinity; // another zoom may have room for them
  drawLanes();
  drawAxis();
  rebuild();
}

function drawLanes() {
  const svg = $("lanes");
  const chart = plan.width - plan.gutter;
  const every = plan.seat >= 12 ? 1 : plan.seat >= 8 ? 4 : 8;

  svg.replaceChildren();
  svg.setAttribute("height", plan.height);
  $("scroll").style.maxHeight = plan.seats > 64 ? `${SEATS_Y + 64 * plan.seat}px` : "";
  $("clip").style.width = `${chart}px`;
  $("clip").style.height = `${plan.height}px`;
  lane(svg, LOOP.y, LOOP.height, "loop", "lane-lag");
  lane(svg, BAND.y, BAND.height, "waiting", "lane-waiting");
  for (let i = 0; i < plan.seats; i++) {
    const g = lane(svg, SEATS_Y + i * plan.seat, plan.seat - plan.inset, "");
    const middle = SEATS_Y + (i + 0.5) * plan.seat - plan.inset / 2;
    if (i % every === 0) label(g, middle + 4, i === 0 || every === 1 ? `seat ${i}` : `${i}`);
    g.classList.add("seat");
  }
  for (const x of ticks().map(at)) make(svg, "line", { class: "grid", x1: x, x2: x, y1: 0, y2: plan.height });
}

function lane(svg, y, height, name, figure) {
  const g = make(svg, "g", { class: "lane" });

  make(g, "rect", { class: "back", x: plan.gutter, y, width: plan.width - plan.gutter, height });
  if (name) label(g, y + 17, name).classList.add("name");
  if (figure) label(g, y + 33, "").id = figure;
  return g;
}

function label(parent, y, text) {
  const element = make(parent, "text", { x: 0, y });

  element.textContent = text;
  return element;
}

/* Seconds before now that get a line. */
function ticks() {
  const step = { 1: 0.2, 2: 0.5, 5: 1, 10: 2, 30: 5, 60: 10, 120: 20 }[view.span] * (plan.width < 560 ? 2 : 1);
  const list = [];

  for (let s = 0; s < view.span * 0.97; s += step) list.push(s);
  return list;
}

function at(ago) {
  return Math.round(plan.width - ago / view.span * (plan.width - plan.gutter)) - 0.5;
}

function drawAxis() {
  const svg = $("axis");

  svg.replaceChildren($("edge")); // whose words are showLink()'s
  $("edge").setAttribute("x", at(0));
  for (const ago of ticks().slice(1))
    make(svg, "text", { x: at(ago), y: 16, "text-anchor": "middle" }).textContent = `−${+ago.toFixed(1)} s`;
}

/* ---- bars ---- */

/* What of a span is drawn where: a wait in the band, a run on its seat or the loop, a timer of an async route. */
function pieces(span) {
  const { received, started, ended } = span;
  const start = started ?? ended;
  const queued = queuedAt(span);

  if (span.outcome === 1) return [{ kind: "shed", from: received, to: ended }];
  return [
    queued !== received && { kind: "timer", from: received, to: queued ?? start },
    queued != null && (started ?? Infinity) - queued > Math.max(0.001, 0.5 / view.scale) && { kind: "wait", from: queued, to: start },
    started != null && { kind: span.seat < 0 ? "loop" : "run", from: started, to: ended },
  ].filter(Boolean);
}

/* When it began to wait for a worker; an async request may never. */
function queuedAt({ route, received, queued }) {
  return model.event.routes[route]?.run === "async" ? queued : received;
}

function draw(span) {
  if (view.paused && !(span.received <= view.drawn)) return;
  const list = pieces(span);

  for (const piece of list) {
    let bar = span.bars[piece.kind];
    if (bar) bar.to = piece.to;
    else bar = span.bars[piece.kind] = merged(piece, span) || add(piece, span);
    shape(bar);
  }
  for (const kind in span.bars)
    if (!list.some(piece => piece.kind === kind)) remove(span.bars[kind]);
}

function add(piece, span) {
  const bar = { ...piece, span, n: 1, row: 0, look: "", rect: null, text: null };

  if (piece.kind === "wait" || piece.kind === "timer") bar.row = takeRow(bar);
  if (piece.kind === "wait" && bar.row % (view.deep / Math.min(view.deep, ROWS_MAX)) > 0) return bar;
  [bar.y, bar.height] = placeOf(bar);
  bar.rect = make($("bars"), "rect", { role: "option", id: `bar-${piece.kind}-${span.id}`, "data-id": span.id,
    x: ((bar.from - view.origin) * view.scale).toFixed(2), y: bar.y, height: bar.height });
  if (piece.kind === "run") bar.rect.setAttribute("data-seat", span.seat);
  bar.rect.bar = bar;
  view.bars.push(bar);
  if (piece.to != null && piece.kind !== "wait") view.tail.set(`${piece.kind}${span.seat}`, bar);
  return bar;
}

/* Bars that are too short to be told apart become one. Each lane may have as many as share BARS_MAX. */
function merged(piece, span) {
  const last = view.tail.get(`${piece.kind}${span.seat}`);
  const unit = view.span * Math.max(1, plan.seats) / (BARS_MAX / 2);

  if (!last || piece.to == null || last.span.route !== span.route || last.span.outcome !== span.outcome ||
    piece.from < last.from || piece.from - last.to > 2 / view.scale || piece.to - last.from > unit) return null;
  last.to = Math.max(last.to, piece.to);
  last.n++;
  last.span = span;
  last.rect.setAttribute("data-id", span.id);
  return last;
}

/* The lowest row of the waiting band that is free. */
function takeRow(bar) {
  const rows = view.rows[bar.kind] ||= [];
  let row = rows.findIndex(other => other.to != null && other.to <= bar.from);

  if (row < 0) row = rows.length;
  rows[row] = bar;
  if (bar.kind === "wait" && row >= view.deep) {
    while (row >= view.deep) view.deep *= 2;
    view.stale = true;
  }
  return row;
}

/* What changes while a bar is there; where it begins does not, as rebuild() is for another scale. */
function shape(bar) {
  const { rect, span, kind } = bar;
  if (!rect) return;
  const live = bar.to == null;
  const to = bar.to ?? model.event.t;
  const width = Math.max(kind === "shed" ? 3 : 1.5, (to - bar.from) * view.scale - (live ? 0 : 1)); // a gap to the next
  const gone = kind === "wait" && span.ended != null && span.started == null;
  const look = ["bar", kind, `r${span.route % COLOURS}`, live && "live", gone && "gone",
    kind !== "wait" && span.abandoned && "abandoned", view.chosen === span && "chosen"].filter(Boolean).join(" ");

  rect.setAttribute("width", width.toFixed(2));
  if (bar.height >= 8 && width >= 5) rect.setAttribute("rx", 2);
  if (look !== bar.look || !live) {
    bar.look = look;
    rect.setAttribute("class", look);
    rect.setAttribute("aria-label", title(bar));
    rect.setAttribute("aria-selected", view.chosen === span);
  }
  if ((kind === "run" || kind === "loop") && bar.height >= 13) write(bar, width);
}

function placeOf({ kind, span, row }) {
  if (kind === "run") return [SEATS_Y + span.seat * plan.seat + plan.inset, plan.seat - 3 * plan.inset];
  if (kind === "loop") return [LOOP.y + 3, LOOP.bar];
  if (kind === "timer") return [LOOP.y + 22 + row % 5 * 3, 2];
  if (kind === "shed") return [BAND.y - 5, 12];
  const drawn = Math.min(view.deep, ROWS_MAX);
  const pitch = (BAND.height - 4) / drawn;
  return [BAND.y + BAND.height - 2 - (row * drawn / view.deep + 1) * pitch, pitch > 2 ? pitch - 1 : pitch];
}

/* The route and the id, as far as there is room for them. */
function write(bar, width) {
  const route = routeName(bar.span.route);
  const long = bar.n > 1 ? `${route}  ×${bar.n}` : `${route}  ${bar.span.id}`;
  const text = [long, route].find(words => words.length * 7 + 10 < width);

  if (!text) return;
  bar.text ||= make($("bars"), "text", { x: (bar.from - view.origin) * view.scale + 6, y: bar.y + bar.height / 2 + 4 });
  bar.text.setAttribute("class", bar.span.abandoned ? "abandoned" : "");
  set(bar.text, text);
}

function remove(bar) {
  bar.rect?.remove();
  bar.text?.remove();
  if (bar.span.bars[bar.kind] === bar) delete bar.span.bars[bar.kind];
  bar.to ??= 0;   // its row is free
  bar.from = NaN; // dropOffScreen() forgets it
}

function dropOffScreen() {
  const surplus = view.bars.length - BARS_MAX;
  let deep = 0;

  if (surplus > 0) lose(view.bars.map(bar => bar.to ?? Infinity).sort((a, b) => a - b)[surplus - 1]);
  const left = Math.max(view.now - view.span - 1, view.lost);
  view.bars = view.bars.filter(bar => {
    const stays = bar.from <= Infinity && (bar.to == null || bar.to > left);
    if (!stays) remove(bar);
    else if (bar.kind === "wait") deep = Math.max(deep, bar.row + 1);
    return stays;
  });
  if (view.deep === 8 || deep * 3 > view.deep) return;
  view.deep = Math.max(8, 2 ** Math.ceil(Math.log2(deep + 1)));
  view.stale = true;
}

/* Hatches the time of what ended by then and is not drawn: its lanes would look idle. What ended later lies above. */
function lose(until) {
  view.lost = Math.max(view.lost, until);
  const x = (view.lost - view.origin) * view.scale;
  $("lost").setAttribute("width", Math.max(0, x + 1e5)); // it begins that far to the left
}

/* A column for the longest that the loop kept somebody waiting between two events; each tenfold adds as much. */
function drawLag(i) {
  const { t, lag } = model.history[i];
  const from = i > 0 ? model.history[i - 1].t : t;
  const height = Math.max(0, Math.min(1, (Math.log10(lag) + 4) / 4)) * 22;

  if (!(height > 0) || t <= view.lost || (view.paused && from > view.drawn)) return;
  const rect = make($("bars"), "rect", {
    class: `lag ${lagLevel(lag)}`, x: ((from - view.origin) * view.scale).toFixed(2), y: LOOP.y + LOOP.height - height,
    width: Math.max(1, (t - from) * view.scale - 1).toFixed(2), height: height.toFixed(1),
  });
  view.bars.push({ rect, kind: "lag", from, to: t, span: { bars: {} } });
}

function lagLevel(lag) {
  return lag >= 0.1 ? "bad" : lag >= 0.01 ? "warn" : "";
}

/* Draws everything anew: another zoom, another width, another number of lanes. */
function rebuild() {
  $("bars").replaceChildren($("hatch"), $("lost"));
  view.bars = [];
  view.rows = {};
  view.stale = false;
  view.tail.clear();
  view.scale = (plan.width - plan.gutter) / view.span;
  view.origin = Math.floor(view.now);
  view.drawn = view.paused ? model.event.t : view.now; // all that is known, or each move to the right would draw anew
  view.base = view.moved = NaN;
  $("bars").setAttribute("width", 2 * (plan.width - plan.gutter));
  $("bars").setAttribute("height", plan.height);
  $("lost").setAttribute("height", plan.height);
  lose(model.lost);
  if (!model.event) return;
  const left = Math.max(view.paused ? 0 : view.now - view.span - 1, view.lost);
  model.history.forEach((_, i) => drawLag(i));
  const spans = [...model.spans.values()].sort((a, b) => a.received - b.received);
  for (const span of spans) span.bars = {};
  for (const span of spans) if (span.ended == null || span.ended > left) draw(span);
  if (view.stale) return rebuild(); // the waiting band has become deeper
  slide();
}

/* ---- time ---- */

function slide() {
  if (!model.event) return;
  if (!view.paused) {
    const now = Math.min(clock() + model.offset - DELAY, model.event.t);
    view.now = Math.max(view.now, now);
    if (view.now - view.origin > 600) return rebuild(); // large numbers would make bars jitter
  }
  const chart = plan.width - plan.gutter;
  const left = (view.now - view.origin) * view.scale - chart;
  const base = Math.floor(left / chart) * chart; // what is painted is two charts wide, and starts here
  const moved = Math.round((base - left) * devicePixelRatio) / devicePixelRatio;

  if (base !== view.base) $("bars").setAttribute("viewBox", `${base} 0 ${2 * chart} ${plan.height}`);
  if (moved !== view.moved) $("bars").style.transform = `translateX(${moved}px)`;
  view.base = base;
  view.moved = moved;
}

function frame() {
  if (!view.paused && !view.reduced) slide();
  requestAnimationFrame(frame);
}

function pause(on) {
  view.paused = on;
  view.frozen = view.now;
  $("pause").setAttribute("aria-pressed", on);
  set($("pause"), on ? "Resume" : "Pause");
  showLink();
  lay(true);
}

function zoom(step) {
  const i = Math.max(0, Math.min(ZOOMS.length - 1, ZOOMS.indexOf(view.span) + step));

  if (ZOOMS[i] === view.span) return;
  view.span = ZOOMS[i];
  set($("window"), `${view.span} s`);
  $("in").setAttribute("aria-disabled", i === 0); // not disabled, which would take the focus away
  $("out").setAttribute("aria-disabled", i === ZOOMS.length - 1);
  lay(true);
}

/* While it stands still, the picture can be moved. */
function pan(pixels) {
  const last = model.event.t;

  view.now = Math.max(Math.min(view.now - pixels / view.scale, last), Math.min(last, keptSince() + view.span));
  if (view.now > view.drawn) rebuild();
  else slide();
}

/* ---- a bar that is looked at ---- */

function routeName(index) {
  const { routes, n_routes } = model.event;
  const route = routes[index];

  if (!route) return index < n_routes ? `route ${index + 1}` : "no route";
  return route.method === "GET" ? route.path : `${route.method} ${route.path}`;
}

function waited(span) {
  return (span.started ?? span.ended ?? model.event.t) - (queuedAt(span) ?? span.received);
}

function ran(span) {
  return span.started == null ? null : (span.ended ?? model.event.t) - span.started;
}

function becameOf(span) {
  const outcome = OUTCOMES[span.outcome] ?? "ended";

  if (span.ended != null) return span.status ? `${span.status} ${outcome}` : outcome;
  if (span.started == null) return "waiting";
  return span.abandoned ? "running, abandoned" : "running";
}

function title({ span, n }) {
  const many = n > 1 ? `${n} requests drawn as one, the last: ` : "";

  return `${many}${routeName(span.route)}, id ${span.id}, ${becameOf(span)}, waited ${seconds(waited(span))}, ` +
    `ran ${seconds(ran(span))}`;
}

function choose(span) {
  const before = view.chosen;

  view.chosen = span;
  for (const one of [before, span])
    if (one) for (const bar of Object.values(one.bars)) {
      bar.rect?.classList.toggle("chosen", one === span);
      bar.rect?.setAttribute("aria-selected", one === span);
      if (one === span) bar.rect?.setAttribute("aria-label", title(bar)); // a live one's is that of when it was drawn
    }
  showDetail();
}

/* No live region, for it changes with each event: a screen reader hears the bar as the option that became active. */
function showDetail() {
  const span = view.chosen;
  const box = $("detail");
  const bar = span && (span.bars.run || span.bars.loop || span.bars.timer || span.bars.wait || span.bars.shed);
  const facts = span && [["id", span.id], ["route", routeName(span.route)],
    ["seat", span.seat < 0 ? "none" : span.seat], ["outcome", becameOf(span)], ["wait", seconds(waited(span))], ["run", seconds(ran(span))]];

  if (bar?.rect) $("chart").setAttribute("aria-activedescendant", bar.rect.id);
  else $("chart").removeAttribute("aria-activedescendant");
  if (!facts) {
    box.textContent = "Choose a bar for its id, route, wait and run.";
    return;
  }
  if (bar && bar.n > 1) facts.push(["drawn as one with", `${bar.n - 1} more`]);
  if (box.children.length !== facts.length) box.replaceChildren(...facts.map(([name]) => {
    const div = document.createElement("div");
    make(div, "span").textContent = name;
    make(div, "b");
    return div;
  }));
  facts.forEach(([, value], i) => set(box.children[i].lastChild, String(value)));
}

/* The next bar in a direction: along its lane, or the one nearest in time on the next lane that has one. */
function step(dx, dy) {
  const bars = view.bars.filter(bar => bar.kind !== "lag" &&
    (view.paused || (bar.from <= view.now && (bar.to ?? Infinity) > view.now - view.span)));
  const own = view.chosen && bars.find(bar => bar.span === view.chosen && bar.kind !== "wait") ||
    bars.find(bar => bar.span === view.chosen);
  const y = bar => bar.y + (bar.kind === "wait" ? 0 : 0.01);
  const best = (list, rank) => list.reduce((a, b) => !a || rank(b) < rank(a) ? b : a, null);
  let next;

  if (!own) next = best(bars.filter(bar => bar.from <= view.now), bar => -bar.from + (bar.kind === "wait" ? 1e6 : 0));
  else if (dx) next = best(bars.filter(bar => y(bar) === y(own) && (bar.from - own.from) * dx > 0),
    bar => Math.abs(bar.from - own.from));
  else next = best(bars.filter(bar => (y(bar) - y(own)) * dy > 0),
    bar => Math.abs(y(bar) - y(own)) * 1e3 + Math.abs(bar.from - own.from));
  if (!next) return;
  choose(next.span);
  const x = (next.from - view.now) * view.scale + plan.width - plan.gutter;
  if (view.paused && x < 0) pan(20 - x);
  else if (view.paused && x > plan.width - plan.gutter - 20) pan(plan.width - plan.gutter - 60 - x);
}
