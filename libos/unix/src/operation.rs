//! What can be asked.

/// The operations, their numbers, and the way back.
macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// What a process asks of `unixd`. `→` gives the answer's word 0; refusals are negative errno numbers.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u16)]
        pub enum Operation { $($(#[$doc])* $name = $number,)* }

        impl Operation {
            /// The one with this number.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Operation> {
                match number {
                    $($number => Some(Operation::$name),)*
                    _ => None,
                }
            }
        }
    };
}

operations! {
    // Processes: 0x00.
    /// `(status, most pages resident | page faults << 32)`. The process ends with a wait status. There is no answer.
    Exit = 0x01,
    /// `(frames; small: 1 to be told only) → frames granted`. Raise the quota by at least so many. `ENOMEM`: it is not to have them.
    /// `EAGAIN`: others were asked to give some back, and a ring tells when to ask again. Words only.
    MoreFrames = 0x02,
    /// From `unixd`'s own second context: something may have happened that no process says (a death, an interrupt, a deadline).
    Look = 0x03,

    // The tree of files: 0x40. Handles are the process's own. A request's large argument is a handle to be released first ([`QUIETLY`] or not), plus one; 0: none.
    /// `(from, root; length, last, links; -; path) → WalkAnswer`. Walk a path.
    /// `(…; small: 1) → -, count of state or 0, steps; attributes, way`. The same for what is told of its end: nothing is held.
    Walk = 0x40,
    /// `(from, root; length, permissions; flags; path) → WalkAnswer; way`. Walk a path and open, or make, what it leads to. Of a file that was
    /// opened, and of a device, the way has its words' number in the upper half of answer word 1 or 2, and the inode itself is its end.
    Open = 0x41,
    /// `(handle) → -, count of state or 0; attributes`.
    Attributes = 0x42,
    /// `(handle) → magic, blocks, free, inodes`. What statfs(2) tells.
    Statistics = 0x43,
    /// `(handle, from, room) → bytes; records`. A directory's names.
    List = 0x44,
    /// `(directory; lengths of name and target, kind; permissions, special; name, target) → handle`. Make an inode with a name.
    Create = 0x45,
    /// `(directory; length of a name, permissions, or with bit 15 that it may be sealed; -; name) → handle`. Make a regular file that is in no
    /// directory.
    CreateUnnamed = 0x46,
    /// `(directory, node, length; name)`. One name more.
    Link = 0x47,
    /// `(directory, directory's name is meant, length; name)`. One name less.
    Unlink = 0x48,
    /// `(from, to; lengths; how; names)`. Move a name.
    Rename = 0x49,
    /// `(handle) → bytes; path`. Where a symbolic link leads.
    Target = 0x4a,
    /// `(handle; which; -; words)`. Change what an inode says of itself.
    Change = 0x4b,
    /// `(small: BY_PLACE or 0; handle, size)`. Cut or stretch the contents.
    Resize = 0x4c,
    /// `(handle) → bytes, removed; path`. Where an entry is.
    Path = 0x4d,
    /// `(handle, access, window; small: [`OpenPurpose`]) → OpenAnswer`. Open what an entry names; with a window, to run it. `EACCES`: its mode does
    /// not allow it. `ETXTBSY`: it is executed, or to be executed and open for writing.
    OpenEntry = 0x4e,
    /// `(from, root; length, last, links; window; path; small: [`OpenPurpose::Execute`] or `Interpret`) → WalkAnswer`. Walk a path and open the
    /// regular file that it leads to, to be run. `ELOOP`: it is a symbolic link. `EACCES`: it is something else, or may not be run. `ETXTBSY`: it is
    /// open for writing.
    Run = 0x4f,
    /// `(handle; page, pages, purpose; address) → pages, writable`. Map pages of an open file into the process's windows. Words only.
    MapFile = 0x50,
    /// `(handle, offset or END, length; bytes) → bytes, offset behind them`.
    WriteFile = 0x51,
    /// `(handle; mode; offset; length)`. fallocate(2).
    Allocate = 0x52,
    /// `(handle, offset, what) → offset`. The next data or hole.
    Seek = 0x53,
    /// `(handle, whether there was anything to read)`. The file was read: its time of access is to be set. Words only.
    NoteRead = 0x54,
    /// `(handle, generation) → generation, first page, last page and whether cut`. What happened to its pages after a generation. Words only.
    Moved = 0x55,
    /// `(handle, page) → whether it is no hole`. Words only.
    IsPresent = 0x56,
    /// `(handle) → bytes`. How much was prepared for executable mappings of the file; 0: nothing, or nothing any more. Words only.
    Overlay = 0x57,
    /// `(handle, address) → pages`. Map what was prepared. Words only.
    MapOverlay = 0x58,
    /// `() → OpenAnswer`. Open what standard input reads in a batch run.
    OpenInput = 0x59,
    /// `(handle) → OpenAnswer`, with the same handle. What an open file of the tree is that came from elsewhere.
    Adopt = 0x5a,
    /// `(inode's number) → handle`: inotify_init(2).
    MakeNotices = 0x5b,
    /// `(handle, handle of an instance, mask) → watch`: inotify_add_watch(2).
    Watch = 0x5c,
    /// `(handle of an instance, watch)`: inotify_rm_watch(2).
    Unwatch = 0x5d,
    /// `(handle; small: access(2)'s mode, [`REAL_IDS`])`. Whether the process may use an inode so. `EACCES`: no.
    Permits = 0x5e,
    /// `(handle, generation, bytes)`. The file was stored into: its times are to be set. Through a mapping, if there are no bytes; else by write(2)
    /// into pages that the process has mapped. `EAGAIN`: at another generation; they may not be the file's any more. Words only.
    NoteStored = 0x5f,
    /// As `Walk` to a name, small: whether a directory's is meant `→ 0`. One name less. `→ FOREIGN`, and nothing done: the way leads into a
    /// file system that the process keeps.
    Remove = 0x60,
    /// `(target, source; small: 1 + the number of a portal that is the source; flags; lengths, 16 bits each; type, source's name, options)`. mount(2),
    /// by its flags. The strings are in the mailbox.
    Mount = 0x62,
    /// `(target; flags; bytes of a name)`. umount2(2); with a name, which is in the mailbox, of what is seen there in a directory. `EBUSY`: others are told to give up what they do not need any more.
    Unmount = 0x63,
    /// `(root; small: 1 for mountinfo; from) → bytes`, in the mailbox. The text of `/proc/mounts` from there on.
    Mounts = 0x64,
    /// `(handle, seals to add; small: 1 to add them) → seals`. The seals of memfd_create(2). `EBUSY`: it is mapped to be stored to.
    Seal = 0x61,
    // Files and objects: 0x80. A handle is in the argument of 32 bits.
    /// `(handle; small: 1 if they stay there, of a pipe; offset, bytes) → bytes`, in the mailbox. `EAGAIN`: none yet; the process is told when it may try again.
    Read = 0x80,
    /// `(handle; offset or u64::MAX for the end, bytes) → bytes, offset behind them`, from the mailbox. `EAGAIN` as for `Read`.
    Write = 0x81,
    /// `(handle; small: whether to be told of a change) → poll(2)'s bits, stamps of the last edge of reading and of writing`.
    Readiness = 0x82,
    /// `(handle; ioctl(2)'s request, its argument, bytes that go in and bytes that come out << 32) → value`; the bytes are in the mailbox.
    Control = 0x83,
    /// `(handle; small: how many more, at most six; two of them in a word)`. The process does not hold them any more.
    Release = 0x84,
    /// `(handle; size)`: ftruncate(2).
    Truncate = 0x85,
    /// `(handle)`: fsync(2).
    Sync = 0x86,
    /// `(handle) → another handle` of the same open file.
    Duplicate = 0x87,
    /// `(handle; access, as 1 for reading and 2 for writing) → a handle` of the same inode, opened again.
    Reopen = 0x8b,
    /// `(inode's number, capacity) → handle of the reading end | handle of the writing end << 32`, word 1: the number of the ring that was
    /// mapped, plus one; 0: none. A pipe.
    MakePipe = 0x88,
    /// `(inode's number, count; small: whether a read takes 1) → handle`: an eventfd(2).
    MakeEvent = 0x89,
    /// `(handle) → kind of object, access << 8, traits << 16; inode's number, status flags, a socket's type or a pipe's ring, as `MakePipe` tells it`:
    /// what a handle is that came from elsewhere.
    Describe = 0x8c,
    /// `(offset, bytes)`: keep bytes of the mailbox for a message that is longer than it.
    Stage = 0x8d,
    /// `(offset, bytes) → bytes`: more of a message that is longer than the mailbox, into it.
    Unstage = 0x8e,
    /// `(type; inode's number) → handle`: a socket(2) of the Unix domain.
    MakeSocket = 0x90,
    /// `(type; inode's number of the first, the second's is the next) → a handle | another << 32`: socketpair(2).
    MakeSockets = 0x91,
    /// `(handle; bytes of the name, place)`: bind(2). The name is in the mailbox; the place is a handle of the socket's inode that a path leads to.
    Bind = 0x92,
    /// `(handle; backlog)`: listen(2).
    Listen = 0x93,
    /// `(handle; bytes of the name, place)`: connect(2), as `Bind`. No name: without a peer.
    Connect = 0x94,
    /// `(handle; inode's number) → handle`: accept(2).
    Accept = 0x95,
    /// `(handle; flags | bytes of the name << 32, bytes, rights | whether there are credentials << 32) → bytes`: sendmsg(2).
    Send = 0x96,
    /// `(handle; flags, room for bytes, room for rights) → bytes in the mailbox, bytes in all, flags | bytes of the name << 32, rights |
    /// whether there are credentials << 32`: recvmsg(2).
    Receive = 0x97,
    /// `(handle; how)`: shutdown(2).
    Shutdown = 0x98,
    /// `(handle; whether the peer's) → bytes` of the name, in the mailbox: getsockname(2), getpeername(2).
    SocketName = 0x99,
    /// `(handle; option of SOL_SOCKET) → value, and two more`: getsockopt(2).
    SocketOption = 0x9a,
    /// `(handle; option of SOL_SOCKET, value)`: setsockopt(2).
    SetSocketOption = 0x9b,
    /// `(handle; small: [`LockFlags`](crate::lock::LockFlags); kind, first byte, byte behind the last) → kind, first byte, byte behind the last,
    /// process` of what is in the way, if that is asked: record locks. `EAGAIN`: refused. `EDEADLK`: it would be waited for ever.
    Lock = 0xa0,
    /// `(handle; kind)`: flock(2). `EAGAIN`: refused; the process is told when it may try again.
    LockWhole = 0xa1,
    /// `(handle)`: a descriptor of the file was closed: the process's record locks there are gone.
    UnlockAll = 0xa2,
    /// `(handle; small: [`Notify`](crate::notify::Notify); its words) → its values`. Signals about an open file.
    Notify = 0xa3,
    /// `(large: how many)`: [`Operation::Readiness`] of so many handles, told of changes. The handles are in the mailbox, a word of 32 bits each;
    /// the answers too, each [`STATE_BYTES`](crate::STATE_BYTES).
    ReadinessOfMany = 0x9c,
    /// `(handle) → readers, writers, and how often either was opened`: a FIFO. The process is told when that changes.
    PipePeers = 0x8f,
    /// `(handle; capacity, or 0 to leave it) → capacity`: `F_SETPIPE_SZ`, `F_GETPIPE_SZ`.
    PipeCapacity = 0x8a,
    /// `(small, large: [`Kin`](crate::Kin), frames, environment) → id`. The process is about to make a child of itself of an environment that it made, which needs so many frames
    /// more: they are added to the process's own quota. `EAGAIN`: there are as many processes as there can be. `ENOMEM`: it is not to have
    /// the frames.
    Fork = 0x04,
    /// `(context) → id`. The child is made, and `unixd` is its environment's parent: let it run. `EAGAIN`: there is no memory for what `unixd`
    /// adds to it. `EINVAL`: it is no such child. After an error the environment is gone.
    Forked = 0x05,
    /// `()`. The child could not be made: what `Fork` gave is given back.
    ForkFailed = 0x06,
    /// `(large: id)`. Whether a child has ended, or runs another program: vfork(2). `EAGAIN`: not yet, and a ring tells when to ask again.
    AwaitRelease = 0x07,
    /// `(large: id)`. A child that the process made is its spare from now on: it is nobody's child, and takes the process's place when a signal
    /// ends that. `ESRCH`: it is no such child.
    Spare = 0x08,
    /// `() → signal`. Whether the spare that asks is the process now: the signal that ended the one before. `EAGAIN`: not yet, and a ring tells.
    AwaitCall = 0x09,
    /// `(frames) → frames that are taken away`. The process did what it could about the frames that it is asked for: so many are not
    /// mapped any more, and its quota is lowered. Words only.
    GiveBack = 0x0a,
    /// `(large: microseconds)`. The process wants to run when its time comes: no other is to compute for longer before it lets others have their turn. 0: it
    /// does not want that any more. Its children want it too. `EINVAL`: nobody is asked for such turns. Words only.
    Turn = 0x0b,
    /// reboot(2): the run ends, as if its programs had. `EPERM`: the process is not root's, or in a sandbox.
    EndRun = 0x0c,

    // Message queues: 0xa0.
    /// `(small: bytes of the name; large: open(2)'s flags; mode, messages, bytes of each) → handle`, word 1: the inode's number. The name is in
    /// the mailbox. Without a wish for a size, `messages` is 0 and so are the bytes; a mode is that of a new queue. mq_open(2).
    QueueOpen = 0xb0,
    /// `(small: bytes of the name)`, in the mailbox. mq_unlink(2).
    QueueUnlink = 0xb1,
    /// `(handle; priority, bytes)`, in the mailbox. `EAGAIN`: it is full, and a ring tells when to try again.
    QueueSend = 0xb2,
    /// `(handle; small: whether the thread waits if there is none; room, thread) → bytes`, in the mailbox; word 1: the priority. `EAGAIN`: there
    /// is none, and a ring tells when to try again.
    QueueReceive = 0xb3,
    /// `(handle; thread)`. It does not wait for a message any more.
    QueueLeave = 0xb4,
    /// `(handle; small: 1 to be told, 0 not to be any more; signal or 0, value)`. mq_notify(2).
    QueueNotify = 0xb5,
    /// `(handle) → messages that it may hold`, word 1: bytes of each, word 2: how many it holds.
    QueueAttributes = 0xb6,

    // Their families: 0x10.
    /// `(small: a signal that the caller would drop, or 0, large: options, whom, thread) → id`, words 1-3: status | user << 32, nanoseconds of the
    /// CPU, most pages resident | faults << 32. Options and whom are [`WaitOptions`](crate::WaitOptions) and [`Whom`](crate::Whom). The signal does not wait
    /// for the caller any more. `EAGAIN`: a ring tells when to ask again. `ECHILD`: there is no such child.
    Wait = 0x10,
    /// `(small: signal, large: id, thread, birth) → 0`, word 1: whether the caller is among those meant, who is left out. As kill(2); with a
    /// thread, as tgkill(2); with a birth, as pidfd_send_signal(2).
    Kill = 0x11,
    /// As `Kill`, with the signal's `siginfo_t` in the mailbox.
    Queue = 0x12,
    /// `() → how many`, word 1: how often the process was sent `SIGCONT`. Take the signals that wait for it, into the mailbox, each
    /// [`SIGNAL_BYTES`](crate::SIGNAL_BYTES).
    TakeSignals = 0x13,
    /// `(small: signal, large: the second word of the last TakeSignals) → 1: the process is stopped; 0: it is to go on`.
    Stop = 0x14,
    /// `(small)`. What the process does about `SIGCHLD`: [`ChildActions`](crate::ChildActions).
    Children = 0x15,
    /// `(large: id, group)`. setpgid(2).
    SetGroup = 0x16,
    /// `(large: id) → group`, word 1: session. 0: the caller's.
    GetGroup = 0x17,
    /// `() → session`. setsid(2).
    SetSession = 0x18,
    /// `(small: [`SetIds`](crate::SetIds), three ids) → 0`, words 1 and 2: real | effective << 32, saved | file's << 32.
    SetIds = 0x19,
    /// `(large: count)`. setgroups(2), the groups in the mailbox.
    SetGroups = 0x1a,
    /// `(small: resource | 0x100 to set it, large: id, soft, hard) → 0`, words 1 and 2: soft and hard limit before. prlimit(2).
    Limit = 0x1b,
    /// `(small: [`Setting`](crate::Setting), large: 1 to set it, value) → value before`.
    Setting = 0x1c,
    /// `(large: id) → birth`. What a pidfd remembers.
    Birth = 0x1d,
    /// `(large: id, birth) → 1: it has ended; 0: not yet, and a ring tells when`.
    HasEnded = 0x1e,
    /// `(large: count) → the first of so many ids in a row`. For threads.
    ReserveIds = 0x1f,
    /// `() → nanoseconds of the CPU`, word 1: most pages resident | faults << 32. Of children that were waited for.
    ChildrenUsage = 0x20,
    /// `(small: 0 a process, 1 a group, 2 a user, large: id) → 20 less the nice value`. getpriority(2).
    Priority = 0x21,
    /// `(small, large: as Priority, nice value)`. setpriority(2).
    SetPriority = 0x22,
    /// `(large: a handle that it gives up, plus one, or 0; name, in two words)`. The process executes another program.
    Executed = 0x23,
    /// `(large: bytes)`. Keep to rules that are in the mailbox, for good: the process, and all that it makes. `EINVAL`: they make no sense.
    Pledge = 0x2c,

    // What is shown of them: 0x24.
    /// `(large: id; 0: the caller) → group | session << 32`, word 1: the terminal's device | its foreground group << 32, word 2: nice value,
    /// word 3: when it began, in nanoseconds of the monotonic clock.
    Standing = 0x24,
    /// `(large: from) → how many` ids of processes from there on, in order, in the mailbox, four bytes each.
    Processes = 0x25,
    /// `(large: id) → id of its process`, word 1: birth, word 2: its owner, user | group << 32. `ESRCH`: there is none.
    Person = 0x26,
    /// `(small: what, large: id; birth or 0, number, 1 not to wait any longer) → bytes of a text`, in the mailbox, and what is longer by
    /// [`Operation::Unstage`]. What is a report's number in the library. `EAGAIN`: the process was asked, and a ring tells when there is
    /// an answer. `EACCES`: it is not to be seen by the caller. `ESRCH`: there is none.
    Inspect = 0x27,
    /// `() → what | number << 32`, word 1: what the answer is called. The next thing that others ask of the process. `EAGAIN`: nothing.
    TakeQuestion = 0x28,
    /// `(large: the error's number, or 0; called, bytes)`. The answer, in the mailbox and before that by [`Operation::Stage`].
    Tell = 0x29,
    /// `() → processes | ids given so far << 32`, word 1: load averages of 1, 5 and 15 minutes, hundredths in 16 bits each, word 2: nanoseconds
    /// that processes ran, word 3: those that `unixd` did.
    Census = 0x2a,
    /// `(name, in two words)`. What the process is called now.
    SetName = 0x2b,

    // Terminals: 0xc0. Small is [`TerminalFlags`](crate::TerminalFlags) where the process's signals matter. `EINTR`: its group was sent a signal.
    /// `(device's number, access) → handle`, word 1: the number of the terminal's own device.
    TerminalOpen = 0xc0,
    /// `(handle)`. It was opened without `O_NOCTTY`.
    TerminalClaim = 0xc1,
    /// `(handle; small; room) → bytes`, in the mailbox. Word 1: 1 if it has to wait, and the process is told when there is more; then word 2: `VTIME`
    /// in tenths of a second | `VMIN` << 32, word 3: bytes that there are. `EAGAIN`: there are none, and there is no `VMIN`.
    TerminalRead = 0xc2,
    /// `(handle; small; bytes) → bytes`, from the mailbox. `EAGAIN`: there is no room; the process is told when it may try again.
    TerminalWrite = 0xc3,
    /// As `Control`, on a terminal.
    TerminalControl = 0xc4,

    // System V's objects: 0xe0. See [`system_v`](crate::system_v).
    /// `(small: kind; large: flags; key, size) → id`: msgget(2), semget(2), shmget(2).
    ObjectGet = 0xe0,
    /// `(small: kind | command << 8; large: id or index; semaphore, value) → value, and two more`: msgctl(2), semctl(2), shmctl(2).
    ObjectControl = 0xe1,
    /// `(large: id; type, bytes)`, in the mailbox: msgsnd(2). `EAGAIN`: there is no room, and a ring tells when to try again.
    MessageSend = 0xe2,
    /// `(large: id; type, room, flags) → bytes, type`, in the mailbox: msgrcv(2). `EAGAIN`: there is none, and a ring tells when to try again.
    MessageReceive = 0xe3,
    /// `(small: operations; large: id; thread) → 1`, in the mailbox: semop(2). `→ 0`: not yet, and a ring tells when to try again.
    SemaphoresOperate = 0xe4,
    /// `(large: id; thread)`. It does not wait for semaphores any more.
    SemaphoresLeave = 0xe5,
    /// `(large: id; flags) → handle of the segment's file, bytes`: shmat(2).
    SegmentAttach = 0xe6,
    /// `(large: id)`: shmdt(2).
    SegmentDetach = 0xe7,
}

impl Operation {
    /// Whether it is about files and objects.
    #[must_use]
    pub const fn is_for_object(self) -> bool {
        matches!(self as u16, 0x80..=0xbf)
    }
}

impl Operation {
    /// Whether it is about terminals.
    #[must_use]
    pub const fn is_of_terminal(self) -> bool {
        matches!(self as u16, 0xc0..=0xdf)
    }
}

impl Operation {
    /// Whether it is about System V's objects.
    #[must_use]
    pub const fn is_of_system_v(self) -> bool {
        matches!(self as u16, 0xe0..=0xef)
    }
}

impl Operation {
    /// Whether it is one of the tree of files.
    #[must_use]
    pub const fn is_of_tree(self) -> bool {
        matches!(self as u16, 0x40..0x80)
    }
}

/// In the number of a handle that is released: the file was closed before, when nobody watched files. It is not told.
pub const QUIETLY: u32 = 1 << 31;

/// In [`Operation::Permits`]: with the real ids, as access(2) has it.
pub const REAL_IDS: u16 = 1 << 3;

/// With [`Operation::Resize`]: whatever the handle was opened for, who asks must be allowed to write to what is there.
pub const BY_PLACE: u16 = 1;

/// In the place that is told of a file that was opened to be run: it has a set-user-id or a set-group-id bit.
pub const GIVES_IDS: u64 = 1 << 32;

/// From which bit on the length of its path stands in that word; the path itself is in the mailbox, from [`PATH_AT`] on. 0: it is not told.
pub const PATH_LENGTH: u32 = 40;

/// Where in the mailbox. Before it stands the generation of the file's pages that were mapped on the way.
pub const PATH_AT: usize = 8;

/// From which bit on of the first word of that answer it stands how many these are: the first ones, in a window that the request named by its address
/// and, in the lowest bits, by the pages that it has room for. None, if the process may have pages of the file already.
pub const PAGES_AHEAD: u32 = 24;

/// What [`Operation::OpenEntry`] opens a file for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum OpenPurpose {
    /// To read or write it.
    Use = 0,
    /// To execute it: that is what has to be allowed.
    Execute = 1,
    /// To read it again and again: nobody is told.
    Keep = 2,
    /// To use it as it is open already, which nobody is told of but when it is closed.
    Lend = 3,
    /// To load what is executed: as `Execute`, but it may be written to meanwhile.
    Interpret = 4,
    /// To use it as who made it, without a name: that does not count as opening it, so that it may be executed.
    Make = 5,
    /// To map an open file so that it can be stored to, which keeps it from being sealed against that.
    Map = 6,
}

/// A request's four words, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// What is asked.
    pub operation: Operation,
    /// The argument of 16 bits.
    pub small: u16,
    /// The argument of 32 bits.
    pub large: u32,
    /// The other arguments.
    pub words: [u64; 3],
}

impl Request {
    /// A request with words only.
    #[must_use]
    pub const fn new(operation: Operation, words: [u64; 3]) -> Request {
        Request { operation, small: 0, large: 0, words }
    }

    /// As the words of a transfer.
    #[must_use]
    pub const fn pack(self) -> [u64; 4] {
        let first = self.operation as u64 | (self.small as u64) << 16 | (self.large as u64) << 32;
        [first, self.words[0], self.words[1], self.words[2]]
    }

    /// From the words of a transfer; `None`: no such operation.
    #[must_use]
    pub fn unpack(words: [u64; 4]) -> Option<Request> {
        let operation = Operation::from_number(words[0] as u16)?;
        Some(Request { operation, small: (words[0] >> 16) as u16, large: (words[0] >> 32) as u32, words: [words[1], words[2], words[3]] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_survives_its_words() {
        let request = Request { operation: Operation::MoreFrames, small: 7, large: 9, words: [1, 2, u64::MAX] };
        assert_eq!(Request::unpack(request.pack()), Some(request));
        assert_eq!(Request::unpack([0xffff, 0, 0, 0]), None);
    }
}
