//! The smallest runtime: an entry point and a panic that ends what it can end.

use core::panic::PanicInfo;

use abi::EnvId;

/// Exit code of a panic, by Rust's custom.
const PANIC_CODE: u8 = 101;

/// What [`crate::program!`]'s panic handler does: say where, and end the machine if that is allowed, else the environment.
pub fn panicked(info: &PanicInfo) -> ! {
    crate::println!("{info}");
    ended(PANIC_CODE)
}

/// What [`crate::program!`]'s end does: end the machine with this code if that is allowed, else the environment.
pub fn ended(code: u8) -> ! {
    let _ = crate::machine_exit(code);
    loop {
        let _ = crate::env_destroy(EnvId::SELF, u64::from(code));
    }
}

/// Make a program of `main: fn() -> u8`: its answer is the machine's exit code, or the environment's status if it is not the first.
#[macro_export]
macro_rules! program {
    ($main:ident) => {
        // 1. The kernel starts the first environment here, with an aligned stack.
        // 2. `exo_main` is called with it; it does not return.
        #[cfg(target_arch = "aarch64")]
        core::arch::global_asm!(".section .text.start, \"ax\"", ".global _start", "_start: bl exo_main", "brk #1");
        #[cfg(target_arch = "x86_64")]
        core::arch::global_asm!(".section .text.start, \"ax\"", ".global _start", "_start: call exo_main", "ud2");

        #[unsafe(no_mangle)]
        extern "C" fn exo_main() -> ! {
            $crate::ended($main())
        }

        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo) -> ! {
            $crate::panicked(info)
        }
    };
}
