//! Words and punctuation of `nginx.conf`.

use std::sync::Arc;

use squall_host::{Diagnostic, Origin};

/// The longest word; nginx's buffer for a configuration token is 4096 bytes, too.
const WORD_MAX: usize = 4096;

pub(super) enum Token {
    Word(String),
    Semicolon,
    Open,
    Close,
    End,
}

pub(super) struct Lexer<'a> {
    file: Arc<str>,
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    line: u32,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(file: Arc<str>, text: &'a str) -> Self {
        Self {
            file,
            rest: text.chars().peekable(),
            line: 1,
        }
    }

    /// The next token and where it starts.
    pub(super) fn next(&mut self) -> Result<(Token, Origin), Diagnostic> {
        self.skip_blank();
        let origin = self.here();
        let token = match self.rest.peek() {
            None => Token::End,
            Some(';') => self.punctuation(Token::Semicolon),
            Some('{') => self.punctuation(Token::Open),
            Some('}') => self.punctuation(Token::Close),
            Some('"' | '\'') => Token::Word(self.quoted(&origin)?),
            Some(_) => Token::Word(self.bare(&origin)?),
        };
        Ok((token, origin))
    }

    fn here(&self) -> Origin {
        Origin::new(self.file.clone(), self.line)
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.rest.next();
        if c == Some('\n') {
            self.line += 1;
        }
        c
    }

    fn punctuation(&mut self, token: Token) -> Token {
        self.bump();
        token
    }

    /// Skips white space and comments. `#` opens a comment only where a word could start.
    fn skip_blank(&mut self) {
        while let Some(&c) = self.rest.peek() {
            match c {
                ' ' | '\t' | '\r' | '\n' => {
                    self.bump();
                }
                '#' => while self.bump().is_some_and(|c| c != '\n') {},
                _ => return,
            }
        }
    }

    fn quoted(&mut self, origin: &Origin) -> Result<String, Diagnostic> {
        let quote = self.bump();
        let mut word = String::new();
        loop {
            match self.bump() {
                None => {
                    return Err(Diagnostic::at(
                        origin.clone(),
                        "unexpected end of file: this quote is never closed",
                    ));
                }
                c if c == quote => break,
                Some('\\') => self.escape(&mut word),
                Some(c) => word.push(c),
            }
            check_length(&word, origin)?;
        }
        match self.rest.peek() {
            None | Some(' ' | '\t' | '\r' | '\n' | ';' | '{' | ')') => Ok(word),
            Some(c) => {
                let message = format!("unexpected \"{c}\" after a quoted word");
                Err(Diagnostic::at(self.here(), message).help("put a space between them"))
            }
        }
    }

    fn bare(&mut self, origin: &Origin) -> Result<String, Diagnostic> {
        let mut word = String::new();
        let mut after_dollar = false;
        while let Some(&c) = self.rest.peek() {
            match c {
                // `${name}` is one word.
                '{' if after_dollar => word.push('{'),
                ' ' | '\t' | '\r' | '\n' | ';' | '{' => break,
                '\\' => {
                    self.bump();
                    self.escape(&mut word);
                    after_dollar = false;
                    continue;
                }
                c => word.push(c),
            }
            self.bump();
            after_dollar = c == '$';
            check_length(&word, origin)?;
        }
        Ok(word)
    }

    /// After a backslash: quotes, backslash, `t`, `r` and `n` are escapes, else both stay.
    fn escape(&mut self, word: &mut String) {
        match self.bump() {
            Some(c @ ('"' | '\'' | '\\')) => word.push(c),
            Some('t') => word.push('\t'),
            Some('r') => word.push('\r'),
            Some('n') => word.push('\n'),
            Some(c) => {
                word.push('\\');
                word.push(c);
            }
            None => word.push('\\'),
        }
    }
}

fn check_length(word: &str, origin: &Origin) -> Result<(), Diagnostic> {
    if word.len() <= WORD_MAX {
        return Ok(());
    }
    let start: String = word.chars().take(20).collect();
    Err(Diagnostic::at(
        origin.clone(),
        format!("too long parameter \"{start}...\" started"),
    ))
}
