//! pipe(2) between processes: who has which end, what ends it, what fits in it and who is woken.

use linux_programs::descriptors::{child, close, control, drain, outcome, pause, pipe, poll, read, run, show, text, write};

const READER: &[u8] = b"from the parent";

fn parent_to_child() {
    let (reader, writer) = pipe(0);
    let child = child(|| {
        let _ = close(writer);
        let bytes = drain(reader);
        i32::from(bytes != READER)
    });
    let _ = close(reader);
    println!("written: {}", show(write(writer, READER)));
    let _ = close(writer);
    println!("child: {}", child.end());
}

fn child_to_parent() {
    let (reader, writer) = pipe(0);
    let child = child(|| {
        let _ = write(writer, b"one ");
        pause(20);
        let _ = write(writer, b"two");
        0
    });
    let _ = close(writer);
    println!("all: {:?}", String::from_utf8_lossy(&drain(reader)));
    println!("at the end: {}", text(reader, 10));
    println!("child: {}", child.end());
    let _ = close(reader);
}

fn written_before() {
    let (reader, writer) = pipe(0);
    let _ = write(writer, b"before");
    let child = child(|| {
        let first = read(reader, 3).unwrap_or_default();
        let _ = write(writer, b" after");
        i32::from(first != b"bef")
    });
    println!("child: {}", child.end());
    let _ = close(writer);
    println!("rest: {:?}", String::from_utf8_lossy(&drain(reader)));
    let _ = close(reader);
}

fn no_reader() {
    let (reader, writer) = pipe(0);
    let ignoring = child(|| {
        let _ = close(reader);
        pause(60);
        i32::from(write(writer, b"x") != Err("EPIPE".into()))
    });
    let dying = child(|| {
        // SAFETY: no handler is involved.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        let _ = close(reader);
        pause(60);
        let _ = write(writer, b"x");
        0
    });
    println!("with a reader: {}", poll(writer, libc::POLLOUT, 0));
    let _ = close(reader);
    // Until the children have closed theirs.
    pause(10);
    println!("without: {}", poll(writer, libc::POLLOUT, 0));
    println!("ignored: {}", ignoring.end());
    println!("deadly: {}", dying.end());
    println!("here: {}", show(write(writer, b"x")));
    let _ = close(writer);
}

fn last_writer() {
    let (reader, writer) = pipe(0);
    let spare = outcome(unsafe_dup(writer)).expect("a descriptor") as i32;
    let first = child(|| {
        pause(60);
        0
    });
    let _ = close(writer);
    println!("one left here: {}", poll(reader, libc::POLLIN, 0));
    let _ = close(spare);
    println!("one left in the child: {}", poll(reader, libc::POLLIN, 0));
    println!("it ends: {}", poll(reader, libc::POLLIN, -1));
    println!("end: {}", text(reader, 1));
    println!("child: {}", first.end());
    let _ = close(reader);
}

fn unsafe_dup(fd: i32) -> i32 {
    // SAFETY: the call takes no memory.
    unsafe { libc::dup(fd) }
}

fn records() {
    const SIZE: usize = 3000;
    const COUNT: usize = 60;
    let (reader, writer) = pipe(0);
    let children: Vec<_> = (b'a'..b'd')
        .map(|letter| {
            child(move || {
                let _ = close(reader);
                let record = vec![letter; SIZE];
                i32::from(!(0..COUNT).all(|_| write(writer, &record) == Ok(SIZE as i64)))
            })
        })
        .collect();
    let _ = close(writer);
    let all = drain(reader);
    let whole = all.chunks(SIZE).all(|record| record.len() == SIZE && record.iter().all(|&byte| byte == record[0]));
    let counts: Vec<usize> = (b'a'..b'd').map(|letter| all.iter().filter(|&&byte| byte == letter).count() / SIZE).collect();
    println!("whole: {whole}, of each: {counts:?}");
    for child in children {
        println!("child: {}", child.end());
    }
    let _ = close(reader);
}

fn without_blocking() {
    let (reader, writer) = pipe(libc::O_NONBLOCK);
    let child = child(|| {
        let mut good = read(reader, 1) == Err("EAGAIN".into());
        let mut total = 0;
        while let Ok(count) = write(writer, &[7; 4096]) {
            total += count;
        }
        good &= total == 65536 && write(writer, b"x") == Err("EAGAIN".into());
        i32::from(!good)
    });
    println!("child: {}", child.end());
    println!("full: {}", poll(writer, libc::POLLOUT, 0));
    println!("more: {}", show(write(writer, b"x")));
    println!("a page out: {}", read(reader, 4096).map_or(0, |bytes| bytes.len()));
    println!("part of a large one fits: {}", show(write(writer, &[1; 5000])));
    println!("drained: {}", drain(reader).len());
    println!("empty: {} {}", text(reader, 1), poll(reader, libc::POLLIN, 0));
    let _ = (close(reader), close(writer));
}

fn capacity() {
    let (reader, writer) = pipe(0);
    println!("at first: {}", show(control(reader, libc::F_GETPIPE_SZ, 0)));
    let child = child(|| i32::from(control(writer, libc::F_SETPIPE_SZ, 5000) != Ok(8192)));
    println!("child: {}", child.end());
    println!("set by the child: {}", show(control(reader, libc::F_GETPIPE_SZ, 0)));
    let _ = write(writer, &[0; 6000]);
    println!("too small: {}", show(control(reader, libc::F_SETPIPE_SZ, 4096)));
    println!("of a file: {}", show(control(unsafe_open("/"), libc::F_GETPIPE_SZ, 0)));
    let _ = (close(reader), close(writer));
}

fn unsafe_open(path: &str) -> i32 {
    let path = std::ffi::CString::new(path).expect("no NUL");
    // SAFETY: a string with its NUL.
    unsafe { libc::open(path.as_ptr(), libc::O_RDONLY) }
}

fn bytes_waiting() {
    let (reader, writer) = pipe(0);
    let child = child(|| show(write(writer, b"12345")).parse().unwrap_or(0));
    println!("child: {}", child.end());
    for fd in [reader, writer] {
        let mut count = 0i32;
        // SAFETY: the word is the call's to fill.
        println!("{} {count}", show(outcome(unsafe { libc::ioctl(fd, libc::FIONREAD, &raw mut count) })));
        println!("{count}");
    }
    let _ = (close(reader), close(writer));
}

fn waking() {
    let (reader, writer) = pipe(0);
    let (back, answer) = pipe(0);
    let child = child(|| {
        for _ in 0..200 {
            let Ok(bytes) = read(reader, 100) else { return 1 };
            if write(answer, &bytes) != Ok(bytes.len() as i64) {
                return 2;
            }
        }
        0
    });
    let mut good = 0;
    for round in 0..200u32 {
        let _ = write(writer, &round.to_ne_bytes());
        good += i32::from(read(back, 100).as_deref() == Ok(&round.to_ne_bytes()[..]));
    }
    println!("rounds: {good}, child: {}", child.end());
    for fd in [reader, writer, back, answer] {
        let _ = close(fd);
    }
}

fn bulk() {
    const TOTAL: usize = 1 << 20;
    let (reader, writer) = pipe(0);
    let child = child(|| {
        let _ = close(reader);
        let bytes: Vec<u8> = (0..TOTAL).map(|at| (at * 7 / 3) as u8).collect();
        let mut rest = &bytes[..];
        for size in [1, 100_000, 4096, 65_537, TOTAL] {
            let part = &rest[..size.min(rest.len())];
            if write(writer, part) != Ok(part.len() as i64) {
                return 1;
            }
            rest = &rest[part.len()..];
        }
        0
    });
    let _ = close(writer);
    let mut all = Vec::new();
    for size in [1, 3, 70_000, 8192, 100].into_iter().cycle() {
        match read(reader, size) {
            Ok(bytes) if !bytes.is_empty() => all.extend(bytes),
            _ => break,
        }
    }
    let right = all.iter().enumerate().all(|(at, &byte)| byte == (at * 7 / 3) as u8);
    println!("{} {right}, child: {}", all.len(), child.end());
    let _ = close(reader);
}

fn blocked_writer() {
    let (reader, writer) = pipe(0);
    let child = child(|| {
        let _ = close(reader);
        i32::from(write(writer, &[3; 100_000]) != Ok(100_000))
    });
    let _ = close(writer);
    pause(30);
    let mut total = 0;
    while let Ok(bytes) = read(reader, 10_000) {
        if bytes.is_empty() {
            break;
        }
        total += bytes.len();
    }
    println!("{total}, child: {}", child.end());
    let _ = close(reader);
}

fn broken_in_the_middle() {
    let (reader, writer) = pipe(0);
    let child = child(|| {
        let _ = close(reader);
        match write(writer, &[3; 100_000]) {
            Ok(count) => i32::from(count != 65_536 + 4096),
            Err(_) => 2,
        }
    });
    let _ = close(writer);
    pause(30);
    println!("read: {}", read(reader, 4096).map_or(0, |bytes| bytes.len()));
    pause(30);
    let _ = close(reader);
    println!("what it wrote counts: {}", child.end());
}

fn killed() {
    let (reader, writer) = pipe(0);
    let waiting = child(|| {
        let _ = close(writer);
        let _ = read(reader, 1);
        0
    });
    let _ = close(reader);
    pause(30);
    println!("kill: {}", show(waiting.kill(libc::SIGKILL)));
    println!("child: {}", waiting.end());
    println!("nobody reads: {} {}", poll(writer, libc::POLLOUT, 0), show(write(writer, b"x")));
    let _ = close(writer);
    let (reader, writer) = pipe(0);
    let full = child(|| {
        let _ = write(writer, &[0; 1 << 20]);
        0
    });
    let _ = close(writer);
    pause(30);
    println!("kill: {}", show(full.kill(libc::SIGKILL)));
    println!("child: {}", full.end());
    println!("left, and the end: {}", drain(reader).len());
    let _ = close(reader);
}

fn pipeline() {
    let (first_out, first_in) = pipe(0);
    let (second_out, second_in) = pipe(0);
    let double = child(|| {
        let _ = (close(first_in), close(second_out));
        while let Ok(bytes) = read(first_out, 5) {
            if bytes.is_empty() {
                break;
            }
            let _ = write(second_in, &bytes.to_ascii_uppercase());
        }
        0
    });
    let source = child(|| {
        for word in ["the ", "quick ", "brown ", "fox"] {
            let _ = write(first_in, word.as_bytes());
        }
        0
    });
    for fd in [first_out, first_in, second_in] {
        let _ = close(fd);
    }
    println!("{:?}", String::from_utf8_lossy(&drain(second_out)));
    println!("{} {}", source.end(), double.end());
    let _ = close(second_out);
}

fn nothing_at_all() {
    let (reader, writer) = pipe(0);
    let child = child(|| i32::from(write(writer, b"") != Ok(0) || read(reader, 0) != Ok(Vec::new())));
    println!("child: {}", child.end());
    println!("{} {}", show(write(writer, b"")), poll(reader, libc::POLLIN, 0));
    println!("the wrong end: {} {}", text(writer, 1), show(write(reader, b"x")));
    println!("seek: {}", show(outcome(unsafe_seek(reader))));
    let _ = (close(reader), close(writer));
}

fn unsafe_seek(fd: i32) -> i64 {
    // SAFETY: the call takes no memory.
    unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) }
}

fn opened_again() {
    let (reader, writer) = pipe(0);
    let child = child(|| {
        let own = unsafe_open(&format!("/proc/self/fd/{reader}"));
        let _ = close(reader);
        i32::from(read(own, 10).as_deref() != Ok(b"again"))
    });
    let _ = write(writer, b"again");
    println!("child: {}", child.end());
    let _ = (close(reader), close(writer));
}

fn grandchild() {
    let (reader, writer) = pipe(0);
    let outer = child(|| {
        let inner = child(|| {
            let _ = write(writer, b"inner ");
            0
        });
        let ended = inner.end();
        let _ = write(writer, ended.as_bytes());
        0
    });
    let _ = close(writer);
    println!("{:?} {}", String::from_utf8_lossy(&drain(reader)), outer.end());
    let _ = close(reader);
}

fn main() {
    run(&[
        ("parent to child", parent_to_child),
        ("child to parent", child_to_parent),
        ("written before the fork", written_before),
        ("no reader", no_reader),
        ("last writer", last_writer),
        ("records", records),
        ("without blocking", without_blocking),
        ("capacity", capacity),
        ("bytes waiting", bytes_waiting),
        ("waking", waking),
        ("bulk", bulk),
        ("blocked writer", blocked_writer),
        ("broken in the middle", broken_in_the_middle),
        ("killed", killed),
        ("pipeline", pipeline),
        ("nothing at all", nothing_at_all),
        ("opened again", opened_again),
        ("grandchild", grandchild),
    ]);
}
