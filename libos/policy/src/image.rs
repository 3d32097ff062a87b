//! What is compiled into this image of the library OS beside the library, for an app of its own: policies of `user/policies`.
//!
//! One that says which pages come in takes the place of the default, and is called statically. It is made by `new`, of the values that are
//! set; in such an image the default is asked for as any other policy is.

use crate::{Policy, Values};

include!(concat!(env!("OUT_DIR"), "/own.rs"));

/// The paging policy of the image, as a process has it of which nothing is set.
#[must_use]
pub fn paging() -> Paging {
    Paging::new(&Values::defaults(paging_policy()))
}

/// Whether a policy brings in what the image's own would.
#[must_use]
pub fn is_brought_by_own(chosen: &dyn crate::paging::Paging) -> bool {
    PAGING.is_none() && chosen.brings_in_order()
}

/// What that policy is in the table.
#[must_use]
pub fn paging_policy() -> &'static Policy {
    PAGING.unwrap_or(&crate::library::IN_ORDER)
}
