//! Hooks that usually complete without waiting.
//!
//! Pingora's hooks are `async` functions of a trait, made by `async_trait`: every call boxes its arguments, even if there is
//! nothing to wait for, and a request calls eight of them. A hook written with [`ready_hook!`] does its work when it is called
//! and returns a future: [`done`] and [`known`] don't allocate, and a hook that has to wait boxes a future only then.
//! Pingora awaits each hook where it calls it.

use std::future::{Future, poll_fn, ready};
use std::pin::Pin;
use std::task::Poll;

/// The future that a hook returns.
pub(crate) type Wait<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Returns the result of a hook that is complete.
pub(crate) fn done<'a, E: Send + 'a>(result: Result<(), E>) -> Wait<'a, Result<(), E>> {
    match result {
        Ok(()) => known(|| Ok(())),
        Err(error) => Box::pin(ready(Err(error))),
    }
}

/// Returns a result that was known before anything was done. Boxing a future without state doesn't allocate; even an empty
/// `async` block has state.
pub(crate) fn known<'a, T>(result: impl Fn() -> T + Send + 'a) -> Wait<'a, T> {
    Box::pin(poll_fn(move |_| Poll::Ready(result())))
}

/// Defines a hook like `async_trait` does, except that the body returns the future. Every reference but `&self` needs its own
/// lifetime.
macro_rules! ready_hook {
    (fn $name:ident<$($life:lifetime),+>(
        &$this:ident, $($argument:ident: $kind:ty),+ $(,)?
    ) -> $output:ty $body:block) => {
        fn $name<'this, $($life,)+ 'wait>(
            &'this $this,
            $($argument: $kind),+
        ) -> $crate::ready_hook::Wait<'wait, $output>
        where
            'this: 'wait,
            $($life: 'wait,)+
        $body
    };
}

pub(crate) use ready_hook;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_does_not_allocate() {
        let success = done::<u64>(Ok(()));
        assert_eq!(size_of_val(&*success), 0);
    }
}
