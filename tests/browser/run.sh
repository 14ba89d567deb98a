#!/bin/sh
# The dashboard and the report in headless Chromium, driven by playwright-core. run.sh <program>: what is served, unless
# the environment's HOIST_PROGRAM names another; CHROMIUM names the browser.
# Exit 77: something is missing, see ./dev deps ci.
set -eu

skip()
{
    echo "skipped: $*"
    exit 77
}

here=$(CDPATH='' cd "$(dirname "$0")" && pwd)
HOIST_PROGRAM=${HOIST_PROGRAM:-$1}
export HOIST_PROGRAM

command -v node >/dev/null || skip "there is no node"
test -d "$here/node_modules/playwright-core" || skip "there is no playwright-core; npm ci --prefix tests/browser"
for browser in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
    CHROMIUM=$(command -v "$browser") && break
done
test -n "$CHROMIUM" || skip "there is no Chromium"
export CHROMIUM

exec node --test --test-reporter=spec "$here"/*.test.mjs
