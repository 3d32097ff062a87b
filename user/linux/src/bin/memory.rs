//! What memory does: lazy pages, growing and shrinking, protection, moving, files mapped, the heap's end.

use std::io::Write;
use std::os::fd::AsRawFd;

use linux_programs::call;

const PAGE: usize = 4096;
const READ: usize = 1;
const READ_WRITE: usize = 3;
const PRIVATE: usize = libc::MAP_PRIVATE as usize;
const ANONYMOUS: usize = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize;
const NO_FILE: usize = usize::MAX;

fn main() {
    lazy();
    protection();
    holes();
    moving();
    advice();
    fixed();
    files();
    heap();
    large();
}

fn map(length: usize, rights: usize, flags: usize, file: usize) -> usize {
    // SAFETY: a mapping at a place of the system's choice disturbs nothing.
    unsafe { call(libc::SYS_mmap, &[0, length, rights, flags, file, 0]) }.expect("mmap") as usize
}

fn answer(label: &str, number: libc::c_long, arguments: &[usize]) {
    // SAFETY: the arguments name only mappings that this program made by number.
    match unsafe { call(number, arguments) } {
        // An address differs from run to run; that there is one is all that is said.
        Ok(value) => println!("{label}: {}", if value > 1 << 16 { "an address".into() } else { value.to_string() }),
        Err(error) => println!("{label}: {error}"),
    }
}

fn get(address: usize) -> u8 {
    // SAFETY: the callers name bytes of mappings that they made readable.
    unsafe { (address as *const u8).read_volatile() }
}

fn set(address: usize, byte: u8) {
    // SAFETY: the callers name bytes of mappings that they made writable.
    unsafe { (address as *mut u8).write_volatile(byte) }
}

fn lazy() {
    let length = 512 * PAGE;
    let area = map(length, READ_WRITE, ANONYMOUS, NO_FILE);
    println!("fresh memory is zero: {}", (0..length).step_by(PAGE / 2).all(|offset| get(area + offset) == 0));
    (0..length).step_by(3 * PAGE).for_each(|offset| set(area + offset, (offset / PAGE) as u8));
    let sum: u64 = (0..length).step_by(PAGE).map(|offset| u64::from(get(area + offset))).sum();
    println!("what was written: {sum}");
    answer("unmap", libc::SYS_munmap, &[area, length]);
    answer("unmap again", libc::SYS_munmap, &[area, length]);
}

fn protection() {
    let area = map(4 * PAGE, READ_WRITE, ANONYMOUS, NO_FILE);
    (0..4).for_each(|page| set(area + page * PAGE, page as u8 + 1));
    answer("protect the middle", libc::SYS_mprotect, &[area + PAGE, 2 * PAGE, READ]);
    println!("still readable: {} {}", get(area + PAGE), get(area + 2 * PAGE));
    // The kernel's own stores obey the same rights: a read into protected memory is refused.
    let file = std::fs::File::open("/dev/zero").expect("/dev/zero");
    answer("read into the protected", libc::SYS_read, &[file.as_raw_fd() as usize, area + PAGE, 8]);
    answer("read into the writable", libc::SYS_read, &[file.as_raw_fd() as usize, area, 8]);
    answer("protect from all", libc::SYS_mprotect, &[area + PAGE, PAGE, 0]);
    answer("write out of it", libc::SYS_write, &[1, area + PAGE, 1]);
    answer("protect back", libc::SYS_mprotect, &[area, 4 * PAGE, READ_WRITE]);
    set(area + PAGE, 9);
    println!("contents after all: {} {} {} {}", get(area), get(area + PAGE), get(area + 2 * PAGE), get(area + 3 * PAGE));
    answer("cut the end off", libc::SYS_munmap, &[area + 3 * PAGE, PAGE]);
    answer("protect past the end", libc::SYS_mprotect, &[area + 2 * PAGE, 2 * PAGE, READ]);
    answer("read into what was protected before the end", libc::SYS_read, &[file.as_raw_fd() as usize, area + 2 * PAGE, 8]);
    answer("unmap", libc::SYS_munmap, &[area, 4 * PAGE]);
}

fn holes() {
    let area = map(8 * PAGE, READ_WRITE, ANONYMOUS, NO_FILE);
    (0..8).for_each(|page| set(area + page * PAGE, page as u8 + 1));
    answer("unmap the middle", libc::SYS_munmap, &[area + 3 * PAGE, 2 * PAGE]);
    println!("around the hole: {} {}", get(area + 2 * PAGE), get(area + 5 * PAGE));
    answer("write out of the hole", libc::SYS_write, &[1, area + 3 * PAGE, 1]);
    answer("protect across the hole", libc::SYS_mprotect, &[area, 8 * PAGE, READ]);
    answer("fill it exactly", libc::SYS_mmap, &[area + 3 * PAGE, 2 * PAGE, READ_WRITE, ANONYMOUS | libc::MAP_FIXED as usize, NO_FILE, 0]);
    println!("the filling is fresh: {}", get(area + 3 * PAGE));
    answer("unmap", libc::SYS_munmap, &[area, 8 * PAGE]);
}

fn moving() {
    let area = map(4 * PAGE, READ_WRITE, ANONYMOUS, NO_FILE);
    (0..4).for_each(|page| set(area + page * PAGE, page as u8 + 1));
    answer("shrink", libc::SYS_mremap, &[area, 4 * PAGE, 2 * PAGE, 0]);
    answer("write out of what was cut", libc::SYS_write, &[1, area + 2 * PAGE, 1]);
    let blocker = area + 2 * PAGE;
    answer("block its growth", libc::SYS_mmap, &[blocker, PAGE, READ, ANONYMOUS | libc::MAP_FIXED as usize, NO_FILE, 0]);
    answer("grow in place", libc::SYS_mremap, &[area, 2 * PAGE, 16 * PAGE, 0]);
    // SAFETY: the mapping may move; its old address is not used again.
    let moved = unsafe { call(libc::SYS_mremap, &[area, 2 * PAGE, 16 * PAGE, libc::MREMAP_MAYMOVE as usize]) }.expect("mremap") as usize;
    println!("moved: {}, contents {} {}, growth is fresh {}", moved != area, get(moved), get(moved + PAGE), get(moved + 9 * PAGE));
    answer("write out of the old place", libc::SYS_write, &[1, area, 1]);
    answer("an unknown flag", libc::SYS_mremap, &[moved, PAGE, PAGE, 0x100]);
    answer("to no size", libc::SYS_mremap, &[moved, PAGE, 0, 0]);
    answer("unmap", libc::SYS_munmap, &[moved, 16 * PAGE]);
    answer("unmap the blocker", libc::SYS_munmap, &[blocker, PAGE]);
}

fn advice() {
    let area = map(4 * PAGE, READ_WRITE, ANONYMOUS, NO_FILE);
    (0..4).for_each(|page| set(area + page * PAGE, 7));
    answer("do not need two", libc::SYS_madvise, &[area + PAGE, 2 * PAGE, libc::MADV_DONTNEED as usize]);
    println!("after that: {} {} {} {}", get(area), get(area + PAGE), get(area + 2 * PAGE), get(area + 3 * PAGE));
    answer("will need", libc::SYS_madvise, &[area, 4 * PAGE, libc::MADV_WILLNEED as usize]);
    for (name, advice) in [("cold", libc::MADV_COLD), ("page out", libc::MADV_PAGEOUT)] {
        answer(name, libc::SYS_madvise, &[area, 4 * PAGE, advice as usize]);
        println!("after that: {} {} {} {}", get(area), get(area + PAGE), get(area + 2 * PAGE), get(area + 3 * PAGE));
        answer("lock", libc::SYS_mlock, &[area + PAGE, PAGE]);
        answer("what is locked", libc::SYS_madvise, &[area, 4 * PAGE, advice as usize]);
        answer("unlock", libc::SYS_munlock, &[area + PAGE, PAGE]);
    }
    answer("at an odd address", libc::SYS_madvise, &[area + 1, PAGE, libc::MADV_DONTNEED as usize]);
    answer("unmap", libc::SYS_munmap, &[area, 4 * PAGE]);
}

fn fixed() {
    let area = map(2 * PAGE, READ_WRITE, ANONYMOUS, NO_FILE);
    set(area, 5);
    let no_replace = ANONYMOUS | libc::MAP_FIXED_NOREPLACE as usize;
    answer("fixed, not replacing", libc::SYS_mmap, &[area, PAGE, READ_WRITE, no_replace, NO_FILE, 0]);
    println!("kept: {}", get(area));
    answer("fixed, replacing", libc::SYS_mmap, &[area, PAGE, READ_WRITE, ANONYMOUS | libc::MAP_FIXED as usize, NO_FILE, 0]);
    println!("replaced: {}", get(area));
    answer("unmap", libc::SYS_munmap, &[area, 2 * PAGE]);
}

fn files() {
    let mut file = std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open("memory-file").expect("a file");
    file.write_all(&[b"first page".repeat(500).as_slice(), b"tail"].concat()).expect("writing");
    let number = file.as_raw_fd() as usize;
    let area = map(2 * PAGE, READ_WRITE, PRIVATE, number);
    println!("mapped file: {:?} {:?} {}", get(area) as char, get(area + 5003) as char, get(area + 5004));
    set(area, b'F');
    println!("private: {:?} in memory, {:?} in the file", get(area) as char, std::fs::read("memory-file").expect("reading")[0] as char);
    answer("unmap", libc::SYS_munmap, &[area, 2 * PAGE]);
    let second = map(PAGE, READ, PRIVATE, number);
    println!("mapped again: {:?}", get(second) as char);
    drop(file);
    println!("after closing: {:?}", get(second + 1) as char);
    answer("unmap", libc::SYS_munmap, &[second, PAGE]);
    std::fs::remove_file("memory-file").expect("removing");
}

fn heap() {
    // SAFETY: asking for the heap's end changes nothing.
    let end = unsafe { call(libc::SYS_brk, &[0]) }.expect("brk") as usize;
    let page_end = end.next_multiple_of(PAGE);
    // SAFETY: musl's allocator does not count on the heap's end staying where it is.
    let grown = unsafe { call(libc::SYS_brk, &[page_end + 8 * PAGE]) }.expect("brk") as usize;
    println!("the heap grew: {}", grown == page_end + 8 * PAGE);
    if grown == page_end + 8 * PAGE {
        println!("growth is zero: {}", get(page_end) == 0 && get(grown - 1) == 0);
        set(grown - 1, 3);
        // SAFETY: only this program's own growth is given back.
        let shrunk = unsafe { call(libc::SYS_brk, &[page_end]) }.expect("brk") as usize;
        println!("and shrank: {}", shrunk == page_end);
    }
    // SAFETY: an impossible end is refused.
    let refused = unsafe { call(libc::SYS_brk, &[usize::MAX >> 1]) }.expect("brk") as usize;
    println!("an impossible end leaves it: {}", refused < 1 << 47);
    let blocks: Vec<Vec<u8>> = (1..400usize).map(|index| vec![index as u8; index * 97]).collect();
    let sum: usize = blocks.iter().map(|block| block.iter().map(|&byte| usize::from(byte)).sum::<usize>()).sum();
    println!("many blocks: {sum}");
}

fn large() {
    // More address space than memory: only what is touched counts.
    let length = 8usize << 30;
    let area = map(length, READ_WRITE, ANONYMOUS | libc::MAP_NORESERVE as usize, NO_FILE);
    for step in 0..64 {
        set(area + step * (length / 64), step as u8);
    }
    let sum: u32 = (0..64).map(|step| u32::from(get(area + step * (length / 64)))).sum();
    println!("eight GiB, sparsely: {sum}");
    answer("unmap", libc::SYS_munmap, &[area, length]);
}
