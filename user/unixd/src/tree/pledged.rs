//! Requests that name what they are about by a handle, against what the process is held to. Those with a path or a name in them are checked
//! where that is looked up.

use libos::errno::Result;
use libos::file::Access;
use libos::vfs::permission::Wanted;
use unix::{OpenPurpose, Operation, Request};

use super::Asked;
use crate::handles::Held;

/// Check a request. What is open may be used as it was opened, but neither opened again nor changed by what it is called.
///
/// # Errors
/// `EACCES`: the process is not to do that with what the handle means. `EBADF`: that is nothing.
pub(super) fn check(request: &Request, asked: &Asked) -> Result<()> {
    if asked.sandbox.is_open() {
        return Ok(());
    }
    let handle = request.words[0] as u32;
    let is_open = || matches!(asked.handles.get(handle), Ok(Held::Open(_)));
    let wanted = match request.operation {
        Operation::Attributes | Operation::Statistics | Operation::List if is_open() => return Ok(()),
        Operation::Resize if is_open() && request.small != unix::BY_PLACE => return Ok(()),
        Operation::OpenEntry if request.small == OpenPurpose::Map as u16 && is_open() => return Ok(()),
        Operation::OpenEntry if [OpenPurpose::Execute as u16, OpenPurpose::Interpret as u16].contains(&request.small) => {
            Wanted::EXECUTE | opened_for(request)
        }
        Operation::OpenEntry => opened_for(request),
        Operation::List | Operation::Watch => Wanted::READ,
        Operation::Change | Operation::Resize => Wanted::WRITE,
        Operation::Attributes | Operation::Statistics | Operation::Target | Operation::Permits => Wanted::empty(),
        _ => return Ok(()),
    };
    asked.sandbox.may_use(&asked.handles.entry(handle)?, b"", wanted)
}

fn opened_for(request: &Request) -> Wanted {
    Access::from_bits_truncate(request.words[1] as u32).into()
}
