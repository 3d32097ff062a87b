//! Those who share something with the hostile process, or nothing.

use std::ffi::CString;
use std::sync::atomic::{AtomicI32, Ordering};

use linux_programs::family::{await_number, child, end_of, shared, sleep_ms};

/// What is shared, by inheritance.
pub struct Shared {
    /// A pipe that the hostile process writes to, and one that nobody but peers has.
    pipe: [i32; 2],
    apart: [i32; 2],
    /// A file whose offset is shared, and its name.
    file: i32,
    name: CString,
    /// Words in memory.
    steps: &'static [AtomicI32; 16],
}

const BEGUN: usize = 0;
const OVER: usize = 1;
/// Bytes of the file.
const FILE_BYTES: i64 = 20_000;

fn pipe() -> [i32; 2] {
    let mut ends = [0; 2];
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    ends
}

fn lock(file: i32, kind: i32, command: i32) -> i32 {
    let mut record: libc::flock = unsafe { std::mem::zeroed() };
    (record.l_type, record.l_whence) = (kind as _, libc::SEEK_SET as _);
    unsafe { libc::fcntl(file, command, &raw const record) }
}

impl Shared {
    /// Fresh ones.
    pub fn new() -> Shared {
        let name = CString::new(format!("/tmp/hostile-{}", unsafe { libc::getpid() })).expect("no NUL");
        let file = unsafe { libc::open(name.as_ptr(), libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC, 0o600) };
        assert!(file >= 0);
        assert_eq!(unsafe { libc::ftruncate(file, FILE_BYTES) }, 0);
        Shared { pipe: pipe(), apart: pipe(), file, name, steps: shared() }
    }

    /// In the hostile process: hold what peers want, and be a nobody otherwise.
    pub fn become_hostile(&self) {
        unsafe {
            libc::close(self.apart[0]);
            libc::close(self.apart[1]);
            libc::close(self.pipe[0]);
        }
        assert_eq!(lock(self.file, libc::F_WRLCK, libc::F_SETLKW), 0);
        if unsafe { libc::getuid() } == 0 {
            assert_eq!(unsafe { libc::setuid(54_321) }, 0);
        }
        self.steps[BEGUN].store(1, Ordering::SeqCst);
    }

    /// Wait for that.
    pub fn await_hostile(&self) {
        await_number(&self.steps[BEGUN], 1);
    }

    /// The descriptor of the pipe that it writes to.
    pub fn output(&self) -> i32 {
        self.pipe[1]
    }

    fn is_over(&self) -> bool {
        self.steps[OVER].load(Ordering::SeqCst) != 0
    }
}

/// Start all peers.
pub fn start(shared: &Shared) -> Vec<(&'static str, i32)> {
    vec![
        ("who reads its pipe", child(|| read_pipe(shared))),
        ("who waits for its lock", child(|| take_lock(shared))),
        ("who shares its offset", child(|| share_offset(shared))),
        ("who computes", child(|| compute(shared))),
        ("who forks", child(|| fork(shared))),
        ("who talks with another", child(|| talk(shared))),
        ("who makes pipes", child(|| make_pipes(shared))),
    ]
}

/// It ends with the hostile process's end of the pipe.
fn read_pipe(shared: &Shared) -> i32 {
    unsafe { libc::close(shared.pipe[1]) };
    let mut bytes = [0u8; 512];
    loop {
        match unsafe { libc::read(shared.pipe[0], bytes.as_mut_ptr().cast(), bytes.len()) } {
            0 => return 0,
            count if count < 0 => return 1,
            _ => {}
        }
    }
}

/// It has the lock when the hostile process is gone.
fn take_lock(shared: &Shared) -> i32 {
    unsafe { libc::close(shared.pipe[1]) };
    shared.await_hostile();
    let file = unsafe { libc::open(shared.name.as_ptr(), libc::O_RDWR) };
    if lock(file, libc::F_WRLCK, libc::F_SETLKW) == 0 { 0 } else { 1 }
}

/// The offset may be anything, and so may the file's length, which the hostile process may change as well; calls that use them answer what they
/// may.
fn share_offset(shared: &Shared) -> i32 {
    unsafe { libc::close(shared.pipe[1]) };
    shared.await_hostile();
    let mut bytes = [0u8; 100];
    while !shared.is_over() {
        let (at, count) =
            unsafe { (libc::lseek(shared.file, 0, libc::SEEK_CUR), libc::read(shared.file, bytes.as_mut_ptr().cast(), bytes.len())) };
        if at < -1 || count > bytes.len() as isize {
            return 1;
        }
        unsafe { libc::lseek(shared.file, 17, libc::SEEK_SET) };
        std::thread::yield_now();
    }
    // Nobody else uses it any more.
    unsafe {
        if libc::ftruncate(shared.file, FILE_BYTES) != 0 {
            return 3;
        }
        if libc::lseek(shared.file, 5, libc::SEEK_SET) != 5 || libc::read(shared.file, bytes.as_mut_ptr().cast(), 7) != 7 {
            return 2;
        }
        i32::from(libc::lseek(shared.file, 0, libc::SEEK_CUR) != 12)
    }
}

/// It shares nothing.
fn compute(shared: &Shared) -> i32 {
    unsafe { libc::close(shared.pipe[1]) };
    while !shared.is_over() {
        let mut sum = 0u64;
        let numbers: Vec<u64> = (0..2000).collect();
        for number in &numbers {
            sum = sum.wrapping_mul(31).wrapping_add(number * number);
        }
        if sum != numbers.iter().fold(0u64, |sum, number| sum.wrapping_mul(31).wrapping_add(number * number)) {
            return 1;
        }
    }
    0
}

/// Its children are its own.
fn fork(shared: &Shared) -> i32 {
    unsafe { libc::close(shared.pipe[1]) };
    let mut code = 0;
    while !shared.is_over() {
        code = (code + 1) % 100;
        let id = unsafe { libc::fork() };
        if id == 0 {
            unsafe { libc::_exit(code) };
        }
        // With little memory left, it may be refused for a while.
        if id < 0 {
            sleep_ms(1);
            continue;
        }
        if end_of(id) != format!("exit {code}") {
            return 1;
        }
        sleep_ms(1);
    }
    0
}

/// It and another send each other a byte.
fn talk(shared: &Shared) -> i32 {
    unsafe { libc::close(shared.pipe[1]) };
    let back = pipe();
    let other = child(|| {
        unsafe { libc::close(shared.apart[1]) };
        let mut byte = 0u8;
        while unsafe { libc::read(shared.apart[0], (&raw mut byte).cast(), 1) } == 1 {
            unsafe { libc::write(back[1], (&raw const byte).cast(), 1) };
        }
        0
    });
    unsafe { libc::close(shared.apart[0]) };
    let mut sent = 0u8;
    let mut outcome = 0;
    while !shared.is_over() && outcome == 0 {
        sent = sent.wrapping_add(1);
        let mut got = 0u8;
        unsafe {
            libc::write(shared.apart[1], (&raw const sent).cast(), 1);
            libc::read(back[0], (&raw mut got).cast(), 1);
        }
        outcome = i32::from(got != sent);
    }
    unsafe { libc::close(shared.apart[1]) };
    if end_of(other) == "exit 0" { outcome } else { 2 }
}

/// What it sends itself by a pipe that it shares with a child alone comes as it was sent.
fn make_pipes(shared: &Shared) -> i32 {
    unsafe { libc::close(shared.pipe[1]) };
    let mut sent = [0u8; 3000];
    while !shared.is_over() {
        let [out, into] = pipe();
        let id = unsafe { libc::fork() };
        if id == 0 {
            sleep_ms(3);
            unsafe { libc::_exit(0) };
        }
        for round in 0..10 {
            sent.iter_mut().zip(round..).for_each(|(byte, number)| *byte = number as u8);
            let mut got = [0u8; 3000];
            unsafe {
                libc::write(into, sent.as_ptr().cast(), sent.len());
                std::thread::yield_now();
                libc::read(out, got.as_mut_ptr().cast(), got.len());
            }
            if got != sent {
                return 1;
            }
        }
        unsafe {
            libc::close(out);
            libc::close(into);
        }
        if id > 0 && end_of(id) != "exit 0" {
            return 2;
        }
    }
    0
}

/// The hostile process is gone: the peers end, each as it should.
pub fn settle(shared: &Shared, peers: Vec<(&'static str, i32)>) {
    shared.steps[OVER].store(1, Ordering::SeqCst);
    unsafe {
        for end in shared.pipe.into_iter().chain(shared.apart) {
            libc::close(end);
        }
    }
    let ends: Vec<String> = peers.iter().map(|(_, id)| end_of(*id)).collect();
    for ((name, _), end) in peers.iter().zip(&ends) {
        println!("{name}: {end}");
    }
    unsafe {
        libc::close(shared.file);
        libc::unlink(shared.name.as_ptr());
        libc::munmap(core::ptr::from_ref(shared.steps).cast_mut().cast(), 4096);
    }
}
