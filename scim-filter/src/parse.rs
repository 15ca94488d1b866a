//! From text to nodes: an operator-precedence parser with a stack of its own.

mod token;

use scim_schema::{Dialect, plain_length};
use smallvec::SmallVec;

use crate::error::{ParseError, ParseErrorKind};
use crate::filter::{Constant, Filter, Index, Name, Node, Nodes, Operator, Span};

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
pub(crate) fn filter<'a>(text: &'a str, options: &Options) -> Result<Filter<'a>, ParseError> {
    let mut parser = Parser::new(text, 0, options);
    parser.check_length()?;
    parser.skip_spaces();
    if parser.is_at_end() {
        return Err(parser.error(ParseErrorKind::Empty));
    }
    let nodes = parser.run()?;
    Ok(Filter::new(text, nodes, parser.unescaped))
}

/// Parses the inside of brackets and the closing one; `at` is the place behind the `[`. Gives the filter
/// and the place behind the bracket.
pub(crate) fn bracketed<'a>(
    text: &'a str,
    at: usize,
    options: &Options,
) -> Result<(Filter<'a>, usize), ParseError> {
    let mut parser = Parser::new(text, at, options);
    parser.open(Bracket::Path, at.saturating_sub(1));
    let nodes = parser.run()?;
    Ok((Filter::new(text, nodes, parser.unescaped), parser.at))
}

/// The attribute path that begins at a place.
pub(crate) fn attribute_path(text: &str, at: usize) -> Option<Name> {
    token::path(text, at)
}

/// The name that begins at a place.
pub(crate) fn name(text: &str, at: usize) -> Option<Name> {
    token::name(text, at)
}

struct Parser<'a, 'p> {
    text: &'a str,
    /// How much of it is read.
    at: usize,
    options: &'p Options,
    nodes: SmallVec<[Node; 32]>,
    unescaped: String,
    /// What waits for its right side, in the innermost brackets.
    waiting: Waiting,
    /// The brackets that wait to be closed, the innermost last.
    open: SmallVec<[Open; 4]>,
    /// The attribute and the first node of the value path that is open.
    value_path: Option<(Name, Index)>,
}

/// The left sides of the `and` and of the `or` that wait for their right sides. Both bind to the left, so there
/// is at most one of each.
#[derive(Clone, Copy, Default)]
struct Waiting {
    and: Option<Index>,
    or: Option<Index>,
}

/// Brackets that wait to be closed.
struct Open {
    bracket: Bracket,
    /// Where they were opened; for `not (`, where the word begins.
    at: Index,
    /// What waits outside of them.
    outside: Waiting,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Parenthesis,
    Not,
    ValuePath,
    /// The brackets that [`bracketed`] is to close.
    Path,
}

impl Bracket {
    fn as_char(self) -> char {
        match self {
            Self::Parenthesis | Self::Not => '(',
            Self::ValuePath | Self::Path => '[',
        }
    }
}

/// Whether the expression goes on.
enum Next {
    Operand,
    End,
}

impl<'a, 'p> Parser<'a, 'p> {
    fn new(text: &'a str, at: usize, options: &'p Options) -> Self {
        Self {
            text,
            at,
            options,
            nodes: SmallVec::new(),
            unescaped: String::new(),
            waiting: Waiting::default(),
            open: SmallVec::new(),
            value_path: None,
        }
    }

    /// Reads the expression, up to the end of the text or the closing bracket of a path.
    ///
    /// This and what it calls for a condition is made one piece of code: names and nodes that are handed up through
    /// memory are written in parts and read as a whole, and the processor waits for that each time. It halves the
    /// time of parsing.
    #[inline(always)]
    fn run(&mut self) -> Result<Nodes, ParseError> {
        loop {
            let node = self.operand()?;
            let is_all = self.is_at_end() && self.nodes.is_empty() && self.open.is_empty();
            if is_all && self.options.limits.nodes > 0 {
                return Ok(Nodes::One(node));
            }
            self.push(node)?;
            if let Next::End = self.after_operand()? {
                return Ok(Nodes::of(&self.nodes));
            }
        }
    }

    /// Reads up to the end of the next condition.
    #[inline(always)]
    fn operand(&mut self) -> Result<Node, ParseError> {
        loop {
            self.skip_spaces();
            let at = self.at;
            if self.take(b'(') {
                self.enter(Bracket::Parenthesis, at)?;
                continue;
            }
            let Some(path) = token::path(self.text, at) else {
                return Err(self.error_at_word(self.operand_error()));
            };
            self.at = path.end.get();
            if self.is_not(at) {
                let behind = self.at;
                self.skip_spaces();
                if self.take(b'(') {
                    self.enter(Bracket::Not, at)?;
                    continue;
                }
                self.at = behind;
            }
            if self.byte() == b'[' {
                self.open_value_path(path)?;
                continue;
            }
            return self.condition(path);
        }
    }

    /// Whether the path that begins there is the word `not`.
    fn is_not(&self, at: usize) -> bool {
        self.at - at == 3 && self.text.get(at..self.at).is_some_and(|word| word.eq_ignore_ascii_case("not"))
    }

    fn operand_error(&self) -> ParseErrorKind {
        match self.rest().chars().next() {
            None => match self.open.last() {
                Some(open) => ParseErrorKind::Unclosed(open.bracket.as_char()),
                None => ParseErrorKind::ExpressionExpected,
            },
            Some(c) if c.is_ascii_alphabetic() || c == '$' => ParseErrorKind::AttributePath,
            Some(_) => ParseErrorKind::ExpressionExpected,
        }
    }

    #[inline(never)]
    fn open_value_path(&mut self, path: Name) -> Result<(), ParseError> {
        let at = self.at;
        let in_path = self.open.first().is_some_and(|open| open.bracket == Bracket::Path);
        let nested = self.value_path.is_some() || in_path;
        if nested {
            return Err(ParseError::new(ParseErrorKind::NestedValuePath, at..at + 1));
        }
        self.at += 1;
        self.value_path = Some((path, Index::new(self.nodes.len())));
        self.enter(Bracket::ValuePath, at)
    }

    /// Reads the operator and the value behind a path.
    #[inline(always)]
    fn condition(&mut self, path: Name) -> Result<Node, ParseError> {
        if !self.skip_spaces() {
            let kind = if self.is_at_end() {
                ParseErrorKind::OperatorExpected
            } else {
                ParseErrorKind::AttributePath
            };
            return Err(self.error_at_word(kind));
        }
        let at = self.at;
        let operator = match token::two_letters(self.text, at) {
            Some([b'p', b'r']) => {
                self.at += 2;
                return Ok(Node::Present(path));
            }
            Some(letters) => Operator::from_letters(letters),
            None => None,
        };
        let Some(operator) = operator else { return Err(self.unknown_operator()) };
        self.at += 2;
        // A missing space before a string is accepted (ledger choice `missing-space`).
        if !self.skip_spaces() && self.byte() != b'"' {
            let missing =
                if self.is_at_end() { ParseErrorKind::ValueExpected } else { ParseErrorKind::SpaceExpected };
            return Err(self.error_at_word(missing));
        }
        let value = self.value()?;
        Ok(Node::Compare { path, operator, value })
    }

    #[cold]
    fn unknown_operator(&self) -> ParseError {
        let word = token::word(self.text, self.at);
        if word.is_empty() {
            return self.error_at_word(ParseErrorKind::OperatorExpected);
        }
        let name = if word.len() <= 16 { word.to_owned() } else { String::new() };
        ParseError::new(ParseErrorKind::UnknownOperator(name), self.at..self.at + word.len())
    }

    /// Reads a comparison value.
    #[inline(always)]
    fn value(&mut self) -> Result<Constant, ParseError> {
        let at = self.at;
        let (value, length) = if self.take(b'"') {
            let start = self.at;
            let plain = plain_length(self.text, start);
            self.at += plain;
            if self.take(b'"') {
                (Constant::String(Span::new(start, start + plain)), plain)
            } else {
                (self.escaped_string(at, start)?, self.at - start - 1)
            }
        } else {
            let (value, end) = token::literal(self.text, at)
                .map_err(|length| ParseError::new(ParseErrorKind::ValueExpected, at..at + length))?;
            self.at = end;
            (value, end - at)
        };
        if length > self.options.limits.literal {
            return Err(self.limit("literal", self.options.limits.literal, at));
        }
        Ok(value)
    }

    /// Reads on in a string that holds an escape or has a fault. Its opening quotation mark is at `at`.
    fn escaped_string(&mut self, at: usize, start: usize) -> Result<Constant, ParseError> {
        let from = self.unescaped.len();
        let mut plain = start..self.at;
        loop {
            self.unescaped.push_str(self.text.get(plain).unwrap_or_default());
            let place = self.at;
            match self.text.as_bytes().get(place) {
                None => {
                    return Err(ParseError::new(ParseErrorKind::UnterminatedString, at..self.text.len()));
                }
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Constant::Unescaped(Span::new(from, self.unescaped.len())));
                }
                Some(b'\\') => {
                    let (c, length) =
                        token::escape(self.text, place).map_err(|(kind, length)| match kind {
                            ParseErrorKind::UnterminatedString => ParseError::new(kind, at..self.text.len()),
                            kind => ParseError::new(kind, place..place + length),
                        })?;
                    self.unescaped.push(c);
                    self.at += length;
                }
                Some(_) => return Err(ParseError::new(ParseErrorKind::ControlCharacter, place..place + 1)),
            }
            let next = self.at;
            self.at += plain_length(self.text, next);
            plain = next..self.at;
        }
    }

    /// Reads closing brackets, and `and` or `or`, or finds the end.
    #[inline(never)]
    fn after_operand(&mut self) -> Result<Next, ParseError> {
        loop {
            let spaces = self.skip_spaces();
            let at = self.at;
            match self.byte() {
                b')' => {
                    self.at += 1;
                    self.close_parenthesis(at)?;
                    continue;
                }
                b']' => {
                    self.at += 1;
                    self.reduce_or()?;
                    match self.close() {
                        Some(Bracket::Path) => return Ok(Next::End),
                        Some(Bracket::ValuePath) => self.close_value_path()?,
                        _ => return Err(ParseError::new(ParseErrorKind::Unopened(']'), at..at + 1)),
                    }
                    continue;
                }
                _ => {}
            }
            if self.is_at_end() {
                self.reduce_or()?;
                return match self.open.last() {
                    Some(Open { bracket, at, .. }) => {
                        let kind = ParseErrorKind::Unclosed(bracket.as_char());
                        Err(ParseError::new(kind, at.get()..at.get() + 1))
                    }
                    None => Ok(Next::End),
                };
            }
            if !spaces {
                return Err(self.error_at_word(ParseErrorKind::SpaceExpected));
            }
            let and = token::is_word(self.text, at, b"and");
            if !and && !token::is_word(self.text, at, b"or") {
                return Err(self.error_at_word(ParseErrorKind::LogicalExpected));
            }
            self.at += if and { 3 } else { 2 };
            if self.byte() != b' ' {
                let missing = if self.is_at_end() {
                    ParseErrorKind::ExpressionExpected
                } else {
                    ParseErrorKind::SpaceExpected
                };
                return Err(self.error(missing));
            }
            if and {
                self.reduce_and()?;
                self.waiting.and = Some(self.last_node());
            } else {
                self.reduce_or()?;
                self.waiting.or = Some(self.last_node());
            }
            return Ok(Next::Operand);
        }
    }

    fn close_parenthesis(&mut self, at: usize) -> Result<(), ParseError> {
        self.reduce_or()?;
        match self.close() {
            Some(Bracket::Parenthesis) => Ok(()),
            Some(Bracket::Not) => self.push(Node::Not),
            _ => Err(ParseError::new(ParseErrorKind::Unopened(')'), at..at + 1)),
        }
    }

    fn close_value_path(&mut self) -> Result<(), ParseError> {
        let Some((path, start)) = self.value_path.take() else { return Ok(()) };
        if self.byte() == b'.' {
            if !self.options.value_path_sub_attribute {
                return Err(self.error(ParseErrorKind::ValuePathSubAttribute));
            }
            let left = self.last_node();
            let Some(sub) = token::name(self.text, self.at + 1) else {
                return Err(self.error_at_word(ParseErrorKind::AttributePath));
            };
            self.at = sub.end.get();
            let condition = self.condition(sub)?;
            self.push(condition)?;
            self.push(Node::And { left })?;
        }
        self.push(Node::ValuePath { path, start })
    }

    /// Gives an `and` that waits its right side.
    fn reduce_and(&mut self) -> Result<(), ParseError> {
        match self.waiting.and.take() {
            Some(left) => self.push(Node::And { left }),
            None => Ok(()),
        }
    }

    /// Gives all that waits its right side.
    fn reduce_or(&mut self) -> Result<(), ParseError> {
        self.reduce_and()?;
        match self.waiting.or.take() {
            Some(left) => self.push(Node::Or { left }),
            None => Ok(()),
        }
    }

    fn enter(&mut self, bracket: Bracket, at: usize) -> Result<(), ParseError> {
        if self.open.len() >= self.options.limits.depth {
            return Err(self.limit("depth", self.options.limits.depth, self.at.saturating_sub(1)));
        }
        self.open(bracket, at);
        Ok(())
    }

    fn open(&mut self, bracket: Bracket, at: usize) {
        self.open.push(Open { bracket, at: Index::new(at), outside: std::mem::take(&mut self.waiting) });
    }

    /// Leaves the innermost brackets.
    fn close(&mut self) -> Option<Bracket> {
        let Open { bracket, outside, .. } = self.open.pop()?;
        self.waiting = outside;
        Some(bracket)
    }

    #[inline(always)]
    fn push(&mut self, node: Node) -> Result<(), ParseError> {
        if self.nodes.len() >= self.options.limits.nodes {
            return Err(self.limit("nodes", self.options.limits.nodes, self.at.saturating_sub(1)));
        }
        self.nodes.push(node);
        Ok(())
    }

    fn last_node(&self) -> Index {
        Index::new(self.nodes.len().saturating_sub(1))
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next byte; NUL at the end, where the text holds no NUL that is more than an error.
    fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    /// Takes a character of one byte.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.byte() == byte;
        self.at += usize::from(found);
        found
    }

    /// Skips U+0020, the only white space of the grammar; says whether there was some.
    fn skip_spaces(&mut self) -> bool {
        let from = self.at;
        while self.byte() == b' ' {
            self.at += 1;
        }
        self.at > from
    }

    fn check_length(&self) -> Result<(), ParseError> {
        let limit = self.options.limits.length.min(Index::MAX);
        if self.text.len() <= limit {
            return Ok(());
        }
        // The first character that is too much.
        Err(self.limit("length", limit, self.text.floor_char_boundary(limit)))
    }

    #[cold]
    fn error(&self, kind: ParseErrorKind) -> ParseError {
        ParseError::new(kind, self.at..self.at + self.rest().chars().next().map_or(0, char::len_utf8))
    }

    /// An error whose span is all up to the next space or bracket.
    #[cold]
    fn error_at_word(&self, kind: ParseErrorKind) -> ParseError {
        let rest = self.rest();
        let length = rest.find([' ', '(', ')', '[', ']']).unwrap_or(rest.len());
        if length == 0 { self.error(kind) } else { ParseError::new(kind, self.at..self.at + length) }
    }

    #[cold]
    fn limit(&self, limit: &'static str, value: usize, at: usize) -> ParseError {
        ParseError::new(ParseErrorKind::Limit { limit, value }, at..self.at.max(at))
    }
}
