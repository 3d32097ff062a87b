//! What each signal does, what is blocked, and what waits.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use core::mem::MaybeUninit;

use crate::errno::{Errno, Result};
use crate::signal::number::is_ignored_by_default;
use crate::signal::{Action, AlternateStack, DEFAULT, IGNORE, Information, Pending, SIGNALS, STOPS, Set, UNSTOPPABLE, bit, pending};

/// What of signals is a thread's own.
#[derive(Debug)]
pub struct Own {
    /// What is held back.
    pub blocked: Set,
    /// The mask to restore after the handler that ends a sigsuspend(2).
    pub suspended: Option<Set>,
    /// The alternate stack.
    pub alternate: AlternateStack,
    /// What sigtimedwait(2) waits for, blocked or not.
    pub awaited: Set,
    /// What was sent to the thread and waits to be delivered.
    pub pending: Pending,
}

impl Own {
    /// Of a thread that begins with this mask.
    #[must_use]
    pub const fn new(blocked: Set) -> Own {
        Own { blocked, suspended: None, alternate: AlternateStack::NONE, awaited: 0, pending: Pending::new() }
    }

    /// The signals that end the thread's waits.
    #[must_use]
    pub fn wants(&self) -> Set {
        !self.blocked | self.awaited
    }
}

/// What is under the lock.
pub struct State {
    /// What to do at each signal.
    pub actions: [Action; SIGNALS as usize],
    /// Signals whose action was ever set by the program.
    pub set: Set,
    /// What is the own of the thread that runs.
    pub own: Box<Own>,
    /// What was sent to the process and waits for a thread to take it.
    pub shared: Pending,
}

/// What was so when a handler began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entering {
    /// The mask to restore after it.
    pub mask: Set,
    /// The alternate stack.
    pub alternate: AlternateStack,
    /// What was sent to the process and this thread does not take any more.
    pub held_back: Set,
}

impl State {
    /// The action of a signal.
    #[must_use]
    pub fn action(&self, signal: u32) -> Action {
        self.actions[signal as usize - 1]
    }

    /// sigaction(2): set an action, give the one before.
    ///
    /// # Errors
    /// `EINVAL`: no such signal, or one whose action cannot be set.
    pub fn set_action(&mut self, signal: u32, action: Option<Action>) -> Result<Action> {
        if signal == 0 || signal > SIGNALS || action.is_some() && UNSTOPPABLE & bit(signal) != 0 {
            return Err(Errno::EINVAL);
        }
        let old = self.action(signal);
        if let Some(action) = action {
            self.actions[signal as usize - 1] = Action { mask: action.mask & !UNSTOPPABLE, ..action };
            self.set |= bit(signal);
            if self.is_ignored(signal) {
                self.own.pending.discard(bit(signal));
                self.shared.discard(bit(signal));
            }
        }
        Ok(old)
    }

    /// Whether a signal would be dropped.
    fn is_ignored(&self, signal: u32) -> bool {
        match self.action(signal).handler {
            DEFAULT => is_ignored_by_default(signal),
            handler => handler == IGNORE,
        }
    }

    /// The program goes: handlers with it, and what was its own of the thread that runs. What is ignored, blocked or pending stays.
    pub fn depart(&mut self) {
        while self.set != 0 {
            let action = &mut self.actions[self.set.trailing_zeros() as usize];
            let handler = if action.handler == IGNORE { IGNORE } else { DEFAULT };
            *action = Action { handler, ..Action::default() };
            self.set &= self.set - 1;
        }
        self.own.suspended = None;
        self.own.alternate = AlternateStack::NONE;
        self.own.awaited = 0;
    }

    /// Set the mask; what cannot be blocked is not.
    pub fn set_blocked(&mut self, blocked: Set) {
        self.own.blocked = blocked & !UNSTOPPABLE;
    }

    /// Whether a signal that somebody who blocks these is sent is dropped at once.
    pub(super) fn is_dropped(&self, signal: u32, blocked: Set) -> bool {
        blocked & bit(signal) == 0 && self.is_ignored(signal)
    }

    /// In a new process: nothing is pending.
    pub fn forget_pending(&mut self) {
        self.own.pending.clear();
        self.shared.clear();
    }

    /// What is pending.
    #[must_use]
    pub fn pending_set(&self) -> Set {
        self.own.pending.set() | self.shared.set()
    }

    /// Whether a call that is broken off now is made again: the signal that is next has no handler, or one with [`Action::RESTART`].
    #[must_use]
    pub fn restarts_calls(&self) -> bool {
        let unblocked = !self.own.blocked;
        let signal = pending::first(self.own.pending.set() & unblocked).or_else(|| pending::first(self.shared.set() & unblocked));
        signal.is_some_and(|signal| {
            let action = self.action(signal);
            matches!(action.handler, DEFAULT | IGNORE) || action.flags & Action::RESTART != 0
        })
    }

    /// Take what is to be delivered next, if it neither has a handler nor ends the process.
    pub(super) fn next_quiet(&mut self) -> Option<u32> {
        let unblocked = !self.own.blocked;
        let signal = pending::first(self.own.pending.set() & unblocked).or_else(|| pending::first(self.shared.set() & unblocked))?;
        let is_quiet = match self.action(signal).handler {
            DEFAULT => is_ignored_by_default(signal) || STOPS & bit(signal) != 0,
            handler => handler == IGNORE,
        };
        if is_quiet { self.take(unblocked, &mut MaybeUninit::uninit()).map(|information| information.signal as u32) } else { None }
    }

    /// Take what is to be delivered next, and what is to be done about it. If that is a handler, it begins.
    pub(super) fn take_next<'place>(
        &mut self,
        place: &'place mut MaybeUninit<Information>,
    ) -> Option<(&'place mut Information, Action, Entering)> {
        let information = self.take(!self.own.blocked, place)?;
        let signal = information.signal as u32;
        let action = self.action(signal);
        let entering = match action.handler {
            DEFAULT | IGNORE => Entering { mask: 0, alternate: AlternateStack::NONE, held_back: 0 },
            _ => self.enter_handler(signal, &action),
        };
        Some((information, action, entering))
    }

    /// Whether a signal with this action has a handler that may begin.
    #[inline(always)]
    pub(super) fn is_taken_at_once(&self, signal: u32, action: &Action) -> bool {
        !matches!(action.handler, DEFAULT | IGNORE) && self.own.blocked & bit(signal) == 0
    }

    /// A handler begins: what it blocks is blocked, and what is left of its action is set.
    #[inline(always)]
    pub(super) fn enter_handler(&mut self, signal: u32, action: &Action) -> Entering {
        let mut mask = self.own.blocked;
        if self.own.suspended.is_some() {
            mask = self.own.suspended.take().unwrap_or(mask);
        }
        let deferred = if action.flags & Action::NO_DEFER == 0 { bit(signal) } else { 0 };
        self.set_blocked(self.own.blocked | action.mask | deferred);
        if action.flags & Action::RESET != 0 {
            self.actions[signal as usize - 1].handler = DEFAULT;
        }
        let alternate = self.own.alternate;
        if alternate.flags & AlternateStack::AUTODISARM != 0 {
            self.disarm(action);
        }
        Entering { mask, alternate, held_back: self.shared.set() & self.own.blocked }
    }

    /// The alternate stack is to be forgotten while a handler uses it.
    #[cold]
    fn disarm(&mut self, action: &Action) {
        if action.flags & Action::ON_STACK != 0 {
            self.own.alternate = AlternateStack::NONE;
        }
    }

    /// Drop what was sent to the thread that runs, or to the process, and is so.
    pub fn forget(&mut self, is_so: impl Fn(&Information) -> bool) {
        self.own.pending.forget(&is_so);
        self.shared.forget(&is_so);
    }

    /// Take a pending signal that is in `set`: of the thread's own, if there is one, else of the process's the lowest-numbered.
    pub fn take<'place>(&mut self, set: Set, place: &'place mut MaybeUninit<Information>) -> Option<&'place mut Information> {
        if self.own.pending.set() & set != 0 { self.own.pending.take(set, place) } else { self.shared.take(set, place) }
    }
}
