//! System V's objects, sysvipc(7): what requests name, and what travels about them.

/// What an object is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ObjectKind {
    /// A message queue.
    Queue = 0,
    /// A set of semaphores.
    Semaphores = 1,
    /// A segment of shared memory.
    Segment = 2,
}

impl ObjectKind {
    /// The one with a number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<ObjectKind> {
        match number {
            0 => Some(ObjectKind::Queue),
            1 => Some(ObjectKind::Semaphores),
            2 => Some(ObjectKind::Segment),
            _ => None,
        }
    }
}

/// What msgctl(2), semctl(2) and shmctl(2) do, whatever number each has for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Command {
    /// `IPC_RMID`
    Remove = 0,
    /// `IPC_SET`: user, group, mode and, of a queue, its most bytes come in the mailbox, a word of 64 bits each.
    Set = 1,
    /// `IPC_STAT`: [`word`]s in the mailbox.
    State = 2,
    /// The same of the object at an index, `*_STAT`; gives its id.
    StateAt = 3,
    /// The same without permission to read it, `*_STAT_ANY`.
    StateAtAny = 4,
    /// `*_INFO`: gives the highest index in use; word 1: objects, 2 and 3: messages and bytes, or semaphores, or pages and pages in use.
    Usage = 5,
    /// `GETALL`: the values in the mailbox, 16 bits each; gives how many.
    Values = 6,
    /// `SETALL`: the values come in the mailbox.
    SetValues = 7,
    /// `GETVAL`
    Value = 8,
    /// `SETVAL`
    SetValue = 9,
    /// `GETPID`
    LastProcess = 10,
    /// `GETNCNT`
    AwaitMore = 11,
    /// `GETZCNT`
    AwaitZero = 12,
    /// `SHM_LOCK` and `SHM_UNLOCK`: the value says which.
    Lock = 13,
}

impl Command {
    /// All of them, by number.
    const ALL: [Command; 14] = [
        Command::Remove,
        Command::Set,
        Command::State,
        Command::StateAt,
        Command::StateAtAny,
        Command::Usage,
        Command::Values,
        Command::SetValues,
        Command::Value,
        Command::SetValue,
        Command::LastProcess,
        Command::AwaitMore,
        Command::AwaitZero,
        Command::Lock,
    ];

    /// The one with a number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Command> {
        Command::ALL.get(usize::from(number)).copied()
    }
}

/// Words of 64 bits of an object's state. The first seven are of every kind, those behind them of one each. Times are in seconds.
pub mod word {
    /// The key.
    pub const KEY: usize = 0;
    /// The owner.
    pub const USER: usize = 1;
    /// The owner's group.
    pub const GROUP: usize = 2;
    /// Who made it.
    pub const CREATOR: usize = 3;
    /// That one's group.
    pub const CREATOR_GROUP: usize = 4;
    /// Permissions, and a segment's flags.
    pub const MODE: usize = 5;
    /// What tells this object from those that had its index before.
    pub const SEQUENCE: usize = 6;
    /// The first of what a kind has: of a queue times of sending, receiving, change; bytes, messages, most bytes; last sender, last
    /// receiver. Of semaphores times of operation and change; how many. Of a segment bytes; times of attaching, detaching, change; creator,
    /// last process, attachments.
    pub const FIRST_OF_KIND: usize = 7;
    /// Words that there are.
    pub const COUNT: usize = 15;
}

/// Where semget(2)'s and its like's flags say that an object is to be made.
pub const CREATE: u32 = 0o1000;
/// That it must not be there before.
pub const EXCLUSIVE: u32 = 0o2000;
/// msgrcv(2): cut what is too long.
pub const NO_ERROR: u32 = 0o10000;
/// msgrcv(2): all but that type.
pub const EXCEPT: u32 = 0o20000;
/// msgrcv(2): leave it there; the type is an index.
pub const COPY: u32 = 0o40000;
/// shmat(2): for reading only.
pub const READ_ONLY: u32 = 0o10000;
/// semop(2): taken back when the process ends.
pub const UNDO: u16 = 0x1000;
/// semop(2), msgsnd(2), msgrcv(2): do not wait.
pub const NO_WAIT: u32 = 0o4000;

/// The most bytes of a message (`MSGMAX`): a mailbox's.
pub const MESSAGE_MOST: usize = crate::MAILBOX_BYTES;
/// The most bytes of a queue's messages that not root alone may ask for (`MSGMNB`).
pub const QUEUE_BYTES: u64 = 16_384;
/// The most semaphores of a set: those whose values a mailbox holds. Linux has 32,000.
pub const SEMAPHORES_MOST: u64 = crate::MAILBOX_BYTES as u64 / 2;
/// The highest value of a semaphore (`SEMVMX`).
pub const VALUE_MOST: i32 = 32_767;
/// The most operations at a time (`SEMOPM`).
pub const OPERATIONS_MOST: usize = 500;
/// Bytes of a `struct sembuf`: number, operation, flags, 16 bits each.
pub const OPERATION_BYTES: usize = 6;
/// The most message queues, and sets of semaphores (`MSGMNI`, `SEMMNI`).
pub const OBJECTS_MOST: usize = 32_000;
/// The most segments (`SHMMNI`).
pub const SEGMENTS_MOST: usize = 4096;
/// A segment's mode: it goes with its last attachment.
pub const DESTINED: u32 = 0o1000;
/// A segment's mode: it is locked into memory, as everything is.
pub const LOCKED: u32 = 0o2000;
