//! Calls that answer a word of the process's identity.
//!
//! Rows that name their word are answered by the entries themselves; these handlers serve the same calls where they are traced.

use crate::errno::Result;
use crate::identity::Word;
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;

macro_rules! words {
    ($($name:ident $word:ident $doc:literal,)*) => { $(
        #[doc = $doc]
        pub fn $name<K: Kernel>(process: &Process<K>, _: &Arguments) -> Result<usize> {
            Ok(process.kernel.identity().get(Word::$word) as usize)
        }
    )* };
}

words! {
    getpid Process "getpid(2)",
    getppid Parent "getppid(2)",
    gettid Thread "gettid(2)",
    getpgrp Group "getpgrp(2)",
    getuid User "getuid(2)",
    geteuid EffectiveUser "geteuid(2)",
    getgid UserGroup "getgid(2)",
    getegid EffectiveUserGroup "getegid(2)",
}
