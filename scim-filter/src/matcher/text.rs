//! Strings compared in their comparison form.

use std::sync::Arc;

use scim_schema::comparable;

use crate::filter::Operator;

/// A comparison with a string, its value prepared.
#[derive(Clone, Debug)]
pub(super) struct TextCheck {
    operator: Operator,
    /// The value in comparison form.
    key: Box<str>,
    exact: bool,
    /// For references: what is put before relative ones.
    base: Option<Arc<str>>,
}

impl TextCheck {
    pub(super) fn new(operator: Operator, value: &str, exact: bool, base: Option<Arc<str>>) -> Self {
        let key = comparable(value, exact);
        Self { operator, key: key.into(), exact, base }
    }

    pub(super) fn operator(&self) -> Operator {
        self.operator
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn is_exact(&self) -> bool {
        self.exact
    }

    /// What is put before relative references.
    pub(super) fn base(&self) -> Option<&str> {
        self.base.as_deref()
    }

    #[inline]
    pub(super) fn matches(&self, value: &str) -> bool {
        match &self.base {
            Some(base) if is_relative(value) => self.matches_relative(base, value),
            _ => self.matches_plain(value),
        }
    }

    fn matches_relative(&self, base: &str, value: &str) -> bool {
        let tail = || self.key.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'));
        match self.operator {
            Operator::Eq if value.is_ascii() => tail() == Some(value),
            Operator::Ne if value.is_ascii() => tail() != Some(value),
            _ => self.matches_plain(&format!("{base}/{value}")),
        }
    }

    #[inline]
    fn matches_plain(&self, value: &str) -> bool {
        if matches!(self.operator, Operator::Eq | Operator::Ne | Operator::Sw) && self.begins_otherwise(value)
        {
            return self.operator == Operator::Ne;
        }
        match (value.is_ascii(), self.exact) {
            (true, true) => compare(self.operator, value, &self.key),
            (true, false) => compare_ascii(self.operator, value, &self.key),
            (false, _) => self.matches_unicode(value),
        }
    }

    /// Whether the first letters tell that a value is not, and does not start with, the key. Both must be ASCII:
    /// folding makes such a letter its lower case, or a letter beyond ASCII with the marks behind it.
    fn begins_otherwise(&self, value: &str) -> bool {
        match (value.as_bytes().first(), self.key.as_bytes().first()) {
            (Some(own), Some(wanted)) if own.is_ascii() && wanted.is_ascii() => {
                let own = if self.exact { *own } else { own.to_ascii_lowercase() };
                own != *wanted
            }
            _ => false,
        }
    }

    fn matches_unicode(&self, value: &str) -> bool {
        let value = comparable(value, self.exact);
        compare(self.operator, &value, &self.key)
    }
}

/// Compares two strings in comparison form. Order is by code point.
fn compare(operator: Operator, value: &str, key: &str) -> bool {
    match operator {
        Operator::Eq => value == key,
        Operator::Ne => value != key,
        Operator::Co => value.contains(key),
        Operator::Sw => value.starts_with(key),
        Operator::Ew => value.ends_with(key),
        Operator::Gt => value > key,
        Operator::Ge => value >= key,
        Operator::Lt => value < key,
        Operator::Le => value <= key,
    }
}

/// As [`compare`] on the folded value, which is not written down.
fn compare_ascii(operator: Operator, value: &str, key: &str) -> bool {
    let order = || value.bytes().map(|b| b.to_ascii_lowercase()).cmp(key.bytes());
    let (bytes, key_bytes) = (value.as_bytes(), key.as_bytes());
    match operator {
        Operator::Eq => folds_to(bytes, key_bytes),
        Operator::Ne => !folds_to(bytes, key_bytes),
        Operator::Co => contains_ascii(value, key),
        Operator::Sw => bytes.get(..key.len()).is_some_and(|start| folds_to(start, key_bytes)),
        Operator::Ew => {
            let start = value.len().checked_sub(key.len());
            start.and_then(|start| bytes.get(start..)).is_some_and(|end| folds_to(end, key_bytes))
        }
        Operator::Gt => order().is_gt(),
        Operator::Ge => order().is_ge(),
        Operator::Lt => order().is_lt(),
        Operator::Le => order().is_le(),
    }
}

fn folds_to(value: &[u8], key: &[u8]) -> bool {
    value.len() == key.len() && value.iter().zip(key).all(|(v, k)| v.to_ascii_lowercase() == *k)
}

fn contains_ascii(value: &str, key: &str) -> bool {
    /// Comparing at each place is quadratic; above this many steps the linear search pays for its copy.
    const STEPS: usize = 1 << 16;
    if value.len().saturating_mul(key.len()) > STEPS {
        return value.to_ascii_lowercase().contains(key);
    }
    let (Some(first), last) = (key.bytes().next(), value.len().checked_sub(key.len())) else { return true };
    let starts = last.and_then(|last| value.as_bytes().get(..=last)).unwrap_or_default();
    starts.iter().enumerate().any(|(at, byte)| {
        byte.to_ascii_lowercase() == first
            && value.as_bytes().get(at..at + key.len()).is_some_and(|found| folds_to(found, key.as_bytes()))
    })
}

/// Whether a reference has no scheme (RFC 3986 §4.2).
fn is_relative(reference: &str) -> bool {
    let scheme = reference.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    !is_scheme
}

#[cfg(test)]
mod tests {
    use scim_schema::fold;

    use super::*;

    const ALL: [&str; 9] = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"];

    #[test]
    fn the_quick_way_agrees_with_folding() {
        let texts = [
            "",
            "a",
            "A",
            "ab",
            "Ab",
            "aB",
            "b",
            "bab",
            "BaB",
            "abab",
            "é",
            "e\u{301}",
            "E\u{301}b",
            "aé",
            "\u{212a}",
            "k",
            "[",
        ];
        for operator in ALL.map(|name| Operator::parse(name).unwrap()) {
            for value in texts {
                for key in texts {
                    let check = TextCheck::new(operator, key, false, None);
                    let expected = compare(operator, &fold(value), &fold(key));
                    assert_eq!(check.matches(value), expected, "{value:?} {operator} {key:?}");
                }
            }
        }
    }

    #[test]
    fn long_texts_are_searched_for_long_texts() {
        let value = "A".repeat(1 << 20);
        let key = format!("{}b", "a".repeat(4000));
        assert!(!TextCheck::new(Operator::Co, &key, false, None).matches(&value));
        assert!(TextCheck::new(Operator::Co, &"a".repeat(4000), false, None).matches(&value));
    }

    #[test]
    fn relative_references_compare_as_absolute_ones() {
        let base: Arc<str> = "https://example.com/v2".into();
        let matches = |operator: &str, key: &str, value: &str| {
            TextCheck::new(Operator::parse(operator).unwrap(), key, true, Some(Arc::clone(&base)))
                .matches(value)
        };
        assert!(matches("eq", "https://example.com/v2/Users/1", "Users/1"));
        assert!(matches("eq", "https://example.com/v2/Users/1", "https://example.com/v2/Users/1"));
        assert!(!matches("ne", "https://example.com/v2/Users/1", "Users/1"));
        assert!(!matches("eq", "Users/1", "Users/1"));
        assert!(matches("ne", "Users/1", "Users/1"));
        assert!(matches("sw", "https://example.com/", "Users/1"));
        assert!(matches("co", "v2/Users", "Users/1"));
        assert!(matches("ew", "/1", "Users/1"));
        assert!(matches("lt", "https://example.com/v2/Users/2", "Users/1"));
        assert!(!matches("sw", "https://example.com/", "urn:example:1"));
        // One letter, composed and decomposed.
        assert!(matches("eq", "https://example.com/v2/Users/\u{e9}", "Users/e\u{301}"));
        assert!(!matches("ne", "https://example.com/v2/Users/\u{e9}", "Users/e\u{301}"));
    }
}
