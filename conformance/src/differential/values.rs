//! Values that meet each other often, and differ in ways that are easily got wrong.

use serde_json::{Map, Value, json};

use super::entropy::Entropy;
use crate::naive::{Attribute, Kind};

/// Composed and decomposed letters, the letters whose case is special, prefixes and suffixes of each other.
const WORDS: &[&str] = &[
    "a",
    "A",
    "b",
    "ab",
    "AB",
    "abc",
    "work",
    "Work",
    "home",
    "HOME",
    "other",
    "",
    " ",
    "a b",
    "é",
    "e\u{301}",
    "É",
    "E\u{301}",
    "i",
    "I",
    "İ",
    "i\u{307}",
    "ı",
    "ß",
    "ẞ",
    "ss",
    "SS",
    "straße",
    "k",
    "K",
    "\u{212a}",
    "å",
    "\u{212b}",
    "A\u{30a}",
    "σ",
    "ς",
    "Σ",
    "ﬁ",
    "fi",
    "😀",
    "a😀b",
    "\"",
    "a\"b",
    "\\",
    "a\\b",
    "a]b",
    "(a",
    "a.b",
    "\n",
    "\t",
    "\u{7f}",
    "\u{0}",
    "true",
    "False",
    "1",
    "null",
    "x@example.com",
    "X@Example.com",
    "y@example.org",
    "u1",
    "u2",
    "u3",
    "\u{1f1}",
    "\u{1e9b}\u{323}",
    "\u{387}",
    "ab\u{301}",
    "\u{301}",
    "a\u{301}",
    // In a URI too, which a value may have to be.
    "%41",
    "_",
    "a%42",
    "a_b",
    "a'b",
    "1234567890",
    "ＡＢ",
];

/// JSON's ways to write numbers.
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "42",
    "42.0",
    "4.2e1",
    "420e-1",
    "1.0",
    "1e0",
    "1E0",
    "10",
    "1e1",
    "-0",
    "-0.0",
    "0.0",
    "0e9",
    "0.1",
    "1e-1",
    "0.30000000000000004",
    "0.3",
    "1.5",
    "1.50",
    "-1.5",
    "9007199254740992",
    "9007199254740993",
    "9007199254740993.0",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e19",
    "1e20",
    "1e21",
    "100000000000000000000",
    "1e300",
    "5e-324",
    "1.7976931348623157e308",
];

/// Numbers that are too much for JSON readers, but not for filters.
const HUGE: &[&str] =
    &["1e400", "-1e400", "1e-400", "123456789012345678901234567890", "1e99999999999999999999"];

const DATES: &[&str] = &[
    "2020-01-01T00:00:00Z",
    "2020-01-01T00:00:00.000Z",
    "2020-01-01T01:00:00+01:00",
    "2019-12-31T19:00:00-05:00",
    "2020-01-01T00:00:00",
    "2019-12-31T24:00:00Z",
    "2020-01-01T00:00:00.5Z",
    "2020-01-01T00:00:00.50Z",
    "2020-01-01T00:00:00.123456789Z",
    "2020-01-01T00:00:00.1234567891Z",
    "2020-02-29T12:30:00Z",
    "2021-01-01T13:59:00+14:00",
    "1969-12-31T23:59:59Z",
    "1970-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "-0001-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "12020-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999Z",
    "1900-03-01T00:00:00Z",
    "2000-02-29T00:00:00Z",
    "2100-03-01T00:00:00-14:00",
];

const WRONG_DATES: &[&str] = &[
    "2020-01-01",
    "",
    "x",
    "2021-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "2020-13-01T00:00:00Z",
    "2020-00-01T00:00:00Z",
    "2020-01-00T00:00:00Z",
    "2020-01-01T24:00:01Z",
    "2020-01-01T24:00:00.1Z",
    "2020-01-01T00:60:00Z",
    "2020-01-01T00:00:60Z",
    "2020-01-01T00:00:00.Z",
    "2020-01-01T00:00Z",
    "2020-01-01T00:00:00+15:00",
    "2020-01-01T00:00:00+14:01",
    "2020-01-01T00:00:00+01",
    "2020-01-01t00:00:00z",
    "20-01-01T00:00:00Z",
    "02020-01-01T00:00:00Z",
    "+2020-01-01T00:00:00Z",
    "2020-1-1T00:00:00Z",
    "2020-01-01T00:00:00z",
    " 2020-01-01T00:00:00Z",
    "2020-01-01T00:00:00ZZ",
    "2020-01-01T00:00:00+1:00",
    "2020-01-01T00:00:00-00:60",
    "２020-01-01T00:00:00Z",
];

const BINARIES: &[&str] = &["AQID", "aqid", "AQI=", "AQI", "AQ==", "AQ", "+/+/", "MIIBAA=="];
const WRONG_BINARIES: &[&str] = &["", "A", "A Q", "AQ=", "AQI==", "A=QI", "-_-_", "====", "AQID="];
const REFERENCES: &[&str] = &[
    "https://example.com/A",
    "https://example.com/a",
    "Users/u1",
    "Users/U1",
    "urn:example:a",
    "../x?y#z",
    "mailto:a@b",
    "https://example.com/\u{e9}",
    "https://example.com/e\u{301}",
];
const WRONG_REFERENCES: &[&str] = &["", "a b", "<x>", "a\"b", "1:x", "\u{0}"];

/// A text that comes up again and again.
pub(super) fn word(entropy: &mut Entropy<'_>) -> &'static str {
    entropy.pick(WORDS)
}

/// A number as a filter may write it.
pub(super) fn number(entropy: &mut Entropy<'_>) -> &'static str {
    if entropy.chance(10) { entropy.pick(HUGE) } else { entropy.pick(NUMBERS) }
}

/// A number that a JSON reader takes. (It makes something else than zero of a negative one.)
fn json_number(entropy: &mut Entropy<'_>) -> Value {
    let text = entropy.pick(NUMBERS);
    serde_json::from_str(text.strip_prefix("-0").map_or(text, |_| "0")).unwrap_or_default()
}

/// A value of a simple attribute that conforms to its type.
pub(super) fn simple(entropy: &mut Entropy<'_>, attribute: &Attribute) -> Value {
    match attribute.kind {
        Kind::Boolean => json!(entropy.chance(50)),
        Kind::Integer => {
            let number = json_number(entropy);
            if number.is_i64() || number.is_u64() { number } else { json!(entropy.below(4)) }
        }
        Kind::Decimal => json_number(entropy),
        Kind::DateTime => json!(entropy.pick(DATES)),
        Kind::Binary => json!(entropy.pick(BINARIES)),
        Kind::Reference => json!(entropy.pick(REFERENCES)),
        _ => {
            let word = word(entropy);
            json!(if word.is_empty() && attribute.required { "a" } else { word })
        }
    }
}

/// A value that hardly conforms.
pub(super) fn odd(entropy: &mut Entropy<'_>, attribute: &Attribute) -> Value {
    match entropy.weighted(&[4, 1, 1, 1, 1, 1, 1, 1, 1, 1]) {
        0 => match attribute.kind {
            Kind::DateTime => json!(entropy.pick(WRONG_DATES)),
            Kind::Binary => json!(entropy.pick(WRONG_BINARIES)),
            Kind::Reference => json!(entropy.pick(WRONG_REFERENCES)),
            Kind::Boolean => json!(entropy.pick(&["TRUE", "false", "False", "yes", "", "1"])),
            Kind::Integer => json!(entropy.pick(&[1.0, 1.5, 1e30])),
            _ => json!(""),
        },
        1 => json!(word(entropy)),
        2 => json_number(entropy),
        3 => json!(entropy.chance(50)),
        4 => json!([]),
        5 => json!({}),
        6 => json!([word(entropy)]),
        7 => json!({ "value": word(entropy) }),
        8 => json!([null]),
        _ => Value::Null,
    }
}

/// One value of an attribute: a simple one, or an object with some of the sub-attributes.
pub(super) fn element(entropy: &mut Entropy<'_>, attribute: &Attribute) -> Value {
    if attribute.kind != Kind::Complex {
        return simple(entropy, attribute);
    }
    let mut members = Map::new();
    for sub in &attribute.subs {
        if sub.required || entropy.chance(55) {
            members.insert(sub.name.clone(), whole(entropy, sub));
        }
    }
    Value::Object(members)
}

/// All of an attribute: one value, or a list of a few.
pub(super) fn whole(entropy: &mut Entropy<'_>, attribute: &Attribute) -> Value {
    if !attribute.multi_valued {
        return element(entropy, attribute);
    }
    let length = 1 + entropy.weighted(&[4, 4, 2, 1]);
    Value::Array((0..length).map(|_| element(entropy, attribute)).collect())
}

/// A value for a complex attribute that must have one.
pub(super) fn least(entropy: &mut Entropy<'_>, attribute: &Attribute) -> Value {
    let mut members = Map::new();
    if let Some(sub) = attribute.subs.first() {
        members.insert(sub.name.clone(), whole(entropy, sub));
    }
    let value = Value::Object(members);
    if attribute.multi_valued { json!([value]) } else { value }
}

/// The ids of members, in one letter case: a delta compares ids as they are.
pub(super) const IDS: &[&str] = &["u1", "u2", "u3", "u4", "u5", "g1"];

/// A few members, each with an id of its own.
pub(super) fn members(entropy: &mut Entropy<'_>) -> Value {
    let ids: Vec<&str> = IDS.iter().copied().filter(|_| entropy.chance(50)).collect();
    Value::Array(ids.into_iter().map(|id| member(entropy, id)).collect())
}

/// A member with an id.
pub(super) fn member(entropy: &mut Entropy<'_>, id: &str) -> Value {
    let mut member = json!({ "value": id });
    for name in ["display", "type"] {
        if entropy.chance(40)
            && let Some(members) = member.as_object_mut()
        {
            members.insert(name.into(), json!(word(entropy)));
        }
    }
    member
}

/// A text for a dateTime in a filter.
pub(super) fn date(entropy: &mut Entropy<'_>) -> &'static str {
    if entropy.chance(12) { entropy.pick(WRONG_DATES) } else { entropy.pick(DATES) }
}

/// The same text in another letter case.
pub(super) fn recased(entropy: &mut Entropy<'_>, text: &str) -> String {
    match entropy.below(3) {
        0 => text.to_ascii_uppercase(),
        1 => text.to_ascii_lowercase(),
        _ => {
            let mut recased = String::new();
            for c in text.chars() {
                recased.push(if entropy.chance(50) {
                    c.to_ascii_uppercase()
                } else {
                    c.to_ascii_lowercase()
                });
            }
            recased
        }
    }
}
