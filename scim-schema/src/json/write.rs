//! Values to JSON text.

use std::fmt::{Display, Write as _};

use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{is_plain, plain_length};

/// How much room a text begins with, in bytes. That of a resource is moved once or twice.
const ROOM: usize = 1024;

/// Writes JSON text without spaces, the same as `serde_json::to_string` does, in less time.
///
/// # Errors
/// When the value says so, or has a map whose names are not strings. A [`Value`](crate::Value) has not.
///
/// ```
/// let user: scim_schema::Value = scim_schema::parse_json(br#"{ "userName": "b\n\"j" }"#, Default::default())?;
/// assert_eq!(scim_schema::write_json(&user)?, r#"{"userName":"b\n\"j"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_json<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    let mut text = String::with_capacity(ROOM);
    append_json(&mut text, value)?;
    Ok(text)
}

/// As [`write_json`], behind another text.
pub(crate) fn append_json<T: Serialize + ?Sized>(
    text: &mut String,
    value: &T,
) -> Result<(), serde_json::Error> {
    value.serialize(Writer { text })
}

#[inline]
fn push_string(text: &mut String, string: &str) {
    text.push('"');
    if is_plain(string) {
        text.push_str(string);
    } else {
        push_escaped(text, string);
    }
    text.push('"');
}

#[cold]
fn push_escaped(text: &mut String, string: &str) {
    let mut rest = string;
    while let Some((plain, behind)) = rest.split_at_checked(plain_length(rest, 0)) {
        text.push_str(plain);
        let mut chars = behind.chars();
        match chars.next() {
            Some('"') => text.push_str("\\\""),
            Some('\\') => text.push_str("\\\\"),
            Some('\u{8}') => text.push_str("\\b"),
            Some('\u{c}') => text.push_str("\\f"),
            Some('\n') => text.push_str("\\n"),
            Some('\r') => text.push_str("\\r"),
            Some('\t') => text.push_str("\\t"),
            Some(control) => push_plain(text, format_args!("\\u{:04x}", u32::from(control))),
            None => return,
        }
        rest = chars.as_str();
    }
}

/// What needs neither quotation marks nor escapes.
fn push_plain(text: &mut String, what: impl Display) {
    // A String takes whatever it is given.
    let _ = write!(text, "{what}");
}

/// The text that has been written so far.
struct Writer<'t> {
    text: &'t mut String,
}

impl<'t> Writer<'t> {
    #[inline]
    fn open(self, bracket: char, close: &'static str) -> Members<'t> {
        self.text.push(bracket);
        Members { text: self.text, is_first: true, close }
    }

    /// As an object whose only member has the variant's name. The content follows.
    fn variant(&mut self, variant: &str) {
        self.text.push('{');
        push_string(self.text, variant);
        self.text.push(':');
    }
}

/// An array or object that is open.
struct Members<'t> {
    text: &'t mut String,
    is_first: bool,
    close: &'static str,
}

impl Members<'_> {
    #[inline]
    fn separate(&mut self) {
        if !std::mem::take(&mut self.is_first) {
            self.text.push(',');
        }
    }

    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), serde_json::Error> {
        self.separate();
        value.serialize(Writer { text: self.text })
    }

    #[inline]
    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), serde_json::Error> {
        self.separate();
        push_string(self.text, name);
        self.text.push(':');
        value.serialize(Writer { text: self.text })
    }

    #[inline]
    fn close(self) {
        self.text.push_str(self.close);
    }
}

impl<'t> Serializer for Writer<'t> {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = Members<'t>;
    type SerializeTuple = Members<'t>;
    type SerializeTupleStruct = Members<'t>;
    type SerializeTupleVariant = Members<'t>;
    type SerializeMap = Members<'t>;
    type SerializeStruct = Members<'t>;
    type SerializeStructVariant = Members<'t>;

    #[inline]
    fn serialize_bool(self, v: bool) -> Result<(), Self::Error> {
        self.text.push_str(if v { "true" } else { "false" });
        Ok(())
    }

    fn serialize_i8(self, v: i8) -> Result<(), Self::Error> {
        self.serialize_i64(v.into())
    }

    fn serialize_i16(self, v: i16) -> Result<(), Self::Error> {
        self.serialize_i64(v.into())
    }

    fn serialize_i32(self, v: i32) -> Result<(), Self::Error> {
        self.serialize_i64(v.into())
    }

    fn serialize_i64(self, v: i64) -> Result<(), Self::Error> {
        push_plain(self.text, v);
        Ok(())
    }

    fn serialize_i128(self, v: i128) -> Result<(), Self::Error> {
        push_plain(self.text, v);
        Ok(())
    }

    fn serialize_u8(self, v: u8) -> Result<(), Self::Error> {
        self.serialize_u64(v.into())
    }

    fn serialize_u16(self, v: u16) -> Result<(), Self::Error> {
        self.serialize_u64(v.into())
    }

    fn serialize_u32(self, v: u32) -> Result<(), Self::Error> {
        self.serialize_u64(v.into())
    }

    fn serialize_u64(self, v: u64) -> Result<(), Self::Error> {
        push_plain(self.text, v);
        Ok(())
    }

    fn serialize_u128(self, v: u128) -> Result<(), Self::Error> {
        push_plain(self.text, v);
        Ok(())
    }

    fn serialize_f32(self, v: f32) -> Result<(), Self::Error> {
        // Its shortest form is not that of the same number with more digits.
        self.text.push_str(&serde_json::to_string(&v)?);
        Ok(())
    }

    fn serialize_f64(self, v: f64) -> Result<(), Self::Error> {
        self.text.push_str(&serde_json::to_string(&v)?);
        Ok(())
    }

    fn serialize_char(self, v: char) -> Result<(), Self::Error> {
        push_string(self.text, v.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    #[inline]
    fn serialize_str(self, v: &str) -> Result<(), Self::Error> {
        push_string(self.text, v);
        Ok(())
    }

    fn serialize_bytes(self, v: &[u8]) -> Result<(), Self::Error> {
        self.collect_seq(v)
    }

    fn serialize_none(self) -> Result<(), Self::Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Self::Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Self::Error> {
        self.text.push_str("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Self::Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Self::Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Self::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Self::Error> {
        self.variant(variant);
        value.serialize(Writer { text: self.text })?;
        self.text.push('}');
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Members<'t>, Self::Error> {
        Ok(self.open('[', "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Members<'t>, Self::Error> {
        Ok(self.open('[', "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Members<'t>, Self::Error> {
        Ok(self.open('[', "]"))
    }

    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'t>, Self::Error> {
        self.variant(variant);
        Ok(self.open('[', "]}"))
    }

    #[inline]
    fn serialize_map(self, _: Option<usize>) -> Result<Members<'t>, Self::Error> {
        Ok(self.open('{', "}"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members<'t>, Self::Error> {
        Ok(self.open('{', "}"))
    }

    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'t>, Self::Error> {
        self.variant(variant);
        Ok(self.open('{', "}}"))
    }
}

impl SerializeMap for Members<'_> {
    type Ok = ();
    type Error = serde_json::Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<(), Self::Error> {
        self.separate();
        let at = self.text.len();
        name.serialize(Writer { text: self.text })?;
        // A string is all that begins with this byte.
        match self.text.as_bytes().get(at) {
            Some(b'"') => Ok(()),
            _ => Err(serde_json::Error::custom("the name of a member must be a string")),
        }
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Self::Error> {
        self.text.push(':');
        value.serialize(Writer { text: self.text })
    }

    #[inline]
    fn end(self) -> Result<(), Self::Error> {
        self.close();
        Ok(())
    }
}

/// The other containers: each by the method of its trait that gives it a value, without or with a name.
macro_rules! containers {
    ($($container:ident: $add:ident($($name:ident)?) by $by:ident;)*) => {$(
        impl $container for Members<'_> {
            type Ok = ();
            type Error = serde_json::Error;

            #[inline]
            fn $add<T: Serialize + ?Sized>(
                &mut self,
                $($name: &'static str,)?
                value: &T,
            ) -> Result<(), Self::Error> {
                self.$by($($name,)? value)
            }

            #[inline]
            fn end(self) -> Result<(), Self::Error> {
                self.close();
                Ok(())
            }
        }
    )*};
}

containers! {
    SerializeSeq: serialize_element() by element;
    SerializeTuple: serialize_element() by element;
    SerializeTupleStruct: serialize_field() by element;
    SerializeTupleVariant: serialize_field() by element;
    SerializeStruct: serialize_field(name) by member;
    SerializeStructVariant: serialize_field(name) by member;
}
