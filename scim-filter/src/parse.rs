//! From text to nodes: an operator-precedence parser with a stack of its own.

mod token;

use scim_schema::Dialect;
use smallvec::SmallVec;

use crate::error::{ParseError, ParseErrorKind};
use crate::filter::{Name, Node, Nodes, Operator};

/// How filters are parsed.
///
/// ```
/// use scim_filter::{Filter, Options};
///
/// let text = r#"emails[type eq "work"].value eq "ann@example.com""#;
/// assert_eq!(
///     Filter::parse(text)?.to_string(),
///     r#"emails[type eq "work" and value eq "ann@example.com"]"#,
/// );
/// assert!(Filter::parse_with(text, &Options::strict()).is_err());
/// # Ok::<(), scim_filter::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What a text may cost.
    pub limits: Limits,
    /// Whether `attr[filter].sub op value` is taken for `attr[filter and sub op value]`, which is what
    /// Entra ID means by it. The RFC's grammar does not have it.
    pub value_path_sub_attribute: bool,
}

impl Options {
    /// The RFC's grammar with the choices of the ledger.
    pub fn strict() -> Self {
        Self { limits: Limits::default(), value_path_sub_attribute: false }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { value_path_sub_attribute: true, ..Self::strict() }
    }
}

impl From<&Dialect> for Options {
    fn from(dialect: &Dialect) -> Self {
        Self { value_path_sub_attribute: dialect.filter_value_path_sub_attribute, ..Self::strict() }
    }
}

/// What the text of a filter may cost. Each is charged while the text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the text. Default 16,384.
    pub length: usize,
    /// Nesting of parentheses, `not (` and brackets. Default 64 (ledger choice `filter-depth`).
    pub depth: usize,
    /// Conditions, `and`s, `or`s, `not`s and value paths. Default 512.
    pub nodes: usize,
    /// Bytes of one string between its quotation marks, or of one number. Default 4,096.
    pub literal: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { length: 16 * 1024, depth: 64, nodes: 512, literal: 4 * 1024 }
    }
}

/// Parses a whole text.
pub(crate) fn filter<'a>(text: &'a str, options: &Options) -> Result<Nodes<'a>, ParseError> {
    let mut parser = Parser::new(text, text, options);
    parser.check_length()?;
    parser.skip_spaces();
    if parser.rest.is_empty() {
        return Err(parser.error(ParseErrorKind::Empty));
    }
    parser.run()?;
    Ok(parser.nodes)
}

/// Parses the inside of brackets and the closing one: `rest` is a tail of `text` that begins behind a `[`.
/// Gives the nodes and what follows the bracket.
pub(crate) fn bracketed<'a>(
    text: &'a str,
    rest: &'a str,
    options: &Options,
) -> Result<(Nodes<'a>, &'a str), ParseError> {
    let mut parser = Parser::new(text, rest, options);
    let at = parser.position().saturating_sub(1);
    parser.depth = 1;
    parser.open.push(Open::Brackets { at });
    parser.run()?;
    Ok((parser.nodes, parser.rest))
}

/// Takes an attribute path off the front.
pub(crate) fn attribute_path(text: &str) -> Option<(&str, Name<'_>)> {
    token::path(text).ok()
}

/// Takes a name off the front.
pub(crate) fn name(text: &str) -> Option<(&str, &str)> {
    token::name(text).ok()
}

struct Parser<'a, 'o> {
    text: &'a str,
    /// The tail of `text` that is not read yet.
    rest: &'a str,
    options: &'o Options,
    nodes: Nodes<'a>,
    /// What waits for its right side or its closing bracket.
    open: SmallVec<[Open; 16]>,
    depth: usize,
    /// The attribute and the first node of the value path that is open.
    value_path: Option<(Name<'a>, usize)>,
}

#[derive(Clone, Copy)]
enum Open {
    And {
        left: usize,
    },
    Or {
        left: usize,
    },
    Parenthesis {
        at: usize,
    },
    Not {
        at: usize,
    },
    ValuePath {
        at: usize,
    },
    /// The brackets that [`bracketed`] is to close.
    Brackets {
        at: usize,
    },
}

/// Whether the expression goes on.
enum Next {
    Operand,
    End,
}

impl<'a, 'o> Parser<'a, 'o> {
    fn new(text: &'a str, rest: &'a str, options: &'o Options) -> Self {
        Self { text, rest, options, nodes: Nodes::new(), open: SmallVec::new(), depth: 0, value_path: None }
    }

    fn run(&mut self) -> Result<(), ParseError> {
        loop {
            self.operand()?;
            if let Next::End = self.after_operand()? {
                return Ok(());
            }
        }
    }

    /// Reads up to the end of the next condition.
    fn operand(&mut self) -> Result<(), ParseError> {
        loop {
            self.skip_spaces();
            let at = self.position();
            if self.take('(') {
                self.enter(Open::Parenthesis { at })?;
                continue;
            }
            let Ok((rest, path)) = token::path(self.rest) else {
                return Err(self.error_at_word(self.operand_error()));
            };
            self.rest = rest;
            if path.text.eq_ignore_ascii_case("not") {
                let behind = rest.trim_start_matches(' ');
                if let Some(inside) = behind.strip_prefix('(') {
                    self.rest = inside;
                    self.enter(Open::Not { at })?;
                    continue;
                }
            }
            if self.rest.starts_with('[') {
                self.open_value_path(path)?;
                continue;
            }
            return self.condition(path);
        }
    }

    fn operand_error(&self) -> ParseErrorKind {
        match self.rest.chars().next() {
            None => match self.unclosed() {
                Some((_, bracket)) => ParseErrorKind::Unclosed(bracket),
                None => ParseErrorKind::ExpressionExpected,
            },
            Some(c) if c.is_ascii_alphabetic() || c == '$' => ParseErrorKind::AttributePath,
            Some(_) => ParseErrorKind::ExpressionExpected,
        }
    }

    fn open_value_path(&mut self, path: Name<'a>) -> Result<(), ParseError> {
        let at = self.position();
        let nested = self.value_path.is_some() || matches!(self.open.first(), Some(Open::Brackets { .. }));
        if nested {
            return Err(ParseError::new(ParseErrorKind::NestedValuePath, at..at + 1));
        }
        self.take('[');
        self.value_path = Some((path, self.nodes.len()));
        self.enter(Open::ValuePath { at })
    }

    /// Reads the operator and the value behind a path.
    fn condition(&mut self, path: Name<'a>) -> Result<(), ParseError> {
        if !self.skip_spaces() {
            let kind = if self.rest.is_empty() {
                ParseErrorKind::OperatorExpected
            } else {
                ParseErrorKind::AttributePath
            };
            return Err(self.error_at_word(kind));
        }
        let at = self.position();
        let Ok((rest, word)) = token::word(self.rest) else {
            return Err(self.error_at_word(ParseErrorKind::OperatorExpected));
        };
        self.rest = rest;
        if word.eq_ignore_ascii_case("pr") {
            return self.push(Node::Present(path));
        }
        let Some(operator) = Operator::parse(word) else {
            let name = if word.len() <= 16 { word.to_owned() } else { String::new() };
            return Err(ParseError::new(ParseErrorKind::UnknownOperator(name), at..at + word.len()));
        };
        // A missing space before a string is accepted (ledger choice `missing-space`).
        if !self.skip_spaces() && !self.rest.starts_with('"') {
            let missing = if self.rest.is_empty() {
                ParseErrorKind::ValueExpected
            } else {
                ParseErrorKind::SpaceExpected
            };
            return Err(self.error_at_word(missing));
        }
        let at = self.position();
        let (rest, value) = token::literal(self.rest)
            .map_err(|(kind, offset, length)| ParseError::new(kind, at + offset..at + offset + length))?;
        let length = self.rest.len() - rest.len();
        let quotes = if self.rest.starts_with('"') { 2 } else { 0 };
        if length - quotes > self.options.limits.literal {
            return Err(self.limit("literal", self.options.limits.literal, at));
        }
        self.rest = rest;
        self.push(Node::Compare { path, operator, value })
    }

    /// Reads closing brackets, and `and` or `or`, or finds the end.
    fn after_operand(&mut self) -> Result<Next, ParseError> {
        loop {
            let spaces = self.skip_spaces();
            let at = self.position();
            if self.rest.is_empty() {
                self.reduce(Level::Or)?;
                return match self.unclosed() {
                    Some((at, bracket)) => {
                        Err(ParseError::new(ParseErrorKind::Unclosed(bracket), at..at + 1))
                    }
                    None => Ok(Next::End),
                };
            }
            if self.take(')') {
                self.close_parenthesis(at)?;
                continue;
            }
            if self.take(']') {
                self.reduce(Level::Or)?;
                match self.open.pop() {
                    Some(Open::Brackets { .. }) => return Ok(Next::End),
                    Some(Open::ValuePath { .. }) => self.close_value_path()?,
                    _ => return Err(ParseError::new(ParseErrorKind::Unopened(']'), at..at + 1)),
                }
                continue;
            }
            if !spaces {
                return Err(self.error_at_word(ParseErrorKind::SpaceExpected));
            }
            let Ok((rest, word)) = token::word(self.rest) else {
                return Err(self.error_at_word(ParseErrorKind::LogicalExpected));
            };
            let and = word.eq_ignore_ascii_case("and");
            if !and && !word.eq_ignore_ascii_case("or") {
                return Err(self.error_at_word(ParseErrorKind::LogicalExpected));
            }
            self.rest = rest;
            if !rest.starts_with(' ') {
                let missing = if rest.is_empty() {
                    ParseErrorKind::ExpressionExpected
                } else {
                    ParseErrorKind::SpaceExpected
                };
                return Err(self.error(missing));
            }
            self.reduce(if and { Level::And } else { Level::Or })?;
            let left = self.nodes.len().saturating_sub(1);
            self.open.push(if and { Open::And { left } } else { Open::Or { left } });
            return Ok(Next::Operand);
        }
    }

    fn close_parenthesis(&mut self, at: usize) -> Result<(), ParseError> {
        self.reduce(Level::Or)?;
        self.depth = self.depth.saturating_sub(1);
        match self.open.pop() {
            Some(Open::Parenthesis { .. }) => Ok(()),
            Some(Open::Not { .. }) => self.push(Node::Not),
            _ => Err(ParseError::new(ParseErrorKind::Unopened(')'), at..at + 1)),
        }
    }

    fn close_value_path(&mut self) -> Result<(), ParseError> {
        self.depth = self.depth.saturating_sub(1);
        let Some((path, start)) = self.value_path.take() else { return Ok(()) };
        if let Some(behind) = self.rest.strip_prefix('.') {
            if !self.options.value_path_sub_attribute {
                return Err(self.error(ParseErrorKind::ValuePathSubAttribute));
            }
            let left = self.nodes.len().saturating_sub(1);
            let Ok((rest, sub)) = token::name(behind) else {
                return Err(self.error_at_word(ParseErrorKind::AttributePath));
            };
            self.rest = rest;
            self.condition(Name { text: sub.into(), attribute: 0, dot: None })?;
            self.push(Node::And { left })?;
        }
        self.push(Node::ValuePath { path, start })
    }

    /// Turns what waits for its right side into nodes, as far as it binds as tightly as `level`.
    fn reduce(&mut self, level: Level) -> Result<(), ParseError> {
        loop {
            let node = match (self.open.last(), level) {
                (Some(Open::And { left }), _) => Node::And { left: *left },
                (Some(Open::Or { left }), Level::Or) => Node::Or { left: *left },
                _ => return Ok(()),
            };
            self.open.pop();
            self.push(node)?;
        }
    }

    fn enter(&mut self, open: Open) -> Result<(), ParseError> {
        self.depth += 1;
        if self.depth > self.options.limits.depth {
            return Err(self.limit("depth", self.options.limits.depth, self.position().saturating_sub(1)));
        }
        self.open.push(open);
        Ok(())
    }

    fn push(&mut self, node: Node<'a>) -> Result<(), ParseError> {
        if self.nodes.len() >= self.options.limits.nodes {
            return Err(self.limit("nodes", self.options.limits.nodes, self.position().saturating_sub(1)));
        }
        self.nodes.push(node);
        Ok(())
    }

    /// The innermost bracket that waits to be closed.
    fn unclosed(&self) -> Option<(usize, char)> {
        self.open.iter().rev().find_map(|open| match open {
            Open::Parenthesis { at } => Some((*at, '(')),
            // The position is that of the word `not`.
            Open::Not { at } => Some((*at, '(')),
            Open::ValuePath { at } | Open::Brackets { at } => Some((*at, '[')),
            Open::And { .. } | Open::Or { .. } => None,
        })
    }

    fn position(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    /// Takes a character of one byte.
    fn take(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Skips U+0020, the only white space of the grammar; says whether there was some.
    fn skip_spaces(&mut self) -> bool {
        let mut some = false;
        while let Some(rest) = self.rest.strip_prefix(' ') {
            self.rest = rest;
            some = true;
        }
        some
    }

    fn check_length(&self) -> Result<(), ParseError> {
        let limit = self.options.limits.length;
        if self.text.len() > limit { Err(self.limit("length", limit, limit)) } else { Ok(()) }
    }

    fn error(&self, kind: ParseErrorKind) -> ParseError {
        let at = self.position();
        ParseError::new(kind, at..at + self.rest.chars().next().map_or(0, char::len_utf8))
    }

    /// An error whose span is all up to the next space or bracket.
    fn error_at_word(&self, kind: ParseErrorKind) -> ParseError {
        let at = self.position();
        let length = self.rest.find([' ', '(', ')', '[', ']']).unwrap_or(self.rest.len());
        if length == 0 { self.error(kind) } else { ParseError::new(kind, at..at + length) }
    }

    fn limit(&self, limit: &'static str, value: usize, at: usize) -> ParseError {
        ParseError::new(ParseErrorKind::Limit { limit, value }, at..self.position().max(at))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    And,
    Or,
}
