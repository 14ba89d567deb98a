#!/bin/sh
# A thousand clients that dawdle, made by slowhttptest: headers, a body, or reading the answers. Meanwhile the server must be there
# for others, as slowhttptest's own probes and curl see it, and it stops cleanly afterwards.
# usage: run.sh <program> headers|body|read; HOIST_PROGRAM names another program. Ends with 77 when there is no slowhttptest.
set -eu

program=${HOIST_PROGRAM:-$1}
mode=$2
clients=1000
scratch=$(mktemp -d)
server='' tool='' # pids of what runs
# shellcheck disable=SC2086 # one word for each pid
trap 'kill $tool $server 2>/dev/null || true; rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

command -v slowhttptest >/dev/null || { echo "no slowhttptest: skipped"; exit 77; }

case $mode in
headers) options='-H' path=/dummy ;;
body) options='-B' path=/echo ;;
read) options='-X -k 10 -w 1 -y 64' path=/dummy ;;
*) echo "not $mode but headers, body or read" >&2; exit 2 ;;
esac

# Fails the test, with what everybody said.
fail()
{
    echo "$mode: $1"
    tail -n 30 "$scratch/said" "$scratch/tool.csv" "$scratch/errors" || true
    exit 1
}

"$program" --port 0 --admin off --workers 2 --access-log off --header-timeout-ms 4000 --body-timeout-ms 4000 \
    --keep-alive-ms 4000 --write-timeout-ms 4000 >"$scratch/out" 2>"$scratch/errors" &
server=$!
until grep -q '^listening on ' "$scratch/out"; do
    kill -0 "$server" || fail "the server does not start"
    sleep 0.05
done
url=http://$(sed -n 's/^listening on \([0-9.:]*\),.*/\1/p' "$scratch/out")

# Lets them dawdle for so many seconds, and asks meanwhile.
dawdle()
{
    # shellcheck disable=SC2086 # one word for each option
    slowhttptest $options -c $clients -r 500 -i 1 -l "$1" -p $(($1 / 2)) -g -o "$scratch/tool" -u "$url$path" \
        >"$scratch/said" 2>&1 &
    tool=$!
    asked=0
    while kill -0 $tool 2>/dev/null; do
        curl --silent --show-error --fail --max-time 30 "$url/dummy" >/dev/null || fail "curl got no answer"
        asked=$((asked + 1))
        sleep 0.2
    done
    wait $tool || fail "slowhttptest failed"
    tool=
}

# Seconds,Closed,Pending,Connected,Service Available: the last one is the number of clients, or 0. How many are connected at once
# is up to how fast the machine connects them before the first ones are closed. Ends with 3 when there was too little load for an
# answer.
judge()
{
    awk -F , -v clients=$clients -v mode="$mode" -v asked=$asked '
        NR > 1 { rows++; if ($2 + $4 > made) made = $2 + $4; if ($4 > most) most = $4; if ($5 != clients) gone++ }
        END {
            printf "%s: %d s, %d connections, at most %d at once, service not available in %d of them, %d answers to curl\n",
                mode, rows, made, most, gone, asked
            exit rows > 2 && made > clients / 10 && asked > 2 ? gone > 0 : 3
        }' "$scratch/tool.csv"
}

# A machine that is too busy to make the load gets more time for it.
for seconds in 10 20 40; do
    dawdle $seconds
    status=0
    judge || status=$?
    test $status -eq 3 || break
done
case $status in
0) ;;
3) fail "the service was not under load" ;;
*) fail "the service was not available throughout" ;;
esac

kill "$server"
wait "$server" || fail "the server's exit status is $?"
server=
cat "$scratch/errors" # what a sanitizer found fails the test
