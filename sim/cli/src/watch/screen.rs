//! The terminal: taken, drawn on, and given back on every way out, panics and signals included.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyEventKind};
use signal_hook::consts::{SIGHUP, SIGTERM};
use squall_report::watch::Watch;

use super::draw;
use super::player::Player;

/// Between two pictures.
const PICTURE_EVERY: Duration = Duration::from_millis(50);

/// Shows a run until the one who watches has seen enough.
pub(super) fn show(watch: &Watch<'_>, mut player: Player) -> io::Result<()> {
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGHUP, SIGTERM] {
        signal_hook::flag::register(signal, ended.clone())?;
    }
    // From here on a panic, too, gives the terminal back before it is told.
    let mut terminal = ratatui::try_init()?;
    let shown = (|| {
        let mut before = Instant::now();
        while !player.is_over() && !ended.load(Ordering::Relaxed) {
            terminal.draw(|screen| {
                let frame = watch.at(player.at_us());
                draw::frame(&frame, Some(&player), screen.area(), screen.buffer_mut());
            })?;
            let next = before + PICTURE_EVERY;
            while event::poll(next.saturating_duration_since(Instant::now()))? {
                if let Event::Key(key) = event::read()?
                    && key.kind != KeyEventKind::Release
                {
                    player.key(key.code, key.modifiers);
                }
            }
            player.pass(before.elapsed());
            before = Instant::now();
        }
        Ok(())
    })();
    ratatui::restore();
    shown
}
