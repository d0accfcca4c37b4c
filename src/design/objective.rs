//! What is to be reached: a linear expression of tasks.

use std::collections::BTreeMap;

use ndarray::ArrayView1;

use super::DesignError;
use crate::model::ModelError;

/// Brackets within brackets.
const DEEPEST: usize = 64;

/// A linear expression of tasks, such as `HepG2_minP - 0.5 * K562_minP`.
///
/// It is made of names of tasks, numbers, `+`, `-`, `*`, `/` and brackets; of a product one side at least is
/// a number, and so is what is divided by. A name of other characters than letters, digits, `_`, `.` and `:`
/// stands in quotes, double or single.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    text: String,
    /// Columns of the model's tasks and their factors, none 0, ascending.
    terms: Vec<(usize, f64)>,
    constant: f64,
}

impl Objective {
    /// Reads an expression over a model's tasks.
    ///
    /// # Errors
    /// [`DesignError::Objective`] where it is none, is not linear or names no task; [`ModelError::UnknownTask`].
    pub fn parse(text: &str, tasks: &[String]) -> Result<Self, DesignError> {
        let mut parser = Parser {
            text,
            at: 0,
            depth: 0,
            tasks,
        };
        let sum = parser.sum()?;
        if parser.peek().is_some() {
            return Err(parser.fail("+, -, *, / or the end"));
        }
        let terms: Vec<(usize, f64)> = (sum.terms.into_iter()).filter(|(_, f)| *f != 0.0).collect();
        let whole = |problem: &str| DesignError::Objective {
            text: text.into(),
            problem: problem.into(),
            tasks: tasks.to_vec(),
        };
        if terms.is_empty() {
            return Err(whole("it depends on no task"));
        }
        if !terms.iter().all(|(_, f)| f.is_finite()) || !sum.constant.is_finite() {
            return Err(whole("a number in it is too large"));
        }
        Ok(Self {
            text: text.trim().into(),
            terms,
            constant: sum.constant,
        })
    }

    /// As it was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Columns of the tasks that it depends on, with their factors.
    pub fn terms(&self) -> &[(usize, f64)] {
        &self.terms
    }

    /// Its value for the activities of all tasks.
    pub fn value(&self, activities: ArrayView1<'_, f32>) -> f64 {
        self.constant + self.change(activities)
    }

    /// How a change with these effects on all tasks changes its value.
    pub fn change(&self, effects: ArrayView1<'_, f32>) -> f64 {
        let terms = self.terms.iter();
        terms.map(|&(task, f)| f * f64::from(effects[task])).sum()
    }
}

/// Where to go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// As high as possible.
    Maximize,
    /// As low as possible.
    Minimize,
    /// As near to this value as possible.
    Target(f64),
}

impl Goal {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Maximize => "maximize",
            Self::Minimize => "minimize",
            Self::Target(_) => "target",
        }
    }

    /// How good a value of the objective is: more is better.
    pub fn worth(self, objective: f64) -> f64 {
        match self {
            Self::Maximize => objective,
            Self::Minimize => -objective,
            Self::Target(value) => -(objective - value).abs(),
        }
    }
}

/// A sum of tasks with factors, and a number.
#[derive(Default)]
struct Linear {
    terms: BTreeMap<usize, f64>,
    constant: f64,
}

impl Linear {
    fn add(&mut self, other: Self, sign: f64) {
        self.constant += sign * other.constant;
        for (task, factor) in other.terms {
            *self.terms.entry(task).or_default() += sign * factor;
        }
    }

    fn scaled(mut self, by: f64) -> Self {
        self.constant *= by;
        self.terms.values_mut().for_each(|f| *f *= by);
        self
    }
}

struct Parser<'a> {
    text: &'a str,
    /// Byte of the next character.
    at: usize,
    depth: usize,
    tasks: &'a [String],
}

impl Parser<'_> {
    /// The next character that is no blank.
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    fn take(&mut self, c: char) {
        self.at += c.len_utf8();
    }

    fn fail(&mut self, expected: &str) -> DesignError {
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(c) => format!("{c:?}"),
        };
        let place = self.text[..self.at].chars().count() + 1;
        DesignError::Objective {
            text: self.text.into(),
            problem: format!("at character {place} found {found}, expected {expected}"),
            tasks: self.tasks.to_vec(),
        }
    }

    fn problem(&self, problem: &str) -> DesignError {
        DesignError::Objective {
            text: self.text.into(),
            problem: problem.into(),
            tasks: self.tasks.to_vec(),
        }
    }

    fn sum(&mut self) -> Result<Linear, DesignError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.problem("too many brackets within brackets"));
        }
        let mut sum = self.product()?;
        while let Some(c @ ('+' | '-')) = self.peek() {
            self.take(c);
            let next = self.product()?;
            sum.add(next, if c == '+' { 1.0 } else { -1.0 });
        }
        self.depth -= 1;
        Ok(sum)
    }

    fn product(&mut self) -> Result<Linear, DesignError> {
        let mut product = self.factor()?;
        while let Some(c @ ('*' | '/')) = self.peek() {
            self.take(c);
            let next = self.factor()?;
            product = match (c, product.terms.is_empty(), next.terms.is_empty()) {
                ('*', _, true) => product.scaled(next.constant),
                ('*', true, false) => next.scaled(product.constant),
                ('/', _, true) if next.constant == 0.0 => {
                    return Err(self.problem("it divides by 0"));
                }
                ('/', _, true) => product.scaled(1.0 / next.constant),
                ('/', ..) => return Err(self.problem("it divides by a task: it must be linear")),
                _ => return Err(self.problem("it multiplies tasks: it must be linear")),
            };
        }
        Ok(product)
    }

    fn factor(&mut self) -> Result<Linear, DesignError> {
        let mut sign = 1.0;
        let first = loop {
            match self.peek() {
                Some('-') => sign = -sign,
                Some('+') => {}
                Some(c) => break c,
                None => return Err(self.fail("a task, a number or a bracket")),
            }
            self.at += 1;
        };
        let value = match first {
            '(' => {
                self.take('(');
                let inner = self.sum()?;
                if self.peek() != Some(')') {
                    return Err(self.fail("a closing bracket"));
                }
                self.take(')');
                inner
            }
            quote @ ('"' | '\'') => {
                let from = self.at + 1;
                let Some(length) = self.text[from..].find(quote) else {
                    return Err(self.problem("a quote is not closed"));
                };
                self.at = from + length + 1;
                self.task(&self.text[from..from + length])?
            }
            c if is_name(c) => {
                let rest = &self.text[self.at..];
                let word = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
                match number(rest) {
                    // `293T_minP` is no number.
                    Some((value, length)) if !rest[length..].starts_with(is_name) => {
                        self.at += length;
                        Linear {
                            constant: value,
                            ..Linear::default()
                        }
                    }
                    _ => {
                        self.at += word.len();
                        self.task(word)?
                    }
                }
            }
            _ => return Err(self.fail("a task, a number or a bracket")),
        };
        Ok(value.scaled(sign))
    }

    fn task(&self, name: &str) -> Result<Linear, DesignError> {
        let unknown = || ModelError::UnknownTask {
            name: name.into(),
            known: self.tasks.to_vec(),
        };
        let column = self.tasks.iter().position(|task| task == name);
        let mut linear = Linear::default();
        linear.terms.insert(column.ok_or_else(unknown)?, 1.0);
        Ok(linear)
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | ':')
}

/// The number that a text begins with, and its bytes.
fn number(text: &str) -> Option<(f64, usize)> {
    let digits = |from: usize| {
        let rest = text.as_bytes().get(from..).unwrap_or_default();
        rest.iter().take_while(|b| b.is_ascii_digit()).count()
    };
    let byte = |at: usize| text.as_bytes().get(at).copied();
    let whole = digits(0);
    let mut end = whole;
    if byte(end) == Some(b'.') {
        let more = digits(end + 1);
        if whole + more == 0 {
            return None;
        }
        end += 1 + more;
    } else if whole == 0 {
        return None;
    }
    if let Some(b'e' | b'E') = byte(end) {
        let sign = usize::from(matches!(byte(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    Some((text[..end].parse().ok()?, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tasks() -> Vec<String> {
        ["a", "b", "293T_minP", "x-y", "1e3"]
            .map(String::from)
            .to_vec()
    }

    fn terms(text: &str) -> (Vec<(usize, f64)>, f64) {
        let objective = Objective::parse(text, &tasks()).unwrap();
        (objective.terms, objective.constant)
    }

    #[test]
    fn linear_expressions() {
        assert_eq!(terms("a - b"), (vec![(0, 1.0), (1, -1.0)], 0.0));
        assert_eq!(terms("-a+2*(b-3)/4"), (vec![(0, -1.0), (1, 0.5)], -1.5));
        assert_eq!(terms("- - a * 1.5e-1"), (vec![(0, 0.15)], 0.0));
        assert_eq!(terms("293T_minP*.5"), (vec![(2, 0.5)], 0.0));
        assert_eq!(terms("'x-y' + \"a\""), (vec![(0, 1.0), (3, 1.0)], 0.0));
        // A name that reads as a number is one only in quotes.
        assert_eq!(terms("a + 1e3"), (vec![(0, 1.0)], 1000.0));
        assert_eq!(terms("'1e3'"), (vec![(4, 1.0)], 0.0));
        let objective = Objective::parse("a - 2 * b + 1", &tasks()).unwrap();
        let row = ndarray::arr1(&[3.0, 0.5, 9.0, 9.0, 9.0]);
        assert_eq!(objective.value(row.view()), 3.0);
        assert_eq!(objective.change(row.view()), 2.0);
    }

    #[test]
    fn what_is_wrong_is_said_where_it_is() {
        let deep = "(".repeat(100_000) + "a";
        for (text, part) in [
            ("", "at character 1 found the end"),
            ("a +", "at character 4 found the end, expected a task"),
            ("a b", "at character 3 found 'b', expected +, -"),
            ("a + * b", "at character 5 found '*'"),
            ("(a", "expected a closing bracket"),
            ("a * b", "it must be linear"),
            ("1 / a", "it must be linear"),
            ("a / (2 - 2)", "divides by 0"),
            ("a - a", "depends on no task"),
            ("3", "depends on no task"),
            ("'a", "a quote is not closed"),
            ("a * 1e308 * 1e308", "too large"),
            ("a $ b", "found '$'"),
            (&deep, "brackets within brackets"),
        ] {
            let error = Objective::parse(text, &tasks()).unwrap_err();
            assert!(error.to_string().contains(part), "{text}: {error}");
            assert!(error.hint().is_some(), "{text}");
        }
        let error = Objective::parse("A", &tasks()).unwrap_err();
        assert!(error.to_string().contains("no task \"A\""), "{error}");
        assert!(error.hint().is_some_and(|h| h.contains("\"a\"")), "{error}");
    }

    #[test]
    fn goals() {
        assert_eq!(Goal::Maximize.worth(2.0), 2.0);
        assert_eq!(Goal::Minimize.worth(2.0), -2.0);
        assert_eq!(Goal::Target(0.5).worth(2.0), -1.5);
        assert_eq!(Goal::Target(0.5).worth(-1.0), -1.5);
    }

    proptest! {
        #[test]
        fn nothing_that_is_typed_panics(text in ".{0,40}") {
            let _ = Objective::parse(&text, &tasks());
        }

        #[test]
        fn an_expression_written_out_is_read_back(a in -9i32..9, b in -9i32..9, c in -9i32..9) {
            prop_assume!(a != 0 || b != 0);
            let text = format!("{a}*a + b * {b} - {c}");
            let objective = Objective::parse(&text, &tasks()).unwrap();
            let row = ndarray::arr1(&[2.0, 7.0, 0.0, 0.0, 0.0]);
            prop_assert_eq!(objective.value(row.view()), f64::from(2 * a + 7 * b - c));
        }
    }
}
