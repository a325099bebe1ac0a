#!/usr/bin/env python3
"""Prints the order in which a real HAProxy hands connections to weighted servers.

By hand: apt-get install haproxy; python3 differential/sequences.py
The lines are the constants of src/balance/tests.rs.
"""
import socket, subprocess, threading, time

WEIGHTS = [[1, 1, 1], [1, 2], [2, 1], [3, 1], [1, 2, 3], [5, 3, 2], [10, 1], [7, 7, 1], [2, 2, 4, 1]]
COUNT = 24


def server(letter):
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            client, _ = listener.accept()
            client.sendall(letter.encode())
            client.close()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def main():
    ports = [server(letter) for letter in "abcde"]
    for number, weights in enumerate(WEIGHTS):
        for balance in ["roundrobin", "static-rr"]:
            port = 23000 + number
            lines = ["defaults", " mode tcp", " timeout connect 1s", " timeout client 5s", " timeout server 5s",
                     "listen l", f" bind 127.0.0.1:{port}", f" balance {balance}"]
            lines += [f" server {'abcde'[i]} 127.0.0.1:{ports[i]} weight {w}" for i, w in enumerate(weights)]
            open("/tmp/sequences.cfg", "w").write("global\n nbthread 1\n" + "\n".join(lines) + "\n")
            process = subprocess.Popen(["haproxy", "-f", "/tmp/sequences.cfg"])
            time.sleep(0.3)
            got = ""
            for _ in range(COUNT):
                with socket.create_connection(("127.0.0.1", port)) as client:
                    got += client.recv(1).decode()
            process.terminate()
            process.wait()
            print(f'    ({balance}, &{weights}, "{got}"),')


main()
