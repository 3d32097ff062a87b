//! Operations on open files: bytes through the mailbox, readiness, ioctl(2).
//!
//! Files are served by the very implementations that processes have of them; what makes the difference is the [`Caller`].

use libos::errno::Errno;
use libos::file::{Access, Blocking, Input, Output, Place, Readiness};
use unix::{MAILBOX_BYTES, Operation, Request, STATE_BYTES};

use crate::caller::Caller;
use crate::handles::{Held, Opened};
use crate::server::{Answer, Server, value};

/// The most bytes that a request of ioctl(2) takes or gives.
const CONTROL_MOST: usize = 256;
/// The most handles that are released besides the first.
const RELEASES_MOST: u16 = 6;

impl Server {
    /// Serve an operation on an open file.
    ///
    /// # Errors
    /// `EBADF`: no such handle, or not opened for that. `EAGAIN`: it would block; the process is told when that changes. Others are the file's.
    pub fn serve_object(&mut self, id: u32, request: &Request) -> Answer {
        match request.operation {
            Operation::Read => self.read(id, request),
            Operation::Write => self.write(id, request),
            Operation::Readiness => self.readiness(id, request),
            Operation::ReadinessOfMany => self.readiness_of_many(id, request.large as usize),
            Operation::Control => self.control(id, request),
            Operation::Release => self.release_handles(id, request),
            Operation::Truncate => {
                let opened = self.handles(id)?.opened_for(request.large, Access::WRITE)?;
                opened.file.truncate(&Caller::new(id), request.words[0]).and(value(0))
            }
            Operation::Sync => self.handles(id)?.opened(request.large)?.file.sync().and(value(0)),
            Operation::Duplicate => {
                let held = self.handles(id)?.get(request.large)?.clone();
                self.handles(id)?.insert(held).and_then(|number| value(u64::from(number)))
            }
            Operation::Reopen => self.reopen(id, request),
            Operation::MakePipe => self.make_pipe(id, request),
            Operation::MakeEvent => self.make_event(id, request),
            Operation::PipePeers => self.pipe_peers(id, request),
            Operation::PipeCapacity => self.pipe_capacity(id, request),
            Operation::Describe => self.describe(id, request),
            Operation::Lock => self.lock(id, request),
            Operation::LockWhole => self.lock_whole(id, request),
            Operation::UnlockAll => self.unlock_all(id, request),
            Operation::Notify => self.notify(id, request),
            Operation::Stage => self.stage(id, request),
            Operation::Unstage => self.unstage(id, request),
            Operation::QueueOpen
            | Operation::QueueUnlink
            | Operation::QueueSend
            | Operation::QueueReceive
            | Operation::QueueLeave
            | Operation::QueueNotify
            | Operation::QueueAttributes => self.serve_queue(id, request),
            _ => self.serve_socket(id, request),
        }
    }

    fn read(&mut self, id: u32, request: &Request) -> Answer {
        let [offset, bytes, _] = request.words;
        let opened = self.handles(id)?.opened_for(request.large, Access::READ)?;
        let mut buffer = alloc::vec![0; (bytes as usize).min(MAILBOX_BYTES)];
        let mut output = Output::own(&mut buffer);
        // It may block as far as the file can see: that makes it note who is to be told.
        let count = match (request.small, opened.file.pipe()) {
            (0, _) => opened.file.read(&Caller::new(id), &mut output, offset, Blocking::Allowed)?,
            (_, Some(pipe)) => pipe.peek(&Caller::new(id), &mut output, Blocking::Allowed)?,
            (_, None) => return Err(Errno::EINVAL),
        };
        self.process(id)?.channel.answer(0, &buffer[..count]);
        value(count as u64)
    }

    fn write(&mut self, id: u32, request: &Request) -> Answer {
        let [offset, bytes, _] = request.words;
        let process = self.process(id)?;
        let opened = process.handles.opened_for(request.large, Access::WRITE)?;
        let bytes = process.channel.letter(bytes as usize).ok_or(Errno::EINVAL)?;
        let place = if offset == u64::MAX { Place::End } else { Place::At(offset) };
        let (count, end) = opened.file.write(&Caller::new(id), &mut Input::own(&bytes), place, Blocking::Allowed)?;
        Ok([count as u64, end, 0, 0])
    }

    fn readiness(&mut self, id: u32, request: &Request) -> Answer {
        let opened = self.handles(id)?.opened(request.large)?;
        let [ready, input, output] = look(id, &opened, request.small != 0);
        Ok([ready, input, output, 0])
    }

    fn readiness_of_many(&mut self, id: u32, count: usize) -> Answer {
        if count > MAILBOX_BYTES / STATE_BYTES {
            return Err(Errno::EINVAL);
        }
        let process = self.process(id)?;
        let letter = process.channel.letter(count * 4).ok_or(Errno::EINVAL)?;
        for (index, number) in letter.chunks_exact(4).enumerate() {
            let number = u32::from_ne_bytes([number[0], number[1], number[2], number[3]]);
            let words = process.handles.opened(number).map_or([u64::from(Readiness::ERROR.bits()), 0, 0], |opened| look(id, &opened, true));
            for (at, word) in words.iter().enumerate() {
                process.channel.answer(index * STATE_BYTES + at * 8, &word.to_ne_bytes());
            }
        }
        value(0)
    }

    fn control(&mut self, id: u32, request: &Request) -> Answer {
        let [number, argument, sizes] = request.words;
        let (incoming, outgoing) = (sizes as u32 as usize, (sizes >> 32) as usize);
        if incoming.max(outgoing) > CONTROL_MOST {
            return Err(Errno::EINVAL);
        }
        let process = self.process(id)?;
        let opened = process.handles.opened(request.large)?;
        let mut bytes = process.channel.letter(incoming).ok_or(Errno::EINVAL)?;
        bytes.resize(incoming.max(outgoing), 0);
        let caller = Caller::with_memory(id, argument as usize, bytes);
        let answer = opened.file.control(&caller, number as u32, argument as usize)?;
        let bytes = caller.into_memory();
        self.process(id)?.channel.answer(0, &bytes[..outgoing]);
        value(answer as u64)
    }

    fn release_handles(&mut self, id: u32, request: &Request) -> Answer {
        if request.small > RELEASES_MOST {
            return Err(Errno::EINVAL);
        }
        let more = request.words.iter().flat_map(|&word| [word as u32, (word >> 32) as u32]).take(usize::from(request.small));
        let mut outcome = value(0);
        for number in [request.large].into_iter().chain(more) {
            match self.process_mut(id)?.handles.release(number) {
                Ok(held) => {
                    note_released(id, &held);
                    self.hide_ring(id, &held);
                }
                Err(errno) => outcome = Err(errno),
            }
        }
        outcome
    }

    /// Ring the doorbells of those who are to hear of what changed.
    pub fn tell(&mut self) {
        self.tree.tell_ended();
        for id in libos::file::watchers::take_told() {
            if let Some(process) = self.processes.get(id) {
                process.channel.ring();
            }
        }
        if self.notices.are_any() {
            self.send_notices();
        }
    }
}

/// What would not block of a file, and the stamps of its edges; whether the process is to be told when that changes.
fn look(id: u32, opened: &Opened, is_to_be_told: bool) -> [u64; 3] {
    if let (Some(watchers), true) = (opened.file.watchers(), is_to_be_told) {
        watchers.subscribe(id);
    }
    let caller = Caller::new(id);
    let (ready, edges) = (opened.file.readiness(&caller), opened.file.edges(&caller));
    [u64::from(ready.bits()), edges.input, edges.output]
}

/// A process does not hold something any more. It may still hold it by another number, and wait for it: it looks again.
pub fn note_released(id: u32, held: &Held) {
    crate::queues::note_released(id, held);
    if let Held::Open(opened) = held
        && let Some(watchers) = opened.file.watchers()
        && watchers.forget(id)
    {
        watchers.subscribe(id);
        watchers.tell();
    }
}
