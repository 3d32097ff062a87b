//! Links unixd as the library OS is linked: position-independent, to be relocated by the build tool.

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../linkers/libos.ld");
    println!("cargo:rerun-if-changed={script}");
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let arguments =
            ["-pie", "--no-dynamic-linker", "-T", script, "-e", "unixd_start", "-z", "max-page-size=4096", "--gc-sections", "-znotext"];
        for argument in arguments {
            println!("cargo:rustc-link-arg={argument}");
        }
    }
}
