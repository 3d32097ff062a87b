//! `unixd`: the one writer of what several Linux processes share and what needs one point of order.
//!
//! It is an environment of its own, the parent of every process's. Context 0 takes one call after the other (protected control transfer, in
//! the caller's slice) and never waits inside one; context 1 sleeps until something happens that no process says (a death, an interrupt,
//! a deadline) and then calls context 0 like anybody else.
//!
//! ```text
//!   process ─► libos::entry::channel ─► transfer ─► Server::serve ─► one module for each family of operations
//!      ▲                                               │
//!      └── doorbell in its bulletin, counted and woken ┘
//! ```
//!
//! | module | what is in it |
//! |---|---|
//! | `server` | from a request to what serves it |
//! | `family` | who is whose child, who waits for whom, what signals are on the way: all the rules, pure |
//! | `requests` | from requests to `family`, and what comes of it for environments |
//! | `shown`, `questions` | what `/proc` shows of processes, and what they ask each other for it |
//! | `load` | times of the CPU and load averages |
//! | `alarm` | when to wake up by itself |
//! | `process`, `processes` | a process; all of them, by id and by environment |
//! | `channel` | bulletins and mailboxes |
//! | `handles` | how a process names what is kept for it |
//! | `tree` | the tree of files |
//! | `memory` | what the server refuses when it has little left |
//! | `share` | what an app is allowed of memory and time |
//! | `admission` | who gets how many frames: a policy |
//! | `revocation` | who is asked for frames when they run out: a policy |
//! | `seizure` | which pages are taken by force from who does not answer |
//! | `turns` | who wants to run when its time comes, and what time is taken from who does not listen |
//! | `handles` | what a process holds: places in the tree, open files |
//! | `ids` | a few ids of processes, in order |
//! | `objects`, `caller` | operations on open files, and the world that these see |
//! | `making` | objects without a name, and open files opened again |
//! | `rings` | the pages of pipes, and who has them mapped |
//! | `locks` | locks of files |
//! | `socket` | sockets of the Unix domain |
//! | `queues` | message queues |
//! | `system_v` | System V's message queues, semaphores and shared memory |
//! | `terminal` | terminals: the console, pairs, job control |
//! | `fork` | a process makes another of itself |
//! | `grant` | a process's quota, and what went of it with environments that it gave away |
//! | `spares` | copies that take the place of processes that ended |
//! | `large` | the library's text in a large page |
//! | `sandbox` | what a process is held to, whatever it does to its own library |
//! | `program` | the first programs, as they are started |
//! | `machine` | what is asked of the exokernel |
#![no_std]

extern crate alloc;

pub mod admission;
pub mod alarm;
pub mod caller;
pub mod channel;
pub mod family;
pub mod fork;
pub mod grant;
pub mod handles;
pub mod ids;
pub mod large;
pub mod load;
pub mod locks;
pub mod machine;
pub mod making;
pub mod memory;
pub mod notices;
pub mod objects;
pub mod process;
pub mod processes;
pub mod program;
pub mod questions;
pub mod queues;
mod requests;
pub mod results;
pub mod revocation;
pub mod rings;
pub mod sandbox;
pub mod seizure;
pub mod server;
pub mod share;
mod shown;
pub mod socket;
pub mod spares;
pub mod system_v;
pub mod terminal;
pub mod tree;
pub mod turns;

pub use server::Server;
