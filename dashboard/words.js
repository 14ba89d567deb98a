/* Words: figures and states as people say them, in pure functions; and three helpers for the page. Failures: none. */
"use strict";

function seconds(s) {
  if (s == null) return "–";
  if (s < 1e-6) return "< 1 µs";
  if (s < 9.995e-4) return `${Math.round(s * 1e6)} µs`;
  if (s < 0.9995) return `${(s * 1e3).toFixed(s < 0.00995 ? 2 : s < 0.0995 ? 1 : 0)} ms`;
  if (s < 59.95) return `${s.toFixed(1)} s`;
  s = Math.round(s);
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
}

const { format: count } = new Intl.NumberFormat("en");

/* Jobs finished per second, of late: over 5 s or longer until 8 have finished, but never from before the workers were
 * last idle. It is measured from one end of jobs to another, because equal jobs end in volleys.
 * history: {t, finished, busy}, oldest first. */
function drainRate(history) {
  const now = history[history.length - 1];
  let first = null, last = null;

  for (let i = history.length - 1; i >= 0; i--) {
    const idle = i === 0 || history[i].busy === 0;
    if (!idle && history[i].finished === history[i - 1].finished) continue;
    first = history[i];
    last ||= first;
    if (idle || (last.t - first.t >= 5 && last.finished - first.finished >= 8)) break;
  }
  if (first === last) return 0;
  const measured = last.t - first.t;
  const silence = now.t - last.t; // longer than all that was measured: something has changed
  return (last.finished - first.finished) / (silence > measured ? now.t - first.t : measured);
}

/* The state in words. s: an event's counts, with rate (jobs finished per second) and refused (shed in the last 5 s). */
function sentence(s) {
  if (s.executor === "inline") return "No workers: every handler runs on the loop";
  if (s.draining && s.busy + s.waiting === 0) return "Drained, nothing runs or waits";
  const busy = s.busy > s.workers ? `${s.busy} busy on the way to ${s.workers}` : `${s.busy} of ${s.workers} busy`;
  const parts = [s.draining ? `Draining: ${busy}` : busy];
  const stuck = s.stuck > 0 && s.stuck >= s.workers; // and no other worker is left

  if (s.stuck > 0) parts.push(stuck ? "all stuck" : `${s.stuck} stuck`);
  if (s.abandoned > s.stuck) parts.push(`${s.abandoned} abandoned`);
  parts.push(s.waiting === 0 ? "nothing waiting" : `${count(s.waiting)} waiting`);
  if (s.waiting > 0 && stuck) parts.push("nothing drains");
  else if (s.waiting > 0) parts.push(s.rate > 0 ? `drains in ${seconds(s.waiting / s.rate)}` : "none finished yet");
  if (s.refused > 0) parts.push(`${count(s.refused)} refused in 5 s`);
  return parts.join(", ");
}

/* ---- the page ---- */

const $ = id => document.getElementById(id);

function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function make(parent, name, attributes = {}) {
  const svg = parent.namespaceURI.endsWith("svg");
  const element = svg ? document.createElementNS(parent.namespaceURI, name) : document.createElement(name);

  for (const key in attributes) element.setAttribute(key, attributes[key]);
  return parent.appendChild(element);
}
