//! Errors of the system in nginx's form: number and words.

use std::io;

/// `111: Connection refused`. The number comes from the kind where the system gave none, as in a
/// simulation.
pub(crate) fn words(error: &io::Error) -> String {
    use io::ErrorKind as K;
    let by_kind = match error.kind() {
        K::ConnectionRefused => Some((111, "Connection refused")),
        K::ConnectionReset => Some((104, "Connection reset by peer")),
        K::ConnectionAborted => Some((103, "Software caused connection abort")),
        K::BrokenPipe => Some((32, "Broken pipe")),
        K::HostUnreachable => Some((113, "Host is unreachable")),
        K::NetworkUnreachable => Some((101, "Network is unreachable")),
        K::NetworkDown => Some((100, "Network is down")),
        K::TimedOut => Some((110, "Connection timed out")),
        K::AddrInUse => Some((98, "Address in use")),
        K::AddrNotAvailable => Some((99, "Address not available")),
        K::NotConnected => Some((107, "Socket not connected")),
        _ => None,
    };
    match (by_kind, error.raw_os_error()) {
        (Some((number, words)), _) => format!("{number}: {words}"),
        (None, Some(number)) => {
            let text = error.to_string();
            let words = text.split(" (os error").next().unwrap_or(&text);
            format!("{number}: {words}")
        }
        (None, None) => error.to_string(),
    }
}
