//! Garbage all over what the library OS has in the process.

use abi::Call;

use crate::Random;
use crate::exokernel::{PAGE, call, is_mapped, make_writable};

/// Where rings of pipes are, from one to the next, their pages, and how many there can be.
const RINGS: usize = 0x7e00_2c00_0000;
const RING_STEP: usize = 32 * PAGE;
const RING_PAGES: usize = 17;
const RINGS_MOST: usize = 512;
/// Where a process may keep what it has of them.
const KEPT: usize = 0x10_0000_0000;

/// Keep pages of pipes that one has no more, and write to them.
pub fn keep_pipes() {
    let random = Random::new(7);
    let mut kept = 0;
    loop {
        let mut ends = [0; 2];
        let id = unsafe {
            libc::pipe(ends.as_mut_ptr());
            libc::fork()
        };
        if id == 0 {
            unsafe { libc::_exit(0) };
        }
        for ring in (0..RINGS_MOST).map(|ring| RINGS + ring * RING_STEP).filter(|&ring| is_mapped(ring)) {
            const READ_WRITE: u64 = 3;
            let target = KEPT + kept % RINGS_MOST * RING_STEP;
            call::<{ Call::PageUnmap as u16 }>([0, target as u64, RING_PAGES as u64, 0, 0, 0]);
            if call::<{ Call::PageMap as u16 }>([0, target as u64, ring as u64, RING_PAGES as u64, READ_WRITE, 0]).0 >= 0 {
                kept += 1;
            }
        }
        unsafe {
            libc::waitpid(id, std::ptr::null_mut(), 0);
            libc::close(ends[0]);
            libc::close(ends[1]);
        }
        for place in 0..kept.min(RINGS_MOST) {
            // Where bytes are: what is there is nobody else's any more.
            for page in 1..RING_PAGES {
                let address = KEPT + place * RING_STEP + page * PAGE + random.below(PAGE as u64 / 8) as usize * 8;
                if is_mapped(address & !(PAGE - 1)) {
                    unsafe { (address as *mut u64).write_volatile(random.next()) };
                }
            }
        }
        unsafe { libc::sched_yield() };
    }
}

/// Where the library has what: start and end.
const PLACES: [(usize, usize); 9] = [
    // The image: text, data.
    (0x7e00_0000_0000, 0x7e00_0028_0000),
    // The upcall page, what is counted of files, info pages.
    (0x7e00_0028_0000, 0x7e00_002b_0000),
    // The bulletin, the mailbox.
    (0x7e00_002b_0000, 0x7e00_002c_0000),
    // The syscall stack.
    (0x7e00_002c_0000, 0x7e00_0030_0000),
    // The heap.
    (0x7e00_0030_0000, 0x7e00_00b0_0000),
    // Words of inodes, what open files have in common.
    (0x7e00_2000_0000, 0x7e00_2010_0000),
    (0x7e00_2800_0000, 0x7e00_2810_0000),
    // Rings of pipes.
    (0x7e00_2c00_0000, 0x7e00_2c40_0000),
    // Windows into files.
    (0x7e00_3000_0000, 0x7e00_3010_0000),
];
/// One for each of the places, and one for all.
pub const PARTS: usize = PLACES.len() + 1;

/// Write over a place, and do something with what is left of the library; over and over, the garbage another each time.
pub fn scribble(part: usize, meanwhile: impl Fn()) {
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
        meanwhile();
    }
}
