//! The syntax tree of a filter.

mod print;

use std::borrow::Cow;

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
#[derive(Clone, Debug, PartialEq)]
pub struct Filter<'a> {
    /// In post-order; the last node is the root, and there is always one.
    nodes: Nodes<'a>,
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
        parse::filter(text, options).map(|nodes| Self { nodes })
    }

    /// The same filter with strings of its own.
    pub fn into_owned(self) -> Filter<'static> {
        Filter { nodes: self.nodes.into_owned() }
    }

    /// The outermost expression.
    pub fn root(&self) -> ExprRef<'_> {
        ExprRef { nodes: self.nodes.as_slice(), at: self.nodes.len().saturating_sub(1) }
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
        let mut within: Vec<Option<usize>> = vec![None; self.nodes.len()];
        let nodes = self.nodes.as_slice();
        for (at, node) in nodes.iter().enumerate() {
            if let Node::ValuePath { start, .. } = node {
                within.iter_mut().take(at).skip(*start).for_each(|w| *w = Some(at));
            }
        }
        within.into_iter().enumerate().map(move |(at, owner)| Visit {
            expr: ExprRef { nodes, at }.expr(),
            within: owner.and_then(|owner| match nodes.get(owner) {
                Some(Node::ValuePath { path, .. }) => Some(path.view()),
                _ => None,
            }),
        })
    }

    /// The tree as an s-expression: `(and (pr title) (match emails (eq type "work")))`.
    ///
    /// Paths and numbers are as written, operators in lower case, strings as JSON. Meant for test cases
    /// and for logs of a developer; it shows the values of the filter.
    pub fn to_s_expression(&self) -> String {
        print::s_expression(self.root())
    }

    pub(crate) fn nodes(&self) -> &[Node<'a>] {
        self.nodes.as_slice()
    }

    pub(crate) fn from_nodes(nodes: Nodes<'a>) -> Self {
        Self { nodes }
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
    nodes: &'f [Node<'f>],
    at: usize,
}

impl<'f> ExprRef<'f> {
    /// What stands there.
    pub fn expr(self) -> Expr<'f> {
        let child = |at: usize| ExprRef { nodes: self.nodes, at };
        let last = self.at.saturating_sub(1);
        match self.nodes.get(self.at) {
            Some(Node::And { left }) => Expr::And(child(*left), child(last)),
            Some(Node::Or { left }) => Expr::Or(child(*left), child(last)),
            Some(Node::Not) => Expr::Not(child(last)),
            Some(Node::Compare { path, operator, value }) => {
                Expr::Compare { path: path.view(), operator: *operator, value: value.view() }
            }
            Some(Node::ValuePath { path, .. }) => Expr::ValuePath { path: path.view(), filter: child(last) },
            Some(Node::Present(path)) => Expr::Present(path.view()),
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
        let [a, b] = text.as_bytes() else { return None };
        Some(match &[a.to_ascii_lowercase(), b.to_ascii_lowercase()] {
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

impl std::fmt::Display for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

/// Nodes in post-order. Most filters have one node, which needs no allocation.
#[derive(Clone, Debug)]
pub(crate) enum Nodes<'a> {
    One(Node<'a>),
    Many(Vec<Node<'a>>),
}

impl<'a> Nodes<'a> {
    pub(crate) fn new() -> Self {
        Self::Many(Vec::new())
    }

    pub(crate) fn as_slice(&self) -> &[Node<'a>] {
        match self {
            Self::One(node) => std::slice::from_ref(node),
            Self::Many(nodes) => nodes,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(crate) fn push(&mut self, node: Node<'a>) {
        match self {
            Self::Many(nodes) if nodes.is_empty() => *self = Self::One(node),
            Self::Many(nodes) => nodes.push(node),
            Self::One(_) => {
                let mut nodes = Vec::with_capacity(16);
                if let Self::One(first) = std::mem::replace(self, Self::new()) {
                    nodes.push(first);
                }
                nodes.push(node);
                *self = Self::Many(nodes);
            }
        }
    }

    fn into_owned(self) -> Nodes<'static> {
        match self {
            Self::One(node) => Nodes::One(node.into_owned()),
            Self::Many(nodes) => Nodes::Many(nodes.into_iter().map(Node::into_owned).collect()),
        }
    }
}

impl PartialEq for Nodes<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

/// A node in post-order: the last child of a node lies directly before it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node<'a> {
    And {
        left: usize,
    },
    Or {
        left: usize,
    },
    Not,
    Compare {
        path: Name<'a>,
        operator: Operator,
        value: Constant<'a>,
    },
    Present(Name<'a>),
    /// `start` is the index of the first node of the inner filter.
    ValuePath {
        path: Name<'a>,
        start: usize,
    },
}

impl Node<'_> {
    fn into_owned(self) -> Node<'static> {
        match self {
            Self::And { left } => Node::And { left },
            Self::Or { left } => Node::Or { left },
            Self::Not => Node::Not,
            Self::Compare { path, operator, value } => {
                Node::Compare { path: path.into_owned(), operator, value: value.into_owned() }
            }
            Self::Present(path) => Node::Present(path.into_owned()),
            Self::ValuePath { path, start } => Node::ValuePath { path: path.into_owned(), start },
        }
    }
}

/// An attribute path as written, with the places where it is split.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Name<'a> {
    pub(crate) text: Cow<'a, str>,
    /// Where the attribute's name starts; 0 where there is no URN.
    pub(crate) attribute: usize,
    /// Where the dot before the sub-attribute is.
    pub(crate) dot: Option<usize>,
}

impl Name<'_> {
    pub(crate) fn view(&self) -> AttributePath<'_> {
        let end = self.dot.unwrap_or(self.text.len());
        AttributePath {
            urn: self.attribute.checked_sub(1).and_then(|colon| self.text.get(..colon)),
            attribute: self.text.get(self.attribute..end).unwrap_or_default(),
            sub: self.dot.and_then(|dot| self.text.get(dot + 1..)),
        }
    }

    pub(crate) fn into_owned(self) -> Name<'static> {
        Name { text: Cow::Owned(self.text.into_owned()), attribute: self.attribute, dot: self.dot }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Constant<'a> {
    Null,
    Bool(bool),
    Number(Cow<'a, str>),
    String(Cow<'a, str>),
}

impl Constant<'_> {
    pub(crate) fn view(&self) -> Literal<'_> {
        match self {
            Self::Null => Literal::Null,
            Self::Bool(b) => Literal::Bool(*b),
            Self::Number(n) => Literal::Number(n),
            Self::String(s) => Literal::String(s),
        }
    }

    fn into_owned(self) -> Constant<'static> {
        match self {
            Self::Null => Constant::Null,
            Self::Bool(b) => Constant::Bool(b),
            Self::Number(n) => Constant::Number(Cow::Owned(n.into_owned())),
            Self::String(s) => Constant::String(Cow::Owned(s.into_owned())),
        }
    }
}
