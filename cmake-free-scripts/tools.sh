#!/usr/bin/env bash
# Build a program that makes processes from its distribution source package, static against musl: tools.sh NAME ISA FLAVOUR CACHE
#
# As programs.sh, which knows those that do not. NAME is dash or make.
set -euo pipefail
name=$1 isa=$2 flavour=$3 cache=$4
here=$(cd "$(dirname "$0")" && pwd)

cc=$cache/musl/bin/chitin-$isa-cc
build=$cache/build/$isa/$flavour/$name
output=$cache/programs/$isa
if [ "$flavour" != stock ]; then
    cc=$cache/musl/bin/chitin-$isa-$flavour-cc
    output=$output/$flavour
fi
if [ "$isa" = "$(uname -m)" ]; then prefix=""; else prefix=$isa-linux-gnu-; fi
rm -rf "$build"
mkdir -p "$build" "$output"

unpack() {
    "$here/source.sh" "$1" "$cache"
    tar -xf "$(compgen -G "$cache/sources/${1}_*.orig.tar.*" | grep -v '\.asc$' | head -1)" -C "$build" --strip-components=1
}

run() {
    "$@" >> build.log 2>&1 || { tail -40 build.log >&2; exit 1; }
}

cd "$build"
case $name in
    dash)
        unpack dash
        [ -x configure ] || run autoreconf -fi
        # Its generators run here, the shell there.
        run ./configure --host="$isa-linux-musl" --enable-static CC="$cc" CC_FOR_BUILD=gcc
        run make -j"$(nproc)"
        cp src/dash "$output/dash.new"
        ;;
    make)
        unpack make-dfsg
        # The distribution's archive lacks the manual, which configure asks for.
        mkdir -p doc
        touch doc/Makefile.in
        run ./configure --host="$isa-linux-musl" --disable-nls --without-guile --disable-dependency-tracking CC="$cc" AR="${prefix}ar" RANLIB="${prefix}ranlib"
        # The program alone: its manual and its tests need more.
        run make -j"$(nproc)" -C lib
        run make -j"$(nproc)" make
        cp make "$output/make.new"
        ;;
    *)
        echo "tools.sh: no recipe for $name" >&2
        exit 1
        ;;
esac
"${prefix}strip" "$output/$name.new"
mv "$output/$name.new" "$output/$name"
