#!/usr/bin/env bash
# Build musl 1.2.5 from its official source; --help says more.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=1.2.5
sha256=a9a118bbe84d8764da0ea0d28b3ab3fae8477fc7e4085d90102b8596fc7c75e4
. "$here/musl/build.sh"

usage() {
    cat <<USAGE
musl.sh: build musl $version from its official source

usage: musl.sh [--check] [--cache FOLDER] [--source ARCHIVE] [--jobs NUMBER] [ISA[/FLAVOUR]]...

An ISA is aarch64 or x86_64; a flavour is stock (its syscalls are the real instruction) or shim (its syscalls are calls into the
library OS, and the real instruction on Linux: musl/README.md). Without any, all four are built. Made under the cache (default: .cache):

  musl/ISA/FLAVOUR/include, lib     headers, libc.a, start files, libc.so under its loader's name, libunwind.a, pkgconfig/musl.pc
  musl/ISA/FLAVOUR/VERSION          what it was made of; nothing is built again unless that changes
  musl/ISA/FLAVOUR/cargo.toml       for Rust programs: cargo build --config .../cargo.toml --target ISA-unknown-linux-musl
  musl/bin/chitin-ISA-cc            a C compiler for the stock flavour; chitin-ISA-shim-cc for the shim. Static unless -static-pie,
                                    -dynamic or -shared is given; CHITIN_LINK=static|static-pie|dynamic sets what is meant by nothing
  musl/bin/chitin-ISA-ar, ...       the binary tools

--check builds nothing: its status is 0 if all is there and of the present patches, compiler and place, else 1.

The source is the archive given, or musl-$version.tar.gz or musl_$version.orig.tar.gz in the folder \$CHITIN_SOURCES, or the distribution's
source package, fetched by apt. Whichever it is, its SHA-256 must be
$sha256.
USAGE
}

fail() {
    echo "musl.sh: $*" >&2
    exit 1
}

cache=$here/../.cache source="" jobs=$(nproc) check="" wanted=()
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --check) check=yes ;;
        --cache | --source | --jobs)
            [ $# -gt 1 ] || fail "$1 wants a value; see --help"
            printf -v "${1#--}" %s "$2"
            shift
            ;;
        aarch64 | x86_64) wanted+=("$1/stock" "$1/shim") ;;
        aarch64/stock | aarch64/shim | x86_64/stock | x86_64/shim) wanted+=("$1") ;;
        *) fail "$1 is no ISA, flavour or option; see --help" ;;
    esac
    shift
done
[ ${#wanted[@]} -gt 0 ] || wanted=(aarch64/stock aarch64/shim x86_64/stock x86_64/shim)
mkdir -p "$cache/musl/bin"
cache=$(cd -P "$cache" && pwd)
if [ -z "$check" ]; then
    # Two builds at once would share their folders.
    exec 9> "$cache/musl/.lock"
    flock 9
fi
sysroot=$(rustc --print sysroot)

# The compiler for an ISA: the host's own, or the cross compiler.
tool_prefix() { if [ "$1" = "$(uname -m)" ]; then echo ""; else echo "$1-linux-gnu-"; fi; }

# What a flavour is made of: a text that is the same only if the result would be.
composition() {
    local isa=$1 flavour=$2 compiler files
    compiler=$(tool_prefix "$isa")gcc
    command -v "$compiler" > /dev/null || fail "there is no $compiler: install a C compiler for $isa (cargo x setup does)"
    files=("$here/musl/build.sh" "$here/musl/iconv.patch" "$here/musl/musl.pc")
    [ "$flavour" = stock ] || files+=("$here/musl/shim.patch" $(find "$here/musl/shim" -type f | LC_ALL=C sort))
    echo "musl $version $isa $flavour"
    echo "source $sha256"
    # Names belong to it as much as contents, but not where the tree is.
    echo "patches $(for file in "${files[@]}"; do echo "${file#"$here"}"; cat "$file"; done | sha256sum | cut -d ' ' -f 1)"
    echo "compiler $("$compiler" --version | head -1)"
    echo "unwinder $(sha256sum < "$(unwinder "$isa")" | cut -d ' ' -f 1)"
}

# Rust's musl targets carry LLVM's unwinder built for musl; gcc's is built for glibc.
unwinder() { echo "$sysroot/lib/rustlib/$1-unknown-linux-musl/lib/self-contained/libunwind.a"; }

verify() { echo "$sha256  $1" | sha256sum --check --status 2> /dev/null; }

# The source archive, verified, in $archive.
find_source() {
    local fetched=$cache/sources/musl_$version.orig.tar.gz name
    archive=$source
    if [ -z "$archive" ] && [ -n "${CHITIN_SOURCES:-}" ]; then
        for name in "musl-$version.tar.gz" "musl_$version.orig.tar.gz"; do
            [ ! -e "$CHITIN_SOURCES/$name" ] || archive=$CHITIN_SOURCES/$name
        done
    fi
    if [ -n "$archive" ]; then
        [ -r "$archive" ] || fail "cannot read the source archive $archive"
        verify "$archive" || fail "$archive is not musl $version: its SHA-256 is $(sha256sum < "$archive" | cut -d ' ' -f 1), not $sha256"
        return
    fi
    archive=$fetched
    [ -e "$archive" ] || "$here/source.sh" musl "$cache" || fail "the download of musl's source failed; musl.sh --source takes an archive of yours"
    [ -e "$archive" ] || fail "the distribution's source package holds no $(basename "$archive"); musl.sh --source takes an archive of yours"
    if ! verify "$archive"; then
        local found
        found=$(sha256sum < "$archive" | cut -d ' ' -f 1)
        # Under a name that no step takes for the package's.
        mv "$archive" "$cache/sources/broken.${archive##*/}"
        fail "the download is not musl $version: its SHA-256 is $found, not $sha256;" \
            "it is kept as $cache/sources/broken.${archive##*/}, and the next run fetches again"
    fi
}

# Write standard input to a file, but not if it is that already.
settle() {
    cat > "$1.new"
    if cmp -s "$1.new" "$1"; then rm "$1.new"; else mv "$1.new" "$1"; fi
}

# What the wrapper and the settings are made of: not part of the build, since they change with the place.
placement() {
    local root=$cache/musl/$1/$2 gcc
    gcc=$(tool_prefix "$1")gcc
    echo "root $root"
    echo "libgcc $("$gcc" -print-libgcc-file-name)"
    echo "templates $(cat "$here/musl.sh" "$here/musl/gcc.specs" "$here/musl/cc.in" "$here/musl/cargo.toml.in" | sha256sum | cut -d ' ' -f 1)"
}

wrapper() { if [ "$2" = stock ]; then echo "$cache/musl/bin/chitin-$1-cc"; else echo "$cache/musl/bin/chitin-$1-$2-cc"; fi; }

# Write the compiler wrapper and the settings that name where all is.
place() {
    local isa=$1 flavour=$2 root=$cache/musl/$1/$2 bin=$cache/musl/bin prefix gcc options="" name wrapper
    prefix=$(tool_prefix "$isa")
    gcc=${prefix}gcc
    [ "$isa" != aarch64 ] || options=-mno-outline-atomics
    wrapper=$(wrapper "$isa" "$flavour")
    sed "s|@ISA@|$isa|; s|@LIBGCC@|$(dirname "$("$gcc" -print-libgcc-file-name)")|" "$here/musl/gcc.specs" | settle "$root/lib/gcc.specs"
    sed "s|@ISA@|$isa|g; s|@FLAVOUR@|$flavour|g; s|@GCC@|$gcc|; s|@OPTIONS@|$options|
        s|@INCLUDE@|$("$gcc" -print-file-name=include)|" "$here/musl/cc.in" | settle "$wrapper"
    chmod +x "$wrapper"
    sed "s|@ISA@|$isa|g; s|@ROOT@|$root|g" "$here/musl/cargo.toml.in" | settle "$root/cargo.toml"
    for name in ar ranlib nm strip objcopy objdump readelf ld; do
        [ -e "$bin/chitin-$isa-$name" ] || ln -sf "$(command -v "$prefix$name")" "$bin/chitin-$isa-$name"
    done
    placement "$isa" "$flavour" > "$root/PLACE"
}

for which in "${wanted[@]}"; do
    isa=${which%/*} flavour=${which#*/} root=$cache/musl/$which
    made=$(composition "$isa" "$flavour")
    built=yes placed=yes
    [ "$made" = "$(cat "$root/VERSION" 2> /dev/null)" ] || built=""
    [ "$(placement "$isa" "$flavour")" = "$(cat "$root/PLACE" 2> /dev/null)" ] && [ -x "$(wrapper "$isa" "$flavour")" ] || placed=""
    if [ -n "$check" ]; then
        [ -n "$built" ] && [ -n "$placed" ] || exit 1
        continue
    fi
    if [ -z "$built" ]; then
        find_source
        echo "musl $version: $isa, $flavour" >&2
        mkdir -p "$(dirname "$root")"
        trap 'rm -rf "$root.new"' EXIT
        build "$isa" "$flavour" "$root.new"
        echo "$made" > "$root.new/VERSION"
        rm -rf "$root"
        mv "$root.new" "$root"
        placed=""
    fi
    [ -n "$placed" ] || place "$isa" "$flavour"
done
