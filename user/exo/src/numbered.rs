//! A call by its number.

use abi::Call;

macro_rules! calls {
    ($($name:ident)*) => {
        /// All calls, in the order of their numbers.
        pub const CALLS: &[Call] = &[$(Call::$name),*];

        unsafe fn by_number(call: Call, arguments: [u64; 6], message: &mut [u64; 4]) -> i64 {
            match call {
                // SAFETY: the caller's promise.
                $(Call::$name => unsafe { exo::raw_call::<{ Call::$name as u16 }>(arguments, message) }.0,)*
            }
        }
    };
}

calls! {
    Identify PageAlloc PageMap PageUnmap PageProtect PageClone PageBreak PageQuery Return EnvCreate EnvDestroy EnvReap EnvHand
    EnvQuota EnvWindow ContextCreate ContextSet ContextGet Resume Yield Wait Wake SliceSet UpcallSet IrqBind IrqAck TransferCall
    TransferReply InfoMap DebugPut DebugGet MachineExit PageSkip
}

/// Make a call with any arguments; gives its status word.
///
/// # Safety
/// Whatever the call does to this environment is borne: programs that use this expect to die of it.
pub unsafe fn call(call: Call, arguments: [u64; 6]) -> i64 {
    // SAFETY: the caller's promise.
    unsafe { by_number(call, arguments, &mut [0; 4]) }
}

/// Call numbers that there are not: their status words.
#[must_use]
pub fn unknown_calls() -> [i64; 4] {
    let mut message = [0; 4];
    // SAFETY: a call that does not exist changes nothing.
    unsafe {
        [
            exo::raw_call::<34>([0; 6], &mut message).0,
            exo::raw_call::<0x100>([1; 6], &mut message).0,
            exo::raw_call::<0x7fff>([u64::MAX; 6], &mut message).0,
            exo::raw_call::<0xffff>([2; 6], &mut message).0,
        ]
    }
}
