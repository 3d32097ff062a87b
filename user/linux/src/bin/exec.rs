//! execve(2) and execveat(2): what they refuse, what of a process they keep and what not. The program executes itself again and again; each
//! stage has a name, its first argument.

use std::ffi::{CStr, CString};
use std::fs;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, thread};

use linux_programs::call;
use linux_programs::family::{child, end_of};

/// Times that the program executes itself to show that nothing is left behind.
const ROUNDS: usize = 1000;
/// What a round may leave in bytes, on the average: less than its arguments.
const BYTES_A_ROUND: u64 = 64;

fn string(text: &str) -> CString {
    CString::new(text).expect("no NUL inside")
}

/// Arguments as execve(2) takes them.
struct Strings {
    _strings: Vec<CString>,
    pointers: Vec<usize>,
}

impl Strings {
    fn new(texts: &[&str]) -> Strings {
        let strings: Vec<CString> = texts.iter().map(|text| string(text)).collect();
        let pointers = strings.iter().map(|text| text.as_ptr() as usize).chain([0]).collect();
        Strings { _strings: strings, pointers }
    }

    fn address(&self) -> usize {
        self.pointers.as_ptr() as usize
    }
}

/// execve(2); only comes back with an error.
fn execute(path: &str, arguments: &[&str], environment: &[&str]) -> String {
    let (path, arguments, environment) = (string(path), Strings::new(arguments), Strings::new(environment));
    // SAFETY: strings and arrays that end as they should.
    unsafe { call(libc::SYS_execve, &[path.as_ptr() as usize, arguments.address(), environment.address()]) }.expect_err("an error")
}

/// execveat(2); only comes back with an error.
fn execute_at(directory: i32, path: &str, arguments: &[&str], flags: i32) -> String {
    let (path, arguments, environment) = (string(path), Strings::new(arguments), Strings::new(&["A=1"]));
    let words = [directory as usize, path.as_ptr() as usize, arguments.address(), environment.address(), flags as usize];
    // SAFETY: as above.
    unsafe { call(libc::SYS_execveat, &words) }.expect_err("an error")
}

fn write(path: &str, contents: &[u8], mode: u32) {
    let _ = fs::remove_file(path);
    fs::write(path, contents).expect("a writable directory");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("one's own file");
}

fn open(path: &str, flags: i32) -> i32 {
    let path = string(path);
    // SAFETY: a string.
    let fd = unsafe { libc::open(path.as_ptr(), flags) };
    assert!(fd >= 0, "{path:?} can be opened");
    fd
}

fn refusals() {
    write("plain", b"#!/bin/sh\n", 0o644);
    write("empty", b"", 0o755);
    write("text", b"hello, world\n", 0o755);
    write("to-missing", b"#!missing/interpreter\n", 0o755);
    write("to-directory", b"#!/\n", 0o755);
    write("to-plain", b"#! ./plain\n", 0o755);
    write("to-text", b"#!\t./text  -x\n", 0o755);
    write("no-path", b"#!  \t \n", 0o755);
    write("nothing-more", b"#!", 0o755);
    write("blanks", &[b"#!".as_slice(), &[b' '; 400]].concat(), 0o755);
    write("long-path", &[b"#!/".as_slice(), &[b'x'; 400], b"\n"].concat(), 0o755);
    write("cut-elf", b"\x7fELF\x02\x01\x01", 0o755);
    write("itself", b"#!./itself\n", 0o755);
    fs::create_dir_all("directory").expect("a writable directory");
    symlink("loop", "loop").expect("a writable directory");
    symlink("text", "link").expect("a writable directory");
    let paths = [
        "missing",
        "missing/more",
        "",
        ".",
        "/",
        "directory",
        "plain",
        "plain/more",
        "empty",
        "text",
        "to-missing",
        "to-directory",
        "to-plain",
        "to-text",
        "no-path",
        "nothing-more",
        "blanks",
        "long-path",
        "cut-elf",
        "itself",
        "loop",
        "link",
        "/dev/null",
        "/proc/self/maps",
        "text/",
        "directory/",
    ];
    for path in paths {
        println!("{path:?}: {}", execute(path, &["x"], &[]));
    }
    println!("a long name: {}", execute(&"n".repeat(256), &["x"], &[]));
    println!("a long path: {}", execute(&"n/".repeat(2048), &["x"], &[]));
    chains();
    sizes();
    pointers();
    edges();
    by_descriptor();
}

/// Scripts that lead to scripts.
fn chains() {
    write("chain-0", b"text", 0o755);
    for index in 1..8 {
        write(&format!("chain-{index}"), format!("#!./chain-{}\n", index - 1).as_bytes(), 0o755);
        println!("{index} scripts: {}", execute(&format!("chain-{index}"), &["x"], &[]));
    }
    write("chain-0", b"#!./missing\n", 0o755);
    for index in 3..7 {
        println!("{index} scripts to nothing: {}", execute(&format!("chain-{index}"), &["x"], &[]));
    }
}

fn set_limit(resource: libc::c_int, soft: u64) {
    // SAFETY: a struct of two words.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(resource, &raw mut limit);
        limit.rlim_cur = soft;
        assert_eq!(libc::setrlimit(resource, &raw const limit), 0);
    }
}

fn sizes() {
    let fits = |length: usize| execute("text", &["x", &"y".repeat(length)], &[]);
    println!("arguments of 128 KiB: {} {}", fits(131_071), fits(131_072));
    println!("a variable of 128 KiB: {} {}", execute("text", &[], &[&"v".repeat(131_071)]), execute("text", &[], &[&"v".repeat(131_072)]));
    let many = |count: usize, length: usize| execute("text", &vec!["z".repeat(length).as_str(); count], &[]);
    println!("many: {} {} {}", many(200_000, 0), many(300_000, 0), many(20, 120_000));
    for (limit, counts) in [(16 << 20, [40, 42]), (64 << 20, [61, 63]), (1 << 20, [2, 3]), (256 << 10, [1, 2])] {
        set_limit(libc::RLIMIT_STACK, limit);
        let [one, other] = counts.map(|count| many(count, 99_990));
        println!("a stack of {limit}: {one} {other}");
    }
    set_limit(libc::RLIMIT_STACK, 8 << 20);
    println!("errors in order: {}", execute("missing", &[&"y".repeat(140_000)], &[]));
}

fn pointers() {
    let (path, good) = (string("text"), Strings::new(&["x"]));
    let bad_string = [good.pointers[0], 1 << 20, 0];
    let high = [1usize << 63, 0];
    for (label, words) in [
        ("path", [8, good.address(), good.address()]),
        ("arguments", [path.as_ptr() as usize, 8, good.address()]),
        ("environment", [path.as_ptr() as usize, good.address(), 8]),
        ("an argument", [path.as_ptr() as usize, bad_string.as_ptr() as usize, good.address()]),
        ("a variable", [path.as_ptr() as usize, good.address(), high.as_ptr() as usize]),
        ("no arrays", [path.as_ptr() as usize, 0, 0]),
    ] {
        // SAFETY: the kernel checks addresses; nothing is executed.
        println!("{label}: {:?}", unsafe { call(libc::SYS_execve, &words) });
    }
}

/// Strings near the end of a page, with another page behind it that can be read, or cannot.
fn edges() {
    const PAGE: usize = 4096;
    let anywhere = std::ptr::null_mut();
    // SAFETY: fresh pages, of which the last cannot be used from then on.
    let pages = unsafe {
        let pages = libc::mmap(anywhere, 3 * PAGE, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
        assert!(pages != libc::MAP_FAILED && libc::munmap(pages.byte_add(2 * PAGE), PAGE) == 0);
        std::slice::from_raw_parts_mut(pages.cast::<u8>(), 2 * PAGE)
    };
    let path = string("./program");
    let run = |arguments: &[usize]| {
        // SAFETY: the strings are what is tried, the array ends as it should.
        unsafe { call(libc::SYS_execve, &[path.as_ptr() as usize, arguments.as_ptr() as usize, 0]) }.expect_err("an error")
    };
    for length in [1, 7, 8, 95, 96, 97, 300] {
        pages[2 * PAGE - length..].fill(b'x');
        println!("{length} bytes without an end: {}", run(&[path.as_ptr() as usize, &raw const pages[2 * PAGE - length] as usize, 0]));
    }
    // Each ends a page: the first of them where one more can be read, the others where none can.
    let (near, far) = pages.split_at_mut(PAGE);
    for length in [0, 1, 7, 8, 94, 95, 96, 300] {
        for page in [&mut *near, &mut *far] {
            page[PAGE - length - 1..PAGE - 1].copy_from_slice(&(0..length).map(|at| b'a' + (at % 26) as u8).collect::<Vec<u8>>());
            page[PAGE - 1] = 0;
        }
        // One that goes on in the other page.
        far[..length].fill(b'z');
        far[length] = 0;
        let ends = [&raw const near[PAGE - length - 1] as usize, &raw const far[PAGE - length - 1] as usize];
        let stage = string("edge");
        let run = |other: usize| run(&[path.as_ptr() as usize, stage.as_ptr() as usize, ends[0], ends[1], other, 0]);
        println!("{length} bytes at the end: {}", end_of(child(|| unreachable!("{}", run(ends[1])))));
        near[PAGE - 1] = b'y';
        let over = &raw const near[PAGE - length - 1] as usize;
        println!("{length} bytes and more in another page: {}", end_of(child(|| unreachable!("{}", run(over)))));
    }
}

fn by_descriptor() {
    let directory = open(".", libc::O_RDONLY | libc::O_DIRECTORY);
    let text = open("text", libc::O_RDONLY);
    let place = open("text", libc::O_PATH);
    let link = open("link", libc::O_PATH | libc::O_NOFOLLOW);
    let script = open("to-missing", libc::O_RDONLY);
    let closed = open("to-missing", libc::O_RDONLY | libc::O_CLOEXEC);
    let (empty, keep) = (libc::AT_EMPTY_PATH, libc::AT_SYMLINK_NOFOLLOW);
    for (label, outcome) in [
        ("by name", execute_at(directory, "text", &["x"], 0)),
        ("by link", execute_at(directory, "link", &["x"], 0)),
        ("not by link", execute_at(directory, "link", &["x"], keep)),
        ("missing", execute_at(directory, "missing", &["x"], empty)),
        ("empty", execute_at(text, "", &["x"], 0)),
        ("empty and allowed", execute_at(text, "", &["x"], empty)),
        ("a place", execute_at(place, "", &["x"], empty)),
        ("a link's place", execute_at(link, "", &["x"], empty)),
        ("the directory", execute_at(directory, "", &["x"], empty)),
        ("the current directory", execute_at(libc::AT_FDCWD, "", &["x"], empty)),
        ("no directory", execute_at(text, "more", &["x"], 0)),
        ("no descriptor", execute_at(99, "text", &["x"], 0)),
        ("no descriptor, empty", execute_at(99, "", &["x"], empty)),
        ("absolute", execute_at(99, "/missing", &["x"], 0)),
        ("a flag", execute_at(directory, "text", &["x"], 0x2000)),
        ("a script", execute_at(script, "", &["x"], empty)),
        ("a script that will be closed", execute_at(closed, "", &["x"], empty)),
    ] {
        println!("execveat, {label}: {outcome}");
    }
    for fd in [directory, text, place, link, script, closed] {
        // SAFETY: descriptors that nobody else has.
        unsafe { libc::close(fd) };
    }
}

extern "C" fn handle(_: libc::c_int) {}

fn set_action(signal: i32, handler: usize) {
    // SAFETY: a zeroed action with a handler that does nothing, or one of the fixed ones.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}

fn block(signals: &[i32]) {
    // SAFETY: a set that is made before it is used.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for &signal in signals {
            libc::sigaddset(&raw mut set, signal);
        }
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
    }
}

/// Where a mapping is made that is not to be there any more.
const MAPPING: usize = 0x1234_0000_0000;

/// Leave traces of all kinds.
fn leave_traces() {
    set_action(libc::SIGUSR1, libc::SIG_IGN);
    set_action(libc::SIGUSR2, handle as *const () as usize);
    block(&[libc::SIGTERM, libc::SIGRTMIN()]);
    let stack = vec![0u8; 65536].leak();
    // SAFETY: memory that stays; signals that are blocked; a fixed mapping where nothing is; a mask; a timer that does not end.
    unsafe {
        libc::raise(libc::SIGTERM);
        let alternate = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: stack.len() };
        libc::sigaltstack(&raw const alternate, std::ptr::null_mut());
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        let mapping = libc::mmap(MAPPING as *mut _, 4096, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
        *mapping.cast::<u8>() = 1;
        libc::umask(0o027);
        control_word(0x6000, 0x40_0000);
    }
    env::set_current_dir("directory").expect("it was made");
}

/// Set bits of the floating-point control register (MXCSR, FPCR); gives what it was.
///
/// # Safety
/// Nothing that follows depends on how numbers are rounded.
unsafe fn control_word(x86_64: u64, aarch64: u64) -> bool {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise; the bits are those of rounding.
    unsafe {
        let _ = aarch64;
        let mut word = 0u32;
        std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut word);
        let initial = word & 0xffc0 == 0x1f80;
        word |= x86_64 as u32;
        std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const word);
        initial
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        let _ = x86_64;
        let mut word: u64;
        std::arch::asm!("mrs {}, fpcr", out(reg) word);
        let initial = word == 0;
        word |= aarch64;
        std::arch::asm!("msr fpcr, {}", in(reg) word);
        initial
    }
}

fn pipe(flags: i32) -> [i32; 2] {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), flags) }, 0);
    ends
}

/// Threads in every state: in a call that waits, waiting for each other, running, ended.
fn leave_threads() -> i32 {
    let [reader, writer] = pipe(libc::O_CLOEXEC);
    // SAFETY: a descriptor of one's own: the new program is to have it, and not the end that a thread writes to.
    unsafe { libc::fcntl(reader, libc::F_SETFD, 0) };
    static READY: AtomicBool = AtomicBool::new(false);
    thread::spawn(move || {
        let bytes = [b'x'; 70_000];
        READY.store(true, Ordering::Relaxed);
        // SAFETY: the pipe has less room than the bytes that are there: this waits.
        unsafe { libc::write(writer, bytes.as_ptr().cast(), bytes.len()) };
        println!("the writer went on");
    });
    thread::spawn(thread::park);
    thread::spawn(|| thread::sleep(Duration::from_secs(1000)));
    thread::spawn(|| {
        loop {
            std::hint::spin_loop();
        }
    });
    thread::spawn(|| {}).join().expect("no panic");
    while !READY.load(Ordering::Relaxed) {
        thread::yield_now();
    }
    thread::sleep(Duration::from_millis(30));
    reader
}

fn first() {
    let program = fs::read("/proc/self/exe").expect("one's own file");
    write("program", &program, 0o755);
    symlink("program", "another-name-of-it").expect("a writable directory");
    refusals();
    let kept = open("text", libc::O_RDONLY);
    let closed = open("text", libc::O_RDONLY | libc::O_CLOEXEC);
    // SAFETY: descriptors of one's own, moved out of the way; bytes that are there.
    unsafe {
        let mut byte = 0u8;
        libc::read(kept, (&raw mut byte).cast(), 1);
        libc::dup2(kept, 20);
        libc::dup3(closed, 21, libc::O_CLOEXEC);
        libc::dup2(20, 22);
        libc::close(kept);
        libc::close(closed);
        libc::alarm(10_000);
    }
    leave_traces();
    let reader = leave_threads();
    let error =
        execute("../another-name-of-it", &["zeroth", "second", "", "two words", &reader.to_string()], &["PATH=/bin", "X=1", "no sign"]);
    println!("not executed: {error}");
}

fn name() -> String {
    fs::read_to_string("/proc/self/comm").expect("a name").trim_end().into()
}

fn executable_name() -> String {
    // SAFETY: the kernel leaves a string there.
    unsafe { CStr::from_ptr(libc::getauxval(libc::AT_EXECFN) as *const _) }.to_string_lossy().into_owned()
}

fn threads() -> String {
    let status = fs::read_to_string("/proc/self/status").expect("a status");
    status.lines().find(|line| line.starts_with("Threads:")).unwrap_or_default().replace('\t', " ")
}

/// What there is to see of oneself that does not depend on where the test runs.
fn tell() {
    println!("arguments: {:?}", env::args().collect::<Vec<_>>());
    println!("called {:?}", executable_name());
    // SAFETY: the calls take nothing.
    println!("first thread: {}, {}", unsafe { libc::getpid() == libc::gettid() }, threads());
    let arguments = fs::read("/proc/self/cmdline").expect("a command line");
    println!("command line: {} strings", arguments.iter().filter(|&&byte| byte == 0).count());
}

fn tell_signals() {
    for signal in [libc::SIGUSR1, libc::SIGUSR2, libc::SIGCHLD] {
        // SAFETY: room for an action.
        let action = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &raw mut action);
            action
        };
        println!("signal {signal}: {} {:#x}", action.sa_sigaction, action.sa_flags & libc::SA_RESTART);
    }
    // SAFETY: room for sets and a stack.
    unsafe {
        let (mut blocked, mut pending): (libc::sigset_t, libc::sigset_t) = std::mem::zeroed();
        libc::sigprocmask(0, std::ptr::null(), &raw mut blocked);
        libc::sigpending(&raw mut pending);
        let of = |set| [libc::SIGTERM, libc::SIGRTMIN(), libc::SIGUSR1].map(|signal| libc::sigismember(set, signal));
        println!("blocked: {:?}, pending: {:?}", of(&raw const blocked), of(&raw const pending));
    }
}

fn second() {
    // SAFETY: nothing depends on rounding.
    println!("rounds as at first: {}", unsafe { control_word(0, 0) });
    println!("name: {:?}", name());
    tell();
    let mut variables: Vec<String> = env::vars().map(|(name, value)| format!("{name}={value}")).collect();
    variables.sort();
    println!("environment: {variables:?}");
    tell_signals();
    // SAFETY: the calls only ask.
    unsafe {
        println!("mapping: {:?}", call(libc::SYS_mincore, &[MAPPING, 4096, (&raw mut *Box::new(0u8)) as usize]));
        println!("umask: {:o}, alarm runs: {}", libc::umask(0o022), libc::alarm(0) > 9_000);
        println!("descriptors: {:?}", [20, 21, 22].map(|fd| libc::fcntl(fd, libc::F_GETFD)));
        println!("offset: {}", libc::lseek(20, 0, libc::SEEK_CUR));
    }
    println!("directory: {:?}", env::current_dir().expect("a directory").file_name());
    let reader: i32 = env::args().nth(4).and_then(|fd| fd.parse().ok()).expect("a descriptor");
    // SAFETY: the first stage left it to this one.
    let mut pipe = unsafe { fs::File::from_raw_fd(reader) };
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).expect("a pipe");
    println!("of the writer: {}", bytes.len());
    drop(pipe);
    env::set_current_dir("..").expect("a directory");
    write("script", b"#! ./program  third argument \nthe rest\n", 0o755);
    println!("not executed: {}", execute("./script", &["zeroth", "given", "more"], &["B=2"]));
}

fn third() {
    println!("name: {:?}", name());
    tell();
    let program = fs::File::open("program").expect("it is there");
    println!("not executed: {}", execute_at(program.as_raw_fd(), "", &["zeroth", "fourth"], libc::AT_EMPTY_PATH));
}

fn fourth() {
    tell();
    write("script", b"#!./program fifth\n", 0o755);
    let script = open("script", libc::O_RDONLY);
    println!("not executed: {}", execute_at(script, "", &["zeroth"], libc::AT_EMPTY_PATH));
}

fn fifth() {
    tell();
    println!("the script: {:?}", fs::read_to_string(env::args().nth(2).expect("a path")).ok());
    let directory = open(".", libc::O_PATH | libc::O_CLOEXEC);
    println!("not executed: {}", execute_at(directory, "program", &["zeroth", "sixth"], 0));
}

fn sixth() {
    println!("name: {:?}", name());
    tell();
    thread::spawn(|| {
        println!("not executed: {}", execute("program", &["zeroth", "seventh"], &[]));
    })
    .join()
    .expect("no panic");
}

fn free_memory() -> u64 {
    // SAFETY: room for what is asked.
    unsafe {
        let mut information: libc::sysinfo = std::mem::zeroed();
        libc::sysinfo(&raw mut information);
        information.freeram * u64::from(information.mem_unit)
    }
}

/// Whether the system is Chitin, where nobody else uses memory.
fn is_alone() -> bool {
    fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(|release| release.contains("chitin"))
}

fn round() {
    let argument = |index| env::args().nth(index).and_then(|text| text.parse::<u64>().ok()).expect("a number");
    let (left, before) = (argument(2), argument(3));
    // The first rounds may still make room for what comes.
    let before = if left == ROUNDS as u64 - 10 { free_memory() } else { before };
    if left > 0 {
        let (left, before) = ((left - 1).to_string(), before.to_string());
        println!("not executed: {}", execute("./program", &["zeroth", "round", &left, &before, &"long".repeat(1000)], &["C=3"]));
    }
    let lost = before.saturating_sub(free_memory());
    println!(
        "rounds done, memory kept: {}",
        !is_alone() || lost < BYTES_A_ROUND * ROUNDS as u64 || {
            println!("lost {lost}");
            false
        }
    );
    std::process::exit(7);
}

fn main() {
    match env::args().nth(1).as_deref() {
        None => first(),
        Some("second") => second(),
        Some("third argument") => third(),
        Some("fourth") => fourth(),
        Some("fifth") => fifth(),
        Some("sixth") => sixth(),
        Some("seventh") => {
            tell();
            println!("not executed: {}", execute("./program", &["zeroth", "round", &ROUNDS.to_string(), "0"], &[]));
        }
        Some("round") => round(),
        Some("edge") => println!("{:?}", env::args().skip(2).collect::<Vec<_>>()),
        Some(other) => println!("no stage {other:?}"),
    }
}
