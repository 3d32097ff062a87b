//! Message queues: msgop(2).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use libos::errno::{Errno, Result};
use libos::file::watchers::Watchers;
use unix::system_v::{COPY, EXCEPT, NO_ERROR, NO_WAIT, QUEUE_BYTES};

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// More than 0.
    pub kind: i64,
    /// What it says.
    pub text: Vec<u8>,
}

/// A queue of messages.
#[derive(Debug)]
pub struct Queue {
    messages: VecDeque<Message>,
    bytes: u64,
    most_bytes: u64,
    sent_s: u64,
    received_s: u64,
    changed_s: u64,
    last_sender: u32,
    last_receiver: u32,
    /// Who waits for a message, or for room.
    pub watchers: Watchers,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(now_s: u64) -> Queue {
        Queue {
            messages: VecDeque::new(),
            bytes: 0,
            most_bytes: QUEUE_BYTES,
            sent_s: 0,
            received_s: 0,
            changed_s: now_s,
            last_sender: 0,
            last_receiver: 0,
            watchers: Watchers::new(),
        }
    }

    /// How many messages there are, and how many bytes.
    #[must_use]
    pub fn usage(&self) -> [u64; 2] {
        [self.messages.len() as u64, self.bytes]
    }

    /// The words of its state.
    #[must_use]
    pub fn state(&self) -> [u64; 8] {
        let [messages, bytes] = self.usage();
        let (sender, receiver) = (u64::from(self.last_sender), u64::from(self.last_receiver));
        [self.sent_s, self.received_s, self.changed_s, bytes, messages, self.most_bytes, sender, receiver]
    }

    /// Its owner has changed, or its limit.
    ///
    /// # Errors
    /// `EPERM`: that many bytes are root's to allow.
    pub fn set(&mut self, most_bytes: u64, is_privileged: bool, now_s: u64) -> Result<()> {
        if most_bytes > QUEUE_BYTES && !is_privileged {
            return Err(Errno::EPERM);
        }
        self.most_bytes = most_bytes;
        self.changed_s = now_s;
        self.watchers.tell();
        Ok(())
    }

    /// Put a message behind the others.
    ///
    /// # Errors
    /// `EAGAIN`: there is no room. What a queue holds is bounded by its bytes, messages without any too.
    pub fn send(&mut self, message: Message, process: u32, now_s: u64) -> Result<()> {
        let bytes = self.bytes + message.text.len() as u64;
        if bytes > self.most_bytes || self.messages.len() as u64 + 1 > self.most_bytes {
            return Err(Errno::EAGAIN);
        }
        self.bytes = bytes;
        self.messages.push_back(message);
        (self.last_sender, self.sent_s) = (process, now_s);
        self.watchers.tell();
        Ok(())
    }

    /// Where the message is that a receiver wants.
    fn wanted(&self, kind: i64, flags: u32) -> Option<usize> {
        let mut messages = self.messages.iter();
        if flags & COPY != 0 {
            return usize::try_from(kind).ok().filter(|&index| index < self.messages.len());
        }
        match kind {
            0 => (!self.messages.is_empty()).then_some(0),
            1.. if flags & EXCEPT != 0 => messages.position(|message| message.kind != kind),
            1.. => messages.position(|message| message.kind == kind),
            _ => {
                let most = kind.checked_neg().unwrap_or(i64::MAX);
                let lowest = messages.clone().map(|message| message.kind).filter(|&kind| kind <= most).min()?;
                messages.position(|message| message.kind == lowest)
            }
        }
    }

    /// Take a message of a type.
    ///
    /// # Errors
    /// `E2BIG`: it is longer than the room. `EAGAIN`: there is none. `EINVAL`: flags that do not go together.
    pub fn receive(&mut self, kind: i64, room: usize, flags: u32, process: u32, now_s: u64) -> Result<Message> {
        if flags & COPY != 0 && (flags & EXCEPT != 0 || flags & NO_WAIT == 0) {
            return Err(Errno::EINVAL);
        }
        let place = self.wanted(kind, flags).ok_or(Errno::EAGAIN)?;
        let bytes = self.messages[place].text.len();
        if bytes > room && flags & NO_ERROR == 0 {
            return Err(Errno::E2BIG);
        }
        let mut message =
            if flags & COPY != 0 { self.messages.get(place).cloned() } else { self.messages.remove(place) }.ok_or(Errno::EAGAIN)?;
        if flags & COPY == 0 {
            self.bytes -= bytes as u64;
            (self.last_receiver, self.received_s) = (process, now_s);
            self.watchers.tell();
        }
        message.text.truncate(room);
        Ok(message)
    }
}
