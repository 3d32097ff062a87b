#!/usr/bin/env bash
# Install QEMU: system emulation for both ISAs, and the user-mode emulator that runs the other ISA's programs. As root: qemu.sh LEAST
#
# The plain way is right where the suite's own packages are of release LEAST or later: before, neither does a counter of aarch64's tick once an
# instruction, nor are there the plugins that the profile needs. Where they are older, or where the installed qemu-utils is newer than them and
# would break, the release's backports are asked, through a private view of the archive, so that the machine's own apt configuration stays as
# it is. Last, what the suite has is taken: it boots, and what needs more says so.
set -euo pipefail
least=$1
here=$(cd "$(dirname "$0")" && pwd)
. "$here/apt-view.sh"
export DEBIAN_FRONTEND=noninteractive
packages=(qemu-system-x86 qemu-system-arm qemu-user-static)
install=(install -y --no-install-recommends -o DPkg::Lock::Timeout=300)

apt-get -qq update || true
candidate=$(apt-cache policy qemu-system-x86 | sed -n 's/^ *Candidate: *//p')
# An epoch and a revision are the distribution's own.
if dpkg --compare-versions "${candidate#*:}" ge "$least" && apt-get "${install[@]}" "${packages[@]}"; then exit 0; fi

view=$(mktemp -d)
trap 'rm -rf "$view"' EXIT
suite=$(distribution_suite)
if apt_view "$view" deb "$suite $suite-backports" "$(dpkg --print-architecture)" &&
    apt-get "${APT[@]}" "${install[@]}" -t "$suite-backports" "${packages[@]}"; then exit 0; fi

if apt-get "${install[@]}" "${packages[@]}"; then exit 0; fi
# The suite's own release, with qemu-utils brought back to it.
apt-get "${install[@]}" --allow-downgrades "${packages[@]}" "qemu-utils/$suite"
