//! Children that run when somebody turns to them: what measurements of control transfers and yields have at the other end.

use abi::{Call, RunState, TransferFlags};

use crate::child::{Child, QUOTA};

/// Answers calls for good.
pub fn serve(_: u64) -> u64 {
    const ANSWER: u64 = TransferFlags::REPLY.union(TransferFlags::ACCEPT).bits() << 32;
    let mut message = [0; 4];
    let (mut env, mut context) = (0, TransferFlags::ACCEPT.bits() << 32);
    loop {
        let [a, b, c, d] = message;
        // SAFETY: the call changes nothing but the registers that `raw_call` declares.
        let (_, sender) = unsafe { exo::raw_call::<{ Call::TransferReply as u16 }>([env, context, a, b, c, d], &mut message) };
        (env, context) = (sender << 8 >> 8, sender >> 56 | ANSWER);
    }
}

/// A child that has no slice: it runs when it is yielded to, or called.
pub fn partner(function: fn(u64) -> u64, argument: u64) -> Child {
    let child = Child::new(QUOTA, crate::NONE);
    let context = child.context(function, argument);
    exo::context_set(child.id, context, None, RunState::Runnable).expect("ours");
    exo::yield_to(child.id, 0).expect("it can run");
    child
}
