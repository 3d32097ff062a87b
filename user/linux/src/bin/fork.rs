//! fork(2) and its like: what the child has of its parent, and what it does not.

use std::alloc::{Layout, alloc};
use std::arch::naked_asm;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::thread;

use linux_programs::call;

/// Pages of memory that both processes share.
fn shared() -> &'static [AtomicU32; 1024] {
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    // SAFETY: a mapping of its own, for ever, zeroed; what is in it is atomic.
    unsafe {
        let address = libc::mmap(ptr::null_mut(), 4096, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
        assert_ne!(address, libc::MAP_FAILED);
        &*address.cast()
    }
}

/// Run something in a child; gives the child's id.
fn child(work: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child of a process with threads does only what a handler of a signal may, and the allocator of this C library allows.
    let id = unsafe { libc::fork() };
    if id == 0 {
        // SAFETY: it ends without running what is the parent's to run.
        unsafe { libc::_exit(work()) };
    }
    assert!(id > 0, "fork: {}", std::io::Error::last_os_error());
    id
}

/// The wait status of a child.
fn status(id: i32) -> i32 {
    let mut status = -1;
    // SAFETY: the word is the call's to write.
    assert_eq!(unsafe { libc::waitpid(id, &raw mut status, 0) }, id);
    status
}

/// Memory: written on one side only, then on the other.
fn isolation() {
    static mut STATIC: [u8; 3 * 4096] = [1; 3 * 4096];
    let data = (&raw mut STATIC).cast::<u8>();
    let words = shared();
    let mut heap = vec![1u8; 200_000];
    let local = [1u8; 5000];
    let layout = Layout::from_size_align(1 << 20, 4096).expect("a layout");
    // SAFETY: the layout is not empty.
    let fresh = unsafe { alloc(layout) };
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    let id = child(|| {
        let mut local = local;
        heap.fill(2);
        local.fill(2);
        // SAFETY: nobody else uses the bytes.
        unsafe {
            data.write_bytes(2, 3 * 4096);
            fresh.write_bytes(2, 1 << 20);
        }
        words[0].store(sum(&heap) + sum(&local), Ordering::SeqCst);
        words[1].store(1, Ordering::SeqCst);
        while words[2].load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        // What the parent stored meanwhile is not here.
        // SAFETY: as above.
        let mine = unsafe { *data.add(5000) == 2 && *fresh.add(77_777) == 2 };
        i32::from(heap.iter().all(|&byte| byte == 2) && mine)
    });
    while words[1].load(Ordering::SeqCst) == 0 {
        thread::yield_now();
    }
    // SAFETY: as above.
    let statics = unsafe { (0..3 * 4096).map(|index| u32::from(*data.add(index))).sum::<u32>() };
    println!("in the child: {}, in the parent: {} {} {statics}", words[0].load(Ordering::SeqCst), sum(&heap), sum(&local));
    heap.fill(3);
    // SAFETY: as above.
    unsafe {
        data.write_bytes(3, 3 * 4096);
        fresh.write_bytes(3, 1 << 20);
    }
    words[2].store(1, Ordering::SeqCst);
    println!("the child kept its own: {:#x}", status(id));
}

/// mprotect(2), munmap(2), mremap(2) and madvise(2) on pages that are shared until one side writes.
fn mappings() {
    const BYTES: usize = 8 * 4096;
    // SAFETY: a mapping of its own, used by this function only.
    unsafe {
        let map = |flags| libc::mmap(ptr::null_mut(), BYTES, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_ANONYMOUS | flags, -1, 0);
        let base = map(libc::MAP_PRIVATE).cast::<u8>();
        let common = map(libc::MAP_SHARED).cast::<u8>();
        base.write_bytes(7, BYTES);
        *common = 1;
        let id = child(|| {
            libc::mprotect(base.cast(), BYTES, libc::PROT_READ);
            libc::mprotect(base.cast(), BYTES, libc::PROT_READ | libc::PROT_WRITE);
            *base = 8;
            libc::madvise(base.add(4096).cast(), 4096, libc::MADV_DONTNEED);
            let dropped = *base.add(4096);
            let moved = libc::mremap(base.add(8192).cast(), 4096, 4 * 4096, libc::MREMAP_MAYMOVE).cast::<u8>();
            *moved.add(1) = 9;
            libc::munmap(base.add(5 * 4096).cast(), 4096);
            // A page of shared memory that nobody had touched before.
            *common.add(4096) = 5;
            i32::from(*base) + i32::from(dropped) + i32::from(*moved) + i32::from(*moved.add(1)) + i32::from(*base.add(7 * 4096))
        });
        println!("child: {:#x}", status(id));
        let left: u32 = (0..BYTES).map(|index| u32::from(*base.add(index))).sum();
        println!("parent: {} {} {}", left / 7, *common, *common.add(4096));
        *base = 1;
        let id = child(|| i32::from(*base));
        println!("child of what was written since: {:#x}", status(id));
        libc::munmap(base.cast(), BYTES);
    }
}

/// Who the child is.
fn identity() {
    let words = shared();
    // SAFETY: calls that take no memory.
    let me = unsafe { libc::getpid() };
    let id = child(|| {
        // SAFETY: as above.
        unsafe {
            words[0].store(libc::getpid() as u32, Ordering::SeqCst);
            words[1].store(libc::getppid() as u32, Ordering::SeqCst);
            words[2].store(libc::syscall(libc::SYS_gettid) as u32, Ordering::SeqCst);
        }
        0
    });
    let ended = status(id);
    let [own, parent, thread] = [0, 1, 2].map(|index| words[index].load(Ordering::SeqCst) as i32);
    println!("identity: {} {} {} {ended}", own == id, parent == me, thread == id);
}

static HANDLED: AtomicI32 = AtomicI32::new(0);

extern "C" fn fork_in_handler(_: i32) {
    HANDLED.store(child(|| 5), Ordering::SeqCst);
}

extern "C" fn count(_: i32) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

/// Signals: handlers and masks are inherited, pending signals and timers are not; and a fork in a handler.
fn signals() {
    // SAFETY: the handlers store to atomics and fork.
    unsafe {
        libc::signal(libc::SIGUSR1, fork_in_handler as *const () as usize);
        libc::raise(libc::SIGUSR1);
        println!("in a handler: {:#x}", status(HANDLED.swap(0, Ordering::SeqCst)));
        libc::signal(libc::SIGUSR2, count as *const () as usize);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigaddset(&raw mut set, libc::SIGUSR2);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut());
        libc::raise(libc::SIGUSR2);
        let id = child(|| {
            let mut pending: libc::sigset_t = std::mem::zeroed();
            libc::sigpending(&raw mut pending);
            let inherited = libc::sigismember(&raw const pending, libc::SIGUSR2);
            libc::raise(libc::SIGUSR2);
            let early = HANDLED.load(Ordering::SeqCst);
            libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut());
            inherited * 100 + early * 10 + HANDLED.load(Ordering::SeqCst)
        });
        println!("pending, early, handled: {:#x}", status(id));
        libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut());
        println!("the parent's: {}", HANDLED.load(Ordering::SeqCst));
        libc::alarm(100);
        let id = child(|| libc::alarm(0) as i32);
        println!("alarm: child {:#x}, parent {}", status(id), libc::alarm(0) > 90);
    }
}

/// Forks by each of several threads, while they all allocate and print to a buffer.
fn threads() {
    const THREADS: usize = 8;
    const FORKS: usize = 6;
    let end = AtomicBool::new(false);
    let sum = thread::scope(|scope| {
        let noise = || {
            let mut kept = Vec::new();
            while !end.load(Ordering::Relaxed) {
                kept.push(format!("{:?}", kept.len()));
                if kept.len() > 200 {
                    kept.clear();
                }
                thread::yield_now();
            }
        };
        scope.spawn(noise);
        scope.spawn(noise);
        let forks = || {
            let mut sum = 0;
            for index in 0..FORKS {
                let id = child(|| {
                    // Memory from an allocator that other threads were using.
                    let text: Vec<String> = (0..50).map(|index| format!("{index}")).collect();
                    i32::from(text.concat().len() == 90) + index as i32
                });
                sum += status(id) >> 8;
            }
            sum
        };
        let handles: Vec<_> = (0..THREADS).map(|_| scope.spawn(forks)).collect();
        let sum: i32 = handles.into_iter().map(|handle| handle.join().expect("no panic")).sum();
        end.store(true, Ordering::Relaxed);
        sum
    });
    println!("from threads: {sum}");
}

/// Children of children, and many one after the other.
fn generations() {
    fn descend(depth: i32) -> i32 {
        if depth == 0 { 1 } else { (status(child(|| descend(depth - 1))) >> 8) + 1 }
    }
    println!("deep: {}", descend(5));
    let mut sum = 0;
    for index in 0..1000 {
        sum += status(child(|| index % 7)) >> 8;
    }
    println!("a thousand: {sum}");
    let ids: Vec<i32> = (0..20).map(|index| child(|| index)).collect();
    println!("at once: {}", ids.into_iter().map(|id| status(id) >> 8).sum::<i32>());
}

/// vfork(2), by clone(2) on a stack of the child's own: memory is common, the parent waits, other signals too.
fn vfork() {
    extern "C" fn store(word: *mut libc::c_void) -> i32 {
        // SAFETY: the parent waits, and its word outlives the call.
        unsafe { (*word.cast::<AtomicU32>()).store(42, Ordering::SeqCst) };
        3
    }
    let word = AtomicU32::new(0);
    let mut stack = vec![0u128; 4096];
    for round in 0..3 {
        if round == 1 {
            // From here on pages are copied on write, which must not come between the two.
            println!("a fork before: {:#x}", status(child(|| 0)));
        }
        word.store(0, Ordering::SeqCst);
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: the stack is large enough and aligned; the parent waits until the child is done with it.
        let id = unsafe { libc::clone(store, stack.as_mut_ptr_range().end.cast(), flags, word.as_ptr().cast()) };
        println!("vfork: {} {:#x}", word.load(Ordering::SeqCst), status(id));
    }
    let sum: f64 = (0..10).map(|index| f64::from(index) * 0.5).sum();
    println!("vectors: {sum}");
}

/// vfork(2) of a child that stores below the stack pointer that it shares, sends a signal to its parent, and ends; gives the child's id.
#[unsafe(naked)]
unsafe extern "C" fn vfork_and_store(parent: i32, signal: i32) -> i32 {
    #[cfg(target_arch = "aarch64")]
    naked_asm!(
        "mov x9, x0",
        "mov x10, x1",
        "mov x8, #220",
        "mov x0, #0x4111",
        "mov x1, #0",
        "svc #0",
        "cbz x0, 1f",
        "ret",
        "1: sub x11, sp, #1024",
        "mov x12, sp",
        "2: str x12, [x11], #8",
        "cmp x11, x12",
        "b.ne 2b",
        "mov x30, #0",
        "mov x0, x9",
        "mov x1, x10",
        "mov x8, #129",
        "svc #0",
        "mov x0, #0",
        "mov x8, #94",
        "svc #0",
        "brk #0",
    );
    #[cfg(target_arch = "x86_64")]
    naked_asm!(
        "mov r8d, edi",
        "mov r9d, esi",
        "mov eax, 58",
        "syscall",
        "test eax, eax",
        "jz 1f",
        "ret",
        "1: lea rcx, [rsp - 1024]",
        "2: mov [rcx], rcx",
        "add rcx, 8",
        "cmp rcx, rsp",
        "jne 2b",
        "mov edi, r8d",
        "mov esi, r9d",
        "mov eax, 62",
        "syscall",
        "xor edi, edi",
        "mov eax, 231",
        "syscall",
        "ud2",
    );
}

/// vfork(2) while another thread would run and a signal comes: what the parent needs to go on is not where the child may store.
fn vfork_beside_a_thread() {
    let end = AtomicBool::new(false);
    // SAFETY: all-zero bytes are a set; the signal is one.
    let set = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigaddset(&raw mut set, libc::SIGUSR1);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut());
        set
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            while !end.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        for _ in 0..10 {
            // SAFETY: nothing is kept below the stack pointer.
            let ended = status(unsafe { vfork_and_store(libc::getpid(), libc::SIGUSR1) });
            // SAFETY: the set is there.
            println!("vfork beside a thread: {ended:#x} {}", unsafe { libc::sigwaitinfo(&raw const set, ptr::null_mut()) });
        }
        end.store(true, Ordering::Relaxed);
    });
    // SAFETY: the set is there.
    unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut()) };
}

/// clone(2)'s words, and what it refuses.
fn clone() {
    let words = shared();
    let mut set = 0u32;
    let (parent, child_word) = ((&raw mut set) as usize, (&raw const words[3]) as usize);
    let flags = (libc::CLONE_PARENT_SETTID | libc::CLONE_CHILD_SETTID | libc::SIGCHLD) as usize;
    let arguments = if cfg!(target_arch = "x86_64") { [flags, 0, parent, child_word, 0] } else { [flags, 0, parent, 0, child_word] };
    // SAFETY: as fork(2), and the words are there in both.
    let id = unsafe { call(libc::SYS_clone, &arguments) }.expect("a process") as i32;
    if id == 0 {
        // SAFETY: as in `child`.
        unsafe { libc::_exit(i32::from(words[3].load(Ordering::SeqCst) == libc::getpid() as u32)) };
    }
    println!("clone: {:#x} {}", status(id), set == id as u32);
    let refused = [libc::CLONE_SIGHAND, libc::CLONE_THREAD, libc::CLONE_THREAD | libc::CLONE_SIGHAND];
    for flags in refused {
        // SAFETY: refused before anything happens.
        println!("{flags:#x}: {:?}", unsafe { call(libc::SYS_clone, &[flags as usize, 0, 0, 0, 0]) });
    }
    let known = [0u64, 0, 0, 0, libc::SIGCHLD as u64, 0, 0, 0, 0, 0, 0];
    // SAFETY: as fork(2).
    let id = unsafe { call(libc::SYS_clone3, &[known.as_ptr() as usize, 88]) }.expect("a process") as i32;
    if id == 0 {
        // SAFETY: as in `child`.
        unsafe { libc::_exit(9) };
    }
    println!("clone3: {:#x}", status(id));
}

/// Open files: descriptors are copies, offsets are common.
fn files() {
    let mut ends = [0; 2];
    // SAFETY: the ends are the call's to write; the buffers outlive the calls.
    unsafe {
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        let id = child(|| {
            libc::close(ends[0]);
            libc::write(ends[1], b"from the child".as_ptr().cast(), 14) as i32
        });
        libc::close(ends[1]);
        let mut buffer = [0u8; 64];
        let count = libc::read(ends[0], buffer.as_mut_ptr().cast(), 64);
        println!("pipe: {:?} {:#x}", String::from_utf8_lossy(&buffer[..count.max(0) as usize]), status(id));
        println!("end of file: {}", libc::read(ends[0], buffer.as_mut_ptr().cast(), 64));
        let file = libc::open(c"shared-offset".as_ptr(), libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC, 0o600);
        let id = child(|| libc::write(file, b"12345".as_ptr().cast(), 5) as i32);
        let ended = status(id);
        println!("offset: {ended:#x} {}", libc::lseek(file, 0, libc::SEEK_CUR));
        libc::close(file);
    }
}

fn main() {
    identity();
    isolation();
    mappings();
    signals();
    clone();
    vfork();
    vfork_beside_a_thread();
    files();
    generations();
    threads();
}
