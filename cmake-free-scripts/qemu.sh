#!/usr/bin/env bash
# Install QEMU: system emulation for both ISAs, and the user-mode emulator that runs the other ISA's programs. As root.
#
# The plain way is right on most systems. Where the installed qemu-utils is of a newer release than the suite's own packages, it is refused,
# since it would break qemu-utils; the release's backports then have a matching one, which is asked for through a private
# view of the archive, so that the machine's own apt configuration stays as it is.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/apt-view.sh"
export DEBIAN_FRONTEND=noninteractive
packages=(qemu-system-x86 qemu-system-arm qemu-user-static)
install=(install -y --no-install-recommends -o DPkg::Lock::Timeout=300)

apt-get -qq update || true
if apt-get "${install[@]}" "${packages[@]}"; then exit 0; fi

view=$(mktemp -d)
trap 'rm -rf "$view"' EXIT
suite=$(distribution_suite)
apt_view "$view" deb "$suite $suite-backports" "$(dpkg --print-architecture)"
if apt-get "${APT[@]}" "${install[@]}" -t "$suite-backports" "${packages[@]}"; then exit 0; fi

# The suite's own release, with qemu-utils brought back to it.
apt-get "${install[@]}" --allow-downgrades "${packages[@]}" "qemu-utils/$suite"
