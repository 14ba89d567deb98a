#!/bin/sh
# Who may include whom is the architecture. One line for each place that breaks it, and for each file that
# docs/ARCHITECTURE.md does not name in its list; exit 1 if there is one.
#
#   include/  the C library; hoist_uv.h also libuv
#   pool/     pool/, libuv, the C library; no HTTP in it, only here uv_queue_work()
#   server/   server/, include/, pool/ as "pool/...", libuv, the C library; server/parser.* also llhttp; page.c also the
#             made "dashboard.h"; main.c also the door of the experiment, "experiment/experiment.h"
#   experiment/ experiment/, include/, "server/options.h", "server/number.h", libuv; experiment/caller.* also llhttp
#   routes/   "hoist.h", "heavy.h", whatever library a route wraps; program.c also "route_table.h"
#   examples/ "hoist.h" and whatever library an example wraps; embed.c "hoist_uv.h"; its tests also what tests share
#
# check_layers.sh [root]: checks the tree at root, this one by default.
# shellcheck disable=SC2016 # the $0 in single quotes are awk's
set -eu

cd "${1:-"$(dirname "$0")/.."}"
ls -d include pool server experiment routes examples docs/ARCHITECTURE.md >/dev/null # a folder that was renamed must not pass unseen

# Runs awk over the sources of some folders; one that is missing or empty is no error.
over()
{
    program=$1
    shift
    find "$@" -name '*.[ch]' -exec awk "$program" {} +
}

# Every #include, as file:line:<name> or file:line:"name".
includes()
{
    over 'match($0, /^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"][^>"]*[>"]/) {
        header = substr($0, 1, RLENGTH)
        sub(/^[^<"]*/, "", header)
        print FILENAME ":" FNR ":" header
    }' include pool server experiment routes examples
}

# Says nothing if the file may include the header, else why it may not.
verdict()
{
    file=$1 header=$2 name=${2#?}
    name=${name%?}
    case "$file $header" in
    *'../'*) echo "../ leads out of a layer" ;;
    "server/parser."*" <llhttp.h>" | "experiment/caller."*" <llhttp.h>") ;;
    *'llhttp'*) echo "llhttp is for server/parser.[ch] and experiment/caller.[ch]" ;;
    "include/hoist_uv.h <uv.h>" | pool/*' <uv.h>' | server/*' <uv.h>' | experiment/*' <uv.h>') ;;
    *' <uv.h>' | *' <uv/'*) echo "libuv is for pool/, server/, experiment/ and include/hoist_uv.h" ;;
    *' <'*) ;;
    'examples/embed.c "hoist_uv.h"' | examples/*' "hoist.h"') ;;
    examples/test_*' "hoist_test.h"' | examples/test_*' "lib/'*) ;;
    examples/*) echo "an example sees hoist.h and what it wraps as <...>" ;;
    'routes/program.c "route_table.h"') ;;
    routes/*' "hoist.h"' | routes/*' "heavy.h"') ;;
    routes/*) echo "a route sees hoist.h, heavy.h and what it wraps as <...>" ;;
    include/*) test -e "include/$name" || echo "the public headers see only each other and the C library" ;;
    pool/*) test -e "pool/$name" || echo "the pool sees only itself, libuv and the C library" ;;
    'server/page.c "dashboard.h"') ;;
    server/*' "pool/'*) test -e "$name" || echo "there is no such header" ;;
    'server/main.c "experiment/experiment.h"') ;;
    server/*) test -e "server/$name" || test -e "include/$name" || echo "the server sees itself, include/ and pool/" ;;
    experiment/*' "server/options.h"' | experiment/*' "server/number.h"') ;;
    experiment/*)
        test -e "experiment/$name" || test -e "include/$name" || echo "the experiment sees itself, include/ and options"
        ;;
    esac
}

check_includes()
{
    includes | while IFS=: read -r file line header; do
        why=$(verdict "$file" "$header")
        test -z "$why" || echo "$file:$line: includes $header: $why"
    done
}

# Code without its comments, "file:line:code". A comment may well say what the code must not know.
code()
{
    over '
        FNR == 1 { inside = 0 }
        {
            text = $0
            kept = ""
            while (text != "") {
                at = index(text, inside ? "*/" : "/*")
                if (!inside)
                    kept = kept (at ? substr(text, 1, at - 1) : text)
                if (!at)
                    break
                text = substr(text, at + 2)
                inside = !inside
            }
            if (kept ~ /[^[:space:]]/)
                print FILENAME ":" FNR ":" kept
        }' "$@"
}

check_words()
{
    http='https?|llhttp|request|response|reply|route|handler|exchange|conn|connection|header'
    # sa_handler is sigaction(2)'s word.
    code pool | sed 's/sa_handler//' | grep -iE ":.*(^|[^[:alnum:]])($http)s?([^[:alnum:]]|\$)" |
        sed 's/^\([^:]*:[^:]*\):[[:space:]]*\(.*\)/\1: the pool knows no HTTP: \2/' || true
    code include server experiment routes examples | grep -w uv_queue_work |
        sed 's/^\([^:]*:[^:]*\):.*/\1: uv_queue_work() is called in pool\/ only/' || true
}

check_names()
{
    text=docs/ARCHITECTURE.md
    find pool server experiment -name '*.c' | sort | while read -r file; do
        grep -qF "\`$file\`" $text || echo "$file: $text does not name it"
    done
}

broken=$(check_includes && check_words && check_names)
test -z "$broken" || {
    printf '%s\n' "$broken"
    exit 1
}
