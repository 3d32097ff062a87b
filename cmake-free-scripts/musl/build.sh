# How a flavour of musl is built: sourced by musl.sh, which has the variables and checks. A change of this file is a new build.

# Show how far make is, on a terminal: its output comes in, a line for each command.
progress() {
    local message=$1 total=$2 count=0
    while IFS= read -r _; do
        count=$((count + 1))
        [ ! -t 2 ] || printf '\r%s: %d of %d ' "$message" "$count" "$total" >&2
    done
    [ ! -t 2 ] || printf '\r\033[K' >&2
}

# Unpack, patch, build and install a flavour into the folder $3.
build() {
    local isa=$1 flavour=$2 new=$3 work=$cache/build/musl/$1-$2 options="-fno-stack-protector -U_FORTIFY_SOURCE" prefix log name
    prefix=$(tool_prefix "$isa")
    log=$work/log
    rm -rf "$work" "$new"
    mkdir -p "$work/source" "$work/objects" "$new"
    tar -xf "$archive" -C "$work/source" --strip-components=1 || fail "$archive cannot be unpacked"
    patch -s -d "$work/source" -p1 < "$here/musl/iconv.patch"
    if [ "$flavour" = shim ]; then
        patch -s -d "$work/source" -p1 < "$here/musl/shim.patch"
        cp -R "$here/musl/shim/." "$work/source"
    fi
    case $isa-$flavour in
        # Outline atomics would ask glibc's __getauxval which instructions there are.
        aarch64-*) options="$options -mno-outline-atomics" ;;
        # A call writes where a leaf function's data would be.
        x86_64-shim) options="$options -mno-red-zone" ;;
    esac
    cd "$work/objects"
    ../source/configure --target="$isa" --prefix=/ --syslibdir=/lib --disable-wrapper CC="${prefix}gcc" AR="${prefix}ar" \
        RANLIB="${prefix}ranlib" CFLAGS="$options" > "$log" 2>&1 || { tail -20 "$log" >&2; fail "musl's configure failed for $isa/$flavour"; }
    make -n > plan 2> /dev/null || true
    make -j"$jobs" 2>> "$log" | tee -a "$log" | progress "musl $version $isa $flavour" "$(wc -l < plan)" \
        || { tail -20 "$log" >&2; fail "the build failed for $isa/$flavour; all of it: $log"; }
    make install DESTDIR="$new" >> "$log" 2>&1 || { tail -20 "$log" >&2; fail "the installation failed for $isa/$flavour"; }
    cd "$here"
    # A guest that has the folder as its /lib needs no path of this machine in a link.
    ln -sf libc.so "$new/lib/ld-musl-$isa.so.1"
    cp "$(unwinder "$isa")" "$new/lib/libunwind.a"
    mkdir -p "$new/lib/pkgconfig"
    sed "s/@VERSION@/$version/" "$here/musl/musl.pc" > "$new/lib/pkgconfig/musl.pc"
    # The kernel's own headers: the host's for its ISA, the cross package's for the other.
    if [ -z "$prefix" ]; then
        for name in linux asm-generic mtd; do ln -s "/usr/include/$name" "$new/include/$name"; done
        ln -s "/usr/include/$isa-linux-gnu/asm" "$new/include/asm"
    else
        for name in linux asm asm-generic mtd; do ln -s "/usr/$isa-linux-gnu/include/$name" "$new/include/$name"; done
    fi
    for name in libc.a libc.so crt1.o Scrt1.o rcrt1.o crti.o crtn.o libm.a; do
        [ -e "$new/lib/$name" ] || fail "the build for $isa/$flavour made no $name"
    done
    rm -rf "$work"
}
