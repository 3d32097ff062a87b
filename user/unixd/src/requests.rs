//! Requests about families: from words and letters to what `family` does, and back.

use abi::EnvId;
use alloc::vec::Vec;

use libos::errno::Errno;
use libos::limits::{Limit, RESOURCES};
use libos::signal::{Information, bit};
use unix::{ChildActions, MAILBOX_BYTES, Operation, Request, SIGNAL_BYTES, SetIds, Setting, WaitOptions, Whom};

use crate::family::control::Whose;
use crate::family::signals::Target;
use crate::family::waits::Asked;
use crate::family::{Effect, Usage};
use crate::fork::Release;
use crate::machine;
use crate::server::{Answer, Server, value};

/// Wait status of a process that ended by `SIGKILL`.
pub const KILLED: u32 = 9;
/// Bytes of a `siginfo_t`.
const INFORMATION_BYTES: usize = size_of::<Information>();

impl Server {
    /// Serve a request about the family of a process.
    pub(crate) fn serve_family(&mut self, id: u32, request: &Request) -> Answer {
        let &Request { operation, small, large, words } = request;
        let family = &mut self.family;
        match operation {
            Operation::Wait => self.wait(id, u32::from(small), large, words),
            Operation::Kill | Operation::Queue => self.signal(id, request),
            Operation::TakeSignals => self.take_signals(id),
            Operation::Stop => family.stop(id, u32::from(small), large).map(|is_stopped| [u64::from(is_stopped), 0, 0, 0]),
            Operation::Children => {
                family.member_mut(id)?.child_actions = ChildActions::from_bits_truncate(small);
                value(0)
            }
            Operation::SetGroup => family.set_group(id, large as i32, words[0] as i32).and_then(|()| value(0)),
            Operation::GetGroup => {
                let asked = if large == 0 { id } else { family.process_of(large)? };
                let member = family.member(asked)?;
                Ok([u64::from(member.group), u64::from(member.session), 0, 0])
            }
            Operation::SetSession => family.set_session(id).and_then(|()| value(u64::from(id))),
            Operation::SetIds => {
                let (how, of_groups) = SetIds::unpack(small);
                let ids = family.set_ids(id, how, of_groups, words.map(|word| word as u32))?;
                let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
                Ok([0, pair(ids.real, ids.effective), pair(ids.saved, ids.file), 0])
            }
            Operation::SetGroups => self.set_groups(id, large as usize),
            Operation::Limit => self.limit(id, request),
            Operation::Setting => {
                let setting = Setting::from_number(small).ok_or(Errno::EINVAL)?;
                value(u64::from(family.setting(id, setting, (large != 0).then_some(words[0] as u32))?))
            }
            Operation::Birth => value(family.birth(large)?),
            Operation::HasEnded => value(u64::from(family.has_ended(id, large, words[0]))),
            Operation::ReserveIds => value(u64::from(family.reserve_ids(id, large)?)),
            Operation::ChildrenUsage => {
                let Usage { cpu_ns, most_resident, faults } = family.member(id)?.children_usage;
                Ok([cpu_ns, u64::from(most_resident) | u64::from(faults) << 32, 0, 0])
            }
            Operation::Priority => value(u64::from(family.priority(id, whose(small)?, large)?)),
            Operation::SetPriority => family.set_priority(id, whose(small)?, large, words[0] as i32).and_then(|()| value(0)),
            Operation::Executed => {
                family.note_execution(id, [words[0], words[1]])?;
                self.give_up(id, large);
                self.system_v.forget_attachments(id, machine::realtime_ns() / 1_000_000_000);
                let process = self.processes.get_mut(id).ok_or(Errno::ESRCH)?;
                let before = core::mem::replace(&mut process.release, Release::Done);
                self.release(before);
                value(0)
            }
            _ => self.serve_shown(id, request),
        }
    }

    fn wait(&mut self, id: u32, dropped: u32, options: u32, words: [u64; 3]) -> Answer {
        let whom = Whom::unpack(words[0]).ok_or(Errno::EINVAL)?;
        let asked = Asked { whom, options: WaitOptions::from_bits_truncate(options), thread: words[1] as u32 };
        if dropped != 0 {
            self.family.drop_signal(id, dropped)?;
        }
        let found = self.family.wait(id, &asked)?;
        let resident = u64::from(found.usage.most_resident) | u64::from(found.usage.faults) << 32;
        Ok([u64::from(found.id), u64::from(found.status) | u64::from(found.user) << 32, found.usage.cpu_ns, resident])
    }

    fn signal(&mut self, id: u32, request: &Request) -> Answer {
        let (signal, thread, birth) = (u32::from(request.small), request.words[0] as u32, request.words[1]);
        if birth != 0 {
            self.family.born(request.large, birth)?;
        }
        let target = if thread == 0 {
            self.family.target(id, request.large as i32)?
        } else {
            // tkill(2) names the thread alone.
            let process = if request.large == thread { self.family.process_of(thread)? } else { request.large };
            Target::Thread(process, thread)
        };
        let information = if request.operation == Operation::Queue {
            let bytes = self.processes.get(id).and_then(|process| process.channel.letter(INFORMATION_BYTES)).ok_or(Errno::EINVAL)?;
            let told = Information::from_bytes(bytes.as_slice().try_into().map_err(|_| Errno::EINVAL)?);
            // rt_sigqueueinfo(2): nobody passes for the kernel, nor for kill(2).
            if target != Target::Process(id) && (told.code >= 0 || told.code == Information::TKILL) {
                return Err(Errno::EPERM);
            }
            Information { signal: signal as i32, ..told }
        } else {
            let code = if thread == 0 { Information::USER } else { Information::TKILL };
            let user = self.family.member(id)?.credentials.user.real;
            Information::new(signal, code, u64::from(id) | u64::from(user) << 32)
        };
        let with_sender = self.family.kill(id, target, signal, information)?;
        Ok([0, u64::from(with_sender), 0, 0])
    }

    fn take_signals(&mut self, id: u32) -> Answer {
        let (taken, continues) = self.family.take_signals(id, MAILBOX_BYTES / SIGNAL_BYTES)?;
        let process = self.processes.get(id).ok_or(Errno::ESRCH)?;
        for (index, (thread, information)) in taken.iter().enumerate() {
            let at = index * SIGNAL_BYTES;
            process.channel.answer(at, &information.to_bytes());
            process.channel.answer(at + INFORMATION_BYTES, &u64::from(*thread).to_le_bytes());
        }
        Ok([taken.len() as u64, u64::from(continues), 0, 0])
    }

    fn set_groups(&mut self, id: u32, count: usize) -> Answer {
        let bytes = count.checked_mul(4).ok_or(Errno::EINVAL)?;
        let letter = self.processes.get(id).and_then(|process| process.channel.letter(bytes)).ok_or(Errno::EINVAL)?;
        let groups = letter.chunks_exact(4).map(|group| u32::from_le_bytes(group.try_into().expect("four bytes"))).collect();
        self.family.set_groups(id, groups)?;
        value(0)
    }

    fn limit(&mut self, id: u32, request: &Request) -> Answer {
        const SET: u16 = 0x100;
        let resource = usize::from(request.small & !SET);
        if resource >= RESOURCES {
            return Err(Errno::EINVAL);
        }
        let new: Option<Limit> = (request.small & SET != 0).then_some([request.words[0], request.words[1]]);
        let [soft, hard] = self.family.limit(id, request.large, resource, new)?;
        Ok([0, soft, hard, 0])
    }

    /// Do to processes what changes of their records ask for.
    pub(crate) fn settle(&mut self) {
        self.settle_terminals();
        while let Some(effect) = self.family.next_effect() {
            match effect {
                Effect::Publish(id) => self.publish(id),
                Effect::Ring(id) => self.processes.get(id).into_iter().for_each(|process| process.channel.ring()),
                Effect::Destroy(id) => {
                    if let Some(process) = self.processes.get(id) {
                        // It may be dead already, and then is buried as it died.
                        machine::end(process.env, KILLED);
                        // What others end has ended.
                        let spare = self.processes.get_mut(id).and_then(|process| process.spare.take());
                        self.drop_spare(spare);
                        self.bury(id, KILLED, 0);
                    }
                }
                Effect::Suspend(id) => self.suspend(id),
                Effect::Resume(id) => self.give_time(id),
            }
        }
        if let Some(deadline) = self.family.new_deadline(machine::clock) {
            self.set_alarm(deadline);
        }
    }

    /// Let a process's bulletin say what its record says.
    fn publish(&self, id: u32) {
        let (Some(process), Ok(member)) = (self.processes.get(id), self.family.member(id)) else { return };
        let channel = &process.channel;
        channel.tell(|bulletin| &bulletin.parent, member.parent);
        channel.tell(|bulletin| &bulletin.group, member.group);
        channel.tell(|bulletin| &bulletin.session, member.session);
        channel.tell(|bulletin| &bulletin.stopped, u32::from(member.is_stopped()));
        channel.tell_signals(member.queue.iter().fold(0, |set, (_, information)| set | bit(information.signal as u32)));
        channel.tell(|bulletin| &bulletin.quiet_child, member.quiet_child);
        channel.tell(|bulletin| &bulletin.killed, u32::from(member.end_by.is_some()));
        channel.tell(|bulletin| &bulletin.limit_changes, member.limit_changes);
    }

    /// Take all time away from a process, and from what environments it made for itself.
    pub(crate) fn suspend(&self, id: u32) {
        let Some(process) = self.processes.get(id) else { return };
        for slot in (0..abi::MAX_SLICES).filter(|&slot| machine::is_over(process.env, machine::slice_owner(slot))) {
            let _ = exo::slice_set(0, slot, EnvId::SELF, machine::UNUSED);
        }
    }

    /// Look for what is due.
    pub(crate) fn look_at_times(&mut self) {
        let now = machine::clock();
        self.family.enforce_stops(now);
        self.family.enforce_ends(now);
        let suspects: Vec<u32> = self.family.cpu_suspects(now);
        for id in suspects {
            if let Some(process) = self.processes.get(id) {
                let used = machine::cpu_ns(process.env);
                self.family.check_cpu(id, used, now);
            }
        }
        self.enforce_requests(now);
        self.look_at_turns(now);
        self.settle();
        self.set_alarm(self.family.deadline());
    }

    /// Wake up when the next thing is due, of the family's or another.
    pub(crate) fn set_alarm(&self, of_family: Option<u64>) {
        crate::alarm::set([of_family, self.rounds.deadline(), self.watch.deadline()].into_iter().flatten().min());
    }
}

fn whose(number: u16) -> Result<Whose, Errno> {
    match number {
        0 => Ok(Whose::Process),
        1 => Ok(Whose::Group),
        2 => Ok(Whose::User),
        _ => Err(Errno::EINVAL),
    }
}
