#!/bin/sh
# Installs a build into a scratch prefix; then a program of somebody else's, outside the tree, is built against it: by pkg-config
# and gcc alone, and by CMake. Both serve, and their route's unit test passes.
# usage: run.sh <build directory>
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$1
scratch=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server" 2>/dev/null; rm -rf "$scratch"' EXIT

cmake --install "$build" --prefix "$scratch/prefix" >"$scratch/log"
cp -r "$here/consumer" "$scratch/consumer"
cd "$scratch/consumer"

libdir=$(dirname "$(find "$scratch/prefix" -name hoist.pc)")
export PKG_CONFIG_PATH="$libdir"
export LD_LIBRARY_PATH="${libdir%/pkgconfig}"

# serves <program>: it starts on a free port and answers.
serves()
{
    "$1" --port 0 --workers 2 >"$scratch/out" &
    server=$!
    until grep -q '^listening on ' "$scratch/out"; do
        kill -0 "$server"
        sleep 0.05
    done
    port=$(sed -n '1s/.*:\([0-9]*\),.*/\1/p' "$scratch/out")
    test "$(curl --silent --max-time 10 "http://127.0.0.1:$port/hello?name=Ada")" = "hello Ada"
    kill -TERM "$server"
    wait "$server"
    server=
}

# shellcheck disable=SC2046 # one word for each flag
cc app.c $(pkg-config --cflags --libs hoist) -o by_hand
# shellcheck disable=SC2046
cc -DTESTED app.c app_test.c $(pkg-config --cflags --libs hoist criterion) -o by_hand_test
serves ./by_hand
./by_hand_test
./by_hand --workers 8 --help | grep -q -- '--workers N'
echo "by pkg-config: passed"

cmake -S . -B build -G Ninja -DCMAKE_PREFIX_PATH="$scratch/prefix" >"$scratch/log"
cmake --build build >"$scratch/log" || { cat "$scratch/log"; exit 1; }
serves build/app
serves build/app_static
build/app_cpp
build/app_test
echo "by CMake: passed"
