//! Frames that a policy chooses by number.

use core::ops::Range;

use abi::{LARGE_PAGES, PAGE_SIZE, Rights};
use alloc::boxed::Box;
use policy::paging::{Contents as Start, Fault};
use policy::placement::{Frames, Placement, Table};

use crate::kernel::Kernel;
use crate::memory::Memory;
use crate::memory::fault::{Refusal, bring_zeros};

/// The kernel's table of frames, for a policy.
struct FrameTable<'a, K: Kernel>(&'a K);

impl<K: Kernel> Table for FrameTable<'_, K> {
    fn free_run(&self, from: u64, step: u64, frames: usize) -> Option<u64> {
        let info = self.0.info();
        let (first, end) = (info.first_frame, info.first_frame + info.frame_count);
        let mut at = from + first.saturating_sub(from).div_ceil(step) * step;
        while at.checked_add(frames as u64)? <= end {
            // From behind: what is in use there rules out the most.
            match (at..at + frames as u64).rev().find(|&frame| !self.0.is_free(frame)) {
                None => return Some(at),
                Some(used) => at += (used + 1 - at).div_ceil(step) * step,
            }
        }
        None
    }
}

impl Memory {
    /// Let another policy say which frames pages get; none: the default.
    pub fn set_placement(&mut self, placement: Option<Box<dyn Placement>>) {
        self.placement = placement;
        self.regions.forget_recent();
    }

    /// A fault in an anonymous region of a process whose frames are chosen.
    pub(super) fn resolve_placed<K: Kernel>(
        &mut self,
        kernel: &K,
        fault: &Fault,
        rights: Rights,
        may_be_large: bool,
    ) -> Result<(), Refusal> {
        debug_assert_eq!(fault.contents, Start::Zeros);
        let wanted = self.bring(fault);
        let run = self.missing(fault, wanted);
        let run = self.bring_chosen(kernel, fault.page, run, rights, may_be_large)?;
        self.note_resident(run);
        Ok(())
    }

    /// Map zeroed frames as the policy has them; others if those are not to be had.
    fn bring_chosen<K: Kernel>(
        &mut self,
        kernel: &K,
        page: usize,
        run: Range<usize>,
        rights: Rights,
        may_be_large: bool,
    ) -> Result<Range<usize>, Refusal> {
        let Some(policy) = &mut self.placement else { return bring_zeros(kernel, page, run, rights) };
        let chosen = policy.frames(&run, &FrameTable(kernel));
        let pages = run.len() / PAGE_SIZE;
        let is_there = match chosen {
            Frames::Any => false,
            Frames::From(frame) => kernel.page_alloc_named(run.start, pages, rights, frame).is_ok(),
            Frames::Large(frame) => {
                may_be_large && pages == LARGE_PAGES && kernel.page_alloc_named(run.start, pages, rights | Rights::LARGE, frame).is_ok()
            }
            Frames::Apart if run.len() > PAGE_SIZE => {
                let mut brought = page..page;
                for at in (page..run.end).step_by(PAGE_SIZE) {
                    match self.bring_chosen(kernel, at, at..at + PAGE_SIZE, rights, false) {
                        Ok(one) => brought.end = one.end,
                        Err(refusal) if at == page => return Err(refusal),
                        Err(_) => break,
                    }
                }
                return Ok(brought);
            }
            Frames::Apart => false,
        };
        if is_there { Ok(run) } else { bring_zeros(kernel, page, run, rights) }
    }
}
