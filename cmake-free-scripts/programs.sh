#!/usr/bin/env bash
# Build a real program from its distribution source package, static against musl: programs.sh NAME ISA FLAVOUR CACHE
#
# FLAVOUR is musl's, stock or shim. Result: CACHE/programs/ISA/NAME or CACHE/programs/ISA/shim/NAME, stripped. Built out of tree
# under CACHE/build.
set -euo pipefail
name=$1 isa=$2 flavour=$3 cache=$4
here=$(cd "$(dirname "$0")" && pwd)
. "$here/apt-view.sh"

cc=$cache/musl/bin/chitin-$isa-cc
build=$cache/build/$isa/$flavour/$name
output=$cache/programs/$isa
if [ "$flavour" != stock ]; then
    cc=$cache/musl/bin/chitin-$isa-$flavour-cc
    output=$output/$flavour
fi
if [ "$isa" = "$(uname -m)" ]; then prefix=""; else prefix=$isa-linux-gnu-; fi
strip=${prefix}strip
rm -rf "$build"
mkdir -p "$build" "$output"
jobs=$(nproc)

unpack() {
    "$here/source.sh" "$1" "$cache"
    tar -xf "$(compgen -G "$cache/sources/${1}_*.orig.tar.*" | grep -v '\.asc$' | head -1)" -C "$build" --strip-components=1
}

case $name in
    busybox)
        unpack busybox
        cd "$build"
        make -s HOSTCC=gcc defconfig > /dev/null
        # Static; without what wants glibc's headers or a newer kernel's than the program has.
        sed -i -E 's/^# CONFIG_STATIC is not set/CONFIG_STATIC=y/; s/^CONFIG_TC=y/# CONFIG_TC is not set/
            s/^CONFIG_FEATURE_(UTMP|WTMP)=y/# CONFIG_FEATURE_\1 is not set/' .config
        # The SHA instructions that it knows are x86's.
        [ "$isa" = x86_64 ] || sed -i -E 's/^(CONFIG_SHA[0-9]+_HWACCEL)=y/# \1 is not set/' .config
        yes "" | make -s HOSTCC=gcc oldconfig > /dev/null 2>&1 || true
        make -s -j"$jobs" HOSTCC=gcc CC="$cc" AR="${prefix}ar" NM="${prefix}nm" LD="${prefix}ld" OBJCOPY="${prefix}objcopy" \
            STRIP="$strip" SKIP_STRIP=y busybox > build.log 2>&1 || { tail -40 build.log >&2; exit 1; }
        make -s HOSTCC=gcc busybox.links > /dev/null
        cp busybox.links "$cache/programs/$isa/busybox.links"
        cp busybox "$output/busybox.new"
        ;;
    lua)
        unpack lua5.4
        cd "$build/src"
        # Static-PIE, so that both kinds of static executables are among the real programs.
        make -s -j"$jobs" CC="$cc" AR="${prefix}ar rcu" RANLIB="${prefix}ranlib" MYCFLAGS="-fPIE -DLUA_USE_POSIX" MYLDFLAGS=-static-pie \
            MYLIBS= lua > build.log 2>&1 || { tail -40 build.log >&2; exit 1; }
        cp lua "$output/lua.new"
        ;;
    sqlite3)
        # One file of C, the same for both ISAs, made by the source package's own configure (which brings the Tcl that it needs).
        amalgamation=$cache/build/sqlite3-amalgamation
        exec 8> "$amalgamation.lock"
        flock 8
        if [ ! -e "$amalgamation/done" ]; then
            rm -rf "$amalgamation"
            unpack sqlite3
            cd "$build"
            ./configure --disable-tcl --disable-readline CC=gcc > configure.log 2>&1 || { tail -20 configure.log >&2; exit 1; }
            make -s -j"$jobs" sqlite3.c shell.c > build.log 2>&1 || { tail -40 build.log >&2; exit 1; }
            mkdir -p "$amalgamation"
            cp sqlite3.c sqlite3.h sqlite3ext.h shell.c "$amalgamation"
            touch "$amalgamation/done"
        fi
        flock -u 8
        cd "$amalgamation"
        "$cc" -O2 -DSQLITE_THREADSAFE=1 -DSQLITE_OMIT_LOAD_EXTENSION -I. shell.c sqlite3.c -lm -o "$output/sqlite3.new"
        ;;
    busybox-glibc)
        architecture=amd64
        [ "$isa" != aarch64 ] || architecture=arm64
        apt_view "$build/view" deb "$(distribution_suite)" "$(dpkg --print-architecture) $architecture"
        cd "$build"
        apt-get "${APT[@]}" download "busybox-static:$architecture" > /dev/null
        dpkg -x busybox-static_*.deb unpacked
        cp "$(find unpacked -path '*bin/busybox' -type f)" "$output/busybox-glibc.new"
        strip=true
        ;;
    *)
        echo "programs.sh: no recipe for $name" >&2
        exit 2
        ;;
esac
"$strip" "$output/$name.new"
mv "$output/$name.new" "$output/$name"
