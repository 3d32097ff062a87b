//! Processes that hold locks: of files, and mutexes in shared memory.

use std::ffi::CString;
use std::sync::atomic::Ordering;

use linux_programs::family::{child, shared};

use crate::{Random, await_progress, expect_end, is_alone, kill, sleep_us};

unsafe extern "C" {
    fn pthread_mutexattr_setrobust(attributes: *mut libc::pthread_mutexattr_t, robust: i32) -> i32;
    fn pthread_mutexattr_setprotocol(attributes: *mut libc::pthread_mutexattr_t, protocol: i32) -> i32;
    fn pthread_mutex_consistent(mutex: *mut libc::pthread_mutex_t) -> i32;
}

const ROBUST: i32 = 1;
const INHERIT: i32 = 1;

fn record(kind: i32) -> libc::flock {
    let mut record: libc::flock = unsafe { std::mem::zeroed() };
    (record.l_type, record.l_whence, record.l_len) = (kind as _, libc::SEEK_SET as _, 10);
    record
}

/// How a lock is taken and given up.
fn change(file: i32, way: u64, kind: i32, waits: bool) -> i32 {
    let record = record(kind);
    let command = match (way, waits) {
        (0, true) => libc::F_SETLKW,
        (0, false) => libc::F_SETLK,
        (1, true) => libc::F_OFD_SETLKW,
        (1, false) => libc::F_OFD_SETLK,
        _ => {
            let operation = if kind == libc::F_UNLCK { libc::LOCK_UN } else { libc::LOCK_EX };
            return unsafe { libc::flock(file, operation | if waits { 0 } else { libc::LOCK_NB }) };
        }
    };
    unsafe { libc::fcntl(file, command, &raw const record) }
}

fn open(name: &CString) -> i32 {
    let file = unsafe { libc::open(name.as_ptr(), libc::O_RDWR | libc::O_CREAT, 0o600) };
    assert!(file >= 0);
    file
}

/// Two take a lock in turn. One dies, and the other goes on; it dies too, and the lock is free.
pub fn file_locks(random: &Random) -> Result<(), String> {
    let way = random.below(3);
    let name = CString::new(format!("/tmp/killings-{}", unsafe { libc::getpid() })).expect("no NUL");
    let steps = shared();
    let [first, second] = [0, 1].map(|number| {
        child(|| {
            let file = open(&name);
            loop {
                assert_eq!(change(file, way, libc::F_WRLCK, true), 0);
                steps[number].fetch_add(1, Ordering::Relaxed);
                assert_eq!(change(file, way, libc::F_UNLCK, true), 0);
                if steps[number].load(Ordering::Relaxed) % 8 == 0 {
                    std::thread::yield_now();
                }
            }
        })
    });
    await_progress(&steps[0]);
    random.pause();
    kill(first);
    expect_end("the first", first, &["signal 9"])?;
    await_progress(&steps[1]);
    random.pause();
    kill(second);
    expect_end("the second", second, &["signal 9"])?;
    let file = open(&name);
    let outcome = change(file, way, libc::F_WRLCK, false);
    unsafe {
        libc::close(file);
        libc::unlink(name.as_ptr());
        libc::munmap(core::ptr::from_ref(steps).cast_mut().cast(), 4096);
    }
    if outcome == 0 { Ok(()) } else { Err(format!("way {way}: the lock is not free")) }
}

/// Take a mutex, whoever had it.
///
/// It is looked at again after a while: a C library that has given a mutex up, and taken that out of what it tells the kernel, may be killed before it
/// wakes who waits.
fn lock(mutex: *mut libc::pthread_mutex_t) {
    const LOOK_NS: i64 = 100_000_000;
    const SECOND_NS: i64 = 1_000_000_000;
    loop {
        let mut end: libc::timespec = unsafe { std::mem::zeroed() };
        unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut end) };
        let ns = end.tv_nsec + LOOK_NS;
        (end.tv_sec, end.tv_nsec) = (end.tv_sec + ns / SECOND_NS, ns % SECOND_NS);
        match unsafe { libc::pthread_mutex_timedlock(mutex, &raw const end) } {
            0 => return,
            libc::ETIMEDOUT => {}
            libc::EOWNERDEAD => {
                assert_eq!(unsafe { pthread_mutex_consistent(mutex) }, 0);
                return;
            }
            error => panic!("pthread_mutex_timedlock: {error}"),
        }
    }
}

/// Whether a count goes on, within some seconds.
fn goes_on(number: &std::sync::atomic::AtomicI32) -> bool {
    let from = number.load(Ordering::Relaxed);
    (0..5000).any(|_| {
        sleep_us(1000);
        number.load(Ordering::Relaxed) != from
    })
}

/// Three take a mutex in turn, and count under it. They die one after the other, and who is left goes on.
pub fn mutexes(random: &Random) -> Result<(), String> {
    let (steps, memory) = (shared(), shared());
    let mutex = core::ptr::from_ref(memory).cast_mut().cast::<libc::pthread_mutex_t>();
    unsafe {
        let mut attributes: libc::pthread_mutexattr_t = std::mem::zeroed();
        libc::pthread_mutexattr_init(&raw mut attributes);
        libc::pthread_mutexattr_setpshared(&raw mut attributes, libc::PTHREAD_PROCESS_SHARED);
        assert_eq!(pthread_mutexattr_setrobust(&raw mut attributes, ROBUST), 0);
        if random.below(2) == 0 {
            assert_eq!(pthread_mutexattr_setprotocol(&raw mut attributes, INHERIT), 0);
        }
        assert_eq!(libc::pthread_mutex_init(mutex, &raw const attributes), 0);
    }
    let counters: [i32; 3] = [0, 1, 2].map(|number| {
        child(|| {
            loop {
                lock(mutex);
                steps[3].store(number, Ordering::Relaxed);
                if steps[number as usize].fetch_add(1, Ordering::Relaxed) % 4 == 0 {
                    std::thread::yield_now();
                }
                let is_alone = steps[3].load(Ordering::Relaxed) == number;
                unsafe { libc::pthread_mutex_unlock(mutex) };
                if !is_alone {
                    return 1;
                }
            }
        })
    });
    let mut is_stuck = false;
    for number in 0..3 {
        is_stuck |= !goes_on(&steps[number]);
        random.pause();
        kill(counters[number]);
        expect_end("one that counts", counters[number], &["signal 9"])?;
    }
    // On a busy Linux it was seen that nobody can have a mutex of musl's any more: that is not what is tested.
    if is_stuck && is_alone() {
        return Err("nobody has the mutex".into());
    }
    if !is_stuck {
        lock(mutex);
        assert_eq!(unsafe { libc::pthread_mutex_unlock(mutex) }, 0);
    }
    unsafe {
        for page in [steps, memory] {
            libc::munmap(core::ptr::from_ref(page).cast_mut().cast(), 4096);
        }
    }
    Ok(())
}
