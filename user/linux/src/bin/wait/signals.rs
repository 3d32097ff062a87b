//! `SIGCHLD` while its sender is waited for: dropped where nobody wants it, and there where somebody does; and what is known of children that have
//! nothing to tell yet.

use std::sync::atomic::{AtomicI32, Ordering};

use linux_programs::called;
use linux_programs::family::{await_number, block, child, end_of, handle, shared, signal_set, sleep_ms, sleep_on, wait};

static COUNT: AtomicI32 = AtomicI32::new(0);

extern "C" fn on_signal(_: i32, _: *const libc::siginfo_t, _: *mut libc::c_void) {
    COUNT.fetch_add(1, Ordering::Relaxed);
}

/// A child that ends by and by.
fn ends_soon(code: i32) -> i32 {
    child(move || {
        sleep_ms(40);
        code
    })
}

fn is_pending() -> bool {
    let mut set = signal_set(&[]);
    unsafe {
        libc::sigpending(&raw mut set);
        libc::sigismember(&raw const set, libc::SIGCHLD) == 1
    }
}

/// Set a handler, and say whether a signal from before comes to it.
fn show_late() {
    handle(libc::SIGCHLD, 0, on_signal);
    sleep_ms(20);
    println!("handled {}, pending {}", COUNT.swap(0, Ordering::Relaxed), is_pending());
}

/// Take a `SIGCHLD` that is pending, or say that there is none: of which of these children it is, and what it says.
fn take(children: &[i32]) {
    let set = signal_set(&[libc::SIGCHLD]);
    let mut information: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let taken = unsafe { libc::sigtimedwait(&raw const set, &raw mut information, &raw const now) };
    if taken != libc::SIGCHLD {
        return println!("taken: {}", called(taken));
    }
    let (id, status) = unsafe { (information.si_pid(), information.si_status()) };
    println!("taken: child {:?} code {} status {status}", children.iter().position(|&child| child == id), information.si_code);
}

fn dropped_in_the_wait() {
    for soon in [false, true] {
        println!("{}", end_of(if soon { ends_soon(1) } else { child(|| 1) }));
        show_late();
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    }
}

fn dropped_though_another_ended() {
    let first = child(|| 1);
    let second = ends_soon(2);
    println!("{}", end_of(second));
    show_late();
    println!("{}", end_of(first));
}

fn dropped_before_it_is_blocked() {
    let id = child(|| 3);
    sleep_ms(40);
    block(&[libc::SIGCHLD]);
    println!("pending {}", is_pending());
    println!("{}", end_of(id));
    take(&[id]);
}

fn blocked() {
    block(&[libc::SIGCHLD]);
    let id = ends_soon(4);
    println!("{}, pending {}", end_of(id), is_pending());
    take(&[id]);
    take(&[id]);
    let ids = [child(|| 5), ends_soon(6)];
    println!("{}, {}", end_of(ids[1]), end_of(ids[0]));
    take(&ids);
    take(&ids);
}

fn ignored_when_it_is_unblocked() {
    block(&[libc::SIGCHLD]);
    println!("{}, pending {}", end_of(ends_soon(4)), is_pending());
    let set = signal_set(&[libc::SIGCHLD]);
    unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut()) };
    show_late();
}

fn by_descriptor() {
    let set = signal_set(&[libc::SIGCHLD]);
    let descriptor = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_NONBLOCK) };
    let show = |id: i32| {
        let mut told: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
        let count = unsafe { libc::read(descriptor, (&raw mut told).cast(), size_of_val(&told)) };
        println!("{} {}", called(count as i32), told.ssi_pid as i32 == id && told.ssi_status == 7);
    };
    let id = ends_soon(7);
    println!("{}", end_of(id));
    show(id);
    block(&[libc::SIGCHLD]);
    let id = ends_soon(7);
    println!("{}", end_of(id));
    show(id);
    show(id);
}

fn polls() {
    let poll = |ms: i64| {
        let (none, end) = (signal_set(&[]), libc::timespec { tv_sec: 0, tv_nsec: ms * 1_000_000 });
        called(unsafe { libc::ppoll(std::ptr::null_mut(), 0, &raw const end, &raw const none) })
    };
    let id = ends_soon(1);
    println!("dropped: {} {}", poll(120), end_of(id));
    block(&[libc::SIGCHLD]);
    let id = ends_soon(2);
    println!("dropped under its mask: {} {}", poll(120), end_of(id));
    take(&[id]);
    handle(libc::SIGCHLD, 0, on_signal);
    let id = ends_soon(3);
    println!("handled: {} {} {}", poll(900), COUNT.swap(0, Ordering::Relaxed), end_of(id));
}

fn beside_another_signal() {
    handle(libc::SIGUSR1, 0, on_signal);
    let parent = unsafe { libc::getpid() };
    let first = child(|| 1);
    let second = child(|| {
        sleep_ms(40);
        unsafe { libc::kill(parent, libc::SIGUSR1) };
        sleep_ms(40);
        2
    });
    println!("{} {}", end_of(second), COUNT.swap(0, Ordering::Relaxed));
    println!("{} {}", end_of(second), end_of(first));
    show_late();
}

fn handled() {
    handle(libc::SIGCHLD, libc::SA_RESTART, on_signal);
    let (first, second) = (child(|| 1), ends_soon(2));
    println!("{}", end_of(second));
    // The first may end before the second begins to sleep, or both signals be there at once.
    println!("{}", (1..=2).contains(&COUNT.swap(0, Ordering::Relaxed)));
    println!("{}", end_of(first));
}

fn stops() {
    let id = child(|| sleep_on());
    println!("{}", wait(id, libc::WNOHANG | libc::WUNTRACED).1);
    unsafe { libc::kill(id, libc::SIGSTOP) };
    println!("{}", wait(-1, libc::WUNTRACED).1);
    show_late();
    println!("{}", wait(-1, libc::WNOHANG | libc::WUNTRACED).1);
    unsafe { libc::kill(id, libc::SIGCONT) };
    println!("{}", wait(id, libc::WCONTINUED).1);
    // The child itself sends it, when it runs.
    sleep_ms(20);
    println!("{}", COUNT.swap(0, Ordering::Relaxed));
    unsafe { libc::kill(id, libc::SIGKILL) };
    println!("{}", end_of(id));
}

fn nothing_yet() {
    let quiet = child(|| sleep_on());
    let looks = || {
        let no_hang = libc::WNOHANG;
        let of_clones = [wait(-1, no_hang | libc::__WCLONE), wait(quiet, no_hang | libc::__WCLONE)];
        let all = [wait(-1, no_hang), wait(quiet, no_hang), wait(0, no_hang), wait(quiet, no_hang | libc::__WALL)];
        let others = [wait(1, no_hang), wait(-quiet, no_hang), wait(quiet, no_hang | libc::__WNOTHREAD)];
        println!("{:?}", all.into_iter().chain(of_clones).chain(others).map(|(_, text)| text).collect::<Vec<_>>());
    };
    looks();
    let other = child(|| 1);
    println!("{} {}", end_of(other), wait(other, libc::WNOHANG).1);
    looks();
    let other = child(|| 2);
    sleep_ms(40);
    println!("{} {}", wait(quiet, libc::WNOHANG).1, wait(-1, libc::WNOHANG).1);
    unsafe { libc::setpgid(quiet, quiet) };
    looks();
    println!("{}", wait(other, 0).1);
    unsafe { libc::kill(quiet, libc::SIGKILL) };
    println!("{} {}", wait(-1, 0).1, wait(-1, 0).1);
}

fn a_grandchild_that_has_stopped() {
    println!("{}", called(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }));
    let step = &shared()[0];
    let quiet = child(|| sleep_on());
    let middle = child(|| {
        let id = child(|| unsafe { libc::raise(libc::SIGSTOP) });
        let mut information: libc::siginfo_t = unsafe { std::mem::zeroed() };
        unsafe { libc::waitid(libc::P_PID, id as u32, &raw mut information, libc::WSTOPPED | libc::WNOWAIT) };
        step.store(id, Ordering::Relaxed);
        8
    });
    await_number(step, 1);
    println!("{} {}", end_of(middle), wait(quiet, libc::WNOHANG).1);
    let found = wait(-1, libc::WUNTRACED);
    println!("{} {}", found.0 == step.load(Ordering::Relaxed), found.1);
    for id in [found.0, quiet] {
        unsafe { libc::kill(id, libc::SIGKILL) };
        println!("{}", end_of(id));
    }
}

/// All of it.
pub const CASES: [(&str, fn()); 12] = [
    ("dropped-in-the-wait", dropped_in_the_wait),
    ("dropped-though-another-ended", dropped_though_another_ended),
    ("dropped-before-it-is-blocked", dropped_before_it_is_blocked),
    ("blocked", blocked),
    ("ignored-when-it-is-unblocked", ignored_when_it_is_unblocked),
    ("by-descriptor", by_descriptor),
    ("polls", polls),
    ("beside-another-signal", beside_another_signal),
    ("handled", handled),
    ("stops-signals", stops),
    ("nothing-yet", nothing_yet),
    ("a-grandchild-that-has-stopped", a_grandchild_that_has_stopped),
];
