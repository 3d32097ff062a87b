//! The texts of `/proc` about the process.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use core::sync::atomic::Ordering;

use abi::PAGE_SIZE;
use unix::Operation;

use crate::errno::{Errno, Result};
use crate::identity::Word;
use crate::kernel::Kernel;
use crate::memory::{Contents, Label, Protection};
use crate::process::Process;
use crate::report::stat::{Sizes, Stat};
use crate::signal::{DEFAULT, IGNORE, SIGCHLD, SIGNALS, Set, bit};
use crate::thread::Waits;
use crate::time::Clock;
use crate::user::PROGRAM_TOP;
use crate::vfs::world::Report;

impl<K: Kernel> Process<K> {
    /// A text about the process, or a thread or descriptor of it with a number; 0: as a whole.
    ///
    /// # Errors
    /// `ENOENT`: there is no such thread or descriptor. `EINVAL`: it is no text about a process.
    pub(super) fn own_text(&self, report: Report, number: u32) -> Result<Vec<u8>> {
        Ok(match report {
            Report::Maps => self.memory.lock().maps(),
            Report::DetailedMaps => self.memory.lock().detailed_maps(&self.kernel),
            Report::SummedMaps => self.memory.lock().summed_maps(&self.kernel),
            Report::Stat => self.stat(number)?.line().into_bytes(),
            Report::Status => self.stat(number)?.lines().into_bytes(),
            Report::Statm => format!("{}", self.sizes()).into_bytes(),
            Report::CommandLine => self.running.lock().strings.argument_bytes().to_vec(),
            Report::Environment => self.running.lock().strings.environment_bytes().to_vec(),
            Report::AuxiliaryVector => self.vector(),
            Report::Command => [self.thread_name(number)?.as_slice(), b"\n"].concat(),
            Report::Limits => self.limits.lock().text().into_bytes(),
            Report::InputOutput => INPUT_OUTPUT.to_vec(),
            Report::Ledger => self.ledger_text().into_bytes(),
            Report::Schedule => format!("{} 0 0\n", self.thread_ns(number)).into_bytes(),
            Report::Threads => lines(self.threads.with(|table| table.iter().map(|thread| thread.id).collect())),
            Report::Descriptors => lines(self.files.numbers().into_iter().map(|number| number as u32).collect()),
            Report::DescriptorText => {
                let description = self.files.get(number as i32).map_err(|_| Errno::ENOENT)?;
                let inode = description.entry.node.attributes().inode;
                let (offset, flags) = (description.offset(), description.flags());
                format!("pos:\t{offset}\nflags:\t0{flags:o}\nmnt_id:\t1\nino:\t{inode}\n").into_bytes()
            }
            Report::DescriptorPath => self.files.path_of(&self.files.get(number as i32).map_err(|_| Errno::ENOENT)?.entry),
            Report::Executable => self.running.lock().path.to_vec(),
            Report::CurrentDirectory => self.files.path_of(&self.files.current_directory()),
            Report::RootDirectory => self.files.path_of(&self.files.root()),
            _ => return Err(Errno::EINVAL),
        })
    }

    fn sizes(&self) -> Sizes {
        let memory = self.memory.lock();
        let program = self.running.lock().path.clone();
        let mut sizes = Sizes {
            total: memory.size() / PAGE_SIZE,
            resident: memory.resident.pages(),
            most_resident: memory.most_resident,
            shown: memory.shown.pages(),
            ..Sizes::default()
        };
        for (start, region) in memory.regions.iter() {
            let pages = (region.end - start) / PAGE_SIZE;
            let executes = region.protection.contains(Protection::EXECUTE);
            match &region.contents {
                _ if region.label == Label::Stack => sizes.stack += pages,
                Contents::File(file) if executes && *file.path == *program => sizes.text += pages,
                Contents::File(_) if executes => sizes.libraries += pages,
                _ if region.protection.contains(Protection::WRITE) => sizes.data += pages,
                _ => {}
            }
        }
        sizes
    }

    /// What a thread does, as `stat` has it.
    fn state(&self, thread: u32) -> char {
        if self.kernel.bulletin().stopped.load(Ordering::Relaxed) != 0 {
            return 'T';
        }
        let waits = self.threads.with(|table| table.find(thread).map(|slot| table.at(slot).waits()));
        match waits {
            Some(Waits::No) if self.family.sleeps.load(Ordering::Relaxed) => 'S',
            Some(Waits::No) => 'R',
            Some(Waits::Release) => 'D',
            Some(_) => 'S',
            // The first thread has ended, and others go on.
            None => 'Z',
        }
    }

    /// What is known of a thread; 0: of the process.
    fn stat(&self, number: u32) -> Result<Stat> {
        let (process, name) = (self.id(), self.thread_name(number)?);
        let thread = if number == 0 { process } else { number };
        let [groups, terminal, nice, began_ns] = self.ask(Operation::Standing, 0, 0, [0; 3]).unwrap_or_else(|_| {
            let bulletin = self.kernel.bulletin();
            let [group, session] = [&bulletin.group, &bulletin.session].map(|word| u64::from(word.load(Ordering::Relaxed)));
            [group | session << 32, 0, 0, self.times.began_ns]
        });
        let [children_cpu_ns, children_memory, ..] = self.ask(Operation::ChildrenUsage, 0, 0, [0; 3]).unwrap_or_default();
        let scheduling = self.threads.with(|table| table.find(thread).map(|slot| table.at(slot).scheduling)).unwrap_or_default();
        let faults = self.memory.lock().faults;
        let (pending, blocked, ignored, caught) = self.signal_sets(thread);
        let identity = self.kernel.identity();
        let others = *self.family.other_ids.lock();
        let ids = |real: Word, effective: Word, [saved, file]: [u32; 2]| [identity.get(real), identity.get(effective), saved, file];
        Ok(Stat {
            id: thread,
            process,
            name,
            state: self.state(thread),
            parent: self.kernel.bulletin().parent.load(Ordering::Relaxed),
            group: groups as u32,
            session: (groups >> 32) as u32,
            terminal: terminal as u32,
            foreground: (terminal >> 32) as u32,
            faults,
            children_faults: children_memory >> 32,
            cpu_ns: self.thread_ns(number),
            children_cpu_ns,
            nice: nice as i32,
            policy: scheduling.policy,
            priority: scheduling.priority.into(),
            threads: self.threads.with(|table| table.iter().count()),
            began_ns,
            memory: Some(self.sizes()),
            pending,
            blocked,
            ignored,
            caught,
            exit_signal: if number == 0 { SIGCHLD } else { u32::MAX },
            status: 0,
            users: ids(Word::User, Word::EffectiveUser, [others[0], others[1]]),
            groups: ids(Word::UserGroup, Word::EffectiveUserGroup, [others[2], others[3]]),
            supplementary: self.family.groups.lock().clone(),
            no_new_privileges: self.family.has_no_new_privileges(),
            umask: Some(self.files.umask()),
            descriptors: self.files.numbers().last().map_or(64, |&last| (last as usize + 1).next_power_of_two().max(64)),
        })
    }

    /// Signals that are pending for a thread and for the process, and what the thread blocks, ignores and catches.
    fn signal_sets(&self, thread: u32) -> ((Set, Set), Set, Set, Set) {
        let of_others = self.threads.with(|table| {
            let slot = table.find(thread)?;
            table.at(slot).signals.as_ref().map(|own| (own.pending.set(), own.blocked))
        });
        self.signals.with(|state| {
            let (own, blocked) = of_others.unwrap_or((state.own.pending.set(), state.own.blocked));
            let with = |is_so: fn(u64) -> bool| {
                (1..=SIGNALS).filter(|&signal| is_so(state.action(signal).handler)).map(bit).fold(0, |set, bit| set | bit)
            };
            ((own, state.shared.set()), blocked, with(|handler| handler == IGNORE), with(|handler| ![DEFAULT, IGNORE].contains(&handler)))
        })
    }

    /// Time of the CPU of a thread, or of the process, in nanoseconds.
    fn thread_ns(&self, number: u32) -> u64 {
        self.clock_ns(if number == 0 { Clock::Process(0) } else { Clock::Thread(number) })
    }

    /// A thread's name; with 0, the process's.
    fn thread_name(&self, number: u32) -> Result<Vec<u8>> {
        if number == 0 {
            return Ok(self.leader_name());
        }
        self.threads.with(|table| table.find(number).map(|slot| table.at(slot).name.clone())).ok_or(Errno::ENOENT)
    }

    /// Let a thread be called otherwise.
    ///
    /// # Errors
    /// `ESRCH`: there is none with this id.
    pub fn name_thread(&self, thread: u32, name: &[u8]) -> Result<()> {
        let slot = self.find_thread(thread)?;
        self.threads.with(|table| table.at(slot).name = name.to_vec());
        if thread == self.id() {
            let [first, second] = unix::name_words(name);
            // Who is alone has nobody who would ask for it.
            let _ = self.ask(Operation::SetName, 0, 0, [first, second, 0]);
        }
        Ok(())
    }

    /// What `/proc/self/pagemap` says of a page.
    pub(super) fn page_word(&self, page: u64) -> Option<u64> {
        const PRESENT: u64 = 1 << 63;
        const OF_FILE: u64 = 1 << 61;
        const EXCLUSIVE: u64 = 1 << 56;
        let address = usize::try_from(page).ok()?.checked_mul(PAGE_SIZE).filter(|&address| address < PROGRAM_TOP)?;
        let memory = self.memory.lock();
        if !memory.resident.contains(address) {
            return Some(0);
        }
        let Ok(found) = self.kernel.page_query(address) else { return Some(0) };
        let shown = if memory.shown.contains(address) { OF_FILE } else { 0 };
        let alone = if self.kernel.frame_uses(found.frame) == Some(1) { EXCLUSIVE } else { 0 };
        Some(PRESENT | shown | alone | found.frame)
    }

    fn vector(&self) -> Vec<u8> {
        let running = self.running.lock();
        running.vector.iter().copied().chain([(0, 0)]).flat_map(|(key, value)| [key, value]).flat_map(u64::to_le_bytes).collect()
    }
}

/// `/proc/self/io`: nothing is counted.
pub const INPUT_OUTPUT: &[u8] = b"rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n";

fn lines(mut numbers: Vec<u32>) -> Vec<u8> {
    numbers.sort_unstable();
    let mut text = String::new();
    for number in numbers {
        let _ = writeln!(text, "{number}");
    }
    text.into_bytes()
}
