//! splice(2), tee(2), vmsplice(2): what goes from where to where, how much at a time, and what is refused.

use std::ffi::CString;

use linux_programs::descriptors::{Outcome, child, close, control, drain, outcome, pause, pipe, read, run, show, text, write};

fn splice(from: i32, to: i32, bytes: usize, flags: u32) -> Outcome {
    // SAFETY: no memory is passed.
    outcome(unsafe { libc::splice(from, std::ptr::null_mut(), to, std::ptr::null_mut(), bytes, flags) } as i64)
}

fn splice_at(from: i32, mut at: i64, to: i32, mut target: i64, bytes: usize) -> String {
    let pointer = |offset: &mut i64| if *offset < 0 { std::ptr::null_mut() } else { std::ptr::from_mut(offset) };
    let (source, sink) = (pointer(&mut at), pointer(&mut target));
    // SAFETY: the offsets are the call's to change.
    let outcome = outcome(unsafe { libc::splice(from, source, to, sink, bytes, 0) } as i64);
    format!("{} at {at} {target}", show(outcome))
}

fn tee(from: i32, to: i32, bytes: usize, flags: u32) -> Outcome {
    // SAFETY: no memory is passed.
    outcome(unsafe { libc::tee(from, to, bytes, flags) } as i64)
}

fn vmsplice(fd: i32, parts: &mut [&mut [u8]], flags: u32) -> Outcome {
    let vector: Vec<libc::iovec> =
        parts.iter_mut().map(|part| libc::iovec { iov_base: part.as_mut_ptr().cast(), iov_len: part.len() }).collect();
    // SAFETY: the slices are valid for reads and writes.
    outcome(unsafe { libc::vmsplice(fd, vector.as_ptr(), vector.len(), flags) } as i64)
}

fn file(contents: &[u8], flags: i32) -> i32 {
    let _ = std::fs::write("spliced", contents);
    let path = CString::new("spliced").expect("no NUL");
    // SAFETY: a string with its NUL.
    unsafe { libc::open(path.as_ptr(), libc::O_RDWR | flags) }
}

fn place(fd: i32) -> String {
    // SAFETY: no memory is passed.
    show(outcome(unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) }))
}

fn from_a_file() {
    let (reader, writer) = pipe(0);
    let fd = file(b"0123456789", 0);
    println!("{} {} {}", show(splice(fd, writer, 4, 0)), text(reader, 9), place(fd));
    println!("{} {} {}", splice_at(fd, 7, writer, -1, 100), text(reader, 9), place(fd));
    println!("{} {}", show(splice(fd, writer, 100, 0)), text(reader, 99));
    println!("at its end: {}", show(splice(fd, writer, 100, 0)));
    let _ = (close(fd), close(reader), close(writer));
}

fn to_a_file() {
    let (reader, writer) = pipe(0);
    let fd = file(b"..........", 0);
    let _ = write(writer, b"abcdef");
    println!("{} {}", show(splice(reader, fd, 2, 0)), place(fd));
    println!("{} {}", splice_at(reader, -1, fd, 7, 100), place(fd));
    println!("{:?}", std::fs::read_to_string("spliced"));
    println!("nothing there: {}", show(splice(reader, fd, 1, libc::SPLICE_F_NONBLOCK)));
    let late = child(|| {
        pause(20);
        let _ = write(writer, b"late");
        0
    });
    println!("{} {}", show(splice(reader, fd, 100, 0)), late.end());
    let _ = close(writer);
    println!("the end: {}", show(splice(reader, fd, 1, 0)));
    let _ = (close(fd), close(reader));
}

fn between_pipes() {
    let (first_out, first_in) = pipe(0);
    let (second_out, second_in) = pipe(0);
    let _ = write(first_in, b"through");
    println!("{} {}", show(splice(first_out, second_in, 3, 0)), text(second_out, 9));
    println!("{} {} {}", show(tee(first_out, second_in, 2, 0)), text(second_out, 9), text(first_out, 9));
    println!(
        "empty: {} {}",
        show(tee(first_out, second_in, 2, libc::SPLICE_F_NONBLOCK)),
        show(splice(first_out, second_in, 2, libc::SPLICE_F_NONBLOCK))
    );
    let copier = child(|| {
        let _ = (close(first_in), close(second_out));
        let mut total = 0;
        while let Ok(count) = splice(first_out, second_in, 1 << 16, 0) {
            if count == 0 {
                break;
            }
            total += count;
        }
        i32::from(total != 200_000)
    });
    let source = child(|| {
        let bytes: Vec<u8> = (0..200_000u32).map(|at| (at >> 5) as u8).collect();
        i32::from(write(first_in, &bytes) != Ok(200_000))
    });
    let _ = (close(first_in), close(second_in));
    let all = drain(second_out);
    println!("{} {}", all.len(), all.iter().enumerate().all(|(at, &byte)| byte == (at >> 5) as u8));
    println!("{} {}", source.end(), copier.end());
    println!("the end: {}", show(tee(first_out, first_out, 1, 0)));
    let _ = (close(first_out), close(second_out));
}

fn nobody_reads() {
    // SAFETY: no handler is involved.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    let (first_out, first_in) = pipe(0);
    let (second_out, second_in) = pipe(0);
    let _ = (write(first_in, b"stays"), close(second_out));
    println!("{}", show(splice(first_out, second_in, 5, 0)));
    println!("{}", show(tee(first_out, second_in, 5, 0)));
    println!("{}", show(vmsplice(second_in, &mut [&mut [1; 3]], 0)));
    println!("{}", text(first_out, 9));
    for fd in [first_out, first_in, second_in] {
        let _ = close(fd);
    }
}

fn full() {
    let (first_out, first_in) = pipe(0);
    let (second_out, second_in) = pipe(0);
    let _ = (write(first_in, b"more"), write(second_in, &[0; 65536]));
    println!("{}", show(splice(first_out, second_in, 4, libc::SPLICE_F_NONBLOCK)));
    println!("{}", show(tee(first_out, second_in, 4, libc::SPLICE_F_NONBLOCK)));
    let fd = file(b"file", 0);
    println!("{} {}", show(splice(fd, second_in, 4, libc::SPLICE_F_NONBLOCK)), place(fd));
    let _ = control(second_in, libc::F_SETFL, i64::from(libc::O_NONBLOCK));
    println!("{}", show(splice(fd, second_in, 4, 0)));
    println!("{}", text(first_out, 9));
    for fd in [first_out, first_in, second_out, second_in, fd] {
        let _ = close(fd);
    }
}

fn memory() {
    let (reader, writer) = pipe(0);
    println!("{}", show(vmsplice(writer, &mut [&mut *b"one ".to_vec(), &mut *b"two".to_vec()], 0)));
    let (mut first, mut second) = ([0; 2], [0; 9]);
    println!("{} {first:?} {second:?}", show(vmsplice(reader, &mut [&mut first, &mut second], 0)));
    println!("empty: {}", show(vmsplice(reader, &mut [&mut first], libc::SPLICE_F_NONBLOCK)));
    println!("nothing: {} {}", show(vmsplice(writer, &mut [], 0)), show(vmsplice(writer, &mut [&mut []], 0)));
    let _ = write(writer, &[0; 65536]);
    println!("full: {}", show(vmsplice(writer, &mut [&mut first], libc::SPLICE_F_NONBLOCK)));
    println!("no pipe: {}", show(vmsplice(file(b"", 0), &mut [&mut first], 0)));
    let _ = (close(reader), close(writer));
}

fn refused() {
    let (reader, writer) = pipe(0);
    let (other_out, other_in) = pipe(0);
    let (fd, appending) = (file(b"file", 0), file(b"file", libc::O_APPEND));
    let _ = write(writer, b"bytes");
    println!("no pipe at all: {}", show(splice(fd, appending, 4, 0)));
    println!("the same pipe: {} {}", show(splice(reader, writer, 4, 0)), show(tee(reader, writer, 4, 0)));
    println!("appending: {}", show(splice(reader, appending, 4, 0)));
    println!("a pipe's place: {} {}", splice_at(reader, 0, fd, -1, 1), splice_at(fd, -1, writer, 0, 1));
    println!("the wrong ends: {} {}", show(splice(writer, fd, 1, 0)), show(splice(fd, reader, 1, 0)));
    println!("wrong ends of tee: {} {}", show(tee(writer, other_in, 1, 0)), show(tee(reader, other_out, 1, 0)));
    println!("tee of a file: {} {}", show(tee(fd, writer, 1, 0)), show(tee(reader, fd, 1, 0)));
    println!(
        "flags: {} {} {}",
        show(splice(reader, fd, 1, 0x10)),
        show(tee(reader, other_in, 1, 0x10)),
        show(vmsplice(writer, &mut [], 0x10))
    );
    println!("nothing: {} {} {}", show(splice(reader, fd, 0, 0)), show(tee(reader, other_in, 0, 0)), show(splice(-1, -1, 0, 0)));
    println!("not open: {} {}", show(splice(-1, fd, 1, 0)), show(tee(reader, -1, 1, 0)));
    println!("{:?}", read(reader, 9).map(|bytes| bytes.len()));
    for fd in [reader, writer, other_out, other_in, fd, appending] {
        let _ = close(fd);
    }
    let _ = std::fs::remove_file("spliced");
}

fn main() {
    run(&[
        ("from a file", from_a_file),
        ("to a file", to_a_file),
        ("between pipes", between_pipes),
        ("nobody reads", nobody_reads),
        ("full", full),
        ("memory", memory),
        ("refused", refused),
    ]);
}
