//! From the server to the tree and back: what a request may touch of a process.

use alloc::vec::Vec;

use libos::errno::Errno;
use libos::vfs::attributes::Time;
use unix::Request;

use crate::admission::{Admission, Asking};
use crate::machine;
use crate::memory;
use crate::objects::note_released;
use crate::server::{Answer, Server};
use crate::tree::Asked;

impl Server {
    /// Serve a request about files.
    ///
    /// # Errors
    /// `EBADF`: no such handle, or not opened for that. Others are the call's.
    pub fn serve_tree(&mut self, id: u32, request: &Request) -> Answer {
        let frames = memory::frames_for_files();
        let Server { processes, channels, tree, admission, family, .. } = self;
        let process = processes.get_mut(id).ok_or(Errno::ESRCH)?;
        // A handle that is given up on the way.
        if request.large != 0
            && let Ok(held) = process.handles.release(request.large - 1)
        {
            note_released(id, &held);
        }
        let env = process.env;
        let mut raise = |wanted| {
            let entry = machine::entry(env);
            let (quota, used) = (entry.quota as usize, entry.used as usize);
            let granted = admission.grant(Asking { wanted, used, available: memory::available() });
            granted >= wanted && exo::env_quota(env, quota + granted).is_ok()
        };
        let mut asked = Asked {
            id,
            env,
            handles: &mut process.handles,
            words_pages: &mut process.words_pages,
            channel: &process.channel,
            credentials: &family.member(id)?.credentials,
            now: Time::from_nanoseconds(machine::realtime_ns()),
            frames,
            raise: &mut raise,
        };
        let (answer, listeners, removed): (Answer, Vec<u32>, Vec<u32>) = tree.serve(request, &mut asked);
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
}
