//! Where a process can go on from when a signal has ended it.

/// What a program did since the last point, or since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Calls that came back.
    pub calls: u64,
    /// Time on the CPU, in ticks of the counter that the kernel tells of.
    pub ticks: u64,
}

/// How a program ended behind a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The signal that ended it.
    pub signal: u32,
    /// How often it went on from this point for a second time.
    pub times: u32,
}

/// When there are points, and when to go on from one.
pub trait Recovery: Send {
    /// Whether there is to be a point here, behind a call.
    fn is_due(&mut self, progress: &Progress) -> bool;

    /// Whether to go on from the last point; the process ends if not. Asked of the policy as it was at the point.
    fn goes_back(&mut self, end: &End) -> bool;
}

/// No points.
#[derive(Clone, Copy, Debug, Default)]
pub struct Never;

impl Recovery for Never {
    fn is_due(&mut self, _: &Progress) -> bool {
        false
    }

    fn goes_back(&mut self, _: &End) -> bool {
        false
    }
}
