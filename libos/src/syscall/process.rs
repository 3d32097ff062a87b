//! Calls of the process: identity, limits, its end, and what it may ask about the machine.

use unix::{Operation, Setting};

use crate::errno::{Errno, Result};
use crate::file::Output;
use crate::file::transfer::moved;
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::Ending;
use crate::syscall::Arguments;
use crate::syscall::family::setting;
use crate::time::{Clock, SECOND, timeval};
use crate::user::UserMemory;

/// exit_group(2)
pub fn exit_group<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    process.end(Ending::Code(arguments.0[0] as u8))
}

/// uname(2)
pub fn uname<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let machine = if cfg!(target_arch = "x86_64") { "x86_64" } else { "aarch64" };
    const FIELD: usize = 65;
    let mut bytes = [0; 6 * FIELD];
    let fields = ["Linux", HOST_NAME, RELEASE, VERSION, machine, "(none)"];
    for (field, text) in bytes.chunks_exact_mut(FIELD).zip(fields) {
        field[..text.len()].copy_from_slice(text.as_bytes());
    }
    process.write(arguments.word(0), &bytes)?;
    Ok(0)
}

/// The host's name.
pub const HOST_NAME: &str = "chitin";
/// The kernel's release: programs take from it what calls there may be.
pub const RELEASE: &str = "6.1.0-chitin";
/// The kernel's version.
pub const VERSION: &str = "#1 SMP";

/// sysinfo(2)
pub fn sysinfo<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    /// Fraction bits of a load (`SI_LOAD_SHIFT`).
    const LOAD_FRACTION: u32 = 16;
    let (quota, used) = process.kernel.quota();
    let page = abi::PAGE_SIZE as u64;
    // uptime, three loads, total, free, shared, buffers, total swap, free swap, processes, total high, free high, unit.
    let mut words = [0u64; 14];
    words[0] = process.now_ns() / SECOND;
    words[4] = quota as u64 * page;
    words[5] = (quota - used.min(quota)) as u64 * page;
    let census = process.census();
    for (word, load) in words[1..4].iter_mut().zip(census.loads) {
        *word = (load << LOAD_FRACTION) / 100;
    }
    words[10] = u64::from(census.processes);
    words[13] = 1;
    process.write_value(arguments.word(0), &words)?;
    Ok(0)
}

/// getrusage(2)
pub fn getrusage<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const CHILDREN: i32 = -1;
    const OWN: i32 = 0;
    const THREAD: i32 = 1;
    let words = match arguments.int(0) {
        OWN | THREAD => {
            let clock = if arguments.int(0) == THREAD { Clock::Thread(0) } else { Clock::Process(0) };
            let cpu_ns = process.clock_ns(clock);
            let memory = process.memory.lock();
            usage_words(cpu_ns, memory.most_resident, memory.faults as usize)
        }
        CHILDREN => {
            let [cpu_ns, memory, ..] = process.ask(Operation::ChildrenUsage, 0, 0, [0; 3])?;
            usage_words(cpu_ns, memory as u32 as usize, (memory >> 32) as usize)
        }
        _ => return Err(Errno::EINVAL),
    };
    process.write_value(arguments.word(1), &words)?;
    Ok(0)
}

/// `struct rusage` of so much time of the CPU, so many pages resident at most, so many page faults. All time is user time.
#[must_use]
pub fn usage_words(cpu_ns: u64, most_resident: usize, faults: usize) -> [i64; 18] {
    let mut words = [0; 18];
    words[..2].copy_from_slice(&timeval(cpu_ns));
    words[4] = (most_resident * abi::PAGE_SIZE / 1024) as i64;
    words[6] = faults as i64;
    words
}

/// prctl(2)
pub fn prctl<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const SET_PDEATHSIG: i32 = 1;
    const GET_PDEATHSIG: i32 = 2;
    const GET_DUMPABLE: i32 = 3;
    const SET_DUMPABLE: i32 = 4;
    const SET_NAME: i32 = 15;
    const GET_NAME: i32 = 16;
    const GET_SECCOMP: i32 = 21;
    const CAPBSET_READ: i32 = 23;
    const SET_CHILD_SUBREAPER: i32 = 36;
    const GET_CHILD_SUBREAPER: i32 = 37;
    const SET_NO_NEW_PRIVS: i32 = 38;
    const GET_NO_NEW_PRIVS: i32 = 39;
    const NAME_MOST: usize = 15;
    match arguments.int(0) {
        SET_PDEATHSIG => setting(process, Setting::DeathSignal, Some(arguments.unsigned(1))).map(|_| 0),
        GET_PDEATHSIG => process.write_value(arguments.word(1), &setting(process, Setting::DeathSignal, None)?).map(|()| 0),
        SET_CHILD_SUBREAPER => setting(process, Setting::Subreaper, Some(u32::from(arguments.word(1) != 0))).map(|_| 0),
        GET_CHILD_SUBREAPER => process.write_value(arguments.word(1), &setting(process, Setting::Subreaper, None)?).map(|()| 0),
        GET_SECCOMP => Ok(0),
        SET_NO_NEW_PRIVS | GET_NO_NEW_PRIVS => {
            let is_set = arguments.int(0) == SET_NO_NEW_PRIVS;
            if arguments.word(1) != usize::from(is_set) || (2..5).any(|index| arguments.word(index) != 0) {
                return Err(Errno::EINVAL);
            }
            if is_set {
                process.family.set_no_new_privileges();
                return Ok(0);
            }
            Ok(usize::from(process.family.has_no_new_privileges()))
        }
        GET_DUMPABLE => Ok(1),
        SET_DUMPABLE if arguments.word(1) <= 1 => Ok(0),
        CAPBSET_READ => Ok(1),
        SET_NAME => {
            let name = match process.read_string(arguments.word(1), NAME_MOST) {
                Err(Errno::ENAMETOOLONG) => {
                    let mut name = alloc::vec![0; NAME_MOST];
                    process.read(arguments.word(1), &mut name)?;
                    name
                }
                name => name?,
            };
            let own = process.threads.with(|table| table.current_id());
            process.name_thread(own, &name).map(|()| 0)
        }
        GET_NAME => {
            let mut bytes = [0; NAME_MOST + 1];
            let name = process.threads.with(|table| table.current().name.clone());
            bytes[..name.len()].copy_from_slice(&name);
            process.write(arguments.word(1), &bytes)?;
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// arch_prctl(2), which x86_64 has
pub fn arch_prctl<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const SET_FS: u64 = 0x1002;
    const GET_FS: u64 = 0x1003;
    match arguments.0[0] {
        SET_FS if arguments.word(1) >= crate::user::PROGRAM_TOP => Err(Errno::EPERM),
        SET_FS => {
            process.kernel.set_thread_pointer(arguments.0[1]);
            Ok(0)
        }
        GET_FS => process.write_value(arguments.word(1), &process.kernel.thread_pointer()).map(|()| 0),
        _ => Err(Errno::EINVAL),
    }
}

/// getcpu(2)
pub fn getcpu<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    for index in 0..2 {
        if arguments.word(index) != 0 {
            process.write_value(arguments.word(index), &0u32)?;
        }
    }
    Ok(0)
}

/// getrandom(2)
pub fn getrandom<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const KNOWN: u32 = 7;
    const RANDOM_AND_INSECURE: u32 = 6;
    let flags = arguments.unsigned(2);
    if flags & !KNOWN != 0 || flags & RANDOM_AND_INSECURE == RANDOM_AND_INSECURE {
        return Err(Errno::EINVAL);
    }
    let wanted = arguments.word(1).min(i32::MAX as usize);
    let mut output = Output::user(process, arguments.word(0), wanted);
    let mut chunk = [0; 256];
    while output.room() > 0 {
        let part = &mut chunk[..output.room().min(256)];
        process.random.fill(part);
        if let Err(errno) = output.put(part) {
            return moved(output.done(), Err(errno));
        }
    }
    Ok(output.done())
}

/// personality(2): `PER_LINUX`, and no other.
pub fn personality<K: Kernel>(_: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const ASK: u32 = 0xffff_ffff;
    if matches!(arguments.unsigned(0), 0 | ASK) { Ok(0) } else { Err(Errno::EINVAL) }
}
