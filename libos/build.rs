//! Links the library OS with `linkers/libos.ld`: position-independent, with the symbols that a vDSO exports.

/// What a vDSO exports, on either ISA.
const EXPORTED: [&str; 8] = ["__vdso_*", "__kernel_*", "__chitin_*", "clock_gettime", "clock_getres", "gettimeofday", "time", "getcpu"];

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../linkers/libos.ld");
    println!("cargo:rerun-if-changed={script}");
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let arguments = [
            "-pie",
            "--no-dynamic-linker",
            "-T",
            script,
            "-z",
            "max-page-size=4096",
            "--gc-sections",
            "--hash-style=both",
            "-soname",
            "linux-vdso.so.1",
        ];
        for argument in arguments {
            println!("cargo:rustc-link-arg={argument}");
        }
        // The standard library of the bare aarch64 target keeps tables of pointers in read-only sections. The build tool relocates before
        // anything is mapped, so that these are read-only all the same.
        println!("cargo:rustc-link-arg=-znotext");
        let isa = std::env::var("CARGO_CFG_TARGET_ARCH").expect("cargo names the target");
        let versions = format!("{}/../linkers/libos-{isa}.map", env!("CARGO_MANIFEST_DIR"));
        println!("cargo:rerun-if-changed={versions}");
        println!("cargo:rustc-link-arg=--version-script={versions}");
        for name in EXPORTED {
            println!("cargo:rustc-link-arg=--export-dynamic-symbol={name}");
        }
    }
}
