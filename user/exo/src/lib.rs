//! What the level-2 programs share.
//!
//! Each program boots alone, as the first environment, with every privilege and all frames. It runs functions of its own in children:
//! a child is a copy of the program's data around its shared text. A failed assertion says where and ends the machine with
//! code 101 (in a child: the child, which its expected end then shows).
//!
//! | file | what it holds |
//! |---|---|
//! | `place` | the addresses that the programs use |
//! | `info` | the info pages, read |
//! | `child` | environments that run a function |
//! | `upcall` | faults handed to Rust, and attempts that survive them |
//! | `scene` | evil acts in front of neighbours, with the frames counted |
//! | `crowd` | actors that make calls with any arguments |
//! | `shared` | the words that all of a program's environments share |
//! | `partner` | children that run when somebody turns to them |
//! | `measure` | instructions of rounds |
//! | `numbered` | a call by its number |
//! | `random` | reproducible numbers |
//! | `orchard` | a library operating system that is not Linux |
//! | `isa/` | instructions that Rust has no words for |
#![cfg(target_os = "none")]
#![no_std]

pub mod child;
pub mod crowd;
pub mod info;
pub mod isa;
pub mod measure;
pub mod numbered;
pub mod orchard;
pub mod partner;
pub mod place;
pub mod random;
pub mod scene;
pub mod shared;
pub mod upcall;

/// Exit code of a program in which everything went as it was to go. No crash of the machine gives it.
pub const PASSED: u8 = 33;

/// Privileges that a child without any has.
pub const NONE: abi::Privileges = abi::Privileges::empty();
