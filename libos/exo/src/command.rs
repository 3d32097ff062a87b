//! What to run: the block that the build tool hands to the first environment as the module `command`.
//!
//! Eight little-endian words of 32 bits (bytes of the block, arguments, settings, environment strings, [`CommandFlags`], the number of the library
//! OS's image, the most frames of a process or 0, slices of a round), then the strings, each with a NUL at its end: the arguments, the settings of policies, the environment. The first argument is
//! the program's path in the guest.
//! Of several programs that are to run side by side, each has a block, one behind the other.

use bitflags::bitflags;

bitflags! {
    /// How to run it.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct CommandFlags: u32 {
        /// Print each Linux call.
        const STRACE = 1 << 0;
        /// The standard streams are not a terminal: input comes from the module `stdin` as from a regular file (empty if there is
        /// none), output goes to the console as into a pipe.
        const BATCH = 1 << 1;
        /// System call instructions may be turned into jumps where a file is mapped executable.
        const REWRITE = 1 << 2;
        /// Count calls, and tell at the end of each process what they came to.
        const TALLY = 1 << 3;
        /// Tell registers, stack and maps of a process that a signal ends.
        const POST_MORTEM = 1 << 4;
    }
}

/// The block, taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    /// How to run it.
    pub flags: CommandFlags,
    /// Which image of the library OS it runs on.
    pub image: u32,
    /// The most frames that a process of it is charged for; 0: as many as there are.
    pub quota: u32,
    /// How many slices it has in a round; each process that it makes has one.
    pub slices: u32,
    arguments: usize,
    settings: usize,
    environment: usize,
    strings: &'a [u8],
}

/// Bytes before the strings.
pub const HEADER: usize = 32;

/// What the module is called that is the library OS's image of a number: 0 is the stock image, the others have policies of their own.
#[must_use]
pub fn image_name(number: u32) -> &'static str {
    const NAMES: [&str; IMAGES_MOST] = ["libos", "libos1", "libos2", "libos3", "libos4"];
    NAMES.get(number as usize).copied().unwrap_or(NAMES[0])
}

/// The most images of the library OS in a boot image.
pub const IMAGES_MOST: usize = 5;

/// The blocks of programs that are to run side by side.
pub fn blocks(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let bytes = u32::from_le_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        let (block, behind) = rest.split_at_checked(bytes.max(HEADER))?;
        rest = behind;
        Some(block)
    })
}

impl<'a> Command<'a> {
    /// Take a block apart. None if it is too short or lacks a string.
    #[must_use]
    pub fn parse(block: &'a [u8]) -> Option<Self> {
        let word = |index: usize| block.get(index * 4..index * 4 + 4)?.try_into().ok().map(u32::from_le_bytes);
        let [arguments, settings, environment] = [word(1)? as usize, word(2)? as usize, word(3)? as usize];
        let strings = block.get(HEADER..)?;
        let ends = strings.iter().filter(|&&byte| byte == 0).count();
        (arguments.checked_add(settings)?.checked_add(environment)? <= ends).then_some(Command {
            flags: CommandFlags::from_bits_truncate(word(4)?),
            image: word(5)?,
            quota: word(6)?,
            slices: word(7)?,
            arguments,
            settings,
            environment,
            strings,
        })
    }

    /// The arguments, without their NULs.
    pub fn arguments(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.strings.split(|&byte| byte == 0).take(self.arguments)
    }

    /// The settings, without their NULs.
    pub fn settings(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.strings.split(|&byte| byte == 0).skip(self.arguments).take(self.settings)
    }

    /// The environment, without its NULs.
    pub fn environment(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.strings.split(|&byte| byte == 0).skip(self.arguments + self.settings).take(self.environment)
    }
}
