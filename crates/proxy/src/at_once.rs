//! Hooks that wait for nothing.
//!
//! Pingora's hooks are `async` functions of a trait, made by `async_trait`: each call puts all that it was given into a
//! box, even when there is nothing to wait for, and a request calls eight of them. A hook that is written with
//! [`at_once!`] does its work when it is called and returns a future of its own making: [`done`] needs no
//! memory for `Ok`, and what seldom has to wait is boxed only then. Pingora awaits each hook where it calls it.

use std::future::{Future, poll_fn, ready};
use std::pin::Pin;
use std::task::Poll;

/// What such a hook returns.
pub(super) type Wait<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The result of a hook that has done its work.
pub(super) fn done<'a, E: Send + 'a>(result: Result<(), E>) -> Wait<'a, Result<(), E>> {
    match result {
        Ok(()) => known(|| Ok(())),
        Err(error) => Box::pin(ready(Err(error))),
    }
}

/// A result that was known before anything was done. Without a state a future is boxed without memory; even an empty
/// `async` block has one.
pub(super) fn known<'a, T>(result: impl Fn() -> T + Send + 'a) -> Wait<'a, T> {
    Box::pin(poll_fn(move |_| Poll::Ready(result())))
}

/// Writes a hook as `async_trait` does, but for the body, which gives the future. Every reference but `&self` needs a
/// lifetime of its own.
macro_rules! at_once {
    (fn $name:ident<$($life:lifetime),+>(
        &$this:ident, $($argument:ident: $kind:ty),+ $(,)?
    ) -> $output:ty $body:block) => {
        fn $name<'this, $($life,)+ 'wait>(
            &'this $this,
            $($argument: $kind),+
        ) -> $crate::at_once::Wait<'wait, $output>
        where
            'this: 'wait,
            $($life: 'wait,)+
        $body
    };
}

pub(super) use at_once;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_needs_no_memory() {
        let success = done::<u64>(Ok(()));
        assert_eq!(size_of_val(&*success), 0);
    }
}
