//! From the server to the tree and back: what a request may touch of a process.

use alloc::sync::Arc;
use alloc::vec::Vec;

use libos::errno::Errno;
use libos::file::Access;
use libos::vfs::node::Entry;
use unix::{Operation, Request};

use crate::admission::{Admission, Asking};
use crate::machine;
use crate::memory;
use crate::objects::note_released;
use crate::server::{Answer, Server};
use crate::tree::mounts::Holding;
use crate::tree::{Asked, Tree};

impl Server {
    /// Serve a request about files.
    ///
    /// # Errors
    /// `EBADF`: no such handle, or not opened for that. Others are the call's.
    pub fn serve_tree(&mut self, id: u32, request: &Request) -> Answer {
        self.give_up(id, request.large);
        let uses = if matches!(request.operation, Operation::Mount | Operation::Unmount) { self.uses() } else { Vec::new() };
        let (answer, listeners, removed): (Answer, Vec<u32>, Vec<u32>) = self.ask_tree(id, |tree, asked| {
            asked.uses = uses;
            tree.serve(request, asked)
        })?;
        let Server { processes, channels, tree, .. } = self;
        channels.tell_watched(tree.is_watched(), processes.iter().map(|process| &process.channel));
        for listener in listeners.into_iter().filter_map(|listener| processes.get(listener)) {
            listener.channel.ring();
        }
        for opener in removed.into_iter().filter_map(|opener| processes.get(opener)) {
            opener.channel.count(|bulletin| &bulletin.removals);
            opener.channel.ring();
        }
        answer
    }

    /// A handle that is given up on the way, plus one; 0: none.
    pub fn give_up(&mut self, id: u32, handle: u32) {
        if let Some(number) = handle.checked_sub(1)
            && let Ok(Ok(held)) = self.handles(id).map(|handles| handles.release(number))
        {
            note_released(id, &held);
        }
    }

    /// Open the file of a segment of shared memory for a process; gives the handle.
    ///
    /// # Errors
    /// Those of [`Tree::open_segment`].
    pub fn open_segment(&mut self, id: u32, file: Arc<Entry>, access: Access) -> Result<u32, Errno> {
        self.ask_tree(id, |tree, asked| tree.open_segment(asked, file, access))?
    }

    /// All that processes hold.
    fn uses(&self) -> Vec<Holding> {
        self.processes.iter().flat_map(|process| process.handles.uses(process.id)).collect()
    }

    /// Let the tree do something with what is a process's.
    fn ask_tree<T>(&mut self, id: u32, work: impl FnOnce(&Tree, &mut Asked) -> T) -> Result<T, Errno> {
        let frames = memory::frames_for_files();
        let Server { processes, tree, admission, family, .. } = self;
        let process = processes.get_mut(id).ok_or(Errno::ESRCH)?;
        let (env, sandbox, grant) = (process.env, &process.sandbox, &process.grant);
        let mut raise = |wanted| {
            let (quota, used) = machine::charges(env);
            let granted = admission.grant(Asking { wanted, used, available: memory::available() }).min(sandbox.room(quota));
            granted >= wanted && grant.set(quota + granted).is_ok()
        };
        let mut asked = Asked {
            id,
            env,
            handles: &mut process.handles,
            words_pages: &mut process.words_pages,
            channel: &process.channel,
            credentials: &family.member(id)?.credentials,
            tick: machine::tick(),
            frames,
            sandbox,
            uses: Vec::new(),
            raise: &mut raise,
        };
        Ok(work(tree, &mut asked))
    }
}
