#!/usr/bin/env bash
# Make what a root file system has to build programs with: system.sh ISA FLAVOUR CACHE
#
# Result: CACHE/programs/ISA/system, or CACHE/programs/ISA/FLAVOUR/system, a folder like a root: tcc as /usr/bin/tcc and cc, its headers
# and run-time library in /usr/lib/tcc, our musl in /usr/include and /usr/lib, the sources of tcc and of Lua in /usr/src. tcc finds all of
# it relative to the folder that -B names, /usr/lib/tcc where there is no -B.
set -euo pipefail
isa=$1 flavour=$2 cache=$3
here=$(cd "$(dirname "$0")" && pwd)
. "$here/apt-view.sh"

cc=$cache/musl/bin/chitin-$isa-cc
output=$cache/programs/$isa
if [ "$flavour" != stock ]; then
    cc=$cache/musl/bin/chitin-$isa-$flavour-cc
    output=$output/$flavour
fi
musl=$cache/musl/$isa/$flavour
build=$cache/build/$isa/$flavour/system
root=$build/root
rm -rf "$build"
mkdir -p "$build" "$output" "$root"/usr/{bin,lib/tcc/include,include,src/tcc,src/lua}

# The upstream archive of a source package. A suite's list may name packaging that is gone from the distribution's archive: the suite
# that this machine is of has the same upstream archive.
source_of() {
    "$here/source.sh" "$1" "$cache" && return
    apt_view "$build/view" deb-src "$(distribution_suite)" "$(dpkg --print-architecture)"
    (cd "$cache/sources" && flock 9 && apt-get "${APT[@]}" source --download-only "$1" > /dev/null) 9> "$cache/sources/.lock"
}

# unpack PACKAGE FOLDER: some archives have a folder at the top, some have not.
unpack() {
    source_of "$1"
    mkdir -p "$2.new" "$2"
    tar -xf "$(compgen -G "$cache/sources/${1}_*.orig.tar.*" | grep -v '\.asc$' | head -1)" -C "$2.new"
    set -- "$2" "$2".new/*
    if [ $# -eq 2 ] && [ -d "$2" ]; then mv "$2"/* "$1"; else mv "$1".new/* "$1"; fi
    rm -rf "$1.new"
}

unpack tcc "$build/tcc"
cd "$build/tcc"
patch -s -p1 < "$here/tcc/mend.patch"
case $isa in
    x86_64)
        target=X86_64
        parts="x86_64-gen.c x86_64-link.c x86_64-asm.h i386-asm.c i386-asm.h i386-tok.h"
        runtime="libtcc1.c alloca86_64.S alloca86_64-bt.S va_list.c dsohandle.c"
        ;;
    aarch64)
        target=ARM64
        parts="arm64-gen.c arm64-link.c arm-asm.c"
        runtime="lib-arm64.c fetch_and_add_arm64.S dsohandle.c"
        ;;
esac
cat > config.h <<CONFIG
#define TCC_VERSION "$(cat VERSION)"
#define TCC_TARGET_$target 1
#define ONE_SOURCE 1
#define CONFIG_TCC_MUSL 1
#define CONFIG_TCC_STATIC 1
#define CONFIG_TCCDIR "/usr/lib/tcc"
#define CONFIG_TCC_SYSINCLUDEPATHS "{B}/include:{B}/../../include"
#define CONFIG_TCC_LIBPATHS "{B}:{B}/.."
#define CONFIG_TCC_CRTPREFIX "{B}/.."
#define CONFIG_TCC_ELFINTERP "/lib/ld-musl-$isa.so.1"
CONFIG
# One that runs here makes the run-time library, which has assembly of its own dialect.
gcc -O1 -w -DCONFIG_TCC_CROSS -o cross tcc.c -ldl -lm
"$cc" -O2 -w -s -o "$root/usr/bin/tcc" tcc.c -lm
ln -s tcc "$root/usr/bin/cc"
cp include/*.h "$root/usr/lib/tcc/include"
# musl has one of its own, which knows musl's types.
rm "$root/usr/lib/tcc/include/stddef.h"
objects=
for source in $runtime; do
    ./cross -B. -I"$musl/include" -c "lib/$source" -o "${source%.*}.o"
    objects+=" ${source%.*}.o"
done
# shellcheck disable=SC2086
./cross -ar rcs "$root/usr/lib/tcc/libtcc1.a" $objects
# shellcheck disable=SC2086
cp tcc.c tcc.h libtcc.c libtcc.h tccpp.c tccgen.c tccelf.c tccasm.c tccrun.c tcctools.c tcctok.h elf.h stab.h stab.def config.h COPYING \
    $parts "$root/usr/src/tcc"

# musl without the kernel's headers, which are links into this machine.
(cd "$musl/include" && find . -type f -print0 | tar -c --null -T -) | tar -x -C "$root/usr/include"
for file in "$musl"/lib/*.a "$musl"/lib/*crt*.o; do
    case $file in *libunwind.a) ;; *) cp "$file" "$root/usr/lib" ;; esac
done
ln -s "../../lib/ld-musl-$isa.so.1" "$root/usr/lib/libc.so"

unpack lua5.4 "$build/lua"
cp "$build"/lua/src/* "$root/usr/src/lua"

rm -rf "$output/system"
mv "$root" "$output/system"
rm -rf "$build"
