//! From requests to objects, and back.

use alloc::vec::Vec;

use abi::PAGE_SIZE;
use libos::errno::Errno;
use libos::file::Access;
use unix::system_v::{
    Command, DESTINED, LOCKED, MESSAGE_MOST, OPERATION_BYTES, OPERATIONS_MOST, ObjectKind, READ_ONLY, SEMAPHORES_MOST, word,
};
use unix::{Operation, Request};

use super::messages::{Message, Queue};
use super::registry::Ownership;
use super::segments::Segment;
use super::semaphores::{Change, Set};
use crate::family::credentials::Credentials;
use crate::machine;
use crate::server::{Answer, Server, value};

/// What a mode allows: to read, in any of its places; to change.
const READ: u32 = 0o444;
const WRITE: u32 = 0o222;
/// The most bytes of a segment (`SHMMAX`).
const SEGMENT_MOST: u64 = u64::MAX - (1 << 24);

fn now_s() -> u64 {
    machine::realtime_ns() / 1_000_000_000
}

impl Server {
    /// Serve a request about System V's objects.
    ///
    /// # Errors
    /// As the calls have them. `EAGAIN`: it has to wait.
    pub(crate) fn serve_system_v(&mut self, id: u32, request: &Request) -> Answer {
        let [first, second, third] = request.words;
        match request.operation {
            Operation::ObjectGet => self.get_object(id, request),
            Operation::ObjectControl => self.control_object(id, request),
            Operation::MessageSend => {
                let (kind, bytes) = (first as i64, second as usize);
                if kind < 1 || bytes > MESSAGE_MOST {
                    return Err(Errno::EINVAL);
                }
                let text = self.process(id)?.channel.letter(bytes).ok_or(Errno::EINVAL)?;
                let (queue, credentials) = (self.system_v.queues.find(request.large)?, &self.family.member(id)?.credentials);
                queue.ownership.may(WRITE, credentials)?;
                let outcome = queue.body.send(Message { kind, text }, id, now_s());
                subscribed(outcome, || queue.body.watchers.subscribe(id)).and_then(|()| value(0))
            }
            Operation::MessageReceive => {
                let (queue, credentials) = (self.system_v.queues.find(request.large)?, &self.family.member(id)?.credentials);
                queue.ownership.may(READ, credentials)?;
                let outcome = queue.body.receive(first as i64, second as usize, third as u32, id, now_s());
                let message = subscribed(outcome, || queue.body.watchers.subscribe(id))?;
                self.process(id)?.channel.answer(0, &message.text);
                Ok([message.text.len() as u64, message.kind as u64, 0, 0])
            }
            Operation::SemaphoresOperate => self.operate_semaphores(id, request),
            Operation::SemaphoresLeave => {
                if let Ok(set) = self.system_v.sets.find(request.large) {
                    set.body.leave(id, first as u32);
                }
                value(0)
            }
            Operation::SegmentAttach => self.attach_segment(id, request),
            Operation::SegmentDetach => {
                self.system_v.segments.find(request.large)?.body.detach(id, now_s());
                self.system_v.end_destined();
                value(0)
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    fn get_object(&mut self, id: u32, request: &Request) -> Answer {
        let kind = ObjectKind::from_number(request.small as u8).ok_or(Errno::EINVAL)?;
        let (key, size, flags) = (request.words[0] as i32, request.words[1], request.large);
        let Server { system_v, tree, family, .. } = self;
        let credentials = &family.member(id)?.credentials;
        let or_invalid = |fits: bool| if fits { Ok(()) } else { Err(Errno::EINVAL) };
        let found = match kind {
            ObjectKind::Queue => system_v.queues.get(key, flags, credentials, |_| Ok(()), || Ok(Queue::new(now_s())))?,
            ObjectKind::Semaphores => {
                or_invalid(size <= SEMAPHORES_MOST)?;
                let make = || or_invalid(size > 0).map(|()| Set::new(size as usize, now_s()));
                system_v.sets.get(key, flags, credentials, |set| or_invalid(size <= set.count() as u64), make)?
            }
            ObjectKind::Segment => {
                let make = || {
                    or_invalid((1..=SEGMENT_MOST).contains(&size))?;
                    Ok(Segment::new(tree.make_segment(key, size)?, size, id, now_s()))
                };
                system_v.segments.get(key, flags, credentials, |segment| or_invalid(size <= segment.bytes()), make)?
            }
        };
        value(u64::from(found))
    }

    fn operate_semaphores(&mut self, id: u32, request: &Request) -> Answer {
        let count = usize::from(request.small);
        if count == 0 || count > OPERATIONS_MOST {
            return Err(Errno::EINVAL);
        }
        let bytes = self.process(id)?.channel.letter(count * OPERATION_BYTES).ok_or(Errno::EINVAL)?;
        let changes: Vec<Change> = bytes.as_chunks().0.iter().map(Change::from_bytes).collect();
        let thread = request.words[0] as u32;
        let member = self.family.member(id)?;
        // What is remembered is bounded by the threads that there can be.
        if !member.uses(thread) {
            return Err(Errno::EINVAL);
        }
        let set = self.system_v.sets.find(request.large)?;
        let changing = changes.iter().any(|change| change.by != 0);
        if changes.iter().any(|change| usize::from(change.semaphore) >= set.body.count()) {
            return Err(Errno::EFBIG);
        }
        set.ownership.may(if changing { WRITE } else { READ }, &member.credentials)?;
        let is_done = set.body.operate(&changes, id, thread, now_s())?;
        value(u64::from(is_done))
    }

    fn attach_segment(&mut self, id: u32, request: &Request) -> Answer {
        let is_read = request.words[0] as u32 & READ_ONLY != 0;
        let segment = self.system_v.segments.find(request.large)?;
        segment.ownership.may(if is_read { READ } else { READ | WRITE }, &self.family.member(id)?.credentials)?;
        let (file, bytes) = (segment.body.file.clone(), segment.body.bytes());
        let access = if is_read { Access::READ } else { Access::READ | Access::WRITE };
        let handle = self.open_segment(id, file, access)?;
        self.system_v.segments.find(request.large)?.body.attach(id, now_s());
        Ok([u64::from(handle), bytes, 0, 0])
    }

    fn control_object(&mut self, id: u32, request: &Request) -> Answer {
        let kind = ObjectKind::from_number(request.small as u8).ok_or(Errno::EINVAL)?;
        let command = Command::from_number((request.small >> 8) as u8).ok_or(Errno::EINVAL)?;
        let [semaphore, argument, _] = request.words;
        match command {
            Command::Remove => self.remove_object(id, kind, request.large),
            Command::Set => self.set_object(id, kind, request.large),
            Command::State => self.object_state(id, kind, request.large, READ).map(|_| [0; 4]),
            Command::StateAt | Command::StateAtAny => {
                let found = match kind {
                    ObjectKind::Queue => self.system_v.queues.at(request.large)?,
                    ObjectKind::Semaphores => self.system_v.sets.at(request.large)?,
                    ObjectKind::Segment => self.system_v.segments.at(request.large)?,
                };
                let wanted = if command == Command::StateAt { READ } else { 0 };
                self.object_state(id, kind, found, wanted).map(|()| [u64::from(found), 0, 0, 0])
            }
            Command::Usage => Ok(self.usage(kind)),
            Command::Lock => {
                let segment = self.system_v.segments.find(request.large)?;
                segment.ownership.may_control(&self.family.member(id)?.credentials)?;
                let mode = &mut segment.ownership.mode;
                *mode = if argument == 0 { *mode & !LOCKED } else { *mode | LOCKED };
                value(0)
            }
            _ => self.control_semaphores(id, command, request.large, semaphore, argument),
        }
    }

    fn control_semaphores(&mut self, id: u32, command: Command, set: u32, semaphore: u64, argument: u64) -> Answer {
        let Server { system_v, family, processes, .. } = self;
        let credentials = &family.member(id)?.credentials;
        let channel = &processes.get(id).ok_or(Errno::ESRCH)?.channel;
        let set = system_v.sets.find(set)?;
        let wanted = if matches!(command, Command::SetValue | Command::SetValues) { WRITE } else { READ };
        set.ownership.may(wanted, credentials)?;
        let set = &mut set.body;
        match command {
            Command::Values => {
                let bytes: Vec<u8> = set.values().flat_map(u16::to_ne_bytes).collect();
                channel.answer(0, &bytes);
                value(set.count() as u64)
            }
            Command::SetValues => {
                let bytes = channel.letter(2 * set.count()).ok_or(Errno::EINVAL)?;
                let values: Vec<u16> = bytes.as_chunks().0.iter().map(|&pair| u16::from_ne_bytes(pair)).collect();
                set.set(0, &values, id, now_s()).and_then(|()| value(0))
            }
            Command::SetValue => {
                let new = u16::try_from(argument).map_err(|_| Errno::ERANGE)?;
                set.set(semaphore, &[new], id, now_s()).and_then(|()| value(0))
            }
            Command::Value => value(u64::from(set.value(semaphore)?.0)),
            Command::LastProcess => value(u64::from(set.value(semaphore)?.1)),
            Command::AwaitMore => value(set.waiters(semaphore, false)? as u64),
            Command::AwaitZero => value(set.waiters(semaphore, true)? as u64),
            _ => Err(Errno::EINVAL),
        }
    }

    fn remove_object(&mut self, id: u32, kind: ObjectKind, object: u32) -> Answer {
        let Server { system_v, family, .. } = self;
        let credentials = &family.member(id)?.credentials;
        match kind {
            ObjectKind::Queue => {
                system_v.queues.find(object)?.ownership.may_control(credentials)?;
                system_v.queues.remove(object)?.body.watchers.tell();
            }
            ObjectKind::Semaphores => {
                system_v.sets.find(object)?.ownership.may_control(credentials)?;
                system_v.sets.remove(object)?.body.watchers.tell();
            }
            ObjectKind::Segment => {
                let segment = system_v.segments.find(object)?;
                segment.ownership.may_control(credentials)?;
                // Who has it attached keeps it; nobody finds it any more.
                segment.ownership.key = 0;
                segment.ownership.mode |= DESTINED;
                system_v.end_destined();
            }
        }
        value(0)
    }

    fn set_object(&mut self, id: u32, kind: ObjectKind, object: u32) -> Answer {
        const WORDS: usize = 4;
        let bytes = self.process(id)?.channel.letter(WORDS * 8).ok_or(Errno::EINVAL)?;
        let words: Vec<u64> = bytes.as_chunks().0.iter().map(|&word| u64::from_ne_bytes(word)).collect();
        let Server { system_v, family, .. } = self;
        let credentials = &family.member(id)?.credentials;
        match kind {
            ObjectKind::Queue => {
                let queue = system_v.queues.find(object)?;
                let given = given(&queue.ownership, credentials, &words)?;
                queue.body.set(words[3], credentials.is_privileged(), now_s())?;
                queue.ownership = given;
            }
            ObjectKind::Semaphores => {
                let set = system_v.sets.find(object)?;
                set.ownership = given(&set.ownership, credentials, &words)?;
                set.body.note_changed(now_s());
            }
            ObjectKind::Segment => {
                let segment = system_v.segments.find(object)?;
                segment.ownership = given(&segment.ownership, credentials, &words)?;
                segment.body.note_changed(now_s());
            }
        }
        value(0)
    }

    /// Leave an object's state in the mailbox.
    fn object_state(&mut self, id: u32, kind: ObjectKind, object: u32, wanted: u32) -> Result<(), Errno> {
        let Server { system_v, family, processes, .. } = self;
        let credentials = &family.member(id)?.credentials;
        let mut words: Vec<u64> = Vec::with_capacity(word::COUNT);
        let ownership = match kind {
            ObjectKind::Queue => {
                let queue = system_v.queues.find(object)?;
                words.extend(queue.state());
                words.extend(queue.body.state());
                &queue.ownership
            }
            ObjectKind::Semaphores => {
                let set = system_v.sets.find(object)?;
                words.extend(set.state());
                words.extend(set.body.state());
                &set.ownership
            }
            ObjectKind::Segment => {
                let segment = system_v.segments.find(object)?;
                words.extend(segment.state());
                words.extend(segment.body.state());
                &segment.ownership
            }
        };
        if wanted != 0 {
            ownership.may(wanted, credentials)?;
        }
        words.resize(word::COUNT, 0);
        let bytes: Vec<u8> = words.into_iter().flat_map(u64::to_ne_bytes).collect();
        processes.get(id).ok_or(Errno::ESRCH)?.channel.answer(0, &bytes);
        Ok(())
    }

    fn usage(&self, kind: ObjectKind) -> [u64; 4] {
        let (highest, count, sums) = match kind {
            ObjectKind::Queue => {
                let queues = &self.system_v.queues;
                let sums = queues.iter().map(|(_, queue)| queue.body.usage()).fold([0; 2], |[a, b], [c, d]| [a + c, b + d]);
                (queues.highest(), queues.iter().count(), sums)
            }
            ObjectKind::Semaphores => {
                let sets = &self.system_v.sets;
                (sets.highest(), sets.iter().count(), [sets.iter().map(|(_, set)| set.body.count() as u64).sum(), 0])
            }
            ObjectKind::Segment => {
                let segments = &self.system_v.segments;
                let pages = segments.iter().map(|(_, segment)| segment.body.bytes().div_ceil(PAGE_SIZE as u64)).sum();
                let blocks: u64 = segments.iter().map(|(_, segment)| segment.body.file.node.attributes().blocks).sum();
                (segments.highest(), segments.iter().count(), [pages, blocks * 512 / PAGE_SIZE as u64])
            }
        };
        [highest as u64, count as u64, sums[0], sums[1]]
    }
}

/// An object's ownership with the owner and the permissions that it is to have.
fn given(ownership: &Ownership, by: &Credentials, words: &[u64]) -> Result<Ownership, Errno> {
    const PERMISSIONS: u32 = 0o777;
    ownership.may_control(by)?;
    let (user, group) = (words[0] as u32, words[1] as u32);
    if user == u32::MAX || group == u32::MAX {
        return Err(Errno::EINVAL);
    }
    let mode = ownership.mode & !PERMISSIONS | words[2] as u32 & PERMISSIONS;
    Ok(Ownership { user, group, mode, ..ownership.clone() })
}

/// Let the process be told when it may try again.
fn subscribed<T>(outcome: Result<T, Errno>, subscribe: impl FnOnce()) -> Result<T, Errno> {
    if matches!(outcome, Err(Errno::EAGAIN)) {
        subscribe();
    }
    outcome
}
