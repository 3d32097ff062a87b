//! `ETXTBSY`: what runs is not written to, and what is open for writing does not run. What is not refused stands beside it.
#![expect(clippy::undocumented_unsafe_blocks, reason = "each block is a plain call, on numbers and on strings of the program's own")]

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use linux_programs::call;
use linux_programs::calls::{in_folder, opened, opens};
use linux_programs::descriptors::{Child, child, close, outcome, pipe, read, run, show, write};

fn text(text: &str) -> CString {
    CString::new(text).expect("no NUL")
}

/// A copy of this program.
fn copy(path: &str) {
    fs::copy("/proc/self/exe", path).expect("a copy");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("one's own file");
}

/// execve(2) of a path with an argument; comes back with an error only.
fn execute(path: &str, argument: &str) -> String {
    let (path, argument) = (text(path), text(argument));
    let arguments = [path.as_ptr(), argument.as_ptr(), std::ptr::null()];
    let environment = [std::ptr::null::<libc::c_char>()];
    let words = [path.as_ptr() as usize, arguments.as_ptr() as usize, environment.as_ptr() as usize];
    unsafe { call(libc::SYS_execve, &words) }.expect_err("an error")
}

/// What comes of running a file.
fn runs(path: &str) -> String {
    let (reading, writing) = pipe(libc::O_CLOEXEC);
    let other = child(|| {
        let error = execute(path, "end");
        let _ = write(writing, error.as_bytes());
        1
    });
    let _ = close(writing);
    let error = read(reading, 64).unwrap_or_default();
    let _ = close(reading);
    let end = other.end();
    if error.is_empty() { format!("ran: {end}") } else { String::from_utf8_lossy(&error).into_owned() }
}

/// A process that runs a file until its pipe is closed.
struct Running {
    process: Child,
    writing: i32,
}

impl Running {
    fn start(path: &str) -> Running {
        let (reading, writing) = pipe(libc::O_CLOEXEC);
        let (told, telling) = pipe(libc::O_CLOEXEC);
        let process = child(|| {
            let _ = close(writing);
            let _ = close(told);
            unsafe {
                libc::dup2(reading, 0);
                libc::dup2(telling, 4);
            }
            println!("{}", execute(path, "wait"));
            1
        });
        let _ = close(reading);
        let _ = close(telling);
        assert_eq!(read(told, 1), Ok(b"r".to_vec()), "it runs");
        let _ = close(told);
        Running { process, writing }
    }

    fn end(self) -> String {
        let _ = close(self.writing);
        self.process.end()
    }
}

fn truncates(path: &str) -> String {
    let path = text(path);
    show(outcome(unsafe { libc::truncate(path.as_ptr(), 10) }))
}

fn open_for_writing() {
    in_folder("busy-writing", || {
        copy("program");
        println!("at first: {}", runs("program"));
        for (name, flags) in
            [("to write", libc::O_WRONLY), ("to read and write", libc::O_RDWR), ("to append", libc::O_WRONLY | libc::O_APPEND)]
        {
            let fd = opened("program", flags);
            println!("open {name}: {}", runs("program"));
            let _ = close(fd);
            println!("closed: {}", runs("program"));
        }
        let reader = opened("program", libc::O_RDONLY);
        println!("open to read: {}", runs("program"));
        let _ = close(reader);
        let fd = opened("program", libc::O_WRONLY);
        let second = unsafe { libc::dup(fd) };
        let _ = close(fd);
        println!("a duplicate is left: {}", runs("program"));
        let _ = close(second);
        println!("none is left: {}", runs("program"));
        fs::set_permissions("program", fs::Permissions::from_mode(0o644)).expect("one's own file");
        let fd = opened("program", libc::O_WRONLY);
        println!("not to be executed, and open to write: {}", runs("program"));
        let _ = close(fd);
    });
}

/// Written by one process, and run by the next as soon as that says so.
fn written_elsewhere() {
    in_folder("busy-elsewhere", || {
        let (reading, writing) = pipe(0);
        let (reading_back, writing_back) = pipe(0);
        let writer = child(|| {
            for _ in 0..5 {
                copy("program");
                let _ = write(writing, b"w");
                let _ = read(reading_back, 1);
            }
            0
        });
        for _ in 0..5 {
            assert_eq!(read(reading, 1), Ok(b"w".to_vec()));
            println!("written, closed, run: {}", runs("program"));
            let _ = write(writing_back, b"g");
        }
        println!("the writer: {}", writer.end());
        let holder_pipe = pipe(0);
        let fd = opened("program", libc::O_RDWR);
        let holder = child(|| {
            let _ = close(holder_pipe.1);
            let _ = read(holder_pipe.0, 1);
            0
        });
        let _ = close(fd);
        println!("a child has it open: {}", runs("program"));
        let _ = close(holder_pipe.1);
        println!("the child: {}", holder.end());
        println!("it is gone: {}", runs("program"));
    });
}

fn mapped() {
    in_folder("busy-mapped", || {
        copy("program");
        let fd = opened("program", libc::O_RDWR);
        let map = |protection, flags| unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, flags, fd, 0) };
        let area = map(libc::PROT_READ, libc::MAP_SHARED);
        let _ = close(fd);
        println!("mapped, opened to write: {}", runs("program"));
        unsafe { libc::munmap(area, 4096) };
        println!("unmapped: {}", runs("program"));
    });
}

fn running() {
    in_folder("busy-running", || {
        copy("program");
        let other = Running::start("./program");
        println!("to write: {}", opens("program", libc::O_WRONLY));
        println!("to read and write: {}", opens("program", libc::O_RDWR));
        println!("to write, and cut: {}", opens("program", libc::O_WRONLY | libc::O_TRUNC));
        println!("to read, and cut: {}", opens("program", libc::O_RDONLY | libc::O_TRUNC));
        println!("to make it anew: {}", opens("program", libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC));
        println!("exclusively: {}", opens("program", libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL));
        println!("as a directory: {}", opens("program", libc::O_WRONLY | libc::O_DIRECTORY));
        println!("truncate: {}", truncates("program"));
        println!("to read: {}", opens("program", libc::O_RDONLY));
        println!("a place: {}", opens("program", libc::O_PATH));
        println!("its size: {}", fs::metadata("program").is_ok_and(|data| data.len() > 10_000));
        println!("to be run twice: {}", runs("program"));
        fs::set_permissions("program", fs::Permissions::from_mode(0o700)).expect("its mode may change");
        fs::hard_link("program", "linked").expect("it may have another name");
        println!("by another name: {}", opens("linked", libc::O_WRONLY));
        fs::rename("linked", "moved").expect("it may move");
        println!("by a third: {}", opens("moved", libc::O_WRONLY));
        fs::write("other", b"other").expect("a file");
        fs::rename("other", "program").expect("another may take its name");
        println!("what has its name now: {}", opens("program", libc::O_WRONLY));
        fs::remove_file("moved").expect("it may be removed");
        println!("it goes on: {}", other.end());
    });
}

fn ends() {
    in_folder("busy-ends", || {
        copy("program");
        let (first, second) = (Running::start("./program"), Running::start("./program"));
        println!("run twice: {}", opens("program", libc::O_WRONLY));
        println!("one ends: {} {}", first.end(), opens("program", libc::O_WRONLY));
        println!("both: {} {}", second.end(), opens("program", libc::O_WRONLY));
        let third = Running::start("./program");
        let _ = third.process.kill(libc::SIGKILL);
        println!("killed: {} {}", third.end(), opens("program", libc::O_WRONLY));
        let fourth = Running::start("./program");
        println!("while a fourth runs: {}", opens("program", libc::O_WRONLY));
        println!("it ends: {} {}", fourth.end(), truncates("program"));
    });
}

/// A process that runs another program, and its children.
fn replaced() {
    in_folder("busy-replaced", || {
        copy("first");
        copy("second");
        let (told, telling) = pipe(0);
        let (reading, writing) = pipe(0);
        let other = child(|| {
            unsafe {
                libc::dup2(reading, 0);
                libc::dup2(telling, 4);
            }
            let _ = close(writing);
            println!("{}", execute("./first", "second"));
            1
        });
        let _ = close(telling);
        assert_eq!(read(told, 1), Ok(b"r".to_vec()));
        println!("the one that it ran: {}", opens("first", libc::O_WRONLY));
        println!("the one that it runs: {}", opens("second", libc::O_WRONLY));
        let _ = close(writing);
        println!("it: {}", other.end());
    });
}

fn scripts() {
    in_folder("busy-scripts", || {
        copy("interpreter");
        fs::write("script", b"#!./interpreter wait\n").expect("a file");
        fs::set_permissions("script", fs::Permissions::from_mode(0o755)).expect("one's own file");
        let other = Running::start("./script");
        println!("a script that runs: {}", opens("script", libc::O_WRONLY));
        println!("what it is run by: {}", opens("interpreter", libc::O_WRONLY));
        println!("it: {}", other.end());
        println!("afterwards: {}", opens("interpreter", libc::O_WRONLY));
        let fd = opened("script", libc::O_WRONLY);
        println!("a script that is open to write: {}", runs("script"));
        let _ = close(fd);
        let fd = opened("interpreter", libc::O_WRONLY);
        println!("its interpreter is: {}", runs("script"));
        let _ = close(fd);
        println!("what failed keeps nothing: {} {}", opens("script", libc::O_WRONLY), opens("interpreter", libc::O_WRONLY));
        fs::write("text", b"no program").expect("a file");
        fs::set_permissions("text", fs::Permissions::from_mode(0o755)).expect("one's own file");
        println!("no program: {} {}", runs("text"), opens("text", libc::O_WRONLY));
        println!("from within: {}", execute("./text", "x"));
        println!("then: {}", opens("text", libc::O_WRONLY));
    });
}

/// What the program does that is run: `name` is its argument.
fn stage(name: &str) {
    match name {
        "wait" => {
            let _ = write(4, b"r");
            let _ = close(4);
            let _ = read(0, 1);
        }
        "second" => println!("{}", execute("./second", "wait")),
        _ => {}
    }
}

fn main() {
    let own = std::env::args().nth(1).unwrap_or_default();
    if ["wait", "second", "end"].contains(&own.as_str()) {
        return stage(&own);
    }
    run(&[
        ("open for writing", open_for_writing),
        ("written elsewhere", written_elsewhere),
        ("mapped", mapped),
        ("running", running),
        ("ends", ends),
        ("replaced", replaced),
        ("scripts", scripts),
    ]);
}
