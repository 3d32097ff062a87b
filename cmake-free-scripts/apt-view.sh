# A private view of the distribution's package archive: sourced by the other steps, never run.
#
# apt_view DIRECTORY TYPE SUITES ARCHITECTURES
#   makes a view in DIRECTORY and sets the array APT to the options that select it. TYPE is deb or deb-src; SUITES and
#   ARCHITECTURES are lists in quotes. The machine's own apt configuration stays as it is, and so do its lists: the
#   mirror and the signing key are taken from its first source, and apt checks signatures and hashes as ever.

apt_view() {
    local directory=$1 type=$2 suites=$3 architectures=$4 source first architecture
    rm -rf "$directory"
    mkdir -p "$directory/parts" "$directory/lists/partial" "$directory/cache/archives/partial"
    chmod -R 755 "$directory"
    for source in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/ubuntu.sources; do
        [ -e "$source" ] || continue
        # The first stanza that is not empty, with type and suites of our own; comments and architectures dropped.
        sed -n '/^Types:/,/^$/p' "$source" | sed -n '/^$/q; /^#/d; /^Architectures:/d
            s/^Types:.*/Types: '"$type"'/; s/^Suites:.*/Suites: '"$suites"'/; p' > "$directory/parts/view.sources"
        break
    done
    if [ ! -s "$directory/parts/view.sources" ]; then
        first=$(grep -m1 -E '^deb ' /etc/apt/sources.list)
        local signature
        signature=$(sed -nE 's/.*signed-by=([^] ]*).*/\1/p' <<< "$first")
        {
            echo "Types: $type"
            echo "URIs: $(sed -E 's/^deb +(\[[^]]*\] +)?//; s/ .*//' <<< "$first")"
            echo "Suites: $suites"
            echo "Components: main"
            [ -z "$signature" ] || echo "Signed-By: $signature"
        } > "$directory/parts/view.sources"
    fi
    APT=(-qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$directory/parts" -o "Dir::State::lists=$directory/lists"
        -o "Dir::Cache=$directory/cache" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root
        -o Acquire::Languages=none -o Acquire::Retries=3)
    for architecture in $architectures; do
        APT+=(-o "APT::Architectures::=$architecture")
    done
    apt-get "${APT[@]}" update
}

# The suite that this machine's distribution is, and the one whose source packages the steps build.
distribution_suite() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }
source_suite() {
    if grep -q '^ID=debian' /etc/os-release; then echo trixie; else distribution_suite; fi
}
