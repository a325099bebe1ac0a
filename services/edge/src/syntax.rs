//! The grammar of `nginx.conf`: words, quotes, escapes, comments and blocks, as a tree of
//! directives that each know their place.
//!
//! Rules are those of nginx's own reader (`ngx_conf_file.c`). Deliberately absent: what a directive
//! means (see `crate::config`) and where files come from (see [`include`]).

pub(crate) mod include;
mod lexer;
mod print;

use std::sync::Arc;

use squall_host::{Diagnostic, Origin};

use lexer::{Lexer, Token};

/// Blocks within blocks; nginx has no limit, a hostile file must not exhaust the stack.
const DEPTH_MAX: usize = 64;

/// One directive with its arguments and, where it has one, its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// The first word.
    pub name: String,
    /// The words after it, with quotes and escapes resolved.
    pub args: Vec<String>,
    /// What stands between its braces.
    pub block: Option<Vec<Directive>>,
    /// Where its first word stands.
    pub origin: Origin,
}

/// Parses the text of one file; `shown_as` names it in messages.
pub fn parse(shown_as: &Arc<str>, text: &str) -> Result<Vec<Directive>, Diagnostic> {
    let mut parser = Parser {
        lexer: Lexer::new(shown_as.clone(), text),
    };
    parser.block(0)
}

/// Writes directives in a form that [`parse`] reads back as the same tree.
pub fn print(directives: &[Directive]) -> String {
    let mut out = String::new();
    print::directives(&mut out, directives, 0);
    out
}

struct Parser<'a> {
    lexer: Lexer<'a>,
}

impl Parser<'_> {
    /// Directives up to the closing brace, or to the end of the file at depth 0.
    fn block(&mut self, depth: usize) -> Result<Vec<Directive>, Diagnostic> {
        let mut directives = Vec::new();
        loop {
            let (token, origin) = self.lexer.next()?;
            match token {
                Token::Word(name) => directives.push(self.directive(name, origin, depth)?),
                Token::Close if depth > 0 => return Ok(directives),
                Token::End if depth == 0 => return Ok(directives),
                Token::End => {
                    let message = "unexpected end of file, expecting \"}\"";
                    return Err(Diagnostic::at(origin, message));
                }
                Token::Close => return Err(Diagnostic::at(origin, "unexpected \"}\"")),
                Token::Semicolon => return Err(Diagnostic::at(origin, "unexpected \";\"")),
                Token::Open => return Err(Diagnostic::at(origin, "unexpected \"{\"")),
            }
        }
    }

    fn directive(
        &mut self,
        name: String,
        origin: Origin,
        depth: usize,
    ) -> Result<Directive, Diagnostic> {
        let mut args = Vec::new();
        let block = loop {
            let (token, at) = self.lexer.next()?;
            match token {
                Token::Word(word) => args.push(word),
                Token::Semicolon => break None,
                Token::Open if depth >= DEPTH_MAX => {
                    return Err(Diagnostic::at(at, "blocks are nested too deeply"));
                }
                Token::Open => break Some(self.block(depth + 1)?),
                Token::Close => return Err(Diagnostic::at(at, "unexpected \"}\"")),
                Token::End => {
                    let message = "unexpected end of file, expecting \";\" or \"}\"";
                    return Err(Diagnostic::at(at, message)
                        .help(format!("end the directive \"{name}\" with \";\"")));
                }
            }
        };
        Ok(Directive {
            name,
            args,
            block,
            origin,
        })
    }
}

#[cfg(test)]
mod tests;
