//! Upgrades: processes that replace each other.

use super::Daemon;
use crate::support::eventually;
use std::process::{Child, ExitStatus};

impl Daemon {
    /// Starts a successor that receives the sockets, and waits until it serves. The former process may still finish its
    /// requests.
    #[track_caller]
    pub fn upgrade(&self) {
        self.replace_by(self.start_successor());
        self.wait_until_ready();
    }

    /// Starts a successor.
    pub fn start_successor(&self) -> Child {
        self.spawn(&self.arguments)
    }

    /// Waits until one of two successors has ended. The other one becomes the current process.
    #[track_caller]
    pub fn wait_for_one_to_fail(&self, [mut one, mut other]: [Child; 2]) -> ExitStatus {
        let (failed, new) = eventually("one of two successors has ended", || {
            if let Some(status) = one.try_wait().expect("its state") {
                return Some((status, true));
            }
            let status = other.try_wait().expect("its state")?;
            Some((status, false))
        });
        let new = if new { other } else { one };
        self.replace_by(new);
        self.wait_until_ready();
        failed
    }

    fn replace_by(&self, new: Child) {
        let mut processes = self.processes();
        let old = std::mem::replace(&mut processes.current, new);
        processes.former.push(old);
    }

    /// Waits until the killed process has ended, and starts a new one.
    #[track_caller]
    pub fn restart(&self) {
        eventually("the daemon is dead", || self.state());
        self.processes().current = self.spawn(&self.arguments);
        self.wait_until_ready();
    }

    /// Starts a successor with another value of a flag, with which it must fail, and waits until it has ended.
    #[track_caller]
    pub fn fail_to_upgrade(&self, [flag, value]: [&str; 2]) -> ExitStatus {
        let mut arguments = self.arguments.clone();
        match arguments.iter().position(|argument| argument == flag) {
            Some(at) => arguments[at + 1] = value.into(),
            None => arguments.extend([flag.into(), value.into()]),
        }
        let mut new = self.spawn(&arguments);
        eventually("the new process has ended", || {
            new.try_wait().expect("the new process's state")
        })
    }

    /// Waits until all former processes have ended successfully.
    #[track_caller]
    pub fn wait_for_former(&self) {
        eventually("former processes have ended", || {
            let mut processes = self.processes();
            processes.former.retain_mut(|former| {
                let ended = former.try_wait().expect("its state");
                assert!(
                    ended.is_none_or(|status| status.success()),
                    "a former process failed: {ended:?}"
                );
                ended.is_none()
            });
            processes.former.is_empty().then_some(())
        });
    }
}
