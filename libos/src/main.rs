//! The library OS image: its allocator, its panics, and the library's start.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod image {
    use core::panic::PanicInfo;

    use abi::EnvId;
    use libos::entry::heap::Heap;

    #[global_allocator]
    static HEAP: Heap = libos::entry::heap::new();

    /// `SIGABRT`, as a wait status: how a process ends whose library is broken.
    const ABORTED: u64 = 6;

    #[panic_handler]
    fn panic(information: &PanicInfo<'_>) -> ! {
        exo::println!("chitin: libos: {information}");
        let _ = exo::env_destroy(EnvId::SELF, ABORTED);
        loop {
            core::hint::spin_loop();
        }
    }

    /// Keeps the library's start, the image's entry, in the image.
    #[used]
    static START: unsafe extern "C" fn() -> ! = libos::entry::image_start;
}

#[cfg(not(target_os = "none"))]
fn main() {}
