//! Message queues: what they are called, and operations on them.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use libos::errno::Errno;
use libos::file::event::AnonymousNode;
use libos::file::queue::{Limits, Notice, QueueFile};
use libos::file::{Access, File};
use libos::signal::{Information, SIGNALS};
use libos::vfs::attributes::Kind;
use unix::{Object, Operation, Request};

use crate::handles::{Held, Opened};
use crate::machine;
use crate::server::{Answer, Server, value};

/// open(2)'s flags.
const ACCESS: u32 = 3;
const CREATE: u32 = 0o100;
const EXCLUSIVE: u32 = 0o200;
/// `RLIMIT_MSGQUEUE` at first: bytes of a user's queues, and those that Linux counts besides for each message.
const BYTES_OF_A_USER: usize = 819_200;
const BYTES_BESIDES: usize = 80;
/// A signal's code that a queue sends: `SI_MESGQ`.
const BY_QUEUE: i32 = -3;

/// A queue that can be opened.
struct Named {
    file: Arc<QueueFile>,
    inode: u64,
    user: u32,
    group: u32,
    mode: u32,
}

/// All queues.
#[derive(Default)]
pub struct Queues {
    names: BTreeMap<Vec<u8>, Named>,
    /// Those too that are open and have no name any more.
    all: Vec<Weak<QueueFile>>,
    /// The last inode's number.
    inodes: u64,
}

impl Queues {
    /// Make a queue that has no name yet.
    ///
    /// # Errors
    /// `EMFILE`: the user's queues would be too long together.
    fn make(&mut self, limits: Limits, user: u32) -> Result<Arc<QueueFile>, Errno> {
        self.all.retain(|queue| queue.strong_count() > 0);
        let bytes = |limits: Limits| limits.messages * (limits.bytes + BYTES_BESIDES);
        let of_user = self.all.iter().filter_map(Weak::upgrade).filter(|queue| queue.user == user);
        let used: usize = of_user.map(|queue| bytes(queue.with(|queue| queue.limits()))).sum();
        if used + bytes(limits) > BYTES_OF_A_USER {
            return Err(Errno::EMFILE);
        }
        let file = Arc::new(QueueFile::new(limits, user));
        self.all.push(Arc::downgrade(&file));
        self.inodes += 1;
        Ok(file)
    }

    /// A process has ended: it waits for nothing, and is not told anything.
    pub fn forget(&self, process: u32) {
        self.all.iter().filter_map(Weak::upgrade).for_each(|queue| queue.with(|queue| queue.forget(process)));
    }
}

/// A process has let go of what may be a queue: it is not told of its messages any more.
pub fn note_released(process: u32, held: &Held) {
    if let Held::Open(opened) = held
        && let Some(queue) = opened.file.of_type::<QueueFile>()
    {
        queue.with(|queue| queue.forget_notice(process));
    }
}

/// What flags of open(2) open a queue for.
fn access(flags: u32) -> Result<Access, Errno> {
    match flags & ACCESS {
        0 => Ok(Access::READ),
        1 => Ok(Access::WRITE),
        2 => Ok(Access::READ | Access::WRITE),
        _ => Err(Errno::EINVAL),
    }
}

impl Server {
    /// Serve an operation on message queues.
    ///
    /// # Errors
    /// `EBADF`: no such handle, not a queue's, or not opened for that. Others as mq_overview(7) has them.
    pub(crate) fn serve_queue(&mut self, id: u32, request: &Request) -> Answer {
        let [first, second, _] = request.words;
        match request.operation {
            Operation::QueueOpen => self.open_queue(id, request),
            Operation::QueueUnlink => self.unlink_queue(id, usize::from(request.small)),
            Operation::QueueSend => self.send_to_queue(id, request),
            Operation::QueueReceive => {
                let queue = self.queue(id, request.large, Access::READ)?;
                let (message, priority) = self.receive_message(id, &queue, request)?;
                self.process(id)?.channel.answer(0, &message);
                Ok([message.len() as u64, u64::from(priority), 0, 0])
            }
            Operation::QueueLeave => {
                self.queue(id, request.large, Access::READ)?.with(|queue| queue.leave(id, first as u32));
                value(0)
            }
            Operation::QueueNotify => {
                let queue = self.queue(id, request.large, Access::empty())?;
                if first > u64::from(SIGNALS) {
                    return Err(Errno::EINVAL);
                }
                let notice = Notice { process: id, signal: (first != 0).then_some(first as u32), value: second };
                queue.with(|queue| {
                    if request.small == 0 {
                        queue.forget_notice(id);
                        return Ok(());
                    }
                    queue.notify(notice)
                })?;
                value(0)
            }
            Operation::QueueAttributes => {
                let queue = self.queue(id, request.large, Access::empty())?;
                let (limits, count) = queue.with(|queue| (queue.limits(), queue.count()));
                Ok([limits.messages as u64, limits.bytes as u64, count as u64, 0])
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    /// The queue behind a handle.
    fn queue(&mut self, id: u32, number: u32, access: Access) -> Result<Arc<QueueFile>, Errno> {
        self.handles(id)?.opened_for(number, access)?.file.of_type().ok_or(Errno::EBADF)
    }

    fn open_queue(&mut self, id: u32, request: &Request) -> Answer {
        let [mode, messages, bytes] = request.words;
        let (flags, access) = (request.large, access(request.large)?);
        let name = self.process(id)?.channel.letter(usize::from(request.small)).ok_or(Errno::EINVAL)?;
        let credentials = &self.family.member(id)?.credentials;
        let (user, group) = (credentials.user.file, credentials.group.file);
        if let Some(named) = self.queues.names.get(&name) {
            if flags & (CREATE | EXCLUSIVE) == CREATE | EXCLUSIVE {
                return Err(Errno::EEXIST);
            }
            let member = group == named.group || credentials.groups.contains(&named.group);
            let allowed = named.mode
                >> if user == named.user {
                    6
                } else if member {
                    3
                } else {
                    0
                };
            let wanted = if access.contains(Access::READ) { 4 } else { 0 } | if access.contains(Access::WRITE) { 2 } else { 0 };
            if user != 0 && wanted & !allowed != 0 {
                return Err(Errno::EACCES);
            }
        } else if flags & CREATE == 0 {
            return Err(Errno::ENOENT);
        } else {
            let limits = if messages == 0 { Limits::MOST } else { Limits::wished(messages as i64, bytes as i64)? };
            let file = self.queues.make(limits, user)?;
            self.queues.names.insert(name.clone(), Named { file, inode: self.queues.inodes, user, group, mode: mode as u32 });
        }
        let Named { file, inode, .. } = &self.queues.names[&name];
        let (file, inode): (Arc<dyn File>, u64) = (file.clone(), *inode);
        let now = machine::tick().time;
        let entry = AnonymousNode::entry(file.clone(), Kind::Regular, inode, &name, now);
        let handle = self.hold(id, Opened::new(entry, file, access, Object::Queue))?;
        Ok([u64::from(handle), inode, 0, 0])
    }

    /// Who may: the user that made it, and root. The folder of queues is like `/tmp`.
    fn unlink_queue(&mut self, id: u32, length: usize) -> Answer {
        let name = self.process(id)?.channel.letter(length).ok_or(Errno::EINVAL)?;
        let user = self.family.member(id)?.credentials.user.file;
        let named = self.queues.names.get(&name).ok_or(Errno::ENOENT)?;
        if user != 0 && user != named.user {
            return Err(Errno::EPERM);
        }
        self.queues.names.remove(&name);
        value(0)
    }

    fn send_to_queue(&mut self, id: u32, request: &Request) -> Answer {
        let [priority, bytes, _] = request.words;
        let queue = self.queue(id, request.large, Access::WRITE)?;
        queue.with(|queue| queue.may_send(priority as u32, bytes as usize))?;
        if !queue.with(|queue| queue.has_room()) {
            self.subscribe(id, &queue);
            return Err(Errno::EAGAIN);
        }
        let message = self.process(id)?.channel.letter(bytes as usize).ok_or(Errno::EINVAL)?;
        let due = queue.change(|queue| queue.send(priority as u32, message))?;
        if let Some(Notice { process, signal: Some(signal), value: told }) = due {
            let user = self.family.member(id)?.credentials.user.real;
            let mut information = Information::new(signal, BY_QUEUE, u64::from(id) | u64::from(user) << 32);
            information.payload[1] = told;
            // Too many signals that wait already: the notice is lost, as it is on Linux.
            let _ = self.family.send(process, 0, information);
        }
        value(0)
    }

    fn receive_message(&self, id: u32, queue: &Arc<QueueFile>, request: &Request) -> Result<(Vec<u8>, u32), Errno> {
        let [room, thread, _] = request.words;
        match queue.with(|queue| queue.receive(room as usize)) {
            Err(Errno::EAGAIN) => {
                if request.small != 0 {
                    // What is remembered is bounded by the threads that there can be.
                    if !self.family.member(id)?.uses(thread as u32) {
                        return Err(Errno::EINVAL);
                    }
                    queue.with(|queue| queue.await_message(id, thread as u32));
                    self.subscribe(id, queue);
                }
                Err(Errno::EAGAIN)
            }
            outcome => {
                // There is room again, for who waits for that.
                queue.change(|queue| queue.leave(id, thread as u32));
                outcome
            }
        }
    }

    fn subscribe(&self, id: u32, queue: &Arc<QueueFile>) {
        if let Some(watchers) = queue.watchers() {
            watchers.subscribe(id);
        }
    }
}
