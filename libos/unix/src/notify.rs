//! How it is asked who is told of an open file's input and output by signals: `F_SETOWN`, `O_ASYNC` and their kin.

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Notify {
    /// `() → kind, id`. Who is told; id 0: nobody, or nobody who is there any more.
    Owner = 0,
    /// `(kind, id)`. Tell these, with the rights that the caller has now. `ESRCH`: they are not there.
    SetOwner = 1,
    /// `() → signal`; 0: `SIGIO`, without what has changed.
    Signal = 2,
    /// `(signal)`
    SetSignal = 3,
    /// `(descriptor)`. Tell them from now on, of the file by this number. `ENOTTY`: it is no file of which anybody is told so.
    Start = 4,
    /// Do not tell them any more. `ENOTTY` as for `Start`.
    Stop = 5,
}

impl Notify {
    /// The one with a number.
    #[must_use]
    pub const fn from_number(number: u16) -> Option<Notify> {
        Some(match number {
            0 => Notify::Owner,
            1 => Notify::SetOwner,
            2 => Notify::Signal,
            3 => Notify::SetSignal,
            4 => Notify::Start,
            5 => Notify::Stop,
            _ => return None,
        })
    }
}

/// A kind of who is told: a thread (`F_OWNER_TID`).
pub const THREAD: u32 = 0;
/// A process.
pub const PROCESS: u32 = 1;
/// A process group.
pub const GROUP: u32 = 2;
