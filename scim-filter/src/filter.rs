//! The syntax tree of a filter.

mod print;

use std::borrow::Cow;
use std::fmt;

use scim_schema::AttributePath;

use crate::error::ParseError;
use crate::parse::{self, Options};

/// A parsed filter (RFC 7644 §3.4.2.2).
///
/// Strings are borrowed from the text where it holds no escapes. The tree lies in one vector, children
/// before parents, so that nothing done to it recurses: a filter of any shape can be parsed, printed,
/// compared and dropped on a small stack.
///
/// ```
/// use scim_filter::{Expr, Filter, Literal, Operator};
///
/// let filter = Filter::parse(r#"title pr and not (userType eq "Intern")"#)?;
/// let Expr::And(_, right) = filter.root().expr() else { panic!("an and") };
/// let Expr::Not(inner) = right.expr() else { panic!("a not") };
/// let Expr::Compare { path, operator, value } = inner.expr() else { panic!("a comparison") };
/// assert_eq!((path.attribute, operator, value), ("userType", Operator::Eq, Literal::String("Intern")));
/// # Ok::<(), scim_filter::ParseError>(())
/// ```
#[derive(Clone)]
pub struct Filter<'a> {
    /// The text that the nodes point into.
    text: Cow<'a, str>,
    /// Strings that are written with escapes, without them, one behind the other.
    unescaped: String,
    nodes: Nodes,
}

impl<'a> Filter<'a> {
    /// Parses with the default [`Options`]: Entra ID's `attr[…].sub op value` is accepted.
    ///
    /// # Errors
    /// [`ParseError`] where the text does not follow the grammar or breaks a limit: 400 `invalidFilter`.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        Self::parse_with(text, &Options::default())
    }

    /// Parses.
    ///
    /// # Errors
    /// [`ParseError`] where the text does not follow the grammar or breaks a limit: 400 `invalidFilter`.
    pub fn parse_with(text: &'a str, options: &Options) -> Result<Self, ParseError> {
        parse::filter(text, options)
    }

    /// The same filter with strings of its own.
    pub fn into_owned(self) -> Filter<'static> {
        Filter { text: Cow::Owned(self.text.into_owned()), ..self }
    }

    /// The outermost expression.
    pub fn root(&self) -> ExprRef<'_> {
        ExprRef { filter: self, at: self.nodes().len().saturating_sub(1) }
    }

    /// All expressions, children before parents and left before right: what a store that translates a
    /// filter wants, because it needs no recursion, only a stack of what it has translated so far.
    ///
    /// Inside a value path, paths are names of sub-attributes; [`Visit::within`] says of which attribute.
    ///
    /// ```
    /// use scim_filter::{Expr, Filter};
    ///
    /// let filter = Filter::parse(r#"title pr or (emails pr and active eq true)"#)?;
    /// let mut stack = Vec::new();
    /// for visit in filter.post_order() {
    ///     match visit.expr {
    ///         Expr::Present(path) => stack.push(format!("has({path})")),
    ///         Expr::Compare { path, operator, value } => stack.push(format!("{path} {operator} {value}")),
    ///         Expr::And(..) | Expr::Or(..) => {
    ///             let right = stack.pop().unwrap();
    ///             let left = stack.pop().unwrap();
    ///             let word = if matches!(visit.expr, Expr::And(..)) { "AND" } else { "OR" };
    ///             stack.push(format!("({left} {word} {right})"));
    ///         }
    ///         _ => panic!("this filter has neither `not` nor a value path"),
    ///     }
    /// }
    /// assert_eq!(stack, ["(has(title) OR (has(emails) AND active eq true))"]);
    /// # Ok::<(), scim_filter::ParseError>(())
    /// ```
    pub fn post_order(&self) -> impl ExactSizeIterator<Item = Visit<'_>> {
        let mut within: Vec<Option<AttributePath<'_>>> = vec![None; self.nodes().len()];
        for (at, node) in self.nodes().iter().enumerate() {
            if let Node::ValuePath { path, start } = node {
                within.iter_mut().take(at).skip(start.get()).for_each(|w| *w = Some(self.path(*path)));
            }
        }
        within
            .into_iter()
            .enumerate()
            .map(move |(at, within)| Visit { expr: ExprRef { filter: self, at }.expr(), within })
    }

    /// The tree as an s-expression: `(and (pr title) (match emails (eq type "work")))`.
    ///
    /// Paths and numbers are as written, operators in lower case, strings as JSON. Meant for test cases
    /// and for logs of a developer; it shows the values of the filter.
    pub fn to_s_expression(&self) -> String {
        print::s_expression(self.root())
    }

    pub(crate) fn new(text: &'a str, nodes: Nodes, unescaped: String) -> Self {
        Self { text: Cow::Borrowed(text), unescaped, nodes }
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        self.nodes.as_slice()
    }

    pub(crate) fn path(&self, name: Name) -> AttributePath<'_> {
        name.of(&self.text)
    }

    pub(crate) fn literal(&self, constant: Constant) -> Literal<'_> {
        match constant {
            Constant::Null => Literal::Null,
            Constant::Bool(b) => Literal::Bool(b),
            Constant::Number(span) => Literal::Number(span.of(&self.text)),
            Constant::String(span) => Literal::String(span.of(&self.text)),
            Constant::Unescaped(span) => Literal::String(span.of(&self.unescaped)),
        }
    }
}

/// Names and numbers as written, strings by what they mean.
impl PartialEq for Filter<'_> {
    fn eq(&self, other: &Self) -> bool {
        let same = |(a, b): (&Node, &Node)| match (*a, *b) {
            (Node::And { left: a }, Node::And { left: b }) | (Node::Or { left: a }, Node::Or { left: b }) => {
                a == b
            }
            (Node::Not, Node::Not) => true,
            (Node::Present(a), Node::Present(b)) => self.path(a) == other.path(b),
            (
                Node::Compare { path: a, operator: ours, value },
                Node::Compare { path: b, operator: theirs, value: their_value },
            ) => {
                ours == theirs
                    && self.path(a) == other.path(b)
                    && self.literal(value) == other.literal(their_value)
            }
            (Node::ValuePath { path: a, start }, Node::ValuePath { path: b, start: their_start }) => {
                start == their_start && self.path(a) == other.path(b)
            }
            _ => false,
        };
        self.nodes().len() == other.nodes().len() && self.nodes().iter().zip(other.nodes()).all(same)
    }
}

impl fmt::Debug for Filter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({})", self.to_s_expression())
    }
}

/// One step of [`Filter::post_order`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Visit<'f> {
    /// The expression.
    pub expr: Expr<'f>,
    /// The attribute of the value path around the expression, if there is one.
    pub within: Option<AttributePath<'f>>,
}

/// A place in the tree.
#[derive(Clone, Copy, Debug)]
pub struct ExprRef<'f> {
    filter: &'f Filter<'f>,
    at: usize,
}

impl<'f> ExprRef<'f> {
    /// What stands there.
    pub fn expr(self) -> Expr<'f> {
        let filter = self.filter;
        let child = |at: usize| ExprRef { filter, at };
        let last = self.at.saturating_sub(1);
        match filter.nodes().get(self.at).copied() {
            Some(Node::And { left }) => Expr::And(child(left.get()), child(last)),
            Some(Node::Or { left }) => Expr::Or(child(left.get()), child(last)),
            Some(Node::Not) => Expr::Not(child(last)),
            Some(Node::Compare { path, operator, value }) => {
                Expr::Compare { path: filter.path(path), operator, value: filter.literal(value) }
            }
            Some(Node::ValuePath { path, .. }) => {
                Expr::ValuePath { path: filter.path(path), filter: child(last) }
            }
            Some(Node::Present(path)) => Expr::Present(filter.path(path)),
            // Parsing gives at least one node, and children lie before their parents.
            None => Expr::Present(AttributePath { urn: None, attribute: "", sub: None }),
        }
    }
}

/// An expression of a filter, to be read.
#[derive(Clone, Copy, Debug)]
pub enum Expr<'f> {
    /// Both match.
    And(ExprRef<'f>, ExprRef<'f>),
    /// One or both match.
    Or(ExprRef<'f>, ExprRef<'f>),
    /// The expression does not match.
    Not(ExprRef<'f>),
    /// `path op value`.
    Compare {
        /// The attribute, as written.
        path: AttributePath<'f>,
        /// The operator.
        operator: Operator,
        /// The value to compare with.
        value: Literal<'f>,
    },
    /// `path pr`.
    Present(AttributePath<'f>),
    /// `path[filter]`: one value of the attribute matches all of the filter.
    ValuePath {
        /// The attribute, as written.
        path: AttributePath<'f>,
        /// The filter on its values; paths in it are names of sub-attributes.
        filter: ExprRef<'f>,
    },
}

/// An operator that compares (RFC 7644 table 3, without `pr`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater than.
    Gt,
    /// Greater than or equal to.
    Ge,
    /// Less than.
    Lt,
    /// Less than or equal to.
    Le,
}

impl Operator {
    /// The operator in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        }
    }

    /// The operator of that name, in any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        let letters: [u8; 2] = text.as_bytes().try_into().ok()?;
        Self::from_letters(letters.map(|letter| letter.to_ascii_lowercase()))
    }

    /// The operator of that name, in lower case.
    pub(crate) fn from_letters(letters: [u8; 2]) -> Option<Self> {
        Some(match &letters {
            b"eq" => Self::Eq,
            b"ne" => Self::Ne,
            b"co" => Self::Co,
            b"sw" => Self::Sw,
            b"ew" => Self::Ew,
            b"gt" => Self::Gt,
            b"ge" => Self::Ge,
            b"lt" => Self::Lt,
            b"le" => Self::Le,
            _ => return None,
        })
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A comparison value (`compValue`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literal<'f> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as written.
    Number(&'f str),
    /// A string, without quotes and escapes.
    String(&'f str),
}

/// Nodes in post-order; the last one is the root, and there is always one. Most filters have no more, and need
/// no allocation.
#[derive(Clone, Debug)]
pub(crate) enum Nodes {
    One(Node),
    Many(Box<[Node]>),
}

impl Nodes {
    pub(crate) fn of(nodes: &[Node]) -> Self {
        match nodes {
            [node] => Self::One(*node),
            nodes => Self::Many(nodes.into()),
        }
    }

    fn as_slice(&self) -> &[Node] {
        match self {
            Self::One(node) => std::slice::from_ref(node),
            Self::Many(nodes) => nodes,
        }
    }
}

/// A node in post-order: the last child of a node lies directly before it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Node {
    And {
        left: Index,
    },
    Or {
        left: Index,
    },
    Not,
    Compare {
        path: Name,
        operator: Operator,
        value: Constant,
    },
    Present(Name),
    /// `start` is the index of the first node of the inner filter.
    ValuePath {
        path: Name,
        start: Index,
    },
}

/// A place in a text or in a list of nodes, in four bytes: texts of more than 4 GiB are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Index(u32);

impl Index {
    pub(crate) const MAX: usize = u32::MAX as usize;

    /// `at` is no more than [`Index::MAX`].
    pub(crate) fn new(at: usize) -> Self {
        Self(at as u32)
    }

    pub(crate) fn get(self) -> usize {
        self.0 as usize
    }
}

/// A part of a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: Index,
    end: Index,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start: Index::new(start), end: Index::new(end) }
    }

    pub(crate) fn of(self, text: &str) -> &str {
        text.get(self.start.get()..self.end.get()).unwrap_or_default()
    }
}

/// An attribute path, by the places where its text is split.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    start: Index,
    /// Where the attribute's name starts: behind the colon of the URN, or at the start.
    attribute: Index,
    /// Where the attribute's name ends: at the dot before the sub-attribute, or at the end.
    dot: Index,
    pub(crate) end: Index,
}

impl Name {
    pub(crate) fn new(start: usize, attribute: usize, dot: usize, end: usize) -> Self {
        let [start, attribute, dot, end] = [start, attribute, dot, end].map(Index::new);
        Self { start, attribute, dot, end }
    }

    /// Whether a sub-attribute is named.
    pub(crate) fn has_sub(self) -> bool {
        self.dot != self.end
    }

    pub(crate) fn of(self, text: &str) -> AttributePath<'_> {
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        let (attribute, dot, end) = (self.attribute.get(), self.dot.get(), self.end.get());
        AttributePath {
            urn: (self.attribute != self.start).then(|| part(self.start.get(), attribute.saturating_sub(1))),
            attribute: part(attribute, dot),
            sub: (dot != end).then(|| part(dot + 1, end)),
        }
    }
}

/// A value to compare with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Constant {
    Null,
    Bool(bool),
    Number(Span),
    /// A string without escapes, where it stands in the text.
    String(Span),
    /// A string with escapes, where it stands in [`Filter::unescaped`].
    Unescaped(Span),
}
