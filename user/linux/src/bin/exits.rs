//! Ends in the way that its first argument names: a status, or a signal's default action.

use std::hint::black_box;

fn main() {
    let way = std::env::args().nth(1).unwrap_or_else(|| "0".into());
    println!("ending by {way}");
    match way.as_str() {
        "abort" => std::process::abort(),
        "null" => {
            // SAFETY: it is not: address 0 must fault, and that ends the program.
            let byte = unsafe { black_box(std::ptr::null::<u8>()).read_volatile() };
            println!("read {byte} at address 0");
        }
        "readonly" => {
            static CONSTANT: [u8; 16] = [7; 16];
            // SAFETY: it is not: constants are not writable, and the fault ends the program.
            unsafe { black_box(CONSTANT.as_ptr().cast_mut()).write_volatile(1) };
            println!("wrote a constant");
        }
        "noexec" => {
            let code = black_box([0u8; 64]);
            // SAFETY: it is not: the stack is not executable, and the fault ends the program.
            let function: extern "C" fn() = unsafe { std::mem::transmute(code.as_ptr()) };
            function();
            println!("ran on the stack");
        }
        "illegal" => illegal_instruction(),
        "recursion" => println!("{}", deeper(0)),
        "panic" => {
            // The default hook names the thread's id, which is not the same everywhere.
            std::panic::set_hook(Box::new(|info| eprintln!("{}", info.payload_as_str().unwrap_or_default())));
            panic!("a panic's message goes to the error stream")
        }
        status => std::process::exit(status.parse().unwrap_or(2)),
    }
}

fn illegal_instruction() {
    // SAFETY: an instruction that no processor has ends the program.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("ud2");
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("udf #0");
    }
}

fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 512]);
    if depth == u64::MAX { 0 } else { deeper(depth + 1) + frame[1] }
}
