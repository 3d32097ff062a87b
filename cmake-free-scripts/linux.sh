#!/usr/bin/env bash
# The distribution's stock Linux kernel, which the benchmarks measure beside ours: linux.sh ISA CACHE
#
# Result: CACHE/linux/ISA, with the files kernel, as QEMU loads it, and version, a line: the package's name and version. Nothing is installed.
set -euo pipefail
isa=$1 cache=$2
here=$(cd "$(dirname "$0")" && pwd)
. "$here/apt-view.sh"

architecture=amd64
[ "$isa" != aarch64 ] || architecture=arm64
mkdir -p "$cache/linux"
work=$(mktemp -d "$cache/linux/.$isa.XXXXXX")
trap 'rm -rf "$work"' EXIT
apt_view "$work/view" deb "$(distribution_suite)" "$(dpkg --print-architecture) $architecture"
# What this machine has installed is of no interest.
APT+=(-o Dir::State::status=/dev/null)

# The package without a version names the one with it. What is smallest comes first: a cloud's kernel, which has what QEMU's machines have.
for name in "linux-image-cloud-$architecture" linux-image-virtual "linux-image-$architecture" linux-image-generic; do
    image=$(apt-cache "${APT[@]}" depends "$name:$architecture" 2> /dev/null | sed -nE 's/^ *Depends: (linux-image-[^: ]+).*/\1/p' | head -1)
    [ -z "$image" ] || break
done
[ -n "$image" ] || { echo "linux.sh: the distribution has no kernel for $architecture" >&2; exit 1; }
(cd "$work" && apt-get "${APT[@]}" download "$image:$architecture" > /dev/null)
package=$(compgen -G "$work/*.deb")
mkdir "$work/result"
dpkg-deb --fsys-tarfile "$package" | tar -x -O --wildcards './boot/vmlinu[xz]-*' > "$work/result/kernel"
echo "$image $(dpkg-deb --field "$package" Version)" > "$work/result/version"
# An aarch64 kernel may be packed, which QEMU does not undo.
if [ "$(head -c2 "$work/result/kernel" | od -An -tx1)" = " 1f 8b" ]; then
    gunzip < "$work/result/kernel" > "$work/kernel"
    mv "$work/kernel" "$work/result/kernel"
fi
rm -rf "${cache:?}/linux/$isa"
mv "$work/result" "$cache/linux/$isa"
