//! The reasons of conditions.

use std::fmt;

macro_rules! reasons {
    ($($name:ident,)+) => {
        /// The reasons of conditions: those of the API, and gatefold's own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "the names are the API's own")]
        pub enum Reason {
            $($name,)+
            /// A policy that gatefold can't enforce protects the object. This reason is gatefold's own.
            UnenforcedPolicy,
        }

        impl Reason {
            /// The reason as a status spells it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Reason::$name => stringify!($name),)+
                    Reason::UnenforcedPolicy => "UnenforcedPolicy",
                }
            }
        }
    };
}

reasons! {
    Accepted,
    AddressNotAssigned,
    AddressNotUsable,
    BackendNotFound,
    ConfigurationChanged,
    Conflicted,
    DeprecatedField,
    HostnameConflict,
    Invalid,
    InvalidCACertificateKind,
    InvalidCACertificateRef,
    InvalidCertificateRef,
    InvalidClientCertificateRef,
    InvalidKind,
    InvalidParameters,
    InvalidRouteKinds,
    ListenersNotResolved,
    ListenersNotValid,
    Merged,
    NoConflicts,
    NoMatchingListenerHostname,
    NoMatchingParent,
    NoValidCACertificate,
    NotAllowed,
    NotAllowedByListeners,
    OverlappingHostnames,
    Overridden,
    ParentNotAccepted,
    ParentNotProgrammed,
    Pending,
    PortUnavailable,
    Programmed,
    ProtocolConflict,
    RefNotPermitted,
    ResolvedRefs,
    SupportedVersion,
    TargetNotFound,
    UnsupportedAddress,
    UnsupportedField,
    UnsupportedProtocol,
    UnsupportedValue,
    Warnings,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
