//! Garbage all over what the library OS has in the process.

use crate::Random;
use crate::exokernel::{PAGE, is_mapped, make_writable};
use crate::peers::Shared;

/// Where the library has what: start and end.
const PLACES: [(usize, usize); 8] = [
    // The image: text, data.
    (0x7e00_0000_0000, 0x7e00_0028_0000),
    // The upcall page, the fault stack.
    (0x7e00_0028_0000, 0x7e00_002b_0000),
    // The bulletin, the mailbox.
    (0x7e00_002b_0000, 0x7e00_002c_0000),
    // Info pages, the syscall stack.
    (0x7e00_002c_0000, 0x7e00_0030_0000),
    // The heap.
    (0x7e00_0030_0000, 0x7e00_00b0_0000),
    // Words of inodes, what open files have in common.
    (0x7e00_2000_0000, 0x7e00_2010_0000),
    (0x7e00_2800_0000, 0x7e00_2810_0000),
    // Windows into files.
    (0x7e00_3000_0000, 0x7e00_3010_0000),
];
/// One for each of the places, and one for all.
pub const PARTS: usize = PLACES.len() + 1;

/// Write over a place, and use what is left of the library; over and over, the garbage another each time.
pub fn scribble(part: usize, shared: &Shared) {
    let random = Random::new(part as u64 + 1);
    let places = if part < PLACES.len() { &PLACES[part..=part] } else { &PLACES[..] };
    loop {
        for &(start, end) in places {
            for page in (start..end).step_by(PAGE).filter(|&page| is_mapped(page)) {
                // What cannot be made writable is not the process's to change: the store would only end it.
                if !make_writable(page) {
                    continue;
                }
                for _ in 0..random.below(64) {
                    let address = page + random.below(PAGE as u64 / 8) as usize * 8;
                    let word = match random.below(4) {
                        0 => 0,
                        1 => u64::MAX,
                        2 => random.below(100),
                        _ => random.next(),
                    };
                    unsafe { (address as *mut u64).write_volatile(word) };
                }
            }
        }
        for _ in 0..4 {
            let bytes = [0u8; 16];
            unsafe {
                libc::write(shared.output(), bytes.as_ptr().cast(), bytes.len());
                libc::sched_yield();
                libc::getpriority(0, 0);
            }
        }
    }
}
