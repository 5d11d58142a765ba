//! The words in which `api` defines types: `object!` for structs, `choice!` for enumerations.

/// Defines a struct and how it is read: one line a field, with the field's name in YAML.
///
/// `"port" => port: PortNumber,` must be there unless its type says what absence means;
/// `"weight" => weight: i32 = 1,` has a default; `[0..=16]` after a list's type bounds its length.
/// `closed` refuses unknown fields, `open` passes over them (kinds of which we read a part).
macro_rules! object {
    (
        $(#[$meta:meta])*
        pub $mode:ident $name:ident {
            $($(#[$field_meta:meta])* $yaml:literal => $field:ident: $type:ty $([$($bound:tt)+])? $(= $default:expr)?,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }

        impl $crate::manifest::Decode for $name {
            fn decode(node: &$crate::manifest::Node, decoder: &mut $crate::manifest::Decoder) -> Option<Self> {
                #[allow(unused_mut)]
                let mut fields = decoder.$mode(node)?;
                $(let $field: Option<$type> = $crate::manifest::api::read_field!(fields, decoder, $yaml, $type $(, default $default)?);)*
                $($(if let Some(list) = &$field {
                    $crate::manifest::api::check_length(node, $yaml, list.len(), $($bound)+, decoder);
                })?)*
                fields.end(decoder);
                Some($name { $($field: $field?,)* })
            }
        }
    };
}

macro_rules! read_field {
    ($fields:ident, $decoder:ident, $yaml:literal, $type:ty) => {
        $fields.read::<$type>($yaml, $decoder)
    };
    ($fields:ident, $decoder:ident, $yaml:literal, $type:ty, default $default:expr) => {
        $fields.read_or::<$type>($yaml, || Some($default), $decoder)
    };
}

/// Defines an enumeration of strings.
macro_rules! choice {
    ($(#[$meta:meta])* pub $name:ident { $($(#[$variant_meta:meta])* $variant:ident $(= $text:literal)?,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }

        impl $name {
            /// The value as it stands in a manifest.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $crate::manifest::api::choice_text!($variant $(, $text)?),)+ }
            }
        }

        impl $crate::manifest::Decode for $name {
            fn decode(node: &$crate::manifest::Node, decoder: &mut $crate::manifest::Decoder) -> Option<Self> {
                let all = [$($name::$variant,)+];
                $crate::manifest::api::read_choice(node, &all, $name::as_str, decoder)
            }
        }
    };
}

macro_rules! choice_text {
    ($variant:ident) => {
        stringify!($variant)
    };
    ($variant:ident, $text:literal) => {
        $text
    };
}

pub(crate) use {choice, choice_text, object, read_field};
