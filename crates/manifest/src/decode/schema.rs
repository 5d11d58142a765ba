//! The macros that define the API types: `object!` for structs, `choice!` for enumerations of strings.

/// Defines a struct and its decoder. Each field has one line, which begins with its name in YAML.
///
/// `"port" => port: PortNumber,` is required, unless its type defines a value for an absent field.
/// `"weight" => weight: i32 = 1,` has a default. `[0..=16]` after the type bounds the length of a list or a text.
/// `where rule` before it applies a rule to the text, or to each text of a list or a mapping.
/// `closed` reports unknown fields; `open` ignores them, for kinds of which only a part is decoded.
/// `checked by function` names the function that checks rules for several fields. `<T: Trait>` after the name makes the
/// struct generic.
macro_rules! object {
    (
        $(#[$meta:meta])*
        pub $mode:ident $name:ident $(<$parameter:ident: $trait:path>)? $(checked by $check:path)? {
            $($(#[$field_meta:meta])* $yaml:literal => $field:ident: $type:ty $(where $rule:path)? $([$($bound:tt)+])? $(= $default:expr)?,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name $(<$parameter>)? { $($(#[$field_meta])* pub $field: $type,)* }

        impl $(<$parameter: $trait>)? $crate::Decode for $name $(<$parameter>)? {
            fn decode(node: &gatefold_diagnostic::yaml::Node, decoder: &mut $crate::Decoder) -> Option<Self> {
                let fields = &mut decoder.$mode(node)?;
                $(let $field: Option<$type> = $crate::decode::schema::read_field!(fields, decoder, $yaml, $type $(, default $default)?);)*
                $($(if let Some(value) = &$field {
                    $crate::api::check_length(node, $yaml, value, $($bound)+, decoder);
                })?)*
                $($($crate::api::check_texts(node, $yaml, $rule, decoder);)?)*
                fields.end(decoder);
                let object = $name { $($field: $field?,)* };
                $($check(&object, node, decoder);)?
                Some(object)
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
            /// The value as written in manifests.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $crate::decode::schema::choice_text!($variant $(, $text)?),)+ }
            }
        }

        impl $crate::Decode for $name {
            fn decode(node: &gatefold_diagnostic::yaml::Node, decoder: &mut $crate::Decoder) -> Option<Self> {
                let all = [$($name::$variant,)+];
                $crate::api::read_choice(node, &all, $name::as_str, decoder)
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
