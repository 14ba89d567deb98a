#!/bin/sh
# What the admin listener tells Prometheus is what Prometheus takes, and every metric that the Grafana dashboard asks for is
# there. Skipped (77) without promtool.
#
#     run.sh PROGRAM
set -eu

program=$1
command -v promtool >/dev/null && command -v curl >/dev/null || exit 77

folder=$(mktemp -d)
"$program" --port 0 --workers 2 --access-log off >"$folder/said" 2>"$folder/errors" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -r "$folder"' EXIT
trap 'exit 1' HUP INT TERM

# Waits for its second line.
while ! admin=$(sed -n 's/^admin on //p' "$folder/said") || test -z "$admin"; do
    kill -0 "$server" || {
        cat "$folder/errors" >&2
        exit 1
    }
    sleep 0.05
done

# One request of each kind, so that every family has a value.
data=$(sed -n 's/^listening on \([^,]*\),.*/\1/p' "$folder/said")
for path in dummy sleep/1 nowhere; do
    curl -s "http://$data/$path" >/dev/null
done
curl -s "http://$admin/metrics" >"$folder/metrics"

promtool check metrics <"$folder/metrics"
names=$(grep -o '\(hoist\|process\)_[a-z_]*' "$(dirname "$0")/../../docs/grafana-dashboard.json" | sort -u)
test -n "$names" || {
    echo "the dashboard asks for nothing" >&2
    exit 1
}
for name in $names; do
    grep -q "^${name}[ {]" "$folder/metrics" || {
        echo "the dashboard asks for $name, which there is not" >&2
        exit 1
    }
done
