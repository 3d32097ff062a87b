//! poll(2), ppoll(2), select(2), pselect(2): what is ready, what is refused, and which signals end a wait.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libc::{POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM};
use linux_programs::call;

type Outcome = Result<i64, String>;

static COUNT: AtomicU32 = AtomicU32::new(0);

extern "C" fn note(_: i32) {
    COUNT.fetch_add(1, Ordering::SeqCst);
}

fn show(outcome: Outcome) -> String {
    outcome.map_or_else(|error| error, |value| value.to_string())
}

/// Call by number.
fn calls(number: libc::c_long, arguments: &[usize]) -> Outcome {
    // SAFETY: all callers give addresses of what outlives the call, or that it refuses.
    unsafe { call(number, arguments) }
}

/// A descriptor, closed at the end.
struct Fd(i32);

impl Drop for Fd {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this one's.
        unsafe { libc::close(self.0) };
    }
}

fn pipe() -> (Fd, Fd) {
    let mut ends = [0; 2];
    // SAFETY: the array is the call's to fill.
    unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_NONBLOCK) };
    (Fd(ends[0]), Fd(ends[1]))
}

fn write(fd: &Fd, bytes: &[u8]) {
    calls(libc::SYS_write, &[fd.0 as usize, bytes.as_ptr() as usize, bytes.len()]).expect("written");
}

fn names(events: i16) -> String {
    let known = [
        (POLLIN, "in"),
        (POLLPRI, "pri"),
        (POLLOUT, "out"),
        (POLLERR, "err"),
        (POLLHUP, "hup"),
        (POLLNVAL, "nval"),
        (POLLRDNORM, "rdnorm"),
        (POLLWRNORM, "wrnorm"),
    ];
    let names: Vec<&str> = known.iter().filter(|(bit, _)| events & bit != 0).map(|(_, name)| *name).collect();
    names.join("+")
}

/// ppoll(2) of descriptors and what is asked of each: the result and what is so.
fn poll(asked: &[(i32, i16)], time: Option<[i64; 2]>, mask: Option<u64>) -> String {
    let mut polls: Vec<libc::pollfd> = asked.iter().map(|&(fd, events)| libc::pollfd { fd, events, revents: -1 }).collect();
    let pointer = |present: Option<usize>| present.unwrap_or(0);
    let time = time.as_ref().map(|time| time.as_ptr() as usize);
    let mask = mask.as_ref().map(|mask| std::ptr::from_ref(mask) as usize);
    let outcome = calls(libc::SYS_ppoll, &[polls.as_mut_ptr() as usize, polls.len(), pointer(time), pointer(mask), 8]);
    if outcome.is_err() {
        return show(outcome);
    }
    let found: Vec<String> = polls.iter().map(|poll| names(poll.revents)).collect();
    format!("{} [{}]", show(outcome), found.join(" "))
}

const NOW: Option<[i64; 2]> = Some([0, 0]);
const ALL: i16 = POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLWRNORM;

fn readiness() {
    let (reader, writer) = pipe();
    println!("an empty pipe: {}", poll(&[(reader.0, ALL), (writer.0, ALL)], NOW, None));
    write(&writer, b"a");
    println!("a byte in it: {}", poll(&[(reader.0, ALL), (writer.0, ALL)], NOW, None));
    println!("only what is asked: {}", poll(&[(reader.0, POLLIN), (writer.0, POLLWRNORM), (reader.0, POLLOUT)], NOW, None));
    println!("not open, and none: {}", poll(&[(999, ALL), (-1, ALL), (-5, 0)], NOW, None));
    let numbers = [reader.0, writer.0];
    drop(writer);
    println!("writer gone: {}", poll(&[(numbers[0], ALL)], NOW, None));
    println!("writer gone, nothing asked: {}", poll(&[(numbers[0], 0)], NOW, None));
    println!("closed: {}", poll(&[(numbers[1], 0)], NOW, None));
    let (reader, writer) = pipe();
    drop(reader);
    println!("reader gone: {}", poll(&[(writer.0, ALL)], NOW, None));
    let (reader, writer) = pipe();
    write(&writer, &[0; 65536]);
    println!("full: {}", poll(&[(reader.0, ALL), (writer.0, ALL)], NOW, None));
    // SAFETY: paths that end in NUL.
    unsafe {
        for (name, flags) in [(c"/dev/null", libc::O_RDWR), (c"/dev/zero", libc::O_RDONLY), (c"/", libc::O_RDONLY), (c"/", libc::O_PATH)] {
            let fd = Fd(libc::open(name.as_ptr(), flags));
            println!("{name:?} {flags:#x}: {}", poll(&[(fd.0, ALL)], NOW, None));
        }
        let memory = Fd(libc::memfd_create(c"memory".as_ptr(), 0));
        println!("a file: {}", poll(&[(memory.0, ALL)], NOW, None));
    }
    let begin = Instant::now();
    println!("nobody: {} {}", poll(&[], Some([0, 20_000_000]), None), begin.elapsed() >= Duration::from_millis(20));
}

fn refusals() {
    println!("bad time: {} {}", poll(&[], Some([0, 1_000_000_000]), None), poll(&[], Some([-1, 0]), None));
    let one = libc::pollfd { fd: -1, events: 0, revents: 0 };
    let address = std::ptr::from_ref(&one) as usize;
    println!("nowhere: {}", show(calls(libc::SYS_ppoll, &[8, 1, 0, 0, 8])));
    println!("too many: {}", show(calls(libc::SYS_ppoll, &[address, 1 << 30, 0, 0, 8])));
    println!("a mask's size: {}", show(calls(libc::SYS_ppoll, &[address, 1, 0, address, 4])));
    println!("no time there: {}", show(calls(libc::SYS_ppoll, &[address, 1, 8, 0, 8])));
    println!("no mask there: {}", show(calls(libc::SYS_ppoll, &[address, 1, 0, 8, 8])));
    let mut set = [0u64; 16];
    let pointer = set.as_mut_ptr() as usize;
    let select = |count: usize, time: usize| show(calls(libc::SYS_pselect6, &[count, pointer, 0, 0, time, 0]));
    println!("a negative count: {}", select(usize::MAX, 0));
    println!("bad time to select: {}", select(0, [0i64, -1].as_ptr() as usize));
    println!("no sets there: {}", show(calls(libc::SYS_pselect6, &[64, 8, 0, 0, [0i64; 2].as_ptr() as usize, 0])));
    println!("no mask to select: {}", show(calls(libc::SYS_pselect6, &[0, 0, 0, 0, [0i64; 2].as_ptr() as usize, 8])));
    let mask = [pointer, 4];
    println!(
        "a mask's size to select: {}",
        show(calls(libc::SYS_pselect6, &[0, 0, 0, 0, [0i64; 2].as_ptr() as usize, mask.as_ptr() as usize]))
    );
}

/// pselect(2) with sets of descriptors: the result and what is in them.
fn select(sets: [&[i32]; 3], time: [i64; 2]) -> String {
    let mut bits = [[0u64; 16]; 3];
    for (set, fds) in bits.iter_mut().zip(sets) {
        fds.iter().for_each(|fd| set[*fd as usize / 64] |= 1 << (fd % 64));
    }
    let [input, output, other] = bits.each_mut().map(|set| set.as_mut_ptr() as usize);
    let outcome = calls(libc::SYS_pselect6, &[1024, input, output, other, time.as_ptr() as usize, 0]);
    let found: Vec<String> = bits
        .iter()
        .zip(sets)
        .map(|(set, fds)| {
            let among: Vec<String> = fds
                .iter()
                .enumerate()
                .filter(|(_, fd)| set[**fd as usize / 64] & 1 << (**fd % 64) != 0)
                .map(|(index, _)| index.to_string())
                .collect();
            let count: u32 = set.iter().map(|word| word.count_ones()).sum();
            format!("{}/{count}", among.join(","))
        })
        .collect();
    format!("{} {}", show(outcome), found.join(" "))
}

fn selects() {
    let (reader, writer) = pipe();
    let both = [reader.0, writer.0];
    println!("select, empty: {}", select([&both, &both, &both], [0, 0]));
    write(&writer, b"a");
    println!("select, a byte: {}", select([&both, &both, &both], [0, 0]));
    println!("select, time out: {}", select([&[], &[], &both], [0, 10_000_000]));
    println!("select, not open: {}", select([&[900], &[], &[]], [0, 0]));
    drop(writer);
    println!("select, writer gone: {}", select([&[reader.0], &[reader.0], &[reader.0]], [0, 0]));
    let (reader, writer) = pipe();
    drop(reader);
    println!("select, reader gone: {}", select([&[writer.0], &[writer.0], &[writer.0]], [0, 0]));
    // SAFETY: the path ends in NUL.
    let place = Fd(unsafe { libc::open(c"/".as_ptr(), libc::O_PATH) });
    println!("select, a place: {}", select([&[place.0], &[], &[]], [0, 0]));
    // SAFETY: descriptors that this function owns.
    unsafe { libc::dup2(writer.0, 1000) };
    println!("select, high: {}", select([&[], &[1000], &[]], [0, 0]));
    let mut set = [1u64 << (writer.0 % 64); 1];
    let outcome = calls(libc::SYS_pselect6, &[writer.0 as usize, 0, set.as_mut_ptr() as usize, 0, [0i64; 2].as_ptr() as usize, 0]);
    println!("select, one less: {} {:#x}", show(outcome), set[0] >> writer.0);
    // SAFETY: the descriptor is this function's.
    unsafe { libc::close(1000) };
}

/// What is left of a time is written back, but not that of 0.
fn rest() {
    let (reader, writer) = pipe();
    let mut time = [5i64, 0];
    let mut polls = [writer.0, reader.0].map(|fd| libc::pollfd { fd, events: POLLIN | POLLOUT, revents: 0 });
    let address = polls.as_mut_ptr() as usize;
    calls(libc::SYS_ppoll, &[address, 1, time.as_mut_ptr() as usize, 0, 8]).expect("ready");
    println!("left: {}", time < [5, 0] && time > [4, 0]);
    time = [0, 10_000_000];
    calls(libc::SYS_ppoll, &[address + size_of::<libc::pollfd>(), 1, time.as_mut_ptr() as usize, 0, 8]).expect("time out");
    println!("nothing left: {time:?}");
    time = [5, 0];
    let mut set = 1u64 << writer.0;
    calls(libc::SYS_pselect6, &[64, 0, (&raw mut set) as usize, 0, time.as_mut_ptr() as usize, 0]).expect("ready");
    println!("left of a select: {}", time < [5, 0] && time > [4, 0]);
    time = [5, 0];
    set = 1 << 63;
    let outcome = calls(libc::SYS_pselect6, &[64, (&raw mut set) as usize, 0, 0, time.as_mut_ptr() as usize, 0]);
    println!("after an error too: {} {}", show(outcome), time < [5, 0] && time > [4, 0]);
    let gone = pipe().1;
    println!("an error is no exception: {}", select([&[], &[], &[gone.0]], [0, 10_000_000]));
}

fn signal_mask(how: i32, set: u64) {
    calls(libc::SYS_rt_sigprocmask, &[how as usize, (&raw const set) as usize, 0, 8]).expect("masked");
}

fn raise(signal: i32) {
    let thread = calls(libc::SYS_gettid, &[]).expect("an id") as usize;
    calls(libc::SYS_tkill, &[thread, signal as usize]).expect("sent");
}

fn told() -> u32 {
    COUNT.load(Ordering::SeqCst)
}

/// The mask holds for the wait, and what it lets through ends it even if it came before.
fn masks() {
    // SAFETY: the handler only counts.
    unsafe { libc::signal(libc::SIGUSR1, note as *const () as usize) };
    let (reader, writer) = pipe();
    let blocked = 1u64 << (libc::SIGUSR1 - 1);
    signal_mask(0, blocked);
    println!("blocked, nothing sent: {} {}", poll(&[(reader.0, POLLIN)], NOW, Some(0)), told());
    raise(libc::SIGUSR1);
    println!("blocked: {} {}", poll(&[(reader.0, POLLIN)], NOW, None), told());
    println!("let through: {} {}", poll(&[(reader.0, POLLIN)], None, Some(0)), told());
    raise(libc::SIGUSR1);
    println!("let through, at once: {} {}", poll(&[(reader.0, POLLIN)], NOW, Some(0)), told());
    raise(libc::SIGUSR1);
    println!("ready before: {} {}", poll(&[(writer.0, POLLOUT)], None, Some(0)), told());
    let mut old = 0u64;
    calls(libc::SYS_rt_sigprocmask, &[0, 0, (&raw mut old) as usize, 8]).expect("asked");
    println!("the mask is back: {}", old & blocked != 0);
    let mask = [0u64];
    let pair = [mask.as_ptr() as usize, 8];
    let outcome = calls(libc::SYS_pselect6, &[0, 0, 0, 0, 0, pair.as_ptr() as usize]);
    println!("select lets it through: {} {}", show(outcome), told());
    // SAFETY: the calls take no memory but what is given.
    unsafe {
        let set = Fd(libc::epoll_create1(0));
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 1 };
        libc::epoll_ctl(set.0, libc::EPOLL_CTL_ADD, reader.0, &raw mut event);
        let wait = |time: i32| {
            let mut found = libc::epoll_event { events: 0, u64: 0 };
            let arguments = [set.0 as usize, (&raw mut found) as usize, 1, time as usize, mask.as_ptr() as usize, 8];
            show(call(libc::SYS_epoll_pwait, &arguments))
        };
        raise(libc::SIGUSR1);
        println!("epoll lets it through: {} {}", wait(-1), told());
        raise(libc::SIGUSR1);
        write(&writer, b"a");
        println!("epoll, ready before: {} {}", wait(-1), told());
    }
    signal_mask(1, blocked);
    println!("let through at last: {}", told());
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(20));
            write(&writer, b"b");
        });
        let (other, _kept) = pipe();
        println!("written meanwhile: {}", poll(&[(other.0, POLLIN), (reader.0, POLLIN)], Some([5, 0]), None));
    });
}

fn main() {
    readiness();
    refusals();
    selects();
    rest();
    masks();
}
