#!/bin/sh
# Installs a build into a scratch prefix; then programs of somebody else's, outside the tree, are built against it: the files in
# docs/EMBEDDING.md as that text says, by pkg-config and gcc and by CMake, the examples likewise, and those in consumer/, C++ and
# the static library among them. They serve, and their routes' unit tests pass. Last, subdirectory/ has the tree in its own build.
# usage: run.sh <build directory>
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
scratch=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server" 2>/dev/null || true; rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

cmake --install "$build" --prefix "$scratch/prefix" >"$scratch/log"
libdir=$(dirname "$(find "$scratch/prefix" -name hoist.pc)")
export PKG_CONFIG_PATH="$libdir" LD_LIBRARY_PATH="${libdir%/pkgconfig}" CMAKE_PREFIX_PATH="$scratch/prefix"

# Other names than the API's would collide with the program's own, or be taken for them.
for library in libhoist.a libhoist.so; do
    option=-g
    test $library = libhoist.a || option=-D
    all=$(nm $option --defined-only "${libdir%/pkgconfig}/$library" | awk 'NF == 3 { print $3 }')
    printf '%s\n' "$all" | grep -qx hoist_main_sized || { echo "$library has no hoist_main_sized"; exit 1; }
    names=$(printf '%s\n' "$all" | grep -v '^hoist_') || true
    test -z "$names" || { echo "$library has names that are not the API's: $names"; exit 1; }
done

# Before 1.0 each minor version is another library.
version=$(pkg-config --modversion hoist)
objdump -p "${libdir%/pkgconfig}/libhoist.so" | grep -q " libhoist\\.so\\.${version%.*}\$" ||
    { echo "version $version has another library's name"; exit 1; }

# Its code is called by signals, and at exit, as long as the program lives.
readelf -d "${libdir%/pkgconfig}/libhoist.so" | grep -q NODELETE || { echo "dlclose(3) unloads libhoist.so"; exit 1; }

# A package is made by an install into DESTDIR, which hoist.pc must not name. It names no directory that is searched anyway,
# else that is searched before the caller's own.
DESTDIR=$scratch/stage cmake --install "$build" --prefix /usr >"$scratch/log"
staged=$(dirname "$(find "$scratch/stage" -name hoist.pc)")
words=$(PKG_CONFIG_PATH=$staged pkg-config --cflags --libs hoist | tr -d ' ')
test "$words" = -lhoist || { echo "in /usr hoist.pc says $words"; exit 1; }
test "$(pkg-config --print-requires-private hoist)" = 'libuv >= 1.44' || { echo "hoist.pc takes any libuv"; exit 1; }

# serves <target> <answer> <program> [option...]: it starts on a free port, answers and stops. $data: a body for a POST.
data=
serves()
{
    target=$1 answer=$2
    shift 2
    : >"$scratch/out" # the last one's line must not be taken for this one's
    "$@" >"$scratch/out" 2>"$scratch/errors" &
    server=$!
    until grep -q '^listening on ' "$scratch/out"; do
        kill -0 "$server" || { cat "$scratch/errors"; exit 1; }
        sleep 0.05
    done
    port=$(sed -n '1s/.*:\([0-9]*\),.*/\1/p' "$scratch/out")
    body=$(curl --silent --max-time 10 ${data:+--data "$data"} "http://127.0.0.1:$port$target")
    test "$body" = "$answer" || { echo "$target: $body, not $answer"; exit 1; }
    kill -TERM "$server"
    wait "$server"
    server=
}

# compile <words>: what pkg-config says is for a shell to read, with a backslash before each blank of a path.
compile()
{
    eval "cc $*"
}

# quietly <command>: shows what it said only if it failed.
quietly()
{
    "$@" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
}

# A block of the text that is a file has its name behind the language.
mkdir "$scratch/text"
cd "$scratch/text"
awk '/^```[a-z]+ [A-Za-z_.]+$/ { file = $2; next } /^```/ { file = "" } file { print > file }' "$here/../../docs/EMBEDDING.md"

compile hello.c main.c "$(pkg-config --cflags --libs hoist)" -o app
compile hello.c hello_test.c "$(pkg-config --cflags --libs hoist criterion)" -o hello_test
compile lines.c "$(pkg-config --cflags --libs hoist)" -o lines
compile embedded.c "$(pkg-config --cflags --libs hoist libuv)" -o embedded
compile third_word.c "$(pkg-config --cflags --libs hoist)" -o third_word
serves '/hello?name=Ada' 'hello Ada' ./app --port 0 --workers 2
cmake --install "$build" --prefix "$scratch/archive" >"$scratch/log"
find "$scratch/archive" -name 'libhoist.so*' -delete
archive=$scratch/archive${libdir#"$scratch/prefix"}
compile hello.c main.c "$(PKG_CONFIG_PATH=$archive pkg-config --cflags --libs --static hoist)" -o app_archive
serves '/hello?name=Ada' 'hello Ada' ./app_archive --port 0 --workers 2
./hello_test
./app --workers 8 --help | grep -q -- '--workers N'
./lines --help | grep -q -- '--db FILE .*; default: /etc/hosts$'
serves /lines "{\"lines\":$(wc -l <lines.c)}" ./lines --port 0 --db lines.c
serves /lines "{\"lines\":$(wc -l <main.c)}" env HOIST_DB=main.c ./lines --port 0
data='to be or'
serves /third-word '{"length":2}' ./third_word --port 0
data='to be'
serves /third-word '{"error":"the process of this request ended with signal 11"}' ./third_word --port 0
data=
echo "as in docs/EMBEDDING.md, by pkg-config: passed"

quietly cmake -G Ninja -B build
quietly cmake --build build
quietly ctest --test-dir build
serves '/hello?name=Ada' 'hello Ada' build/app --port 0
echo "as in docs/EMBEDDING.md, by CMake: passed"

# The examples whose libraries are installed; relic_without_lane.c is but a part of a program.
mkdir "$scratch/examples"
cp "$here"/../../examples/*.c "$scratch/examples"
cd "$scratch/examples"
for source in *.c; do
    name=${source%.c}
    case $name in
    test_* | relic_without_lane) continue ;;
    embed) library=libuv ;;
    password) library=libxcrypt ;;
    sqlite) library=sqlite3 ;;
    *) library= ;;
    esac
    # shellcheck disable=SC2086 # no word for no library
    if pkg-config --exists hoist $library; then
        compile -Wall -Wextra -Werror "$source" "$(pkg-config --cflags --libs hoist $library)" -o "$name"
    else
        echo "examples/$source: not built, there is no $library"
    fi
done
serves /factor/360 '360: 2 2 2 3 3 5' ./child --port 0 --workers 1
serves '/reverse-words?text=to+be' 'be to' ./relic --port 0 --workers 1
data='to be or'
serves /filter 'dG8gYmUgb3I=' ./child --port 0 --workers 1 --filter base64
data=
echo "the examples, by pkg-config: passed"

cp -r "$here/consumer" "$scratch/consumer"
cd "$scratch/consumer"
mkdir old
printf 'Name: libuv\nDescription: an old one\nVersion: 1.43.0\n' >old/libuv.pc
! PKG_CONFIG_PATH=$PWD/old cmake -G Ninja -B build_with_old >"$scratch/log" 2>&1 || { echo "it takes libuv 1.43"; exit 1; }
grep -q 'hoist needs libuv 1\.44, which was not found' "$scratch/log" || { cat "$scratch/log"; exit 1; }
quietly cmake -G Ninja -B build
quietly cmake --build build
serves '/hello?name=Ada' 'hello Ada' build/app --port 0
serves '/hello?name=Ada' 'hello Ada' build/app_static --port 0
build/app_cpp
status=0
build/app_cpp throws 2>"$scratch/errors" || status=$?
test $status -eq 134 || { echo "an exception came out: status $status"; exit 1; }
grep -q 'error /throws: an exception, or pthread_exit(), left its code' "$scratch/errors" || { cat "$scratch/errors"; exit 1; }
build/app_test
echo "by CMake, C++ and the static library: passed"

# make sees less of what is to be built before what than ninja does, and is what CMake takes by itself. A compiler may be two
# words, as with ccache. The asserts of hoist stay, and its files apart, whatever its host says.
quietly env CC="env ${CC:-cc}" CFLAGS=-DNDEBUG cmake -G 'Unix Makefiles' -DCMAKE_UNITY_BUILD=ON \
    -DHOIST="$here/../.." -DCMAKE_INSTALL_LIBDIR="$scratch/elsewhere/lib" -S "$here/subdirectory" -B "$scratch/subdirectory"
quietly cmake --build "$scratch/subdirectory" -j 2
nm "$scratch/subdirectory/hoist/libhoist.a" | grep -q ' U __assert_fail' || { echo "libhoist.a has no asserts"; exit 1; }
serves '/hello?name=Ada' 'hello Ada' "$scratch/subdirectory/app" --port 0
serves '/hello?name=Ada' 'hello Ada' "$scratch/subdirectory/app_static" --port 0
cd "$scratch"
quietly cmake --install subdirectory --prefix host
cd consumer
compile app.c "$(PKG_CONFIG_PATH=$scratch/elsewhere/lib/pkgconfig pkg-config --cflags --libs hoist)" -o app_elsewhere
echo "by CMake and make, with the tree as a subdirectory: passed"
