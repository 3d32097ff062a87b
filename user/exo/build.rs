//! Links the programs for the exokernel with `linkers/native.ld`: at the fixed address that the boot image has.

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../linkers/native.ld");
    println!("cargo:rerun-if-changed={script}");
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        for argument in ["--no-pie", "-T", script, "-z", "max-page-size=4096", "--gc-sections"] {
            println!("cargo:rustc-link-arg={argument}");
        }
    }
}
