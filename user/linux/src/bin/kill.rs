//! Signals between processes: kill(2), sigqueue(3), tgkill(2), pidfds, and what stops.
#![expect(clippy::undocumented_unsafe_blocks, reason = "each block is a plain call, on numbers and on the program's own variables")]

use std::sync::atomic::{AtomicI32, Ordering};

use linux_programs::called;
use linux_programs::family::{await_number, block, child, end_of, handle, run, shared, signal_set, sleep_ms, sleep_on, wait};

/// What the last handled signal said: signal, code, sender, user, value.
static SAID: [AtomicI32; 5] = [const { AtomicI32::new(0) }; 5];
static COUNT: AtomicI32 = AtomicI32::new(0);

extern "C" fn on_signal(signal: i32, information: *const libc::siginfo_t, _: *mut libc::c_void) {
    let words = unsafe {
        [
            signal,
            (*information).si_code,
            (*information).si_pid(),
            (*information).si_uid() as i32,
            (*information).si_value().sival_ptr as i32,
        ]
    };
    for (place, word) in SAID.iter().zip(words) {
        place.store(word, Ordering::Relaxed);
    }
    COUNT.fetch_add(1, Ordering::Relaxed);
}

fn said(sender: i32) -> String {
    let [signal, code, from, user, value] = [0, 1, 2, 3, 4].map(|index| SAID[index].load(Ordering::Relaxed));
    let value = if code == libc::SI_QUEUE { format!(" value {value}") } else { String::new() };
    format!(
        "signal {signal} code {code} from {} user {}{value}",
        if from == sender { "it" } else { "another" },
        user == unsafe { libc::getuid() } as i32
    )
}

fn await_signal() {
    while COUNT.swap(0, Ordering::Relaxed) == 0 {
        sleep_ms(2);
    }
}

fn kill(id: i32, signal: i32) -> String {
    called(unsafe { libc::kill(id, signal) })
}

fn information() {
    handle(libc::SIGUSR1, 0, on_signal);
    handle(libc::SIGUSR2, 0, on_signal);
    let parent = unsafe { libc::getpid() };
    let id = child(|| {
        println!("{}", kill(parent, libc::SIGUSR1));
        0
    });
    await_signal();
    // The child has said what it has to when it has ended.
    println!("{}, {}", end_of(id), said(id));
    let id = child(|| {
        let value = libc::sigval { sival_ptr: 12345 as *mut libc::c_void };
        println!("{}", called(unsafe { libc::sigqueue(parent, libc::SIGUSR2, value) }));
        0
    });
    await_signal();
    println!("{}, {}", end_of(id), said(id));
    println!("{}", kill(parent, libc::SIGUSR1));
    println!("{}, at once: {}", said(parent), COUNT.swap(0, Ordering::Relaxed));
}

fn nobody() {
    for (id, signal) in [(3_999_999, 0), (3_999_999, 9), (-3_999_999, 0), (i32::MIN, 0), (0, 65), (0, -1), (3_999_999, 65)] {
        println!("{id} {signal}: {}", kill(id, signal));
    }
    let id = child(|| sleep_on());
    println!("alive: {}", kill(id, 0));
    println!("no such signal: {}", kill(id, 65));
    println!("{}", kill(id, libc::SIGKILL));
    let mut information: libc::siginfo_t = unsafe { std::mem::zeroed() };
    unsafe { libc::waitid(libc::P_PID, id as u32, &raw mut information, libc::WEXITED | libc::WNOWAIT) };
    println!("a zombie: {} {}", kill(id, 0), kill(id, libc::SIGTERM));
    println!("{}", end_of(id));
    println!("gone: {}", kill(id, 0));
}

fn groups() {
    let steps = shared();
    handle(libc::SIGUSR1, 0, on_signal);
    let group = unsafe { libc::getpgrp() };
    let members: Vec<i32> = (0..3)
        .map(|_| {
            child(|| {
                steps[0].fetch_add(1, Ordering::Relaxed);
                await_signal();
                0
            })
        })
        .collect();
    let apart = child(|| {
        unsafe { libc::setpgid(0, 0) };
        steps[0].fetch_add(1, Ordering::Relaxed);
        sleep_on()
    });
    await_number(&steps[0], 4);
    println!("own group: {}", kill(0, libc::SIGUSR1));
    println!("at once: {}", COUNT.swap(0, Ordering::Relaxed));
    println!("{:?}", members.iter().map(|&id| end_of(id)).collect::<Vec<_>>());
    println!("{}", kill(-group, 0));
    println!("apart: {} {}", wait(apart, libc::WNOHANG).1, kill(-apart, libc::SIGTERM));
    println!("{}", end_of(apart));
    println!("{}", kill(-apart, 0));
}

fn all_others() {
    // Nobody else's processes: a user that has no others.
    let id = child(|| {
        if unsafe { libc::getuid() } != 0 {
            return 0;
        }
        // Not that of another run of this program beside it.
        unsafe { libc::setuid(100_000 + libc::getpid() as u32) };
        let sleeper = child(|| sleep_on());
        handle(libc::SIGTERM, 0, on_signal);
        println!("{}", kill(-1, libc::SIGTERM));
        println!("itself not: {}", COUNT.load(Ordering::Relaxed));
        println!("{}", end_of(sleeper));
        println!("{}", kill(-1, libc::SIGTERM));
        0
    });
    println!("{}", end_of(id));
}

fn permission() {
    if unsafe { libc::getuid() } != 0 {
        return;
    }
    let root = unsafe { libc::getpid() };
    let steps = shared();
    let other = child(|| {
        unsafe { libc::setresuid(1000, 1001, 1002) };
        steps[0].store(1, Ordering::Relaxed);
        sleep_on()
    });
    await_number(&steps[0], 1);
    for (real, effective) in [(1000, 2000), (2000, 1000), (1001, 1001), (2000, 1002), (2000, 2000)] {
        let id = child(|| {
            unsafe { libc::setresuid(real, effective, 3000) };
            println!("{real} {effective}: {} {} {}", kill(other, 0), kill(root, 0), kill(root, libc::SIGCONT));
            0
        });
        println!("{}", end_of(id));
    }
    unsafe { libc::kill(other, libc::SIGKILL) };
    println!("{}", end_of(other));
}

fn queue() {
    let steps = shared();
    let id = child(|| {
        block(&[40, libc::SIGUSR1]);
        steps[0].store(1, Ordering::Relaxed);
        await_number(&steps[0], 2);
        let set = signal_set(&[40, libc::SIGUSR1]);
        let none = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let mut information: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // What was sent before is there before what is sent now.
        sleep_ms(20);
        loop {
            let signal = unsafe { libc::sigtimedwait(&raw const set, &raw mut information, &raw const none) };
            println!("{} {} {}", called(signal), information.si_code, unsafe { information.si_value().sival_ptr as usize } & 0xff);
            if signal == -1 {
                break;
            }
        }
        0
    });
    await_number(&steps[0], 1);
    for value in 1..=4usize {
        let value = libc::sigval { sival_ptr: value as *mut libc::c_void };
        unsafe { libc::sigqueue(id, 40, value) };
        unsafe { libc::sigqueue(id, libc::SIGUSR1, value) };
    }
    steps[0].store(2, Ordering::Relaxed);
    println!("{}", end_of(id));
}

fn queue_errors() {
    let id = child(|| sleep_on());
    let mut information: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let send = |to: i32, signal: i32, information: &libc::siginfo_t| {
        called(unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, to, signal, std::ptr::from_ref(information)) } as i32)
    };
    for code in [0, 1, -6, 128] {
        information.si_code = code;
        println!("code {code}: {}", send(id, libc::SIGUSR1, &information));
    }
    information.si_code = libc::SI_QUEUE;
    println!("{}", send(id, 65, &information));
    println!("{}", send(3_999_999, libc::SIGUSR1, &information));
    println!("{}", called(unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, id, libc::SIGUSR1, 8) } as i32));
    println!("{}", send(id, 0, &information));
    println!("{}", send(id, libc::SIGUSR2, &information));
    println!("{}", end_of(id));
}

fn to_threads() {
    let steps = shared();
    let id = child(|| {
        block(&[libc::SIGUSR1]);
        let thread = std::thread::spawn(|| {
            handle(libc::SIGUSR1, 0, on_signal);
            steps[1].store(unsafe { libc::syscall(libc::SYS_gettid) } as i32, Ordering::Relaxed);
            let set = signal_set(&[libc::SIGUSR1]);
            let mut information: libc::siginfo_t = unsafe { std::mem::zeroed() };
            let signal = unsafe { libc::sigwaitinfo(&raw const set, &raw mut information) };
            println!("{signal} {}", information.si_code);
        });
        thread.join().expect("no panic");
        0
    });
    await_number(&steps[1], 1);
    let thread = steps[1].load(Ordering::Relaxed);
    let tgkill =
        |process: i32, thread: i32, signal: i32| called(unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal) } as i32);
    println!("its own id: {}", thread != id);
    println!("wrong process: {}", tgkill(unsafe { libc::getpid() }, thread, libc::SIGUSR1));
    println!("no such thread: {}", tgkill(id, 3_999_999, libc::SIGUSR1));
    println!("zeros: {} {}", tgkill(0, thread, 0), tgkill(id, 0, 0));
    println!("no such signal: {}", tgkill(id, thread, 65));
    // The child prints what it was told, and before this one does.
    let answers = (tgkill(id, thread, 0), tgkill(id, thread, libc::SIGUSR1));
    let end = end_of(id);
    println!("{} {}\n{end}", answers.0, answers.1);
}

fn tkill_ends_the_process() {
    let steps = shared();
    let id = child(|| {
        std::thread::spawn(|| {
            steps[0].store(unsafe { libc::syscall(libc::SYS_gettid) } as i32, Ordering::Relaxed);
            sleep_on()
        });
        sleep_on()
    });
    await_number(&steps[0], 1);
    println!("{}", called(unsafe { libc::syscall(libc::SYS_tkill, steps[0].load(Ordering::Relaxed), libc::SIGTERM) } as i32));
    println!("{}", end_of(id));
}

fn a_busy_one_is_interrupted() {
    let steps = shared();
    let id = child(|| {
        handle(libc::SIGUSR1, 0, on_signal);
        steps[0].store(1, Ordering::Relaxed);
        let mut turns = 0u64;
        while COUNT.load(Ordering::Relaxed) < 3 {
            turns += 1;
            std::hint::spin_loop();
        }
        i32::from(turns == 0)
    });
    await_number(&steps[0], 1);
    for _ in 0..30 {
        unsafe { libc::kill(id, libc::SIGUSR1) };
        sleep_ms(30);
    }
    println!("{}", end_of(id));
}

fn a_busy_one_is_stopped() {
    let steps = shared();
    let id = child(|| {
        loop {
            steps[0].fetch_add(1, Ordering::Relaxed);
        }
    });
    await_number(&steps[0], 1);
    println!("{} {}", kill(id, libc::SIGSTOP), wait(id, libc::WUNTRACED).1);
    let before = steps[0].load(Ordering::Relaxed);
    sleep_ms(60);
    println!("still: {}", before == steps[0].load(Ordering::Relaxed));
    println!("{} {}", kill(id, libc::SIGCONT), wait(id, libc::WCONTINUED).1);
    while steps[0].load(Ordering::Relaxed) == before {
        sleep_ms(2);
    }
    println!("{} {}", kill(id, libc::SIGKILL), end_of(id));
}

fn one_that_ignores_all_is_stopped_and_killed() {
    let steps = shared();
    let id = child(|| {
        for signal in 1..65 {
            unsafe { libc::signal(signal, libc::SIG_IGN) };
        }
        block(&(1..65).collect::<Vec<_>>());
        steps[0].store(1, Ordering::Relaxed);
        loop {
            steps[0].fetch_add(1, Ordering::Relaxed);
        }
    });
    await_number(&steps[0], 2);
    for signal in [libc::SIGTERM, libc::SIGTSTP, libc::SIGUSR1, 64] {
        unsafe { libc::kill(id, signal) };
    }
    println!("{}", wait(id, libc::WNOHANG | libc::WUNTRACED).1);
    println!("{} {}", kill(id, libc::SIGSTOP), wait(id, libc::WUNTRACED).1);
    println!("{} {}", kill(id, libc::SIGCONT), wait(id, libc::WCONTINUED).1);
    println!("{} {}", kill(id, libc::SIGSTOP), wait(id, libc::WUNTRACED).1);
    println!("{} {}", kill(id, libc::SIGKILL), end_of(id));
}

fn a_caught_stop_does_not_stop() {
    let steps = shared();
    let id = child(|| {
        handle(libc::SIGTSTP, 0, on_signal);
        handle(libc::SIGCONT, 0, on_signal);
        steps[0].store(1, Ordering::Relaxed);
        await_signal();
        steps[1].store(SAID[0].load(Ordering::Relaxed), Ordering::Relaxed);
        steps[0].store(2, Ordering::Relaxed);
        await_signal();
        await_number(&steps[0], 3);
        println!("{}", SAID[0].load(Ordering::Relaxed));
        0
    });
    await_number(&steps[0], 1);
    println!("{}", kill(id, libc::SIGTSTP));
    await_number(&steps[0], 2);
    println!("{}", steps[1].load(Ordering::Relaxed));
    println!("{} {}", kill(id, libc::SIGSTOP), wait(id, libc::WUNTRACED).1);
    println!("{} {}", kill(id, libc::SIGCONT), wait(id, libc::WCONTINUED).1);
    steps[0].store(3, Ordering::Relaxed);
    println!("{}", end_of(id));
}

fn blocked_stops_wait() {
    let steps = shared();
    let id = child(|| {
        block(&[libc::SIGTSTP]);
        steps[0].store(1, Ordering::Relaxed);
        await_number(&steps[0], 2);
        let mut pending: libc::sigset_t = unsafe { std::mem::zeroed() };
        unsafe { libc::sigpending(&raw mut pending) };
        println!("pending {}", unsafe { libc::sigismember(&raw const pending, libc::SIGTSTP) });
        steps[0].store(3, Ordering::Relaxed);
        await_number(&steps[0], 4);
        unsafe { libc::sigpending(&raw mut pending) };
        println!("pending {}", unsafe { libc::sigismember(&raw const pending, libc::SIGTSTP) });
        let set = signal_set(&[libc::SIGTSTP]);
        unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut()) };
        0
    });
    await_number(&steps[0], 1);
    unsafe { libc::kill(id, libc::SIGTSTP) };
    sleep_ms(20);
    steps[0].store(2, Ordering::Relaxed);
    await_number(&steps[0], 3);
    // It takes the stop back, though the process is not stopped.
    unsafe { libc::kill(id, libc::SIGCONT) };
    sleep_ms(20);
    steps[0].store(4, Ordering::Relaxed);
    println!("{}", wait(id, libc::WUNTRACED).1);
}

fn a_stopped_one_keeps_signals() {
    let steps = shared();
    let id = child(|| {
        handle(libc::SIGUSR1, 0, on_signal);
        steps[0].store(1, Ordering::Relaxed);
        await_signal();
        7
    });
    await_number(&steps[0], 1);
    println!("{} {}", kill(id, libc::SIGSTOP), wait(id, libc::WUNTRACED).1);
    println!("{}", kill(id, libc::SIGUSR1));
    sleep_ms(30);
    println!("{}", wait(id, libc::WNOHANG).1);
    println!("{}", kill(id, libc::SIGCONT));
    println!("{}", end_of(id));
    let id = child(|| sleep_on());
    println!("{} {}", kill(id, libc::SIGSTOP), wait(id, libc::WUNTRACED).1);
    println!("{} {}", kill(id, libc::SIGTERM), kill(id, libc::SIGCONT));
    println!("{}", end_of(id));
}

fn a_sleep_goes_on_after_a_stop() {
    let id = child(|| {
        let begin = std::time::Instant::now();
        let time = libc::timespec { tv_sec: 0, tv_nsec: 300_000_000 };
        let outcome = unsafe { libc::nanosleep(&raw const time, std::ptr::null_mut()) };
        let ms = begin.elapsed().as_millis();
        println!("{} {}", called(outcome), (300..1500).contains(&ms));
        0
    });
    sleep_ms(50);
    println!("{} {}", kill(id, libc::SIGSTOP), wait(id, libc::WUNTRACED).1);
    sleep_ms(50);
    println!("{} {}", kill(id, libc::SIGCONT), wait(id, libc::WCONTINUED).1);
    println!("{}", end_of(id));
}

fn stops_itself() {
    for signal in [libc::SIGSTOP, libc::SIGTSTP] {
        let steps = shared();
        let id = child(|| {
            unsafe { libc::raise(signal) };
            await_number(&steps[0], 1);
            unsafe { libc::kill(libc::getpid(), signal) };
            await_number(&steps[0], 2);
            5
        });
        for step in 1..3 {
            println!("{}", wait(id, libc::WUNTRACED).1);
            println!("{} {}", kill(id, libc::SIGCONT), wait(id, libc::WCONTINUED).1);
            steps[0].store(step, Ordering::Relaxed);
        }
        println!("{}", end_of(id));
    }
}

fn a_stop_breaks_off_no_wait_for_a_child() {
    let steps = shared();
    let id = child(|| {
        let inner = child(|| {
            await_number(&steps[0], 2);
            9
        });
        steps[0].store(1, Ordering::Relaxed);
        println!("{}", end_of(inner));
        0
    });
    await_number(&steps[0], 1);
    sleep_ms(20);
    println!("{} {}", kill(id, libc::SIGSTOP), wait(id, libc::WUNTRACED).1);
    println!("{} {}", kill(id, libc::SIGCONT), wait(id, libc::WCONTINUED).1);
    steps[0].store(2, Ordering::Relaxed);
    println!("{}", end_of(id));
}

fn pidfd_open(id: i32, flags: u32) -> i32 {
    unsafe { libc::syscall(libc::SYS_pidfd_open, id, flags) as i32 }
}

fn pidfd_send(fd: i32, signal: i32) -> String {
    called(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, 0, 0) } as i32)
}

fn pidfds() {
    let id = child(|| sleep_on());
    let fd = pidfd_open(id, 0);
    println!("{} {}", fd >= 0, unsafe { libc::fcntl(fd, libc::F_GETFD) });
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    println!("{}", unsafe { libc::poll(&raw mut poll, 1, 0) });
    println!("{} {}", pidfd_send(fd, 0), pidfd_send(fd, 65));
    let mut information: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let outcome = unsafe { libc::waitid(libc::P_PIDFD, fd as u32, &raw mut information, libc::WEXITED | libc::WNOHANG) };
    println!("{}", called(outcome));
    println!("{}", pidfd_send(fd, libc::SIGTERM));
    println!("{} {}", unsafe { libc::poll(&raw mut poll, 1, -1) }, poll.revents);
    println!("a zombie: {}", pidfd_send(fd, 0));
    let outcome = unsafe { libc::waitid(libc::P_PIDFD, fd as u32, &raw mut information, libc::WEXITED) };
    println!("{} {} {}", called(outcome), information.si_code, unsafe { information.si_status() });
    // Newer kernels add POLLHUP.
    println!("{} {}", unsafe { libc::poll(&raw mut poll, 1, -1) }, poll.revents & libc::POLLIN);
    println!(
        "gone: {} {}",
        pidfd_send(fd, 0),
        called(unsafe { libc::waitid(libc::P_PIDFD, fd as u32, &raw mut information, libc::WEXITED) })
    );
    for (id, flags) in [(id, 0), (0, 0), (-1, 0), (unsafe { libc::getpid() }, 1), (3_999_999, 0)] {
        println!("open: {}", called(pidfd_open(id, flags)));
    }
    let mut byte = 0u8;
    println!("read: {}", called(unsafe { libc::read(fd, (&raw mut byte).cast(), 1) } as i32));
    println!("no pidfd: {}", pidfd_send(1, 0));
}

fn pidfd_of_a_clone() {
    let clone = |flags: i32, pidfd: *mut i32| unsafe { libc::syscall(libc::SYS_clone, flags | libc::SIGCHLD, 0, pidfd, 0, 0) as i32 };
    let mut fd = -1;
    let _ = std::io::Write::flush(&mut std::io::stdout());
    let id = clone(libc::CLONE_PIDFD, &raw mut fd);
    if id == 0 {
        // The descriptor is the parent's alone.
        unsafe { libc::_exit(i32::from(libc::fcntl(fd, libc::F_GETFD) != -1)) };
    }
    println!("{} {}", fd >= 0, unsafe { libc::fcntl(fd, libc::F_GETFD) });
    let mut information: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let outcome = unsafe { libc::waitid(libc::P_PIDFD, fd as u32, &raw mut information, libc::WEXITED) };
    println!("{} {} {}", called(outcome), unsafe { information.si_pid() } == id, unsafe { information.si_status() });
    println!("one place for both: {}", called(clone(libc::CLONE_PIDFD | libc::CLONE_PARENT_SETTID, &raw mut fd)));
    println!("no place: {}", called(clone(libc::CLONE_PIDFD, std::ptr::null_mut())));
}

fn pidfd_that_does_not_block() {
    let id = child(|| sleep_on());
    let fd = pidfd_open(id, libc::O_NONBLOCK as u32);
    let mut information: libc::siginfo_t = unsafe { std::mem::zeroed() };
    println!("{}", called(unsafe { libc::waitid(libc::P_PIDFD, fd as u32, &raw mut information, libc::WEXITED) }));
    println!("{}", called(unsafe { libc::waitid(libc::P_PIDFD, fd as u32, &raw mut information, libc::WEXITED | libc::WNOHANG) }));
    println!("{}", pidfd_send(fd, libc::SIGKILL));
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    println!("{}", unsafe { libc::poll(&raw mut poll, 1, -1) });
    println!("{}", called(unsafe { libc::waitid(libc::P_PIDFD, fd as u32, &raw mut information, libc::WEXITED) }));
    // Others' children can be watched and not waited for.
    let middle = child(|| sleep_on());
    let fd = pidfd_open(middle, 0);
    let watcher = child(|| {
        let mut information: libc::siginfo_t = unsafe { std::mem::zeroed() };
        println!("{}", called(unsafe { libc::waitid(libc::P_PIDFD, fd as u32, &raw mut information, libc::WEXITED) }));
        let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        println!("{}", unsafe { libc::poll(&raw mut poll, 1, -1) });
        0
    });
    sleep_ms(30);
    // The watcher prints what it saw before this one goes on.
    let sent = kill(middle, libc::SIGKILL);
    let end = end_of(watcher);
    println!("{sent}\n{end}");
    println!("{}", end_of(middle));
}

fn pending_at_birth() {
    // What is pending is not inherited; what is blocked is.
    block(&[libc::SIGUSR1]);
    unsafe { libc::raise(libc::SIGUSR1) };
    let id = child(|| {
        let mut pending: libc::sigset_t = unsafe { std::mem::zeroed() };
        unsafe { libc::sigpending(&raw mut pending) };
        println!("pending {}", unsafe { libc::sigismember(&raw const pending, libc::SIGUSR1) });
        let mut blocked: libc::sigset_t = unsafe { std::mem::zeroed() };
        unsafe { libc::sigprocmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut blocked) };
        println!("blocked {}", unsafe { libc::sigismember(&raw const blocked, libc::SIGUSR1) });
        0
    });
    println!("{}", end_of(id));
}

fn signals_in_a_storm() {
    // Two send what they can, one counts real-time signals: none is lost.
    const EACH: i32 = 50;
    let steps = shared();
    block(&[41]);
    let counter = child(|| {
        let set = signal_set(&[41]);
        steps[0].store(1, Ordering::Relaxed);
        let mut sum = 0usize;
        for _ in 0..2 * EACH {
            let mut information: libc::siginfo_t = unsafe { std::mem::zeroed() };
            if unsafe { libc::sigwaitinfo(&raw const set, &raw mut information) } != 41 {
                return 1;
            }
            sum += unsafe { information.si_value().sival_ptr } as usize;
        }
        println!("{sum}");
        0
    });
    await_number(&steps[0], 1);
    let senders: Vec<i32> = (0..2)
        .map(|_| {
            child(|| {
                for value in 0..EACH as usize {
                    let value = libc::sigval { sival_ptr: value as *mut libc::c_void };
                    while unsafe { libc::sigqueue(counter, 41, value) } == -1 {
                        sleep_ms(1);
                    }
                }
                0
            })
        })
        .collect();
    println!("{:?} {}", senders.iter().map(|&id| end_of(id)).collect::<Vec<_>>(), end_of(counter));
}

fn main() {
    run(&[
        ("information", information),
        ("nobody", nobody),
        ("groups", groups),
        ("all-others", all_others),
        ("permission", permission),
        ("queue", queue),
        ("queue-errors", queue_errors),
        ("to-threads", to_threads),
        ("tkill-ends-the-process", tkill_ends_the_process),
        ("a-busy-one-is-interrupted", a_busy_one_is_interrupted),
        ("a-busy-one-is-stopped", a_busy_one_is_stopped),
        ("one-that-ignores-all-is-stopped-and-killed", one_that_ignores_all_is_stopped_and_killed),
        ("a-caught-stop-does-not-stop", a_caught_stop_does_not_stop),
        ("blocked-stops-wait", blocked_stops_wait),
        ("a-stopped-one-keeps-signals", a_stopped_one_keeps_signals),
        ("a-sleep-goes-on-after-a-stop", a_sleep_goes_on_after_a_stop),
        ("stops-itself", stops_itself),
        ("a-stop-breaks-off-no-wait-for-a-child", a_stop_breaks_off_no_wait_for_a_child),
        ("pidfds", pidfds),
        ("pidfd-that-does-not-block", pidfd_that_does_not_block),
        ("pidfd-of-a-clone", pidfd_of_a_clone),
        ("pending-at-birth", pending_at_birth),
        ("signals-in-a-storm", signals_in_a_storm),
    ]);
}
