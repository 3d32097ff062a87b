//! The functions that programs find in their vDSO (vdso(7)): calls that need no kernel, as plain function calls.
//!
//! They run on the program's own stack, as if they were the program's code: a bad pointer is the program's fault.

use core::arch::global_asm;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::entry::{dispatch, isa};
use crate::errno::Errno;
use crate::time::{Clocks, Linear, SECOND};

/// The process's clocks, once there is a process.
pub static CLOCKS: AtomicPtr<Clocks> = AtomicPtr::new(core::ptr::null_mut());

/// Let the functions read these clocks.
pub fn install(clocks: &'static Clocks) {
    CLOCKS.store(core::ptr::from_ref(clocks).cast_mut(), Ordering::Release);
}

#[inline(always)]
fn clocks() -> &'static Clocks {
    // SAFETY: `install` ran before the program's first instruction, with a reference that lives for ever.
    unsafe { &*CLOCKS.load(Ordering::Relaxed) }
}

/// clock_gettime(2) of the clocks that programs seldom read (`clock` of each ISA answers the others): 0, or a negative errno.
///
/// # Safety
/// `time` is the program's to answer for.
pub unsafe extern "C" fn other_gettime(clock: i32, time: *mut [u64; 2]) -> i32 {
    match dispatch::process().clock(clock) {
        Ok(clock) => {
            let ns = dispatch::process().clock_ns(clock);
            // SAFETY: the caller's promise.
            unsafe { time.write_unaligned([ns / SECOND, ns % SECOND]) };
            0
        }
        Err(Errno(number)) => -(number as i32),
    }
}

/// clock_getres(2): 0, or a negative errno.
///
/// # Safety
/// `resolution` is null or the program's to answer for.
unsafe extern "C" fn clock_getres(clock: i32, resolution: *mut [i64; 2]) -> i32 {
    match dispatch::process().clock(clock) {
        Ok(_) => {
            if !resolution.is_null() {
                // SAFETY: the caller's promise.
                unsafe { resolution.write_unaligned([0, 1]) };
            }
            0
        }
        Err(Errno(number)) => -(number as i32),
    }
}

/// gettimeofday(2): 0.
///
/// # Safety
/// Both are null or the program's to answer for.
unsafe extern "C" fn gettimeofday(time: *mut [u64; 2], zone: *mut [i32; 2]) -> i32 {
    const MICROSECONDS: u64 = 1_000_000;
    let now = clocks().split(Linear::Realtime, isa::clock(), MICROSECONDS);
    // SAFETY: the caller's promise.
    unsafe {
        if !time.is_null() {
            time.write_unaligned(now);
        }
        if !zone.is_null() {
            zone.write_unaligned([0; 2]);
        }
    }
    0
}

/// time(2)
///
/// # Safety
/// `time` is null or the program's to answer for.
#[cfg(target_arch = "x86_64")]
unsafe extern "C" fn time(time: *mut i64) -> i64 {
    let seconds = clocks().split(Linear::Realtime, isa::clock(), SECOND)[0] as i64;
    if !time.is_null() {
        // SAFETY: the caller's promise.
        unsafe { time.write_unaligned(seconds) };
    }
    seconds
}

/// getcpu(2): CPU 0 of node 0.
///
/// # Safety
/// Both are null or the program's to answer for.
#[cfg(target_arch = "x86_64")]
unsafe extern "C" fn getcpu(cpu: *mut u32, node: *mut u32, _cache: usize) -> i32 {
    for word in [cpu, node] {
        if !word.is_null() {
            // SAFETY: the caller's promise.
            unsafe { word.write_unaligned(0) };
        }
    }
    0
}

/// Give a function the names by which programs look it up. In assembly, since an executable's own functions are not exported.
macro_rules! export {
    ($jump:literal, $($name:literal $(also $other:literal)? = $function:path,)*) => { $(
        global_asm!(
            concat!(".pushsection .text.vdso.", $name, ", \"ax\""),
            concat!(".globl ", $name),
            concat!(".type ", $name, ", @function"),
            concat!($name, ":"),
            $(
                concat!(".weak ", $other),
                concat!(".type ", $other, ", @function"),
                concat!($other, ":"),
            )?
            concat!($jump, " {function}"),
            concat!(".size ", $name, ", . - ", $name),
            $(concat!(".size ", $other, ", . - ", $other),)?
            ".popsection",
            function = sym $function,
        );
    )* };
}

// On x86_64, Linux exports each under its bare name too.
#[cfg(target_arch = "x86_64")]
export! {
    "jmp",
    "__vdso_clock_getres" also "clock_getres" = clock_getres,
    "__vdso_gettimeofday" also "gettimeofday" = gettimeofday,
    "__vdso_time" also "time" = time,
    "__vdso_getcpu" also "getcpu" = getcpu,
}

#[cfg(target_arch = "aarch64")]
export! {
    "b",
    "__kernel_clock_getres" = clock_getres,
    "__kernel_gettimeofday" = gettimeofday,
    "__kernel_rt_sigreturn" = crate::entry::isa::signal_return,
}
