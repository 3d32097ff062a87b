//! Protected control transfer: calls answered, and all the ways in which they are not.
#![no_std]
#![no_main]

use abi::{EnvId, Error, RunState, TransferFlags};
use exo::Message;
use native::{
    child::{Child, End, Function, PATIENCE, QUOTA},
    info,
    scene::Scene,
    shared,
};

exo::program!(main);

const READY: usize = shared::FREE;

fn main() -> u8 {
    let mut scene = Scene::new();
    answered();
    scene.after("a thousand calls, answered");
    queued();
    scene.after("callers of one server");
    with_server(never_answers, End::Exited(3), |server| {
        assert_eq!(exo::transfer_call(server.id, 0, [0; 4]), Err(Error::Dead));
    });
    scene.after("a server that ends instead of answering");
    with_server(faults_instead, End::Fault(abi::FaultKind::Read), |server| {
        assert_eq!(exo::transfer_call(server.id, 0, [0; 4]), Err(Error::Dead));
    });
    scene.after("a server that faults instead of answering");
    killed_while_called();
    scene.after("a server that is ended while it is called");
    caller_ends();
    scene.after("a caller that ends before the answer");
    caller_given_up();
    scene.after("a caller and a server set runnable");
    scene.act("transfers to nobody", End::Exited(0), to_nobody, scene.neighbour().0);
    scene.act("answers that nobody waits for", End::Exited(0), unasked, scene.neighbour().0);
    slice_goes_along();
    scene.after("the slice goes along");
    scene.close()
}

fn accept() -> exo::Result<Message> {
    exo::transfer_reply(EnvId::SELF, 0, [0; 4], TransferFlags::ACCEPT)
}

fn answer(message: &Message, words: [u64; 4]) -> exo::Result<Message> {
    exo::transfer_reply(message.sender, message.context, words, TransferFlags::REPLY | TransferFlags::ACCEPT)
}

/// Sums the words, until the first is 0: then it ends with how many it answered.
fn sum(_: u64) -> u64 {
    let mut answered = 0;
    shared::set(READY, 1);
    let mut message = accept().expect("a call");
    while message.words[0] != 0 {
        answered += 1;
        let sum = message.words.iter().fold(0, |sum: u64, word| sum.wrapping_add(*word));
        message = answer(&message, [sum, message.words[0], answered, !0]).expect("a call");
    }
    answered
}

fn start(function: Function) -> Child {
    shared::set(READY, 0);
    let server = Child::run(function, 0);
    assert!(shared::await_value(READY, 1, PATIENCE));
    await_accepting(server);
    server
}

/// The server says that it is ready just before it accepts: a call that finds it busy is made again.
fn await_accepting(server: Child) {
    for _ in 0..50 {
        info::sleep(1);
        // Busy once it sleeps: then that is where it was to get to.
        let _ = exo::yield_to(server.id, 0);
    }
}

fn with_server(function: Function, end: End, call: impl Fn(Child)) {
    let server = start(function);
    call(server);
    server.expect("a server", end);
}

fn answered() {
    let server = start(sum);
    for count in 1..=1000 {
        let message = exo::transfer_call(server.id, 0, [count, 2, 3, 4]).expect("an answer");
        assert_eq!(message, Message { sender: server.id, context: 0, words: [count + 9, count, count, !0] });
    }
    assert_eq!(exo::transfer_call(server.id, 0, [0; 4]), Err(Error::Dead));
    server.expect("the summing server", End::Exited(1000));
}

/// One server, three callers that take turns: each gets the answers to its own questions.
fn queued() {
    let server = start(sum);
    let caller: Function = |server| {
        for count in 1..=300 {
            loop {
                match exo::transfer_call(EnvId(server), 0, [count, exo::identify().0, 0, 0]) {
                    Ok(message) => {
                        assert_eq!(message.words[0], count + exo::identify().0);
                        break;
                    }
                    Err(error) => assert_eq!(error, Error::Busy),
                }
                exo::yield_now();
            }
        }
        0
    };
    let callers: [Child; 3] = core::array::from_fn(|_| Child::run(caller, server.id.0));
    for caller in callers {
        caller.expect("a caller", End::Exited(0));
    }
    assert_eq!(exo::transfer_call(server.id, 0, [0; 4]), Err(Error::Dead));
    server.expect("the summing server", End::Exited(900));
}

fn never_answers(_: u64) -> u64 {
    shared::set(READY, 1);
    accept().expect("a call");
    3
}

fn faults_instead(_: u64) -> u64 {
    shared::set(READY, 1);
    accept().expect("a call");
    native::child::peek(0x10)
}

fn sleeps_instead(_: u64) -> u64 {
    shared::set(READY, 1);
    accept().expect("a call");
    shared::set(READY, 2);
    loop {
        let _ = exo::wait(&[], None);
    }
}

/// The caller is a child, since the first environment has to end the server.
fn killed_while_called() {
    let server = start(sleeps_instead);
    let caller = Child::run(
        |server| {
            assert_eq!(exo::transfer_call(EnvId(server), 0, [0; 4]), Err(Error::Dead));
            0
        },
        server.id.0,
    );
    assert!(shared::await_value(READY, 2, PATIENCE));
    server.end();
    caller.expect("the caller", End::Exited(0));
}

fn caller_ends() {
    let server = start(|_| {
        shared::set(READY, 1);
        let message = accept().expect("a call");
        shared::set(READY, 2);
        assert!(shared::await_value(READY, 3, PATIENCE));
        let late = exo::transfer_reply(message.sender, message.context, [0; 4], TransferFlags::REPLY);
        assert_eq!(late.map(drop), Err(Error::NoEnv));
        0
    });
    let caller = Child::run(|server| exo::transfer_call(EnvId(server), 0, [0; 4]).map_or(1, |_| 2), server.id.0);
    assert!(shared::await_value(READY, 2, PATIENCE));
    caller.end();
    shared::set(READY, 3);
    server.expect("the server", End::Exited(0));
}

fn caller_given_up() {
    let server = start(|_| {
        shared::set(READY, 1);
        assert_eq!(accept(), Err(Error::Interrupted), "set runnable while it accepts");
        shared::set(READY, 4);
        let message = accept().expect("a call");
        shared::set(READY, 2);
        assert!(shared::await_value(READY, 3, PATIENCE));
        let late = exo::transfer_reply(message.sender, message.context, [0; 4], TransferFlags::REPLY);
        assert_eq!(late.map(drop), Err(Error::Busy), "the caller does not wait any more");
        0
    });
    exo::context_set(server.id, 0, None, RunState::Runnable).expect("ours");
    assert!(shared::await_value(READY, 4, PATIENCE));
    await_accepting(server);
    let caller = Child::run(
        |server| {
            assert_eq!(exo::transfer_call(EnvId(server), 0, [0; 4]), Err(Error::Interrupted));
            shared::set(READY, 3);
            loop {
                let _ = exo::wait(&[], None);
            }
        },
        server.id.0,
    );
    assert!(shared::await_value(READY, 2, PATIENCE));
    exo::context_set(caller.id, 0, None, RunState::Runnable).expect("ours");
    server.expect("the server", End::Exited(0));
    caller.end();
}

fn to_nobody(neighbour: u64) -> u64 {
    assert_eq!(exo::transfer_call(EnvId(neighbour), 0, [0; 4]), Err(Error::Busy));
    assert_eq!(exo::transfer_call(EnvId(neighbour), 1, [0; 4]), Err(Error::NoEnv));
    assert_eq!(exo::transfer_call(EnvId::SELF, 0, [0; 4]), Err(Error::Busy), "not to itself");
    let child = exo::env_create(8, native::NONE).expect("a child");
    exo::context_create(child).expect("a context");
    assert_eq!(exo::transfer_call(child, 0, [0; 4]), Err(Error::Busy), "it is stopped");
    exo::env_destroy(child, 0).expect("it lives");
    assert_eq!(exo::transfer_call(child, 0, [0; 4]), Err(Error::NoEnv));
    exo::env_reap(child).expect("it is dead");
    assert_eq!(exo::transfer_call(child, 0, [0; 4]), Err(Error::NoEnv));
    0
}

fn unasked(neighbour: u64) -> u64 {
    let reply = |env, index, flags| exo::transfer_reply(env, index, [0; 4], flags).map(drop);
    assert_eq!(reply(EnvId(neighbour), 0, TransferFlags::REPLY), Err(Error::Busy));
    assert_eq!(reply(EnvId(neighbour), 0, TransferFlags::REPLY | TransferFlags::ACCEPT), Err(Error::Busy));
    assert_eq!(reply(EnvId(neighbour), 5, TransferFlags::REPLY), Err(Error::NoEnv));
    assert_eq!(reply(EnvId::SELF, 0, TransferFlags::REPLY), Err(Error::Busy));
    assert_eq!(reply(EnvId::SELF, 0, TransferFlags::empty()), Err(Error::BadArgument));
    for bits in [4, 8, 0x8000_0000, 7] {
        assert_eq!(reply(EnvId::SELF, 0, TransferFlags::from_bits_retain(bits)), Err(Error::BadArgument));
    }
    0
}

/// A server that has no slice of its own works in its callers'.
fn slice_goes_along() {
    let server = Child::new(QUOTA, native::NONE);
    let context = server.context(sum, 0);
    exo::context_set(server.id, context, None, RunState::Runnable).expect("ours");
    exo::yield_to(server.id, context).expect("it can run");
    for count in 1..=10 {
        assert_eq!(exo::transfer_call(server.id, context, [count, 0, 0, 0]).expect("an answer").words[0], count);
    }
    server.end();
}
