//! References from one object to another, and the ReferenceGrants that permit them.

pub(crate) mod reference_grant;
