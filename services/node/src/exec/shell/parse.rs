//! The grammar: lists of pipelines, `until`/`while … do … done` and `if … then … fi`.

use super::words::{Redirection, Token, Word, tokens};
use super::{Errors, Link, Node, Outputs, Pipeline, Script, Simple};

/// The most commands of one line.
const COMMANDS_MAX: usize = 64;
/// The deepest that loops and conditions may be in each other.
const DEPTH_MAX: usize = 16;
/// Words that mean something where a command could begin, and are no command.
const RESERVED: &[&str] = &[
    "do", "done", "then", "else", "elif", "fi", "for", "case", "esac", "select", "function",
];

/// Reads a line. The error says what this shell does not know.
pub(in super::super) fn parse(line: &str) -> Result<Script, String> {
    let mut parser = Parser {
        tokens: tokens(line)?,
        at: 0,
        commands: 0,
        depth: 0,
    };
    parser.list(&[])
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    commands: usize,
    depth: usize,
}

impl Parser {
    fn operator(&self) -> Option<&'static str> {
        match self.tokens.get(self.at) {
            Some(Token::Operator(operator)) => Some(operator),
            _ => None,
        }
    }

    /// The next word, when it is one of these.
    fn reserved(&self, words: &[&'static str]) -> Option<&'static str> {
        let Some(Token::Word(word)) = self.tokens.get(self.at) else {
            return None;
        };
        words.iter().find(|text| word.is(text)).copied()
    }

    fn expect(&mut self, word: &'static str) -> Result<(), String> {
        match self.reserved(&[word]) {
            Some(_) => {
                self.at += 1;
                Ok(())
            }
            None => Err(format!("`{word}` is missing")),
        }
    }

    /// Pipelines, until one of the words of `ends`, which is left, or until the end.
    fn list(&mut self, ends: &[&'static str]) -> Result<Script, String> {
        let mut script = Script(Vec::new());
        let mut link = Link::Always;
        loop {
            while self.operator() == Some(";") {
                self.at += 1;
            }
            if self.at == self.tokens.len() || self.reserved(ends).is_some() {
                break;
            }
            script.0.push((link, self.pipeline()?));
            link = match self.operator() {
                Some("&&") => Link::And,
                Some("||") => Link::Or,
                Some(_) => Link::Always,
                None if self.at == self.tokens.len() || self.reserved(ends).is_some() => {
                    return Ok(script);
                }
                None => return Err("`;` is missing between two commands".to_owned()),
            };
            self.at += 1;
        }
        match link != Link::Always || script.0.is_empty() {
            true => Err("a command is missing".to_owned()),
            false => Ok(script),
        }
    }

    fn pipeline(&mut self) -> Result<Pipeline, String> {
        let mut pipeline = Pipeline::default();
        while self.reserved(&["!"]).is_some() {
            pipeline.negated = !pipeline.negated;
            self.at += 1;
        }
        loop {
            pipeline.commands.push(self.command()?);
            if self.operator() != Some("|") {
                return Ok(pipeline);
            }
            self.at += 1;
        }
    }

    fn command(&mut self) -> Result<Node, String> {
        self.commands += 1;
        if self.commands > COMMANDS_MAX {
            return Err(format!("more than {COMMANDS_MAX} commands"));
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("more than {DEPTH_MAX} commands in each other"));
        }
        let command = match self.reserved(&["until", "while", "if"]) {
            Some("if") => self.condition(),
            Some(word) => self.repetition(word == "until"),
            None => self.simple(),
        };
        self.depth -= 1;
        command
    }

    fn repetition(&mut self, until: bool) -> Result<Node, String> {
        self.at += 1;
        let condition = self.list(&["do"])?;
        self.expect("do")?;
        let body = self.list(&["done"])?;
        self.expect("done")?;
        Ok(Node::Loop {
            until,
            condition,
            body,
            outputs: self.redirections(),
        })
    }

    fn condition(&mut self) -> Result<Node, String> {
        let mut branches = Vec::new();
        let mut otherwise = None;
        loop {
            self.at += 1; // `if`, `elif`
            let condition = self.list(&["then"])?;
            self.expect("then")?;
            branches.push((condition, self.list(&["elif", "else", "fi"])?));
            match self.reserved(&["elif", "else"]) {
                Some("elif") => {}
                Some(_) => {
                    self.at += 1;
                    otherwise = Some(self.list(&["fi"])?);
                    break;
                }
                None => break,
            }
        }
        self.expect("fi")?;
        Ok(Node::If {
            branches,
            otherwise,
            outputs: self.redirections(),
        })
    }

    fn simple(&mut self) -> Result<Node, String> {
        if let Some(word) = self.reserved(RESERVED) {
            return Err(format!("`{word}` is not known here"));
        }
        let mut words: Vec<Word> = Vec::new();
        let mut variables = Vec::new();
        let mut outputs = Outputs::default();
        loop {
            match self.tokens.get(self.at) {
                Some(Token::Word(word)) => match word.assignment() {
                    Some(assignment) if words.is_empty() => variables.push(assignment),
                    _ => words.push(word.clone()),
                },
                Some(Token::Redirection(redirection)) => outputs.redirect(*redirection),
                Some(Token::Operator(operator)) if words.is_empty() => {
                    return Err(format!("`{operator}` without a command before it"));
                }
                None if words.is_empty() => return Err("a command is missing".to_owned()),
                Some(Token::Operator(_)) | None => break,
            }
            self.at += 1;
        }
        Ok(Node::Simple(Simple {
            variables,
            words,
            outputs,
        }))
    }

    /// Those behind a `done` or `fi`.
    fn redirections(&mut self) -> Outputs {
        let mut outputs = Outputs::default();
        while let Some(Token::Redirection(redirection)) = self.tokens.get(self.at) {
            outputs.redirect(*redirection);
            self.at += 1;
        }
        outputs
    }
}

impl Outputs {
    fn redirect(&mut self, redirection: Redirection) {
        match redirection {
            Redirection::OutputNowhere => self.silent = true,
            Redirection::ErrorsNowhere => self.errors = Some(Errors::Nowhere),
            Redirection::ErrorsToOutput => self.errors = Some(Errors::ToOutput),
            Redirection::Same => {}
        }
    }
}
