//! Processes that make others, become others, or are stopped.

use std::ffi::CString;
use std::sync::atomic::Ordering;

use linux_programs::family::{child, shared, wait};

use crate::{Random, await_progress, expect_end, kill, sleep_us};

/// This program, with words that tell it what to be.
fn execute(words: &[&str]) -> ! {
    let path = CString::new(std::env::current_exe().expect("a path").to_str().expect("UTF-8")).expect("no NUL");
    let words: Vec<CString> = words.iter().map(|&word| CString::new(word).expect("no NUL")).collect();
    let mut pointers: Vec<*const libc::c_char> = words.iter().map(|word| word.as_ptr()).collect();
    pointers.push(std::ptr::null());
    unsafe {
        libc::execv(path.as_ptr(), pointers.as_ptr());
        libc::_exit(1)
    }
}

/// Run this program again and again, and have children that do nothing: what `execs` starts.
pub fn again(number: &str) -> ! {
    let number: u32 = number.parse().expect("a number");
    if number.is_multiple_of(2) {
        let id = child(|| execute(&["killings", "nothing"]));
        assert_eq!(wait(id, 0).1, "exit 0");
    }
    execute(&["killings", "again", &(number + 1).to_string()])
}

/// One makes children from two threads, while a third computes; it dies, and they end as they would.
pub fn forks(random: &Random) -> Result<(), String> {
    let steps = shared();
    let id = child(|| {
        std::thread::spawn(|| {
            loop {
                std::hint::spin_loop();
            }
        });
        let work = || {
            loop {
                // Nothing that may be locked in another thread is touched.
                let id = unsafe { libc::fork() };
                if id == 0 {
                    unsafe { libc::_exit(0) };
                }
                steps[0].fetch_add(1, Ordering::Relaxed);
                assert_eq!(wait(id, 0).1, "exit 0");
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(work);
            work()
        })
    });
    if random.below(4) > 0 {
        await_progress(&steps[0]);
    }
    random.pause();
    kill(id);
    unsafe { libc::munmap(core::ptr::from_ref(steps).cast_mut().cast(), 4096) };
    expect_end("who forks", id, &["signal 9"])
}

/// One runs this program again and again; it dies.
pub fn execs(random: &Random) -> Result<(), String> {
    let id = child(|| execute(&["killings", "again", "0"]));
    sleep_us(random.below(30_000));
    random.pause();
    kill(id);
    expect_end("who executes", id, &["signal 9"])
}

/// One makes children that share its memory until they run another program; it dies, or one of them does.
pub fn vforks(random: &Random) -> Result<(), String> {
    let steps = shared();
    let by_parent = random.below(2) == 0;
    let id = child(|| {
        let path = CString::new(std::env::current_exe().expect("a path").to_str().expect("UTF-8")).expect("no NUL");
        let words = [c"killings".as_ptr().cast_mut(), c"nothing".as_ptr().cast_mut(), std::ptr::null_mut()];
        loop {
            let mut child = 0;
            let none = std::ptr::null();
            let outcome =
                unsafe { libc::posix_spawn(&raw mut child, path.as_ptr(), none, std::ptr::null(), words.as_ptr(), words[2..].as_ptr()) };
            if outcome == libc::ESRCH || outcome == libc::EAGAIN || outcome == libc::ENOMEM {
                return 1;
            }
            steps[1].store(child, Ordering::Relaxed);
            steps[0].fetch_add(1, Ordering::Relaxed);
            let end = wait(child, 0).1;
            if end == "signal 9" {
                return 0;
            }
            assert_eq!(end, "exit 0");
        }
    });
    await_progress(&steps[0]);
    random.pause();
    let mut ends = vec!["signal 9"];
    if !by_parent {
        // Its child may have ended before, and been waited for: then nobody hears of it.
        unsafe { libc::kill(steps[1].load(Ordering::Relaxed), libc::SIGKILL) };
        random.pause();
        ends.push("exit 0");
    }
    unsafe { libc::kill(id, libc::SIGKILL) };
    unsafe { libc::munmap(core::ptr::from_ref(steps).cast_mut().cast(), 4096) };
    expect_end("who spawns", id, &ends)
}

/// One that computes, calls or sleeps is stopped, perhaps goes on, and dies.
pub fn stopped(random: &Random) -> Result<(), String> {
    let way = random.below(3);
    let steps = shared();
    let id = child(|| {
        loop {
            steps[0].fetch_add(1, Ordering::Relaxed);
            match way {
                0 => (0..1000).for_each(|_| std::hint::spin_loop()),
                1 => _ = unsafe { libc::getppid() },
                _ => sleep_us(500),
            }
        }
    });
    await_progress(&steps[0]);
    random.pause();
    unsafe { libc::kill(id, libc::SIGSTOP) };
    if random.below(2) == 0 {
        let end = wait(id, libc::WUNTRACED).1;
        if end != "stopped 19" {
            return Err(format!("way {way}, stopped: {end}"));
        }
        let at = steps[0].load(Ordering::Relaxed);
        random.pause();
        if steps[0].load(Ordering::Relaxed) != at {
            return Err(format!("way {way}: it is not stopped"));
        }
    }
    if random.below(2) == 0 {
        unsafe { libc::kill(id, libc::SIGCONT) };
        random.pause();
    }
    kill(id);
    unsafe { libc::munmap(core::ptr::from_ref(steps).cast_mut().cast(), 4096) };
    expect_end("who was stopped", id, &["signal 9"])
}
