//! Text to syntax trees, with PostgreSQL's syntax errors and bounds on nesting.

use sqlparser::ast::Statement;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::error::PgError;

/// The longest text that is parsed, in bytes.
pub const STATEMENT_BYTES_MAX: usize = 4 << 20;
/// How deep parentheses and subqueries nest.
const NESTING_MAX: usize = 50;
/// How long a chain of operators may be, since it is a tree as deep as it is long.
const CHAIN_MAX: usize = 400;

/// Parses all statements of a text; none for an empty one.
pub fn parse(sql: &str) -> Result<Vec<Statement>, PgError> {
    if sql.len() > STATEMENT_BYTES_MAX {
        return Err(
            PgError::new("54000", "statement is too long").detail(format!(
                "pg-stub takes statements of at most {STATEMENT_BYTES_MAX} bytes."
            )),
        );
    }
    let dialect = PostgreSqlDialect {};
    let tokens = Tokenizer::new(&dialect, sql)
        .tokenize_with_location()
        .map_err(|error| tokenizer_error(sql, &error.message, error.location))?;
    bound_depth(&tokens)?;
    let tokens = users_are_roles(tokens);
    let last = tokens
        .iter()
        .rev()
        .find(|t| !matches!(t.token, Token::Whitespace(_) | Token::SemiColon))
        .map(|t| t.span.end);
    Parser::new(&dialect)
        .with_recursion_limit(NESTING_MAX)
        .with_tokens_with_locations(tokens.clone())
        .parse_statements()
        .map_err(|error| match error {
            ParserError::ParserError(message) => syntax_error(sql, &tokens, &message, last),
            ParserError::TokenizerError(message) => PgError::new("42601", message),
            ParserError::RecursionLimitExceeded => too_deep(),
        })
}

/// `CREATE USER` is `CREATE ROLE … LOGIN`; the parser knows another database's CREATE USER.
fn users_are_roles(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let is = |token: &TokenWithSpan, word: &str| matches!(&token.token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word));
    let mut significant: Vec<usize> = Vec::new();
    let mut insert_at: Vec<(usize, TokenWithSpan)> = Vec::new();
    let mut rename: Vec<usize> = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        match token.token {
            Token::Whitespace(_) => continue,
            Token::SemiColon => {
                significant.clear();
                continue;
            }
            _ => significant.push(i),
        }
        if let [verb, user] = significant.as_slice()
            && is(&tokens[*user], "USER")
            && (is(&tokens[*verb], "CREATE") || is(&tokens[*verb], "ALTER"))
        {
            rename.push(*user);
        }
        if let [verb, user, name] = significant.as_slice()
            && is(&tokens[*user], "USER")
            && is(&tokens[*verb], "CREATE")
        {
            let next = (*name + 1..tokens.len())
                .find(|j| !matches!(tokens[*j].token, Token::Whitespace(_)));
            let after = match next {
                Some(j) if is(&tokens[j], "WITH") => j,
                _ => *name,
            };
            let login = Token::make_keyword("LOGIN");
            insert_at.push((after + 1, TokenWithSpan::new(login, tokens[after].span)));
        }
    }
    for i in rename {
        tokens[i].token = Token::make_keyword("ROLE");
    }
    for (at, token) in insert_at.into_iter().rev() {
        tokens.insert(at, token);
    }
    tokens
}

fn too_deep() -> PgError {
    PgError::new("54001", "stack depth limit exceeded")
        .hint("pg-stub bounds how deep a statement nests")
}

/// Chains such as `1 + 1 + …` become trees as deep as they are long, and whoever walks or drops
/// such a tree needs as much stack; so they are bounded before there is a tree.
fn bound_depth(tokens: &[TokenWithSpan]) -> Result<(), PgError> {
    let mut levels: Vec<usize> = vec![0];
    let mut total = 0usize;
    for token in tokens {
        match &token.token {
            Token::LParen | Token::LBracket => levels.push(0),
            Token::RParen | Token::RBracket => {
                if levels.len() > 1 {
                    total -= levels.pop().unwrap_or(0);
                }
            }
            Token::Comma | Token::SemiColon => {
                if let Some(level) = levels.last_mut() {
                    total -= *level;
                    *level = 0;
                }
            }
            Token::Word(word) if !word.value.is_empty() => {
                let chains = [
                    "AND",
                    "OR",
                    "NOT",
                    "UNION",
                    "INTERSECT",
                    "EXCEPT",
                    "IS",
                    "LIKE",
                    "ILIKE",
                    "BETWEEN",
                    "IN",
                    "JOIN",
                    "COLLATE",
                    "AT",
                ]
                .iter()
                .any(|keyword| word.value.eq_ignore_ascii_case(keyword));
                if chains {
                    total += 1;
                    if let Some(level) = levels.last_mut() {
                        *level += 1;
                    }
                }
            }
            Token::Whitespace(_)
            | Token::Word(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::Period
            | Token::EOF
            | Token::Placeholder(_) => {}
            _ => {
                total += 1;
                if let Some(level) = levels.last_mut() {
                    *level += 1;
                }
            }
        }
        if total > CHAIN_MAX || levels.len() > NESTING_MAX * 4 {
            return Err(too_deep());
        }
    }
    Ok(())
}

/// The character, from 1, at which a location stands; for the field P of an error.
pub fn position(sql: &str, location: Location) -> Option<usize> {
    if location.line == 0 {
        return None;
    }
    let mut before = 0;
    for (i, line) in sql.split('\n').enumerate() {
        if i as u64 + 1 == location.line {
            return Some(before + location.column as usize);
        }
        before += line.chars().count() + 1;
    }
    None
}

fn byte_at(sql: &str, location: Location) -> Option<usize> {
    let characters = position(sql, location)? - 1;
    Some(
        sql.char_indices()
            .nth(characters)
            .map_or(sql.len(), |(at, _)| at),
    )
}

fn tokenizer_error(sql: &str, message: &str, location: Location) -> PgError {
    let at = byte_at(sql, location).unwrap_or(0);
    let near = sql[at..].trim_end();
    let what = if message.contains("string literal") {
        "unterminated quoted string"
    } else if message.contains("comment") {
        "unterminated /* comment"
    } else if message.contains("close delimiter") {
        "unterminated quoted identifier"
    } else {
        "syntax error"
    };
    PgError::new("42601", format!("{what} at or near \"{near}\"")).at(position(sql, location))
}

/// The parser says where it stopped; PostgreSQL says which word stands there.
fn syntax_error(
    sql: &str,
    tokens: &[TokenWithSpan],
    message: &str,
    last: Option<Location>,
) -> PgError {
    let Some(location) = stated_location(message) else {
        if message.contains("found: EOF") {
            return PgError::new("42601", "syntax error at end of input")
                .at(last.and_then(|end| position(sql, end)));
        }
        return PgError::new("42601", format!("syntax error: {message}"));
    };
    let token = tokens
        .iter()
        .find(|token| token.span.start == location && !matches!(token.token, Token::Whitespace(_)));
    let near = token
        .and_then(|token| {
            let from = byte_at(sql, token.span.start)?;
            let to = byte_at(sql, token.span.end)?;
            sql.get(from..to)
        })
        .filter(|near| !near.is_empty());
    match near {
        Some(near) => PgError::new("42601", format!("syntax error at or near \"{near}\""))
            .at(position(sql, location)),
        None => PgError::new("42601", "syntax error at end of input")
            .at(last.and_then(|end| position(sql, end))),
    }
}

/// `… at Line: 1, Column: 8` at the end of a message.
fn stated_location(message: &str) -> Option<Location> {
    let (_, place) = message.rsplit_once(" at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    Some(Location {
        line: line.trim().parse().ok()?,
        column: column.trim().parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntax_errors_name_the_word_and_the_place() {
        let error = parse("SELECT 1;\nSELEC 2").unwrap_err();
        assert_eq!(error.code, "42601");
        assert_eq!(error.message, "syntax error at or near \"SELEC\"");
        assert_eq!(error.position, Some(11));
        let error = parse("SELECT * FROM").unwrap_err();
        assert_eq!(error.message, "syntax error at end of input");
        let error = parse("SELECT 'abc").unwrap_err();
        assert_eq!(
            error.message,
            "unterminated quoted string at or near \"'abc\""
        );
    }

    #[test]
    fn deep_statements_are_refused_and_long_ones_are_not() {
        let chain = format!("SELECT {}", vec!["1"; 5000].join(" + "));
        assert_eq!(parse(&chain).unwrap_err().code, "54001");
        let nested = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
        assert_eq!(parse(&nested).unwrap_err().code, "54001");
        let list = format!(
            "SELECT * FROM t WHERE a IN ({})",
            vec!["1"; 5000].join(", ")
        );
        assert_eq!(parse(&list).unwrap().len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(sql in "\\PC{0,80}") {
            let _ = parse(&sql);
        }

        #[test]
        fn no_mix_of_words_panics(words in proptest::collection::vec(
            proptest::sample::select(vec!["SELECT", "FROM", "(", ")", "'a'", "1", ",", "*", "t",
                "WHERE", "INSERT", "INTO", "VALUES", "::", "int", "$1", "CASE", "WHEN", "END", "--",
                "/*", "\"", "'", "\n", ";", "UPDATE", "SET", "=", "WITH", "AS"]), 0..30)) {
            let _ = parse(&words.join(" "));
        }
    }
}
