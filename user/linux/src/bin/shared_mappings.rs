//! A file and its mappings are one memory: stores, reads, writes, cuts and holes, seen from every side.
//!
//! The file `given` came with the machine: on Chitin its pages are the boot image's own until somebody stores to them.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use linux_programs::call;

const PAGE: usize = 4096;
const READ: usize = libc::PROT_READ as usize;
const READ_WRITE: usize = (libc::PROT_READ | libc::PROT_WRITE) as usize;
const SHARED: usize = libc::MAP_SHARED as usize;
const PRIVATE: usize = libc::MAP_PRIVATE as usize;
const GIVEN_BYTES: usize = 5 * PAGE + 1234;

fn main() {
    catch_bus_errors();
    coherence();
    own_memory();
    given();
    private();
    ends();
    cut();
    moving();
    middle();
    refusals();
    synchronisation();
    holes();
    deleted();
    executable();
    anonymous();
    large();
}

fn map(file: &File, pages: usize, protection: usize, flags: usize) -> usize {
    // SAFETY: a mapping at a place of the system's choice disturbs nothing.
    unsafe { call(libc::SYS_mmap, &[0, pages * PAGE, protection, flags, file.as_raw_fd() as usize, 0]) }.expect("mmap") as usize
}

fn answer(label: &str, number: libc::c_long, arguments: &[usize]) {
    // SAFETY: the arguments name only mappings that this program made by number.
    match unsafe { call(number, arguments) } {
        Ok(value) => println!("{label}: {}", if value > 1 << 16 { "an address".into() } else { value.to_string() }),
        Err(error) => println!("{label}: {error}"),
    }
}

fn unmap(address: usize, pages: usize) {
    // SAFETY: the callers name mappings that they made, and do not use them again.
    unsafe { call(libc::SYS_munmap, &[address, pages * PAGE]) }.expect("munmap");
}

fn get(address: usize) -> u8 {
    // SAFETY: the callers name bytes of mappings that they made readable, or whose fault is caught.
    unsafe { (address as *const u8).read_volatile() }
}

fn set(address: usize, byte: u8) {
    // SAFETY: the callers name bytes of mappings that they made writable, or whose fault is caught.
    unsafe { (address as *mut u8).write_volatile(byte) }
}

fn file(name: &str, contents: &[u8]) -> File {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(name).expect("a file");
    file.write_all_at(contents, 0).expect("writing");
    file
}

fn byte_at(file: &File, offset: usize) -> u8 {
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset as u64).expect("reading");
    byte[0]
}

static BUS_ERRORS: AtomicI32 = AtomicI32::new(0);
static BUS_ADDRESS: AtomicUsize = AtomicUsize::new(0);
static BUS_CODE: AtomicI32 = AtomicI32::new(0);

/// A bus error is counted, and something is put where it was, so that the program goes on.
extern "C" fn on_bus_error(_: i32, information: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the system hands a handler with SA_SIGINFO a valid siginfo.
    let (address, code) = unsafe { ((*information).si_addr() as usize, (*information).si_code) };
    BUS_ERRORS.fetch_add(1, Ordering::Relaxed);
    BUS_ADDRESS.store(address, Ordering::Relaxed);
    BUS_CODE.store(code, Ordering::Relaxed);
    let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED) as usize;
    // SAFETY: the page is one that a test here mapped and that cannot be used as it is.
    let _ = unsafe { call(libc::SYS_mmap, &[address & !(PAGE - 1), PAGE, READ_WRITE, flags, usize::MAX, 0]) };
}

fn catch_bus_errors() {
    // SAFETY: the handler only stores to atomics and makes a call.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_bus_error as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        assert_eq!(libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut()), 0);
    }
}

/// Whether touching an address is a bus error at that very address.
fn is_bus_error(address: usize, store: bool) -> String {
    let before = BUS_ERRORS.load(Ordering::Relaxed);
    if store {
        set(address, 1);
    } else {
        let _ = get(address);
    }
    if BUS_ERRORS.load(Ordering::Relaxed) == before {
        return "no bus error".into();
    }
    format!("bus error, code {}, there: {}", BUS_CODE.load(Ordering::Relaxed), BUS_ADDRESS.load(Ordering::Relaxed) == address)
}

fn coherence() {
    let file = file("shared-file", &[b'a'; 3 * PAGE]);
    let one = map(&file, 3, READ_WRITE, SHARED);
    let other = map(&file, 3, READ, SHARED);
    println!("as written: {:?}", get(one + 5) as char);
    set(one + 5, b'b');
    println!("a store is read: {:?}, and seen beside: {:?}", byte_at(&file, 5) as char, get(other + 5) as char);
    file.write_all_at(b"cd", PAGE as u64 - 1).expect("writing");
    println!("a write is seen: {:?} {:?}", get(one + PAGE - 1) as char, get(other + PAGE) as char);
    set(one + 2 * PAGE, b'e');
    println!("the whole file: {:?}", std::fs::read("shared-file").expect("reading").iter().filter(|&&byte| byte != b'a').count());
    unmap(one, 3);
    println!("after unmapping: {:?} {:?}", byte_at(&file, 2 * PAGE) as char, get(other + 2 * PAGE) as char);
    unmap(other, 3);
    let again = map(&file, 3, READ_WRITE, SHARED);
    println!("mapped again: {:?} {:?}", get(again + 5) as char, get(again + 2 * PAGE) as char);
    unmap(again, 3);
}

/// Reads and writes whose buffer is the file's own memory.
fn own_memory() {
    let file = file("own-file", &(0..2 * PAGE).map(|index| (index / 16) as u8).collect::<Vec<_>>());
    let area = map(&file, 2, READ_WRITE, SHARED);
    let number = file.as_raw_fd() as usize;
    answer("write out of the file's own second page into its first", libc::SYS_pwrite64, &[number, area + PAGE, PAGE, 0]);
    println!("moved: {}", (0..PAGE).all(|index| get(area + index) == byte_at(&file, PAGE + index)));
    set(area + 7, 77);
    answer("read the first page into the second", libc::SYS_pread64, &[number, area + PAGE, PAGE, 0]);
    println!("moved back: {} {}", get(area + PAGE + 7), byte_at(&file, PAGE + 7));
    answer("write a page over itself", libc::SYS_pwrite64, &[number, area, PAGE, 0]);
    println!("the same: {} {}", get(area + 7), byte_at(&file, 7));
    unmap(area, 2);
    // The same with nothing mapped in yet: each copy faults on the page that it is about to write.
    let fresh = map(&file, 2, READ_WRITE, SHARED);
    answer("write out of a page not touched yet over itself", libc::SYS_pwrite64, &[number, fresh, PAGE, 0]);
    answer("read into one not touched yet", libc::SYS_pread64, &[number, fresh + PAGE, 100, 7]);
    println!("after that: {} {}", get(fresh + 7), get(fresh + PAGE));
    unmap(fresh, 2);
}

fn given() {
    let original = std::fs::read("given").expect("the file that came along");
    println!("given: {} bytes", original.len());
    let file = OpenOptions::new().read(true).write(true).open("given").expect("opening it");
    let pages = GIVEN_BYTES.div_ceil(PAGE);
    let early = map(&file, pages, READ, SHARED);
    let own = map(&file, pages, READ_WRITE, PRIVATE);
    let same = |area: usize| (0..GIVEN_BYTES).all(|index| get(area + index) == original[index]);
    println!("mapped as read: {} {}", same(early), same(own));
    println!("zeros behind its end: {}", (GIVEN_BYTES..pages * PAGE).all(|index| get(early + index) == 0 && get(own + index) == 0));
    set(own + 3, b'!');
    println!("a private store: {:?} {:?} {:?}", get(own + 3) as char, get(early + 3) == original[3], byte_at(&file, 3) == original[3]);
    file.write_all_at(b"WRITTEN", PAGE as u64 + 100).expect("writing");
    println!("a write is seen by what was mapped before: {:?}", get(early + PAGE + 100) as char);
    let late = map(&file, pages, READ_WRITE, SHARED);
    set(late + 2 * PAGE, b'S');
    println!("a store is seen: {:?} {:?}", get(early + 2 * PAGE) as char, byte_at(&file, 2 * PAGE) as char);
    set(late + 3 * PAGE + 1, b'T');
    println!("beside what was there: {}", get(late + 3 * PAGE) == original[3 * PAGE] && get(early + 3 * PAGE + 1) == b'T');
    let changed = std::fs::read("given").expect("reading").iter().zip(&original).filter(|(new, old)| new != old).count();
    println!("bytes changed: {changed}");
    for area in [early, own, late] {
        unmap(area, pages);
    }
}

fn private() {
    let file = file("private-file", &[b'p'; 4 * PAGE]);
    let area = map(&file, 4, READ_WRITE, PRIVATE);
    println!("private: {:?}", get(area) as char);
    file.write_all_at(b"q", 0).expect("writing");
    println!("a write before the first store is seen: {:?}", get(area) as char);
    set(area + 1, b'r');
    file.write_all_at(b"s", 0).expect("writing");
    println!("one after it is not: {:?} {:?}", get(area) as char, get(area + 1) as char);
    println!("nor is the store in the file: {:?} {:?}", byte_at(&file, 0) as char, byte_at(&file, 1) as char);
    set(area + 3 * PAGE, b't');
    println!("a store to what was not touched: {:?} {:?}", get(area + 3 * PAGE) as char, get(area + 3 * PAGE + 1) as char);
    answer("protect", libc::SYS_mprotect, &[area, 4 * PAGE, READ]);
    answer("read into it", libc::SYS_pread64, &[file.as_raw_fd() as usize, area + PAGE, 1, 0]);
    answer("and back", libc::SYS_mprotect, &[area, 4 * PAGE, READ_WRITE]);
    set(area + 2 * PAGE, b'u');
    println!("after that: {:?} {:?} {:?}", get(area + 1) as char, get(area + 2 * PAGE) as char, byte_at(&file, 2 * PAGE) as char);
    answer("page out", libc::SYS_madvise, &[area, 4 * PAGE, libc::MADV_PAGEOUT as usize]);
    println!("what was stored stays: {:?} {:?} {:?}", get(area + 1) as char, get(area + 2 * PAGE) as char, get(area + 3 * PAGE) as char);
    answer("do not need", libc::SYS_madvise, &[area, 4 * PAGE, libc::MADV_DONTNEED as usize]);
    println!("the file's again: {:?} {:?} {:?}", get(area) as char, get(area + 1) as char, get(area + 2 * PAGE) as char);
    unmap(area, 4);
    let read_only = File::open("private-file").expect("opening");
    let area = map(&read_only, 1, READ_WRITE, PRIVATE);
    set(area, b'v');
    println!("private stores need no write access: {:?}", get(area) as char);
    unmap(area, 1);
}

fn ends() {
    let file = file("end-file", &[b'x'; PAGE + 10]);
    let area = map(&file, 4, READ_WRITE, SHARED);
    println!("the last page: {:?}, then {}", get(area + PAGE + 9) as char, (PAGE + 10..2 * PAGE).all(|index| get(area + index) == 0));
    println!("past it: {}", is_bus_error(area + 2 * PAGE + 8, false));
    answer("write from past it", libc::SYS_write, &[1, area + 3 * PAGE, 1]);
    println!("a store past it: {}", is_bus_error(area + 3 * PAGE, true));
    println!("the size stays: {}", file.metadata().expect("stat").len());
    unmap(area, 4);
    let private = map(&file, 4, READ_WRITE, PRIVATE);
    println!("privately: {} {:?}", get(private + PAGE + 10), is_bus_error(private + 2 * PAGE, true));
    unmap(private, 4);
}

fn cut() {
    let file = file("cut-file", &[b'c'; 6 * PAGE]);
    let shared = map(&file, 6, READ_WRITE, SHARED);
    let private = map(&file, 6, READ_WRITE, PRIVATE);
    (0..6).for_each(|page| {
        set(shared + page * PAGE, page as u8);
        set(private + page * PAGE + 1, page as u8);
    });
    file.set_len(2 * PAGE as u64 + 50).expect("cutting");
    println!("before the cut: {} {}", get(shared + 2 * PAGE), get(private + 2 * PAGE + 1));
    println!("behind it, in its page: {} {:?}", get(shared + 2 * PAGE + 50), get(shared + 2 * PAGE + 49) as char);
    println!("behind it: {}, privately: {}", is_bus_error(shared + 3 * PAGE, false), is_bus_error(private + 4 * PAGE + 1, false));
    file.set_len(6 * PAGE as u64).expect("stretching");
    println!("stretched, it is zeros: {} {} {}", get(shared + 4 * PAGE), get(shared + 5 * PAGE), get(private + 5 * PAGE + 1));
    set(shared + 5 * PAGE, 9);
    println!("and can be stored to: {}", byte_at(&file, 5 * PAGE));
    drop(OpenOptions::new().write(true).truncate(true).open("cut-file").expect("truncating"));
    println!("opened with O_TRUNC: {}", is_bus_error(shared + PAGE, true));
    unmap(shared, 6);
    unmap(private, 6);
}

fn moving() {
    let file = file("move-file", &(0..8 * PAGE).map(|index| (index / PAGE) as u8 + 1).collect::<Vec<_>>());
    let area = map(&file, 2, READ_WRITE, SHARED);
    set(area, 100);
    let blocker = area + 2 * PAGE;
    let fixed = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED) as usize;
    answer("block", libc::SYS_mmap, &[blocker, PAGE, READ, fixed, usize::MAX, 0]);
    // SAFETY: the mapping may move; its old address is not used again.
    let moved = unsafe { call(libc::SYS_mremap, &[area, 2 * PAGE, 8 * PAGE, libc::MREMAP_MAYMOVE as usize]) }.expect("mremap") as usize;
    println!("grown elsewhere: {} {} {} {}", get(moved), get(moved + PAGE), get(moved + 2 * PAGE), get(moved + 7 * PAGE));
    set(moved + 7 * PAGE, 200);
    println!("still the file's: {} {}", byte_at(&file, 0), byte_at(&file, 7 * PAGE));
    answer("shrink", libc::SYS_mremap, &[moved, 8 * PAGE, PAGE, 0]);
    println!("what is left: {}", get(moved));
    unmap(moved, 1);
    unmap(blocker, 1);
    let private = map(&file, 4, READ_WRITE, PRIVATE);
    set(private + PAGE, 50);
    let target = map(&file, 8, READ, PRIVATE);
    let flags = (libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED) as usize;
    answer("move a private one", libc::SYS_mremap, &[private, 4 * PAGE, 4 * PAGE, flags, target]);
    println!("its copy moved along: {} {} {}", get(target), get(target + PAGE), get(target + 2 * PAGE));
    unmap(target, 8);
}

fn middle() {
    let file = file("middle-file", &[b'm'; 8 * PAGE]);
    let area = map(&file, 8, READ_WRITE, SHARED);
    (0..8).for_each(|page| set(area + page * PAGE, page as u8));
    unmap(area + 3 * PAGE, 2);
    println!("around the hole: {} {}", get(area + 2 * PAGE), get(area + 5 * PAGE));
    answer("write from the hole", libc::SYS_write, &[1, area + 3 * PAGE, 1]);
    set(area + 5 * PAGE, 55);
    println!("offsets behind the hole are right: {} {}", byte_at(&file, 5 * PAGE), byte_at(&file, 3 * PAGE));
    let fixed = SHARED | libc::MAP_FIXED as usize;
    let number = file.as_raw_fd() as usize;
    answer("fill it with the file's end", libc::SYS_mmap, &[area + 3 * PAGE, 2 * PAGE, READ_WRITE, fixed, number, 6 * PAGE]);
    set(area + 7 * PAGE, 77);
    println!("twice in one range: {} {}", get(area + 3 * PAGE), get(area + 4 * PAGE));
    unmap(area, 8);
}

fn refusals() {
    drop(file("refused-file", &[b'r'; PAGE]));
    let reading = File::open("refused-file").expect("opening");
    let writing = OpenOptions::new().write(true).open("refused-file").expect("opening");
    let (reader, writer) = (reading.as_raw_fd() as usize, writing.as_raw_fd() as usize);
    answer("store to a file open for reading", libc::SYS_mmap, &[0, PAGE, READ_WRITE, SHARED, reader, 0]);
    answer("show a file open for writing", libc::SYS_mmap, &[0, PAGE, READ, SHARED, writer, 0]);
    answer("privately", libc::SYS_mmap, &[0, PAGE, READ, PRIVATE, writer, 0]);
    answer("at an odd offset", libc::SYS_mmap, &[0, PAGE, READ, SHARED, reader, 1]);
    answer("of no size", libc::SYS_mmap, &[0, 0, READ, SHARED, reader, 0]);
    answer("neither shared nor private", libc::SYS_mmap, &[0, PAGE, READ, 0, reader, 0]);
    answer("a directory", libc::SYS_mmap, &[0, PAGE, READ, SHARED, File::open(".").expect("opening").as_raw_fd() as usize, 0]);
    answer("a closed descriptor", libc::SYS_mmap, &[0, PAGE, READ, SHARED, 77, 0]);
    let area = map(&reading, 1, READ, SHARED);
    answer("allow stores to it later", libc::SYS_mprotect, &[area, PAGE, READ_WRITE]);
    println!("still there: {:?}", get(area) as char);
    answer("but all access may go", libc::SYS_mprotect, &[area, PAGE, 0]);
    answer("and come back", libc::SYS_mprotect, &[area, PAGE, READ]);
    println!("still there: {:?}", get(area) as char);
    unmap(area, 1);
}

fn synchronisation() {
    let file = file("sync-file", &[b's'; 2 * PAGE]);
    let area = map(&file, 2, READ_WRITE, SHARED);
    set(area, b'S');
    let (asynchronous, invalidate, now) = (libc::MS_ASYNC as usize, libc::MS_INVALIDATE as usize, libc::MS_SYNC as usize);
    answer("msync", libc::SYS_msync, &[area, 2 * PAGE, now]);
    answer("msync later", libc::SYS_msync, &[area, 2 * PAGE, asynchronous]);
    answer("msync and invalidate", libc::SYS_msync, &[area, 2 * PAGE, now | invalidate]);
    println!("after that: {:?}", get(area) as char);
    answer("msync now and later", libc::SYS_msync, &[area, PAGE, now | asynchronous]);
    answer("msync with unknown flags", libc::SYS_msync, &[area, PAGE, 8]);
    answer("msync at an odd address", libc::SYS_msync, &[area + 1, PAGE, now]);
    unmap(area + PAGE, 1);
    answer("msync across the end", libc::SYS_msync, &[area, 2 * PAGE, now]);
    answer("msync of nothing", libc::SYS_msync, &[area, 0, now]);
    unmap(area, 1);
}

/// An unnamed file in memory: what it is made of is the same on every machine.
fn memory_file() -> File {
    // SAFETY: the name outlives the call, and the descriptor that it gives is nobody else's.
    unsafe { File::from_raw_fd(call(libc::SYS_memfd_create, &[c"memory".as_ptr() as usize, 0]).expect("memfd_create") as i32) }
}

fn holes() {
    let file = memory_file();
    let number = file.as_raw_fd() as usize;
    file.set_len(32 * PAGE as u64).expect("stretching");
    let area = map(&file, 32, READ_WRITE, SHARED);
    println!("a hole is zeros: {}", get(area + 17 * PAGE));
    set(area + 20 * PAGE + 1, 20);
    println!("a store fills it: {} {}", byte_at(&file, 20 * PAGE + 1), byte_at(&file, 21 * PAGE));
    file.write_all_at(&[7; 3 * PAGE], 4 * PAGE as u64).expect("writing");
    println!("a write fills it: {} {}", get(area + 4 * PAGE), get(area + 6 * PAGE + 5));
    let private = map(&file, 32, READ_WRITE, PRIVATE);
    println!("privately: {} {}", get(private + 4 * PAGE), get(private + 5 * PAGE));
    set(private + 5 * PAGE, 8);
    let punch = (libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE) as usize;
    answer("punch", libc::SYS_fallocate, &[number, punch, 4 * PAGE + 10, 2 * PAGE]);
    println!("at its edge: {} {}", get(area + 4 * PAGE + 9), get(area + 4 * PAGE + 10));
    println!("inside: {} {}, a private copy stays: {}", get(area + 5 * PAGE), get(private + 5 * PAGE + 1), get(private + 5 * PAGE));
    set(area + 5 * PAGE, 9);
    println!("filled again: {} {}", byte_at(&file, 5 * PAGE), get(area + 6 * PAGE + 10));
    let mut present = [9u8; 4];
    answer("mincore", libc::SYS_mincore, &[area + 4 * PAGE, 2 * PAGE, present.as_mut_ptr() as usize]);
    println!("in memory: {present:?}");
    unmap(area, 32);
    unmap(private, 32);
}

fn deleted() {
    let file = file("deleted-file", &[b'd'; 2 * PAGE]);
    let area = map(&file, 2, READ_WRITE, SHARED);
    let other = map(&file, 2, READ, SHARED);
    std::fs::remove_file("deleted-file").expect("removing");
    drop(file);
    let fresh = self::file("deleted-file", &[b'n'; 2 * PAGE]);
    println!("a deleted file is still mapped: {:?} {:?}", get(area) as char, get(other + PAGE) as char);
    set(area + PAGE, b'D');
    println!("and stored to: {:?}, the new one is another: {:?}", get(other + PAGE) as char, byte_at(&fresh, PAGE) as char);
    unmap(area, 2);
    println!("by the second mapping alone: {:?}", get(other + PAGE) as char);
    unmap(other, 2);
}

/// Code in a file, mapped and run.
fn executable() {
    let returns_42: &[u8] =
        if cfg!(target_arch = "x86_64") { &[0xb8, 42, 0, 0, 0, 0xc3] } else { &[0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6] };
    let code = file("code-file", returns_42);
    for flags in [PRIVATE, SHARED] {
        let area = map(&code, 1, (libc::PROT_READ | libc::PROT_EXEC) as usize, flags);
        // SAFETY: the file holds a function that takes nothing, gives an integer and touches nothing.
        let function: extern "C" fn() -> i32 = unsafe { std::mem::transmute(area) };
        println!("code in a file: {}", function());
        unmap(area, 1);
    }
}

fn anonymous() {
    let flags = (libc::MAP_SHARED | libc::MAP_ANONYMOUS) as usize;
    // SAFETY: a mapping at a place of the system's choice disturbs nothing.
    let area = unsafe { call(libc::SYS_mmap, &[0, 4 * PAGE, READ_WRITE, flags, usize::MAX, 0]) }.expect("mmap") as usize;
    (0..4).for_each(|page| set(area + page * PAGE, page as u8 + 1));
    let target = map(&memory_file(), 4, READ, PRIVATE);
    let moving = (libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED) as usize;
    answer("move shared memory of no file", libc::SYS_mremap, &[area, 4 * PAGE, 4 * PAGE, moving, target]);
    println!("what moved: {} {} {} {}", get(target), get(target + PAGE), get(target + 2 * PAGE), get(target + 3 * PAGE));
    answer("do not need it", libc::SYS_madvise, &[target, 4 * PAGE, libc::MADV_DONTNEED as usize]);
    println!("it is kept: {} {}", get(target), get(target + 3 * PAGE));
    unmap(target, 4);
}

/// Hundreds of pages, walked in order and out of order.
fn large() {
    const PAGES: usize = 700;
    let file = memory_file();
    let contents: Vec<u8> = (0..PAGES * PAGE).map(|index| (index * 7 / PAGE + index % 251) as u8).collect();
    file.write_all_at(&contents, 0).expect("writing");
    let shared = map(&file, PAGES, READ_WRITE, SHARED);
    let private = map(&file, PAGES, READ_WRITE, PRIVATE);
    println!("in order: {}", (0..PAGES * PAGE).step_by(97).all(|index| get(shared + index) == contents[index]));
    (0..PAGES).rev().step_by(3).for_each(|page| set(private + page * PAGE, 1));
    (0..PAGES).step_by(5).for_each(|page| set(shared + page * PAGE + 1, 2));
    let sum =
        |area: usize| (0..PAGES * PAGE).step_by(PAGE / 4).map(|index| u64::from(get(area + index) ^ get(area + index + 1))).sum::<u64>();
    println!("sums: {} {}", sum(shared), sum(private));
    let mut read = vec![0; PAGES * PAGE];
    file.read_exact_at(&mut read, 0).expect("reading");
    println!("as read: {}", (0..PAGES * PAGE).step_by(61).all(|index| get(shared + index) == read[index]));
    unmap(shared, PAGES);
    unmap(private, PAGES);
}
