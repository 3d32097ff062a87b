//! The kernel's binary: the machine starts in `arch`, which calls `kernel_main`.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod start {
    use arch::{Boot, Native};
    use exokernel::Kernel;

    /// Called by the machine's boot code, once, on its first CPU, with interrupts off and the direct map in place.
    #[unsafe(no_mangle)]
    extern "Rust" fn kernel_main(machine: Native, boot: Boot) -> ! {
        let mut kernel = Kernel::new(machine, &boot);
        loop {
            kernel.step();
        }
    }

    #[panic_handler]
    fn panic(info: &core::panic::PanicInfo) -> ! {
        Native::panic(info)
    }
}

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("the kernel runs on a machine of its own: cargo x run");
    std::process::exit(2);
}
