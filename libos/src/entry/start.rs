//! The image's start: from what the environment's creator left to the program's first instruction.

use abi::{EnvId, PAGE_SIZE, Rights, UpcallEntries};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::entry::native::{self, Native};
use crate::entry::words::LibraryWords;
use crate::entry::{channel, dispatch, isa, place};
use crate::kernel::Kernel;
use crate::load::Command;
use crate::process::Process;
use crate::strace::Trace;
use crate::time::Clock;
use exo::command::CommandFlags;
use exo::start::{START_BASE, START_MAGIC, Start};

/// Exit status of a shell for a command that is not there.
const NOT_FOUND: u32 = 127;
/// Exit status of a shell for a command that cannot be executed.
const NOT_EXECUTABLE: u32 = 126;

/// Map what the library needs for itself, send the traps here, load the program and start it.
pub extern "C" fn start() -> ! {
    // SAFETY: the creator mapped the block, and the magic is checked before anything else in it is believed.
    let start = unsafe { &*(START_BASE as *const Start) };
    assert!(start.magic == START_MAGIC, "no start block of this version");
    channel::connect(EnvId(start.server));
    prepare().expect("the environment's quota holds what the library needs");
    // SAFETY: the creator mapped the range for as long as the process lives, and nobody writes to them.
    let block = unsafe { core::slice::from_raw_parts(start.command_address as *const u8, start.command_length as usize) };
    let flags = exo::command::Command::parse(block).expect("a command block").flags;
    let kernel = Native::new();
    kernel.identity().begin(start.id as u32, start.parent as u32);
    // The first of what is on the heap: forks copy at once what they write to, which is then in few pages, however long the command is.
    let process = Box::leak(Box::new(Process::new(kernel, &[], Trace::new(flags))));
    let command = Command::parse(block).expect("a command block with a program in it");
    // SAFETY: `prepare` did its part, and the program is not loaded yet.
    unsafe { dispatch::install(process) };
    process.kernel.arm_slice();
    if command.flags.contains(CommandFlags::BATCH) {
        process.files.set_batch(process, &[], process.clock_ns(Clock::Realtime)).expect("the input that the run has");
    } else {
        process.files.set_terminal(process).expect("the console, which every tree has");
    }
    process.read_apps();
    // What the program was started with goes before what the table says of it.
    if !command.settings.is_empty()
        && let Err(what) = process.choose(command.settings.iter().map(String::as_str))
    {
        process.report(&what);
        process.kernel.exit(NOT_EXECUTABLE << 8, 0)
    }
    match process.execute(&command) {
        Ok(registers) => process.kernel.resume(&registers),
        Err(errno) => {
            let mut line = Vec::from(*b"chitin: ");
            line.extend_from_slice(&command.arguments[0]);
            line.extend_from_slice(alloc::format!(": {} ({})\n", errno.name(), errno.text()).as_bytes());
            process.kernel.put(&line);
            let code = if errno == crate::errno::Errno::ENOENT { NOT_FOUND } else { NOT_EXECUTABLE };
            process.kernel.exit(code << 8, 0)
        }
    }
}

/// Map the upcall page, the fault stack and the info pages, and set the entries.
fn prepare() -> exo::Result<()> {
    let data = Rights::READ | Rights::WRITE | Rights::MAY_READ | Rights::MAY_WRITE;
    channel::page_alloc(place::UPCALL_PAGE, 1, data)?;
    channel::page_alloc(place::FAULT_STACK, place::FAULT_STACK_BYTES / PAGE_SIZE, data)?;
    channel::with_quota(1, || exo::info_map(EnvId::SELF, place::INFO, 0, 1))?;
    channel::with_quota(1, || native::map_entry(EnvId::SELF, exo::identify()))?;
    // SAFETY: the page was just mapped, zeroed.
    unsafe { LibraryWords::prepare() };
    let entries = UpcallEntries { syscall: isa::foreign as *const () as u64, fault: isa::fault as *const () as u64 };
    exo::upcall_set(EnvId::SELF, 0, place::UPCALL_PAGE, &entries)
}
