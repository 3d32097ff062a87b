//! What `/proc` shows of processes: requests of those who look, and what is said of those that do not answer.

use alloc::vec::Vec;

use libos::errno::Errno;
use libos::report::stat::{Sizes, Stat};
use libos::vfs::world::Report;
use unix::message::{BYTES, BYTES_MOST};
use unix::{MAILBOX_BYTES, Operation, Request, SERVER_ID, TEXT_MOST, name_of};

use crate::family::{Family, Life, Member};
use crate::machine;
use crate::questions::{Asked, Outcome};
use crate::server::{Answer, Server, value};

impl Family {
    /// Whether a process may see what is private of another: ptrace(2), "Ptrace access mode checking", with the ids for files.
    ///
    /// # Errors
    /// `ESRCH`: there is no such process.
    pub fn may_inspect(&self, caller: u32, target: u32) -> Result<bool, Errno> {
        let (own, theirs) = (&self.member(caller)?.credentials, &self.member(target)?.credentials);
        let is_same = |mine: u32, ids: &crate::family::credentials::Ids| [ids.real, ids.effective, ids.saved].iter().all(|&id| id == mine);
        let is_theirs = is_same(own.user.file, &theirs.user) && is_same(own.group.file, &theirs.group);
        Ok(caller == target || own.user.effective == 0 || is_theirs)
    }
}

impl Server {
    /// A process begins now.
    pub(crate) fn note_beginning(&mut self, id: u32) {
        if let Ok(member) = self.family.member_mut(id) {
            member.began_ns = machine::monotonic_ns();
        }
    }

    /// Serve what is asked about processes for others to see.
    pub(crate) fn serve_shown(&mut self, id: u32, request: &Request) -> Answer {
        let &Request { operation, large, words, .. } = request;
        match operation {
            Operation::Standing => self.standing(if large == 0 { id } else { large }),
            Operation::Processes => self.list_processes(id, large),
            Operation::Person => {
                let process = self.family.process_of(large)?;
                let member = self.family.member(process)?;
                let (user, group) = (member.credentials.user.effective, member.credentials.group.effective);
                Ok([u64::from(process), member.birth, u64::from(user) | u64::from(group) << 32, 0])
            }
            Operation::Inspect => self.inspect(id, request),
            Operation::TakeQuestion => self.take_question(id),
            Operation::Tell => self.tell_answer(id, request),
            Operation::Census => self.census(),
            Operation::SetName => {
                self.family.member_mut(id)?.name = [words[0], words[1]];
                value(0)
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    fn standing(&self, id: u32) -> Answer {
        let member = self.family.member(id)?;
        let (terminal, foreground) = self.controlling(id).map_or((0, 0), |terminal| (terminal.device, terminal.foreground()));
        let groups = u64::from(member.group) | u64::from(member.session) << 32;
        Ok([groups, terminal | u64::from(foreground) << 32, member.nice as u64, member.began_ns])
    }

    fn list_processes(&self, id: u32, from: u32) -> Answer {
        let ids = self.family.members().map(|member| member.id).filter(|&member| member >= from);
        let bytes: Vec<u8> = ids.take(MAILBOX_BYTES / 4).flat_map(u32::to_le_bytes).collect();
        self.process(id)?.channel.answer(0, &bytes);
        value(bytes.len() as u64 / 4)
    }

    fn census(&mut self) -> Answer {
        let alive_ns = self.processes.iter().map(|process| machine::cpu_ns(process.env)).sum();
        let ran_ns = self.load.ran_ns(alive_ns);
        let loads = self.load.averages(machine::monotonic_ns(), ran_ns);
        let loads = loads.iter().rev().fold(0, |word, &load| word << 16 | load.min(0xffff));
        let counts = self.family.members().count() as u64 | u64::from(self.family.last_id()) << 32;
        Ok([counts, loads, ran_ns, machine::cpu_ns(machine::own())])
    }

    /// Ask a process what somebody wants to know of it, or give the answer.
    fn inspect(&mut self, id: u32, request: &Request) -> Answer {
        let [birth, number, is_last] = request.words;
        let target = request.large;
        let member = self.family.member(target)?;
        if birth != 0 && member.birth != birth {
            return Err(Errno::ESRCH);
        }
        let report = Report::from_number(request.small).ok_or(Errno::EINVAL)?;
        if report.is_private() && !self.family.may_inspect(id, target)? {
            return Err(Errno::EACCES);
        }
        let asked = Asked { by: id, what: request.small, number: number as u32 };
        let is_out_of_time = member.is_suspended;
        if self.processes.get(target).is_some_and(|process| process.questions.is_full()) {
            let alive: Vec<u32> = self.processes.iter().map(|process| process.id).collect();
            self.process_mut(target)?.questions.forget_dead(|id| alive.contains(&id));
        }
        let outcome = match self.processes.get_mut(target) {
            Some(process) => process.questions.ask(asked, is_last != 0 || is_out_of_time),
            None => Outcome::Unanswered,
        };
        match outcome {
            Outcome::Asked(is_new) => {
                if is_new {
                    self.ring_for_questions(target);
                }
                Err(Errno::EAGAIN)
            }
            Outcome::Answered(answer) => self.deliver(id, answer?),
            Outcome::Unanswered => {
                // One that is only slow takes no question now, but is asked again after this.
                self.ring_for_questions(target);
                let text = self.known(target, report)?;
                self.deliver(id, text)
            }
        }
    }

    fn ring_for_questions(&self, target: u32) {
        if let Some(process) = self.processes.get(target) {
            process.channel.tell(|bulletin| &bulletin.questions, 1);
            process.channel.ring();
        }
    }

    /// Leave a text in a process's mailbox, and what it has no room for where `Unstage` finds it.
    fn deliver(&mut self, id: u32, text: Vec<u8>) -> Answer {
        let process = self.process_mut(id)?;
        let length = text.len();
        process.channel.answer(BYTES, &text);
        process.staged = if length > BYTES_MOST { text } else { Vec::new() };
        value(length as u64)
    }

    fn take_question(&mut self, id: u32) -> Answer {
        let process = self.process_mut(id)?;
        let taken = process.questions.take();
        if !process.questions.any_new() {
            process.channel.tell(|bulletin| &bulletin.questions, 0);
        }
        let (called, asked) = taken.ok_or(Errno::EAGAIN)?;
        Ok([u64::from(asked.what) | u64::from(asked.number) << 32, called, 0, 0])
    }

    /// A process answers.
    fn tell_answer(&mut self, id: u32, request: &Request) -> Answer {
        let [called, length, _] = request.words;
        let process = self.process_mut(id)?;
        let mut text = core::mem::take(&mut process.staged);
        let rest = (length as usize).checked_sub(text.len()).filter(|&rest| rest <= BYTES_MOST && length as usize <= TEXT_MOST);
        let letter = process.channel.letter(BYTES + rest.ok_or(Errno::EINVAL)?).ok_or(Errno::EINVAL)?;
        text.extend_from_slice(&letter[BYTES..]);
        let answer = if request.large == 0 { Ok(text) } else { Err(Errno::from_number(request.large.into())) };
        let asker = process.questions.tell(called, answer);
        if let Some(asker) = asker.and_then(|asker| self.processes.get(asker)) {
            asker.channel.ring();
        }
        value(0)
    }

    /// What is known here of a process that does not say anything itself.
    fn known(&self, id: u32, report: Report) -> Result<Vec<u8>, Errno> {
        let member = self.family.member(id)?;
        let (name, length) = name_of(member.name);
        let name = if id == SERVER_ID { b"unixd" } else { &name[..length] };
        Ok(match report {
            Report::Stat => self.known_stat(member, name).line().into_bytes(),
            Report::Status => self.known_stat(member, name).lines().into_bytes(),
            Report::Statm => alloc::format!("{}", self.known_sizes(id).unwrap_or_default()).into_bytes(),
            Report::Command => [name, b"\n"].concat(),
            Report::Limits => member.limits.text().into_bytes(),
            Report::Schedule => alloc::format!("{} 0 0\n", self.known_cpu_ns(member)).into_bytes(),
            Report::Threads => alloc::format!("{id}\n").into_bytes(),
            Report::InputOutput => libos::report::INPUT_OUTPUT.to_vec(),
            Report::Executable | Report::CurrentDirectory | Report::RootDirectory | Report::DescriptorPath => return Err(Errno::ENOENT),
            _ => Vec::new(),
        })
    }

    fn known_sizes(&self, id: u32) -> Option<Sizes> {
        let (_, used) = self.processes.get(id)?.frames();
        Some(Sizes { total: used, resident: used, most_resident: used, data: used, ..Sizes::default() })
    }

    fn known_cpu_ns(&self, member: &Member) -> u64 {
        let env = if member.id == SERVER_ID { Some(machine::own()) } else { self.processes.get(member.id).map(|process| process.env) };
        env.map_or(member.usage.cpu_ns, machine::cpu_ns)
    }

    fn known_stat(&self, member: &Member, name: &[u8]) -> Stat {
        let [groups, terminal, ..] = self.standing(member.id).unwrap_or_default();
        let (user, group) = (member.credentials.user, member.credentials.group);
        let (state, status) = match member.life {
            Life::Zombie(status) => ('Z', status),
            Life::Stopped(_) => ('T', 0),
            Life::Running => ('S', 0),
        };
        Stat {
            id: member.id,
            process: member.id,
            name: name.to_vec(),
            state,
            parent: member.parent,
            group: groups as u32,
            session: (groups >> 32) as u32,
            terminal: terminal as u32,
            foreground: (terminal >> 32) as u32,
            faults: u64::from(member.usage.faults),
            children_faults: u64::from(member.children_usage.faults),
            cpu_ns: self.known_cpu_ns(member),
            children_cpu_ns: member.children_usage.cpu_ns,
            nice: member.nice,
            threads: 1,
            began_ns: member.began_ns,
            memory: self.known_sizes(member.id),
            exit_signal: member.exit_signal,
            status,
            users: [user.real, user.effective, user.saved, user.file],
            groups: [group.real, group.effective, group.saved, group.file],
            supplementary: member.credentials.groups.clone(),
            descriptors: if member.is_dead() { 0 } else { 64 },
            ..Stat::default()
        }
    }
}
