//! The error of each call that goes wrong in a certain way.

use linux_programs::call;

const NOWHERE: usize = 0x10;
const DIRECTORY: &[u8] = b"errors-directory\0";
const FILE: &[u8] = b"errors-file\0";
const BELOW_FILE: &[u8] = b"errors-file/below\0";
const MISSING: &[u8] = b"errors-missing\0";

fn path(bytes: &'static [u8]) -> usize {
    assert!(bytes.ends_with(b"\0"));
    bytes.as_ptr() as usize
}

fn main() {
    std::fs::create_dir("errors-directory").unwrap();
    std::fs::write("errors-file", "contents").unwrap();
    std::os::unix::fs::symlink("errors-loop", "errors-loop").unwrap();
    let here = libc::AT_FDCWD as usize;
    let long = [vec![b'x'; 300], vec![0]].concat();
    let flags = |flags: i32| flags as usize;
    // SAFETY: only reads of the file that it names, into a buffer that outlives the loop below.
    let file = unsafe { call(libc::SYS_openat, &[here, path(FILE), flags(libc::O_RDONLY)]) }.unwrap() as usize;
    let directory = open_directory(DIRECTORY);
    let mut buffer = [0u8; 64];
    let buffer = buffer.as_mut_ptr() as usize;
    let high = usize::MAX - 0xfff;

    let rows: &[(&str, libc::c_long, &[usize])] = &[
        ("read of a closed descriptor", libc::SYS_read, &[77, buffer, 1]),
        ("read of descriptor -1", libc::SYS_read, &[usize::MAX, buffer, 1]),
        ("read into nowhere", libc::SYS_read, &[file, NOWHERE, 1]),
        ("read into the kernel's half", libc::SYS_read, &[file, high, 1]),
        ("read of a directory", libc::SYS_read, &[directory, buffer, 1]),
        ("write to a file open for reading", libc::SYS_write, &[file, buffer, 1]),
        ("write from nowhere", libc::SYS_write, &[1, NOWHERE, 1]),
        ("open of a missing file", libc::SYS_openat, &[here, path(MISSING), flags(libc::O_RDONLY)]),
        ("open of nothing", libc::SYS_openat, &[here, path(b"\0"), flags(libc::O_RDONLY)]),
        ("open of a path from nowhere", libc::SYS_openat, &[here, NOWHERE, flags(libc::O_RDONLY)]),
        ("open below a file", libc::SYS_openat, &[here, path(BELOW_FILE), flags(libc::O_RDONLY)]),
        ("open of a directory for writing", libc::SYS_openat, &[here, path(DIRECTORY), flags(libc::O_WRONLY)]),
        ("exclusive creation of a file that is there", libc::SYS_openat, &[here, path(FILE), flags(libc::O_CREAT | libc::O_EXCL), 0o644]),
        ("open of a file as a directory", libc::SYS_openat, &[here, path(FILE), flags(libc::O_DIRECTORY)]),
        ("open of a link to itself", libc::SYS_openat, &[here, path(b"errors-loop\0"), flags(libc::O_RDONLY)]),
        ("open of a link without following", libc::SYS_openat, &[here, path(b"errors-loop\0"), flags(libc::O_NOFOLLOW)]),
        ("open of a name too long", libc::SYS_openat, &[here, long.as_ptr() as usize, flags(libc::O_RDONLY)]),
        ("open relative to a file", libc::SYS_openat, &[file, path(MISSING), flags(libc::O_RDONLY)]),
        ("open relative to a closed descriptor", libc::SYS_openat, &[77, path(MISSING), flags(libc::O_RDONLY)]),
        ("close of a closed descriptor", libc::SYS_close, &[77]),
        ("seek to before the start", libc::SYS_lseek, &[file, usize::MAX, 0]),
        ("seek by an unknown rule", libc::SYS_lseek, &[file, 0, 99]),
        ("seek in a closed descriptor", libc::SYS_lseek, &[77, 0, 0]),
        ("positioned read before the start", libc::SYS_pread64, &[file, buffer, 1, usize::MAX]),
        ("making a directory that is there", libc::SYS_mkdirat, &[here, path(DIRECTORY), 0o755]),
        ("making a directory below a missing one", libc::SYS_mkdirat, &[here, path(b"errors-missing/new\0"), 0o755]),
        ("removing a missing file", libc::SYS_unlinkat, &[here, path(MISSING), 0]),
        ("removing a directory as a file", libc::SYS_unlinkat, &[here, path(DIRECTORY), 0]),
        ("removing a file as a directory", libc::SYS_unlinkat, &[here, path(FILE), flags(libc::AT_REMOVEDIR)]),
        ("removing with an unknown flag", libc::SYS_unlinkat, &[here, path(FILE), 0x8000_0000]),
        ("changing to a file", libc::SYS_chdir, &[path(FILE)]),
        ("changing to a missing directory", libc::SYS_chdir, &[path(MISSING)]),
        ("duplicating a closed descriptor", libc::SYS_dup, &[77]),
        ("duplicating onto itself", libc::SYS_dup3, &[1, 1, 0]),
        ("duplicating with an unknown flag", libc::SYS_dup3, &[1, 9, 1]),
        ("fcntl with an unknown command", libc::SYS_fcntl, &[file, 9999, 0]),
        ("ioctl of a terminal on a file", libc::SYS_ioctl, &[file, libc::TCGETS as usize, buffer]),
        ("truncating through a descriptor for reading", libc::SYS_ftruncate, &[file, 0]),
        ("truncating to a negative size", libc::SYS_ftruncate, &[file, usize::MAX]),
        ("listing a file", libc::SYS_getdents64, &[file, buffer, 64]),
        ("listing into too little room", libc::SYS_getdents64, &[directory, buffer, 4]),
        ("reading a link that is a file", libc::SYS_readlinkat, &[here, path(FILE), buffer, 64]),
        ("reading a link into no room", libc::SYS_readlinkat, &[here, path(b"errors-loop\0"), buffer, 0]),
        ("mapping no bytes", libc::SYS_mmap, &[0, 0, 3, 0x22, usize::MAX, 0]),
        ("mapping neither shared nor private", libc::SYS_mmap, &[0, 4096, 3, 0x20, usize::MAX, 0]),
        ("mapping a closed descriptor", libc::SYS_mmap, &[0, 4096, 1, 2, 77, 0]),
        ("mapping at an odd offset", libc::SYS_mmap, &[0, 4096, 1, 2, file, 1]),
        ("mapping a directory", libc::SYS_mmap, &[0, 4096, 1, 2, directory, 0]),
        ("mapping shared and writable what is open for reading", libc::SYS_mmap, &[0, 4096, 3, 1, file, 0]),
        ("mapping more than there is room for", libc::SYS_mmap, &[0, 1 << 50, 0, 0x4022, usize::MAX, 0]),
        ("mapping at an odd address", libc::SYS_mmap, &[0x7_0000_0001, 4096, 3, 0x32, usize::MAX, 0]),
        ("unmapping at an odd address", libc::SYS_munmap, &[0x7_0000_0001, 4096]),
        ("unmapping no bytes", libc::SYS_munmap, &[0x7_0000_0000, 0]),
        ("protecting what is not mapped", libc::SYS_mprotect, &[0x7_0000_0000, 4096, 1]),
        ("protecting at an odd address", libc::SYS_mprotect, &[0x7_0000_0001, 4096, 1]),
        ("remapping what is not mapped", libc::SYS_mremap, &[0x7_0000_0000, 4096, 8192, 1]),
        ("advising in an unknown way", libc::SYS_madvise, &[0x7_0000_0000, 4096, 999]),
        ("advising about what is not mapped", libc::SYS_madvise, &[0x7_0000_0000, 4096, 4]),
        ("an unknown clock", libc::SYS_clock_gettime, &[999, buffer]),
        ("the time into nowhere", libc::SYS_clock_gettime, &[1, NOWHERE]),
        ("random bytes with an unknown flag", libc::SYS_getrandom, &[buffer, 8, 0x100]),
        ("random bytes into nowhere", libc::SYS_getrandom, &[NOWHERE, 8, 0]),
        ("the name of the system into nowhere", libc::SYS_uname, &[NOWHERE]),
        ("the directory into too little room", libc::SYS_getcwd, &[buffer, 1]),
        ("an action for a signal that there is none of", libc::SYS_rt_sigaction, &[65, 0, 0, 8]),
        ("an action for SIGKILL", libc::SYS_rt_sigaction, &[9, buffer, 0, 8]),
        ("a signal set of another size", libc::SYS_rt_sigprocmask, &[0, buffer, 0, 4]),
        ("a gathered write of too many pieces", libc::SYS_writev, &[1, buffer, 1 << 20]),
        ("a gathered write from nowhere", libc::SYS_writev, &[1, NOWHERE, 1]),
        ("waiting without a child", libc::SYS_wait4, &[usize::MAX, 0, 0, 0]),
        ("a signal to no process", libc::SYS_kill, &[0x3fff_ffff, 0]),
        ("a call that there is none of", 5000, &[]),
        ("a call with a negative number", -7, &[]),
        ("a call with a very negative number", i32::MIN as libc::c_long + 0x1_0000, &[]),
    ];
    for (label, number, arguments) in rows {
        // SAFETY: each row fails before it changes anything, but for those that fill `buffer`.
        match unsafe { call(*number, arguments) } {
            Ok(value) => println!("{label}: {value}"),
            Err(error) => println!("{label}: {error}"),
        }
    }
    std::fs::remove_file("errors-loop").unwrap();
    std::fs::remove_file("errors-file").unwrap();
    std::fs::remove_dir("errors-directory").unwrap();
}

fn open_directory(name: &'static [u8]) -> usize {
    // SAFETY: opening a directory for reading changes nothing.
    unsafe { call(libc::SYS_openat, &[libc::AT_FDCWD as usize, path(name), libc::O_DIRECTORY as usize]) }.unwrap() as usize
}
