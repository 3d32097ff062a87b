//! The smallest runtime: an entry point and a panic that ends what it can end.

use core::panic::PanicInfo;

use abi::EnvId;

/// Exit code of a panic, by Rust's custom.
const PANIC_CODE: u8 = 101;

/// What [`crate::program!`]'s panic handler does: say where, and end the machine if that is allowed, else the environment.
pub fn panicked(info: &PanicInfo) -> ! {
    crate::println!("{info}");
    let _ = crate::machine_exit(PANIC_CODE);
    loop {
        let _ = crate::env_destroy(EnvId::SELF, u64::from(PANIC_CODE));
    }
}

/// Make a program of `main: fn() -> u8`: its answer is the machine's exit code.
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
            let code: u8 = $main();
            let error = $crate::machine_exit(code);
            panic!("the machine did not stop: {error:?}")
        }

        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo) -> ! {
            $crate::panicked(info)
        }
    };
}
