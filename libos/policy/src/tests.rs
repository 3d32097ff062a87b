//! The table is what it says, and settings are checked against it.

use abi::PAGE_SIZE;

use crate::caching::{Page, Recency};
use crate::paging::{Access, Contents, Fault};
use crate::placement::{Frames, Table};
use crate::setting::Setting;
use crate::tracing::{Call, Profile};
use crate::{Domain, Kind, Make, Set, Values, image, library};

#[test]
fn every_policy_has_a_name_of_its_own_and_parameters_that_it_can_be_made_of() {
    for (index, policy) in library::ALL.iter().enumerate() {
        let is_a_word = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        assert!(is_a_word(policy.name) && !policy.summary.is_empty());
        assert!(
            library::ALL[index + 1..].iter().all(|other| (other.kind(), other.name) != (policy.kind(), policy.name)),
            "{}",
            policy.name
        );
        for parameter in policy.parameters {
            assert!(is_a_word(parameter.name) && !parameter.summary.is_empty());
            let default = match parameter.domain {
                Domain::Number { default, .. } => default.to_string(),
                Domain::Text { default } => default.into(),
            };
            assert_eq!(parameter.domain.check(&default), Ok(()), "{} {}", policy.name, parameter.name);
        }
        let values = Values::defaults(policy);
        match policy.make {
            Make::Paging(make) => drop(make(&values)),
            Make::Placement(make) => drop(make(&values)),
            Make::Scheduling(make) => drop(make(&values)),
            Make::Caching(make) => drop(make(&values)),
            Make::Names(make) => drop(make(&values)),
            Make::Admission(make) => drop(make(&values)),
            Make::Tracing(make) => drop(make(&values)),
            Make::Recovery(make) => drop(make(&values)),
        }
    }
    assert!(Kind::ALL.iter().all(|kind| kind.policies().count() > 0));
}

#[test]
fn a_mistake_says_where_it_is_and_what_would_be_right() {
    let mistake = |text| {
        let mistake = Setting::parse(text).expect_err("a mistake");
        (text[mistake.place].to_owned(), mistake.what)
    };
    assert!(mistake("pagin=prefault").1.contains("scheduling"));
    assert!(mistake("paging").1.contains("KIND=NAME"));
    assert!(mistake("paging=eager,pages=3").1.contains("in-order, prefault"));
    let (place, what) = mistake("paging=prefault,pages=3,pags=3");
    assert!(place == "pags=3" && what.contains("it has: pages"), "{place} {what}");
    let (place, what) = mistake("paging=prefault,pages=0");
    assert!(place == "pages=0" && what.contains("from 1 to"), "{place} {what}");
    assert!(mistake("tracing=counts,pages=0").1.contains("none"));
    assert!(mistake("paging=prefault,pages").1.contains("PARAMETER=VALUE"));
}

#[test]
fn a_set_has_what_was_chosen_and_of_a_kind_the_last() {
    let set = Set::parse(["paging=prefault", "tracing=counts", "scheduling=by-priority"].into_iter()).expect("a set");
    assert!(set.paging.is_some() && set.tracing.is_some() && set.admission.is_none());
    assert!(set.scheduling.is_none(), "the default is what there is without one");
    let set = Set::parse(["paging=prefault,pages=8", "paging=in-order"].into_iter()).expect("a set");
    assert_eq!(set.paging.is_none(), image::OWN.is_empty());
    assert!(Set::parse(["paging=none"].into_iter()).is_err_and(|text| text.starts_with("paging=none: ")));
}

#[test]
fn a_paging_policy_has_the_frames_that_suit_it_where_none_are_chosen() {
    struct Empty;
    impl Table for Empty {
        fn free_run(&self, from: u64, step: u64, _: usize) -> Option<u64> {
            Some(from.next_multiple_of(step))
        }
    }
    const LARGE: usize = 512 * PAGE_SIZE;
    let frames = |settings: &[&str]| {
        let placement = Set::parse(settings.iter().copied()).expect("a set").placement;
        placement.map(|mut placement| [placement.frames(&(LARGE..2 * LARGE), &Empty), placement.frames(&(0..PAGE_SIZE), &Empty)])
    };
    assert_eq!(frames(&["paging=prefault,pages=512"]), Some([Frames::Large(0), Frames::Any]));
    assert_eq!(frames(&["paging=prefault,pages=512", "placement=contiguous"]).map(|[large, _]| large), Some(Frames::From(0)));
    assert_eq!(frames(&["placement=anywhere", "paging=prefault,pages=512"]), None, "it was named");
    assert_eq!((frames(&["paging=prefault,pages=64"]), frames(&["tracing=counts"])), (None, None));
}

#[test]
fn what_is_zeroed_ahead_comes_in_by_stretches() {
    let mut paging = Set::parse(["paging=zero-ahead,pages=8"].into_iter()).expect("a set").paging.expect("it was chosen");
    let mut fault = Fault { page: 0x1_3000, access: Access::Write, region: 0x1_0000..0x9_0000, contents: Contents::Zeros, in_order: false };
    assert_eq!(paging.bring(&fault), 0x1_0000..0x1_8000);
    fault.in_order = true;
    assert_eq!(paging.bring(&fault), 0x1_3000..0x2_3000, "as by default");
    (fault.in_order, fault.contents) = (false, Contents::Copy);
    assert_eq!(paging.bring(&fault), 0x1_3000..0x1_4000);
}

#[test]
fn prefault_brings_the_stretch_around_a_fault_and_of_a_copy_a_page() {
    let mut paging = Set::parse(["paging=prefault,pages=8"].into_iter()).expect("a set").paging.expect("it was chosen");
    let mut fault = Fault { page: 0x1_3000, access: Access::Write, region: 0x1_0000..0x9_0000, contents: Contents::Zeros, in_order: false };
    assert_eq!(paging.bring(&fault), 0x1_0000..0x1_0000 + 8 * PAGE_SIZE);
    fault.contents = Contents::Copy;
    assert_eq!(paging.bring(&fault), 0x1_3000..0x1_4000);
}

#[test]
fn counts_are_one_line_and_a_child_begins_anew() {
    let mut counts = Set::parse(["tracing=counts"].into_iter()).expect("a set").tracing.expect("it was chosen");
    let call = |name| Call { name, number: 0, arguments: [0; 6] };
    for name in ["read", "brk", "read", ""] {
        counts.called(&call(name));
        counts.answered(&call(name), if name == "brk" { Err(12) } else { Ok(0) });
    }
    let profile = Profile { faults: 3, pages: 48, misses: 2, switches: 1, most_resident: 50 };
    let line = counts.ended(&profile).expect("a line");
    assert_eq!(line, "faults=3 pages=48 resident=50 misses=2 switches=1 calls=4 errors=1 brk=1 read=2 unknown=1");
    counts.forked();
    assert!(counts.ended(&profile).expect("a line").ends_with("calls=0 errors=0"));
}

/// How many pages of a scan of `file` pages are not there in its fifth pass, where a policy keeps so many.
fn misses(setting: &str, file: u64) -> usize {
    let mut caching = Set::parse([setting].into_iter()).expect("a set").caching.expect("it was chosen");
    let mut places: Vec<Option<u64>> = vec![None; caching.pages()];
    let mut count = 0;
    for pass in 0..5 {
        count = 0;
        for index in 0..file {
            let place = places.iter().position(|&there| there == Some(index)).unwrap_or_else(|| {
                count += 1;
                let place = places.iter().position(Option::is_none).unwrap_or_else(|| caching.victim().expect("they are all full"));
                if places[place].is_some() {
                    caching.emptied(place);
                }
                places[place] = Some(index);
                caching.filled(place, Page { inode: 1, index });
                place
            });
            caching.used(place);
        }
        assert!(pass > 0 || count == file as usize);
    }
    count
}

#[test]
fn of_a_scan_of_more_than_is_kept_the_least_recently_used_never_has_a_page_and_the_most_recently_used_most() {
    assert_eq!(misses("caching=lru,pages=32", 40), 40);
    assert_eq!(misses("caching=mru,pages=32", 40), 8);
    assert_eq!(misses("caching=lru,pages=40", 40), 0);
}

#[test]
fn an_order_of_use_has_a_place_once_and_forgets_it() {
    let mut order = Recency::default();
    assert_eq!((order.oldest(), order.newest()), (None, None));
    [3, 0, 5, 3].into_iter().for_each(|place| order.touch(place));
    assert_eq!((order.oldest(), order.newest()), (Some(0), Some(3)));
    order.remove(0);
    order.remove(0);
    order.remove(9);
    assert_eq!((order.oldest(), order.newest()), (Some(5), Some(3)));
    order.remove(3);
    order.remove(5);
    assert_eq!(order.oldest(), None);
}

#[test]
fn a_hash_table_has_every_name_that_it_was_told_and_no_other() {
    let mut names = Set::parse(["names=hash-table,directory=/data/"].into_iter()).expect("a set").names.expect("it was chosen");
    assert_eq!(names.directory(), "/data");
    assert_eq!(names.find(b"0"), None);
    let name = |number: usize| format!("file-{number:05}.txt");
    (0..5000).for_each(|number| names.add(name(number).as_bytes(), number));
    names.add(name(7).as_bytes(), 5000);
    for number in (0..5000).filter(|&number| number != 7) {
        assert_eq!(names.find(name(number).as_bytes()), Some(number));
    }
    assert_eq!((names.find(name(7).as_bytes()), names.find(name(5001).as_bytes())), (Some(5000), None));
    names.clear();
    assert_eq!(names.find(name(0).as_bytes()), None);
}

/// Frames of which some are in use.
struct Some64(u64);

impl Table for Some64 {
    fn free_run(&self, from: u64, step: u64, frames: usize) -> Option<u64> {
        let is_free = |frame: u64| frame < 4096 && (frame >= 64 || self.0 & 1 << frame == 0);
        (from..4096).step_by(step as usize).find(|&first| (first..first + frames as u64).all(is_free))
    }
}

fn placed(setting: &str, runs: &[(usize, usize)], used: u64) -> Vec<Frames> {
    let mut policy = Set::parse([setting].into_iter()).expect("a policy").placement.expect("it is one");
    let pages = |&(first, count): &(usize, usize)| first * PAGE_SIZE..(first + count) * PAGE_SIZE;
    runs.iter().map(|run| policy.frames(&pages(run), &Some64(used))).collect()
}

#[test]
fn frames_follow_their_pages_in_a_row_whatever_the_order() {
    use Frames::{Any, From};
    assert_eq!(
        placed("placement=contiguous,pages=8", &[(9, 1), (12, 2), (8, 1), (16, 8), (15, 1)], 0b101),
        [3, 6, 2, 10, 9].map(|at| From(at + 1))
    );
    assert_eq!(placed("placement=contiguous,pages=65536", &[(0, 1)], 0), [Any]);
}

#[test]
fn a_page_and_its_frame_have_one_colour() {
    use Frames::{Apart, From};
    let all = placed("placement=coloured,colours=4", &[(5, 1), (6, 2), (6, 1), (7, 2), (4, 4)], 0b10);
    assert_eq!(all, [From(5), From(6), From(6), Apart, From(4)]);
    let part = placed("placement=coloured,colours=8,kept=2", &[(0, 1), (1, 1), (2, 1), (3, 1), (6, 2), (6, 3)], 0);
    assert!(part[..5].iter().all(|frames| matches!(frames, From(frame) if frame % 8 < 2)), "{part:?}");
    assert_eq!(part[5], Apart);
}

#[test]
fn a_large_page_is_whole_and_at_its_place() {
    use Frames::{Any, Large};
    assert_eq!(
        placed("placement=large", &[(512, 512), (1024, 512), (512, 511), (513, 512), (0, 1)], 1),
        [Large(512), Large(1024), Any, Any, Any]
    );
}
