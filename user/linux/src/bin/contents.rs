//! What is in files and directories: holes, sizes, places, vectors, copies, listings.

use libc::{
    AT_EMPTY_PATH, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, O_APPEND, O_CREAT, O_PATH, O_RDONLY, O_RDWR, O_WRONLY, SEEK_CUR, SEEK_DATA,
    SEEK_END, SEEK_HOLE, SEEK_SET,
};
use linux_programs::calls::{held, in_folder, look, look_at, make, opened, put, take, text};
use linux_programs::family::run;
use linux_programs::made;

/// A page: what a hole is made of.
const PAGE: i64 = 4096;

fn seek(fd: i32, offset: i64, whence: i32) -> String {
    made!(libc::lseek(fd, offset, whence))
}

fn write_at(fd: i32, bytes: &[u8], offset: i64) -> String {
    made!(libc::pwrite(fd, bytes.as_ptr().cast(), bytes.len(), offset))
}

fn read_at(fd: i32, most: usize, offset: i64) -> String {
    let mut bytes = vec![0u8; most];
    let outcome = made!(libc::pread(fd, bytes.as_mut_ptr().cast(), most, offset));
    match outcome.parse::<usize>() {
        Ok(count) => format!("\"{}\"", bytes[..count].escape_ascii()),
        Err(_) => outcome,
    }
}

fn status(fd: i32) -> libc::stat {
    // SAFETY: the structure is numbers, and the call's to fill.
    unsafe {
        let mut data = std::mem::zeroed();
        assert_eq!(libc::fstat(fd, &raw mut data), 0);
        data
    }
}

fn holes() {
    let fd = opened("file", O_RDWR | O_CREAT);
    println!("{} {}", seek(fd, 0, SEEK_DATA), seek(fd, 0, SEEK_HOLE));
    println!("{} {}", write_at(fd, b"data", 4 * PAGE), made!(libc::ftruncate(fd, 10 * PAGE)));
    for at in [0, 1, 4 * PAGE, 4 * PAGE + 2, 5 * PAGE, 9 * PAGE, 10 * PAGE - 1, 10 * PAGE, 11 * PAGE] {
        println!("{at}: {} {}", seek(fd, at, SEEK_DATA), seek(fd, at, SEEK_HOLE));
    }
    println!("{} {}", seek(fd, -1, SEEK_DATA), seek(fd, -1, SEEK_HOLE));
    println!("{} {}", status(fd).st_blocks, read_at(fd, 6, 4 * PAGE - 1));
    println!("{} {}", seek(fd, 3, SEEK_HOLE), seek(fd, 0, SEEK_CUR));
}

fn seeking() {
    make("file", "0123456789");
    let fd = opened("file", O_RDONLY);
    for (offset, whence) in
        [(5, SEEK_SET), (3, SEEK_CUR), (-9, SEEK_CUR), (-3, SEEK_END), (-11, SEEK_END), (100, SEEK_END), (0, 9), (-1, SEEK_SET)]
    {
        println!("{offset} {whence}: {} {}", seek(fd, offset, whence), seek(fd, 0, SEEK_CUR));
    }
    println!("{}", take(fd, 4));
    println!("{} {}", seek(fd, i64::MAX, SEEK_END), seek(0x7fff, 0, SEEK_SET));
}

fn punching() {
    make("file", &"x".repeat(5 * PAGE as usize));
    let fd = opened("file", O_RDWR);
    let punch = |mode, offset, length| made!(libc::fallocate(fd, mode, offset, length));
    let both = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE;
    println!("{} {}", punch(both, PAGE, 2 * PAGE), status(fd).st_blocks);
    println!("{} {}", seek(fd, 0, SEEK_HOLE), seek(fd, PAGE, SEEK_DATA));
    println!("{} {}", read_at(fd, 3, PAGE - 2), read_at(fd, 3, 3 * PAGE - 1));
    println!("{} {}", punch(both, 4 * PAGE - 3, 6), read_at(fd, 10, 4 * PAGE - 5));
    println!("{} {}", punch(both, 4 * PAGE, 100 * PAGE), status(fd).st_size);
    println!("{} {}", punch(both, 50 * PAGE, PAGE), status(fd).st_size);
    println!("{} {}", punch(FALLOC_FL_PUNCH_HOLE, 0, PAGE), punch(0x4000, 0, PAGE));
    println!("{} {}", punch(libc::FALLOC_FL_COLLAPSE_RANGE, 0, PAGE), punch(libc::FALLOC_FL_INSERT_RANGE, 0, PAGE));
}

fn allocation() {
    let fd = opened("file", O_RDWR | O_CREAT);
    let allocate = |mode, offset, length| made!(libc::fallocate(fd, mode, offset, length));
    println!("{} {} {}", allocate(0, 100, 2 * PAGE), status(fd).st_size, status(fd).st_blocks);
    println!("{} {} {}", allocate(FALLOC_FL_KEEP_SIZE, 0, 8 * PAGE), status(fd).st_size, status(fd).st_blocks);
    println!("{} {}", allocate(0, 0, 10), status(fd).st_size);
    println!("{} {} {}", allocate(0, 0, 0), allocate(0, -1, 5), allocate(0, 0, -5));
    println!("{}", allocate(0, i64::MAX, 5));
    println!("{}", made!(libc::fallocate(opened("file", O_RDONLY), 0, 0, PAGE)));
    println!("{}", made!(libc::fallocate(opened(".", O_RDONLY), 0, 0, PAGE)));
    let mut ends = [0; 2];
    println!("{} {}", made!(libc::pipe(ends.as_mut_ptr())), made!(libc::fallocate(ends[1], 0, 0, PAGE)));
    println!("{}", made!(libc::posix_fallocate(fd, 0, 12 * PAGE)));
    println!("{} {}", status(fd).st_size, read_at(fd, 3, 11 * PAGE));
}

fn cutting() {
    make("file", "0123456789");
    let fd = opened("file", O_RDWR);
    println!("{} {}", made!(libc::ftruncate(fd, 4)), held("file"));
    println!("{} {}", made!(libc::ftruncate(fd, 8)), held("file"));
    println!("{} {}", made!(libc::truncate(text("file").as_ptr(), 2)), held("file"));
    println!("{} {}", made!(libc::ftruncate(fd, -1)), made!(libc::truncate(text("file").as_ptr(), -1)));
    println!("{}", made!(libc::ftruncate(opened("file", O_RDONLY), 1)));
    println!("{} {}", made!(libc::truncate(text(".").as_ptr(), 0)), made!(libc::truncate(text("missing").as_ptr(), 0)));
    println!("{} {}", made!(libc::truncate(text("file/x").as_ptr(), 0)), made!(libc::truncate(std::ptr::null(), 0)));
    println!("{} {} {}", seek(fd, 100, SEEK_SET), made!(libc::ftruncate(fd, 1)), seek(fd, 0, SEEK_CUR));
    println!("{} {}", put(fd, b"!"), look("file"));
    let mut ends = [0; 2];
    println!("{} {}", made!(libc::pipe(ends.as_mut_ptr())), made!(libc::ftruncate(ends[1], 0)));
}

fn copy(from: i32, at: Option<i64>, to: i32, target: Option<i64>, bytes: usize, flags: u32) -> String {
    let (mut at, mut target) = (at, target);
    let pointer = |place: &mut Option<i64>| place.as_mut().map_or(std::ptr::null_mut(), std::ptr::from_mut);
    let outcome = made!(libc::syscall(libc::SYS_copy_file_range, from, pointer(&mut at), to, pointer(&mut target), bytes, flags));
    format!("{outcome} {at:?} {target:?}")
}

fn copies() {
    make("from", "0123456789");
    let (from, to) = (opened("from", O_RDWR), opened("to", O_RDWR | O_CREAT));
    println!("{} {}", copy(from, None, to, None, 4, 0), held("to"));
    println!("{} {}", copy(from, Some(2), to, Some(8), 3, 0), held("to"));
    println!("{} {}", copy(from, None, to, None, 100, 0), held("to"));
    println!("{} {}", copy(from, Some(10), to, None, 5, 0), copy(from, Some(99), to, None, 5, 0));
    println!("{}", copy(from, Some(0), from, Some(2), 5, 0));
    println!("{} {}", copy(from, Some(0), from, Some(5), 5, 0), held("from"));
    println!("{}", copy(from, Some(0), to, Some(0), 5, 1));
    println!("{}", copy(opened("from", O_WRONLY), None, to, None, 5, 0));
    println!("{}", copy(from, None, opened("to", O_RDONLY), None, 5, 0));
    println!("{}", copy(from, None, opened("to", O_WRONLY | O_APPEND), None, 5, 0));
    println!("{} {}", copy(opened(".", O_RDONLY), None, to, None, 5, 0), copy(99, None, to, None, 5, 0));
    let mut ends = [0; 2];
    println!("{} {}", made!(libc::pipe(ends.as_mut_ptr())), copy(from, Some(0), ends[1], None, 5, 0));
    println!("{}", copy(ends[0], None, to, None, 5, 0));
    println!("{}", copy(from, Some(0), to, None, 0, 0));
    println!("{}", copy(opened("from", O_PATH), None, to, None, 5, 0));
}

fn sending() {
    make("from", "0123456789");
    let (from, to) = (opened("from", O_RDONLY), opened("to", O_RDWR | O_CREAT));
    let send = |to: i32, from: i32, offset: Option<i64>, count: usize| {
        let mut offset = offset;
        let place = offset.as_mut().map_or(std::ptr::null_mut(), std::ptr::from_mut);
        format!("{} {offset:?}", made!(libc::sendfile(to, from, place, count)))
    };
    println!("{} {} {}", send(to, from, None, 4), seek(from, 0, SEEK_CUR), held("to"));
    println!("{} {} {}", send(to, from, Some(1), 3), seek(from, 0, SEEK_CUR), held("to"));
    println!("{} {}", send(to, from, None, 100), send(to, from, None, 100));
    println!("{} {}", send(to, from, Some(-1), 1), send(to, from, Some(99), 1));
    println!("{} {}", send(to, opened("from", O_WRONLY), None, 1), send(from, from, None, 1));
    println!("{}", send(opened("to", O_WRONLY | O_APPEND), from, Some(0), 1));
    println!("{} {}", send(to, opened(".", O_RDONLY), None, 1), send(99, from, None, 1));
    let mut ends = [0; 2];
    println!("{} {}", made!(libc::pipe(ends.as_mut_ptr())), send(ends[1], from, Some(2), 5));
    println!("{} {}", take(ends[0], 9), send(to, ends[0], Some(0), 1));
    println!("{}", held("to"));
}

/// Parts of a vector over buffers.
fn parts(buffers: &mut [&mut [u8]]) -> Vec<libc::iovec> {
    buffers.iter_mut().map(|buffer| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() }).collect()
}

fn vectors() {
    make("file", "0123456789");
    let fd = opened("file", O_RDWR);
    let (mut first, mut second) = ([0u8; 3], [0u8; 4]);
    let vector = parts(&mut [&mut first, &mut second]);
    let low = |offset: i64| (offset, 0i64);
    let read = |fd: i32, vector: &[libc::iovec], count: i32, offset: i64, flags: i32| {
        let (low, high) = low(offset);
        made!(libc::syscall(libc::SYS_preadv2, fd, vector.as_ptr(), count, low, high, flags))
    };
    let write = |fd: i32, vector: &[libc::iovec], count: i32, offset: i64, flags: i32| {
        let (low, high) = low(offset);
        made!(libc::syscall(libc::SYS_pwritev2, fd, vector.as_ptr(), count, low, high, flags))
    };
    println!("{} {}", read(fd, &vector, 2, 2, 0), seek(fd, 0, SEEK_CUR));
    println!("{:?} {:?}", first.escape_ascii().to_string(), second.escape_ascii().to_string());
    println!("{} {} {}", read(fd, &vector, 2, -1, 0), seek(fd, 0, SEEK_CUR), read(fd, &vector, 2, -2, 0));
    println!("{} {} {}", read(fd, &vector, 0, 0, 0), read(fd, &vector, -1, 0, 0), read(fd, &vector, 1025, 0, 0));
    println!("{} {}", read(fd, &vector, 2, 0, 0x1000), read(fd, &vector, 2, 0, libc::RWF_HIPRI));
    println!("{} {}", read(fd, &vector, 2, 9, 0), read(fd, &vector, 2, 10, 0));
    println!("{} {}", write(fd, &vector, 2, 0, libc::RWF_APPEND), held("file"));
    println!("{} {}", write(fd, &vector, 1, -1, libc::RWF_DSYNC), seek(fd, 0, SEEK_CUR));
    println!("{} {}", held("file"), write(opened("file", O_RDONLY), &vector, 1, 0, 0));
    let odd = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: usize::MAX }];
    println!("{} {}", read(fd, &odd, 1, 0, 0), made!(libc::readv(fd, std::ptr::without_provenance(8), 1)));
    let nowhere = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 4 }];
    println!("{} {}", read(fd, &nowhere, 1, 0, 0), write(fd, &nowhere, 1, 0, 0));
    let mut ends = [0; 2];
    println!("{} {}", made!(libc::pipe(ends.as_mut_ptr())), write(ends[1], &vector, 1, 0, 0));
    println!("{} {}", write(ends[1], &vector, 1, -1, 0), read(ends[0], &vector, 2, -1, libc::RWF_NOWAIT));
    println!("{}", read(ends[0], &vector, 2, -1, libc::RWF_NOWAIT));
}

fn nothing_and_nowhere() {
    make("file", "0123456789");
    let fd = opened("file", O_RDWR);
    let nowhere = std::ptr::without_provenance_mut::<libc::c_void>(8);
    println!("{} {}", made!(libc::read(fd, nowhere, 0)), made!(libc::write(fd, nowhere, 0)));
    println!("{} {}", made!(libc::read(fd, nowhere, 4)), made!(libc::write(fd, nowhere, 4)));
    println!("{} {}", made!(libc::pread(fd, nowhere, 4, 99)), made!(libc::read(99, nowhere, 0)));
    println!("{} {}", read_at(fd, 4, -1), write_at(fd, b"x", -1));
    println!("{} {}", write_at(fd, b"x", i64::MAX), read_at(fd, 4, i64::MAX - 2));
    println!("{} {}", seek(fd, 0, SEEK_CUR), held("file"));
    println!("{}", look("file"));
}

fn limits() {
    // SAFETY: plain calls.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let limit = |bytes: u64| {
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
        made!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit))
    };
    let fd = opened("file", O_RDWR | O_CREAT);
    // What is printed goes to a file, too.
    let outcomes = [
        limit(10),
        put(fd, b"01234567"),
        put(fd, b"89abc"),
        put(fd, b"d"),
        write_at(fd, b"xyz", 9),
        write_at(fd, b"xyz", 10),
        made!(libc::ftruncate(fd, 11)),
        made!(libc::ftruncate(fd, 10)),
        made!(libc::fallocate(fd, 0, 0, 11)),
        made!(libc::truncate(text("file").as_ptr(), 20)),
        limit(libc::RLIM_INFINITY),
    ];
    println!("{outcomes:?} {}", held("file"));
}

/// Names that a directory's descriptor lists, by reads of so many bytes: `.` and `..` left out.
fn listed(fd: i32, bytes: usize) -> Result<Vec<String>, String> {
    let mut buffer = vec![0u8; bytes];
    let count = made!(libc::syscall(libc::SYS_getdents64, fd, buffer.as_mut_ptr(), bytes));
    let count = count.parse::<usize>().map_err(|_| count)?;
    let (mut at, mut names) = (0, Vec::new());
    while at < count {
        let length = usize::from(u16::from_ne_bytes([buffer[at + 16], buffer[at + 17]]));
        let name: Vec<u8> = buffer[at + 19..at + length].iter().copied().take_while(|&byte| byte != 0).collect();
        names.push(String::from_utf8_lossy(&name).into_owned());
        at += length;
    }
    Ok(names)
}

fn all_listed(fd: i32, bytes: usize) -> Vec<String> {
    let mut all = Vec::new();
    while let Ok(names) = listed(fd, bytes)
        && !names.is_empty()
    {
        all.extend(names.into_iter().filter(|name| name != "." && name != ".."));
    }
    all.sort();
    all
}

fn listings() {
    println!("{}", made!(libc::mkdir(text("folder").as_ptr(), 0o755)));
    for index in 0..20 {
        make(&format!("folder/file-{index:02}"), "");
    }
    let fd = opened("folder", O_RDONLY);
    println!("{:?} {:?}", listed(fd, 10), listed(opened("folder/file-00", O_RDONLY), 999));
    println!("{} {:?}", all_listed(fd, 4096).len(), listed(fd, 4096));
    println!("{} {}", seek(fd, 0, SEEK_SET), all_listed(fd, 64).len());
    println!("{} {}", seek(fd, 0, SEEK_SET), listed(fd, 100).is_ok());
    // What is removed is not listed any more, what stays is listed once.
    for index in 0..20 {
        if index % 2 == 0 {
            println!("{}", made!(libc::unlink(text(&format!("folder/file-{index:02}")).as_ptr())));
        }
    }
    println!("{}", seek(fd, 0, SEEK_SET));
    println!("{:?}", all_listed(fd, 80));
    make("folder/late", "");
    println!("{}", seek(fd, 0, SEEK_SET));
    println!("{}", all_listed(fd, 4096).contains(&"late".to_owned()));
    println!("{} {}", seek(fd, -1, SEEK_SET), seek(fd, 0, 7));
    println!("{}", std::fs::remove_dir_all("folder").is_ok());
    println!("{} {:?}", seek(fd, 0, SEEK_SET), listed(fd, 4096));
    println!("{} {:?}", look_at(fd, "", AT_EMPTY_PATH), listed(99, 4096));
}

/// Names, as many as one call tells.
fn some_names(fd: i32, room: usize) -> String {
    let mut bytes = vec![0u8; room];
    // SAFETY: the buffer is the call's to fill.
    let count = unsafe { libc::syscall(libc::SYS_getdents64, fd, bytes.as_mut_ptr(), room) };
    if count < 0 {
        return linux_programs::called(-1);
    }
    let (mut names, mut rest) = (Vec::new(), &bytes[..count as usize]);
    while rest.len() > 19 {
        let length = usize::from(u16::from_ne_bytes([rest[16], rest[17]]));
        let name = rest[19..length].split(|&byte| byte == 0).next().unwrap_or_default();
        names.push(String::from_utf8_lossy(name).into_owned());
        rest = &rest[length..];
    }
    names.sort();
    format!("[{}]", names.join(" "))
}

/// A directory that changes while it is read.
fn listings_of_what_changes() {
    const ROOM: usize = 4096;
    make("one", "");
    make("two", "");
    let fd = opened(".", O_RDONLY);
    println!("{} {}", some_names(fd, ROOM), some_names(fd, ROOM));
    make("three", "");
    println!("what came later: {}", some_names(fd, ROOM));
    println!("from the beginning: {} {}", seek(fd, 0, SEEK_SET), some_names(fd, ROOM));
    println!("moved: {} {}", made!(libc::rename(text("one").as_ptr(), text("four").as_ptr())), some_names(fd, ROOM));
    println!("again: {} {} {}", seek(fd, 0, SEEK_SET), some_names(fd, ROOM), some_names(fd, ROOM));
    println!("gone: {} {}", made!(libc::unlink(text("two").as_ptr())), some_names(fd, ROOM));
    // A program that moves all that it reads comes to an end.
    let fd = opened(".", O_RDONLY);
    let mut moves = 0;
    for round in 0..20 {
        let names = some_names(fd, 64);
        for name in names.trim_matches(['[', ']']).split(' ').filter(|name| name.len() > 2) {
            let new = format!("{name}-{round}");
            moves += i32::from(made!(libc::rename(text(name).as_ptr(), text(&new).as_ptr())) == "0");
        }
    }
    println!("moved while read: {} names", moves);
    println!("{}", some_names(fd, 10));
}

fn file_systems() {
    // SAFETY: the structure is numbers, and the call's to fill.
    let data = unsafe {
        let mut data: libc::statfs = std::mem::zeroed();
        println!("{}", made!(libc::statfs(text(".").as_ptr(), &raw mut data)));
        data
    };
    println!("{:#x} {} {}", data.f_type, data.f_bsize, data.f_namelen);
    println!("{} {}", data.f_bfree <= data.f_blocks, data.f_files > data.f_ffree);
    println!("{} {}", made!(libc::syscall(libc::SYS_statfs, text("missing").as_ptr(), 8)), made!(libc::syscall(libc::SYS_fstatfs, 99, 8)));
    println!("{}", made!(libc::syscall(libc::SYS_statfs, text(".").as_ptr(), 8)));
    let mut data = data;
    println!("{} {}", made!(libc::statfs(text("/proc").as_ptr(), &raw mut data)), data.f_type == 0x9fa0);
    println!("{}", made!(libc::fstatfs(opened(".", O_PATH), &raw mut data)));
}

fn kept_safe() {
    make("file", "x");
    let (fd, folder) = (opened("file", O_RDWR), opened(".", O_RDONLY));
    println!("{} {} {}", made!(libc::fsync(fd)), made!(libc::fdatasync(fd)), made!(libc::syncfs(fd)));
    println!("{} {} {}", made!(libc::fsync(folder)), made!(libc::fsync(99)), made!(libc::syncfs(99)));
    let range = |fd: i32, offset: i64, bytes: i64, flags: u32| made!(libc::sync_file_range(fd, offset, bytes, flags));
    println!("{} {} {}", range(fd, 0, 0, 7), range(fd, -1, 0, 7), range(fd, 0, 0, 8));
    let mut ends = [0; 2];
    println!("{} {} {}", made!(libc::pipe(ends.as_mut_ptr())), made!(libc::fsync(ends[1])), range(ends[0], 0, 0, 2));
    println!("{}", made!(libc::fsync(opened("/dev/null", O_RDWR))));
}

fn shared_offsets() {
    make("file", "0123456789");
    let fd = opened("file", O_RDWR);
    let inner = linux_programs::family::child(|| {
        println!("{}", take(fd, 3));
        println!("{}", put(fd, b"X"));
        0
    });
    println!("{}", linux_programs::family::end_of(inner));
    println!("{} {}", seek(fd, 0, SEEK_CUR), take(fd, 3));
    println!("{} {}", made!(libc::fcntl(fd, libc::F_SETFL, O_APPEND)), held("file"));
    let inner = linux_programs::family::child(|| {
        println!("{}", put(fd, b"end"));
        0
    });
    println!("{} {} {}", linux_programs::family::end_of(inner), seek(fd, 0, SEEK_CUR), held("file"));
}

fn main() {
    in_folder("contents", || {
        run(&[
            ("holes", || in_folder("a", holes)),
            ("seeking", || in_folder("b", seeking)),
            ("punching", || in_folder("c", punching)),
            ("allocation", || in_folder("d", allocation)),
            ("cutting", || in_folder("e", cutting)),
            ("copies", || in_folder("f", copies)),
            ("sending", || in_folder("g", sending)),
            ("vectors", || in_folder("h", vectors)),
            ("nothing and nowhere", || in_folder("i", nothing_and_nowhere)),
            ("limits", || in_folder("j", limits)),
            ("listings", || in_folder("o", listings)),
            ("listings of what changes", || in_folder("s", listings_of_what_changes)),
            ("file systems", || in_folder("p", file_systems)),
            ("kept safe", || in_folder("q", kept_safe)),
            ("shared offsets", || in_folder("r", shared_offsets)),
        ]);
    });
}
