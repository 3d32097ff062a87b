//! memfd_create(2) and its seals: what each keeps from happening, by every way to do it.
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "each block is a plain call, on numbers and on strings and memory of the program's own"
)]

use std::ffi::CString;

use linux_programs::call;
use linux_programs::calls::{look_at, opens, put, take};
use linux_programs::descriptors::{child, close, control, outcome, pipe, run, show};

const PAGE: usize = 4096;
const ADD: i32 = libc::F_ADD_SEALS;
const GET: i32 = libc::F_GET_SEALS;
const SEAL: i64 = 1;
const SHRINK: i64 = 2;
const GROW: i64 = 4;
const WRITE: i64 = 8;
const FUTURE_WRITE: i64 = 16;
const EXECUTE: i64 = 32;
const SEALABLE: u32 = 2;
const READ_ONLY: i32 = libc::PROT_READ;
const READ_WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;

fn created(name: &str, flags: u32) -> Result<i32, String> {
    let name = CString::new(name).expect("no NUL");
    unsafe { call(libc::SYS_memfd_create, &[name.as_ptr() as usize, flags as usize]) }.map(|fd| fd as i32)
}

/// A file of so many bytes that may be sealed.
fn file(bytes: usize) -> i32 {
    let fd = created("sealed", SEALABLE).expect("a file");
    assert_eq!(put(fd, &vec![b'x'; bytes]), bytes.to_string());
    fd
}

/// The same with seals.
fn sealed(bytes: usize, seals: i64) -> i32 {
    let fd = file(bytes);
    assert_eq!(control(fd, ADD, seals), Ok(0));
    fd
}

/// The same file, opened again by its descriptor.
fn again(fd: i32, flags: i32) -> i32 {
    linux_programs::calls::opened(&format!("/proc/self/fd/{fd}"), flags)
}

fn size(fd: i32) -> i64 {
    unsafe { libc::lseek(fd, 0, libc::SEEK_END) }
}

fn cut(fd: i32, bytes: i64) -> String {
    show(outcome(unsafe { libc::ftruncate(fd, bytes) }))
}

fn put_at(fd: i32, bytes: &[u8], at: i64) -> String {
    show(outcome(unsafe { libc::pwrite(fd, bytes.as_ptr().cast(), bytes.len(), at) } as i64))
}

fn allocate(fd: i32, mode: i32, at: i64, bytes: i64) -> String {
    show(outcome(unsafe { libc::fallocate(fd, mode, at, bytes) }))
}

fn map(fd: i32, protection: i32, flags: i32) -> Result<*mut u8, String> {
    let place = unsafe { libc::mmap(std::ptr::null_mut(), PAGE, protection, flags, fd, 0) };
    if place == libc::MAP_FAILED { Err(linux_programs::called(-1)) } else { Ok(place.cast()) }
}

fn maps(fd: i32, protection: i32, flags: i32) -> String {
    map(fd, protection, flags).map_or_else(
        |error| error,
        |place| {
            unmap(place);
            "mapped".into()
        },
    )
}

fn protect(place: *mut u8, protection: i32) -> String {
    show(outcome(unsafe { libc::mprotect(place.cast(), PAGE, protection) }))
}

fn unmap(place: *mut u8) {
    assert_eq!(unsafe { libc::munmap(place.cast(), PAGE) }, 0);
}

fn seals(fd: i32) -> String {
    control(fd, GET, 0).map_or_else(|error| error, |seals| format!("{seals:#x}"))
}

fn making() {
    for name in ["", "name", "a/b", &"n".repeat(249), &"n".repeat(250)] {
        println!("a name of {}: {}", name.len(), created(name, 0).map_or_else(|error| error, |_| "made".into()));
    }
    for flags in [1, 2, 3, 0x8000_0000, 0x100, 0x18] {
        println!("flags {flags:#x}: {}", created("flags", flags).map_or_else(|error| error, |_| "made".into()));
    }
    println!("no name: {:?}", unsafe { call(libc::SYS_memfd_create, &[16, 0]) });
    let fd = created("some name", 1).expect("a file");
    println!("closed on exec: {:?}, open for: {:?}", control(fd, libc::F_GETFD, 0), control(fd, libc::F_GETFL, 0).map(|flags| flags & 3));
    println!("what it is: {}", look_at(fd, "", libc::AT_EMPTY_PATH));
    println!("where it is: {:?}", std::fs::read_link(format!("/proc/self/fd/{fd}")).expect("a link"));
    println!("two of a name: {}", created("some name", 0).map_or_else(|error| error, |other| (other != fd).to_string()));
    println!("stretched: {} {}", cut(fd, 10_000), size(fd));
    println!("again, to read: {}", opens(&format!("/proc/self/fd/{fd}"), libc::O_RDONLY));
    println!("again, and cut: {} {}", opens(&format!("/proc/self/fd/{fd}"), libc::O_RDWR | libc::O_TRUNC), size(fd));
}

fn adding() {
    let plain = created("plain", 0).expect("a file");
    println!("of one that is not to be sealed: {} {}", seals(plain), show(control(plain, ADD, GROW)));
    let fd = file(10);
    println!("of a new one: {}", seals(fd));
    println!("one: {} {}", show(control(fd, ADD, GROW)), seals(fd));
    println!("the same: {} {}", show(control(fd, ADD, GROW)), seals(fd));
    println!("none: {} {}", show(control(fd, ADD, 0)), seals(fd));
    println!("an unknown one: {} {}", show(control(fd, ADD, SHRINK | 0x40)), seals(fd));
    let reader = again(fd, libc::O_RDONLY);
    println!("by who only reads: {} {}", show(control(reader, ADD, SHRINK)), seals(reader));
    println!("by who only reads, an unknown one: {}", show(control(reader, ADD, 0x40)));
    let holder = again(fd, libc::O_PATH);
    println!("by a place: {} {}", show(control(holder, ADD, SHRINK)), seals(holder));
    println!("two more, the last: {} {}", show(control(fd, ADD, SHRINK | SEAL)), seals(fd));
    println!("after that: {} {}", show(control(fd, ADD, WRITE)), show(control(fd, ADD, 0)));
    let (reading, writing) = pipe(0);
    println!("a pipe: {} {} {} {}", seals(reading), seals(writing), show(control(reading, ADD, GROW)), show(control(writing, ADD, GROW)));
    println!("no descriptor: {} {}", seals(77), show(control(77, ADD, GROW)));
    println!("a duplicate: {}", seals(unsafe { libc::dup(fd) }));
}

fn shrinking_and_growing() {
    let fd = sealed(100, SHRINK);
    println!("may not shrink: {} {} {} {}", cut(fd, 99), cut(fd, 100), cut(fd, 0), size(fd));
    println!("by opening: {}", opens(&format!("/proc/self/fd/{fd}"), libc::O_RDWR | libc::O_TRUNC));
    println!("a hole: {}", allocate(fd, libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE, 0, 50));
    println!("but grow: {} {} {}", cut(fd, 200), put_at(fd, b"end", 300), size(fd));
    let fd = sealed(100, GROW);
    println!("may not grow: {} {} {}", cut(fd, 101), cut(fd, 100), size(fd));
    println!("by a write: {} {} {}", put_at(fd, b"0123456789", 95), put_at(fd, b"01234", 95), size(fd));
    println!("behind it: {} {}", put_at(fd, b"0", 100), put_at(fd, b"", 500));
    println!("at its end: {}", put(fd, b"more"));
    println!("allocate: {} {}", allocate(fd, 0, 0, 100), allocate(fd, 0, 50, 51));
    println!("allocate, its size kept: {}", allocate(fd, libc::FALLOC_FL_KEEP_SIZE, 0, 101));
    println!("but shrink: {} {} {}", cut(fd, 50), put_at(fd, b"x", 50), size(fd));
    let fd = sealed(PAGE, GROW);
    println!("a write across the end: {} {}", put_at(fd, &[7; PAGE + 10], 0), size(fd));
    let fd = sealed(0, SHRINK);
    println!("nothing cannot shrink: {}", opens(&format!("/proc/self/fd/{fd}"), libc::O_RDWR | libc::O_TRUNC));
}

fn writing() {
    for (name, seal) in [("write", WRITE), ("future write", FUTURE_WRITE)] {
        let fd = sealed(100, seal);
        println!("[{name}] {}", seals(fd));
        println!("write: {} {} {}", put(fd, b"a"), put_at(fd, b"a", 0), put_at(fd, b"", 0));
        let (reading, writing) = pipe(0);
        assert_eq!(put(writing, b"bytes"), "5");
        let mut at = 0i64;
        println!("splice: {}", show(outcome(unsafe { libc::splice(reading, std::ptr::null_mut(), fd, &raw mut at, 5, 0) } as i64)));
        let other = file(10);
        at = 0;
        println!("sendfile: {}", show(outcome(unsafe { libc::sendfile(fd, other, &raw mut at, 10) } as i64)));
        println!("a hole: {}", allocate(fd, libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE, 0, 50));
        println!("allocate: {}", allocate(fd, 0, 0, 200));
        println!("its size: {} {} {}", cut(fd, 60), cut(fd, 5000), size(fd));
        println!("by another opening: {}", put(again(fd, libc::O_WRONLY), b"b"));
        println!("shared: {}, private: {}", maps(fd, READ_WRITE, libc::MAP_SHARED), maps(fd, READ_WRITE, libc::MAP_PRIVATE));
        println!("shared, by a reader: {}", maps(again(fd, libc::O_RDONLY), READ_WRITE, libc::MAP_SHARED));
        for flags in [libc::O_RDONLY, libc::O_RDWR] {
            let area = map(again(fd, flags), READ_ONLY, libc::MAP_SHARED).expect("to be read it may be mapped");
            println!("and stored to later: {}, {:?}", protect(area, READ_WRITE), unsafe { area.read() } as char);
            unmap(area);
        }
        let area = map(fd, READ_WRITE, libc::MAP_PRIVATE).expect("privately it may be");
        unsafe { area.write(b'p') };
        println!("a copy: {:?}, the file: {}", unsafe { area.read() } as char, take(again(fd, libc::O_RDONLY), 3));
        unmap(area);
    }
}

/// Seals while the file is mapped.
fn mapped() {
    let fd = file(100);
    let area = map(fd, READ_WRITE, libc::MAP_SHARED).expect("a mapping");
    unsafe { area.write(b'm') };
    println!("mapped to be stored to: {}", show(control(fd, ADD, WRITE)));
    println!("other seals: {} {}", show(control(fd, ADD, GROW | SHRINK)), seals(fd));
    println!("together: {} {}", show(control(fd, ADD, WRITE | SEAL)), seals(fd));
    println!("made read-only: {} {}", protect(area, READ_ONLY), show(control(fd, ADD, WRITE)));
    unmap(area);
    println!("unmapped: {} {}", show(control(fd, ADD, WRITE)), seals(fd));
    println!("what is in it: {}", take(again(fd, libc::O_RDONLY), 2));
    let fd = file(100);
    let area = map(fd, READ_ONLY, libc::MAP_SHARED).expect("a mapping");
    println!("mapped to be read, and could be stored to: {}", show(control(fd, ADD, WRITE)));
    unmap(area);
    let readable = map(again(fd, libc::O_RDONLY), READ_ONLY, libc::MAP_SHARED).expect("a mapping");
    let private = map(fd, READ_WRITE, libc::MAP_PRIVATE).expect("a mapping");
    unsafe { private.write(b'p') };
    println!("mapped to be read, and privately: {}", show(control(fd, ADD, WRITE)));
    println!("still there: {:?} {:?}", unsafe { readable.read() } as char, unsafe { private.read() } as char);
    unmap(readable);
    unmap(private);
}

/// Against writes to come: who has it mapped goes on.
fn mapped_before() {
    let fd = file(2 * PAGE);
    let area = map(fd, READ_WRITE, libc::MAP_SHARED).expect("a mapping");
    unsafe { area.write(b'1') };
    println!("while mapped: {} {}", show(control(fd, ADD, FUTURE_WRITE)), seals(fd));
    unsafe { area.write(b'2') };
    unsafe { area.add(7).write(b'7') };
    println!("stores reach it: {}", take(again(fd, libc::O_RDONLY), 9));
    println!("writes do not: {}", put_at(fd, b"w", 0));
    println!("off and on: {} {}", protect(area, READ_ONLY), protect(area, READ_WRITE));
    unsafe { area.write(b'3') };
    println!("stores reach it: {}", take(again(fd, libc::O_RDONLY), 1));
    println!("another mapping: {}", maps(fd, READ_WRITE, libc::MAP_SHARED));
    println!("for good, while mapped: {}", show(control(fd, ADD, WRITE)));
    unmap(area);
    println!("after that: {} {}", show(control(fd, ADD, WRITE)), seals(fd));
}

/// Processes that share the file.
fn inherited() {
    let fd = file(100);
    let area = map(fd, READ_WRITE, libc::MAP_SHARED).expect("a mapping");
    let (reading, writing) = pipe(0);
    let other = child(|| {
        let _ = close(writing);
        let _ = take(reading, 1);
        0
    });
    unmap(area);
    println!("mapped by a child: {}", show(control(fd, ADD, WRITE)));
    let _ = close(writing);
    println!("the child: {}", other.end());
    println!("the child is gone: {}", show(control(fd, ADD, WRITE)));
    let sealer = child(|| i32::from(control(fd, ADD, GROW) != Ok(0)));
    println!("sealed by a child: {} {}", sealer.end(), seals(fd));
    let fd = file(PAGE);
    // Bytes that were written, and read, before.
    println!("before: {} {}", put_at(fd, b"old", 0), take(again(fd, libc::O_RDONLY), 3));
    let sealer = child(|| i32::from(control(fd, ADD, WRITE) != Ok(0)));
    println!("sealed by a child: {}", sealer.end());
    println!("after: {} {}", put_at(fd, b"new", 0), take(again(fd, libc::O_RDONLY), 3));
}

/// A file that is stored to by its windows again and again, and then sealed: nothing of what was written is lost, nothing comes after.
fn after_many_writes() {
    let fd = file(20 * PAGE);
    for round in 0..50u8 {
        for page in 0..20 {
            assert_eq!(put_at(fd, &[round; 64], (page * PAGE) as i64), "64");
        }
    }
    println!("sealed: {}", show(control(fd, ADD, WRITE)));
    println!("a write: {}", put_at(fd, &[200; 64], 0));
    let mut all = vec![0u8; 20 * PAGE];
    let count = unsafe { libc::pread(fd, all.as_mut_ptr().cast(), all.len(), 0) };
    println!("bytes: {count}, {}", all.chunks(PAGE).all(|page| page[..64] == [49; 64] && page[64..].iter().all(|&byte| byte == b'x')));
}

fn execution() {
    const NO_EXECUTION: u32 = 8;
    const EXECUTION: u32 = 16;
    let fd = created("data", NO_EXECUTION).expect("a file");
    println!("not to be executed: {} {}", look_at(fd, "", libc::AT_EMPTY_PATH), seals(fd));
    println!("bits: {} {}", show(outcome(unsafe { libc::fchmod(fd, 0o755) })), show(outcome(unsafe { libc::fchmod(fd, 0o600) })));
    println!("more seals: {} {}", show(control(fd, ADD, GROW)), seals(fd));
    let fd = created("code", EXECUTION | SEALABLE).expect("a file");
    println!("to be executed: {} {}", look_at(fd, "", libc::AT_EMPTY_PATH), seals(fd));
    println!("as it is: {} {}", show(control(fd, ADD, EXECUTE)), seals(fd));
    println!("bits: {} {}", show(outcome(unsafe { libc::fchmod(fd, 0o600) })), show(outcome(unsafe { libc::fchmod(fd, 0o711) })));
    println!("a write: {}", put(fd, b"a"));
}

/// The program that runs, out of a file without a name.
fn programs() {
    let image = std::fs::read("/proc/self/exe").expect("a program");
    let fd = created("copied", 0).expect("a file");
    assert_eq!(put(fd, &image), image.len().to_string());
    let name = |path: &str| CString::new(path).expect("no NUL");
    let (first, stage, empty) = (name("called"), name("stage"), name(""));
    let arguments = [first.as_ptr(), stage.as_ptr(), std::ptr::null()];
    let environment = [std::ptr::null::<libc::c_char>()];
    let (words, strings) = (arguments.as_ptr() as usize, environment.as_ptr() as usize);
    let by_descriptor = child(|| {
        let refused =
            unsafe { call(libc::SYS_execveat, &[fd as usize, empty.as_ptr() as usize, words, strings, libc::AT_EMPTY_PATH as usize]) };
        println!("refused: {refused:?}");
        1
    });
    println!("by its descriptor: {}", by_descriptor.end());
    let path = name(&format!("/proc/self/fd/{fd}"));
    let by_path = child(|| {
        println!("refused: {:?}", unsafe { call(libc::SYS_execve, &[path.as_ptr() as usize, words, strings]) });
        1
    });
    println!("by its path: {}", by_path.end());
    let writer = again(fd, libc::O_RDWR);
    let busy = child(|| {
        println!("open for writing again: {:?}", unsafe { call(libc::SYS_execve, &[path.as_ptr() as usize, words, strings]) });
        1
    });
    println!("then: {}", busy.end());
    let _ = close(writer);
    let sealed = file(0);
    assert_eq!(put(sealed, &image), image.len().to_string());
    println!("sealed: {}", show(control(sealed, ADD, SEAL | SHRINK | GROW | WRITE)));
    let path = name(&format!("/proc/self/fd/{sealed}"));
    let by_path = child(|| {
        println!("refused: {:?}", unsafe { call(libc::SYS_execve, &[path.as_ptr() as usize, words, strings]) });
        1
    });
    println!("a sealed one: {}", by_path.end());
}

/// What a copy of the program sees of itself.
fn stage() {
    println!("  it is {:?}", std::fs::read_link("/proc/self/exe").expect("a link"));
    println!("  and can be read: {}", std::fs::read("/proc/self/exe").is_ok_and(|bytes| bytes.starts_with(b"\x7fELF")));
    println!("  written to: {}", opens("/proc/self/exe", libc::O_WRONLY));
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("stage") {
        return stage();
    }
    run(&[
        ("making", making),
        ("adding", adding),
        ("shrinking and growing", shrinking_and_growing),
        ("writing", writing),
        ("mapped", mapped),
        ("mapped before", mapped_before),
        ("inherited", inherited),
        ("after many writes", after_many_writes),
        ("execution", execution),
        ("programs", programs),
    ]);
}
