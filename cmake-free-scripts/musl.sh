#!/usr/bin/env bash
# A C compiler for static musl programs, for one ISA: musl.sh ISA CACHE
#
# The library and the start files are those that Rust's musl target carries (stock musl 1.2.5); the headers are of the same
# release's source package; the compiler is the distribution's gcc (or cross gcc). Result: CACHE/musl/ISA/cc, which takes
# gcc's options and makes static executables, or static-PIE ones with -static-pie.
set -euo pipefail
isa=$1 cache=$2
here=$(cd "$(dirname "$0")" && pwd)
. "$here/apt-view.sh"

sha256=a9a118bbe84d8764da0ea0d28b3ab3fae8477fc7e4085d90102b8596fc7c75e4
archive=$cache/sources/musl_1.2.5.orig.tar.gz
"$here/source.sh" musl "$cache"
echo "$sha256  $archive" | sha256sum --check --quiet

root=$cache/musl/$isa
rm -rf "$root" "$root.new"
mkdir -p "$root.new/source"
tar -xf "$archive" -C "$root.new/source" --strip-components=1
make -s -C "$root.new/source" ARCH="$isa" prefix="$root.new" includedir="$root.new/include" install-headers
rm -rf "$root.new/source"

# The kernel's own headers: the host's for its ISA, the cross package's for the other.
if [ "$isa" = "$(uname -m)" ]; then
    gcc=gcc
    for headers in linux asm-generic mtd; do ln -s "/usr/include/$headers" "$root.new/include/$headers"; done
    ln -s "/usr/include/$isa-linux-gnu/asm" "$root.new/include/asm"
else
    gcc=$isa-linux-gnu-gcc
    for headers in linux asm asm-generic mtd; do ln -s "/usr/$isa-linux-gnu/include/$headers" "$root.new/include/$headers"; done
fi

# Outline atomics would ask glibc's __getauxval which instructions there are.
options="-nostdinc -isystem $root/include -isystem $($gcc -print-file-name=include) -fno-stack-protector -U_FORTIFY_SOURCE"
[ "$isa" != aarch64 ] || options="$options -mno-outline-atomics"
library=$(rustc --print sysroot)/lib/rustlib/$isa-unknown-linux-musl/lib/self-contained
cat > "$root.new/cc" <<WRAPPER
#!/usr/bin/env bash
# Made by musl.sh: gcc for static musl programs on $isa.
link=yes start=crt1.o kind="-static -no-pie" code=-fno-pie
for argument; do
    case \$argument in
        -c | -S | -E | -M | -MM | -r | --version | -dump* | -print*) link=no ;;
        -static-pie) start=rcrt1.o kind=-static-pie code=-fPIE ;;
        -fPIC | -fpic | -fPIE | -fpie) code=\$argument ;;
    esac
done
case \$link in
    no) exec $gcc $options \$code "\$@" ;;
    yes) exec $gcc $options \$code \$kind -nostdlib "$library/\$start" "$library/crti.o" "\$@" -Wl,--start-group "$library/libc.a" -lgcc -lgcc_eh \
        -Wl,--end-group "$library/crtn.o" -L "$root/lib" ;;
esac
WRAPPER
chmod +x "$root.new/cc"
# musl keeps these names for linkers' sake; everything is in libc.a.
mkdir -p "$root.new/lib"
for name in m rt pthread crypt util xnet resolv dl; do printf '!<arch>\n' > "$root.new/lib/lib$name.a"; done
mv "$root.new" "$root"
