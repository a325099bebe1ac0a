//! Media types by file extension.

use std::sync::Arc;

/// What nginx knows without a `types` block (ngx_http_core_module, `types`).
pub(super) fn default() -> Arc<[(String, String)]> {
    let pairs = [
        ("html", "text/html"),
        ("gif", "image/gif"),
        ("jpg", "image/jpeg"),
    ];
    pairs.map(|(a, b)| (a.to_owned(), b.to_owned())).into()
}

/// What stands in for `mime.types` where it is included and not among the files: the types of the
/// web's most common extensions, as IANA registers them.
pub(crate) const MIME_TYPES: &str = "types {
    text/html html htm shtml;
    text/css css;
    text/xml xml;
    text/plain txt;
    text/csv csv;
    image/gif gif;
    image/jpeg jpeg jpg;
    image/png png;
    image/webp webp;
    image/avif avif;
    image/svg+xml svg svgz;
    image/x-icon ico;
    application/javascript js;
    application/json json;
    application/wasm wasm;
    application/pdf pdf;
    application/zip zip;
    application/atom+xml atom;
    application/rss+xml rss;
    font/woff woff;
    font/woff2 woff2;
    audio/mpeg mp3;
    video/mp4 mp4;
    video/webm webm;
    application/octet-stream bin exe dll deb dmg iso img;
}";
