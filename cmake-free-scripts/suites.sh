#!/usr/bin/env bash
# Build a public test suite, static and dynamic as its own makefile has it, against our musl: suites.sh NAME ISA FLAVOUR CACHE [SOURCE]
#
# NAME is posix (the Open POSIX Test Suite, a distribution source package), posix-core (those of its tests that are named in the file
# SOURCE) or libc-test (musl's own, SOURCE being a copy of it).
# Result: CACHE/suites/ISA/FLAVOUR/NAME, a folder that the programs are run in, by paths in it, and two lists there:
#   built      a line for each program: its name, its path
#   not-built  a line for each source of which no program was made: its name, why
set -euo pipefail
name=$1 isa=$2 flavour=$3 cache=$4 source=${5:-}
here=$(cd "$(dirname "$0")" && pwd)

cc=$cache/musl/bin/chitin-$isa-cc
[ "$flavour" = stock ] || cc=$cache/musl/bin/chitin-$isa-$flavour-cc
result=$cache/suites/$isa/$flavour/$name
mkdir -p "$cache/suites/$isa/$flavour"
build=$(mktemp -d "$cache/suites/$isa/$flavour/.$name.XXXXXX")
trap 'rm -rf "$build"' EXIT
jobs=$(nproc)

# The first complaint of a compiler or linker, in a line.
complaint() { grep -m1 -E 'error:|undefined reference' "$1" 2> /dev/null | sed -E 's/^.*(error:|undefined reference)/\1/' || echo "no complaint"; }

# One test, of the source's path and the name that it has in the lists. Its own headers do not bring what aio.h needs of fcntl.h with
# every C library, nor struct rlimit; its build tests are for the compiler alone.
posix_test() {
    local file=$1 test program
    test=${file#conformance/interfaces/}
    test=${test%.c}
    program=$build/root/conformance/interfaces/$test.test
    mkdir -p "$(dirname "$program")"
    if "$cc" -std=gnu99 -O2 -w -D_GNU_SOURCE -include fcntl.h -include stdlib.h -include sys/resource.h -Iinclude -s "$file" -o "$program" \
        > "$program.log" 2>&1; then
        echo "$test conformance/interfaces/$test.test" >> "$build/built"
    else
        echo "$test $(complaint "$program.log")" >> "$build/not-built"
    fi
    rm -f "$program.log"
}

# The tests' sources: those that are named, or all.
posix_sources() {
    if [ -n "$source" ]; then
        grep -v '^#' "$source" | sed 's|.*|conformance/interfaces/&.c|' | tr '\n' '\0'
    else
        find conformance/interfaces -name '[0-9]*-*.c' -print0
    fi
}

posix() {
    "$here/source.sh" posixtestsuite "$cache"
    mkdir "$build/source"
    tar -xf "$(compgen -G "$cache/sources/posixtestsuite_*.orig.tar.*" | grep -v '\.asc$' | head -1)" -C "$build/source" --strip-components=1
    export -f posix_test complaint
    export build cc
    : > "$build/not-built"
    (cd "$build/source" && posix_sources | sort -z | xargs -0 -P "$jobs" -I{} bash -c 'posix_test "$1"' _ {})
    grep -v -- '-buildonly' "$build/built" | sort > "$build/root/built"
    sort "$build/not-built" > "$build/root/not-built"
}

# By its makefile, which links dynamically where it does not say -static.
libc_test() {
    local program test
    [ -f "$source/src/common/runtest.c" ] || { echo "suites.sh: $source is no copy of libc-test" >&2; exit 2; }
    cp -r "$source" "$build/source"
    rm -rf "$build/source/.git"
    cd "$build/source"
    cp config.mak.def config.mak
    # Each program and shared object by its rule, without running it.
    local goals
    goals=$(make -s debug 2> /dev/null | sed -nE 's/^(BINS|LIBS) //p')
    # shellcheck disable=SC2086
    CHITIN_LINK=dynamic make -k -s -j"$jobs" CC="$cc" AR="$cache/musl/bin/chitin-$isa-ar" RANLIB="$cache/musl/bin/chitin-$isa-ranlib" \
        $goals > "$build/log" 2>&1 || true
    : > "$build/not-built"
    : > "$build/built"
    for program in $goals; do
        # Its own makefile neither builds nor runs this one: what it tests is no longer public in the dynamic library.
        [ "$program" != src/musl/pleval.exe ] || continue
        test=${program#src/}
        test=${test%.exe}
        if [ ! -e "$program" ]; then
            echo "$test $(complaint "$program.ld.err")" >> "$build/not-built"
            continue
        fi
        mkdir -p "$build/root/$(dirname "$program")"
        "$cache/musl/bin/chitin-$isa-strip" "$program" -o "$build/root/$program"
        case $program in *.so | src/common/*) ;; *) echo "$test $program" >> "$build/built" ;; esac
    done
    sort "$build/built" > "$build/root/built"
    sort "$build/not-built" > "$build/root/not-built"
}

mkdir "$build/root"
case $name in
    posix | posix-core) posix ;;
    libc-test) libc_test ;;
    *)
        echo "suites.sh: no recipe for $name" >&2
        exit 2
        ;;
esac
chmod -R a+rX "$build/root"
rm -rf "${result:?}"
mv "$build/root" "$result"
