//! Process groups, sessions, credentials and priorities.
#![expect(clippy::undocumented_unsafe_blocks, reason = "each block is a plain call, on numbers and on the program's own variables")]

use std::sync::atomic::{AtomicI32, Ordering};

use linux_programs::called;
use linux_programs::family::{await_number, child, end_of, handle, run, shared, sleep_ms, sleep_on, wait};

fn setpgid(id: i32, group: i32) -> String {
    called(unsafe { libc::setpgid(id, group) })
}

fn groups_of_children() {
    let own = unsafe { libc::getpgrp() };
    println!("{}", own == unsafe { libc::getpid() });
    let id = child(|| sleep_on());
    println!("inherited: {}", unsafe { libc::getpgid(id) } == own);
    println!("{} {}", setpgid(id, 0), unsafe { libc::getpgid(id) } == id);
    println!("{} {}", setpgid(id, own), unsafe { libc::getpgid(id) } == own);
    println!("{} {}", setpgid(id, id), unsafe { libc::getpgid(id) } == id);
    let second = child(|| sleep_on());
    println!("{} {}", setpgid(second, id), unsafe { libc::getpgid(second) } == id);
    for signalled in [id, second] {
        unsafe { libc::kill(signalled, libc::SIGKILL) };
    }
    println!("a zombie: {} {}", setpgid(second, second), unsafe { libc::getpgid(second) } == second);
    println!("{} {}", end_of(id), end_of(second));
    println!("gone: {} {}", setpgid(id, 0), called(unsafe { libc::getpgid(id) }));
}

fn group_errors() {
    let steps = shared();
    let id = child(|| sleep_on());
    println!("negative: {} {}", setpgid(0, -1), setpgid(id, -5));
    println!("nobody's: {}", setpgid(id, 3_999_999));
    println!("no child: {} {}", setpgid(1, 0), setpgid(unsafe { libc::getppid() }, 0));
    println!("no process: {} {}", setpgid(3_999_999, 0), setpgid(-3, 0));
    println!(
        "asked: {} {} {}",
        called(unsafe { libc::getpgid(3_999_999) }),
        called(unsafe { libc::getpgid(-1) }),
        called(unsafe { libc::getsid(3_999_999) })
    );
    let leader = child(|| {
        unsafe { libc::setsid() };
        println!("a leader: {} {}", setpgid(0, 0), called(unsafe { libc::setsid() }));
        steps[0].store(1, Ordering::Relaxed);
        sleep_on()
    });
    await_number(&steps[0], 1);
    println!("another session's: {}", setpgid(leader, leader));
    println!("into another session: {}", setpgid(id, leader));
    for id in [id, leader] {
        unsafe { libc::kill(id, libc::SIGKILL) };
        println!("{}", end_of(id));
    }
}

fn a_grandchild_is_no_child() {
    let steps = shared();
    let id = child(|| {
        let inner = child(|| sleep_on());
        println!("{}", setpgid(inner, 0));
        steps[0].store(inner, Ordering::Relaxed);
        while steps[1].load(Ordering::Relaxed) == 0 {
            sleep_ms(2);
        }
        unsafe { libc::kill(inner, libc::SIGKILL) };
        println!("{}", end_of(inner));
        0
    });
    await_number(&steps[0], 1);
    let inner = steps[0].load(Ordering::Relaxed);
    println!("{}", setpgid(inner, unsafe { libc::getpgrp() }));
    println!("{}", setpgid(id, id));
    steps[1].store(1, Ordering::Relaxed);
    println!("{}", end_of(id));
}

fn sessions() {
    println!("a group's leader: {}", called(unsafe { libc::setsid() }));
    let own = unsafe { libc::getsid(0) };
    let id = child(|| {
        println!("inherited: {}", unsafe { libc::getsid(0) } == own);
        let id = unsafe { libc::getpid() };
        let session = unsafe { libc::setsid() };
        println!("{} {} {}", session == id, unsafe { libc::getsid(0) } == id, unsafe { libc::getpgrp() } == id);
        println!(
            "{}",
            end_of(child(|| {
                println!("its child's: {} {}", unsafe { libc::getsid(0) } == id, unsafe { libc::getpgrp() } == id);
                println!("and on: {}", unsafe { libc::setsid() } == unsafe { libc::getpid() });
                0
            }))
        );
        0
    });
    println!("{}", end_of(id));
}

fn a_group_lives_on_without_its_leader() {
    let leader = child(|| sleep_on());
    setpgid(leader, leader);
    let member = child(|| sleep_on());
    setpgid(member, leader);
    unsafe { libc::kill(leader, libc::SIGKILL) };
    println!("{}", end_of(leader));
    println!("{}", unsafe { libc::getpgid(member) } == leader);
    let third = child(|| sleep_on());
    println!("{}", setpgid(third, leader));
    println!("{}", called(unsafe { libc::kill(-leader, libc::SIGTERM) }));
    println!("{} {}", end_of(member), end_of(third));
    println!("{}", called(unsafe { libc::kill(-leader, 0) }));
}

static SEEN: AtomicI32 = AtomicI32::new(0);

extern "C" fn on_signal(signal: i32, _: *const libc::siginfo_t, _: *mut libc::c_void) {
    SEEN.fetch_or(1 << signal, Ordering::Relaxed);
}

fn an_orphaned_group_is_woken() {
    let steps = shared();
    let id = child(|| {
        unsafe { libc::setsid() };
        let job = child(|| {
            unsafe { libc::setpgid(0, 0) };
            handle(libc::SIGHUP, 0, on_signal);
            handle(libc::SIGCONT, 0, on_signal);
            steps[0].store(1, Ordering::Relaxed);
            unsafe { libc::raise(libc::SIGTSTP) };
            // Both have been delivered before this goes on.
            steps[1].store(SEEN.load(Ordering::Relaxed), Ordering::Relaxed);
            0
        });
        await_number(&steps[0], 1);
        println!("{}", wait(job, libc::WUNTRACED).1);
        0
    });
    println!("{}", end_of(id));
    await_number(&steps[1], 1);
    let seen = steps[1].load(Ordering::Relaxed);
    println!("{} {}", seen & 1 << libc::SIGHUP != 0, seen & 1 << libc::SIGCONT != 0);
}

fn an_orphaned_group_does_not_stop() {
    let id = child(|| {
        unsafe { libc::setsid() };
        for signal in [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
            unsafe { libc::raise(signal) };
            println!("not by {signal}");
        }
        0
    });
    println!("{}", wait(id, libc::WUNTRACED).1);
    let id = child(|| {
        unsafe { libc::setsid() };
        unsafe { libc::raise(libc::SIGSTOP) };
        0
    });
    println!("{}", wait(id, libc::WUNTRACED).1);
    unsafe { libc::kill(id, libc::SIGCONT) };
    println!("{}", end_of(id));
}

fn ids() -> String {
    let (mut user, mut group) = ([0; 3], [0; 3]);
    unsafe {
        libc::getresuid(&raw mut user[0], &raw mut user[1], &raw mut user[2]);
        libc::getresgid(&raw mut group[0], &raw mut group[1], &raw mut group[2]);
        assert_eq!((libc::getuid(), libc::geteuid(), libc::getgid(), libc::getegid()), (user[0], user[1], group[0], group[1]));
    }
    format!("{user:?} {group:?}")
}

// The raw calls: a C library's would be made by all threads.
fn set(number: libc::c_long, ids: &[i32]) -> String {
    let all: Vec<usize> = ids.iter().map(|&id| id as u32 as usize).collect();
    unsafe { linux_programs::call(number, &all) }.map_or_else(|error| error, |value| value.to_string())
}

fn users() {
    println!(
        "{}",
        end_of(child(|| {
            println!("{} {}", set(libc::SYS_setuid, &[-1]), set(libc::SYS_setgid, &[100]));
            println!("{} {}", set(libc::SYS_setresuid, &[-1, 7, -1]), ids());
            println!("{} {}", set(libc::SYS_setuid, &[0]), ids());
            println!("{} {}", set(libc::SYS_setreuid, &[1, 2]), ids());
            println!("{} {} {}", set(libc::SYS_setuid, &[0]), set(libc::SYS_setgid, &[1]), ids());
            println!("{} {}", set(libc::SYS_setuid, &[1]), ids());
            println!("{} {}", set(libc::SYS_setreuid, &[-1, 2]), ids());
            println!("{} {}", set(libc::SYS_setreuid, &[2, -1]), ids());
            println!("{} {}", set(libc::SYS_setresuid, &[2, 2, 2]), ids());
            println!("{} {}", set(libc::SYS_setresuid, &[2, 1, 2]), set(libc::SYS_setreuid, &[1, -1]));
            println!("{} {}", set(libc::SYS_setresgid, &[100, 100, 100]), set(libc::SYS_setresgid, &[0, -1, -1]));
            println!("{}", ids());
            println!("inherited: {}", end_of(child(|| i32::from(unsafe { libc::getuid() } == 2))));
            0
        }))
    );
    println!("{}", ids());
}

fn file_ids() {
    println!(
        "{}",
        end_of(child(|| {
            println!("{} {}", set(libc::SYS_setfsuid, &[5]), set(libc::SYS_setfsuid, &[-1]));
            println!("{} {}", set(libc::SYS_setfsgid, &[6]), set(libc::SYS_setfsgid, &[-1]));
            println!("{} {}", set(libc::SYS_setresuid, &[9, 9, 9]), set(libc::SYS_setfsuid, &[5]));
            println!("{}", set(libc::SYS_setfsuid, &[-1]));
            0
        }))
    );
}

fn supplementary_groups() {
    println!(
        "{}",
        end_of(child(|| {
            let mut found = [0u32; 8];
            let show = |count: i32, found: &[u32; 8]| format!("{} {:?}", called(count), &found[..count.clamp(0, 8) as usize]);
            println!("{}", called(unsafe { libc::syscall(libc::SYS_setgroups, 3, [30u32, 10, 20].as_ptr()) } as i32));
            println!("{}", called(unsafe { libc::getgroups(0, std::ptr::null_mut()) }));
            println!("{}", called(unsafe { libc::getgroups(2, found.as_mut_ptr()) }));
            println!("{}", called(unsafe { libc::getgroups(-1, found.as_mut_ptr()) }));
            println!("{}", show(unsafe { libc::getgroups(8, found.as_mut_ptr()) }, &found));
            println!("{}", end_of(child(|| unsafe { libc::getgroups(0, std::ptr::null_mut()) })));
            println!("{}", called(unsafe { libc::syscall(libc::SYS_setgroups, 70_000, found.as_ptr()) } as i32));
            println!("{}", called(unsafe { libc::syscall(libc::SYS_setgroups, 2, 8) } as i32));
            println!("{}", set(libc::SYS_setresuid, &[9, 9, 9]));
            println!("{}", called(unsafe { libc::syscall(libc::SYS_setgroups, 0, found.as_ptr()) } as i32));
            println!("{}", show(unsafe { libc::getgroups(8, found.as_mut_ptr()) }, &found));
            0
        }))
    );
}

fn priorities() {
    println!(
        "{}",
        end_of(child(|| {
            let get = |whose: i32, who: i32| unsafe { linux_programs::call(libc::SYS_getpriority, &[whose as usize, who as u32 as usize]) };
            let put = |whose: i32, who: i32, nice: i32| unsafe {
                linux_programs::call(libc::SYS_setpriority, &[whose as usize, who as u32 as usize, nice as u32 as usize])
            };
            unsafe { libc::setpgid(0, 0) };
            println!("{:?} {:?} {:?}", put(0, 0, 5), get(0, 0), get(1, 0));
            println!("{:?} {:?}", put(0, 0, 99), get(0, 0));
            println!("{:?} {:?}", put(0, 0, -99), get(0, 0));
            println!("{:?}", put(1, 0, 3));
            let id = child(|| sleep_on());
            println!("inherited: {:?}", get(0, id));
            println!("{:?} {:?} {:?}", put(0, id, 7), get(0, id), get(1, 0));
            println!("{:?} {:?} {:?}", get(3, 0), get(0, 3_999_999), put(1, 3_999_999, 1));
            println!("{}", set(libc::SYS_setresuid, &[9, 9, 9]));
            println!("{:?} {:?} {:?}", put(0, 0, 2), put(0, 0, 4), get(0, 0));
            println!("{:?} {:?}", put(0, id, 9), get(0, id));
            0
        }))
    );
}

fn stat_of_the_process() {
    println!(
        "{}",
        end_of(child(|| {
            let stat = std::fs::read_to_string("/proc/self/stat").expect("a file");
            let fields: Vec<&str> = stat.rsplit(')').next().expect("a name").split_whitespace().collect();
            let expected = unsafe { [libc::getppid(), libc::getpgrp(), libc::getsid(0)] };
            println!("{}", (0..3).all(|index| fields[index + 1] == expected[index].to_string()));
            let status = std::fs::read_to_string("/proc/self/status").expect("a file");
            let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned());
            println!("{} {}", line("PPid:") == Some(expected[0].to_string()), line("Pid:") == Some(std::process::id().to_string()));
            println!("{}", set(libc::SYS_setresuid, &[1, 2, 3]));
            let status = std::fs::read_to_string("/proc/self/status").expect("a file");
            println!("{:?}", status.lines().find(|line| line.starts_with("Uid:")));
            0
        }))
    );
}

fn main() {
    run(&[
        ("groups-of-children", groups_of_children),
        ("group-errors", group_errors),
        ("a-grandchild-is-no-child", a_grandchild_is_no_child),
        ("sessions", sessions),
        ("a-group-lives-on-without-its-leader", a_group_lives_on_without_its_leader),
        ("an-orphaned-group-is-woken", an_orphaned_group_is_woken),
        ("an-orphaned-group-does-not-stop", an_orphaned_group_does_not_stop),
        ("users", users),
        ("file-ids", file_ids),
        ("supplementary-groups", supplementary_groups),
        ("priorities", priorities),
        ("stat-of-the-process", stat_of_the_process),
    ]);
}
