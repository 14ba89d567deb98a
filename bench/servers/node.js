// node node.js PORT: /dummy on the loop; /sleep/0 is the cheapest work that node hands to its thread pool, /spin/:ms a
// hash that burns about so much CPU time there. It has no blocking call for a sleep on that pool. UV_THREADPOOL_SIZE:
// its threads.
'use strict';
const crypto = require('crypto');
const http = require('http');

const body = '{"message":"async power"}';
const head = { 'Content-Type': 'application/json', 'Content-Length': body.length };

// Measured by the first request that needs it, which the bench sends before it looks at the clock.
let roundsPerMs = 0;

function spin(ms, done) {
  if (roundsPerMs === 0) {
    const rounds = 100000;
    const began = process.cpuUsage().user;
    crypto.pbkdf2Sync('password', 'salt', rounds, 32, 'sha256');
    roundsPerMs = rounds / ((process.cpuUsage().user - began) / 1000);
  }
  crypto.pbkdf2('password', 'salt', Math.round(ms * roundsPerMs), 32, 'sha256', done);
}

const server = http.createServer((request, response) => {
  const answer = () => response.writeHead(200, head).end(body);
  const [, name, ms] = request.url.split('/');
  if (name === 'dummy') answer();
  else if (name === 'sleep') crypto.randomBytes(16, answer);
  else spin(ms, answer);
});
server.keepAliveTimeout = 120000;
server.listen(Number(process.argv[2]), '127.0.0.1', 4096);
