#!/bin/sh
# The files of docs/operations at work: units before systemd's own checks, proxies in front of the built program. Only ports and
# paths are replaced. Exit status 77: the program that this takes is not installed. And docs/OPERATIONS.md: does what it
# names exist, and does it name every option?
# usage: run.sh names|units|activation|haproxy|nginx <build directory>
set -eu

here=$(cd "$(dirname "$0")/../../docs/operations" && pwd)
hoist=$2/hoist
scratch=$(mktemp -d)
proxy='' a='' b='' load='' direct='' holders='' # pids of what runs
trap 'for pid in $load $direct $holders $proxy $a $b; do kill "$pid" 2>/dev/null || true; done; wait; rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

die()
{
    echo "$*" >&2
    for file in "$scratch"/*.errors; do
        test ! -e "$file" || sed "s|^|${file##*/}: |" "$file" >&2
    done
    exit 1
}

# is_there <program>: a package may put it where only root looks.
is_there()
{
    (PATH=$PATH:/usr/sbin && command -v "$1")
}

# await <pid> <command...>: until the command succeeds, while the process lives.
await()
{
    pid=$1
    shift
    until "$@"; do
        kill -0 "$pid" 2>/dev/null || die "the process ended before: $*"
        sleep 0.05
    done
}

# ---- names ----

# named <pattern>: what the text names so, which is something. For an assignment, which ends the test if it is not.
named()
{
    grep -o "$1" "$text" | tr -d '`(' | sort -u | grep . || die "the text names nothing like $1"
}

# shellcheck disable=SC2016 # the back quotes are the text's
names()
{
    root=$here/../..
    text=$here/../OPERATIONS.md
    # The last group of the help is the program's own.
    "$hoist" --help | sed -n '/^Listening/,/^hoist$/s/^  \(--[a-z-]*\).*/\1/p' >"$scratch/options"
    test -s "$scratch/options" || die "no options in the help"
    while read -r option; do
        grep -qE -e "$option([^a-z-]|\$)" "$text" || die "$option is not in the text"
    done <"$scratch/options"
    named_options=$(named '`--[a-z-]*')
    for option in $named_options; do
        grep -qx -e "$option" "$scratch/options" || die "there is no $option"
    done
    constants=$(named '`[A-Z]*_[A-Z_]*`')
    for constant in $constants; do
        case $constant in
        HOIST_*) continue ;;
        esac
        grep -qrw "$constant" "$root/server" || die "there is no $constant"
    done
    examples=$(named '(operations/[a-z@.]*')
    dashboards=$(named '([a-z-]*\.json')
    for file in $examples $dashboards; do
        test -e "$here/../$file" || die "there is no $file"
    done
    tests=$(named '`[a-z0-9]*/[a-z_]*\.c')
    for file in $tests; do
        test -e "$root/tests/$file" || die "there is no $file"
    done
    metrics=$(named 'hoist_[a-z]*_[a-z_]*')
    for metric in $metrics; do
        grep -qrw "$metric" "$root/server" "$root/include" || die "there is no $metric"
    done
}

# ---- units ----

# Everything below "what it may do" but what names the instance.
hardening()
{
    sed '1,/^# ---- what it may do/d; /^#/d; /^RuntimeDirectory=/d' "$1"
}

units()
{
    is_there systemd-analyze >/dev/null || exit 77
    for unit in hoist.service hoist@.service hoist.socket; do
        sed "s|/usr/local/bin/hoist|\"$hoist\"|" "$here/$unit" >"$scratch/$unit"
    done
    cp "$scratch/hoist@.service" "$scratch/hoist@1.service"
    mkdir "$scratch/hoist.service.d"
    sed "s|/usr/local/bin/app|\"$hoist\"|" "$here/hoist.service.d/app.conf" >"$scratch/hoist.service.d/app.conf"
    status=0
    "$hoist" --no-such-option 2>"$scratch/usage" || status=$?
    for unit in hoist.service hoist@.service; do
        grep -qx "RestartPreventExitStatus=$status" "$here/$unit" || die "$unit starts a bad command line again"
    done
    for unit in hoist.service hoist.socket hoist@1.service; do
        systemd-analyze verify --man=no --recursive-errors=no "$scratch/$unit" >"$scratch/verify.errors" 2>&1 || die "$unit"
        # What it does not know it ignores, and says so.
        ! grep -F "$scratch" "$scratch/verify.errors" || die "$unit"
    done
    for unit in hoist.service hoist@1.service; do
        # 10 is a unit without any of it; 1.5 is a little above what these have.
        systemd-analyze security --offline=true --threshold=15 --no-pager "$scratch/$unit" >"$scratch/security.errors" ||
            die "$unit"
        tail -n 1 "$scratch/security.errors"
    done
    hardening "$here/hoist.service" >"$scratch/one"
    hardening "$here/hoist@.service" >"$scratch/two"
    diff "$scratch/one" "$scratch/two" || die "hoist.service and hoist@.service may do different things"
}

# ---- socket activation, by systemd's own tool ----

activation()
{
    activate=$(is_there systemd-socket-activate) || exit 77
    "$activate" --fdname=hoist.socket:admin --listen="$scratch/data" --listen="$scratch/admin" \
        "$hoist" --workers 1 >"$scratch/hoist.errors" 2>&1 &
    a=$!
    await $a test -S "$scratch/admin"
    ask data /dummy '{"message":"async power"}'
    ask admin /ready '{"ready":true}'
    kill -TERM $a
    wait $a || die "it did not stop cleanly"
    a=
    test -S "$scratch/data" || die "the file is the supervisor's"
}

# ask <socket> <path> <answer> [option of curl...]
ask()
{
    socket=$1 target=$2 answer=$3
    shift 3
    body=$(curl --silent --max-time 30 --unix-socket "$scratch/$socket" "$@" "http://localhost$target") ||
        die "$target: no answer"
    test "$body" = "$answer" || die "$target: $body, not $answer"
}

# ---- proxies ----

# start_hoist <name>: its pid is in $started then.
start_hoist()
{
    "$hoist" --port 0 --admin 127.0.0.1:0 --workers 4 --heavy-ms 50 --keep-alive-ms 60000 --drain-ms 3600000 \
        >"$scratch/$1.out" 2>"$scratch/$1.errors" &
    started=$!
    await $started grep -q '^admin on ' "$scratch/$1.out"
}

# port <name> <words>: of the line that begins with the words.
port()
{
    sed -n "s/^$2 127\.0\.0\.1:\([0-9]*\).*/\1/p" "$scratch/$1.out"
}

# with_ports <file>: the example with this test's ports and socket.
with_ports()
{
    sed -e "s/127\.0\.0\.1:8000/127.0.0.1:$(port a 'listening on')/" -e "s/port 8001/port $(port a 'admin on')/" \
        -e "s/127\.0\.0\.1:8010/127.0.0.1:$(port b 'listening on')/" -e "s/port 8011/port $(port b 'admin on')/" \
        -e "s|^\( *\)bind :80$|\1bind \"unix@$scratch/proxy\"|" -e "s|listen 80;|listen \"unix:$scratch/proxy\";|" "$here/$1"
}

# How many connections both servers have had.
accepted()
{
    for name in a b; do
        curl --silent --max-time 30 "http://127.0.0.1:$(port $name 'admin on')/stats" |
            sed -n 's/.*"connections":{[^}]*"accepted":\([0-9]*\).*/\1/p'
    done | awk '{ sum += $1 } END { print sum }'
}

# One request after the other until the file "enough" is there; the status of each into a file.
keep_asking()
{
    while ! test -e "$scratch/enough"; do
        curl --silent --max-time 30 --output /dev/null --write-out '%{http_code}\n' --unix-socket "$scratch/proxy" \
            "http://localhost$1" || true
    done >"$scratch/statuses$2"
}

# The answers so far are at least so many.
has_answers()
{
    test "$(cat "$scratch"/statuses* | wc -l)" -ge "$1"
}

passes_requests_on()
{
    ask proxy /dummy '{"message":"async power"}'
    ask proxy / '{"message":"done"}'
    ask proxy /echo hello --data hello
    long=$(printf '%07000d' 0) # hoist takes 32 KiB of them
    ask proxy /dummy '{"message":"async power"}' --header "A: $long" --header "B: $long" --header "C: $long"
}

keeps_connections()
{
    before=$(accepted)
    curl --silent --max-time 300 --output /dev/null --unix-socket "$scratch/proxy" 'http://localhost/dummy?[1-40]'
    more=$(($(accepted) - before))
    test $more -le 4 || die "40 requests took $more connections"
}

# lets_clients_leave: a job that waits for a client of the proxy goes when that client does.
lets_clients_leave()
{
    for i in 1 2 3 4; do
        for name in a b; do
            curl --silent --max-time 3600 --output /dev/null "http://127.0.0.1:$(port $name 'listening on')/sleep/3600000" &
            holders="$holders $!"
        done
    done
    await $proxy both '"busy":4,'
    ! curl --silent --max-time 1 --output /dev/null --unix-socket "$scratch/proxy" http://localhost/sleep/0 ||
        die "it was answered while every worker was held"
    await $proxy either '"cancelled":1,"shed":0,"connections"'
    # shellcheck disable=SC2086 # one word for each pid
    kill $holders
    holders=
}

# says <name> <words>: its figures.
says()
{
    curl --silent --max-time 30 "http://127.0.0.1:$(port "$1" 'admin on')/stats" | grep -q "$2"
}

both()
{
    says a "$1" && says b "$1"
}

either()
{
    says a "$1" || says b "$1"
}

# drains <command...>: the first server is stopped while requests keep coming, and holds its drain until the command succeeds.
drains()
{
    curl --silent --max-time 3600 "http://127.0.0.1:$(port a 'listening on')/sleep/3600000" &
    direct=$!
    await $a says a '"busy":1,'
    for i in 1 2 3 4; do
        keep_asking /dummy $i &
        load="$load $!"
        keep_asking /sleep/20 $((i + 4)) &
        load="$load $!"
    done
    await $proxy has_answers 40
    kill -TERM $a
    await $proxy "$@"
    kill $direct
    wait $direct || true
    direct=
    wait $a || die "the drain did not end well"
    a=
    await $proxy has_answers $(($(cat "$scratch"/statuses* | wc -l) + 40))
    : >"$scratch/enough"
    # shellcheck disable=SC2086 # one word for each pid
    wait $load
    load=
    ! cat "$scratch"/statuses* | grep -v '^200$' | sort | uniq -c | grep . || die "these answers were not 200"
    echo "$(cat "$scratch"/statuses* | wc -l) requests during the drain: all answered"
}

stops()
{
    kill -TERM "$proxy"
    wait "$proxy" || true
    proxy=
    kill -TERM "$b"
    wait "$b" || die "b did not stop cleanly"
    b=
}

behind_haproxy()
{
    program=$(is_there haproxy) || exit 77
    with_ports haproxy.cfg >"$scratch/haproxy.cfg"
    "$program" -c -q -f "$scratch/haproxy.cfg"
    "$program" -db -f "$scratch/haproxy.cfg" >"$scratch/haproxy.errors" 2>&1 &
    proxy=$!
    await $proxy grep -q 'Health check for server hoist/a succeeded, reason: Layer7 check passed, code: 200' \
        "$scratch/haproxy.errors"
    passes_requests_on
    keeps_connections
    lets_clients_leave
    drains grep -q 'server hoist/a failed, reason: Layer7 wrong status, code: 503.* DOWN' "$scratch/haproxy.errors"
}

behind_nginx()
{
    program=$(is_there nginx) || exit 77
    with_ports nginx.conf >"$scratch/site.conf"
    cat >"$scratch/main.conf" <<END
daemon off;
pid "$scratch/pid";
error_log "$scratch/nginx.errors";
events {}
http {
    access_log off;
    client_body_temp_path "$scratch/temp1";
    proxy_temp_path "$scratch/temp2";
    fastcgi_temp_path "$scratch/temp3";
    uwsgi_temp_path "$scratch/temp4";
    scgi_temp_path "$scratch/temp5";
    include "$scratch/site.conf";
}
END
    "$program" -p "$scratch" -e "$scratch/nginx.errors" -c "$scratch/main.conf" &
    proxy=$!
    await $proxy curl --silent --max-time 30 --output /dev/null --unix-socket "$scratch/proxy" http://localhost/dummy
    passes_requests_on
    keeps_connections
    lets_clients_leave
    drains has_answers 200
}

case $1 in
names | units | activation) "$1" ;;
haproxy | nginx)
    is_there "$1" >/dev/null || exit 77
    start_hoist a
    a=$started
    start_hoist b
    b=$started
    "behind_$1"
    stops
    ;;
esac
