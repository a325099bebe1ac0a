//! Names as the API server accepts them (kubernetes.io, "Object Names and IDs").

use super::notes::Notes;
use super::place::Place;

/// RFC 1123: the most letters of a label.
const LABEL_MAX: usize = 63;
/// RFC 1123: the most letters of a name of several labels.
const SUBDOMAIN_MAX: usize = 253;

/// Complains about an object's name that the API server would refuse.
pub(super) fn object(kind: &str, name: &str, place: &Place<'_>, notes: &mut Notes) {
    if name.is_empty() {
        notes.problems.push(place.problem("a name is required"));
        return;
    }
    match kind {
        // RFC 1035 for a Service: it begins with a letter.
        "Service" if name.starts_with(|c: char| c.is_ascii_digit()) => {
            let message = format!("`{name}`: the name of a Service begins with a letter");
            notes.problems.push(place.problem(message));
        }
        "Service" | "Namespace" => label(name, place, notes),
        // The API takes colons in them.
        "Role" | "RoleBinding" => {}
        _ if name.len() > SUBDOMAIN_MAX || !name.split('.').all(is_letters) => {
            let message =
                format!("`{name}` is no RFC 1123 subdomain: small letters, digits, `-` and `.`");
            notes.problems.push(place.problem(message));
        }
        _ => {}
    }
}

/// Complains about a name that is no RFC 1123 label.
pub(super) fn label(name: &str, place: &Place<'_>, notes: &mut Notes) {
    if name.len() > LABEL_MAX || !is_letters(name) {
        let message = format!(
            "`{name}` is no RFC 1123 label: small letters, digits and `-`, {LABEL_MAX} at most"
        );
        notes.problems.push(place.problem(message));
    }
}

fn is_letters(label: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(inner)
}
