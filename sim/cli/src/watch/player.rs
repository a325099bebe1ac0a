//! The instant that is shown, and the keys that move it. Knows no terminal.

use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyModifiers};
use squall_report::watch::Watch;

/// The speeds that the keys lead through.
const SPEEDS: [f64; 9] = [0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0];

/// What the arrows jump.
const JUMP_US: u64 = 5_000_000;

/// A press of `p` so soon after the start of a phase means the one before it.
const START_US: u64 = 1_000_000;

/// Plays a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Player {
    at_us: u64,
    end_us: u64,
    phases_us: Vec<u64>,
    speed: f64,
    paused: bool,
    quit: bool,
}

impl Player {
    /// At the start of a run.
    pub(super) fn new(watch: &Watch<'_>, speed: f64) -> Self {
        Self {
            at_us: 0,
            end_us: watch.end_us(),
            phases_us: watch.phases_us().collect(),
            speed,
            paused: false,
            quit: false,
        }
    }

    /// The instant, in microseconds since the run began.
    pub(super) fn at_us(&self) -> u64 {
        self.at_us
    }

    /// How fast it is played; `None` when it stands still.
    pub(super) fn speed(&self) -> Option<f64> {
        (!self.paused && self.at_us < self.end_us).then_some(self.speed)
    }

    /// What it would be played with.
    pub(super) fn set_speed(&self) -> f64 {
        self.speed
    }

    /// Whether that is all.
    pub(super) fn is_over(&self) -> bool {
        self.quit
    }

    /// So much time of the one who watches has passed.
    pub(super) fn pass(&mut self, time: Duration) {
        if let Some(speed) = self.speed() {
            let passed = time.mul_f64(speed).as_micros();
            let passed = u64::try_from(passed).unwrap_or(u64::MAX);
            self.at_us = self.at_us.saturating_add(passed).min(self.end_us);
        }
    }

    /// A key is pressed.
    pub(super) fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        match code {
            KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => self.quit = true,
            KeyCode::Char('q') | KeyCode::Esc => self.quit = true,
            KeyCode::Char(' ') => self.paused = !self.paused,
            KeyCode::Char('+' | '=') => {
                let faster = SPEEDS.iter().find(|speed| **speed > self.speed);
                self.speed = *faster.unwrap_or(&self.speed);
            }
            KeyCode::Char('-') => {
                let slower = SPEEDS.iter().rev().find(|speed| **speed < self.speed);
                self.speed = *slower.unwrap_or(&self.speed);
            }
            KeyCode::Left => self.at_us = self.at_us.saturating_sub(JUMP_US),
            KeyCode::Right => self.at_us = (self.at_us + JUMP_US).min(self.end_us),
            KeyCode::Home => self.at_us = 0,
            KeyCode::End => self.at_us = self.end_us,
            KeyCode::Char('n') => {
                let next = self.phases_us.iter().find(|start| **start > self.at_us);
                self.at_us = *next.unwrap_or(&self.end_us);
            }
            KeyCode::Char('p') => {
                let mut before = self.phases_us.iter().rev();
                let before = before.find(|start| **start + START_US <= self.at_us);
                self.at_us = *before.unwrap_or(&0);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    fn player() -> Player {
        Player {
            at_us: 0,
            end_us: 60 * S,
            phases_us: vec![5 * S, 20 * S],
            speed: 1.0,
            paused: false,
            quit: false,
        }
    }

    fn press(player: &mut Player, keys: &[KeyCode]) {
        for key in keys {
            player.key(*key, KeyModifiers::NONE);
        }
    }

    #[test]
    fn time_passes_at_the_speed_and_stops_at_the_end() {
        let mut player = player();
        player.pass(Duration::from_millis(500));
        assert_eq!(player.at_us(), S / 2);
        press(&mut player, &[KeyCode::Char('+'), KeyCode::Char('+')]);
        player.pass(Duration::from_secs(1));
        assert_eq!(player.at_us(), 5 * S + S / 2);
        press(&mut player, &[KeyCode::Char(' ')]);
        assert_eq!(player.speed(), None);
        player.pass(Duration::from_secs(1));
        assert_eq!(player.at_us(), 5 * S + S / 2);
        press(&mut player, &[KeyCode::Char(' ')]);
        player.pass(Duration::from_secs(1000));
        assert_eq!((player.at_us(), player.speed()), (60 * S, None));
    }

    #[test]
    fn speeds_have_two_ends_and_take_in_one_of_one_s_own() {
        let mut player = player();
        press(&mut player, &[KeyCode::Char('+'); 20]);
        assert_eq!(player.set_speed(), 100.0);
        press(&mut player, &[KeyCode::Char('-'); 20]);
        assert_eq!(player.set_speed(), 0.25);
        player.speed = 7.0;
        press(&mut player, &[KeyCode::Char('-')]);
        assert_eq!(player.set_speed(), 5.0);
    }

    #[test]
    fn keys_jump_by_time_and_by_phase() {
        let mut player = player();
        let to = |player: &mut Player, key, at_s: u64| {
            press(player, &[key]);
            assert_eq!(player.at_us(), at_s * S, "{key:?}");
        };
        let (next, previous) = (KeyCode::Char('n'), KeyCode::Char('p'));
        to(&mut player, KeyCode::Left, 0);
        to(&mut player, next, 5);
        to(&mut player, next, 20);
        to(&mut player, KeyCode::Right, 25);
        to(&mut player, previous, 20);
        to(&mut player, previous, 5);
        to(&mut player, previous, 0);
        to(&mut player, KeyCode::End, 60);
        to(&mut player, KeyCode::Right, 60);
        to(&mut player, KeyCode::Home, 0);
        press(&mut player, &[next, next, next]);
        assert_eq!(player.at_us(), 60 * S);
        assert!(!player.is_over());
        player.key(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert!(player.is_over());
    }
}
