//! Who a process is, what limits it has, and what the loader told it.

use linux_programs::call;

fn main() {
    let ask = |number| {
        // SAFETY: these calls take nothing and change nothing.
        unsafe { call(number, &[]) }
    };
    for (name, number) in [("uid", libc::SYS_getuid), ("euid", libc::SYS_geteuid), ("gid", libc::SYS_getgid), ("egid", libc::SYS_getegid)] {
        println!("{name}: {:?}", ask(number));
    }
    println!("process and thread are one: {}", ask(libc::SYS_getpid) == ask(libc::SYS_gettid));
    println!("a parent: {}", ask(libc::SYS_getppid).is_ok());
    println!("yield: {:?}", ask(libc::SYS_sched_yield));
    println!(
        "umask: {:?}",
        [0o077, 0o022].map(|mask| {
            // SAFETY: the mask is set back by the second call.
            unsafe { call(libc::SYS_umask, &[mask]) }.is_ok()
        })
    );

    let mut name = [0u8; 65 * 6];
    // SAFETY: the buffer has room for the six names.
    println!("uname: {:?}", unsafe { call(libc::SYS_uname, &[name.as_mut_ptr() as usize]) });
    println!("system: {:?}", String::from_utf8_lossy(name.split(|&byte| byte == 0).next().unwrap_or(&[])));
    println!("machine: {}", name[65 * 4..].starts_with(std::env::consts::ARCH.as_bytes()));

    let auxiliary = |kind| {
        // SAFETY: reads the process's own auxiliary vector.
        unsafe { libc::getauxval(kind) }
    };
    println!("page size: {}", auxiliary(libc::AT_PAGESZ));
    println!("ticks a second: {}", auxiliary(libc::AT_CLKTCK));
    println!("header size: {}", auxiliary(libc::AT_PHENT));
    println!("headers: {}", auxiliary(libc::AT_PHNUM) > 0 && auxiliary(libc::AT_PHDR) > 0);
    println!("entry: {}", auxiliary(libc::AT_ENTRY) > 0);
    println!("secure: {}", auxiliary(libc::AT_SECURE));
    println!("random bytes: {}", auxiliary(libc::AT_RANDOM) > 0);
    println!("a vDSO: {}", auxiliary(libc::AT_SYSINFO_EHDR) > 0);
    println!("identity: {}", auxiliary(libc::AT_UID) == u64::from(own_uid()));

    let mut limit = [0u64; 2];
    for (label, resource) in [("stack", libc::RLIMIT_STACK), ("files", libc::RLIMIT_NOFILE)] {
        // SAFETY: the pair is this function's own.
        let outcome = unsafe { call(libc::SYS_prlimit64, &[0, resource as usize, 0, limit.as_mut_ptr() as usize]) };
        println!("limit of {label}: {outcome:?}, some: {}", limit[0] > 0);
    }
    println!("an unknown limit: {:?}", {
        // SAFETY: refused before anything is written.
        unsafe { call(libc::SYS_prlimit64, &[0, 99, 0, limit.as_mut_ptr() as usize]) }
    });
    let mut set = [0u64; 16];
    // SAFETY: the set is this function's own.
    let size = unsafe { call(libc::SYS_sched_getaffinity, &[0, 128, set.as_mut_ptr() as usize]) };
    println!("a processor to run on: {} {}", size.is_ok(), set[0] & 1);
}

fn own_uid() -> u32 {
    // SAFETY: takes nothing, changes nothing.
    unsafe { libc::getuid() }
}
