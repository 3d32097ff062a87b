//! System V's message queues, semaphores and shared memory: keys, permissions, limits, waits, what ends with a process, and what does not.

use std::mem::zeroed;
use std::ptr::{null, null_mut};

use linux_programs::called;
use linux_programs::family::{child, end_of};

const PRIVATE: i32 = libc::IPC_PRIVATE;

/// A key that no other run of this program has.
fn key(number: u32) -> i32 {
    (std::process::id() << 8 | number) as i32
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Message {
    kind: i64,
    text: [u8; 16],
}

fn send(queue: i32, kind: i64, text: &str, flags: i32) -> String {
    let mut message = Message { kind, text: [0; 16] };
    message.text[..text.len()].copy_from_slice(text.as_bytes());
    // SAFETY: the message is read, and lives until the call returns.
    called(unsafe { libc::msgsnd(queue, (&raw const message).cast(), text.len(), flags) })
}

fn receive(queue: i32, kind: i64, room: usize, flags: i32) -> String {
    let mut message = Message { kind: 0, text: [0; 16] };
    // SAFETY: the message has that much room, and lives until the call returns.
    let count = unsafe { libc::msgrcv(queue, (&raw mut message).cast(), room, kind, flags) } as i64;
    if count < 0 {
        return called(-1);
    }
    format!("{}:{}", message.kind, String::from_utf8_lossy(&message.text[..count as usize]))
}

fn queue_state(queue: i32) -> libc::msqid_ds {
    // SAFETY: all of its fields are numbers, which the call fills.
    unsafe {
        let mut state: libc::msqid_ds = zeroed();
        assert_eq!(libc::msgctl(queue, libc::IPC_STAT, &raw mut state), 0);
        state
    }
}

fn remove_queue(queue: i32) -> String {
    // SAFETY: no memory is touched.
    called(unsafe { libc::msgctl(queue, libc::IPC_RMID, null_mut()) })
}

fn get_queue(key: i32, flags: i32) -> i32 {
    // SAFETY: no memory is touched.
    unsafe { libc::msgget(key, flags) }
}

fn queues() {
    println!("absent: {}", called(get_queue(key(1), 0)));
    let queue = get_queue(key(1), libc::IPC_CREAT | 0o640);
    println!("again: {} {}", get_queue(key(1), 0o600) == queue, called(get_queue(key(1), libc::IPC_CREAT | libc::IPC_EXCL)));
    println!("private ones differ: {}", {
        let pair = [get_queue(PRIVATE, 0o600), get_queue(PRIVATE, 0o600)];
        let differ = pair[0] != pair[1] && pair[0] != queue;
        let _ = pair.map(remove_queue);
        differ
    });
    for (kind, text) in [(3, "three"), (1, "one"), (2, "two"), (1, "uno"), (7, "")] {
        println!("sent {text}: {}", send(queue, kind, text, 0));
    }
    println!("no type: {} {}", send(queue, 0, "x", 0), send(queue, -5, "x", 0));
    let state = queue_state(queue);
    println!("state: {} {} {} {:o}", state.msg_qnum, state.__msg_cbytes, state.msg_qbytes, state.msg_perm.mode);
    println!("by: {} {}", state.msg_lspid as u32 == std::process::id(), state.msg_lrpid);
    println!("times: {} {}", state.msg_stime > 0, state.msg_rtime);
    println!("copied: {} {}", receive(queue, 2, 16, libc::MSG_COPY | libc::IPC_NOWAIT), receive(queue, 2, 16, libc::MSG_COPY));
    println!("too long: {} {}", receive(queue, 0, 2, 0), receive(queue, 0, 2, libc::MSG_NOERROR));
    println!("lowest up to 2: {}", receive(queue, -2, 16, 0));
    println!("all but 2: {}", receive(queue, 2, 16, libc::MSG_EXCEPT));
    println!("of type 7: {}", receive(queue, 7, 16, 0));
    println!("of none: {} {}", receive(queue, 9, 16, libc::IPC_NOWAIT), receive(queue, 2, usize::MAX, 0));
    println!("the last: {} {}", receive(queue, i64::MIN, 16, 0), receive(queue, 0, 16, libc::IPC_NOWAIT));

    let mut state = queue_state(queue);
    (state.msg_qbytes, state.msg_perm.mode) = (4, 0o600);
    // SAFETY: the structure is read, and lives until the call returns.
    println!("limited: {}", called(unsafe { libc::msgctl(queue, libc::IPC_SET, &raw mut state) }));
    println!("full: {} {}", send(queue, 1, "abc", 0), send(queue, 1, "de", libc::IPC_NOWAIT));
    let sender = child(|| i32::from(send(queue, 2, "waited", 0) != "0") * 2 + i32::from(send(queue, 3, "wait", 0) != "0"));
    println!("longer than the queue: {}", receive(queue, 1, 16, 0));
    state.msg_qbytes = 6;
    // SAFETY: the structure is read, and lives until the call returns.
    println!("more: {}", called(unsafe { libc::msgctl(queue, libc::IPC_SET, &raw mut state) }));
    println!("from the child: {} {}", receive(queue, 0, 16, 0), receive(queue, 0, 16, 0));
    println!("it ended: {:?}", end_of(sender));
    let receiver = child(|| i32::from(!["EIDRM", "EINVAL"].contains(&receive(queue, 5, 16, 0).as_str())));
    // What it does is the same if it does not wait yet.
    std::thread::sleep(std::time::Duration::from_millis(50));
    println!("removed: {} {}", remove_queue(queue), remove_queue(queue));
    println!("who waited: {:?}", end_of(receiver));
    println!("gone: {} {}", send(queue, 1, "x", 0), receive(queue, 0, 16, 0));
    println!("negative: {} {}", send(-1, 1, "x", 0), remove_queue(-1));
    println!("bad pointer: {}", {
        let queue = get_queue(PRIVATE, 0o600);
        // SAFETY: a pointer of no program is what is tried; the kernel refuses it.
        let outcome = called(unsafe { libc::msgsnd(queue, null(), 1, 0) });
        remove_queue(queue);
        outcome
    });
}

/// Wait for others to do something.
fn pause_until(condition: impl Fn() -> bool) {
    while !condition() {
        std::thread::yield_now();
    }
}

fn get_set(key: i32, count: i32, flags: i32) -> i32 {
    // SAFETY: no memory is touched.
    unsafe { libc::semget(key, count, flags) }
}

/// semctl(2) with a number, or nothing.
fn command(set: i32, semaphore: i32, command: i32, argument: i32) -> String {
    // SAFETY: none of the commands here has a pointer.
    called(unsafe { libc::semctl(set, semaphore, command, argument) })
}

fn values<const N: usize>(set: i32) -> [u16; N] {
    let mut values = [0; N];
    // SAFETY: there is room for the values of the set.
    assert_eq!(unsafe { libc::semctl(set, 0, libc::GETALL, values.as_mut_ptr()) }, 0);
    values
}

fn operate(set: i32, changes: &[(u16, i16, i32)], within: Option<(i64, i64)>) -> String {
    let mut changes: Vec<libc::sembuf> =
        changes.iter().map(|&(sem_num, sem_op, flags)| libc::sembuf { sem_num, sem_op, sem_flg: flags as i16 }).collect();
    let within = within.map(|(tv_sec, tv_nsec)| libc::timespec { tv_sec, tv_nsec });
    let within = within.as_ref().map_or(null(), |within| within as *const libc::timespec);
    // SAFETY: operations and time live until the call returns.
    called(unsafe { libc::syscall(libc::SYS_semtimedop, set, changes.as_mut_ptr(), changes.len(), within) } as i32)
}

const NO_WAIT: i32 = libc::IPC_NOWAIT;
const UNDO: i32 = libc::SEM_UNDO;

fn semaphores() {
    println!("none: {} {}", called(get_set(PRIVATE, 0, 0o600)), called(get_set(PRIVATE, -1, 0o600)));
    let set = get_set(key(2), 3, libc::IPC_CREAT | 0o600);
    println!("more than there are: {} {}", called(get_set(key(2), 4, 0)), get_set(key(2), 0, 0) == set);
    println!("all: {}", {
        let mut values: [u16; 3] = [1, 2, 3];
        // SAFETY: the values are those of the whole set.
        called(unsafe { libc::semctl(set, 0, libc::SETALL, values.as_mut_ptr()) })
    });
    println!("one: {} {:?}", command(set, 1, libc::SETVAL, 7), values::<3>(set));
    println!("values: {} {} {}", command(set, 1, libc::GETVAL, 0), command(set, 3, libc::GETVAL, 0), command(set, -1, libc::GETVAL, 0));
    println!("too high: {} {}", command(set, 1, libc::SETVAL, 32_768), command(set, 1, libc::SETVAL, -1));
    println!("both: {} {:?}", operate(set, &[(0, -1, 0), (1, 1, 0)], None), values::<3>(set));
    println!("neither: {} {:?}", operate(set, &[(1, -1, 0), (0, -1, NO_WAIT)], None), values::<3>(set));
    println!("is zero: {} {}", operate(set, &[(0, 0, 0)], None), operate(set, &[(1, 0, NO_WAIT)], None));
    println!("one after the other: {} {:?}", operate(set, &[(2, -3, 0), (2, 0, 0), (2, 5, 0)], None), values::<3>(set));
    println!("beyond: {} {}", operate(set, &[(3, 1, 0)], None), operate(set, &[(1, 32_767, 0)], None));
    println!("nothing: {} {}", operate(set, &[], None), operate(set, &[(1, 1, 0); 501], None));
    println!("in time: {}", operate(set, &[(0, -1, 0)], Some((0, 20_000_000))));
    println!("no time: {} {}", operate(set, &[(0, -1, 0)], Some((0, -1))), operate(set, &[(0, -1, 0)], Some((-1, 0))));
    println!("last: {}", command(set, 2, libc::GETPID, 0) == std::process::id().to_string());

    let waiters =
        [child(|| i32::from(operate(set, &[(0, -2, 0)], None) != "0")), child(|| i32::from(operate(set, &[(2, 0, 0)], None) != "0"))];
    pause_until(|| command(set, 0, libc::GETNCNT, 0) == "1" && command(set, 2, libc::GETZCNT, 0) == "1");
    println!("they wait: {} {}", command(set, 0, libc::GETZCNT, 0), command(set, 2, libc::GETNCNT, 0));
    println!("half: {}", operate(set, &[(0, 1, 0)], None));
    println!("still: {}", command(set, 0, libc::GETNCNT, 0));
    println!("both go: {} {:?}", operate(set, &[(0, 1, 0), (2, -5, 0)], None), waiters.map(end_of));
    println!("after: {:?}", values::<3>(set));

    let ended = child(|| {
        operate(set, &[(0, 3, UNDO), (1, -2, UNDO)], None);
        i32::from(values::<3>(set) != [3, 6, 0])
    });
    println!("undone: {:?} {:?}", end_of(ended), values::<3>(set));
    let killed = child(|| {
        operate(set, &[(1, -8, UNDO)], None);
        // SAFETY: the process ends itself.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        0
    });
    println!("undone too: {:?} {:?}", end_of(killed), values::<3>(set));
    let executed = child(|| {
        operate(set, &[(1, -1, UNDO)], None);
        // What is to be undone is not inherited.
        let inner = child(|| 0);
        let _ = end_of(inner);
        i32::from(values::<3>(set) != [0, 7, 0])
    });
    println!("not inherited: {:?} {:?}", end_of(executed), values::<3>(set));

    // `struct semid64_ds`: six words of ownership, times with room behind them on x86_64, the number.
    let mut state = [0u64; 13];
    // SAFETY: there is room for the structure.
    assert_eq!(unsafe { libc::semctl(set, 0, libc::IPC_STAT, state.as_mut_ptr()) }, 0);
    let step = if cfg!(target_arch = "x86_64") { 2 } else { 1 };
    println!("state: {} {:o} {} {}", state[6 + 2 * step], state[2] >> 32, state[6] > 0, state[6 + step] > 0);
    let interrupted = child(|| {
        // SAFETY: the handler does nothing.
        unsafe { libc::signal(libc::SIGALRM, nothing as extern "C" fn(i32) as usize) };
        // SAFETY: no memory is touched.
        unsafe { libc::alarm(1) };
        i32::from(operate(set, &[(0, -1, 0)], None) != "EINTR")
    });
    println!("interrupted: {:?} {}", end_of(interrupted), command(set, 0, libc::GETNCNT, 0));
    let waiter = child(|| i32::from(operate(set, &[(0, -1, 0)], None) != "EIDRM"));
    pause_until(|| command(set, 0, libc::GETNCNT, 0) == "1");
    println!("removed: {} {:?}", command(set, 0, libc::IPC_RMID, 0), end_of(waiter));
    println!("gone: {} {}", operate(set, &[(0, 1, 0)], None), command(set, 0, libc::GETVAL, 0));
}

extern "C" fn nothing(_: i32) {}

fn get_segment(key: i32, bytes: usize, flags: i32) -> i32 {
    // SAFETY: no memory is touched.
    unsafe { libc::shmget(key, bytes, flags) }
}

fn attach(segment: i32, address: usize, flags: i32) -> Result<usize, String> {
    // SAFETY: without `SHM_REMAP` nothing that is there is replaced.
    let address = unsafe { libc::shmat(segment, address as *const libc::c_void, flags) } as i64;
    if address == -1 { Err(called(-1)) } else { Ok(address as usize) }
}

fn detach(address: usize) -> String {
    // SAFETY: nobody uses what is attached there any more.
    called(unsafe { libc::shmdt(address as *const libc::c_void) })
}

fn segment_state(segment: i32) -> Result<libc::shmid_ds, String> {
    // SAFETY: all of its fields are numbers, which the call fills.
    unsafe {
        let mut state: libc::shmid_ds = zeroed();
        match libc::shmctl(segment, libc::IPC_STAT, &raw mut state) {
            0 => Ok(state),
            _ => Err(called(-1)),
        }
    }
}

fn attachments(segment: i32) -> Result<u64, String> {
    segment_state(segment).map(|state| state.shm_nattch)
}

fn remove_segment(segment: i32) -> String {
    // SAFETY: no memory is touched.
    called(unsafe { libc::shmctl(segment, libc::IPC_RMID, null_mut()) })
}

fn byte(address: usize) -> &'static std::sync::atomic::AtomicU8 {
    // SAFETY: the callers attached a segment there, and others use its bytes as atomics too.
    unsafe { &*(address as *const std::sync::atomic::AtomicU8) }
}

fn segments() {
    use std::sync::atomic::Ordering::SeqCst;
    println!("empty: {}", called(get_segment(PRIVATE, 0, 0o600)));
    let segment = get_segment(key(3), 5000, libc::IPC_CREAT | 0o600);
    println!("larger: {} {}", called(get_segment(key(3), 5001, 0)), get_segment(key(3), 10, 0) == segment);
    let first = attach(segment, 0, 0).expect("attaches");
    let second = attach(segment, 0, libc::SHM_RDONLY).expect("attaches again");
    println!("attached twice: {} {:?}", first != second, attachments(segment));
    println!("zeros: {} {}", byte(first).load(SeqCst), byte(first + 8191).load(SeqCst));
    byte(first).store(7, SeqCst);
    println!("seen: {}", byte(second).load(SeqCst));
    let other = child(|| {
        let inherited = attachments(segment) == Ok(4);
        byte(first + 4999).store(9, SeqCst);
        let one_less = detach(second) == "0" && attachments(segment) == Ok(3);
        let third = attach(segment, 0, 0).expect("attaches");
        let same = byte(third).load(SeqCst) == 7 && attachments(segment) == Ok(4);
        i32::from(!(inherited && one_less && same))
    });
    println!("child: {:?} {} {:?}", end_of(other), byte(second + 4999).load(SeqCst), attachments(segment));
    let state = segment_state(segment).expect("is there");
    let own = std::process::id() as i32;
    println!("state: {} {} {} {:o}", state.shm_segsz, state.shm_cpid == own, state.shm_lpid == own, state.shm_perm.mode);
    let faulted = child(|| {
        byte(second).store(1, SeqCst);
        0
    });
    println!("stored for reading: {:?}", end_of(faulted));
    println!("in between: {:?} {:?}", attach(segment, first + 1, 0), attach(segment, first, 0));
    println!("remap nowhere: {:?}", attach(segment, 0, libc::SHM_REMAP));
    println!("not attached: {} {}", detach(first + 4096), detach(4096));
    println!("rounded: {:?}", {
        detach(second);
        attach(segment, second + 17, libc::SHM_RND).map(|address| address == second)
    });
    println!("remapped: {:?} {:?}", attach(segment, second, libc::SHM_REMAP).map(|address| address == second), attachments(segment));
    // SAFETY: nobody uses what is attached there any more.
    println!("unmapped: {}", called(unsafe { libc::munmap(second as *mut libc::c_void, 8192) }));
    println!("once less: {:?}", attachments(segment));
    println!("removed: {} {:?} {}", remove_segment(segment), attachments(segment), called(get_segment(key(3), 1, 0)));
    println!("its mode: {:?}", segment_state(segment).map(|state| state.shm_perm.mode & 0o1000 != 0));
    println!("by its id: {:?}", attach(segment, 0, 0).map(detach));
    println!("still there: {}", byte(first).load(SeqCst));
    println!("detached: {} {:?} {:?}", detach(first), attachments(segment), attach(segment, 0, 0));
    let executed = get_segment(PRIVATE, 1, 0o600);
    let address = attach(executed, 0, 0).expect("attaches");
    let runner = child(|| {
        let program = c"/proc/self/exe";
        let count = std::ffi::CString::new(executed.to_string()).expect("no NUL");
        // SAFETY: strings and vectors live until the program is replaced.
        unsafe { libc::execv(program.as_ptr(), [program.as_ptr(), count.as_ptr(), null()].as_ptr()) };
        1
    });
    println!("executed: {:?}", end_of(runner));
    println!("kept: {:?} {} {}", attachments(executed), remove_segment(executed), detach(address));
}

/// With another user's rights.
fn permissions() {
    let (queue, set, segment) = (get_queue(PRIVATE, 0o640), get_set(PRIVATE, 1, 0o604), get_segment(PRIVATE, 1, 0o600));
    let other = child(|| {
        // SAFETY: no memory is touched.
        if unsafe { libc::setgid(12_345) + libc::setuid(12_345) } != 0 {
            return 99;
        }
        let outcomes = [
            send(queue, 1, "x", 0),
            receive(queue, 0, 16, libc::IPC_NOWAIT),
            remove_queue(queue),
            command(set, 0, libc::GETVAL, 0),
            command(set, 0, libc::SETVAL, 1),
            operate(set, &[(0, 0, 0)], None),
            operate(set, &[(0, 1, 0)], None),
            command(set, 0, libc::IPC_RMID, 0),
            attach(segment, 0, libc::SHM_RDONLY).map_or_else(|errno| errno, |_| "attached".to_owned()),
            remove_segment(segment),
        ];
        println!("another user: {outcomes:?}");
        0
    });
    println!("it ended: {:?}", end_of(other));
    println!("removed: {} {} {}", remove_queue(queue), command(set, 0, libc::IPC_RMID, 0), remove_segment(segment));
}

fn main() {
    // What an executed program has attached of its parent's segment: nothing.
    if let Some(segment) = std::env::args().nth(1) {
        let count = attachments(segment.parse().expect("a number"));
        std::process::exit(i32::from(count != Ok(1)));
    }
    queues();
    semaphores();
    segments();
    permissions();
}
