//! Printing: canonical filter text, and s-expressions.

use std::fmt::{self, Write as _};

use smallvec::SmallVec;

use super::{Expr, ExprRef, Filter, Literal};

/// Canonical text: operators in lower case, one space where one is due, only the parentheses that are
/// needed. Parsing it gives an equal filter.
impl fmt::Display for Filter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut work: Work<'_> = SmallVec::new();
        work.push(Todo::Expr(self.root()));
        while let Some(todo) = work.pop() {
            let expr = match todo {
                Todo::Text(text) => {
                    f.write_str(text)?;
                    continue;
                }
                Todo::Expr(at) => at.expr(),
            };
            match expr {
                Expr::And(left, right) => {
                    operand(&mut work, right, matches!(right.expr(), Expr::And(..) | Expr::Or(..)));
                    work.push(Todo::Text(" and "));
                    operand(&mut work, left, matches!(left.expr(), Expr::Or(..)));
                }
                Expr::Or(left, right) => {
                    operand(&mut work, right, matches!(right.expr(), Expr::Or(..)));
                    work.push(Todo::Text(" or "));
                    operand(&mut work, left, false);
                }
                Expr::Not(inner) => {
                    f.write_str("not ")?;
                    operand(&mut work, inner, true);
                }
                Expr::Compare { path, operator, value } => write!(f, "{path} {operator} {value}")?,
                Expr::Present(path) => write!(f, "{path} pr")?,
                Expr::ValuePath { path, filter } => {
                    write!(f, "{path}[")?;
                    work.push(Todo::Text("]"));
                    work.push(Todo::Expr(filter));
                }
            }
        }
        Ok(())
    }
}

/// As in a filter: strings are JSON.
impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Number(n) => f.write_str(n),
            Self::String(s) => {
                f.write_char('"')?;
                for c in s.chars() {
                    match c {
                        '"' => f.write_str("\\\"")?,
                        '\\' => f.write_str("\\\\")?,
                        '\n' => f.write_str("\\n")?,
                        '\r' => f.write_str("\\r")?,
                        '\t' => f.write_str("\\t")?,
                        '\u{8}' => f.write_str("\\b")?,
                        '\u{c}' => f.write_str("\\f")?,
                        c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c))?,
                        c => f.write_char(c)?,
                    }
                }
                f.write_char('"')
            }
        }
    }
}

pub(super) fn s_expression(root: ExprRef<'_>) -> String {
    let mut out = String::new();
    let mut work: Work<'_> = SmallVec::new();
    work.push(Todo::Expr(root));
    while let Some(todo) = work.pop() {
        let expr = match todo {
            Todo::Text(text) => {
                out.push_str(text);
                continue;
            }
            Todo::Expr(at) => at.expr(),
        };
        // Writing to a String can't fail.
        let _ = match expr {
            Expr::And(left, right) | Expr::Or(left, right) => {
                let word = if matches!(expr, Expr::And(..)) { "(and " } else { "(or " };
                work.extend([Todo::Text(")"), Todo::Expr(right), Todo::Text(" "), Todo::Expr(left)]);
                out.write_str(word)
            }
            Expr::Not(inner) => {
                work.extend([Todo::Text(")"), Todo::Expr(inner)]);
                out.write_str("(not ")
            }
            Expr::Compare { path, operator, value } => write!(out, "({operator} {path} {value})"),
            Expr::Present(path) => write!(out, "(pr {path})"),
            Expr::ValuePath { path, filter } => {
                work.extend([Todo::Text(")"), Todo::Expr(filter)]);
                write!(out, "(match {path} ")
            }
        };
    }
    out
}

/// What is still to be printed, last first.
type Work<'f> = SmallVec<[Todo<'f>; 16]>;

enum Todo<'f> {
    Text(&'static str),
    Expr(ExprRef<'f>),
}

fn operand<'f>(work: &mut Work<'f>, expr: ExprRef<'f>, parentheses: bool) {
    if parentheses {
        work.extend([Todo::Text(")"), Todo::Expr(expr), Todo::Text("(")]);
    } else {
        work.push(Todo::Expr(expr));
    }
}
