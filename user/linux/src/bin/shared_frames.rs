//! Which frames hold the text of this process, and who else maps them: by `/proc/self/pagemap` and `/proc/kpagecount`, which on Linux
//! take a privileged user.
//!
//! `shared_frames COUNT` waits until every frame of its text is mapped COUNT times, so that processes started together meet. The one whose
//! `CHITIN_COPY` is 0 then counts the frames in use in the whole machine; the others stay as long as it is there.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

const PAGE: u64 = 4096;
const PRESENT: u64 = 1 << 63;
const EXCLUSIVE: u64 = 1 << 56;
const FRAME: u64 = (1 << 55) - 1;

/// A mapping, as a line of `/proc/self/maps` has it.
struct Mapping {
    pages: std::ops::Range<u64>,
    rights: String,
    path: String,
}

fn mappings() -> Vec<Mapping> {
    let text = std::fs::read_to_string("/proc/self/maps").expect("/proc/self/maps");
    let mapping = |line: &str| {
        let mut parts = line.split_whitespace();
        let (start, end) = parts.next()?.split_once('-')?;
        let page = |address| u64::from_str_radix(address, 16).ok().map(|address| address / PAGE);
        let rights = parts.next()?.to_owned();
        Some(Mapping { pages: page(start)?..page(end)?, rights, path: parts.nth(3).unwrap_or_default().to_owned() })
    };
    text.lines().filter_map(mapping).collect()
}

/// Words of a table of 64-bit words; as many as there are.
fn words(table: &File, first: u64, count: usize) -> Vec<u64> {
    let mut bytes = vec![0; count * 8];
    let mut done = 0;
    while done < bytes.len() {
        match table.read_at(&mut bytes[done..], first * 8 + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) => panic!("a table of words: {error}"),
        }
    }
    bytes[..done].chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes"))).collect()
}

struct Tables {
    pages: File,
    counts: File,
}

impl Tables {
    fn frame(&self, page: u64) -> u64 {
        words(&self.pages, page, 1).first().filter(|&word| word & PRESENT != 0).map_or(0, |word| word & FRAME)
    }

    fn count(&self, frame: u64) -> u64 {
        words(&self.counts, frame, 1).first().copied().unwrap_or(0)
    }
}

fn main() {
    let wanted: u64 = std::env::args().nth(1).and_then(|count| count.parse().ok()).expect("a count");
    let copy = std::env::var("CHITIN_COPY").unwrap_or_else(|_| "0".into());
    let tables =
        Tables { pages: File::open("/proc/self/pagemap").expect("pagemap"), counts: File::open("/proc/kpagecount").expect("kpagecount") };
    let mut report = String::new();
    let mut last = 0;
    for text in mappings().iter().filter(|mapping| mapping.rights == "r-xp" && mapping.path.starts_with('/')) {
        let frames: Vec<u64> = text.pages.clone().map(|page| touch(&tables, page)).collect();
        frames.iter().for_each(|&frame| wait(&tables, frame, |count| count >= wanted));
        last = *frames.last().expect("no mapping is empty");
        let sum = frames.iter().fold(0u64, |sum, &frame| sum.wrapping_mul(31).wrapping_add(frame));
        let same = frames.iter().filter(|&&frame| frame == 0).count();
        report += &format!("copy {copy}: text {} pages {} missing {same} frames {sum:x}\n", text.path, frames.len());
    }
    let (mut own, mut shared) = (0, 0);
    for mapping in mappings().iter().filter(|mapping| !mapping.path.starts_with("[v")) {
        for word in words(&tables.pages, mapping.pages.start, (mapping.pages.end - mapping.pages.start) as usize) {
            own += u64::from(word & PRESENT != 0 && word & EXCLUSIVE != 0);
            shared += u64::from(word & PRESENT != 0 && word & EXCLUSIVE == 0);
        }
    }
    report += &format!("copy {copy}: own {own} shared {shared}\n");
    if copy == "0" {
        report += &format!("frames in use {}\n", frames_in_use(&tables));
    }
    print!("{report}");
    if copy != "0" {
        let most = tables.count(last);
        wait(&tables, last, |count| count < most);
    }
}

/// Read from a page, so that it is there; gives its frame.
fn touch(tables: &Tables, page: u64) -> u64 {
    // SAFETY: the page is this program's text.
    unsafe { ((page * PAGE) as *const u8).read_volatile() };
    tables.frame(page)
}

fn wait(tables: &Tables, frame: u64, done: impl Fn(u64) -> bool) {
    while !done(tables.count(frame)) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn frames_in_use(tables: &Tables) -> usize {
    const STEP: usize = 4096;
    let (mut first, mut used) = (0, 0);
    loop {
        let counts = words(&tables.counts, first, STEP);
        used += counts.iter().filter(|&&count| count > 0).count();
        first += STEP as u64;
        if counts.len() < STEP {
            return used;
        }
    }
}
