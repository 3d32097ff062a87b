//! What the Linux programs share: calls whose answers are printed by name.
//!
//! Each program prints the same on every correct Linux: no addresses, no times, no identifiers. That its output is the same on Chitin is
//! the test.

#[macro_use]
pub mod calls;
pub mod family;
pub mod ground;

use std::fmt::Debug;

pub mod descriptors;

/// The names of the errors that the programs meet.
const ERRORS: &[(i32, &str)] = &[
    (libc::E2BIG, "E2BIG"),
    (libc::EACCES, "EACCES"),
    (libc::EADDRINUSE, "EADDRINUSE"),
    (libc::EADDRNOTAVAIL, "EADDRNOTAVAIL"),
    (libc::EAFNOSUPPORT, "EAFNOSUPPORT"),
    (libc::EAGAIN, "EAGAIN"),
    (libc::EALREADY, "EALREADY"),
    (libc::EBADF, "EBADF"),
    (libc::EBUSY, "EBUSY"),
    (libc::ECANCELED, "ECANCELED"),
    (libc::ECHILD, "ECHILD"),
    (libc::ECONNREFUSED, "ECONNREFUSED"),
    (libc::ECONNRESET, "ECONNRESET"),
    (libc::EDEADLK, "EDEADLK"),
    (libc::EDESTADDRREQ, "EDESTADDRREQ"),
    (libc::EEXIST, "EEXIST"),
    (libc::EFAULT, "EFAULT"),
    (libc::EFBIG, "EFBIG"),
    (libc::EINPROGRESS, "EINPROGRESS"),
    (libc::EINTR, "EINTR"),
    (libc::EINVAL, "EINVAL"),
    (libc::EISCONN, "EISCONN"),
    (libc::EISDIR, "EISDIR"),
    (libc::ELIBBAD, "ELIBBAD"),
    (libc::EIO, "EIO"),
    (libc::ELOOP, "ELOOP"),
    (libc::EMFILE, "EMFILE"),
    (libc::EMSGSIZE, "EMSGSIZE"),
    (libc::ENAMETOOLONG, "ENAMETOOLONG"),
    (libc::ENETUNREACH, "ENETUNREACH"),
    (libc::ENFILE, "ENFILE"),
    (libc::ENOBUFS, "ENOBUFS"),
    (libc::ENODEV, "ENODEV"),
    (libc::ENOENT, "ENOENT"),
    (libc::ENOEXEC, "ENOEXEC"),
    (libc::ENOLCK, "ENOLCK"),
    (libc::ENOMEM, "ENOMEM"),
    (libc::ENOPROTOOPT, "ENOPROTOOPT"),
    (libc::ENOSPC, "ENOSPC"),
    (libc::ENOSYS, "ENOSYS"),
    (libc::ENOTBLK, "ENOTBLK"),
    (libc::ENOTCONN, "ENOTCONN"),
    (libc::ENOTDIR, "ENOTDIR"),
    (libc::ENOTEMPTY, "ENOTEMPTY"),
    (libc::ENOTSOCK, "ENOTSOCK"),
    (libc::ENOTTY, "ENOTTY"),
    (libc::ENXIO, "ENXIO"),
    (libc::EOPNOTSUPP, "EOPNOTSUPP"),
    (libc::EOVERFLOW, "EOVERFLOW"),
    (libc::EIDRM, "EIDRM"),
    (libc::ENOMSG, "ENOMSG"),
    (libc::EPERM, "EPERM"),
    (libc::EPIPE, "EPIPE"),
    (libc::EPROTONOSUPPORT, "EPROTONOSUPPORT"),
    (libc::EPROTOTYPE, "EPROTOTYPE"),
    (libc::ERANGE, "ERANGE"),
    (libc::EROFS, "EROFS"),
    (libc::ESHUTDOWN, "ESHUTDOWN"),
    (libc::ESOCKTNOSUPPORT, "ESOCKTNOSUPPORT"),
    (libc::ESPIPE, "ESPIPE"),
    (libc::ESRCH, "ESRCH"),
    (libc::ETIMEDOUT, "ETIMEDOUT"),
    (libc::ETXTBSY, "ETXTBSY"),
    (libc::EXDEV, "EXDEV"),
];

/// An error's name.
#[must_use]
pub fn error_name(number: i32) -> String {
    ERRORS.iter().find(|(error, _)| *error == number).map_or_else(|| format!("error {number}"), |(_, name)| (*name).into())
}

/// What a call of the C library gave: its value, or its error's name.
#[must_use]
pub fn called(value: i32) -> String {
    if value == -1 { error_name(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)) } else { value.to_string() }
}

/// A Linux call by number: its value, or its error's name.
///
/// # Safety
/// The call does nothing to memory that Rust uses, or only what its arguments own.
pub unsafe fn call(number: libc::c_long, arguments: &[usize]) -> Result<i64, String> {
    let mut six = [0; 6];
    six[..arguments.len()].copy_from_slice(arguments);
    // SAFETY: the caller answers for the arguments; superfluous ones are not looked at.
    let value = unsafe { libc::syscall(number, six[0], six[1], six[2], six[3], six[4], six[5]) };
    if value == -1 { Err(error_name(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))) } else { Ok(value as i64) }
}

/// Print what an operation of the standard library gave: the value, or the error's name.
pub fn report<T: Debug>(label: &str, outcome: std::io::Result<T>) {
    match outcome {
        Ok(value) => println!("{label}: {value:?}"),
        Err(error) => println!("{label}: {}", error.raw_os_error().map_or_else(|| error.kind().to_string(), error_name)),
    }
}
