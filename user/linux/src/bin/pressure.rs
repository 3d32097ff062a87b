//! Two programs that want more memory than there is, under one quota: one that grows, one that has what it does not need.
//!
//! Only on Chitin is there little memory, and somebody who asks for it: on Linux nothing is given back and nothing lost, and the programs
//! find everything as they do here.
#![expect(clippy::undocumented_unsafe_blocks, reason = "each block is a plain call, on numbers and on the program's own variables")]

use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use linux_programs::family::{await_number, child, end_of, handle, run, shared, sleep_ms};

const PAGE: usize = 4096;
/// Pages of the file that the one keeps, and of the memory that the other does not look after.
const PAGES: usize = 5000;
/// Pages of that one's file: fewer than are taken of it.
const FEW: usize = 100;
/// Blocks that the one that grows takes.
const BLOCK: usize = 1 << 20;

fn is_chitin() -> bool {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(|release| release.contains("chitin"))
}

/// What the process was asked for and gave, in frames, and the addresses that were taken of it.
fn ledger() -> (usize, usize, Vec<usize>) {
    let Ok(text) = std::fs::read_to_string("/proc/self/ledger") else { return (0, 0, Vec::new()) };
    let mut lines = text.lines();
    let numbers: Vec<usize> = lines.next().unwrap_or("").split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    let taken = lines.map(|line| usize::from_str_radix(line.split(' ').next().unwrap_or(""), 16).expect("an address"));
    (numbers[1], numbers[2], taken.collect())
}

fn map(length: usize, protection: i32, flags: i32, file: i32) -> *mut u8 {
    unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, file, 0) }.cast()
}

/// A file of so many numbered pages, mapped.
fn numbered_file(pages: usize, flags: i32) -> *mut u8 {
    let path = format!("pressure-{}", std::process::id());
    let mut file = std::fs::File::options().read(true).write(true).create_new(true).open(&path).expect("a file");
    std::fs::remove_file(path).expect("it is there");
    for page in 0..pages {
        file.write_all(&[(page % 251) as u8; PAGE]).expect("room for a file");
    }
    map(pages * PAGE, libc::PROT_READ, flags, file.as_raw_fd())
}

fn is_numbered(at: *const u8, pages: usize) -> bool {
    (0..pages).all(|page| unsafe { at.add(page * PAGE + page % PAGE).read_volatile() } == (page % 251) as u8)
}

/// Take memory, block after block, until it is refused or has to be waited for until somebody's deadline, which may be what is to happen; and give
/// it back.
fn grow(is_to_wait: bool) -> i32 {
    let blocks = if is_chitin() { 1000 } else { 8 };
    let mut mine = Vec::new();
    let mut has_waited = false;
    for _ in 0..blocks {
        let before = Instant::now();
        let block = map(BLOCK, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1);
        has_waited |= before.elapsed() > Duration::from_millis(1900);
        if block.cast() == libc::MAP_FAILED {
            break;
        }
        mine.push(block);
        (0..BLOCK).step_by(PAGE).for_each(|at| unsafe { block.add(at).write_volatile(mine.len() as u8) });
        if has_waited {
            break;
        }
    }
    let is_kept = |(index, &block): (usize, &*mut u8)| {
        (0..BLOCK).step_by(PAGE).all(|at| unsafe { block.add(at).read_volatile() } == (index + 1) as u8)
    };
    let all_kept = mine.iter().enumerate().all(is_kept);
    mine.iter().for_each(|&block| assert_eq!(unsafe { libc::munmap(block.cast(), BLOCK) }, 0));
    i32::from(!all_kept || mine.len() < 8 || is_to_wait && !has_waited)
}

/// One that has nothing to do with it: it goes on, with what it has.
fn bystander(over: &AtomicI32) -> i32 {
    let memory: Vec<u32> = (0..100_000).collect();
    while over.load(Ordering::Relaxed) == 0 {
        if !memory.iter().enumerate().all(|(index, &number)| index == number as usize) {
            return 1;
        }
        sleep_ms(5);
    }
    0
}

/// One keeps a file mapped; when another grows, it gives the file's pages back, and has them again later.
fn trade() {
    let steps = shared();
    let [ready, over, left] = [&steps[0], &steps[1], &steps[2]];
    let by = child(|| bystander(left));
    let keeper = child(|| {
        let file = numbered_file(PAGES, libc::MAP_SHARED);
        let was = is_numbered(file, PAGES);
        ready.store(1, Ordering::SeqCst);
        await_number(over, 1);
        let (asked, gave, taken) = ledger();
        assert!(taken.is_empty(), "nothing is taken from who answers");
        // All of the file's pages went before anybody was refused.
        assert!(!is_chitin() || asked > 0 && gave >= PAGES, "asked for {asked} frames, gave {gave}");
        println!("the file: {} {}", was, is_numbered(file, PAGES));
        0
    });
    await_number(ready, 1);
    println!("who grew: {}", end_of(child(|| grow(false))));
    over.store(1, Ordering::SeqCst);
    println!("who kept a file: {}", end_of(keeper));
    left.store(1, Ordering::SeqCst);
    println!("who had nothing to do with it: {}", end_of(by));
}

/// Pages found lost by a signal.
static LOST: AtomicI32 = AtomicI32::new(0);

/// A page is lost: have a fresh one there.
extern "C" fn lost(_: i32, information: *const libc::siginfo_t, _: *mut libc::c_void) {
    const BUS_MCEERR_AR: i32 = 4;
    let (code, address) = unsafe { ((*information).si_code, (*information).si_addr() as usize) };
    if code != BUS_MCEERR_AR {
        unsafe { libc::_exit(3) };
    }
    LOST.fetch_add(1, Ordering::SeqCst);
    let (both, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED);
    let page = (address & !(PAGE - 1)) as *mut libc::c_void;
    if unsafe { libc::mmap(page, PAGE, both, flags, -1, 0) } != page {
        unsafe { libc::_exit(4) };
    }
}

/// Whether the program can sleep without the library's knowing: by the exokernel's own call, which in rewritten text is none.
fn can_be_deaf() -> bool {
    is_chitin() && std::env::var_os("CHITIN_REWRITTEN").is_none()
}

/// Sleep until a word is not 0 any more, without the library's knowing.
fn sleep_deaf(word: &AtomicI32) {
    if !can_be_deaf() {
        return await_number(word, 1);
    }
    let words = [abi::WaitWord { address: word.as_ptr() as u64, value: 0, reserved: 0 }];
    while word.load(Ordering::SeqCst) == 0 {
        let _ = exo::wait(&words, None);
    }
}

/// One does not hear what it is asked. Past the deadline it loses pages, learns which, and goes on without them.
fn deaf() {
    let steps = shared();
    let [ready, over, left] = [&steps[0], &steps[1], &steps[2]];
    let by = child(|| bystander(left));
    let sleeper = child(|| {
        let (both, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let file = numbered_file(FEW, libc::MAP_PRIVATE);
        let memory = map(PAGES * PAGE, both, flags, -1);
        (0..PAGES).for_each(|page| unsafe { memory.add(page * PAGE).write_volatile(page as u8 | 1) });
        let was = is_numbered(file, FEW);
        handle(libc::SIGBUS, 0, lost);
        ready.store(1, Ordering::SeqCst);
        sleep_deaf(over);
        look(memory, file, was);
        0
    });
    await_number(ready, 1);
    println!("who grew: {}", end_of(child(|| grow(can_be_deaf()))));
    over.store(1, Ordering::SeqCst);
    unsafe { libc::syscall(libc::SYS_futex, over.as_ptr(), libc::FUTEX_WAKE, 1) };
    println!("who did not listen: {}", end_of(sleeper));
    left.store(1, Ordering::SeqCst);
    println!("who had nothing to do with it: {}", end_of(by));
}

/// What the ledger says is what is lost: no more, and no less.
fn look(memory: *mut u8, file: *const u8, was: bool) {
    let (_, _, taken) = ledger();
    let range = |start: *const u8, pages: usize| start as usize..start as usize + pages * PAGE;
    let count = |range: std::ops::Range<usize>| taken.iter().filter(|address| range.contains(address)).count();
    // What is taken of the file comes again.
    let (of_file, of_memory) = (count(range(file, FEW)), count(range(memory, PAGES)));
    assert!(!can_be_deaf() || of_file == FEW && of_memory > 0, "taken: {of_file} pages of the file, {of_memory} of memory");
    if let Some(&page) = taken.iter().find(|address| range(memory, PAGES).contains(address)) {
        let to = std::fs::File::create("/dev/null").expect("a device");
        let wrote = unsafe { libc::write(to.as_raw_fd(), page as *const libc::c_void, 1) };
        assert!(wrote == 1 || std::io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT));
    }
    let is_right = |page: usize| {
        let address = memory.wrapping_add(page * PAGE);
        let found = unsafe { address.read_volatile() };
        if taken.contains(&(address as usize)) { found == 0 } else { found == page as u8 | 1 }
    };
    println!("the memory: {}", (0..PAGES).all(is_right));
    println!("lost: {}", LOST.load(Ordering::SeqCst) as usize == of_memory);
    println!("the file: {} {}", was, is_numbered(file, FEW));
}

fn main() {
    run(&[("trade", trade), ("deaf", deaf)]);
}
