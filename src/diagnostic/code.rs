use super::Severity;
use std::fmt;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $severity:ident;)+) => {
        /// What kind of finding it is. A code never changes its meaning and is never used again for
        /// another; `gatefold explain CODE` prints its explanation.
        ///
        /// GF01xx: files and YAML. GF02xx: fields and their types. GF03xx: objects. GF04xx: GatewayClasses,
        /// Gateways and listeners. GF05xx: routes and references. GF06xx: certificates. GF07xx: run time.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            /// Every code, in order.
            pub const ALL: &[Code] = &[$(Code::$name,)+];

            /// The code as it is shown: `GF0101`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)+ }
            }

            /// How bad a finding of this kind is, unless said otherwise.
            pub fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)+ }
            }

            /// What it means and what to do.
            pub fn explanation(self) -> &'static str {
                match self { $(Code::$name => concat!($($doc, "\n"),+),)+ }
            }
        }
    };
}

codes! {
    /// The file can't be read: it is gone, or permission is missing. What was loaded from it before
    /// stays in force.
    UnreadableFile = "GF0101", Error;
    /// The file isn't UTF-8 text. Kubernetes manifests are UTF-8.
    NotUtf8 = "GF0102", Error;
    /// The file, a document, or what its aliases expand to is larger than the limit.
    TooLarge = "GF0103", Error;
    /// The YAML can't be parsed. The file's last good objects stay in force until it can.
    Syntax = "GF0104", Error;
    /// A key stands twice in one mapping. Which value was meant can't be known.
    DuplicateKey = "GF0105", Error;
    /// Nested deeper than any manifest needs to be.
    TooDeep = "GF0106", Error;
    /// An alias names an anchor that isn't there.
    UndefinedAlias = "GF0107", Error;
    /// A bare `y`, `on`, `no` or the like as a key: Kubernetes reads YAML 1.1, where these are booleans.
    BooleanKey = "GF0108", Warning;
    /// The document has more problems than are shown; those that are shown come first.
    TooMany = "GF0109", Info;
    /// A field that the kind doesn't have. `kubectl apply` refuses such an object, and so do we.
    UnknownField = "GF0201", Error;
    /// A value of the wrong type: a string where a number is due.
    WrongType = "GF0202", Error;
    /// A required field isn't there.
    MissingField = "GF0203", Error;
    /// A value outside what the field allows.
    InvalidValue = "GF0204", Error;
    /// The document isn't a Kubernetes object: `apiVersion`, `kind` or `metadata.name` is missing.
    NotAnObject = "GF0301", Error;
    /// Two documents define the same object; the first one in file order counts.
    DuplicateObject = "GF0302", Error;
    /// A kind that gatefold doesn't use. Deployments, ServiceAccounts and the like may lie beside.
    IgnoredKind = "GF0303", Info;
    /// A version of a known kind that isn't read.
    UnknownVersion = "GF0304", Error;
    /// A socket that a listener needs can't be bound. Everything else is served; it is tried again, at
    /// growing intervals.
    BindFailed = "GF0701", Error;
    /// A stage of the reload failed in a way that is a defect of gatefold. What was in force stays.
    ReloadFailed = "GF0702", Error;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
