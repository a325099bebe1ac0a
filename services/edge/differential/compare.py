#!/usr/bin/env python3
"""Holds edge against the real nginx: the same configuration, the same upstreams, the same bytes.

Run by hand, from the root of the workspace; needs Debian's nginx (apt-get install nginx-light) and
Python 3, nothing else:

    cargo build -p squall-node
    python3 services/edge/differential/compare.py [-v] [NAME...]

SQUALL_NODE names another squall-node than the one of the debug build, NGINX another nginx.

For each case both programs are started on a port of their own with the same nginx.conf; the same
raw requests are sent to each; compared are the reply (status line, headers without regard to case
and order, body), the access-log line, and what the upstreams received. Masked are Date, the
program's name and version, and times. Differences that are known and meant are listed in MEANT,
with the reason. Exit status 1 if there is any other difference.
"""
import os, re, signal, socket, subprocess, sys, tempfile, threading, time

TARGET = os.environ.get("CARGO_TARGET_DIR", "target")
NODE = os.environ.get("SQUALL_NODE", os.path.join(TARGET, "debug/squall-node"))
NGINX = os.environ.get("NGINX", "/usr/sbin/nginx")
BASE = 18100
LOG = ("log_format t '$request|$status|$body_bytes_sent|$upstream_addr|$upstream_status|$host|"
       "$server_name|$uri|$args|$http_x_a|$arg_q|$proxy_host|$upstream_http_x_up|$sent_http_x_up|"
       "$request_method|$server_protocol|$connection_requests|$upstream_response_length';")


# ---- upstreams: plain sockets that do one scripted thing ----

class Upstream(threading.Thread):
    def __init__(self, port, script):
        super().__init__(daemon=True)
        self.port, self.script, self.seen, self.count = port, script, [], 0
        self.socket = socket.create_server(("127.0.0.1", port), reuse_port=True)
        self.start()

    def run(self):
        while True:
            try:
                c, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        c.settimeout(8)
        try:
            while True:
                head = b""
                while b"\r\n\r\n" not in head:
                    data = c.recv(65536)
                    if not data:
                        return
                    head += data
                head, rest = head.split(b"\r\n\r\n", 1)
                m = re.search(rb"content-length: *(\d+)", head, re.I)
                length = int(m.group(1)) if m else 0
                while len(rest) < length:
                    rest += c.recv(65536)
                lines = head.decode("latin1").split("\r\n")
                headers = sorted(l.split(":", 1)[0].lower() + ":" + l.split(":", 1)[1] for l in lines[1:])
                self.seen.append((lines[0], headers, rest))
                self.count += 1
                if self.script(c, lines[0], rest, self.count) is not True:
                    return
        except OSError:
            pass
        finally:
            c.close()

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def reply(text):
    def script(c, line, body, n):
        c.sendall(text.replace(b"\n", b"\r\n") if b"\r\n" not in text else text)
        return b"keep" in text
    return script


def ok(name):
    body = b"from " + name
    return reply(b"HTTP/1.1 200 OK\nServer: up\nX-Up: " + name + b"\nkeep: 1\nContent-Length: "
                 + str(len(body)).encode() + b"\n\n" + body)


def silent(c, line, body, n):
    time.sleep(6)


def hang_up(c, line, body, n):
    return None


def half(c, line, body, n):
    c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


def chunked(c, line, body, n):
    c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    time.sleep(0.05)
    c.sendall(b"6\r\n world\r\n0\r\n\r\n")
    return True


def echo(c, line, body, n):
    text = line.encode() + b"\n" + body
    c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
    return True


def status(code, extra=b""):
    return reply(b"HTTP/1.1 " + code + b"\n" + extra + b"Content-Length: 3\nkeep: 1\n\nup!")


def get(path=b"/", *headers, method=b"GET", body=None, version=b"1.1"):
    lines = [method + b" " + path + b" HTTP/" + version, b"Host: example.test"] + list(headers)
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


# ---- cases: name, http block (PORT, U1..U4 are put in), upstream scripts, raw requests ----

G = get()
CASES = []


def case(name, conf, upstreams, requests, wait=0):
    CASES.append((name, conf, upstreams, requests, wait))


def server(inner, before=""):
    return before + "server { listen 127.0.0.1:PORT; " + inner + " }"


U2 = "upstream up { server 127.0.0.1:U1; server 127.0.0.1:U2; } "
PASS = "location / { proxy_pass http://up; }"

case("round robin", server(PASS, U2), [ok(b"a"), ok(b"b")], [G] * 4)
case("weights 5 1 1", server(PASS, "upstream up { server 127.0.0.1:U1 weight=5; server 127.0.0.1:U2;"
     " server 127.0.0.1:U3; } "), [ok(b"a"), ok(b"b"), ok(b"c")], [G] * 14)
case("one refuses", server(PASS, U2), [None, ok(b"b")], [G] * 3)
case("weights with failure", server(PASS, "upstream up { server 127.0.0.1:U1 weight=3 max_fails=2;"
     " server 127.0.0.1:U2 weight=2; server 127.0.0.1:U3; } "), [None, ok(b"b"), ok(b"c")], [G] * 16)
case("all refuse", server(PASS, U2), [None, None], [G] * 3)
case("single refuses", server("location / { proxy_pass http://127.0.0.1:U1; }"), [None], [G] * 3)
case("back after fail_timeout", server(PASS, "upstream up { server 127.0.0.1:U1 fail_timeout=1s;"
     " server 127.0.0.1:U2 fail_timeout=1s; } "), [None, None], [G, G, "sleep 2.6", G, G])
case("backup", server(PASS, "upstream up { server 127.0.0.1:U1; server 127.0.0.1:U2 backup; } "),
     [None, ok(b"b")], [G] * 3)
case("down", server(PASS, "upstream up { server 127.0.0.1:U1 down; server 127.0.0.1:U2; } "),
     [ok(b"a"), ok(b"b")], [G] * 3)
case("all down", server(PASS, "upstream up { server 127.0.0.1:U1 down; server 127.0.0.1:U2 down; } "),
     [ok(b"a"), ok(b"b")], [G] * 2)
case("closes without answer", server(PASS, U2), [hang_up, ok(b"b")], [G] * 3)
case("POST is not retried once sent", server(PASS, U2), [hang_up, ok(b"b")],
     [get(method=b"POST", body=b"x"), get(method=b"POST", body=b"x")])
case("POST is retried when refused", server(PASS, U2), [None, ok(b"b")],
     [get(method=b"POST", body=b"x")])
case("non_idempotent", server("proxy_next_upstream error non_idempotent; " + PASS, U2),
     [hang_up, ok(b"b")], [get(method=b"POST", body=b"x")])
case("read timeout goes on", server("proxy_read_timeout 1s; " + PASS, U2), [silent, ok(b"b")], [G, G])
case("read timeout alone", server("proxy_read_timeout 1s; location / { proxy_pass http://127.0.0.1:U1; }"),
     [silent], [G])
case("http_503 goes on", server("proxy_next_upstream http_503; " + PASS, U2),
     [status(b"503 Nope"), ok(b"b")], [G] * 3)
case("last 503 passes", server("proxy_next_upstream http_503; " + PASS, U2),
     [status(b"503 Nope"), status(b"503 Nix")], [G] * 3)
case("404 goes on and is no failure", server("proxy_next_upstream http_404; " + PASS, U2),
     [status(b"404 Gone Fishing"), ok(b"b")], [G] * 4)
case("next_upstream off", server("proxy_next_upstream off; " + PASS, U2), [None, ok(b"b")], [G] * 3)
case("tries 1", server("proxy_next_upstream_tries 1; " + PASS, U2), [None, ok(b"b")], [G] * 3)
case("invalid_header off by default", server(PASS, U2),
     [reply(b"HTTP/1.1 abc\nFoo\n\n"), ok(b"b")], [G] * 2)
case("too big header", server("proxy_buffer_size 4k; " + PASS, U2),
     [reply(b"HTTP/1.1 200 OK\nX: " + b"x" * 9000 + b"\nContent-Length: 0\n\n"), ok(b"b")], [G] * 2)
case("broken off body", server("location / { proxy_pass http://127.0.0.1:U1; }"), [half], [G])
case("chunked", server("location / { proxy_pass http://127.0.0.1:U1; proxy_http_version 1.1; }"),
     [chunked], [G, get(version=b"1.0")])
case("until close", server("location / { proxy_pass http://127.0.0.1:U1; }"),
     [reply(b"HTTP/1.0 200 OK\nX-Up: z\n\nuntil the end")], [G, get(version=b"1.0")])
case("keepalive", server("proxy_http_version 1.1; proxy_set_header Connection ''; " + PASS,
     "upstream up { server 127.0.0.1:U1; keepalive 4; } "), [ok(b"a")], [G] * 4)
case("least_conn", server(PASS, "upstream up { least_conn; server 127.0.0.1:U1 weight=2;"
     " server 127.0.0.1:U2; } "), [ok(b"a"), ok(b"b")], [G] * 6)
case("ip_hash", server(PASS, "upstream up { ip_hash; server 127.0.0.1:U1; server 127.0.0.1:U2;"
     " server 127.0.0.1:U3; } "), [ok(b"a"), ok(b"b"), None], [G] * 4)
case("hash", server(PASS, "upstream up { hash $arg_q; server 127.0.0.1:U1 weight=2;"
     " server 127.0.0.1:U2; server 127.0.0.1:U3; } "), [ok(b"a"), ok(b"b"), None],
     [get(b"/?q=%d" % q) for q in range(12)])
case("hash consistent", server(PASS, "upstream up { hash $arg_q consistent; server 127.0.0.1:U1;"
     " server 127.0.0.1:U2 weight=2; server 127.0.0.1:U3; } "), [ok(b"a"), ok(b"b"), None],
     [get(b"/?q=%d" % q) for q in range(12)])
case("what reaches the upstream", server(
     "location /a/ { proxy_pass http://127.0.0.1:U1; } "
     "location /b/ { proxy_pass http://127.0.0.1:U1/x/; } "
     "location = /c { proxy_pass http://127.0.0.1:U1/y; } "
     "location ~ ^/d { proxy_pass http://127.0.0.1:U1; } "
     "location /e { proxy_http_version 1.1; proxy_set_header Host $host; proxy_set_header X-F"
     " $proxy_add_x_forwarded_for; proxy_set_header X-E ''; proxy_set_header Accept $http_x_a;"
     " proxy_pass http://127.0.0.1:U1; } "
     "location /v/ { set $t 127.0.0.1:U1; proxy_pass http://$t; } "
     "location /w/ { set $t 127.0.0.1:U1; proxy_pass http://$t/z?k=1; } "
     "location /r/ { rewrite ^/r/(.*)$ /q/$1 break; proxy_pass http://127.0.0.1:U1; } "
     "location /s/ { rewrite ^/s/(.*)$ /b/$1?n=2 last; } "),
     [echo], [get(p, b"X-A: 1", b"X-Forwarded-For: 9.9.9.9", b"X_Under: u", b"Accept: */*",
                  b"Keep-Alive: 5", b"TE: trailers", b"Upgrade: x") for p in
              (b"/a/1%20b//c?q=1", b"/b/1%20b//c?q=1", b"/b", b"/c?q", b"/d%2F1", b"/e/../e/1", b"/v/1%20?q=2",
               b"/w/1?q=2", b"/r/1%20x?q=3", b"/s/1?q=4", b"/s/1", b"/zzz")]
     + [get(b"/a/", method=b"POST", body=b"hello"),
        get(b"/a/", b"Transfer-Encoding: chunked", method=b"POST") + b"3\r\nabc\r\n0\r\n\r\n",
        get(b"/a/", method=b"DELETE"), get(b"/a/", method=b"HEAD"), get(b"/a/", method=b"OPTIONS")])
case("locations", server(
     "location / { return 200 root; } location = / { return 200 exact; } "
     "location /im/ { return 200 prefix; } location ^~ /im/fix/ { return 200 final; } "
     "location ~* \\.(gif|jpg)$ { return 200 'regex $1'; } location ~ ^/im/X { return 200 second; } "
     "location /im/long/ { return 200 long; location /im/long/in { return 200 nested; } } "),
     [], [get(p) for p in (b"/", b"/x", b"/im/", b"/im/a.GIF", b"/im/fix/a.gif", b"/im/X", b"/im/Xa.jpg",
                           b"/im/long/", b"/im/long/in", b"/im/long/in.gif", b"/%69m/", b"//im//",
                           b"/a/../im/", b"/..", b"/%zz", b"/a%00b", b"/im/./long/.")])
case("servers", "server { listen 127.0.0.1:PORT; server_name a.test; return 200 'a $server_name $host'; }"
     "server { listen 127.0.0.1:PORT default_server; server_name _; return 200 'default $host'; }"
     "server { listen 127.0.0.1:PORT; server_name *.w.test; return 200 wild; }"
     "server { listen 127.0.0.1:PORT; server_name x.w.test www.*; return 200 mixed; }"
     "server { listen 127.0.0.1:PORT; server_name ~^(?<n>\\w+)\\.re\\.test$; return 200 'regex $n'; }"
     "server { listen 127.0.0.1:PORT; server_name .dot.test; return 200 dot; }", [],
     [b"GET / HTTP/1.1\r\nHost: " + h + b"\r\n\r\n" for h in
      (b"a.test", b"A.Test:99", b"b.test", b"y.w.test", b"x.w.test", b"www.z", b"foo.re.test", b"dot.test",
       b"q.dot.test", b"a.test.", b"", b"a/b", b"a b")] +
     [b"GET http://a.test/p HTTP/1.1\r\nHost: b\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"])
case("returns", server(
     "default_type text/x; location /a { return 204; } location /b { return 200; } location /c { return 301 /t; } "
     "location /d { return 302 http://x/$uri; } location /e { return 404; } location /f { return 404 'own'; } "
     "location /g { return 503; } location /h { return http://y/; } location /i { return 418; } "
     "location /j { return 307 $request_uri/; } location /k { return 500 \"$a\"; set $a 1; } "
     "add_header X-Ok 1; add_header X-Always $uri always;"),
     [], [get(b"/" + p) for p in (b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h", b"i", b"j", b"k", b"zz")]
     + [get(b"/e", method=b"HEAD"), get(b"/e", version=b"1.0"),
        get(b"/b", b"Connection: keep-alive", version=b"1.0"), get(b"/b", b"Connection: close")])
case("error pages", server(
     "error_page 502 =200 /sorry; location = /sorry { return 200 sorry; } "
     "location / { proxy_pass http://127.0.0.1:U1; } "
     "location /n { error_page 404 @f; return 404; } location @f { return 200 'named $uri'; } "
     "location /r { error_page 403 http://else/; return 403; } "
     "location /o { error_page 404 = /sorry; return 404; } "
     "location /k { error_page 404 /nowhere; return 404; } "
     "location /i { proxy_intercept_errors on; error_page 503 /sorry; proxy_pass http://127.0.0.1:U2; } "
     "location /in { internal; return 200 secret; } "),
     [None, status(b"503 X")], [get(p) for p in (b"/", b"/n", b"/r", b"/o", b"/k", b"/i", b"/in")])
case("map, set, if", server(
     "set $a 1; set $b \"${a}2$arg_q\"; if ($arg_q = 5) { return 205 five; } if ($arg_q ~ ^x(.)) { return 206 \"x $1\"; } "
     "if ($http_x_a) { set $b has; } location / { return 200 \"$b $m $mm $cookie_c $is_args$args $scheme $request_uri\"; }",
     "map $arg_q $m { default none; 1 one; ~^r(?<t>.+)$ \"r $t\"; ~*^I i; EMPTY ''; } "
     "map $host$m $mm { hostnames; default d; *.test w; example.testone exact; } "),
     [], [get(p) for p in (b"/", b"/?q=1", b"/?q=5", b"/?q=xyz", b"/?q=rab", b"/?q=iii", b"/?q=empty", b"/?Q=1")]
     + [get(b"/", b"X-A: 0"), get(b"/", b"X-A: y", b"Cookie: b=1; c=22")])
case("bodies", server("client_max_body_size 10; location / { proxy_pass http://127.0.0.1:U1; } "
                      "location /big { client_max_body_size 1m; proxy_pass http://127.0.0.1:U1; }"), [echo],
     [get(method=b"POST", body=b"x" * n) for n in (0, 10, 11)]
     + [get(b"/big", method=b"PUT", body=b"y" * 60000)]
     + [get(b"/", b"Transfer-Encoding: chunked", method=b"POST") + b"20\r\n" + b"z" * 32 + b"\r\n0\r\n\r\n"])
case("no request", server("client_header_timeout 1s; return 200 ok;"), [],
     [b"garbage\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
      b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
      b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
      b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
      b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"a" * 9000 + b"\r\n\r\n",
      b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"a" * 60000 + b"\r\n\r\n",
      b"GET /" + b"a" * 60000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
      b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHo", b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
      b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: foo\r\n\r\n", b"GET  /  HTTP/1.1\r\nHost: a\r\n\r\n",
      b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nB@d: 1\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
      b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET",
      b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3,
      b"GET / HTTP/1.1\nHost: a\n\n", b"GET / HTTP/1.1\r\nHost: a\r\n folded: 1\r\n\r\n"])
case("redirects of upstreams", server(
     "location /a/ { proxy_pass http://127.0.0.1:U1/b/; } location /o/ { proxy_redirect off; proxy_pass http://127.0.0.1:U1/b/; } "
     "location /r/ { proxy_redirect http://127.0.0.1:U1/ /z/; proxy_pass http://127.0.0.1:U1; } location / { proxy_pass http://127.0.0.1:U1; }"),
     [lambda c, l, b, n: c.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/b/x\r\nContent-Length: 0\r\n\r\n"
                                   % c.getsockname()[1])],
     [get(p) for p in (b"/a/", b"/o/", b"/r/", b"/")])
case("allow and deny", server("location /a { deny 127.0.0.1; allow all; return 200 no; } "
     "location /b { proxy_pass http://127.0.0.1:U1; allow 127.0.0.0/8; deny all; } "
     "location /c { proxy_pass http://127.0.0.1:U1; deny all; }"), [ok(b"a")],
     [get(b"/a"), get(b"/b"), get(b"/c")])

# (case, kind, number): why it differs.
ZERO_NINE = "nginx before 1.29 takes what has no status line for HTTP/0.9; edge answers 502"
FRAMING = "nginx counts the framing of chunks in $upstream_response_length"
HEAD = "hyper gives up a whole head, so edge does not know its Host"
MEANT = {
    ("invalid_header off by default", "reply", 0): ZERO_NINE,
    ("invalid_header off by default", "log", 0): ZERO_NINE,
    ("chunked", "log", 0): FRAMING,
    ("chunked", "log", 1): FRAMING,
    ("bodies", "log", 4): "edge chooses the target after the body is read",
    ("returns", "reply", 12): "the length of the page in a reply to HEAD",
    ("no request", "reply", 13): "400 for an unknown Transfer-Encoding, nginx says 501",
    ("no request", "reply", 15): "edge does not speak HTTP/0.9",
    ("no request", "reply", 23): "hyper skips a folded line with the header that it belongs to",
}
for number in (3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 17, 18, 25):
    MEANT["no request", "log", number] = HEAD


# ---- running ----

def send(port, raw):
    """One connection, one write, everything that comes back."""
    try:
        s = socket.create_connection(("127.0.0.1", port), timeout=5)
        s.sendall(raw)
        s.settimeout(0.35 if b"\r\n\r\n" in raw or b"\n\n" in raw else 2.5)
        data, slow = b"", 0
        while True:
            try:
                piece = s.recv(65536)
            except TimeoutError:
                # No end and no answer yet: give timeouts of the test's configuration time.
                if data or slow > 12:
                    break
                slow += 1
                continue
            if not piece:
                data += b"<closed>"
                break
            data += piece
        s.close()
        return data
    except OSError as e:
        return b"<%s>" % type(e).__name__.encode()


def normal(data):
    text = data.decode("latin1")
    text = re.sub(r"nginx/[\d.]+|squall-edge", "PROGRAM", text)
    out = []
    for block in re.split(r"(?=HTTP/1\.[01] \d)", text):
        head, sep, body = block.partition("\r\n\r\n")
        lines = head.split("\r\n")
        headers = []
        for line in lines[1:]:
            name, _, value = line.partition(":")
            name = name.lower()
            if name in ("date", "last-modified", "etag"):
                continue
            if name == "content-length" and "PROGRAM" in body:
                value = " MASKED"
            headers.append(f"{name}:{value}")
        # hyper writes the sizes of chunks in capitals, and answers HTTP/1.0 in kind.
        body = re.sub(r"^[0-9A-F]+(?=\r\n)", lambda m: m.group(0).lower(), body)
        out.append((lines[0].replace("HTTP/1.0 ", "HTTP/1.1 "), tuple(sorted(headers)), body))
    return out


def free(ports):
    for port in ports:
        for _ in range(100):
            try:
                socket.create_server(("127.0.0.1", port), reuse_port=True).close()
                break
            except OSError:
                time.sleep(0.05)


def run(program, name, conf, scripts, requests):
    base = BASE
    free(range(base, base + 5))
    folder = tempfile.mkdtemp(prefix="differential-")
    log = os.path.join(folder, "access.log")
    upstreams = [Upstream(base + 1 + i, s) if s else None for i, s in enumerate(scripts)]
    text = conf.replace("PORT", str(base))
    for i in range(4):
        text = text.replace(f"U{i + 1}", str(base + 1 + i))
    target = log if program == "nginx" else "/dev/stdout"
    text = (f"user root; worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}} "
            f"http {{ {LOG} access_log {target} t; client_body_temp_path {folder}/b; "
            f"proxy_temp_path {folder}/p; {text} }}")
    file = os.path.join(folder, "nginx.conf")
    with open(file, "w") as f:
        f.write(text)
    command = [NGINX, "-p", folder, "-c", file] if program == "nginx" else [NODE, "edge", "-c", file]
    out = open(log, "wb") if program == "edge" else subprocess.DEVNULL
    errors = open(os.path.join(folder, "stderr"), "w+")
    process = subprocess.Popen(command, stdout=out, stderr=errors)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", base), timeout=1).close()
            break
        except OSError:
            time.sleep(0.05)
    else:
        errors.seek(0)
        print(f"{program} does not start for {name!r}:\n{errors.read()}\n{text}")
    results = []
    for request in requests:
        if isinstance(request, str):
            time.sleep(float(request.split()[1]))
        else:
            results.append(normal(send(base, request)))
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        results.append("did not stop within 5 s")
    seen = [u.seen if u else [] for u in upstreams]
    for u in upstreams:
        if u:
            u.stop()
    with open(log, encoding="latin1") as f:
        lines = f.read().splitlines()

    def plain(value):
        value = repr(value)
        for i in range(5):
            value = value.replace(str(base + i), f"PORT{i}")
        return value
    lines = [re.sub(r"\|(\d+)\|", lambda m: m.group(0), l) for l in lines]
    return [plain(r) for r in results], [plain(l) for l in lines], [[plain(s) for s in u] for u in seen]


def main():
    verbose = "-v" in sys.argv
    wanted = [a for a in sys.argv[1:] if a != "-v"]
    different = meant = checks = 0
    for name, conf, scripts, requests, _ in CASES:
        if wanted and not any(w in name for w in wanted):
            continue
        nginx = run("nginx", name, conf, scripts, requests)
        edge = run("edge", name, conf, scripts, requests)
        kinds = [("reply", nginx[0], edge[0]), ("log", nginx[1], edge[1])]
        kinds += [(f"upstream {i + 1} got", a, b) for i, (a, b) in enumerate(zip(nginx[2], edge[2]))]
        bad = 0
        for kind, a, b in kinds:
            for i in range(max(len(a), len(b))):
                checks += 1
                x = a[i] if i < len(a) else "<nothing>"
                y = b[i] if i < len(b) else "<nothing>"
                if kind == "log":
                    # Pages of different length in the field of body bytes.
                    mask = lambda l: re.sub(r"^('[^|]*\|[345]\d\d)\|\d+\|", r"\1|N|", l)
                    x, y = (mask(x), mask(y))
                if x == y:
                    continue
                if (name, kind, i) in MEANT:
                    meant += 1
                    continue
                bad += 1
                print(f"--- {name}: {kind} {i}\n  nginx: {x[:700]}\n  edge:  {y[:700]}")
        different += bad
        if verbose or bad:
            print(f"{'DIFFERENT' if bad else 'same'}: {name}")
    print(f"{len(CASES)} cases, {checks} comparisons, {different} differences, {meant} meant")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
