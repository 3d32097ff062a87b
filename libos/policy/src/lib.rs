//! Policies: what an app may decide for itself.
//!
//! The library OS is the mechanism: it keeps regions, threads, descriptors and names right whatever a policy says. A policy answers one kind
//! of question, by a small trait, and sees nothing else. It is safe code without pointers, without locks and without the kernel, so that it
//! can be tested on the host as any function is.
//!
//! | file | the question |
//! |---|---|
//! | `paging` | which pages come in at a fault |
//! | `placement` | which frames pages get, and where mappings are |
//! | `scheduling` | which thread runs next |
//! | `caching` | which pages of files are kept at hand |
//! | `names` | which names are looked up in the process itself |
//! | `admission` | which calls are made at all |
//! | `rules` | what a sandbox allows: a text, taken apart |
//! | `tracing` | what is to be known of them |
//! | `recovery` | where a process goes on from that a signal ended |
//! | `setting` | `paging=prefault,pages=64` taken apart, and checked against the table |
//! | `set` | the policies that a process has |
//! | `library` | the policies there are, a file each |
//!
//! **A policy is chosen** for a process by a setting, in the manifest of an app (`user/apps`), on the command line (`cargo x run --policy`), or by
//! a line of the guest's `/etc/chitin/apps`. fork(2) inherits it, and execve(2) too, unless that file has a line for the new program. Or it is
//! *compiled into* an image of the library OS of its own, in the place of the default ([`image`]): then there is no virtual call on the way of a
//! page fault, and apps run different images at once.
//!
//! **The default costs nothing.** It is called statically where that matters, and where a chosen policy is asked, it is asked on a way that the
//! default's processes never take: a chosen paging policy turns off the short cut of page faults, an admission or a tracing policy has all
//! calls enter by another table of handlers.
//!
//! **To add one**, write `library/NAME.rs` (or `user/policies/NAME.rs` for an image of its own) with the policy and a `pub static POLICY`, and
//! name the file in `library/mod.rs`. From that line come `cargo x policies`, the check of its parameters, and the test that it is what it says.
//! What shows its worth is an app: `user/apps/NAME.toml` has the program, the policy and what is to be measured.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;
/// A policy's file names this crate as any other would.
extern crate self as policy;

pub mod admission;
pub mod caching;
pub mod image;
pub mod library;
pub mod names;
pub mod paging;
pub mod placement;
pub mod recovery;
pub mod rules;
pub mod scheduling;
pub mod set;
pub mod setting;
#[cfg(test)]
mod tests;
pub mod tracing;

use alloc::boxed::Box;

/// What nearly every policy's file uses.
pub mod prelude {
    pub use alloc::boxed::Box;
    pub use core::ops::Range;

    pub use abi::PAGE_SIZE;

    pub use crate::{Domain, Make, Parameter, Policy, Values};
}

pub use set::Set;
pub use setting::Values;

/// A policy there is.
#[derive(Debug)]
pub struct Policy {
    /// What it is called: lower case, words joined by hyphens.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What can be set of it.
    pub parameters: &'static [Parameter],
    /// How one is made of what was set, and with that, which question it answers.
    pub make: Make,
}

/// What can be set of a policy.
#[derive(Debug)]
pub struct Parameter {
    /// What it is called.
    pub name: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    /// What it may be, and what it is where nothing is set.
    pub domain: Domain,
}

/// The values that a parameter may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// A number.
    Number {
        /// What it counts.
        unit: &'static str,
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
        /// The one that it is by default.
        default: u64,
    },
    /// A text without blanks and commas.
    Text {
        /// What it is by default.
        default: &'static str,
    },
}

/// How a policy is made.
#[derive(Clone, Copy, Debug)]
pub enum Make {
    /// One that says which pages come in.
    Paging(fn(&Values) -> Box<dyn paging::Paging>),
    /// One that says which frames pages get.
    Placement(fn(&Values) -> Box<dyn placement::Placement>),
    /// One that says which thread runs next.
    Scheduling(fn(&Values) -> Box<dyn scheduling::Schedule>),
    /// One that says which pages of files are kept.
    Caching(fn(&Values) -> Box<dyn caching::Caching>),
    /// One that looks names up.
    Names(fn(&Values) -> Box<dyn names::Names>),
    /// One that says which calls are made.
    Admission(fn(&Values) -> Box<dyn admission::Admission>),
    /// One that hears of all calls.
    Tracing(fn(&Values) -> Box<dyn tracing::Tracing>),
    /// One that says where a process goes on from that a signal ended.
    Recovery(fn(&Values) -> Box<dyn recovery::Recovery>),
}

/// The question that a policy answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Which pages come in at a fault.
    Paging,
    /// Which frames pages get.
    Placement,
    /// Which thread runs next.
    Scheduling,
    /// Which pages of files are kept at hand.
    Caching,
    /// Which names are looked up in the process.
    Names,
    /// Which calls are made.
    Admission,
    /// What is to be known of them.
    Tracing,
    /// Where a process goes on from that a signal ended.
    Recovery,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 8] =
        [Kind::Paging, Kind::Placement, Kind::Scheduling, Kind::Caching, Kind::Names, Kind::Admission, Kind::Tracing, Kind::Recovery];

    /// What it is called in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Paging => "paging",
            Kind::Placement => "placement",
            Kind::Scheduling => "scheduling",
            Kind::Caching => "caching",
            Kind::Names => "names",
            Kind::Admission => "admission",
            Kind::Tracing => "tracing",
            Kind::Recovery => "recovery",
        }
    }

    /// The question, in a line.
    #[must_use]
    pub const fn question(self) -> &'static str {
        match self {
            Kind::Paging => "which pages come in at a fault",
            Kind::Placement => "which frames pages get, and where mappings are",
            Kind::Scheduling => "which thread runs next",
            Kind::Caching => "which pages of files are kept at hand",
            Kind::Names => "which names are looked up in the process itself",
            Kind::Admission => "which calls are made at all",
            Kind::Tracing => "what is to be known of calls and faults",
            Kind::Recovery => "where a process goes on from that a signal ended",
        }
    }

    /// The policy of this kind that a process has for which nothing is set: the first in the library.
    #[must_use]
    pub fn default(self) -> &'static Policy {
        self.policies().next().expect("each kind has a default")
    }

    /// The policies of this kind.
    pub fn policies(self) -> impl Iterator<Item = &'static Policy> {
        library::ALL.iter().chain(image::OWN).copied().filter(move |policy| policy.kind() == self)
    }
}

impl Policy {
    /// The question that it answers.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self.make {
            Make::Paging(_) => Kind::Paging,
            Make::Placement(_) => Kind::Placement,
            Make::Scheduling(_) => Kind::Scheduling,
            Make::Caching(_) => Kind::Caching,
            Make::Names(_) => Kind::Names,
            Make::Admission(_) => Kind::Admission,
            Make::Tracing(_) => Kind::Tracing,
            Make::Recovery(_) => Kind::Recovery,
        }
    }
}
