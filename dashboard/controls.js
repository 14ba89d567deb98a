/* Controls: what a user asks of the server, and what it answers.
 *
 * Happy path: showControls() with each event; send(), call() and resize() when they are pressed or moved. Failures: what
 * is refused or not answered is told in words, and can be asked again.
 */
"use strict";

const ASK_MAX = 30; // seconds for an answer; a handler may hold the loop

async function ask(method, url) {
  const answer = await fetch(url, { method, signal: AbortSignal.timeout(ASK_MAX * 1000) }).catch(({ name }) => {
    throw new Error(name === "TimeoutError" ? `no answer for ${ASK_MAX} s` : "the server does not answer");
  });

  if (answer.ok) return;
  let text = await answer.text();
  try {
    text = JSON.parse(text).error;
  } catch {} // what is between may answer anything
  throw new Error(`${answer.status}: ${String(text).trim().slice(0, 200)}`);
}

/* A path is written as a route's name is: what a request line cannot have is encoded here. */
function request(path, n) {
  const target = path.replace(/[^!-~]+/g, encodeURIComponent);

  return ask("POST", `requests?path=${encodeURIComponent(target)}&n=${n}`);
}

function note(text, bad) {
  set($("note"), text);
  $("note").classList.toggle("bad", Boolean(bad));
}

const wish = { n: null, sent: null, until: 0 }; // how many workers the slider asks for

function showControls(event) {
  const slider = $("workers");
  const fixed = event.executor === "inline" || event.workers_max < 2;

  $("resize").hidden = event.executor === "inline";
  $("resize").title = fixed ? "start the server with --workers-max to change it" : "";
  slider.disabled = fixed;
  slider.max = event.workers_max;
  if (wish.n == null && clock() > wish.until) slider.value = event.workers;
  set($("workers-now"), `${slider.value} of ${event.workers_max}`);
  $("send").disabled = false;
}

/* One request at a time; the last wish wins. */
async function resize() {
  set($("workers-now"), `${$("workers").value} of ${$("workers").max}`);
  wish.n = $("workers").value;
  if (wish.sent != null) return;
  while (wish.n != null && wish.n !== wish.sent) {
    wish.sent = wish.n;
    try {
      await ask("PUT", `workers?n=${wish.sent}`);
      note("");
    } catch (error) {
      note(`The number of workers stays: ${error.message}`, true);
      break;
    }
  }
  wish.n = wish.sent = null;
  wish.until = clock() + 0.5; // an event from before may be on its way
}

function offerRoutes(routes) {
  const gets = routes.filter(route => route.method === "GET");
  const select = $("route");
  const call = gets.find(route => route.path === "/dummy") ||
    gets.find(route => route.run === "inline" && !/[:*]/.test(route.path));

  select.replaceChildren();
  for (const route of gets) make(select, "option").textContent = route.path;
  const offloaded = gets.findIndex(route => route.run === "offload");
  select.selectedIndex = Math.max(0, offloaded);
  select.hidden = gets.length < 2;
  $("burst").hidden = gets.length === 0;
  $("call").disabled = !call;
  $("call").hidden = !call;
  if (call) {
    $("call").path = call.path;
    set($("call"), `Call ${call.path} now`);
  }
  routeChosen();
}

/* A route with parameters needs a path of the user's. */
function routeChosen() {
  const path = $("route").value;
  const open = /[:*]/.test(path);

  $("path").hidden = !open;
  $("path").value = path.replace(/:ms\b/, "500").replace(/:\w+|\*/g, "1");
  showSend();
}

function showSend() {
  set($("send"), `${$("count").value || 1} × ${$("path").value}`);
}

async function send() {
  const n = $("count").value || 1;
  const path = $("path").value;

  try {
    await request(path, n);
    note(`Sent ${n} × ${path}`);
  } catch (error) {
    note(`Not sent: ${error.message}`, true);
  }
}

/* How long a call takes to come through, which is how long the loop makes everybody wait. */
async function call() {
  const path = $("call").path;
  const began = clock();
  const since = began + model.offset;

  if ($("call").getAttribute("aria-disabled") === "true") return;
  $("call").setAttribute("aria-disabled", true); // not disabled, which would take the focus away
  try {
    await request(path, 1);
    const trip = seconds(clock() - began);
    note(`${path} called: round trip ${trip}`);
    const span = await answerOf(path, since, clock() + model.offset);
    if (span) {
      note(`${path} called: round trip ${trip}, ${seconds(span.ended - span.received)} of it in the server`);
      choose(span);
    }
  } catch (error) {
    note(`${path} was not called: ${error.message}`, true);
  }
  $("call").setAttribute("aria-disabled", false);
}

/* The span of a call between two moments, half a second later; null if others called too, or some were not told. */
async function answerOf(path, since, until) {
  const { skipped } = model;

  for (let i = 0; i < 40 && model.event.t < until + 0.5; i++) await new Promise(done => setTimeout(done, 50));
  const spans = [...model.spans.values()].filter(span => span.received >= since && routeName(span.route) === path);
  return spans.length === 1 && spans[0].ended != null && model.skipped === skipped ? spans[0] : null;
}
