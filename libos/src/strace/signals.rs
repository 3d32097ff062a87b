//! What strace(1) tells of a signal that arrives.

use alloc::format;
use alloc::string::String;

use linux_raw_sys::general as linux;

use crate::signal::{self, Information, SIGCHLD};

/// `SI_QUEUE`, `SI_MESGQ`, `SI_ASYNCIO`, `SI_SIGIO`.
const SENT: [(i32, &str); 8] = [
    (Information::USER, "SI_USER"),
    (-1, "SI_QUEUE"),
    (Information::TIMER, "SI_TIMER"),
    (-3, "SI_MESGQ"),
    (-4, "SI_ASYNCIO"),
    (-5, "SI_SIGIO"),
    (Information::TKILL, "SI_TKILL"),
    (Information::KERNEL, "SI_KERNEL"),
];
const CHILDREN: [&str; 6] = ["CLD_EXITED", "CLD_KILLED", "CLD_DUMPED", "CLD_TRAPPED", "CLD_STOPPED", "CLD_CONTINUED"];

/// The name of a code, from 1 on, of a signal that a fault raises.
fn fault_code(signal: u32, code: i32) -> Option<&'static str> {
    let names: &[&str] = match signal {
        linux::SIGSEGV => &["SEGV_MAPERR", "SEGV_ACCERR"],
        linux::SIGBUS => &["BUS_ADRALN", "BUS_ADRERR", "BUS_OBJERR"],
        linux::SIGILL => &["ILL_ILLOPC", "ILL_ILLOPN", "ILL_ILLADR", "ILL_ILLTRP", "ILL_PRVOPC", "ILL_PRVREG"],
        linux::SIGFPE => &["FPE_INTDIV", "FPE_INTOVF", "FPE_FLTDIV", "FPE_FLTOVF", "FPE_FLTUND", "FPE_FLTRES", "FPE_FLTINV"],
        linux::SIGTRAP => &["TRAP_BRKPT", "TRAP_TRACE"],
        _ => &[],
    };
    names.get(usize::try_from(code).ok()?.checked_sub(1)?).copied()
}

/// `SIGCHLD {si_signo=SIGCHLD, …}`
pub fn text(information: &Information) -> String {
    let signal = information.signal as u32;
    let name = match signal::name(signal) {
        "" => format!("SIGRT_{}", signal.saturating_sub(32)),
        name => name.into(),
    };
    let code = information.code;
    let [first, second, third, fourth] = information.payload;
    let (id, user) = (first as u32, (first >> 32) as u32);
    let (code_name, rest) = match (SENT.iter().find(|(known, _)| *known == code), fault_code(signal, code)) {
        (Some((Information::KERNEL, name)), _) => ((*name).into(), String::new()),
        (Some((Information::TIMER, name)), _) => (
            (*name).into(),
            format!(", si_timerid={:#x}, si_overrun={user}, si_value={{sival_int={}, sival_ptr={second:#x}}}", id, second as i32),
        ),
        (Some((-1, name)), _) => {
            ((*name).into(), format!(", si_pid={id}, si_uid={user}, si_value={{sival_int={}, sival_ptr={second:#x}}}", second as i32))
        }
        (Some((_, name)), _) => ((*name).into(), format!(", si_pid={id}, si_uid={user}")),
        (None, Some(name)) if first == 0 => (String::from(name), ", si_addr=NULL".into()),
        (None, Some(name)) => (String::from(name), format!(", si_addr={first:#x}")),
        (None, None) if signal == SIGCHLD && (1..=6).contains(&code) => {
            let status = second as u32;
            let shown = if code == 1 { format!("{status}") } else { signal::name(status).into() };
            let times = format!("si_utime={}, si_stime={}", third, fourth);
            (CHILDREN[code as usize - 1].into(), format!(", si_pid={id}, si_uid={user}, si_status={shown}, {times}"))
        }
        (None, None) => (format!("{code}"), String::new()),
    };
    format!("{name} {{si_signo={name}, si_code={code_name}{rest}}}")
}
