#!/usr/bin/env python3
"""Runs HAProxy and pg-proxy on the same configuration and the same servers, and compares what
they log, what clients see and what the statistics say.

By hand (HAProxy 2.6, as in Debian bookworm, is what pg-proxy plays):

    apt-get install haproxy
    cargo build -p squall-node
    python3 services/pg-proxy/differential/compare.py [NAME...]

SQUALL_NODE names another squall-node than the one of the debug build.
Exit status 0 when nothing differs. Dates, ports, times and byte counts of the statistics page are
masked; the order of lines is kept, but for what two checks say in the same moment.
"""
import os, re, signal, socket, subprocess, sys, threading, time, urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "../../.."))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
NODE = os.environ.get("SQUALL_NODE", os.path.join(TARGET, "debug/squall-node"))
FRONT, STATS, A, B, DNS = 24001, 24002, 24003, 24004, 24005

HEAD = f"""
global
    log stdout format raw local0
    maxconn 256
    nbthread 1
defaults
    mode tcp
    log global
    option tcplog
    timeout connect 2s
    timeout client 3s
    timeout server 3s
listen stats
    mode http
    bind 127.0.0.1:{STATS}
    stats enable
    stats uri /stats
    stats show-legends
    no log
"""


class Server:
    """A server that says its letter to whoever speaks, and can be told to behave otherwise."""

    def __init__(self, port, letter):
        self.port, self.letter, self.mode, self.listener, self.clients = port, letter, "echo", None, []

    def start(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        threading.Thread(target=self.serve, args=(self.listener,), daemon=True).start()

    def stop(self):
        if self.listener:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        for client in self.clients:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            client.close()
        self.clients = []

    def serve(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.clients.append(client)
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def talk(self, client):
        try:
            while data := client.recv(4096):
                if data.startswith(b"\0\0\0") or data.startswith(b"OPTIONS") or data.startswith(b"HEAD"):
                    client.sendall(self.health(data))
                elif data == b"reset":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    client.close()
                    return
                elif data == b"silence":
                    time.sleep(30)
                else:
                    client.sendall(self.letter + data)
            client.close()
        except OSError:
            pass

    def health(self, data):
        if data.startswith(b"\0"):
            if self.mode == "echo":
                return b"R\0\0\0\x08\0\0\0\0"
            return b"E\0\0\0\x2dSFATAL\0C57P03\0Mthe database system is starting up\0\0"
        status = b"200 OK" if self.mode == "echo" else b"503 Service Unavailable"
        return b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"


class World:
    def __init__(self, program, config):
        self.a, self.b = Server(A, b"a"), Server(B, b"b")
        self.a.start()
        self.b.start()
        path = "/tmp/compare.cfg"
        with open(path, "w") as file:
            file.write(HEAD + config)
        command = ["haproxy", "-f", path] if program == "haproxy" else [NODE, "pg-proxy", "-f", path]
        self.lines, self.seen = [], []
        # HAProxy's own words may come on either output; squall-node's diagnostics are not compared.
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        env={**os.environ, "RUST_LOG": "off"})
        threading.Thread(target=self.collect, daemon=True).start()
        time.sleep(1.2)

    def collect(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def end(self):
        self.a.stop()
        self.b.stop()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        time.sleep(0.1)

    def note(self, *what):
        self.seen.append(" ".join(str(part) for part in what))

    def connect(self):
        return socket.create_connection(("127.0.0.1", FRONT), timeout=15)

    def ask(self, data=b"x", half=False):
        """Sends, reads to the end of one answer, closes."""
        begun = time.time()
        try:
            with self.connect() as client:
                client.sendall(data)
                if half:
                    client.shutdown(socket.SHUT_WR)
                answer = client.recv(100)
                if half:
                    answer += client.recv(100)
        except OSError as error:
            answer = type(error).__name__
        self.note("ask", data, answer, f"{round(time.time() - begun)} s")
        time.sleep(0.05)

    def csv(self):
        url = f"http://127.0.0.1:{STATS}/stats;csv"
        text = urllib.request.urlopen(url, timeout=5).read().decode()
        lines = text.splitlines()
        header = lines[0][2:].split(",")
        self.note("csv header", lines[0])
        for line in lines[1:]:
            if not line:
                continue
            row = dict(zip(header, line.split(",")))
            if row["pxname"] == "stats":
                # It counts these very questions, and their lengths differ.
                row = {column: row[column] for column in FIXED}
            # Times, and what HAProxy's modules count, vary.
            for column in header[header.index("-"):] + TIMED:
                row.pop(column, None)
            self.note("csv", {key: value for key, value in row.items() if value})


TIMED = ["lastchg", "downtime", "check_duration", "rate", "rate_max", "conn_rate", "conn_rate_max", "lastsess",
         "qtime", "ctime", "rtime", "ttime", "qtime_max", "ctime_max", "rtime_max", "ttime_max",
         # Kept for servers over HTTP connections, or an average that is not kept here.
         "used_conn_cur", "need_conn_est", "agg_server_status", "agg_server_check_status", "agg_check_status",
         "srv_icur", "idle_conn_cur", "safe_conn_cur"]


FIXED = ["pxname", "svname", "slim", "dreq", "ereq", "status", "weight", "act", "bck", "pid", "iid", "sid", "type",
         "rate_lim", "hrsp_4xx", "mode", "algo", "cookie"]


def mask(line):
    line = re.sub(r"\(\d+\) : ", "(PID) : ", line)
    line = re.sub(r"127\.0\.0\.1:\d+ \[[^]]*\]", "CLIENT [DATE]", line)
    line = re.sub(r" (-?\d+)/(-?\d+)/(\d+) (\d+) ", times, line)
    line = re.sub(r"check duration: \d+ms", "check duration: Nms", line)
    return line


def times(match):
    """Milliseconds in tenths of a second: what matters is whether a timeout is in them."""
    parts = [str(round(int(part) / 300)) if int(part) >= 0 else "-1" for part in match.groups()[:3]]
    return f" {'/'.join(parts)} {match.group(4)} "


LISTEN = f"listen db\n    bind 127.0.0.1:{FRONT}\n"
PAIR = f"    server a 127.0.0.1:{A} check inter 300\n    server b 127.0.0.1:{B} check inter 300\n"


def round_robin(world):
    for _ in range(4):
        world.ask()
    world.ask(b"half", half=True)
    world.csv()


def server_dies(world):
    held = world.connect()
    held.sendall(b"x")
    world.note("held", held.recv(10))
    world.a.stop()
    world.ask()
    world.ask()
    time.sleep(1.5)
    world.ask()
    world.note("held then", held.recv(10))
    held.close()
    world.a.start()
    time.sleep(1.2)
    world.ask()
    world.ask()
    world.csv()


def both_die(world):
    world.a.stop()
    world.b.stop()
    time.sleep(1.5)
    world.ask()
    world.csv()


def no_checks_dead(world):
    world.a.stop()
    for _ in range(3):
        world.ask()
    world.b.stop()
    world.ask()
    world.csv()


def sick(world):
    world.a.mode = "sick"
    time.sleep(1.5)
    world.csv()
    world.a.mode = "echo"
    time.sleep(1.2)
    world.csv()


def shutdown_sessions(world):
    held = [world.connect() for _ in range(2)]
    for client in held:
        client.sendall(b"x")
        world.note("held", client.recv(10))
    world.a.mode = "sick"
    time.sleep(1.6)
    for client in held:
        client.settimeout(0.2)
        try:
            world.note("held then", client.recv(10))
        except OSError as error:
            world.note("held then", type(error).__name__)
        client.close()
    time.sleep(0.1)


def ends(world):
    world.ask(b"reset")
    world.ask(b"silence")
    client = world.connect()
    client.sendall(b"x")
    client.recv(10)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    time.sleep(0.2)
    client = world.connect()
    client.sendall(b"x")
    client.recv(10)
    world.note("silent client", client.recv(10))
    client.close()
    time.sleep(0.2)
    world.connect().close()
    time.sleep(0.2)
    world.csv()


def queue(world):
    held = world.connect()
    held.sendall(b"x")
    world.note("held", held.recv(10))
    # Apart, as squall-node's threads may take up two clients of one moment in either order.
    waiting = []
    for _ in range(2):
        waiting.append(world.connect())
        time.sleep(0.15)
    held.close()
    for client in waiting[:1]:
        client.sendall(b"y")
        world.note("then", client.recv(10))
    client = world.connect()
    time.sleep(1.4)
    client.settimeout(0.5)
    try:
        world.note("waited", client.recv(10))
    except OSError as error:
        world.note("waited", type(error).__name__)
    for client in waiting:
        client.close()
    time.sleep(0.2)
    world.csv()


class Names:
    """A name server that answers every question for addresses with what it was told."""

    def __init__(self):
        self.addresses = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", DNS))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(1500)
            except OSError:
                return
            end = query.index(b"\0", 12) + 5
            question = query[12:end]
            found = self.addresses if question[-4:-2] == b"\0\1" else []
            code = 0 if self.addresses else 3
            reply = query[:2] + bytes([0x81, 0x80 | code]) + b"\0\1" + bytes([0, len(found)]) + b"\0\0\0\0" + question
            for address in found:
                reply += b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(address)
            try:
                self.socket.sendto(reply, peer)
            except OSError:
                return


def names(world):
    names = Names()
    time.sleep(1.5)
    world.csv()
    for addresses in [["127.0.0.1"], ["127.0.0.1", "127.0.0.2"], ["127.0.0.2"], []]:
        names.addresses = addresses
        time.sleep(2.6)
        world.note("told", addresses)
        world.ask()
        world.csv()
    names.socket.close()


def template(world):
    """The failover demo: a replica goes and another comes, known by name only."""
    names = Names()
    names.addresses = ["127.0.0.1", "127.0.0.2"]
    time.sleep(3)
    world.csv()
    for addresses in [["127.0.0.1"], ["127.0.0.1", "127.0.0.3"]]:
        names.addresses = addresses
        time.sleep(12)
        world.note("told", addresses)
        world.ask()
        world.ask()
        world.csv()
    names.socket.close()


def weights(world):
    for _ in range(8):
        world.ask()


def garbage(world):
    for data in [b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b"\x00\x01\x02\r\n\r\n", b"HEAD /stats HTTP/1.1\r\nhost: a\r\n\r\n"]:
        client = socket.create_connection(("127.0.0.1", STATS), timeout=5)
        client.sendall(data)
        world.note("stats", data[:20], client.recv(2000).split(b"\r\n")[0].lower())
        client.close()


CASES = [
    ("round robin", LISTEN + PAIR, round_robin),
    ("a server dies", LISTEN + "    option redispatch\n" + PAIR, server_dies),
    ("a server dies, no redispatch", LISTEN + PAIR, server_dies),
    ("both die", LISTEN + "    option redispatch\n" + PAIR, both_die),
    ("dead and unchecked", LISTEN + f"    option redispatch\n    server a 127.0.0.1:{A}\n    server b 127.0.0.1:{B}\n", no_checks_dead),
    ("dead, source, unchecked", LISTEN + f"    balance source\n    server a 127.0.0.1:{A}\n    server b 127.0.0.1:{B}\n", no_checks_dead),
    ("pgsql-check", LISTEN + "    option pgsql-check user postgres\n" + PAIR, sick),
    ("httpchk", LISTEN + "    option httpchk OPTIONS /primary\n    http-check expect status 200\n" + PAIR, sick),
    ("log-health-checks", LISTEN + "    option httpchk\n    option log-health-checks\n" + PAIR, sick),
    ("shutdown-sessions", LISTEN + "    option pgsql-check user p\n    default-server on-marked-down shutdown-sessions\n" + PAIR, shutdown_sessions),
    ("ends", LISTEN + PAIR, ends),
    ("queue", LISTEN + f"    timeout queue 1s\n    server a 127.0.0.1:{A} maxconn 1\n", queue),
    ("backup", LISTEN + f"    server a 127.0.0.1:{A} check inter 300\n    server b 127.0.0.1:{B} check inter 300 backup\n", server_dies),
    ("leastconn", LISTEN + "    balance leastconn\n" + PAIR, weights),
    ("default log", f"listen db\n    log-format \"%ci:%cp [%t] %ft %b/%s:%sp %Tw/%Tc/%Tt %B %ts %U %rc\"\n    bind 127.0.0.1:{FRONT}\n" + PAIR, round_robin),
    ("names", f"resolvers r\n    nameserver ns 127.0.0.1:{DNS}\n    timeout resolve 300\n    hold nx 500\n    hold other 500\n    hold timeout 500\n"
     + LISTEN + f"    server-template s 2 pool.test:{A} resolvers r init-addr none resolve-prefer ipv4\n", names),
    ("template", f"resolvers k8s\n    nameserver ns 127.0.0.1:{DNS}\n    hold valid 5s\n"
     + f"frontend pg_front\n    bind 127.0.0.1:{FRONT}\n    default_backend pg_pool\nbackend pg_pool\n    balance roundrobin\n    option tcp-check\n"
     + f"    server-template pg 5 pool.test:{A} check resolvers k8s init-addr none resolve-prefer ipv4\n", template),
    ("stats", LISTEN + PAIR, garbage),
]


def run(program, config, play):
    world = World(program, config)
    try:
        play(world)
        time.sleep(0.2)
    finally:
        world.end()
    lines = [mask(line) for line in world.lines if not line.startswith("[NOTICE]") and ") : config : " not in line]
    return lines, world.seen


def main():
    only = [word for word in sys.argv[1:] if not word.startswith("-")]
    differing = 0
    for name, config, play in CASES:
        if only and not any(word in name for word in only):
            continue
        theirs, ours = run("haproxy", config, play), run("ours", config, play)
        same = True
        for what, left, right in [("log", theirs[0], ours[0]), ("seen", theirs[1], ours[1])]:
            if left == right:
                continue
            same = False
            print(f"--- {name}: {what} differs")
            for index in range(max(len(left), len(right))):
                l = left[index] if index < len(left) else "(nothing)"
                r = right[index] if index < len(right) else "(nothing)"
                if l != r:
                    print(f"  haproxy: {l}\n  squall:  {r}")
        print(f"{'same   ' if same else 'DIFFERS'} {name} ({len(theirs[0])} lines, {len(theirs[1])} observations)", flush=True)
        differing += not same
    sys.exit(1 if differing else 0)


main()
