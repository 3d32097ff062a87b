//! Processes that take all that they can get: of memory, processes, descriptors, files. They are refused, or end; the others go on.
//!
//! Those that only a limit of the machine ends are for Chitin alone, whose machine is nobody else's: what they print is told on Linux.
#![expect(clippy::undocumented_unsafe_blocks, reason = "each block is a plain call, on numbers and on the program's own variables")]

use std::sync::atomic::Ordering;

use linux_programs::family::{await_number, child, end_of, run, shared, sleep_ms, sleep_on};
use linux_programs::{called, error_name};

fn is_chitin() -> bool {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(|release| release.contains("chitin"))
}

fn error() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

fn limit(resource: libc::c_int, value: u64) {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    assert_eq!(unsafe { libc::setrlimit(resource as _, &raw const limit) }, 0);
}

/// Map memory and touch it, in blocks of so many bytes, until it is refused; gives how many blocks, and the error.
fn take_memory(block: usize) -> (usize, i32) {
    for count in 0.. {
        let both = libc::PROT_READ | libc::PROT_WRITE;
        let place = unsafe { libc::mmap(std::ptr::null_mut(), block, both, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
        if place == libc::MAP_FAILED {
            return (count, error());
        }
        for at in (0..block).step_by(4096) {
            unsafe { place.cast::<u8>().add(at).write_volatile(1) };
        }
    }
    unreachable!("memory without end")
}

/// Others that work as long as this lasts: one computes, one makes children, one takes a little memory and gives it back. Prints those that
/// did not do well.
fn while_others_work(work: impl FnOnce()) {
    const OVER: usize = 0;
    let steps = shared();
    let is_over = || steps[OVER].load(Ordering::Relaxed) != 0;
    let others = [
        child(|| {
            while !is_over() {
                steps[1].fetch_add(1, Ordering::Relaxed);
                std::thread::yield_now();
            }
            0
        }),
        child(|| {
            while !is_over() {
                let id = unsafe { libc::fork() };
                if id == 0 {
                    unsafe { libc::_exit(7) };
                }
                // It may be refused as long as the bombs hold the memory.
                if id > 0 && end_of(id) != "exit 7" {
                    return 1;
                }
                sleep_ms(2);
            }
            0
        }),
        child(|| {
            while !is_over() {
                let mut memory = vec![0u8; 200_000];
                memory.iter_mut().for_each(|byte| *byte = 1);
                if memory.iter().map(|&byte| usize::from(byte)).sum::<usize>() != memory.len() {
                    return 1;
                }
                sleep_ms(1);
            }
            0
        }),
    ];
    await_number(&steps[1], 10);
    work();
    let at = steps[1].load(Ordering::Relaxed);
    await_number(&steps[1], at + 10);
    steps[OVER].store(1, Ordering::Relaxed);
    println!("the others: {:?}", others.map(end_of));
}

/// A bomb that only the machine's own limits end: how it may end.
fn bomb(work: impl FnOnce() -> i32) {
    while_others_work(|| {
        let end = if is_chitin() { end_of(child(work)) } else { "exit 0".into() };
        println!("{}", if ["exit 0", "signal 9"].contains(&&*end) { "refused or ended" } else { &end });
    });
}

/// In a child, which may have no memory left to say it in: numbers. Gives them, and how it ended.
fn numbers(work: impl FnOnce() -> [i32; 3]) -> ([i32; 3], String) {
    let told = shared();
    let id = child(|| {
        for (place, number) in told.iter().zip(work()) {
            place.store(number, Ordering::SeqCst);
        }
        // Nothing is to be flushed.
        unsafe { libc::_exit(0) }
    });
    let end = end_of(id);
    ([0, 1, 2].map(|index| told[index].load(Ordering::SeqCst)), end)
}

fn address_space() {
    while_others_work(|| {
        let ([blocks, error, small], end) = numbers(|| {
            limit(libc::RLIMIT_AS as _, 64 << 20);
            let (blocks, error) = take_memory(1 << 20);
            [blocks as i32, error, take_memory(4096).1]
        });
        println!("{} {} {}, {end}", (49..64).contains(&blocks), error_name(error), error_name(small));
    });
}

fn data() {
    let ([steps, error, _], end) = numbers(|| {
        limit(libc::RLIMIT_DATA as _, 32 << 20);
        // The C library has its own mind about brk(2).
        let to = |address: i64| unsafe { libc::syscall(libc::SYS_brk, address) };
        let start = to(0);
        let mut steps = 0;
        let at = |steps: i32| start + i64::from(steps) * (1 << 16);
        while to(at(steps + 1)) > at(steps) {
            steps += 1;
        }
        [steps, take_memory(64 << 16).1, 0]
    });
    println!("{} {}, {end}", (400..512).contains(&steps), error_name(error));
}

fn processes() {
    if unsafe { libc::getuid() } != 0 {
        return;
    }
    while_others_work(|| {
        let steps = shared();
        let id = child(|| {
            // A user that has no other processes, nor those of another run of this program.
            let user = 200_000 + unsafe { libc::getpid() } as u32;
            limit(libc::RLIMIT_NPROC as _, 12);
            unsafe {
                libc::setpgid(0, 0);
                assert_eq!(libc::setuid(user), 0);
            }
            // Each makes two, as long as it may; none ends.
            loop {
                let id = unsafe { libc::fork() };
                if id == 0 {
                    steps[0].fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                if id < 0 {
                    steps[1].fetch_add(1, Ordering::SeqCst);
                    steps[2].store(error(), Ordering::SeqCst);
                    sleep_on();
                }
            }
        });
        await_number(&steps[1], 12);
        println!("children: {}, {}", steps[0].load(Ordering::SeqCst), error_name(steps[2].load(Ordering::SeqCst)));
        println!("{}", called(unsafe { libc::kill(-id, libc::SIGKILL) }));
        println!("{}", end_of(id));
    });
}

fn all_memory() {
    // In large pieces and in small ones; and again, when the first is gone.
    for block in [4 << 20, 64 << 10, 4096, 4 << 20] {
        bomb(|| {
            let (count, error) = take_memory(block);
            i32::from(count == 0 || error != libc::ENOMEM)
        });
    }
}

fn all_processes() {
    bomb(|| {
        let steps = shared();
        let id = child(|| {
            unsafe { libc::setpgid(0, 0) };
            loop {
                match unsafe { libc::fork() } {
                    0 => _ = steps[0].fetch_add(1, Ordering::SeqCst),
                    -1 => {
                        steps[2].store(error(), Ordering::SeqCst);
                        steps[1].fetch_add(1, Ordering::SeqCst);
                        sleep_on();
                    }
                    _ => {}
                }
            }
        });
        await_number(&steps[1], 10);
        let refused = [libc::EAGAIN, libc::ENOMEM].contains(&steps[2].load(Ordering::SeqCst));
        // As long as there are some.
        unsafe {
            libc::kill(-id, libc::SIGKILL);
        }
        if end_of(id) == "signal 9" { i32::from(!refused) } else { 2 }
    });
}

fn all_objects() {
    bomb(|| {
        let limit = libc::rlimit { rlim_cur: 1 << 16, rlim_max: 1 << 16 };
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
        let bytes = vec![0u8; 100_000];
        loop {
            let mut ends = [0; 2];
            if unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0, ends.as_mut_ptr()) } != 0 {
                return i32::from(![libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS].contains(&error()));
            }
            unsafe { libc::write(ends[0], bytes.as_ptr().cast(), bytes.len()) };
        }
    });
}

fn all_files() {
    bomb(|| {
        let name = c"/tmp/bomb";
        let file = unsafe { libc::open(name.as_ptr(), libc::O_RDWR | libc::O_CREAT, 0o600) };
        unsafe { libc::unlink(name.as_ptr()) };
        let bytes = vec![1u8; 1 << 20];
        loop {
            match unsafe { libc::write(file, bytes.as_ptr().cast(), bytes.len()) } {
                -1 => return i32::from(error() != libc::ENOSPC),
                0 => return 2,
                _ => {}
            }
        }
    });
}

/// Sockets that are on the way to themselves, and to each other, and that nobody has any more.
fn all_sockets() {
    for round in 0..300 {
        let mut ends = [0; 2];
        assert_eq!(unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_DGRAM, 0, ends.as_mut_ptr()) }, 0);
        for (socket, sent) in [(ends[0], ends[0]), (ends[0], ends[1]), (ends[1], ends[round % 2])] {
            let mut control = [0u64; 4];
            // What makes it worth to be noticed, if it stays.
            let bytes = [0u8; 40_000];
            let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            unsafe {
                let mut message: libc::msghdr = std::mem::zeroed();
                (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
                message.msg_control = control.as_mut_ptr().cast();
                message.msg_controllen = libc::CMSG_SPACE(4) as _;
                let header = libc::CMSG_FIRSTHDR(&raw const message);
                ((*header).cmsg_level, (*header).cmsg_type) = (libc::SOL_SOCKET, libc::SCM_RIGHTS);
                (*header).cmsg_len = libc::CMSG_LEN(4) as _;
                libc::CMSG_DATA(header).cast::<i32>().write_unaligned(sent);
                assert_eq!(libc::sendmsg(socket, &raw const message, 0), 40_000, "{}", called(-1));
            }
        }
        unsafe {
            libc::close(ends[0]);
            libc::close(ends[1]);
        }
    }
    println!("all sent");
}

fn main() {
    run(&[
        ("address space", address_space),
        ("data", data),
        ("processes", processes),
        ("all memory", all_memory),
        ("all processes", all_processes),
        ("all objects", all_objects),
        ("all files", all_files),
        ("all sockets", all_sockets),
    ]);
}
