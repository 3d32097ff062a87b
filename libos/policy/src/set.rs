//! The policies that a process has.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

use crate::admission::Admission;
use crate::caching::Caching;
use crate::names::Names;
use crate::paging::Paging;
use crate::placement::Placement;
use crate::recovery::Recovery;
use crate::scheduling::Schedule;
use crate::setting::Setting;
use crate::tracing::Tracing;
use crate::{Kind, Make, Values, image};

/// Those that were chosen, each in place of the image's own.
#[derive(Default)]
pub struct Set {
    /// Which pages come in.
    pub paging: Option<Box<dyn Paging>>,
    /// The same, where it is the policy that is compiled into the image, with what was set of it.
    pub own_paging: Option<image::Paging>,
    /// Which frames pages get.
    pub placement: Option<Box<dyn Placement>>,
    /// Which thread runs next.
    pub scheduling: Option<Box<dyn Schedule>>,
    /// Which pages of files are kept.
    pub caching: Option<Box<dyn Caching>>,
    /// Which names are looked up in the process.
    pub names: Option<Box<dyn Names>>,
    /// Which calls are made.
    pub admission: Option<Box<dyn Admission>>,
    /// What is to be known of them.
    pub tracing: Option<Box<dyn Tracing>>,
    /// Where the process goes on from that a signal ended.
    pub recovery: Option<Box<dyn Recovery>>,
}

impl Set {
    /// Make the policies of settings; of several of a kind the last counts. The default of a kind is what there is without one.
    ///
    /// # Errors
    /// A setting makes no sense; the text says why.
    pub fn parse<'a>(settings: impl Iterator<Item = &'a str>) -> Result<Set, String> {
        let mut is_placed = false;
        let mut set = Set { paging: paging(&Values::defaults(Kind::Paging.default())), ..Set::default() };
        for text in settings {
            let Setting { policy, values } = Setting::parse(text).map_err(|mistake| format!("{text}: {mistake}"))?;
            let is_chosen = !core::ptr::eq(policy, policy.kind().default());
            match policy.make {
                Make::Paging(_) => {
                    set.paging = paging(&values);
                    set.own_paging = set.paging.is_none().then(|| image::Paging::new(&values));
                }
                Make::Placement(make) => {
                    set.placement = is_chosen.then(|| make(&values));
                    is_placed = true;
                }
                Make::Scheduling(make) => set.scheduling = is_chosen.then(|| make(&values)),
                Make::Caching(make) => set.caching = is_chosen.then(|| make(&values)),
                Make::Names(make) => set.names = is_chosen.then(|| make(&values)),
                Make::Admission(make) => set.admission = is_chosen.then(|| make(&values)),
                Make::Tracing(make) => set.tracing = is_chosen.then(|| make(&values)),
                Make::Recovery(make) => set.recovery = is_chosen.then(|| make(&values)),
            }
        }
        if !is_placed {
            let own = set.own_paging.as_ref().and_then(|own| own.placement());
            set.placement = set.paging.as_ref().map_or(own, |chosen| chosen.placement());
        }
        Ok(set)
    }
}

/// A paging policy to be called by its trait; none: it is the image's own.
fn paging(values: &Values) -> Option<Box<dyn Paging>> {
    match values.policy().make {
        Make::Paging(make) if !core::ptr::eq(values.policy(), image::paging_policy()) => Some(make(values)),
        _ => None,
    }
}
