//! Objects without a name, and open files that are opened again.

use alloc::sync::Arc;

use libos::errno::Errno;
use libos::file::event::{AnonymousNode, Event};
use libos::file::pipe::Pipe;
use libos::file::remote::traits_of;
use libos::file::{Access, File};
use libos::vfs::attributes::Kind;
use libos::vfs::node::Entry;
use unix::message::inode_of;
use unix::ring::RING_BYTES;
use unix::{Object, Request};

use crate::caller::Caller;
use crate::handles::{Held, Opened};
use crate::machine;
use crate::server::{Answer, Server, value};

impl Server {
    /// Let a process hold an open file; gives its number.
    ///
    /// # Errors
    /// `ENFILE`: it holds too much.
    pub fn hold(&mut self, id: u32, opened: Opened) -> Result<u32, Errno> {
        self.handles(id)?.insert(Held::Open(Arc::new(opened)))
    }

    fn hold_file(&mut self, id: u32, entry: &Arc<Entry>, file: Arc<dyn File>, access: Access, object: Object) -> Result<u32, Errno> {
        self.hold(id, Opened::new(entry.clone(), file, access, object))
    }

    pub(crate) fn make_pipe(&mut self, id: u32, request: &Request) -> Answer {
        let pipe = Pipe::new(inode_of(id, request.words[0]));
        let entry = pipe.entry(machine::tick().time);
        // Before it has ends: they are told to the ring.
        let ring = if request.words[1] <= RING_BYTES as u64 { self.make_ring(id, &pipe) } else { 0 };
        let (reader, writer) = (pipe.end(Access::READ), pipe.end(Access::WRITE));
        reader.set_capacity(request.words[1] as usize)?;
        let reader = self.hold_file(id, &entry, reader, Access::READ, Object::Pipe)?;
        let writer = self.hold_file(id, &entry, writer, Access::WRITE, Object::Pipe).inspect_err(|_| {
            let _ = self.handles(id).and_then(|handles| handles.release(reader));
        })?;
        Ok([u64::from(reader) | u64::from(writer) << 32, ring, 0, 0])
    }

    pub(crate) fn make_event(&mut self, id: u32, request: &Request) -> Answer {
        let [inode, count, _] = request.words;
        if count > Event::MOST {
            return Err(Errno::EINVAL);
        }
        let inode = inode_of(id, inode);
        let event = Event::new(inode, count, request.small != 0);
        let entry = AnonymousNode::entry(event.clone(), Kind::Anonymous, inode, b"anon_inode:[eventfd]", machine::tick().time);
        self.hold_file(id, &entry, event, Access::READ | Access::WRITE, Object::Event).and_then(|handle| value(u64::from(handle)))
    }

    pub(crate) fn reopen(&mut self, id: u32, request: &Request) -> Answer {
        let access = Access::from_bits(request.words[0] as u32).ok_or(Errno::EINVAL)?;
        let handles = self.handles(id)?;
        let entry = handles.entry(request.large)?;
        let object = handles.opened(request.large).map_or(Object::Pipe, |opened| opened.object);
        // What is opened by name is opened by the tree, but for pipes, which are this module's.
        if object == Object::Pipe && entry.node.kind() != Kind::Fifo {
            return Err(Errno::EINVAL);
        }
        // A pipe of the tree has a mode; one without a name is used by who has it.
        if crate::tree::inode_of(&entry).is_ok() {
            self.process(id)?.sandbox.may_use(&entry, b"", access.into())?;
            self.family.member(id)?.credentials.for_files().may(&entry.node.attributes(), access.into())?;
        }
        let file = entry.node.clone().open(&entry, access, &Caller::new(id))?;
        self.hold_file(id, &entry, file, access, object).and_then(|handle| value(u64::from(handle)))
    }

    /// What a handle is that came from elsewhere.
    pub(crate) fn describe(&mut self, id: u32, request: &Request) -> Answer {
        let opened = self.handles(id)?.opened(request.large)?;
        let what = opened.object as u64 | u64::from(opened.access.bits()) << 8 | u64::from(traits_of(&*opened.file)) << 16;
        let special = match opened.socket.as_ref() {
            Some(socket) => u64::from(socket.kind_number()),
            None => self.show_ring(id, &opened),
        };
        Ok([what, opened.entry.node.attributes().inode, 0, special])
    }

    /// Who is at the ends of a pipe; the process is told when that changes.
    pub(crate) fn pipe_peers(&mut self, id: u32, request: &Request) -> Answer {
        let opened = self.handles(id)?.opened(request.large)?;
        if let Some(watchers) = opened.file.watchers() {
            watchers.subscribe(id);
        }
        let peers = opened.file.pipe().ok_or(Errno::EBADF)?.peers()?;
        Ok([peers.ends[0] as u64, peers.ends[1] as u64, peers.openings[0], peers.openings[1]])
    }

    pub(crate) fn pipe_capacity(&mut self, id: u32, request: &Request) -> Answer {
        let opened = self.handles(id)?.opened(request.large)?;
        let end = opened.file.pipe().ok_or(Errno::EBADF)?;
        let capacity = match request.words[0] as usize {
            0 => end.capacity()?,
            bytes => end.set_capacity(bytes)?,
        };
        value(capacity as u64)
    }
}
