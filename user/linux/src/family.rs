//! Processes in tests: children, what became of them, and cases that each run in a child of their own.

use std::io::Write;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::called;

/// Seconds after which a case that hangs ends by `SIGALRM`.
const PATIENCE: u32 = 60;

/// Make a child that does `work` and exits with what it gives; its id.
pub fn child(work: impl FnOnce() -> i32) -> i32 {
    let _ = std::io::stdout().flush();
    // SAFETY: the programs fork while they have one thread, or their children call nothing that another thread's lock could be needed for.
    match unsafe { libc::fork() } {
        0 => {
            let code = work();
            let _ = std::io::stdout().flush();
            // SAFETY: it does not return.
            unsafe { libc::_exit(code) }
        }
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        id => id,
    }
}

/// What a wait status says.
#[must_use]
pub fn status_text(status: i32) -> String {
    if libc::WIFEXITED(status) {
        format!("exit {}", libc::WEXITSTATUS(status))
    } else if libc::WIFSIGNALED(status) {
        format!("signal {}", libc::WTERMSIG(status))
    } else if libc::WIFSTOPPED(status) {
        format!("stopped {}", libc::WSTOPSIG(status))
    } else if libc::WIFCONTINUED(status) {
        "continued".into()
    } else {
        format!("{status:#x}")
    }
}

/// waitpid(2): what became of a child, or the error's name. `known`: what the id is called.
#[must_use]
pub fn wait(id: i32, options: i32) -> (i32, String) {
    let mut status = -1;
    // SAFETY: a valid pointer.
    let found = unsafe { libc::waitpid(id, &raw mut status, options) };
    match found {
        0 => (0, "nothing yet".into()),
        -1 => (-1, called(-1)),
        found => (found, status_text(status)),
    }
}

/// [`wait`] for one child, without its id.
#[must_use]
pub fn end_of(id: i32) -> String {
    wait(id, 0).1
}

/// Run cases, each in a child of its own, which leads a group of its own, and print how it ended if that is not exit 0. With an argument: the case of
/// that name alone.
pub fn run(cases: &[(&str, fn())]) {
    let only = std::env::args().nth(1);
    for (name, case) in cases.iter().filter(|(name, _)| only.as_ref().is_none_or(|only| only == name)) {
        println!("[{name}]");
        let id = child(|| {
            // SAFETY: plain calls.
            unsafe {
                libc::setpgid(0, 0);
                libc::alarm(PATIENCE);
            }
            case();
            0
        });
        let end = end_of(id);
        if end != "exit 0" {
            println!("[{name}] ended: {end}");
        }
        // What it left behind.
        // SAFETY: a plain call; nobody but its children has that group.
        unsafe { libc::kill(-id, libc::SIGKILL) };
    }
    println!("done");
}

/// Numbers that a process and its children share.
#[must_use]
pub fn shared() -> &'static [AtomicI32; 16] {
    // SAFETY: fresh memory, zeroed, which is never unmapped.
    unsafe {
        let both = libc::PROT_READ | libc::PROT_WRITE;
        let memory = libc::mmap(std::ptr::null_mut(), 4096, both, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1, 0);
        assert_ne!(memory, libc::MAP_FAILED);
        &*memory.cast()
    }
}

/// Wait until a shared number is at least this.
pub fn await_number(number: &AtomicI32, least: i32) {
    while number.load(Ordering::Relaxed) < least {
        sleep_ms(2);
    }
}

/// Sleep.
pub fn sleep_ms(ms: u64) {
    std::thread::sleep(std::time::Duration::from_millis(ms));
}

/// Sleep for ever.
pub fn sleep_on() -> ! {
    loop {
        sleep_ms(100_000);
    }
}

/// A set of signals.
#[must_use]
pub fn signal_set(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: a set is numbers.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for &signal in signals {
            libc::sigaddset(&raw mut set, signal);
        }
        set
    }
}

/// Block signals.
pub fn block(signals: &[i32]) {
    let set = signal_set(signals);
    // SAFETY: valid pointers.
    assert_eq!(unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) }, 0);
}

/// Set a handler that takes a `siginfo_t`.
pub fn handle(signal: i32, flags: i32, handler: extern "C" fn(i32, *const libc::siginfo_t, *mut libc::c_void)) {
    // SAFETY: an action is numbers, and the handler has the signature that `SA_SIGINFO` asks for.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = flags | libc::SA_SIGINFO;
        assert_eq!(libc::sigaction(signal, &raw const action, std::ptr::null_mut()), 0);
    }
}
