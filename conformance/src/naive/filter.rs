//! Filters: text to tree, by the grammar of RFC 7644 figure 1 and the order of operations below it.

use std::fmt::Write as _;

use super::schema::{AttributePath, is_name};

/// The longest filter, in bytes.
const MAX_LENGTH: usize = 16 * 1024;
/// How deep parentheses and brackets may be nested (ledger choice `filter-depth`).
const MAX_DEPTH: usize = 64;
/// How many conditions, `and`s, `or`s, `not`s and value paths a filter may have.
const MAX_NODES: usize = 512;
/// The longest string or number, in bytes as written.
const MAX_LITERAL: usize = 4 * 1024;

/// A filter's tree. A chain of `and`s or `or`s is one node.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Expr {
    /// Any of them.
    Or(Vec<Expr>),
    /// All of them.
    And(Vec<Expr>),
    /// Not this.
    Not(Box<Expr>),
    /// `path pr`
    Present(AttributePath),
    /// `path op value`
    Compare(AttributePath, Operator, Literal),
    /// `path[filter]`
    Values(AttributePath, Box<Expr>),
}

/// `compareOp`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the RFC's")]
#[non_exhaustive]
pub enum Operator {
    Eq,
    Ne,
    Co,
    Sw,
    Ew,
    Gt,
    Ge,
    Lt,
    Le,
}

/// `compValue`; a number is kept as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the RFC's")]
#[non_exhaustive]
pub enum Literal {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
}

impl Operator {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Eq, "eq"),
        (Self::Ne, "ne"),
        (Self::Co, "co"),
        (Self::Sw, "sw"),
        (Self::Ew, "ew"),
        (Self::Gt, "gt"),
        (Self::Ge, "ge"),
        (Self::Lt, "lt"),
        (Self::Le, "le"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(operator, _)| *operator == self).map_or("", |(_, name)| name)
    }
}

/// Why a text is no filter: whether it ended before its last `]`, or is wrong in another way. A PATCH path
/// needs to know (ledger choice `empty-value-filter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The text ended where `]` was still to come.
    Unclosed,
    /// Anything else.
    Malformed,
}

/// Parses a filter. `entra` accepts `attr[filter].sub op value` for `attr[filter and sub op value]`
/// (`Dialect::filter_value_path_sub_attribute`).
///
/// # Errors
/// [`Fault`] where the text is no filter, or beyond a limit.
pub fn parse(text: &str, entra: bool) -> Result<Expr, Fault> {
    if text.len() > MAX_LENGTH {
        return Err(Fault::Malformed);
    }
    let mut parser = Parser { rest: text, depth: 0, nodes: 0, entra };
    let expr = parser.filter(true)?;
    if parser.rest.is_empty() { Ok(expr) } else { Err(Fault::Malformed) }
}

/// Parses what is in the brackets of a PATCH path, up to and with `]`: the filter and the text behind it.
pub(super) fn parse_bracketed(text: &str) -> Result<(Expr, &str), Fault> {
    let mut parser = Parser { rest: text, depth: 1, nodes: 0, entra: false };
    let expr = parser.filter(false)?;
    match parser.rest.strip_prefix(']') {
        Some(rest) => Ok((expr, rest)),
        None if parser.rest.is_empty() => Err(Fault::Unclosed),
        None => Err(Fault::Malformed),
    }
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
    nodes: usize,
    entra: bool,
}

impl<'t> Parser<'t> {
    /// `FILTER`, or `valFilter` where value paths are not allowed; with the spaces around it.
    fn filter(&mut self, value_paths: bool) -> Result<Expr, Fault> {
        let mut any = vec![self.conjunction(value_paths)?];
        while self.connective("or") {
            self.node()?;
            any.push(self.conjunction(value_paths)?);
        }
        self.spaces();
        Ok(if any.len() > 1 { Expr::Or(any) } else { any.pop().ok_or(Fault::Malformed)? })
    }

    fn conjunction(&mut self, value_paths: bool) -> Result<Expr, Fault> {
        let mut all = vec![self.term(value_paths)?];
        while self.connective("and") {
            self.node()?;
            all.push(self.term(value_paths)?);
        }
        Ok(if all.len() > 1 { Expr::And(all) } else { all.pop().ok_or(Fault::Malformed)? })
    }

    /// `SP word SP`; otherwise nothing is read.
    fn connective(&mut self, word: &str) -> bool {
        let spaced = self.rest.trim_start_matches(' ');
        let Some((found, rest)) = spaced.split_at_checked(word.len()) else { return false };
        let is_it =
            spaced.len() < self.rest.len() && found.eq_ignore_ascii_case(word) && rest.starts_with(' ');
        if is_it {
            self.rest = rest;
        }
        is_it
    }

    /// One operand: a group, a negated group, a value path or an attribute expression.
    fn term(&mut self, value_paths: bool) -> Result<Expr, Fault> {
        self.spaces();
        if let Some(rest) = self.rest.strip_prefix('(') {
            self.rest = rest;
            return self.group(value_paths);
        }
        if let Some((word, rest)) = self.rest.split_at_checked(3)
            && word.eq_ignore_ascii_case("not")
            && let Some(rest) = rest.trim_start_matches(' ').strip_prefix('(')
        {
            self.rest = rest;
            self.node()?;
            return Ok(Expr::Not(Box::new(self.group(value_paths)?)));
        }
        let path = self.path()?;
        if let Some(rest) = self.rest.strip_prefix('[') {
            if !value_paths {
                return Err(Fault::Malformed);
            }
            self.rest = rest;
            return self.value_path(path);
        }
        self.attribute_expression(path)
    }

    /// Behind `(`.
    fn group(&mut self, value_paths: bool) -> Result<Expr, Fault> {
        self.deeper()?;
        let inner = self.filter(value_paths)?;
        self.depth -= 1;
        self.rest = self.rest.strip_prefix(')').ok_or(Fault::Malformed)?;
        Ok(inner)
    }

    /// Behind `attrPath [`.
    fn value_path(&mut self, path: AttributePath) -> Result<Expr, Fault> {
        self.deeper()?;
        self.node()?;
        let inner = self.filter(false)?;
        self.depth -= 1;
        self.rest = self.rest.strip_prefix(']').ok_or(Fault::Malformed)?;
        let inner = match self.rest.strip_prefix('.') {
            None => inner,
            Some(_) if !self.entra => return Err(Fault::Malformed),
            Some(rest) => {
                self.rest = rest;
                let sub = self.path()?;
                if !is_name(&sub.text) {
                    return Err(Fault::Malformed);
                }
                self.node()?;
                let condition = self.attribute_expression(sub)?;
                match inner {
                    Expr::And(mut all) => {
                        all.push(condition);
                        Expr::And(all)
                    }
                    inner => Expr::And(vec![inner, condition]),
                }
            }
        };
        Ok(Expr::Values(path, Box::new(inner)))
    }

    /// Behind the path of `attrExp`.
    fn attribute_expression(&mut self, path: AttributePath) -> Result<Expr, Fault> {
        self.node()?;
        if !self.rest.starts_with(' ') {
            return Err(Fault::Malformed);
        }
        self.spaces();
        let length = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(length).ok_or(Fault::Malformed)?;
        self.rest = rest;
        if word.eq_ignore_ascii_case("pr") {
            self.end_of_operand()?;
            return Ok(Expr::Present(path));
        }
        let known = Operator::ALL.iter().find(|(_, name)| name.eq_ignore_ascii_case(word));
        let (operator, _) = known.ok_or(Fault::Malformed)?;
        // Ledger choice `missing-space`: a string may follow without one.
        if !self.rest.starts_with([' ', '"']) {
            return Err(Fault::Malformed);
        }
        self.spaces();
        let value = self.value()?;
        self.end_of_operand()?;
        Ok(Expr::Compare(path, *operator, value))
    }

    /// After an operand comes a space, a closing bracket or the end.
    fn end_of_operand(&self) -> Result<(), Fault> {
        let ends = self.rest.is_empty() || self.rest.starts_with([' ', ')', ']']);
        if ends { Ok(()) } else { Err(Fault::Malformed) }
    }

    fn path(&mut self) -> Result<AttributePath, Fault> {
        // A URN may hold parentheses; elsewhere they end a name.
        let is_urn = self.rest.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"));
        let ends = |c: char| c == ' ' || c == '[' || c == ']' || (!is_urn && (c == '(' || c == ')'));
        let (text, rest) = self
            .rest
            .split_at_checked(self.rest.find(ends).unwrap_or(self.rest.len()))
            .ok_or(Fault::Malformed)?;
        let path = AttributePath::parse(text).ok_or(Fault::Malformed)?;
        self.rest = rest;
        Ok(path)
    }

    fn value(&mut self) -> Result<Literal, Fault> {
        if let Some(rest) = self.rest.strip_prefix('"') {
            return self.string(rest);
        }
        let length = self.rest.find([' ', ')', ']']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(length).ok_or(Fault::Malformed)?;
        let value = match word {
            "null" => Literal::Null,
            "true" => Literal::Bool(true),
            "false" => Literal::Bool(false),
            "" => return Err(Fault::Malformed),
            number if is_number(number) && number.len() <= MAX_LITERAL => Literal::Number(number.to_owned()),
            _ => return Err(Fault::Malformed),
        };
        self.rest = rest;
        Ok(value)
    }

    /// Behind the opening quotation mark: what JSON makes of the text up to the closing one.
    fn string(&mut self, behind: &'t str) -> Result<Literal, Fault> {
        let mut escaped = false;
        for (at, c) in behind.char_indices() {
            if c == '"' && !escaped {
                let (inside, rest) = behind.split_at_checked(at).ok_or(Fault::Malformed)?;
                if inside.len() > MAX_LITERAL {
                    return Err(Fault::Malformed);
                }
                self.rest = rest.strip_prefix('"').ok_or(Fault::Malformed)?;
                return serde_json::from_str(&format!("\"{inside}\""))
                    .map(Literal::Text)
                    .map_err(|_| Fault::Malformed);
            }
            escaped = c == '\\' && !escaped;
        }
        Err(Fault::Malformed)
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    fn deeper(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(Fault::Malformed) } else { Ok(()) }
    }

    fn node(&mut self) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > MAX_NODES { Err(Fault::Malformed) } else { Ok(()) }
    }
}

/// `number` of RFC 8259 §6.
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)))
}

impl Expr {
    /// The tree as an s-expression, as the specification suite writes it: `(and (pr a) (eq b "x"))`.
    pub fn to_s_expression(&self) -> String {
        match self {
            Self::Or(any) => chain("or", any),
            Self::And(all) => chain("and", all),
            Self::Not(inner) => format!("(not {})", inner.to_s_expression()),
            Self::Present(path) => format!("(pr {})", path.text),
            Self::Compare(path, operator, value) => {
                format!("({} {} {})", operator.name(), path.text, value.to_s_expression())
            }
            Self::Values(path, inner) => format!("(match {} {})", path.text, inner.to_s_expression()),
        }
    }
}

impl Literal {
    fn to_s_expression(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(text) => text.clone(),
            Self::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        }
    }
}

/// `and` and `or` take two, from the left.
fn chain(word: &str, terms: &[Expr]) -> String {
    let mut text = String::new();
    for (n, term) in terms.iter().enumerate() {
        match n {
            0 => text = term.to_s_expression(),
            _ => {
                text.insert_str(0, &format!("({word} "));
                let _ = write!(text, " {})", term.to_s_expression());
            }
        }
    }
    text
}
