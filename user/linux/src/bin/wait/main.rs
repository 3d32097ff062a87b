//! Children and what becomes of them: wait4(2), waitid(2), `SIGCHLD`, orphans.
#![expect(clippy::undocumented_unsafe_blocks, reason = "each block is a plain call, on numbers and on the program's own variables")]

mod signals;

use std::sync::atomic::{AtomicI32, Ordering};

use linux_programs::called;
use linux_programs::family::{await_number, block, child, end_of, run, shared, signal_set, sleep_ms, sleep_on, status_text, wait};

const NO_HANG: i32 = libc::WNOHANG;

fn exit_codes() {
    for code in [0, 1, 77, 255, 256, -1] {
        println!("{code}: {}", end_of(child(|| code)));
    }
}

fn signals_end() {
    for signal in [libc::SIGTERM, libc::SIGKILL, libc::SIGUSR1, libc::SIGALRM, 40] {
        let id = child(|| sleep_on());
        println!("kill {signal}: {}", called(unsafe { libc::kill(id, signal) }));
        println!("{}", end_of(id));
    }
    let id = child(|| unsafe { libc::raise(libc::SIGTERM) });
    println!("raised: {}", end_of(id));
    let id = child(|| {
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        0
    });
    println!("killed itself: {}", end_of(id));
}

fn no_children() {
    println!("any: {}", wait(-1, 0).1);
    println!("any, no hang: {}", wait(-1, NO_HANG).1);
    println!("own group: {}", wait(0, 0).1);
    println!("init: {}", wait(1, 0).1);
    println!("itself: {}", wait(std::process::id() as i32, 0).1);
    println!("another's group: {}", wait(-4_000_000, 0).1);
    println!("the least number: {}", wait(i32::MIN, 0).1);
    println!("its parent: {}", wait(unsafe { libc::getppid() }, 0).1);
}

fn bad_options() {
    let id = child(|| 0);
    for options in [4, 0x10, 0x0100_0000, 0x1000_0000] {
        println!("wait4 {options:#x}: {}", wait(id, options).1);
    }
    let mut information: libc::siginfo_t = unsafe { std::mem::zeroed() };
    for (kind, number, options) in
        [(0, 0, 0), (0, 0, 1), (0, 0, 4 | 0x10), (9, 0, 4), (1, 0, 4), (1, -1i32 as u32, 4), (2, -1i32 as u32, 4), (3, 99, 4)]
    {
        let outcome = unsafe { libc::waitid(kind, number, &raw mut information, options) };
        println!("waitid {kind} {} {options:#x}: {}", number as i32, called(outcome));
    }
    println!("{}", end_of(id));
}

fn no_hang() {
    let id = child(|| {
        sleep_ms(50);
        3
    });
    println!("{}", wait(id, NO_HANG).1);
    println!("{}", wait(-1, NO_HANG).1);
    let mut looks = 0;
    let end = loop {
        match wait(id, NO_HANG) {
            (0, _) => looks += 1,
            (_, end) => break end,
        }
        sleep_ms(5);
    };
    println!("{end}, {}", looks > 0);
    println!("{}", wait(id, NO_HANG).1);
}

fn any_child() {
    let mut ids: Vec<i32> = (0..5).map(|code| child(move || code)).collect();
    let mut ends = Vec::new();
    while let (id @ 1.., end) = wait(-1, 0) {
        let place = ids.iter().position(|&known| known == id).expect("a child");
        ids.remove(place);
        ends.push(end);
    }
    ends.sort();
    println!("{ends:?} {ids:?}");
}

fn by_group() {
    let first = child(|| {
        sleep_ms(20);
        1
    });
    println!("{}", called(unsafe { libc::setpgid(first, first) }));
    let second = child(|| 2);
    println!("{}", called(unsafe { libc::setpgid(second, first) }));
    let own = child(|| 3);
    println!("own group: {}", wait(0, 0).1);
    let ends = [wait(-first, 0), wait(-first, 0)].map(|(id, end)| (id == first || id == second, end));
    let mut texts: Vec<String> = ends.iter().map(|(known, end)| format!("{known} {end}")).collect();
    texts.sort();
    println!("{texts:?} {}", wait(-first, 0).1);
    println!("{}", wait(own, 0).1);
}

fn waitid_information() {
    let id = child(|| 7);
    let mut information: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let show = |outcome: i32, information: &libc::siginfo_t| {
        let (found, user, status) = unsafe { (information.si_pid(), information.si_uid(), information.si_status()) };
        println!(
            "{}: signal {} errno {} code {} found {} user {} status {status}",
            called(outcome),
            information.si_signo,
            information.si_errno,
            information.si_code,
            if found == id { "it".into() } else { found.to_string() },
            user == unsafe { libc::getuid() } || user == 0,
        );
    };
    let keep = libc::WEXITED | libc::WNOWAIT;
    for options in [keep, keep, libc::WEXITED] {
        let outcome = unsafe { libc::waitid(libc::P_PID, id as u32, &raw mut information, options) };
        show(outcome, &information);
    }
    let outcome = unsafe { libc::waitid(libc::P_PID, id as u32, &raw mut information, libc::WEXITED) };
    show(outcome, &information);
    let id = child(|| sleep_on());
    let outcome = unsafe { libc::waitid(libc::P_PID, id as u32, &raw mut information, libc::WEXITED | libc::WNOHANG) };
    println!("{} {} {}", called(outcome), information.si_signo, unsafe { information.si_pid() });
    unsafe { libc::kill(id, libc::SIGTERM) };
    let outcome = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut information, libc::WEXITED) };
    println!("{} {} {}", called(outcome), information.si_code, unsafe { information.si_status() });
    let group = unsafe { libc::waitid(libc::P_PGID, 0, &raw mut information, libc::WEXITED) };
    println!("{}", called(group));
    let id = child(|| 9);
    println!("without a place for it: {}", called(unsafe { libc::waitid(libc::P_PID, id as u32, std::ptr::null_mut(), libc::WEXITED) }));
}

fn stops() {
    let id = child(|| sleep_on());
    for signal in [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
        unsafe { libc::kill(id, signal) };
        println!("{}", wait(id, libc::WUNTRACED).1);
        println!("{}", wait(id, libc::WUNTRACED | NO_HANG).1);
        unsafe { libc::kill(id, libc::SIGCONT) };
        println!("{}", wait(id, libc::WCONTINUED).1);
        println!("{}", wait(id, libc::WCONTINUED | NO_HANG).1);
    }
    unsafe { libc::kill(id, libc::SIGSTOP) };
    let mut information: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let outcome = unsafe { libc::waitid(libc::P_PID, id as u32, &raw mut information, libc::WSTOPPED | libc::WNOWAIT) };
    println!("{} {} {}", called(outcome), information.si_code, unsafe { information.si_status() });
    println!("{}", wait(id, libc::WUNTRACED).1);
    unsafe { libc::kill(id, libc::SIGCONT) };
    let outcome = unsafe { libc::waitid(libc::P_PID, id as u32, &raw mut information, libc::WCONTINUED) };
    println!("{} {} {}", called(outcome), information.si_code, unsafe { information.si_status() });
    unsafe { libc::kill(id, libc::SIGSTOP) };
    println!("{}", wait(id, libc::WUNTRACED).1);
    unsafe { libc::kill(id, libc::SIGTERM) };
    println!("a stopped one takes no notice: {}", wait(id, NO_HANG).1);
    unsafe { libc::kill(id, libc::SIGKILL) };
    println!("but of SIGKILL: {}", end_of(id));
}

static COUNT: AtomicI32 = AtomicI32::new(0);
static CODE: AtomicI32 = AtomicI32::new(0);
static STATUS: AtomicI32 = AtomicI32::new(0);

extern "C" fn on_child(_: i32, information: *const libc::siginfo_t, _: *mut libc::c_void) {
    COUNT.fetch_add(1, Ordering::Relaxed);
    unsafe {
        CODE.store((*information).si_code, Ordering::Relaxed);
        STATUS.store((*information).si_status(), Ordering::Relaxed);
    }
}

fn handle(flags: i32) {
    linux_programs::family::handle(libc::SIGCHLD, flags, on_child);
}

fn told() -> (i32, i32, i32) {
    (COUNT.swap(0, Ordering::Relaxed), CODE.load(Ordering::Relaxed), STATUS.load(Ordering::Relaxed))
}

/// Until the handler has run.
fn await_told() -> (i32, i32, i32) {
    while COUNT.load(Ordering::Relaxed) == 0 {
        sleep_ms(2);
    }
    told()
}

fn child_signal() {
    handle(0);
    let id = child(|| 5);
    println!("{:?}", await_told());
    println!("{}", end_of(id));
    let id = child(|| sleep_on());
    unsafe { libc::kill(id, libc::SIGSTOP) };
    println!("{:?}", await_told());
    unsafe { libc::kill(id, libc::SIGCONT) };
    println!("{:?}", await_told());
    unsafe { libc::kill(id, libc::SIGUSR1) };
    println!("{:?}", await_told());
    println!("{}", end_of(id));
}

fn no_stop_signal() {
    handle(libc::SA_NOCLDSTOP);
    let id = child(|| sleep_on());
    unsafe { libc::kill(id, libc::SIGSTOP) };
    println!("{} {}", wait(id, libc::WUNTRACED).1, COUNT.load(Ordering::Relaxed));
    unsafe { libc::kill(id, libc::SIGCONT) };
    println!("{} {}", wait(id, libc::WCONTINUED).1, COUNT.load(Ordering::Relaxed));
    unsafe { libc::kill(id, libc::SIGTERM) };
    println!("{:?} {}", await_told(), end_of(id));
}

fn ignored() {
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    let ids: Vec<i32> = (0..3).map(|code| child(move || code)).collect();
    println!("{}", wait(-1, 0).1);
    println!("{:?}", ids.iter().map(|&id| wait(id, NO_HANG).1).collect::<Vec<_>>());
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    println!("{}", end_of(child(|| 4)));
}

fn no_zombies() {
    handle(libc::SA_NOCLDWAIT);
    let id = child(|| 6);
    println!("{:?}", await_told());
    println!("{}", wait(id, 0).1);
}

fn interrupted() {
    for flags in [0, libc::SA_RESTART] {
        linux_programs::family::handle(libc::SIGUSR1, flags, on_child);
        let parent = unsafe { libc::getpid() };
        let id = child(|| {
            sleep_ms(50);
            unsafe { libc::kill(parent, libc::SIGUSR1) };
            sleep_ms(50);
            8
        });
        println!("{}", end_of(id));
        println!("{}", COUNT.swap(0, Ordering::Relaxed));
        let _ = wait(id, 0);
    }
}

fn usage() {
    let id = child(|| {
        let begin = std::time::Instant::now();
        let mut block = vec![1u8; 8 << 20];
        block[0] = 2;
        let mut sum = 0u64;
        while begin.elapsed().as_millis() < 300 {
            sum = sum.wrapping_mul(3).wrapping_add(1);
        }
        (sum == 77) as i32 + i32::from(block[1] != 1)
    });
    let mut status = 0;
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let found = unsafe { libc::wait4(id, &raw mut status, 0, &raw mut usage) };
    let ms = |usage: &libc::rusage| {
        (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000
    };
    println!("{} {} {}", found == id, status_text(status), (10..3000).contains(&ms(&usage)));
    println!("resident: {}", usage.ru_maxrss >= 8 << 10);
    let mut children: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut children) };
    println!("{} {}", ms(&children) == ms(&usage), children.ru_maxrss == usage.ru_maxrss);
    let mut times: libc::tms = unsafe { std::mem::zeroed() };
    unsafe { libc::times(&raw mut times) };
    println!("{}", (1..300).contains(&(times.tms_cutime + times.tms_cstime)));
    let _ = end_of(child(|| {
        let mut children: libc::rusage = unsafe { std::mem::zeroed() };
        unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut children) };
        println!("a new one's: {}", ms(&children));
        0
    }));
}

fn orphans() {
    let steps = &shared()[0];
    let middle = child(|| {
        child(|| {
            let parent = unsafe { libc::getppid() };
            steps.store(1, Ordering::Relaxed);
            while unsafe { libc::getppid() } == parent {
                sleep_ms(2);
            }
            steps.store(2, Ordering::Relaxed);
            0
        });
        await_number(steps, 1);
        0
    });
    println!("{}", end_of(middle));
    await_number(steps, 2);
    println!("{}", wait(-1, 0).1);
}

fn subreaper() {
    const SET: i32 = 36;
    const GET: i32 = 37;
    println!("{}", called(unsafe { libc::prctl(SET, 1, 0, 0, 0) }));
    let mut value = 9;
    println!("{} {value}", called(unsafe { libc::prctl(GET, &raw mut value, 0, 0, 0) }));
    let own = unsafe { libc::getpid() };
    let middle = child(|| {
        let mut value = 9;
        unsafe { libc::prctl(GET, &raw mut value, 0, 0, 0) };
        println!("not inherited: {value}");
        let middle = unsafe { libc::getpid() };
        child(move || {
            while unsafe { libc::getppid() } == middle {
                sleep_ms(2);
            }
            if unsafe { libc::getppid() } == own { 11 } else { 13 }
        });
        12
    });
    println!("{}", end_of(middle));
    println!("{}", wait(-1, 0).1);
    println!("{}", wait(-1, 0).1);
}

fn death_signal() {
    let steps = &shared()[0];
    let middle = child(|| {
        child(|| {
            let mut value = 9;
            println!(
                "{} {}",
                called(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGUSR1) }),
                called(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 65) })
            );
            unsafe { libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut value) };
            println!("{value}");
            let set = signal_set(&[libc::SIGUSR1]);
            block(&[libc::SIGUSR1]);
            steps.store(1, Ordering::Relaxed);
            let mut signal = 0;
            unsafe { libc::sigwait(&raw const set, &raw mut signal) };
            println!("{}", signal == libc::SIGUSR1);
            steps.store(2, Ordering::Relaxed);
            0
        });
        await_number(steps, 1);
        0
    });
    await_number(steps, 2);
    println!("{}", end_of(middle));
}

fn many() {
    for round in 0..3 {
        let ids: Vec<i32> = (0..20).map(|code| child(move || code)).collect();
        let sum: i32 = ids.iter().map(|&id| end_of(id).trim_start_matches("exit ").parse::<i32>().expect("a code")).sum();
        println!("{round}: {sum}");
    }
    // A chain of generations.
    fn generation(depth: i32) -> i32 {
        if depth == 0 {
            return 1;
        }
        let end = end_of(child(|| generation(depth - 1)));
        end.trim_start_matches("exit ").parse::<i32>().expect("a code") + 1
    }
    println!("{}", generation(10));
}

fn from_threads() {
    let id = child(|| {
        sleep_ms(30);
        21
    });
    println!("{}", std::thread::spawn(move || end_of(id)).join().expect("no panic"));
    let (send, receive) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let id = child(|| 22);
        send.send(id).expect("a receiver");
        id
    });
    let id = receive.recv().expect("a sender");
    println!("{}", end_of(id));
    println!("{}", thread.join().expect("no panic") == id);
    // Two threads wait for any of two children: each gets one.
    for code in [1, 2] {
        child(move || {
            sleep_ms(30);
            code
        });
    }
    let threads: Vec<_> = (0..2).map(|_| std::thread::spawn(|| wait(-1, 0).1)).collect();
    let mut ends: Vec<String> = threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
    ends.sort();
    println!("{ends:?}");
    // Of two who wait for the same child one is told that there is none.
    let id = child(|| {
        sleep_ms(50);
        3
    });
    let threads: Vec<_> = (0..2).map(|_| std::thread::spawn(move || end_of(id))).collect();
    let mut ends: Vec<String> = threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
    ends.sort();
    println!("{ends:?}");
}

fn other_exit_signals() {
    let clone = |signal: i32| -> i32 {
        let id = unsafe { libc::syscall(libc::SYS_clone, signal, 0, 0, 0, 0) };
        if id == 0 {
            unsafe { libc::_exit(13) }
        }
        id as i32
    };
    let id = clone(0);
    println!("{}", wait(id, 0).1);
    println!("{}", wait(id, libc::__WCLONE).1);
    block(&[libc::SIGUSR2]);
    let id = clone(libc::SIGUSR2);
    println!("{}", wait(-1, 0).1);
    println!("{}", wait(id, libc::__WALL).1);
}

fn main() {
    let cases: [(&str, fn()); 21] = [
        ("exit-codes", exit_codes),
        ("signals-end", signals_end),
        ("no-children", no_children),
        ("bad-options", bad_options),
        ("no-hang", no_hang),
        ("any-child", any_child),
        ("by-group", by_group),
        ("waitid-information", waitid_information),
        ("stops", stops),
        ("child-signal", child_signal),
        ("no-stop-signal", no_stop_signal),
        ("ignored", ignored),
        ("no-zombies", no_zombies),
        ("interrupted", interrupted),
        ("usage", usage),
        ("orphans", orphans),
        ("subreaper", subreaper),
        ("death-signal", death_signal),
        ("many", many),
        ("from-threads", from_threads),
        ("other-exit-signals", other_exit_signals),
    ];
    run(&[&cases[..], &signals::CASES].concat());
}
