#!/usr/bin/env bash
# Fetch a distribution source package, verified by apt, into CACHE/sources: source.sh PACKAGE CACHE
#
# CHITIN_SOURCES may name a folder that holds the upstream archives already; it is used in place of the network.
set -euo pipefail
package=$1 cache=$2
here=$(cd "$(dirname "$0")" && pwd)
. "$here/apt-view.sh"

mkdir -p "$cache/sources"
cd "$cache/sources"
# Two programs may want it at once.
exec 9> .lock
flock 9
if compgen -G "${package}_*.orig.tar.*" > /dev/null; then exit 0; fi
if [ -n "${CHITIN_SOURCES:-}" ] && compgen -G "$CHITIN_SOURCES/${package}_*.orig.tar.*" > /dev/null; then
    cp "$CHITIN_SOURCES/${package}"_*.orig.tar.* .
    exit 0
fi
download=$(mktemp -d "$cache/sources/.download.XXXXXX")
trap 'rm -rf "$download"' EXIT
apt_view "$download/view" deb-src "$(source_suite)" "$(dpkg --print-architecture)"
(cd "$download" && apt-get "${APT[@]}" source --download-only "$package" > /dev/null)
mv "$download/${package}"_*.* .
