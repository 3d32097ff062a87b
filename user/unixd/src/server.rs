//! From a request to what serves it.

use core::ops::Range;

use abi::{EnvEntry, EnvId, EnvState};
use alloc::vec::Vec;
use exo::Message;
use exo::command::IMAGES_MOST;
use libos::errno::Errno;
use libos::file::locks::Owner;
use unix::{Operation, Request, wait_status};

use crate::admission::{Admission, Asking, SmallFirst};
use crate::channel::Channels;
use crate::family::{Family, Usage};
use crate::handles::Handles;
use crate::load::Load;
use crate::locks;
use crate::machine;
use crate::memory;
use crate::notices::Notices;
use crate::process::Process;
use crate::processes::Processes;
use crate::queues::Queues;
use crate::requests::KILLED;
use crate::results;
use crate::revocation::{LargestFirst, Rounds};
use crate::rings;
use crate::socket::{Names, flight};
use crate::spares::Standing;
use crate::system_v::SystemV;
use crate::terminal::Terminals;
use crate::tree::Tree;
use crate::turns::Watch;

/// Wait status of a process whose trap had no entry: `SIGSEGV`.
const FAULTED: u32 = 11;

/// What `unixd` knows.
pub struct Server {
    /// The processes.
    pub processes: Processes,
    /// Their channels.
    pub channels: Channels,
    /// Where the library's text is in a large page.
    pub texts: [Option<usize>; IMAGES_MOST],
    /// The files.
    pub tree: Tree,
    /// What sockets are called.
    pub names: Names,
    /// Message queues.
    pub queues: Queues,
    /// System V's objects.
    pub system_v: SystemV,
    /// Terminals.
    pub terminals: Terminals,
    /// Open files that somebody is told of by signals.
    pub notices: Notices,
    /// Their records, and those of the dead that are to be waited for.
    pub family: Family,
    /// Who gets how many frames.
    pub(crate) admission: SmallFirst,
    /// Who is asked for frames when they run out.
    pub(crate) revocation: LargestFirst,
    /// Who is, and who waits for them.
    pub(crate) rounds: Rounds,
    /// Whether somebody wants to be on time, and when it is looked at who does not care.
    pub(crate) watch: Watch,
    /// What the machine did so far.
    pub(crate) load: Load,
    /// The run ends with these: their ids.
    first: Vec<u32>,
    /// The wait status that the run ends with: of the first of them that failed.
    status: u32,
}

/// The answer to a request.
pub type Answer = Result<[u64; 4], Errno>;

/// An answer of one value.
pub const fn value(value: u64) -> Answer {
    Ok([value, 0, 0, 0])
}

impl Server {
    /// Without processes; these slots of the slice vector are for them.
    #[must_use]
    pub fn new(slots: Range<usize>, tree: Tree, terminals: Terminals) -> Server {
        Server {
            processes: Processes::new(slots),
            channels: Channels::default(),
            tree,
            texts: [None; IMAGES_MOST],
            names: Names::default(),
            queues: Queues::default(),
            system_v: SystemV::default(),
            terminals,
            notices: Notices::default(),
            family: Family::new(machine::info().clock_hz),
            admission: SmallFirst,
            revocation: LargestFirst,
            rounds: Rounds::default(),
            watch: Watch::default(),
            load: Load::default(),
            first: Vec::new(),
            status: 0,
        }
    }

    /// Let the run end with a process.
    pub fn end_with(&mut self, id: u32) {
        self.first.push(id);
    }

    /// Serve a call; `None`: nobody waits for an answer.
    #[inline(always)]
    pub fn serve(&mut self, message: &Message) -> Option<[u64; 4]> {
        let Some(request) = Request::unpack(message.words) else { return Some(refusal(Errno::ENOSYS)) };
        if request.operation == Operation::Look && message.sender == machine::own() {
            self.look();
            self.tell();
            return Some([0; 4]);
        }
        let Some(id) = self.processes.id_of(message.sender) else { return Some(refusal(Errno::EPERM)) };
        if let Err(errno) = memory::check(&request) {
            return Some(refusal(errno));
        }
        if self.processes.are_pledged
            && let Err(errno) = self.check_pledges(id, &request)
        {
            return Some(refusal(errno));
        }
        let answer = match request.operation {
            Operation::Exit => {
                self.exit(id, request.words[0] as u32, request.words[1]);
                self.settle();
                flight::settle(&self.processes);
                self.tell();
                return None;
            }
            Operation::MoreFrames => self.more_frames_or_wait(id, request.words[0] as usize, request.small != 0),
            Operation::GiveBack => self.given_back(id),
            Operation::EndRun => self.end_by_call(id),
            Operation::Turn => self.want_turns(id, request.large),
            Operation::Look => Err(Errno::EPERM),
            Operation::Fork => self.fork(id, &request),
            Operation::Forked => self.forked(id, request.words[0] as usize),
            Operation::ForkFailed => self.fork_failed(id),
            Operation::Spare => self.keep_spare(id, request.large),
            Operation::AwaitCall => self.await_call(id),
            Operation::Pledge => self.pledge(id, request.large as usize),
            Operation::AwaitRelease => self.await_release(id, request.large),
            operation if operation.is_of_tree() => self.serve_tree(id, &request),
            operation if operation.is_for_object() => self.serve_object(id, &request),
            operation if operation.is_of_system_v() => self.serve_system_v(id, &request),
            operation if operation.is_of_terminal() => self.serve_terminal(id, &request),
            _ => self.serve_family(id, &request),
        };
        self.settle();
        flight::settle(&self.processes);
        self.tell();
        // Its own end was among what the call did.
        self.processes.get(id)?;
        Some(answer.unwrap_or_else(refusal))
    }

    /// A process.
    ///
    /// # Errors
    /// `ESRCH`: it is gone.
    pub fn process(&self, id: u32) -> Result<&Process, Errno> {
        self.processes.get(id).ok_or(Errno::ESRCH)
    }

    /// The same, to change.
    ///
    /// # Errors
    /// `ESRCH`: it is gone.
    pub fn process_mut(&mut self, id: u32) -> Result<&mut Process, Errno> {
        self.processes.get_mut(id).ok_or(Errno::ESRCH)
    }

    /// What a process holds.
    ///
    /// # Errors
    /// `ESRCH`: it is gone.
    pub fn handles(&mut self, id: u32) -> Result<&mut Handles, Errno> {
        self.process_mut(id).map(|process| &mut process.handles)
    }

    /// Grant frames, or say whether they could be; if there are too few, ask others for some.
    fn more_frames_or_wait(&mut self, id: u32, wanted: usize, only_told: bool) -> Answer {
        // What an app may not have is nobody else's to give.
        let process = self.process(id)?;
        if process.share.left(process.frames().0) < wanted {
            return Err(Errno::ENOMEM);
        }
        let ask = |server: &mut Server| if only_told { server.could_have(id, wanted) } else { server.more_frames(id, wanted) };
        match ask(self) {
            Err(Errno::ENOMEM) => {}
            outcome => {
                self.end_round(id);
                return outcome;
            }
        }
        // What was never there cannot be had by asking.
        if wanted > machine::charges(machine::own()).0 {
            return Err(Errno::ENOMEM);
        }
        self.ask_others(id, wanted)
    }

    pub(crate) fn more_frames(&mut self, id: u32, wanted: usize) -> Answer {
        let process = self.processes.get(id).ok_or(Errno::ESRCH)?;
        let (quota, used) = process.frames();
        let grant = || self.admission.grant(Asking { wanted, used, available: memory::available() }).min(process.sandbox.room(quota));
        let mut granted = grant();
        if granted < wanted {
            self.take_all_slack(id);
            granted = grant();
        }
        if granted < wanted {
            return Err(Errno::ENOMEM);
        }
        let process = self.processes.get(id).ok_or(Errno::ESRCH)?;
        let granted = granted.min(process.share.left(quota));
        process.grant.set(quota + granted).map_err(|_| Errno::ENOMEM)?;
        value(granted as u64)
    }

    /// Whether a process would be granted so many frames more.
    fn could_have(&self, id: u32, wanted: usize) -> Answer {
        let (_, used) = self.process(id)?.frames();
        let grant = || self.admission.grant(Asking { wanted, used, available: memory::available() });
        if grant() < wanted {
            self.take_all_slack(id);
        }
        let granted = grant();
        if granted < wanted { Err(Errno::ENOMEM) } else { value(granted as u64) }
    }

    /// A process says that it ends.
    fn exit(&mut self, id: u32, status: u32, memory: u64) {
        let status = wait_status::of_end(status);
        if let Some(process) = self.processes.get(id) {
            machine::end(process.env, status);
        }
        self.bury(id, status, memory);
    }

    /// Look for what no process says: deaths, and what is due.
    fn look(&mut self) {
        let dead: Vec<(u32, u32)> = self.processes.iter().filter_map(|process| Some((process.id, death(process.env)?))).collect();
        for (id, status) in dead {
            self.bury(id, status, 0);
        }
        self.look_at_console();
        self.look_at_times();
        flight::settle(&self.processes);
        self.tell();
    }

    /// Give back what a dead process held. `memory`: the most pages of it that were resident, and page faults << 32, if it said so.
    pub(crate) fn bury(&mut self, id: u32, status: u32, memory: u64) {
        let Some(process) = self.processes.remove(id) else { return };
        self.end_session(id);
        self.tree.forget(id);
        rings::forget(id);
        let (_, used) = process.frames();
        let has_strays = !process.grant.is_whole();
        let most_resident = if memory == 0 { used as u32 } else { memory as u32 };
        let cpu_ns = machine::cpu_ns(process.env);
        self.load.note_end(cpu_ns);
        let usage = Usage { cpu_ns, most_resident, faults: (memory >> 32) as u32 };
        exo::env_reap(process.env).expect("it is dead, and nobody else's child");
        self.channels.give(process.channel);
        process.share.slots().iter().for_each(|&slot| self.processes.give_slot(slot));
        for opened in process.handles.files() {
            let _ = opened.file.watchers().map(|watchers| watchers.forget(id));
        }
        locks::forget(Owner::Process(id));
        drop(process.handles);
        self.queues.forget(id);
        self.system_v.forget(id, machine::realtime_ns() / 1_000_000_000);
        self.tell();
        if let Some(fork) = process.fork {
            self.processes.give_slot(fork.slot);
        }
        self.release(process.release);
        self.forget_rounds(id);
        if process.turns.wanted_us > 0 {
            self.tell_turns();
        }
        if has_strays {
            self.end_strays();
        }
        if let Standing::SpareOf(other) = process.standing {
            if let Some(other) = self.processes.get_mut(other).filter(|other| other.spare == Some(id)) {
                other.spare = None;
            }
            return;
        }
        let has_ended = self.end_or_replace(id, process.maker, process.spare, status, usage);
        if has_ended && self.first.contains(&id) {
            self.first.retain(|&first| first != id);
            self.status = if self.status == 0 { status } else { self.status };
        }
        if self.first.is_empty() {
            self.end_run();
        }
    }

    /// reboot(2)
    fn end_by_call(&mut self, id: u32) -> Answer {
        let process = self.process(id)?;
        if !self.family.member(id)?.credentials.is_privileged() || !process.sandbox.is_open() {
            return Err(Errno::EPERM);
        }
        self.end_run()
    }

    /// The programs that the run was for have ended: end the others, and with them the run.
    fn end_run(&mut self) -> ! {
        let left: Vec<u32> = self.processes.iter().map(|process| process.id).collect();
        for process in left.into_iter().filter_map(|id| self.processes.remove(id)) {
            machine::end(process.env, KILLED);
            exo::env_reap(process.env).expect("it is dead");
        }
        self.end_strays();
        results::answer(&self.tree);
        let _ = exo::env_destroy(EnvId::SELF, u64::from(self.status));
        unreachable!("an environment can end itself")
    }
}

fn refusal(errno: Errno) -> [u64; 4] {
    [(errno.0 as u64).wrapping_neg(), 0, 0, 0]
}

/// The wait status of an environment that is dead.
fn death(env: EnvId) -> Option<u32> {
    let entry = machine::entry(env);
    if entry.state != EnvState::Dead as u32 || entry.generation != env.generation() {
        return None;
    }
    Some(match entry.reason {
        EnvEntry::EXITED => wait_status::of_end(u32::try_from(entry.status).unwrap_or(u32::MAX)),
        EnvEntry::KILLED => KILLED,
        _ => {
            exo::println!("chitin: unixd: a process died of trap {:#x} at pc {:#x}, address {:#x}", entry.reason, entry.pc, entry.status);
            FAULTED
        }
    })
}
