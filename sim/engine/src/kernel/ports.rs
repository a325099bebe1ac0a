//! Addresses and ports: which are this host's, which are free, where a route leads.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Kernel;

/// The range of `ip_local_port_range`.
pub(super) const EPHEMERAL: std::ops::RangeInclusive<u16> = 32_768..=60_999;

impl Kernel {
    /// Where an address leads. One that leads to nobody refuses, as kube-proxy has it: REJECT, of
    /// which Linux makes ECONNREFUSED.
    pub(super) fn route(&mut self, target: SocketAddr) -> io::Result<SocketAddr> {
        let mut routes = self.routes.iter();
        match routes.find(|(from, _)| *from == target) {
            None => Ok(target),
            Some((_, to)) => match to.as_slice() {
                [] => Err(io::Error::from_raw_os_error(libc::ECONNREFUSED)),
                [one] => Ok(*one),
                several => Ok(several[self.choice.below(several.len() as u64) as usize]),
            },
        }
    }

    pub(super) fn is_local(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.addresses.contains(&address)
    }

    pub(super) fn source_for(&self, target: SocketAddr) -> io::Result<IpAddr> {
        if self.is_local(target.ip()) {
            return Ok(target.ip());
        }
        let own = self
            .addresses
            .iter()
            .find(|address| address.is_ipv4() == target.is_ipv4());
        own.copied()
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ENETUNREACH))
    }

    pub(super) fn bindable(&self, local: SocketAddr) -> io::Result<SocketAddr> {
        if local.ip().is_unspecified() || self.is_local(local.ip()) {
            return Ok(local);
        }
        Err(io::Error::from_raw_os_error(libc::EADDRNOTAVAIL))
    }

    pub(super) fn bind_port(
        &self,
        local: SocketAddr,
        taken: &dyn Fn(&(u16, IpAddr)) -> bool,
    ) -> io::Result<SocketAddr> {
        let any = IpAddr::from(Ipv4Addr::UNSPECIFIED);
        let is_taken = |port| {
            let mut others = self
                .addresses
                .iter()
                .copied()
                .chain([IpAddr::from(Ipv4Addr::LOCALHOST)]);
            taken(&(port, local.ip()))
                || taken(&(port, any))
                || (local.ip() == any && others.any(|other| taken(&(port, other))))
        };
        if local.port() != 0 {
            return match is_taken(local.port()) {
                true => Err(io::Error::from_raw_os_error(libc::EADDRINUSE)),
                false => Ok(local),
            };
        }
        let span = usize::from(EPHEMERAL.end() - EPHEMERAL.start()) + 1;
        let mut ports = EPHEMERAL.cycle_from(self.next_port_after_binds(), span);
        match ports.find(|port| !is_taken(*port)) {
            Some(port) => Ok(SocketAddr::new(local.ip(), port)),
            None => Err(io::Error::from_raw_os_error(libc::EADDRINUSE)),
        }
    }

    /// Bound ports differ from one bind to the next, as on Linux.
    pub(super) fn next_port_after_binds(&self) -> u16 {
        let span = u64::from(EPHEMERAL.end() - EPHEMERAL.start());
        EPHEMERAL.start() + (self.next_serial.wrapping_mul(7_919) % span) as u16
    }

    pub(super) fn free_port(
        &mut self,
        source: IpAddr,
        remote: SocketAddr,
    ) -> io::Result<SocketAddr> {
        let span = usize::from(EPHEMERAL.end() - EPHEMERAL.start()) + 1;
        let port = EPHEMERAL
            .cycle_from(self.next_port, span)
            .find(|port| {
                !self
                    .connections
                    .contains_key(&(SocketAddr::new(source, *port), remote))
            })
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EADDRNOTAVAIL))?;
        self.next_port = if port == *EPHEMERAL.end() {
            *EPHEMERAL.start()
        } else {
            port + 1
        };
        Ok(SocketAddr::new(source, port))
    }
}

trait CycleFrom {
    /// The range from `start` on, and then from its beginning, `span` numbers in all.
    fn cycle_from(&self, start: u16, span: usize) -> impl Iterator<Item = u16>;
}

impl CycleFrom for std::ops::RangeInclusive<u16> {
    fn cycle_from(&self, start: u16, span: usize) -> impl Iterator<Item = u16> {
        (start..=*self.end()).chain(*self.start()..start).take(span)
    }
}
