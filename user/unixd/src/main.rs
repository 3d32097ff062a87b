//! `unixd`'s image: its start, its two contexts, its allocator, its panics.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod image {
    use core::panic::PanicInfo;

    use abi::{EnvId, Error, INFO_SLICES_PAGE, INFO_SLICES_PAGES, MAX_SLICES, Registers, RunState, TransferFlags, WaitWord};
    use exo::command::{blocks, image_name};
    use exo::image::module;
    use libos::entry::heap::Heap;
    use libos::vfs::tmpfs::{Options, counts};
    use unix::{Operation, Request, SERVER_CONTEXT};
    use unixd::memory::Counted;
    use unixd::terminal::{Pairs, Terminals, console};
    use unixd::tree::Tree;
    use unixd::{Server, alarm, channel, large, machine, program};

    #[global_allocator]
    static HEAP: Counted<Heap> = Counted(libos::entry::heap::new());

    // The stack is aligned as the creator of the environment left it; `start` does not return. A section of its own: one that it shared with the
    // library's start would keep all of that in the image.
    #[cfg(target_arch = "aarch64")]
    core::arch::global_asm!(".section .text.unixd_start, \"ax\"", ".global unixd_start", "unixd_start: bl unixd_main", "brk #1");
    #[cfg(target_arch = "x86_64")]
    core::arch::global_asm!(".section .text.unixd_start, \"ax\"", ".global unixd_start", "unixd_start: call unixd_main", "ud2");

    unsafe extern "C" {
        fn unixd_start() -> !;
    }

    /// Keeps the start, the image's entry, in the image.
    #[used]
    static START: unsafe extern "C" fn() -> ! = unixd_start;

    /// Exit code when `unixd` itself failed, as the wait status of it.
    const FAILED: u64 = 125 << 8;
    /// Bytes of the second context's stack.
    const WATCH_STACK: usize = 0x4000;
    /// The most programs that are started at first.
    const COPIES_MOST: usize = 64;
    /// Slots of the slice vector: init has the first, `unixd`'s contexts the next two.
    const OWN_SLOT: usize = 1;
    const WATCH_SLOT: usize = 2;
    const FIRST_SLOT: usize = 3;

    #[unsafe(no_mangle)]
    extern "C" fn unixd_main() -> ! {
        exo::info_map(EnvId::SELF, machine::INFO, 0, INFO_SLICES_PAGE + INFO_SLICES_PAGES).expect("the info pages");
        let files = |name| module(name).unwrap_or_default();
        let now = machine::tick().time;
        let pairs = Pairs::default();
        counts::count_in(channel::make_changes().expect("a page for counts"));
        let tree = Tree::new(files("initramfs"), files("stdin"), &libos::entry::native::file_pool(), now, &pairs);
        hold_root(&tree);
        // Slots that `init` kept for another are not for processes.
        let is_own = |slot: &usize| exo::slice_set(0, *slot, EnvId::SELF, machine::UNUSED).is_ok();
        let end = (FIRST_SLOT..MAX_SLICES).find(|slot| !is_own(slot)).unwrap_or(MAX_SLICES);
        let mut server = Server::new(FIRST_SLOT..end, tree, Terminals::new(window(), pairs));
        for (number, text) in server.texts.iter_mut().enumerate() {
            let image = files(image_name(number as u32));
            *text = if image.is_empty() { None } else { large::text(image, number) };
        }
        let copies = module("copies").and_then(|bytes| bytes.try_into().ok()).map_or(1, u32::from_le_bytes) as usize;
        let copies = copies.clamp(1, COPIES_MOST);
        for block in blocks(files("command")) {
            for copy in 0..copies {
                if let Err(error) = program::start(&mut server, block, copy, copies) {
                    exo::println!("unixd: cannot start the program: {error:?}");
                    fail();
                }
            }
        }
        start_watch();
        let mut to = (EnvId::SELF, 0, None);
        loop {
            let flags = if to.2.is_some() { TransferFlags::REPLY | TransferFlags::ACCEPT } else { TransferFlags::ACCEPT };
            // A caller that is gone gets no answer; a second attempt only accepts.
            let next = exo::transfer_reply(to.0, to.1, to.2.unwrap_or([0; 4]), flags);
            let Ok(message) = next else {
                to.2 = None;
                continue;
            };
            to = (message.sender, message.context, server.serve(&message));
        }
    }

    /// Hold the root file system to the options that the machine was started with.
    fn hold_root(tree: &Tree) {
        let Some(text) = module(exo::image::ROOT_OPTIONS).filter(|text| !text.is_empty()) else { return };
        let options = core::str::from_utf8(text).ok().and_then(Options::parse);
        if options.is_none_or(|options| tree.set_options(&options).is_err()) {
            exo::println!("unixd: no options of a root file system: {}", text.escape_ascii());
            fail();
        }
    }

    /// The console's window, in rows and columns, as who started the machine told it.
    fn window() -> [u16; 4] {
        /// What a terminal has of which nobody knows more.
        const USUAL: [u16; 4] = [24, 80, 0, 0];
        let told = module("window").filter(|bytes| bytes.len() == 4);
        told.map_or(USUAL, |bytes| [u16::from_le_bytes([bytes[0], bytes[1]]), u16::from_le_bytes([bytes[2], bytes[3]]), 0, 0])
    }

    /// Start the second context.
    fn start_watch() {
        let stack = alloc_stack();
        let watch = exo::context_create(EnvId::SELF).expect("a second context");
        let registers = Registers { pc: watch_start as *const () as u64, sp: stack, ..Registers::default() };
        exo::context_set(EnvId::SELF, watch, Some(&registers), RunState::Runnable).expect("it is stopped");
        exo::slice_set(0, WATCH_SLOT, EnvId::SELF, watch).expect("a slot of its own");
        exo::slice_set(0, OWN_SLOT, EnvId::SELF, SERVER_CONTEXT).expect("a slot of its own");
    }

    fn alloc_stack() -> u64 {
        let stack = alloc::vec![0u128; WATCH_STACK / 16].leak();
        // The stack of a function that was called: one word below a multiple of 16 on x86_64.
        let below = if cfg!(target_arch = "x86_64") { 8 } else { 0 };
        stack.as_ptr_range().end as u64 - below
    }

    extern crate alloc;

    /// The second context: sleep until the kernel has something to say, and say it to the first.
    extern "C" fn watch_start() -> ! {
        let mut told = 0;
        loop {
            let (changes, change) = alarm::word();
            let (count, deaths, unforeseen) = machine::deaths();
            let words = [(deaths as u64, count), (changes as u64, change), (console::word() as u64, console::seen())]
                .map(|(address, value)| WaitWord { address, value, reserved: 0 });
            // An earlier deadline alone is no reason to look, nor are deaths alone, which are looked at again.
            if unforeseen == told && matches!(exo::wait(&words, alarm::deadline()), Ok(0 | 1)) {
                continue;
            }
            told = unforeseen;
            // Busy: a process's call is being served, and goes on in what is left of this slice.
            while let Err(Error::Busy) = exo::transfer_call(EnvId::SELF, SERVER_CONTEXT, Request::new(Operation::Look, [0; 3]).pack()) {
                let _ = exo::yield_to(EnvId::SELF, SERVER_CONTEXT);
            }
        }
    }

    fn fail() -> ! {
        loop {
            let _ = exo::env_destroy(EnvId::SELF, FAILED);
        }
    }

    #[panic_handler]
    fn panic(information: &PanicInfo<'_>) -> ! {
        exo::println!("unixd: {information}");
        fail()
    }
}

#[cfg(not(target_os = "none"))]
fn main() {}
