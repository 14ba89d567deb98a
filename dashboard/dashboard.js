/* The dashboard: what the server says four times a second, as words, figures and lanes of bars.
 *
 * Happy path: listen() -> take(event) learns spans, has them drawn (lanes.js) and shows figures.
 * Failures: a stream that breaks is opened again; a server whose clock goes back is another one, and what was learnt of
 * the old one is forgotten. What the server says becomes text, never markup.
 */
"use strict";

const KEEP = 125;        // seconds that are remembered, a little more than the widest zoom
const SPANS_MAX = 20000; // remembered, and as many events
const TOLD_MAX = 30;     // seconds of the past that a stream begins with

/* ---- what is known ---- */

const model = {
  event: null,      // the last one
  reopened: false,  // the stream was, so the next event may be another server's
  heard: 0,         // when it came, on this page's clock
  offset: null,     // the server's clock minus this page's
  spans: new Map(), // by id: {id, route, seat, received, queued, started, ended, guessed, status, outcome, abandoned, bars}
  live: new Set(),  // those that had not ended
  skipped: 0,       // spans that were not told
  lost: -Infinity,  // the moment up to which spans had ended that were too many, or are not told
  history: [],      // {t, finished, shed, busy, answers, rate, lag, skipped}
};

/* What ended before is forgotten; not what a picture that stands still shows, or can be moved to. */
function keptSince() {
  return (view.paused ? view.frozen : model.event.t) - KEEP;
}

function clock() {
  return performance.now() / 1000;
}

function forget() {
  model.event = model.offset = null;
  model.lost = -Infinity;
  model.spans.clear();
  model.live.clear();
  model.history = [];
  choose(null);
  view.now = 0;
  view.deep = 8;
  pause(false);
}

/* What an event tells of a span. An end that was guessed gives way to what is told later. An async request that ends
 * without a job is told as started when it came, like what a handler answers on the loop; but it has held nobody. */
function learn(id, fields) {
  let span = model.spans.get(id);

  if (span && span.ended != null && !span.guessed) return;
  if (queuedAt(fields) === null) fields.started = null;
  if (!span) model.spans.set(id, span = { id, bars: {} });
  Object.assign(span, fields);
  if (fields.ended == null) model.live.add(span);
  else {
    model.live.delete(span);
    model.spans.delete(id); // behind those that ended before: the first ones are forgotten first
    model.spans.set(id, span);
  }
  draw(span);
}

function take(event) {
  const heard = clock();
  const offset = event.t - heard;
  const other = model.event && (event.t < model.event.t || (model.reopened && offset < model.offset - 0.5));

  if (other) forget();
  if (model.offset == null || offset > model.offset || model.offset - offset > 2) model.offset = offset;
  else model.offset += (offset - model.offset) * 0.05; // an event that comes late says nothing about the clock
  const first = model.event == null;
  const { reopened } = model;
  model.reopened = false;
  model.event = event;
  model.heard = heard;

  lay(first);
  model.history.push({ t: event.t, finished: event.finished, shed: event.shed, busy: event.busy,
    answers: event.answers, rate: pace(model.history.at(-1) || event, event),
    lag: first || reopened ? 0 : event.lag_s, // the first one's is that of a time nobody knows
    skipped: model.skipped += event.skipped });
  while (model.history[0].t < keptSince() || model.history.length > SPANS_MAX) model.history.shift();
  takeSpans(event, reopened);
  if (!view.paused) slide(); // a page that is not seen gets no frames
  prune();
  if (view.stale && !view.paused) rebuild();
  else drawLag(model.history.length - 1);
  showFigures(event);
  showRoutes(event.routes);
  set($("more"), event.n_routes > event.routes.length ? `and ${event.n_routes - event.routes.length} more routes` : "");
  showControls(event);
}

function takeSpans(event, reopened) {
  const before = model.history.at(-2)?.t ?? -Infinity;
  const now = new Set();
  // What ended in it is not told. A picture that is paused keeps what is before it.
  const gap = reopened && event.t - before > TOLD_MAX && !view.paused;

  if (gap) {
    model.lost = event.t - TOLD_MAX;
    view.stale = true;
  }
  for (const [id, route, seat, received, started, ended, status, outcome, queued] of event.spans) {
    learn(id, { route, seat, received, queued, started, ended, status, outcome, abandoned: outcome === 4, guessed: false });
    if (ended < before - 1) view.stale = true; // told of the past, while the present is drawn: bars come by their age
  }
  for (const [id, route, seat, received, started, abandoned, queued] of event.live) {
    learn(id, { route, seat, received, queued, started, ended: null, abandoned: abandoned > 0 });
    now.add(id);
  }
  for (const span of model.live) // it ended about now; a later event may tell of it, but not when there are too many
    if (now.has(span.id)) continue;
    else if (gap) drop(span);
    else if (event.live.length === event.n_live) learn(span.id, { ended: event.t, guessed: true });
    else draw(span); // it goes on, and had no room
  // What ended the others may have been skipped, and so when they started: they would look as if they had never run.
  if (event.skipped) for (const span of model.spans.values()) if (span.guessed && span.started == null) drop(span);
}

function drop(span) {
  for (const kind in span.bars) remove(span.bars[kind]);
  model.spans.delete(span.id);
  model.live.delete(span);
}

function prune() {
  for (const [id, span] of model.spans) {
    if (span.ended == null) continue;
    if (span.ended > keptSince()) {
      if (model.spans.size <= SPANS_MAX) break;
      model.lost = Math.max(model.lost, span.ended);
    }
    model.spans.delete(id);
  }
  if (!view.paused) dropOffScreen();
}

/* ---- figures ---- */

/* Answers a second, between two moments. */
function pace(a, b) {
  return (b.answers - a.answers) / (b.t - a.t) || 0;
}

function showFigures(event) {
  const old = model.history.find(h => h.t > event.t - 5);
  const rate = pace(model.history.findLast(h => h.t <= event.t - 2) || model.history[0], event);
  const skipped = model.skipped - old.skipped;
  const unknown = event.n_live - model.live.size;
  const taken = new Set([...model.live].map(s => s.seat).filter(i => i >= 0));
  let spare = event.workers - taken.size; // seats of idle workers: when these become fewer, jobs may be on any seat
  const lag = Math.max(...model.history.filter(h => h.t > event.t - 2).map(h => h.lag));

  say(sentence({ ...event, rate: drainRate(model.history), refused: event.shed - old.shed }), event.stuck > 0);
  set($("busy"), event.executor === "inline" ? "–" : `${event.busy} of ${event.workers}`);
  figure("waiting", event.waiting);
  figure("shed", event.shed, event.shed > old.shed ? "bad" : "");
  figure("abandoned", event.abandoned, event.abandoned ? "warn" : "");
  set($("lag"), seconds(lag));
  $("lag").className = lagLevel(lag);
  set($("rate"), rate >= 10 ? count(Math.round(rate)) : rate.toFixed(1));
  set($("lane-lag"), plan.gutter < 80 ? seconds(lag) : `lag ${seconds(lag)}`);
  set($("lane-waiting"), count(event.waiting));
  document.querySelectorAll(".seat").forEach((seat, i) =>
    seat.classList.toggle("off", !taken.has(i) && spare-- <= 0));
  set($("skipped"), [skipped && `${count(skipped)} of the last 5 s not drawn`,
    unknown > 0 && `${count(unknown)} in progress not drawn`,
    view.lost > view.now - view.span && `nothing before −${(view.now - view.lost).toFixed(1)} s is drawn`]
    .filter(Boolean).join(", "));
  showSpark(event.t);
  if (view.chosen) showDetail();
  showLink();
}

function figure(id, n, level = "") {
  set($(id), count(n));
  $(id).className = level;
}

function showSpark(now) {
  const points = model.history.filter(h => h.t > now - 30);
  const top = Math.max(1, ...points.map(h => h.rate));

  $("spark").firstElementChild.setAttribute("points",
    points.map(h => `${(120 - (now - h.t) * 4).toFixed(1)},${(23 - h.rate / top * 22).toFixed(1)}`).join(" "));
}

let spoken = { text: "", at: -Infinity };

/* A screen reader hears it every ten seconds at most, and bad news at once. */
function say(text, bad, aloud = text) {
  set($("sentence"), text);
  $("sentence").classList.toggle("bad", Boolean(bad));
  if (aloud === spoken.text || clock() < spoken.at + (bad ? 2 : 10)) return;
  spoken = { text: aloud, at: clock() };
  set($("spoken"), aloud);
}

function showRoutes(routes) {
  const body = $("rows");
  const names = routes.map(route => `${route.method} ${route.path}`).join("\n");

  if (body.names !== names) {
    body.names = names;
    body.replaceChildren();
    routes.forEach((route, i) => {
      const row = make(body, "tr", { class: `r${i % COLOURS}` });
      make(row, "th", { scope: "row" }).textContent = routeName(i);
      for (let column = 0; column < 11; column++) make(row, "td");
    });
    offerRoutes(routes);
  }
  routes.forEach((route, i) => {
    const cells = body.rows[i].cells;
    const times = [route.wait_s, route.run_s].flatMap(s => [s.p50, s.p90, s.p99].map(t => s.count ? seconds(t) : "–"));
    const counts = [route.waiting, route.running, route.run_s.count, route.shed];
    set(cells[1], route.run);
    counts.forEach((n, j) => set(cells[j + 2], count(n)));
    times.forEach((s, j) => set(cells[j + 6], s));
    for (let j = 2; j < cells.length; j++) cells[j].classList.toggle("zero", /^[0–]$/.test(cells[j].textContent));
  });
}

/* ---- the stream ---- */

let link = "connecting";

function showLink() {
  const state = link === "live" && view.paused ? "paused" : link;

  $("link").dataset.state = state;
  set($("link"), state === "lost" ? "no connection" : state);
  set($("edge"), view.paused ? "paused" : link === "live" || !model.event ? "now" : "last heard");
}

let source = null;

/* Browsers open six connections to a host, for all its pages: one that is not seen leaves them to the others, unless
 * it is paused, and would have gaps where it may be moved to. */
function listen() {
  if (document.hidden || source) return;
  source = new EventSource("events");
  source.onmessage = message => {
    if (link === "lost") note(""); // which may say that the server does not answer
    link = "live";
    take(JSON.parse(message.data));
  };
  source.onerror = () => { // browsers differ in what they try again, so none of them is left to
    leave("lost");
    say("The server does not answer; trying again", true);
    setTimeout(listen, 1000);
  };
}

function leave(state) {
  source?.close();
  source = null;
  model.reopened = true;
  link = state;
  showLink();
}

/* A connection that stays open and says nothing: a handler holds the loop, or what is between holds it back. */
function watchSilence() {
  const silence = clock() - model.heard;

  if (!model.event || silence < 2 || (link !== "live" && link !== "silent")) return;
  link = "silent";
  say(`Nothing heard for ${Math.floor(silence)} s: the loop is held, or the network`, true,
    "Nothing heard: the loop is held, or the network"); // once, not every second with another number
  showLink();
}

/* ---- the user ---- */

/* The bar at a point of the window, or one beside it: most are thin, and all move. */
function barNear(x, y) {
  const box = $("clip").getBoundingClientRect();
  const time = view.now - (box.right - x) / view.scale;
  const near = 8 / view.scale;
  let best = null, least = Infinity;

  for (const bar of view.bars) {
    if (bar.kind === "lag" || x < box.left) continue;
    const away = Math.max(bar.from - time, time - (bar.to ?? Infinity), 0);
    if (y - box.top < bar.y - 2 || y - box.top > bar.y + bar.height + 2 || away > near || away > least) continue;
    best = bar;
    least = away;
  }
  return best;
}

function onKey(event) {
  const target = event.target;
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  if (event.ctrlKey || event.metaKey || event.altKey || !model.event) return;
  if (event.key === "Escape") return choose(null);
  if (!target.closest("section")) return; // WCAG 2.2, 2.1.4: a key alone does something only where it is about that
  if (event.key === " " && !target.closest("button, a")) pause(!view.paused);
  else if (event.key === "+" || event.key === "=") zoom(-1);
  else if (event.key === "-") zoom(1);
  else if (moves[event.key] && target === $("chart")) step(...moves[event.key]);
  else return;
  event.preventDefault();
}

function begin() {
  const chart = $("chart");
  let down = null; // where the pointer went down, and whether it has moved the picture since

  set($("address"), location.host);
  set($("sentence"), "Connecting to the server");
  showLink();
  showDetail();
  chart.addEventListener("pointerdown", event => { down = { x: event.clientX, moved: false }; });
  chart.addEventListener("pointermove", event => {
    const by = down ? event.clientX - down.x : 0;
    if (!view.paused || event.buttons !== 1 || (!down.moved && Math.abs(by) < 4)) return;
    down = { x: event.clientX, moved: true };
    pan(by);
  });
  chart.addEventListener("click", event => {
    if (down?.moved) return;
    const bar = model.event && barNear(event.clientX, event.clientY);
    choose(bar ? bar.span : null);
  });
  chart.addEventListener("wheel", event => {
    if (!view.paused || Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
    event.preventDefault();
    pan(-event.deltaX);
  }, { passive: false });
  chart.addEventListener("pointerover", event => {
    const bar = event.target.bar;
    if (bar) set(bar.rect.querySelector("title") || make(bar.rect, "title"), title(bar));
  });
  document.addEventListener("keydown", onKey);
  $("pause").addEventListener("click", () => model.event && pause(!view.paused));
  $("in").addEventListener("click", () => zoom(-1));
  $("out").addEventListener("click", () => zoom(1));
  $("workers").addEventListener("input", resize);
  $("route").addEventListener("change", routeChosen);
  $("path").addEventListener("input", showSend);
  $("count").addEventListener("input", showSend);
  $("send").addEventListener("click", send);
  $("call").addEventListener("click", call);
  new ResizeObserver(() => lay(false)).observe(chart);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) listen();
    else if (!view.paused) leave("connecting");
  });
  setInterval(watchSilence, 500);
  requestAnimationFrame(frame);
  listen();
}

begin();
