#!/usr/bin/env python3
"""How long a client stalls when its server's address answers nothing, by HAProxy and by pg-proxy.

By hand, as root, in a network namespace whose one neighbour does not exist:

    apt-get install haproxy iproute2
    cargo build -p squall-node
    ip netns add hx
    ip -n hx link set lo up
    ip -n hx link add v0 type veth peer name v1
    ip -n hx link set v0 up
    ip -n hx link set v1 up
    ip -n hx addr add 10.99.0.1/24 dev v0
    ip netns exec hx python3 services/pg-proxy/differential/unreachable.py

`10.99.0.2` fails with EHOSTUNREACH when ARP gives up, after about three seconds. For silence a
neighbour is pinned to an address that nobody has, so that SYNs go out and nothing comes back.
SQUALL_NODE names another squall-node than the one of the debug build.
"""
import os, re, socket, subprocess, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(HERE, "../../../target"))
NODE = os.environ.get("SQUALL_NODE", os.path.join(TARGET, "debug/squall-node"))

CONFIG = """
global
    log stdout format raw local0
    nbthread 1
defaults
    mode tcp
    log global
    option tcplog
    timeout connect 10s
    timeout client 1m
    timeout server 1m
listen roundrobin
    bind 127.0.0.1:25001
    option redispatch
    server dead 10.99.0.2:5432
    server live 127.0.0.1:25000
listen source
    bind 127.0.0.1:25002
    balance source
    option redispatch
    server dead 10.99.0.2:5432
    server dead2 10.99.0.3:5432
listen alone
    bind 127.0.0.1:25003
    option redispatch
    server dead 10.99.0.2:5432
    server live 127.0.0.1:25000 backup
listen silent
    bind 127.0.0.1:25004
    option redispatch
    server silent 10.99.0.9:5432
    server live 127.0.0.1:25000
listen checked
    bind 127.0.0.1:25005
    balance leastconn
    option redispatch
    server dead 10.99.0.2:5432 check inter 2s
    server live 127.0.0.1:25000 check inter 2s
"""


def serve():
    listener = socket.create_server(("127.0.0.1", 25000))
    while True:
        client, _ = listener.accept()
        try:
            client.sendall(b"hi")
        except OSError:
            pass
        client.close()


def ask(port, seen):
    begun = time.time()
    with socket.create_connection(("127.0.0.1", port)) as client:
        answer = client.recv(10)
    seen[port] = (round(time.time() - begun, 1), answer)


def main():
    subprocess.run("ip neigh replace 10.99.0.9 lladdr 02:00:00:00:00:09 dev v0 nud permanent", shell=True, check=True)
    threading.Thread(target=serve, daemon=True).start()
    open("/tmp/unreachable.cfg", "w").write(CONFIG)
    for name, command in [("haproxy", ["haproxy"]), ("pg-proxy", [NODE, "pg-proxy"])]:
        process = subprocess.Popen(command + ["-f", "/tmp/unreachable.cfg"], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        time.sleep(0.3)
        seen = {}
        threads = [threading.Thread(target=ask, args=(port, seen)) for port in range(25001, 25006)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        time.sleep(0.2)
        process.terminate()
        process.kill()
        lines = sorted(re.sub(r"^\S+ \[[^]]*\] ", "", line) for line in process.stdout if " [" in line[:40] and "ALERT" not in line and "WARN" not in line)
        print(name, [(port, *seen[port]) for port in sorted(seen)])
        print("   ", "    ".join(lines))


main()
