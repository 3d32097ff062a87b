//! Passes the ISA's linker script where the kernel is linked for a bare machine, at a fixed address (rustc's own default for x86_64 is a
//! position-independent program, which nobody would relocate).

fn main() {
    let variable = |name| std::env::var(name).expect("cargo sets it");
    println!("cargo:rerun-if-changed=build.rs");
    if variable("CARGO_CFG_TARGET_OS") == "none" {
        let script = format!("{}/../linkers/{}.ld", variable("CARGO_MANIFEST_DIR"), variable("CARGO_CFG_TARGET_ARCH"));
        println!("cargo:rustc-link-arg-bins=--script={script}");
        println!("cargo:rustc-link-arg-bins=--no-pie");
        println!("cargo:rerun-if-changed={script}");
    }
}
