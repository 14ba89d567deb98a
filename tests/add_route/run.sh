#!/bin/sh
# add_route() in a tree of its own: a line in its place is taken, one that cannot work ends the configuration with a text that
# names what is wrong.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

mkdir -p "$scratch/routes" "$scratch/tests/routes"
touch "$scratch/routes/good.c" "$scratch/tests/routes/test_good.c" "$scratch/routes/untested.c"

# configure <lines before the table> <lines after it>: what CMake says, in one line.
configure()
{
    cat >"$scratch/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(add_route LANGUAGES C)
include("$root/cmake/AddRoute.cmake")
add_library(hoist_routes OBJECT)
$1
add_executable(program routes/good.c)
target_route_table(program)
$2
END
    status=0
    cmake -G Ninja -S "$scratch" -B "$scratch/build" >"$scratch/log" 2>&1 || status=$?
    said=$(tr -s '\n ' ' ' <"$scratch/log")
}

# refused <words>: the last configuration failed and said so.
refused()
{
    case $status:$said in
    0:*) echo "it was taken, not refused: $1" ;;
    *"$1"*) return ;;
    *) echo "not \"$1\" but: $said" ;;
    esac
    exit 1
}

configure 'add_route(good)' ''
test $status -eq 0 || { echo "$said"; exit 1; }
grep -q 'X(good)' "$scratch/build/generated/route_table.h"

configure 'add_route(good)' 'add_route(good)'
refused 'add_route(good): this line is too late'
configure 'add_route(good)
add_route(good)' ''
refused 'add_route(good): this line is there twice.'
configure '' ''
refused 'tests/routes/test_good.c: there is no route of this name'
configure 'add_route(not-c)' ''
refused 'add_route(not-c): this name cannot stand in C'
configure 'add_route(lost)' ''
refused 'add_route(lost): routes/lost.c is missing.'
configure 'add_route(untested)' ''
refused 'add_route(untested): tests/routes/test_untested.c is missing.'
