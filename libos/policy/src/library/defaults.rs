//! The defaults, as policies that can be named.

use alloc::boxed::Box;

use crate::admission::All;
use crate::caching::Everything;
use crate::names::Asked;
use crate::paging::InOrder;
use crate::placement::Anywhere;
use crate::recovery::Never;
use crate::scheduling::ByPriority;
use crate::tracing::Nothing;
use crate::{Make, Policy};

pub(crate) static IN_ORDER: Policy = Policy {
    name: "in-order",
    summary: "16 pages where the program walks through memory in order or reads a file, else one",
    parameters: &[],
    make: Make::Paging(|_| Box::new(InOrder)),
};

pub(super) static ANYWHERE: Policy = Policy {
    name: "anywhere",
    summary: "the frames that the kernel has next; mappings of 4 MiB and more at multiples of 2 MiB",
    parameters: &[],
    make: Make::Placement(|_| Box::new(Anywhere)),
};

pub(super) static BY_PRIORITY: Policy = Policy {
    name: "by-priority",
    summary: "the highest real-time priority first, and one after the other in each",
    parameters: &[],
    make: Make::Scheduling(|_| Box::new(ByPriority::default())),
};

pub(super) static EVERYTHING: Policy = Policy {
    name: "everything",
    summary: "all that was read, as long as its file is open",
    parameters: &[],
    make: Make::Caching(|_| Box::new(Everything)),
};

pub(super) static ASKED: Policy =
    Policy { name: "asked", summary: "none: the server is asked", parameters: &[], make: Make::Names(|_| Box::new(Asked)) };

pub(super) static ALL: Policy = Policy { name: "all", summary: "all calls", parameters: &[], make: Make::Admission(|_| Box::new(All)) };

pub(super) static NEVER: Policy =
    Policy { name: "never", summary: "nowhere: it has ended", parameters: &[], make: Make::Recovery(|_| Box::new(Never)) };

pub(super) static NOTHING: Policy =
    Policy { name: "nothing", summary: "nothing", parameters: &[], make: Make::Tracing(|_| Box::new(Nothing)) };
