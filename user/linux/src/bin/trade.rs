//! Two programs that are started apart and have one machine's memory between them: `trade keep FOLDER` has much that it does not need, `trade grow FOLDER`
//! takes what it can get. Each prints its ledger.
//!
//! On Linux, which asks nobody, the second stops at a limit.
#![expect(clippy::undocumented_unsafe_blocks, reason = "each block is a plain call, on numbers and on the program's own memory")]

use std::fs::{File, read_to_string};
use std::path::Path;
use std::time::Duration;

const PAGE: usize = 4096;
/// Pages of memory that the keeper has and does not use, and of memory that it does use.
const UNUSED: usize = 8000;
const USED: usize = 1000;
/// What the other takes at once, in bytes, and how often where nobody refuses it.
const BLOCK: usize = 1 << 16;
const BLOCKS_MOST: usize = 4096;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "keep", folder] => keep(Path::new(folder)),
        [_, "grow", folder] => grow(Path::new(folder)),
        _ => {
            eprintln!("trade keep|grow FOLDER");
            std::process::exit(2);
        }
    }
}

/// Fresh memory; none if it is refused.
fn map(bytes: usize) -> Option<*mut u8> {
    let (both, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let place = unsafe { libc::mmap(std::ptr::null_mut(), bytes, both, flags, -1, 0) };
    (place != libc::MAP_FAILED).then_some(place.cast())
}

/// Tell the other program that something has been done, or wait for that.
fn tell(file: &Path) {
    File::create(file).expect("a folder to write to");
}

fn await_file(file: &Path) {
    while !file.exists() {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Pages that the process has.
fn resident() -> usize {
    let text = read_to_string("/proc/self/statm").expect("/proc");
    text.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a number")
}

fn print_ledger(who: &str) {
    let text = read_to_string("/proc/self/ledger").unwrap_or_else(|_| "none\n".into());
    text.lines().for_each(|line| println!("{who}: its ledger: {line}"));
}

fn keep(folder: &Path) {
    let (unused, used) = (map(UNUSED * PAGE).expect("memory"), map(USED * PAGE).expect("memory"));
    let is_zero = |page: &usize| unsafe { unused.add(page * PAGE).read_volatile() } == 0;
    let is_mine = |page: &usize| unsafe { used.add(page * PAGE).cast::<usize>().read_volatile() } == page + 1;
    (0..USED).for_each(|page| unsafe { used.add(page * PAGE).cast::<usize>().write_volatile(page + 1) });
    assert_eq!((0..UNUSED).filter(is_zero).count(), UNUSED);
    let before = resident();
    tell(&folder.join("kept"));
    await_file(&folder.join("grown"));
    println!("keeper: {before} pages, and {} when another had grown", resident());
    print_ledger("keeper");
    let right = (0..USED).filter(is_mine).count() == USED && (0..UNUSED).filter(is_zero).count() == UNUSED;
    println!("keeper: what it used is {}", if right { "as it was" } else { "lost" });
    std::process::exit(i32::from(!right));
}

fn grow(folder: &Path) {
    await_file(&folder.join("kept"));
    let mut blocks = Vec::new();
    while let Some(block) = map(BLOCK).filter(|_| blocks.len() < BLOCKS_MOST) {
        (0..BLOCK).step_by(PAGE).for_each(|at| unsafe { block.add(at).write_volatile(1) });
        blocks.push(block);
    }
    println!("grower: {} pages", blocks.len() * BLOCK / PAGE);
    print_ledger("grower");
    blocks.iter().for_each(|&block| assert_eq!(unsafe { libc::munmap(block.cast(), BLOCK) }, 0));
    tell(&folder.join("grown"));
}
