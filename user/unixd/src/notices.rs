//! Signals about open files: `O_ASYNC`, and to whom they go.
//!
//! An open file that somebody is to be told of has a mark at its file's watchers, as the sets of epoll(7) have. After each request those that
//! changed are looked at: their stamps of news say which way something moved since. Nobody else pays for it, but for pipes: one that somebody is
//! told of is served here and has no ring.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use libos::errno::Errno;
use libos::file::watchers::{Changed, Mark};
use libos::file::{Edges, Readiness};
use libos::signal::SIGNALS;
use spin::Mutex;
use unix::notify::{self, Notify};
use unix::{Object, Request};

use crate::caller::Caller;
use crate::family::notices::{News, Owner};
use crate::handles::Opened;
use crate::server::{Answer, Server, value};

/// What is asked of an open file.
#[derive(Default)]
pub struct Notice {
    owner: Option<Owner>,
    /// The kind that was named last, be it with nobody.
    kind: u32,
    /// 0: `SIGIO`.
    signal: u32,
    listening: Option<Listening>,
}

/// That it is to be told of.
struct Listening {
    /// The descriptor that it is called by.
    descriptor: u32,
    /// Held, so that the file's watchers know of it.
    mark: Arc<Mark>,
    /// What was told last.
    told: Edges,
}

/// The open files that somebody is told of.
#[derive(Default)]
pub struct Notices {
    changed: Arc<Changed>,
    files: BTreeMap<u32, Weak<Opened>>,
    /// The last number that was given.
    last: u32,
}

impl Notices {
    /// Whether there are any.
    #[must_use]
    pub fn are_any(&self) -> bool {
        !self.files.is_empty()
    }

    fn add(&mut self, opened: &Arc<Opened>) -> Arc<Mark> {
        self.last = self.last.wrapping_add(1);
        self.files.insert(self.last, Arc::downgrade(opened));
        Mark::new(&self.changed, self.last)
    }

    fn remove(&mut self, opened: &Arc<Opened>) {
        self.files.retain(|_, file| file.strong_count() > 0 && !core::ptr::eq(file.as_ptr(), Arc::as_ptr(opened)));
    }

    /// Those that changed since this was asked last. What is closed by now is forgotten, so that nobody goes on to pay for it.
    fn take(&mut self) -> Vec<Arc<Opened>> {
        self.files.retain(|_, file| file.strong_count() > 0);
        let mut numbers = Vec::new();
        self.changed.take(&mut numbers);
        numbers.iter().filter_map(|number| self.files.get(number)?.upgrade()).collect()
    }
}

/// Whether anybody can be told of such an object.
const fn is_told_of(object: Object) -> bool {
    matches!(object, Object::Pipe | Object::Socket | Object::Terminal | Object::Notices)
}

impl Server {
    /// Serve a question about who is told of an open file.
    pub(crate) fn notify(&mut self, id: u32, request: &Request) -> Answer {
        let what = Notify::from_number(request.small).ok_or(Errno::EINVAL)?;
        let opened = self.handles(id)?.opened(request.large)?;
        let words = request.words.map(|word| word as u32);
        match what {
            Notify::Owner => {
                let (owner, kind) = opened.notice.with(|notice| (notice.owner, notice.kind));
                let whom = owner.map_or(0, |owner| self.family.named(&owner));
                Ok([u64::from(kind), u64::from(whom), 0, 0])
            }
            Notify::SetOwner => {
                let owner = if words[1] == 0 { None } else { Some(self.family.owner(id, words[0], words[1])?) };
                opened.notice.with(|notice| (notice.owner, notice.kind) = (owner, words[0]));
                value(0)
            }
            Notify::Signal => value(u64::from(opened.notice.with(|notice| notice.signal))),
            Notify::SetSignal if words[0] > SIGNALS => Err(Errno::EINVAL),
            Notify::SetSignal => {
                opened.notice.with(|notice| notice.signal = words[0]);
                value(0)
            }
            Notify::Start | Notify::Stop if !is_told_of(opened.object) => Err(Errno::ENOTTY),
            Notify::Start => self.start_notices(id, &opened, words[0]),
            Notify::Stop => {
                opened.notice.with(|notice| notice.listening = None);
                self.notices.remove(&opened);
                value(0)
            }
        }
    }

    fn start_notices(&mut self, id: u32, opened: &Arc<Opened>, descriptor: u32) -> Answer {
        let watchers = opened.file.watchers().ok_or(Errno::ENOTTY)?;
        if opened.object == Object::Terminal && opened.notice.with(|notice| notice.owner.is_none()) {
            let foreground = Server::foreground_of(opened);
            let (kind, whom) = if foreground != 0 { (notify::GROUP, foreground) } else { (notify::PROCESS, id) };
            let owner = self.family.owner(id, kind, whom)?;
            opened.notice.with(|notice| (notice.owner, notice.kind) = (Some(owner), kind));
        }
        let caller = Caller::new(id);
        // This lets a pipe's bytes go by the server.
        let _ = opened.file.readiness(&caller);
        let told = opened.file.news(&caller);
        opened.notice.with(|notice| {
            if let Some(listening) = &mut notice.listening {
                listening.descriptor = descriptor;
                return;
            }
            let mark = self.notices.add(opened);
            watchers.mark(&mark);
            notice.listening = Some(Listening { descriptor, mark, told });
        });
        value(0)
    }

    /// Tell of files that changed.
    #[cold]
    pub(crate) fn send_notices(&mut self) {
        for opened in self.notices.take() {
            for (owner, news) in opened.notice.with(|notice| news_of(&opened, notice)) {
                self.family.notify(&owner, &news);
            }
        }
        self.settle();
    }
}

/// What there is to tell of a file, and to whom.
fn news_of(opened: &Opened, notice: &mut Notice) -> Vec<(Owner, News)> {
    let mut all = Vec::new();
    let caller = Caller::new(unix::SERVER_ID);
    let Notice { owner, signal, listening: Some(listening), .. } = notice else { return all };
    listening.mark.begin_look();
    let now = opened.file.news(&caller);
    let before = core::mem::replace(&mut listening.told, now);
    let Some(owner) = *owner else { return all };
    let news = |reason| News { signal: *signal, descriptor: listening.descriptor, reason };
    if now.input != before.input && opened.access.contains(libos::file::Access::READ) {
        // A socket tells of its end so, a pipe does not.
        let has_ended = opened.object == Object::Socket && opened.file.readiness(&caller).contains(Readiness::HANG_UP);
        all.push((owner, news(if has_ended { News::HANG_UP } else { News::INPUT })));
    }
    if now.output != before.output && opened.access.contains(libos::file::Access::WRITE) {
        all.push((owner, news(News::OUTPUT)));
    }
    all
}

/// What is asked of an open file, if anything ever was: of most there is not.
#[derive(Default)]
pub struct Locked(Mutex<Option<Box<Notice>>>);

impl Locked {
    fn with<T>(&self, work: impl FnOnce(&mut Notice) -> T) -> T {
        work(self.0.lock().get_or_insert_default())
    }
}
