//! The names of nginx's variables. Their values are in [`crate::evaluate`].

use http::HeaderName;

/// One variable, resolved from its name when the configuration is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    Args,
    BinaryRemoteAddr,
    BodyBytesSent,
    BytesSent,
    Connection,
    ConnectionRequests,
    ConnectionTime,
    ContentLength,
    ContentType,
    DocumentRoot,
    Host,
    Hostname,
    IsArgs,
    Msec,
    NginxVersion,
    Nothing,
    Pid,
    Pipe,
    ProxyAddXForwardedFor,
    ProxyHost,
    ProxyPort,
    RemoteAddr,
    RemotePort,
    Request,
    RequestBody,
    RequestCompletion,
    RequestFilename,
    RequestId,
    RequestLength,
    RequestMethod,
    RequestTime,
    RequestUri,
    Scheme,
    ServerAddr,
    ServerName,
    ServerPort,
    ServerProtocol,
    Status,
    TimeIso8601,
    TimeLocal,
    UpstreamAddr,
    UpstreamBytesReceived,
    UpstreamBytesSent,
    UpstreamConnectTime,
    UpstreamHeaderTime,
    UpstreamResponseLength,
    UpstreamResponseTime,
    UpstreamStatus,
    Uri,
    Argument(Box<str>),
    Cookie(Box<str>),
    RequestHeader(HeaderName),
    SentHeader(HeaderName),
    UpstreamHeader(HeaderName),
    /// `$1` to `$9`.
    Capture(u8),
    /// Defined by `set`, `map` or a named capture: the place in the table of those.
    Slot(usize),
}

/// The variable that nginx itself defines under `name`, which is in lower case.
pub(crate) fn builtin(name: &str) -> Option<Variable> {
    use Variable as V;
    if let Some(rest) = name.strip_prefix("http_") {
        return header(rest).map(V::RequestHeader);
    }
    if let Some(rest) = name.strip_prefix("sent_http_") {
        return header(rest).map(V::SentHeader);
    }
    if let Some(rest) = name.strip_prefix("upstream_http_") {
        return header(rest).map(V::UpstreamHeader);
    }
    if let Some(rest) = name.strip_prefix("arg_") {
        return Some(V::Argument(rest.into()));
    }
    if let Some(rest) = name.strip_prefix("cookie_") {
        return Some(V::Cookie(rest.into()));
    }
    if let [digit @ b'1'..=b'9'] = name.as_bytes() {
        return Some(V::Capture(digit - b'0'));
    }
    Some(match name {
        "args" | "query_string" => V::Args,
        "binary_remote_addr" => V::BinaryRemoteAddr,
        "body_bytes_sent" => V::BodyBytesSent,
        "bytes_sent" => V::BytesSent,
        "connection" => V::Connection,
        "connection_requests" => V::ConnectionRequests,
        "connection_time" => V::ConnectionTime,
        "content_length" => V::ContentLength,
        "content_type" => V::ContentType,
        "document_root" | "realpath_root" => V::DocumentRoot,
        "host" => V::Host,
        "hostname" => V::Hostname,
        "https"
        | "remote_user"
        | "upstream_cache_status"
        | "gzip_ratio"
        | "limit_rate"
        | "upstream_queue_time"
        | "ssl_protocol"
        | "ssl_cipher"
        | "proxy_protocol_addr" => V::Nothing,
        "is_args" => V::IsArgs,
        "msec" => V::Msec,
        "nginx_version" => V::NginxVersion,
        "pid" => V::Pid,
        "pipe" => V::Pipe,
        "proxy_add_x_forwarded_for" => V::ProxyAddXForwardedFor,
        "proxy_host" => V::ProxyHost,
        "proxy_port" => V::ProxyPort,
        "realip_remote_addr" | "remote_addr" => V::RemoteAddr,
        "realip_remote_port" | "remote_port" => V::RemotePort,
        "request" => V::Request,
        "request_body" => V::RequestBody,
        "request_completion" => V::RequestCompletion,
        "request_filename" => V::RequestFilename,
        "request_id" => V::RequestId,
        "request_length" => V::RequestLength,
        "request_method" => V::RequestMethod,
        "request_time" => V::RequestTime,
        "request_uri" => V::RequestUri,
        "scheme" => V::Scheme,
        "server_addr" => V::ServerAddr,
        "server_name" => V::ServerName,
        "server_port" => V::ServerPort,
        "server_protocol" => V::ServerProtocol,
        "status" => V::Status,
        "time_iso8601" => V::TimeIso8601,
        "time_local" => V::TimeLocal,
        "upstream_addr" => V::UpstreamAddr,
        "upstream_bytes_received" => V::UpstreamBytesReceived,
        "upstream_bytes_sent" => V::UpstreamBytesSent,
        "upstream_connect_time" => V::UpstreamConnectTime,
        "upstream_header_time" => V::UpstreamHeaderTime,
        "upstream_response_length" => V::UpstreamResponseLength,
        "upstream_response_time" => V::UpstreamResponseTime,
        "upstream_status" => V::UpstreamStatus,
        "uri" | "document_uri" => V::Uri,
        _ => return None,
    })
}

fn header(name: &str) -> Option<HeaderName> {
    HeaderName::from_bytes(name.replace('_', "-").as_bytes()).ok()
}
