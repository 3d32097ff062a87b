//! Running out: of quota, of contexts, of environments, of the whole machine's memory. The one who asks is told, and nobody else is.
#![no_std]
#![no_main]

use abi::{CloneMode, CloneRange, EnvId, Error, MAX_CONTEXTS, MAX_ENVS, Rights, UpcallEntries};
use native::{
    child::{Child, End},
    info,
    place::{FREE, FREE_TOO, SHARED, page},
    scene::Scene,
};

exo::program!(main);

fn main() -> u8 {
    let mut scene = Scene::new();
    scene.act("all pages of a quota", End::Exited(0), pages, 0);
    scene.act("all of it in page tables", End::Exited(0), tables, 0);
    scene.act("all of it in children", End::Exited(0), children, 0);
    scene.act("all contexts, then all of it in contexts", End::Exited(0), contexts, 0);
    scene.act("a child that is given more than it may have", End::Exited(0), gifts, 0);
    scene.act("a pin that is not paid for", End::Exited(0), pin, 0);
    environments();
    scene.after("all environments");
    machine();
    scene.after("all of the machine's memory");
    scene.close()
}

fn left() -> u64 {
    let own = info::environment(exo::identify());
    own.quota - own.used
}

fn unmap(address: usize, count: usize) {
    // SAFETY: the programs here keep no references into what they map at `FREE`.
    unsafe { exo::page_unmap(EnvId::SELF, address, count) }.expect("pages of user space");
}

fn pages(_: u64) -> u64 {
    let before = left();
    assert_eq!(exo::page_alloc(FREE, 4096, Rights::READ_WRITE, None), Err(Error::Quota));
    assert_eq!(left(), 0);
    assert_eq!(exo::page_alloc(FREE_TOO, 1, Rights::READ_WRITE, None), Err(Error::Quota));
    assert_eq!(exo::page_map(EnvId::SELF, FREE_TOO, SHARED, 1, Rights::READ_ONLY), Err(Error::Quota));
    assert_eq!(exo::info_map(EnvId::SELF, FREE_TOO, 0, 1), Err(Error::Quota));
    assert_eq!(exo::env_create(2, native::NONE), Err(Error::Quota));
    assert_eq!(exo::context_create(EnvId::SELF), Err(Error::Quota));
    for mode in [CloneMode::Share, CloneMode::CopyOnWrite, CloneMode::Copy] {
        let range = CloneRange { source: FREE as u64, target: FREE_TOO as u64, pages: 1, mode: mode as u64 };
        assert_eq!(exo::page_clone(EnvId::SELF, &[range]), Err(Error::Quota), "{mode:?}");
    }
    unmap(FREE, 4096);
    assert_eq!(left(), before, "all that was charged is given back");
    0
}

fn tables(_: u64) -> u64 {
    let before = left();
    let mut made = 0;
    // Pages 1 GiB apart need a table of the lowest two levels each.
    while exo::page_alloc(0x1000_0000_0000 + (made << 30), 1, Rights::READ_WRITE, None).is_ok() {
        made += 1;
    }
    assert!((made as u64) * 3 + 6 > before && left() < 4, "{made} pages for {before} frames");
    for index in 0..made {
        unmap(0x1000_0000_0000 + (index << 30), 1);
    }
    assert_eq!(left(), before, "tables go with their last page");
    0
}

fn children(_: u64) -> u64 {
    let before = left();
    for quota in [before as usize + 1, usize::MAX, usize::MAX - 1, 1 << 63] {
        assert_eq!(exo::env_create(quota, native::NONE), Err(Error::Quota));
    }
    let child = exo::env_create(before as usize, native::NONE).expect("exactly what is left");
    assert_eq!(left(), 0);
    assert_eq!(exo::env_quota(child, before as usize + 1), Err(Error::Quota));
    assert_eq!(exo::env_quota(child, usize::MAX), Err(Error::Quota));
    assert_eq!(exo::env_quota(child, 1), Err(Error::Quota), "it is charged for two frames");
    exo::env_quota(child, 2).expect("what it is charged for");
    assert_eq!(left(), before - 2);
    exo::env_destroy(child, 0).expect("it lives");
    assert_eq!(left(), before - 2, "the dead are charged for until they are reaped");
    exo::env_reap(child).expect("it is dead");
    assert_eq!(left(), before);
    0
}

fn contexts(_: u64) -> u64 {
    for index in 1..MAX_CONTEXTS {
        assert_eq!(exo::context_create(EnvId::SELF), Ok(index));
    }
    assert_eq!(exo::context_create(EnvId::SELF), Err(Error::Full));
    let child = exo::env_create(4, native::NONE).expect("a child");
    assert_eq!((exo::context_create(child), exo::context_create(child)), (Ok(0), Ok(1)));
    assert_eq!(exo::context_create(child), Err(Error::Quota));
    exo::env_destroy(child, 0).expect("it lives");
    exo::env_reap(child).expect("it is dead");
    0
}

fn gifts(_: u64) -> u64 {
    let child = exo::env_create(7, native::NONE).expect("a child");
    exo::page_alloc(FREE, 4, Rights::READ_WRITE, None).expect("within the quota");
    // Three tables and two pages are what is left of seven after the record and the root.
    assert_eq!(exo::page_map(child, FREE, FREE, 4, Rights::READ_ONLY), Err(Error::Quota));
    let used = info::environment(child);
    assert_eq!((used.quota, used.used), (7, 7));
    assert_eq!(exo::info_map(child, FREE_TOO, 0, 1), Err(Error::Quota));
    let range = CloneRange { source: FREE as u64, target: page(FREE, 8) as u64, pages: 4, mode: CloneMode::Copy as u64 };
    assert_eq!(exo::page_clone(child, &[range]), Err(Error::Quota));
    exo::env_destroy(child, 0).expect("it lives");
    exo::env_reap(child).expect("it is dead");
    0
}

fn pin(_: u64) -> u64 {
    exo::page_alloc(FREE, 1, Rights::READ_WRITE, None).expect("a page");
    let rest = exo::env_create(left() as usize, native::NONE).expect("what is left");
    assert_eq!(exo::upcall_set(EnvId::SELF, 0, FREE, &UpcallEntries::default()), Err(Error::Quota));
    exo::env_quota(rest, 2).expect("less");
    let before = left();
    for _ in 0..3 {
        exo::upcall_set(EnvId::SELF, 0, FREE, &UpcallEntries::default()).expect("a good page");
        assert_eq!(left(), before - 1, "one pin, one charge");
    }
    exo::env_destroy(rest, 0).expect("it lives");
    exo::env_reap(rest).expect("it is dead");
    0
}

/// Environments until the table is full, and all of them away again.
fn environments() {
    let own = info::environment(exo::identify());
    let mut children = [EnvId(0); MAX_ENVS];
    let mut made = 0;
    let refused = loop {
        match exo::env_create(2, native::NONE) {
            Ok(child) => children[made] = child,
            Err(error) => break error,
        }
        made += 1;
    };
    assert_eq!(refused, Error::Full);
    assert!(made > MAX_ENVS - 16);
    assert_eq!(info::environment(exo::identify()).used, own.used + 2 * made as u64);
    for &child in &children[..made] {
        exo::env_destroy(child, 0).expect("it lives");
        exo::env_reap(child).expect("it is dead");
    }
    assert_eq!(info::environment(exo::identify()).used, own.used);
}

/// The first environment takes all that there is. A child's quota is as good as taken: it can be given to nobody else.
fn machine() {
    let child = Child::new(native::child::QUOTA, native::NONE);
    let all = |_| {
        assert_eq!(exo::page_alloc(FREE, 4096, Rights::READ_WRITE, None), Err(Error::Quota));
        assert_eq!(left(), 0, "what was promised was there");
        0
    };
    let context = child.context(all, 0);
    let before = left();
    assert_eq!(exo::page_alloc(FREE, 1 << 22, Rights::READ_WRITE, None), Err(Error::Quota));
    assert_eq!(left(), 0);
    assert!(info::free_frames() > 0, "what others may still ask for is left");
    child.give_slice(context);
    child.expect("a child whose parent took the rest", End::Exited(0));
    unmap(FREE, 1 << 22);
    assert_eq!(left(), before + native::child::QUOTA as u64);
}
