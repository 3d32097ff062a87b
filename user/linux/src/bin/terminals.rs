//! Terminals by their pairs: line editing, modes, job control, hang-ups.
#![expect(clippy::undocumented_unsafe_blocks, reason = "each block is a plain call, on numbers and on the program's own variables")]

use std::ffi::CString;
use std::sync::atomic::{AtomicI32, Ordering};

use libc::c_int;
use linux_programs::called;
use linux_programs::family::{await_number, block, child, end_of, handle, run, shared, sleep_ms, sleep_on, wait};

/// How long nothing must come for all to have come, in milliseconds: Linux moves bytes from one end to the other in a worker of its own.
const QUIET_MS: c_int = 150;

/// A master, and its slave.
struct Pair {
    master: c_int,
    slave: c_int,
}

fn name_of(master: c_int) -> CString {
    let mut number: c_int = -1;
    unsafe { libc::ioctl(master, libc::TIOCGPTN as _, &raw mut number) };
    CString::new(format!("/dev/pts/{number}")).expect("no NUL")
}

fn master() -> c_int {
    unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY) }
}

fn open(name: &CString, flags: c_int) -> c_int {
    unsafe { libc::open(name.as_ptr(), flags) }
}

fn unlocked() -> c_int {
    let master = master();
    unsafe {
        libc::grantpt(master);
        libc::unlockpt(master);
    }
    master
}

fn pair() -> Pair {
    let master = unlocked();
    let slave = open(&name_of(master), libc::O_RDWR | libc::O_NOCTTY);
    assert!(slave >= 0, "a slave");
    Pair { master, slave }
}

fn modes(fd: c_int) -> libc::termios {
    unsafe {
        let mut modes = std::mem::zeroed();
        libc::tcgetattr(fd, &raw mut modes);
        modes
    }
}

fn set_modes(fd: c_int, change: impl FnOnce(&mut libc::termios)) -> c_int {
    let mut modes = modes(fd);
    change(&mut modes);
    unsafe { libc::tcsetattr(fd, libc::TCSANOW, &raw const modes) }
}

fn raw(fd: c_int) {
    set_modes(fd, |modes| unsafe { libc::cfmakeraw(modes) });
}

fn quiet(fd: c_int) {
    set_modes(fd, |modes| modes.c_lflag &= !libc::ECHO);
}

fn set_nonblocking(fd: c_int, on: bool) {
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    let flags = if on { flags | libc::O_NONBLOCK } else { flags & !libc::O_NONBLOCK };
    unsafe { libc::fcntl(fd, libc::F_SETFL, flags) };
}

fn put(fd: c_int, bytes: &[u8]) -> String {
    called(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) } as i32)
}

fn take(fd: c_int, most: usize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; most];
    let count = unsafe { libc::read(fd, bytes.as_mut_ptr().cast(), most) };
    if count < 0 {
        return Err(called(-1));
    }
    bytes.truncate(count as usize);
    Ok(bytes)
}

/// What a read gives, as text.
fn text(fd: c_int, most: usize) -> String {
    take(fd, most).map_or_else(|error| error, |bytes| format!("\"{}\"", bytes.escape_ascii()))
}

fn poll(fd: c_int, events: i16, timeout: c_int) -> i16 {
    let mut polled = libc::pollfd { fd, events, revents: 0 };
    unsafe { libc::poll(&raw mut polled, 1, timeout) };
    polled.revents
}

/// All that comes until nothing does.
fn all(fd: c_int) -> String {
    let mut seen = Vec::new();
    while poll(fd, libc::POLLIN, QUIET_MS) & libc::POLLIN != 0 {
        match take(fd, 4096) {
            Ok(bytes) if !bytes.is_empty() => seen.extend(bytes),
            _ => break,
        }
    }
    format!("\"{}\"", seen.escape_ascii())
}

fn ready(fd: c_int) -> bool {
    poll(fd, libc::POLLIN, QUIET_MS) & libc::POLLIN != 0
}

fn waiting(fd: c_int) -> c_int {
    let mut count = -1;
    unsafe { libc::ioctl(fd, libc::FIONREAD as _, &raw mut count) };
    count
}

/// Wait until so many bytes can be read, some seconds at most.
fn await_waiting(fd: c_int, count: c_int) {
    for _ in 0..1000 {
        if waiting(fd) == count {
            return;
        }
        sleep_ms(5);
    }
}

fn control(fd: c_int, request: u64, argument: usize) -> String {
    called(unsafe { libc::ioctl(fd, request as _, argument) })
}

fn names() {
    let Pair { master, slave } = pair();
    let name = name_of(master);
    println!("{}", name.to_str().is_ok_and(|name| name.starts_with("/dev/pts/")));
    println!("{} {}", unsafe { libc::isatty(master) }, unsafe { libc::isatty(slave) });
    let link = std::fs::read_link(format!("/proc/self/fd/{slave}")).expect("a link");
    println!("{}", link.to_str() == name.to_str().ok());
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    unsafe { libc::fstat(slave, &raw mut stat) };
    println!("{:o} {}", stat.st_mode & libc::S_IFMT, libc::major(stat.st_rdev));
    unsafe { libc::fstat(master, &raw mut stat) };
    println!("{:o} {} {}", stat.st_mode & libc::S_IFMT, libc::major(stat.st_rdev), libc::minor(stat.st_rdev));
    let number = name.to_str().expect("ASCII").rsplit('/').next().expect("a number").to_owned();
    let listed = || std::fs::read_dir("/dev/pts").expect("a directory").flatten().any(|entry| entry.file_name().to_str() == Some(&number));
    println!("listed: {}", listed());
    unsafe { libc::close(master) };
    println!("listed: {} {}", listed(), called(open(&name, libc::O_RDWR | libc::O_NOCTTY)));
}

fn locks() {
    let master = master();
    let name = name_of(master);
    let mut locked: c_int = -1;
    println!("{} {locked}", called(unsafe { libc::ioctl(master, libc::TIOCGPTLCK as _, &raw mut locked) }));
    println!("locked: {}", called(open(&name, libc::O_RDWR | libc::O_NOCTTY)));
    println!("locked: {}", control(master, libc::TIOCGPTPEER as u64, (libc::O_RDWR | libc::O_NOCTTY) as usize));
    println!("{}", called(unsafe { libc::unlockpt(master) }));
    let peer = unsafe { libc::ioctl(master, libc::TIOCGPTPEER as _, libc::O_RDWR | libc::O_NOCTTY) };
    println!("unlocked: {} {}", peer >= 0, unsafe { libc::isatty(peer) });
    println!("of a slave: {}", control(peer, libc::TIOCGPTPEER as u64, libc::O_RDWR as usize));
    println!("of a slave: {}", control(peer, libc::TIOCGPTN as u64, 0));
    let off: c_int = 0;
    println!("packet mode off: {}", control(master, libc::TIOCPKT as u64, &raw const off as usize));
}

fn first_modes() {
    let Pair { master, slave } = pair();
    for fd in [slave, master] {
        let modes = modes(fd);
        println!("{:#x} {:#x} {:#x} {:#x} {}", modes.c_iflag, modes.c_oflag, modes.c_cflag, modes.c_lflag, modes.c_line);
        println!("{:?}", &modes.c_cc[..17]);
        println!("{:?}", unsafe { libc::cfgetospeed(&raw const modes) == libc::B38400 });
    }
}

fn modes_that_are_set() {
    let Pair { master, slave } = pair();
    println!(
        "{}",
        set_modes(slave, |modes| {
            modes.c_iflag = libc::IGNBRK | libc::ISTRIP;
            modes.c_oflag = 0;
            modes.c_cflag = libc::CS7 | libc::PARENB | libc::B9600;
            modes.c_lflag = libc::ICANON;
            modes.c_cc[libc::VERASE] = 8;
        })
    );
    for fd in [slave, master] {
        let modes = modes(fd);
        println!("{:#x} {:#x} {:#x} {:#x} {}", modes.c_iflag, modes.c_oflag, modes.c_cflag, modes.c_lflag, modes.c_cc[libc::VERASE]);
    }
    println!("through the master: {}", set_modes(master, |modes| modes.c_lflag |= libc::ECHO));
    println!("{:#x}", modes(slave).c_lflag);
}

fn other_layouts() {
    const TCGETA: u64 = 0x5405;
    const TCSETA: u64 = 0x5406;
    const TCGETS2: u64 = 0x802c_542a;
    const TCSETS2: u64 = 0x402c_542b;
    let Pair { slave, .. } = pair();
    let mut old = [0u8; 18];
    println!("{} {old:?}", control(slave, TCGETA, old.as_mut_ptr() as usize));
    control(slave, TCGETA, old.as_mut_ptr() as usize);
    println!("{:?}", &old[..17]);
    old[6] &= !8;
    println!("{} {:#x}", control(slave, TCSETA, old.as_ptr() as usize), modes(slave).c_lflag);
    let mut new = [0u32; 11];
    println!("{}", control(slave, TCGETS2, new.as_mut_ptr() as usize));
    println!("{} {}", new[9], new[10]);
    new[2] = new[2] & !0x100f | 0x1000;
    (new[9], new[10]) = (12345, 12345);
    println!("{}", control(slave, TCSETS2, new.as_ptr() as usize));
    let mut again = [0u32; 11];
    control(slave, TCGETS2, again.as_mut_ptr() as usize);
    println!("{} {}", again[9], again[10]);
    println!("nowhere: {}", control(slave, TCGETS2, 8));
}

fn windows() {
    let Pair { master, slave } = pair();
    let get = |fd| {
        let mut size = [9u16; 4];
        println!("{} {size:?}", control(fd, libc::TIOCGWINSZ as u64, size.as_mut_ptr() as usize));
        control(fd, libc::TIOCGWINSZ as u64, size.as_mut_ptr() as usize);
        println!("{size:?}");
    };
    get(slave);
    let size = [30u16, 100, 1, 2];
    println!("{}", control(master, libc::TIOCSWINSZ as u64, size.as_ptr() as usize));
    get(slave);
    let size = [31u16, 101, 3, 4];
    println!("{}", control(slave, libc::TIOCSWINSZ as u64, size.as_ptr() as usize));
    get(master);
}

fn lines() {
    let Pair { master, slave } = pair();
    set_nonblocking(slave, true);
    println!("{}", text(slave, 9));
    println!("{}", put(master, b"abc"));
    println!("ready: {} {} {}", ready(slave), waiting(slave), text(slave, 9));
    put(master, b"d\rnext\nunfinished");
    println!("ready: {} {}", ready(slave), waiting(slave));
    println!("{} {} {} {}", text(slave, 2), text(slave, 100), text(slave, 100), text(slave, 100));
    println!("seen: {}", all(master));
}

fn erasing() {
    let Pair { master, slave } = pair();
    put(master, b"ax\x7f");
    println!("{}", all(master));
    put(master, b"b one  two.\x17");
    println!("{}", all(master));
    put(master, b"wrong\x15");
    println!("{}", all(master));
    put(master, b"\x7f\x17\x15");
    println!("nothing to erase: {}", all(master));
    put(master, b"\x01b\x7f\x7f");
    println!("{}", all(master));
    put(master, b"xy\tz\x7f\x7f\x7f");
    println!("{}", all(master));
    put(master, b"\n");
    println!("{} {}", text(slave, 99), all(master));
}

fn echoes() {
    let Pair { master, slave } = pair();
    put(master, b"\x02\x16\x03\x16\x7f\tq\x12");
    println!("{}", all(master));
    put(master, b"\n");
    println!("{} {}", text(slave, 99), all(master));
    set_modes(slave, |modes| modes.c_lflag &= !libc::ECHOCTL);
    put(master, b"\x02a\x7f\n");
    println!("{} {}", all(master), text(slave, 99));
    set_modes(slave, |modes| modes.c_lflag = modes.c_lflag & !libc::ECHOE | libc::ECHOCTL);
    put(master, b"ab\x7f\n");
    println!("{} {}", all(master), text(slave, 99));
    set_modes(slave, |modes| modes.c_lflag = modes.c_lflag & !libc::ECHOKE | libc::ECHOE);
    put(master, b"ab\x15c\n");
    println!("{} {}", all(master), text(slave, 99));
    set_modes(slave, |modes| modes.c_lflag = modes.c_lflag & !libc::ECHO | libc::ECHONL);
    put(master, b"secret\n");
    println!("{} {}", all(master), text(slave, 99));
    set_modes(slave, |modes| modes.c_lflag |= libc::ECHO | libc::ECHOPRT | libc::ECHOE);
    put(master, b"abc\x7f\x7fd\n");
    println!("{} {}", all(master), text(slave, 99));
}

fn characters_of_several_bytes() {
    let Pair { master, slave } = pair();
    put(master, "é\x7f\n".as_bytes());
    println!("{}", text(slave, 99));
    set_modes(slave, |modes| modes.c_iflag |= libc::IUTF8);
    put(master, "aé€\x7f\x7f\n".as_bytes());
    println!("{} {}", text(slave, 99), all(master));
}

fn ends_of_files() {
    let Pair { master, slave } = pair();
    put(master, b"part\x04");
    println!("{}", text(slave, 4));
    put(master, b"\x04");
    println!("{}", text(slave, 9));
    put(master, b"a\x04b\n\x04");
    println!("{} {} {} {}", ready(slave), text(slave, 9), text(slave, 9), text(slave, 9));
    set_modes(slave, |modes| modes.c_cc[libc::VEOL] = b';');
    put(master, b"c;d;");
    println!("{} {} {}", ready(slave), text(slave, 9), text(slave, 9));
}

fn long_lines() {
    let Pair { master, slave } = pair();
    quiet(slave);
    put(master, &[b'x'; 3000]);
    put(master, &[b'y'; 2000]);
    put(master, b"\n");
    let read = take(slave, 9000).expect("a line");
    println!("{} {} {}", read.len(), read.iter().filter(|&&byte| byte == b'y').count(), read.ends_with(b"y\n"));
}

fn carriage_returns() {
    let Pair { master, slave } = pair();
    quiet(slave);
    for input in [libc::ICRNL, libc::IGNCR, libc::INLCR, 0, libc::INLCR | libc::ICRNL] {
        set_modes(slave, |modes| modes.c_iflag = input);
        put(master, b"a\rb\nc\x04");
        println!("{input:#x}: {}", all(slave));
    }
    set_modes(slave, |modes| modes.c_iflag = libc::ISTRIP | libc::IUCLC);
    put(master, b"\xe1\xc2\n");
    println!("{}", all(slave));
}

fn output() {
    let Pair { master, slave } = pair();
    let post = libc::OPOST;
    for output in
        [post | libc::ONLCR, post, 0, post | libc::OCRNL, post | libc::ONOCR, post | libc::XTABS, post | libc::OLCUC, post | libc::ONLRET]
    {
        set_modes(slave, |modes| modes.c_oflag = output);
        println!("{} {output:#x}: {}", put(slave, b"\ra\nb\rc\td\n"), all(master));
    }
}

/// All that a master in packet mode is told until nothing comes: what happened, and what was written. What happened together may be told apart, and
/// whether bytes come in one packet or in two depends on when Linux's worker moves them.
fn news(master: c_int) -> String {
    let (mut happened, mut written) = (0, Vec::new());
    while ready(master) {
        match take(master, 99) {
            Ok(packet) => match packet.split_first() {
                Some((0, bytes)) => written.extend_from_slice(bytes),
                Some((bits, [])) => happened |= bits,
                _ => return format!("no packet: {packet:?}"),
            },
            Err(error) => return error,
        }
    }
    format!("{happened:#04x} \"{}\"", written.escape_ascii())
}

/// `TIOCPKT`: what a master reads in packet mode.
fn packets() {
    let Pair { master, slave } = pair();
    quiet(slave);
    set_nonblocking(master, true);
    let mode = |on: c_int| called(unsafe { libc::ioctl(master, libc::TIOCPKT as _, &raw const on) });
    let is_on = || {
        let mut on: c_int = -1;
        let outcome = called(unsafe { libc::ioctl(master, libc::TIOCGPKT as _, &raw mut on) });
        format!("{outcome} {on}")
    };
    let polled = || poll(master, libc::POLLIN | libc::POLLPRI, QUIET_MS);
    println!("{}, {}, {}, {}", is_on(), mode(1), is_on(), text(master, 9));
    // Bytes come behind a zero, as many as fit.
    put(slave, b"abc");
    println!("{:#x} {} {} {}", polled(), text(master, 9), text(master, 9), ready(slave));
    put(slave, b"abc");
    println!("{} {} {} {}", ready(master), text(master, 1), text(master, 2), news(master));
    // What happened comes before what was written, once, alone.
    put(slave, b"abc");
    println!("{}", ready(master));
    unsafe { libc::tcflush(slave, libc::TCIFLUSH) };
    println!("{:#x} {} {:#x} {}", polled(), text(master, 9), polled(), news(master));
    unsafe { libc::tcflush(slave, libc::TCOFLUSH) };
    println!("{}", news(master));
    unsafe { libc::tcflush(slave, libc::TCIOFLUSH) };
    println!("{}", news(master));
    unsafe { libc::tcflow(slave, libc::TCOOFF) };
    println!("{} {}", text(master, 9), text(master, 9));
    unsafe { libc::tcflow(slave, libc::TCOON) };
    println!("{}", text(master, 9));
    unsafe {
        libc::tcflow(slave, libc::TCOOFF);
        libc::tcflow(slave, libc::TCOON);
    }
    println!("the last of two: {} {}", text(master, 9), text(master, 9));
    set_modes(slave, |modes| modes.c_iflag &= !libc::IXON);
    println!("no flow: {} {}", text(master, 9), text(master, 9));
    set_modes(slave, |modes| modes.c_cc[libc::VSTOP] = 1);
    println!("still none: {}", news(master));
    set_modes(slave, |modes| {
        modes.c_iflag |= libc::IXON;
        modes.c_cc[libc::VSTOP] = 0o23;
    });
    println!("flow: {}", news(master));
    // Linux's worker looks at what was typed when it comes to that.
    let typed = |keys: &[u8]| {
        put(master, keys);
        poll(master, libc::POLLIN | libc::POLLPRI, 2000);
        news(master)
    };
    println!("{}", typed(b"\x13"));
    println!("{}", typed(b"\x11"));
    println!("an interrupt: {}", typed(b"typed\x03"));
    // What the master was not told is forgotten with the mode.
    unsafe { libc::tcflush(slave, libc::TCIFLUSH) };
    println!("{} {} {}", mode(0), is_on(), text(master, 9));
    println!("{} {}", mode(1), news(master));
    println!("{}", control(slave, libc::TIOCPKT as u64, &raw const slave as usize));
    println!("{}", control(slave, libc::TIOCGPKT as u64, &raw const slave as usize));
    println!("nowhere: {} {}", control(master, libc::TIOCPKT as u64, 8), control(master, libc::TIOCGPKT as u64, 8));
}

fn raw_bytes() {
    let Pair { master, slave } = pair();
    raw(slave);
    put(master, b"a\x03\x7f\r");
    println!("{} {} {}", ready(slave), waiting(slave), text(slave, 2));
    println!("{} {}", text(slave, 9), all(master));
    println!("{} {}", put(slave, b"x\n"), all(master));
    set_nonblocking(slave, true);
    println!("{}", text(slave, 9));
}

fn least_counts() {
    let Pair { master, slave } = pair();
    raw(slave);
    set_modes(slave, |modes| modes.c_cc[libc::VMIN] = 3);
    put(master, b"ab");
    println!("{}", ready(slave));
    set_nonblocking(slave, true);
    println!("without waiting: {} {}", text(slave, 9), text(slave, 9));
    set_nonblocking(slave, false);
    let writer = child(|| {
        for byte in *b"cdef" {
            sleep_ms(20);
            put(master, &[byte]);
        }
        0
    });
    println!("{}", text(slave, 3));
    println!("{}", text(slave, 1));
    println!("{}", end_of(writer));
}

fn times() {
    let Pair { master, slave } = pair();
    raw(slave);
    let set = |least, tenths| {
        set_modes(slave, |modes| (modes.c_cc[libc::VMIN], modes.c_cc[libc::VTIME]) = (least, tenths));
    };
    // Where a read waits, that is at least so long; where it does not, a busy host may let it seem long, but not as long as it might have waited.
    let timed = |most, limit_ms| {
        let start = std::time::Instant::now();
        let read = text(slave, most);
        println!("{read} {}", if start.elapsed().as_millis() < limit_ms { "at once" } else { "later" });
    };
    const WAITED_MS: u128 = 400;
    const AT_ONCE_MS: u128 = 12_000;
    set(0, 0);
    timed(9, AT_ONCE_MS);
    set(0, 6);
    timed(9, WAITED_MS);
    set(0, 255);
    put(master, b"a");
    println!("{}", ready(slave));
    timed(9, AT_ONCE_MS);
    set(5, 6);
    put(master, b"bc");
    println!("{}", ready(slave));
    timed(9, WAITED_MS);
    set(5, 255);
    put(master, b"defgh");
    println!("{}", ready(slave));
    timed(9, AT_ONCE_MS);
}

fn modes_change_what_waits() {
    let Pair { master, slave } = pair();
    quiet(slave);
    put(master, b"one\ntw");
    println!("{}", ready(slave));
    set_modes(slave, |modes| modes.c_lflag &= !libc::ICANON);
    println!("{} {}", waiting(slave), text(slave, 99));
    put(master, b"three");
    println!("{}", ready(slave));
    set_modes(slave, |modes| modes.c_lflag |= libc::ICANON);
    println!("{}", ready(slave));
    put(master, b"x\n");
    println!("{} {}", text(slave, 99), text(slave, 99));
}

fn flushes() {
    let Pair { master, slave } = pair();
    quiet(slave);
    put(master, b"dropped\n");
    println!("{}", ready(slave));
    println!("{} {}", called(unsafe { libc::tcflush(slave, libc::TCIFLUSH) }), ready(slave));
    put(master, b"dropped\n");
    println!("{}", ready(slave));
    let same = modes(slave);
    println!("{} {}", called(unsafe { libc::tcsetattr(slave, libc::TCSAFLUSH, &raw const same) }), ready(slave));
    put(master, b"kept\n");
    println!("{}", ready(slave));
    println!("{} {}", called(unsafe { libc::tcflush(slave, libc::TCOFLUSH) }), text(slave, 99));
    println!("{} {}", called(unsafe { libc::tcdrain(slave) }), called(unsafe { libc::tcsendbreak(slave, 0) }));
    println!("{} {}", control(slave, libc::TCFLSH as u64, 7), control(slave, libc::TCXONC as u64, 7));
}

fn flow() {
    let Pair { master, slave } = pair();
    set_nonblocking(slave, true);
    put(master, b"\x13ab");
    println!("{}", all(master));
    println!("{} {}", put(slave, b"x"), poll(slave, libc::POLLOUT, 0));
    put(master, b"\x11");
    println!("{} {}", all(master), put(slave, b"x"));
    println!("{}", all(master));
    println!("{} {}", called(unsafe { libc::tcflow(slave, libc::TCOOFF) }), put(slave, b"y"));
    println!("{} {}", called(unsafe { libc::tcflow(slave, libc::TCOON) }), put(slave, b"y"));
    println!("{} {}", called(unsafe { libc::tcflow(slave, libc::TCIOFF) }), called(unsafe { libc::tcflow(slave, libc::TCION) }));
    println!("{}", all(master));
    set_modes(slave, |modes| modes.c_iflag |= libc::IXANY);
    put(master, b"\x13");
    println!("{}", all(master));
    put(master, b"c");
    println!("{} {}", all(master), put(slave, b"z"));
    println!("{}", all(master));
}

fn a_writer_waits_for_flow() {
    let Pair { master, slave } = pair();
    put(master, b"\x13");
    sleep_ms(50);
    let writer = child(|| put(slave, b"late").len() as i32);
    sleep_ms(50);
    println!("{:?}", wait(writer, libc::WNOHANG).1);
    put(master, b"\x11");
    println!("{} {}", end_of(writer), all(master));
}

fn a_reader_waits() {
    let Pair { master, slave } = pair();
    quiet(slave);
    let reader = child(|| take(slave, 99).map_or(-1, |bytes| bytes.len() as i32));
    sleep_ms(50);
    println!("{:?}", wait(reader, libc::WNOHANG).1);
    put(master, b"hello\n");
    println!("{}", end_of(reader));
    let reader = child(|| take(master, 99).map_or(-1, |bytes| bytes.len() as i32));
    sleep_ms(50);
    put(slave, b"abc");
    println!("{}", end_of(reader));
}

fn a_full_terminal() {
    let Pair { master, slave } = pair();
    raw(slave);
    set_nonblocking(master, true);
    let mut total = 0;
    while let Ok(count) = put(master, &[b'x'; 1000]).parse::<usize>() {
        total += count;
        if total > 1 << 20 {
            break;
        }
    }
    println!("{} {}", (4096..1 << 20).contains(&total), put(master, b"x"));
    let mut read = 0;
    while read < total {
        read += take(slave, 5000).expect("bytes").len();
    }
    println!("{} {}", read == total, poll(master, libc::POLLOUT, 1000));
}

fn a_closed_slave() {
    let Pair { master, slave } = pair();
    put(slave, b"last");
    println!("{:#x}", poll(master, libc::POLLIN | libc::POLLOUT, QUIET_MS));
    unsafe { libc::close(slave) };
    println!("{} {}", text(master, 99), text(master, 99));
    println!("{:#x}", poll(master, libc::POLLIN, 0) & libc::POLLHUP);
    println!("{}", put(master, b"kept\n"));
    let slave = open(&name_of(master), libc::O_RDWR | libc::O_NOCTTY);
    println!("{} {}", slave >= 0, text(slave, 99));
    println!("{:#x} {}", poll(master, libc::POLLIN, 0) & libc::POLLHUP, all(master));
}

fn a_closed_master() {
    let Pair { master, slave } = pair();
    let name = name_of(master);
    put(master, b"lost\n");
    unsafe { libc::close(master) };
    sleep_ms(20);
    println!("{} {}", text(slave, 99), put(slave, b"x"));
    println!("{:#x}", poll(slave, libc::POLLIN | libc::POLLOUT, 0));
    let mut modes: libc::termios = unsafe { std::mem::zeroed() };
    println!("{}", called(unsafe { libc::tcgetattr(slave, &raw mut modes) }));
    println!("{} {}", called(unsafe { libc::tcsetpgrp(slave, 1) }), called(unsafe { libc::isatty(slave) } - 1));
    println!("{}", called(open(&name, libc::O_RDWR | libc::O_NOCTTY)));
}

fn a_master_before_its_slave() {
    let master = unlocked();
    set_nonblocking(master, true);
    println!("{} {:#x}", text(master, 9), poll(master, libc::POLLIN | libc::POLLOUT, 0));
    println!("{}", put(master, b"early\n"));
    let slave = open(&name_of(master), libc::O_RDWR | libc::O_NOCTTY);
    println!("{} {}", text(slave, 99), all(master));
}

fn not_for_terminals() {
    let Pair { master, slave } = pair();
    for fd in [master, slave] {
        println!("{}", called(unsafe { libc::lseek(fd, 0, libc::SEEK_SET) } as i32));
        println!("{}", called(unsafe { libc::pread(fd, [0u8; 4].as_mut_ptr().cast(), 4, 0) } as i32));
        println!("{}", called(unsafe { libc::ftruncate(fd, 0) }));
        println!("{}", called(unsafe { libc::write(fd, std::ptr::null(), 0) } as i32));
        println!("{}", control(fd, 0x1234_5678, 0));
        println!("{}", called(unsafe { libc::tcgetsid(fd) }));
    }
    println!("{}", called(unsafe { libc::tcgetpgrp(slave) }));
    println!("{}", called(unsafe { libc::tcgetpgrp(master) }));
    println!("{}", called(unsafe { libc::tcsetpgrp(slave, libc::getpgrp()) }));
    let mut exclusive: c_int = -1;
    println!("{}", control(slave, libc::TIOCEXCL as u64, 0));
    println!("{} {exclusive}", control(slave, libc::TIOCGEXCL as u64, &raw mut exclusive as usize));
    println!("{}", control(slave, libc::TIOCNXCL as u64, 0));
}

fn edges() {
    let Pair { master, slave } = pair();
    quiet(slave);
    unsafe {
        let epoll = libc::epoll_create1(0);
        let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: 1 };
        libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, slave, &raw mut event);
        let look = || {
            let mut found = [libc::epoll_event { events: 0, u64: 0 }; 4];
            libc::epoll_wait(epoll, found.as_mut_ptr(), 4, QUIET_MS)
        };
        println!("{}", look());
        put(master, b"a\n");
        println!("{} {}", look(), look());
        put(master, b"b\n");
        println!("{}", look());
        println!("{} {}", text(slave, 99), text(slave, 99));
    }
}

/// Lead a session whose terminal a fresh pair is; gives the pair.
fn lead() -> Pair {
    unsafe { libc::setsid() };
    let master = unlocked();
    let slave = open(&name_of(master), libc::O_RDWR);
    assert!(slave >= 0, "a slave");
    Pair { master, slave }
}

/// Do something as a session's leader, in a child.
fn leading(work: impl FnOnce(Pair)) {
    let leader = child(|| {
        unsafe { libc::alarm(40) };
        work(lead());
        0
    });
    println!("leader: {}", end_of(leader));
}

/// A child in a group of its own.
fn job(work: impl FnOnce() -> i32) -> c_int {
    let id = child(|| {
        unsafe { libc::setpgid(0, 0) };
        work()
    });
    unsafe { libc::setpgid(id, id) };
    id
}

/// Let a group be in the foreground, as a shell does.
fn set_foreground(fd: c_int, group: c_int) {
    unsafe {
        let old = libc::signal(libc::SIGTTOU, libc::SIG_IGN);
        libc::tcsetpgrp(fd, group);
        libc::signal(libc::SIGTTOU, old);
    }
}

fn controlling() {
    let tty = CString::new("/dev/tty").expect("no NUL");
    leading(|Pair { master, slave }| {
        let own = unsafe { libc::getpid() };
        println!("{} {}", unsafe { libc::tcgetsid(slave) } == own, unsafe { libc::tcgetpgrp(slave) } == own);
        println!("{} {}", unsafe { libc::tcgetsid(master) } == own, unsafe { libc::tcgetpgrp(master) } == own);
        let opened = open(&tty, libc::O_RDWR);
        println!("{} {} {}", opened >= 0, unsafe { libc::isatty(opened) }, put(opened, b"by tty\n"));
        println!("{}", all(master));
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        unsafe { libc::fstat(opened, &raw mut stat) };
        println!("{} {}", libc::major(stat.st_rdev), libc::minor(stat.st_rdev));
        let inner = child(|| {
            println!("inherited: {}", open(&tty, libc::O_RDWR) >= 0);
            unsafe { libc::setsid() };
            println!("a new session: {}", called(open(&tty, libc::O_RDWR)));
            println!("{}", called(unsafe { libc::tcgetsid(slave) }));
            0
        });
        println!("{}", end_of(inner));
    });
    let leader = child(|| {
        unsafe { libc::setsid() };
        let Pair { slave, .. } = pair();
        println!("O_NOCTTY: {} {}", called(open(&tty, libc::O_RDWR)), called(unsafe { libc::tcgetsid(slave) }));
        0
    });
    println!("{}", end_of(leader));
}

fn claims() {
    leading(|Pair { slave, master }| {
        println!("again: {}", control(slave, libc::TIOCSCTTY as u64, 0));
        let Pair { slave: other, .. } = pair();
        println!("another: {}", control(other, libc::TIOCSCTTY as u64, 0));
        println!("a master: {}", control(master, libc::TIOCSCTTY as u64, 0));
        let inner = child(|| {
            println!("no leader: {}", control(other, libc::TIOCSCTTY as u64, 0));
            unsafe { libc::setsid() };
            println!("another's: {}", control(slave, libc::TIOCSCTTY as u64, 0));
            println!("nobody's: {}", control(other, libc::TIOCSCTTY as u64, 0));
            println!("{}", unsafe { libc::tcgetsid(other) } == unsafe { libc::getpid() });
            0
        });
        println!("{}", end_of(inner));
    });
}

fn leaving() {
    let tty = CString::new("/dev/tty").expect("no NUL");
    leading(|Pair { slave, .. }| {
        let inner = child(|| {
            println!("{} {}", control(slave, libc::TIOCNOTTY as u64, 0), called(open(&tty, libc::O_RDWR)));
            println!("{}", control(slave, libc::TIOCNOTTY as u64, 0));
            let inner = child(|| {
                println!("its child: {}", called(open(&tty, libc::O_RDWR)));
                0
            });
            println!("{}", end_of(inner));
            0
        });
        println!("{} still: {}", end_of(inner), open(&tty, libc::O_RDWR) >= 0);
        let inner = job(|| sleep_on());
        set_foreground(slave, inner);
        println!("{}", control(slave, libc::TIOCNOTTY as u64, 0));
        println!("{} {}", end_of(inner), called(open(&tty, libc::O_RDWR)));
        println!("{}", called(unsafe { libc::tcgetsid(slave) }));
        println!("again: {} {}", control(slave, libc::TIOCSCTTY as u64, 0), open(&tty, libc::O_RDWR) >= 0);
    });
}

fn interrupts() {
    leading(|Pair { master, slave }| {
        for key in [b"\x03", b"\x1c"] {
            let inner = job(|| sleep_on());
            let other = job(|| sleep_on());
            set_foreground(slave, inner);
            put(master, b"half");
            println!("{}", all(master));
            put(master, key);
            println!("{} {}", end_of(inner), all(master));
            println!("{}", wait(other, libc::WNOHANG).1);
            unsafe { libc::kill(other, libc::SIGKILL) };
            println!("{}", end_of(other));
        }
        set_foreground(slave, unsafe { libc::getpgrp() });
        put(master, b"rest\n");
        println!("{}", text(slave, 99));
        set_modes(slave, |modes| modes.c_lflag &= !libc::ISIG);
        put(master, b"\x03\n");
        println!("{}", text(slave, 99));
    });
}

fn flushing_by_signals() {
    leading(|Pair { master, slave }| {
        unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
        quiet(slave);
        put(master, b"line\nhalf");
        println!("{}", ready(slave));
        put(master, b"\x03rests\n");
        await_waiting(slave, 6);
        println!("{} {} {}", ready(slave), text(slave, 99), waiting(slave));
        set_modes(slave, |modes| modes.c_lflag |= libc::NOFLSH);
        put(master, b"line\nhalf");
        println!("{}", ready(slave));
        put(master, b"\x03rest\n");
        sleep_ms(50);
        println!("{} {}", text(slave, 99), text(slave, 99));
    });
}

fn stops() {
    leading(|Pair { master, slave }| {
        let inner = job(|| sleep_on());
        set_foreground(slave, inner);
        put(master, b"\x1a");
        println!("{} {}", wait(inner, libc::WUNTRACED).1, all(master));
        unsafe { libc::kill(-inner, libc::SIGCONT) };
        println!("{}", wait(inner, libc::WCONTINUED).1);
        put(master, b"\x03");
        println!("{}", wait(inner, libc::WUNTRACED).1);
    });
}

fn reading_in_the_background() {
    leading(|Pair { master, slave }| {
        let inner = job(|| {
            println!("{}", text(slave, 99));
            0
        });
        println!("{}", wait(inner, libc::WUNTRACED).1);
        put(master, b"for it\n");
        set_foreground(slave, inner);
        unsafe { libc::kill(-inner, libc::SIGCONT) };
        println!("{}", wait(inner, libc::WUNTRACED).1);
        let ignorant = job(|| {
            set_foreground(slave, unsafe { libc::getppid() });
            unsafe { libc::signal(libc::SIGTTIN, libc::SIG_IGN) };
            println!("ignored: {}", text(slave, 99));
            unsafe { libc::signal(libc::SIGTTIN, libc::SIG_DFL) };
            block(&[libc::SIGTTIN]);
            println!("blocked: {}", text(slave, 99));
            0
        });
        println!("{}", wait(ignorant, libc::WUNTRACED).1);
    });
}

static CAUGHT: AtomicI32 = AtomicI32::new(0);

extern "C" fn count(_: i32, _: *const libc::siginfo_t, _: *mut libc::c_void) {
    CAUGHT.fetch_add(1, Ordering::Relaxed);
}

extern "C" fn note_code(_: i32, information: *const libc::siginfo_t, _: *mut libc::c_void) {
    CAUGHT.store(unsafe { (*information).si_code }, Ordering::Relaxed);
}

fn handlers_in_the_background() {
    leading(|Pair { slave, .. }| {
        let inner = job(|| {
            handle(libc::SIGTTIN, 0, note_code);
            println!("{} {}", text(slave, 99), CAUGHT.load(Ordering::Relaxed) == 128);
            handle(libc::SIGTTOU, 0, note_code);
            CAUGHT.store(0, Ordering::Relaxed);
            println!("{} {}", called(set_modes(slave, |_| ())), CAUGHT.load(Ordering::Relaxed) == 128);
            0
        });
        println!("{}", wait(inner, libc::WUNTRACED).1);
    });
}

fn orphans_in_the_background() {
    leading(|Pair { master, slave }| {
        let steps = shared();
        let middle = child(|| {
            let inner = job(|| {
                await_number(&steps[0], 1);
                println!("{} {}", text(slave, 99), called(set_modes(slave, |_| ())));
                println!("{}", called(unsafe { libc::tcsetpgrp(slave, libc::getpgrp()) }));
                steps[1].store(1, Ordering::Relaxed);
                0
            });
            steps[2].store(inner, Ordering::Relaxed);
            0
        });
        println!("{}", end_of(middle));
        steps[0].store(1, Ordering::Relaxed);
        await_number(&steps[1], 1);
        println!("{}", all(master));
    });
}

fn writing_in_the_background() {
    leading(|Pair { master, slave }| {
        let writer = || job(|| i32::from(put(slave, b"x\n") != "2"));
        let inner = writer();
        println!("{} {}", wait(inner, libc::WUNTRACED).1, all(master));
        set_modes(slave, |modes| modes.c_lflag |= libc::TOSTOP);
        let inner = writer();
        println!("{} {}", wait(inner, libc::WUNTRACED).1, all(master));
        set_foreground(slave, inner);
        unsafe { libc::kill(inner, libc::SIGCONT) };
        println!("{} {}", end_of(inner), all(master));
        let inner = job(|| {
            set_foreground(slave, unsafe { libc::getppid() });
            block(&[libc::SIGTTOU]);
            i32::from(put(slave, b"y\n") != "2")
        });
        println!("{} {}", end_of(inner), all(master));
    });
}

fn changing_in_the_background() {
    leading(|Pair { slave, .. }| {
        let own = unsafe { libc::getpgrp() };
        for what in 0..4 {
            let change = move || match what {
                0 => set_modes(slave, |_| ()),
                1 => unsafe { libc::tcsetpgrp(slave, libc::getpgrp()) },
                2 => unsafe { libc::tcflush(slave, libc::TCIFLUSH) },
                _ => unsafe { libc::ioctl(slave, libc::TIOCSWINSZ as _, &[1u16, 2, 3, 4]) },
            };
            let inner = job(change);
            println!("{}", wait(inner, libc::WUNTRACED).1);
            unsafe { libc::kill(inner, libc::SIGKILL) };
            let _ = end_of(inner);
            let inner = job(|| {
                block(&[libc::SIGTTOU]);
                change()
            });
            println!("blocked: {}", wait(inner, libc::WUNTRACED).1);
            set_foreground(slave, own);
        }
    });
}

fn foreground_errors() {
    let Pair { slave: foreign, .. } = pair();
    leading(|Pair { slave, master }| {
        let set = |fd, group| called(unsafe { libc::tcsetpgrp(fd, group) });
        println!("{}", set(foreign, unsafe { libc::getpgrp() }));
        println!("{} {}", set(slave, 3_999_999), set(slave, -3));
        println!("another session's: {}", set(slave, unsafe { libc::getppid() }));
        println!("a file: {}", set(open(&CString::new("/dev/null").expect("no NUL"), libc::O_RDWR), 1));
        let inner = job(|| sleep_on());
        println!("{} {}", set(slave, inner), unsafe { libc::tcgetpgrp(slave) } == inner);
        println!("{}", unsafe { libc::tcgetpgrp(master) } == inner);
        unsafe { libc::kill(inner, libc::SIGKILL) };
        let _ = end_of(inner);
    });
}

fn window_changes() {
    leading(|Pair { slave, master }| {
        handle(libc::SIGWINCH, libc::SA_RESTART, count);
        let set = |fd, rows: u16| {
            let size = [rows, 80, 0, 0];
            control(fd, libc::TIOCSWINSZ as u64, size.as_ptr() as usize);
            sleep_ms(10);
            println!("{}", CAUGHT.load(Ordering::Relaxed));
        };
        set(slave, 24);
        set(slave, 24);
        set(master, 25);
        let inner = job(|| sleep_on());
        set_foreground(slave, inner);
        set(slave, 26);
        unsafe { libc::kill(inner, libc::SIGKILL) };
        println!("{}", end_of(inner));
    });
}

fn hang_ups() {
    let steps = shared();
    let leader = child(|| {
        let Pair { master, slave } = lead();
        handle(libc::SIGHUP, libc::SA_RESTART, count);
        handle(libc::SIGCONT, libc::SA_RESTART, count);
        let inner = job(|| {
            await_number(&steps[0], 1);
            println!("in the foreground: {} {}", text(slave, 9), put(slave, b"x"));
            steps[1].store(1, Ordering::Relaxed);
            sleep_on()
        });
        set_foreground(slave, inner);
        steps[2].store(inner, Ordering::Relaxed);
        // Its other copies: only the last one closes it.
        unsafe { libc::kill(inner, 0) };
        let second = unsafe { libc::dup(master) };
        unsafe { libc::close(master) };
        println!("{}", CAUGHT.load(Ordering::Relaxed));
        unsafe { libc::kill(inner, libc::SIGSTOP) };
        let _ = wait(inner, libc::WUNTRACED);
        unsafe { libc::close(second) };
        unsafe { libc::kill(inner, libc::SIGKILL) };
        println!("{}", end_of(inner));
        await_number(&CAUGHT, 2);
        println!("{} {}", CAUGHT.load(Ordering::Relaxed), text(slave, 9));
        println!("{}", called(open(&CString::new("/dev/tty").expect("no NUL"), libc::O_RDWR)));
        0
    });
    println!("{}", end_of(leader));
    let leader = child(|| {
        let Pair { master, .. } = lead();
        unsafe { libc::close(master) };
        sleep_on()
    });
    println!("by default: {}", end_of(leader));
}

fn ends_of_leaders() {
    let steps = shared();
    let Pair { master, slave } = pair();
    let leader = child(|| {
        unsafe {
            libc::setsid();
            libc::ioctl(slave, libc::TIOCSCTTY as _, 0);
        }
        let note = |step: usize| {
            job(|| {
                handle(libc::SIGHUP, 0, count);
                steps[step].store(1, Ordering::Relaxed);
                while CAUGHT.load(Ordering::Relaxed) == 0 && steps[9].load(Ordering::Relaxed) == 0 {
                    sleep_ms(5);
                }
                steps[step].store(2 + CAUGHT.load(Ordering::Relaxed), Ordering::Relaxed);
                0
            })
        };
        let inner = note(0);
        note(1);
        await_number(&steps[0], 1);
        await_number(&steps[1], 1);
        set_foreground(slave, inner);
        0
    });
    println!("{}", end_of(leader));
    await_number(&steps[0], 2);
    println!("the foreground: {}", steps[0].load(Ordering::Relaxed) == 3);
    steps[9].store(1, Ordering::Relaxed);
    await_number(&steps[1], 2);
    println!("the background: {}", steps[1].load(Ordering::Relaxed) == 3);
    println!("nobody's: {}", called(unsafe { libc::tcgetsid(master) }));
    put(master, b"still there\n");
    println!("{}", text(slave, 99));
}

fn stopped_orphans() {
    let steps = shared();
    let leader = child(|| {
        let Pair { .. } = lead();
        let middle = child(|| {
            let inner = job(|| {
                handle(libc::SIGHUP, 0, count);
                steps[0].store(1, Ordering::Relaxed);
                unsafe { libc::raise(libc::SIGTSTP) };
                steps[1].store(1 + CAUGHT.load(Ordering::Relaxed), Ordering::Relaxed);
                0
            });
            println!("{}", wait(inner, libc::WUNTRACED).1);
            0
        });
        println!("{}", end_of(middle));
        await_number(&steps[1], 1);
        println!("{}", steps[1].load(Ordering::Relaxed));
        0
    });
    println!("{}", end_of(leader));
}

fn main() {
    run(&[
        ("names", names),
        ("locks", locks),
        ("first modes", first_modes),
        ("modes that are set", modes_that_are_set),
        ("other layouts", other_layouts),
        ("windows", windows),
        ("lines", lines),
        ("erasing", erasing),
        ("echoes", echoes),
        ("characters of several bytes", characters_of_several_bytes),
        ("ends of files", ends_of_files),
        ("long lines", long_lines),
        ("carriage returns", carriage_returns),
        ("output", output),
        ("raw bytes", raw_bytes),
        ("least counts", least_counts),
        ("times", times),
        ("modes change what waits", modes_change_what_waits),
        ("flushes", flushes),
        ("flow", flow),
        ("a writer waits for flow", a_writer_waits_for_flow),
        ("a reader waits", a_reader_waits),
        ("a full terminal", a_full_terminal),
        ("a closed slave", a_closed_slave),
        ("a closed master", a_closed_master),
        ("a master before its slave", a_master_before_its_slave),
        ("not for terminals", not_for_terminals),
        ("edges", edges),
        ("controlling", controlling),
        ("packets", packets),
        ("claims", claims),
        ("leaving", leaving),
        ("interrupts", interrupts),
        ("flushing by signals", flushing_by_signals),
        ("stops", stops),
        ("reading in the background", reading_in_the_background),
        ("handlers in the background", handlers_in_the_background),
        ("orphans in the background", orphans_in_the_background),
        ("writing in the background", writing_in_the_background),
        ("changing in the background", changing_in_the_background),
        ("foreground errors", foreground_errors),
        ("window changes", window_changes),
        ("hang-ups", hang_ups),
        ("ends of leaders", ends_of_leaders),
        ("stopped orphans", stopped_orphans),
    ]);
}
