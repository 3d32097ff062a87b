//! The first programs, as they are started: what `exo::start` promises a process.

use abi::{EnvId, PAGE_SIZE, Privileges, Registers, Rights, RunState};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use exo::command::{Command, image_name};
use exo::image;
use exo::libos_image::map_into;
use exo::start::{STACK_BASE, STACK_BYTES, START_BASE, START_MAGIC, Start};

use crate::channel::show_changes;
use crate::fork::Release;
use crate::grant::Grant;
use crate::large::LARGE_BYTES;
use crate::process::Process;
use crate::questions::Questions;
use crate::server::Server;
use crate::share::Share;
use crate::spares::Standing;
use crate::turns::Turns;

/// Where pages are made that a process gets.
const SCRATCH: usize = 0x7b10_0000_0000;
/// What a process's own number is called in its environment, if there are several.
const COPY: &[u8] = b"CHITIN_COPY=";
/// The most slices that a program has in a round.
const SLICES_MOST: u32 = 64;
/// Frames that a process may be charged for from the start, beside those that it gets here: its library's own, and room to grow.
const FIRST_FRAMES: usize = 512;

fn pages(bytes: usize) -> usize {
    bytes.div_ceil(PAGE_SIZE)
}

/// A module's bytes; none if it is not there.
fn module(name: &str) -> &'static [u8] {
    image::module(name).unwrap_or_default()
}

/// Map fresh pages with these bytes into an environment.
fn give(env: EnvId, target: usize, count: usize, bytes: &[u8], rights: Rights) -> exo::Result<()> {
    exo::page_alloc(SCRATCH, count, Rights::READ_WRITE, None)?;
    // SAFETY: the pages were just mapped, are large enough, and nobody else's yet.
    unsafe { (SCRATCH as *mut u8).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    let mapped = exo::page_map(env, target, SCRATCH, count, rights);
    // SAFETY: nothing refers to them any more.
    unsafe { exo::page_unmap(EnvId::SELF, SCRATCH, count) }?;
    mapped
}

/// A command block as number `copy` of `copies` has it: with a variable more if there are several.
fn command_block(block: &[u8], copy: usize, copies: usize) -> Vec<u8> {
    const VARIABLES: core::ops::Range<usize> = 12..16;
    let mut block = block.to_vec();
    if copies > 1 {
        let count = u32::from_le_bytes(block[VARIABLES].try_into().expect("four bytes")) + 1;
        block[VARIABLES].copy_from_slice(&count.to_le_bytes());
        block.extend_from_slice(COPY);
        block.extend_from_slice(alloc::format!("{copy}\0").as_bytes());
    }
    block
}

/// Start number `copy` of `copies` of a first program.
///
/// # Errors
/// The kernel's: not enough memory for what a process needs from the start.
pub fn start(server: &mut Server, block: &[u8], copy: usize, copies: usize) -> exo::Result<()> {
    let id = server.family.new_id();
    let command = command_block(block, copy, copies);
    let block_pages = pages(size_of::<Start>() + command.len());
    let asked = Command::parse(block);
    let number = asked.map_or(0, |command| command.image);
    let libos = module(image_name(number));
    let quota = pages(libos.len() + LARGE_BYTES) + block_pages + FIRST_FRAMES;
    let env = exo::env_create(quota, Privileges::CONSOLE)?;
    let entry_point = map_into(env, libos, server.texts.get(number as usize).copied().flatten())?;

    let start = Start {
        magic: START_MAGIC,
        command_address: (START_BASE + size_of::<Start>()) as u64,
        command_length: command.len() as u64,
        libos_pages: pages(libos.len()) as u64 - 1,
        id: u64::from(id),
        parent: u64::from(unix::SERVER_ID),
        server: exo::identify().0,
        reserved: 0,
    };
    let mut block = vec![0; size_of::<Start>()];
    // SAFETY: the block has room for it; the structure is words without padding.
    unsafe { block.as_mut_ptr().cast::<Start>().write_unaligned(start) };
    block.extend_from_slice(&command);
    give(env, START_BASE, block_pages, &block, Rights::READ_ONLY)?;
    give(env, STACK_BASE, pages(STACK_BYTES), &[], Rights::READ_WRITE)?;
    let channel = server.channels.take()?;
    channel.show(env)?;
    show_changes(env)?;

    let slices = asked.map_or(1, |command| command.slices).clamp(1, SLICES_MOST);
    let slots: Vec<usize> = (0..slices).filter_map(|_| server.processes.take_slot()).collect();
    let context = exo::context_create(env)?;
    let registers = Registers { pc: entry_point, sp: (STACK_BASE + STACK_BYTES) as u64, ..Registers::default() };
    exo::context_set(env, context, Some(&registers), RunState::Runnable)?;
    let share = Share::of(asked.as_ref(), slots);
    share.slots().first().ok_or(abi::Error::Full)?;
    share.slots().iter().try_for_each(|&slot| exo::slice_set(0, slot, env, context))?;
    let handles = server.tree.first_handles();
    server.processes.insert(Box::new(Process {
        id,
        env,
        context,
        share,
        channel,
        handles,
        words_pages: 0,
        staged: Vec::new(),
        fork: None,
        maker: 0,
        release: Release::Nobody,
        standing: Standing::Member,
        spare: None,
        sandbox: Default::default(),
        questions: Questions::default(),
        turns: Turns::default(),
        grant: Grant::of(env),
    }));
    server.family.begin(id);
    server.note_beginning(id);
    server.settle();
    server.end_with(id);
    Ok(())
}
