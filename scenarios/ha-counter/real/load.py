#!/usr/bin/env python3
"""Increments over several connections for a while, and whether all that was acknowledged counts.

    load.py --url http://127.0.0.1:8080/increment --connections 12 --for-s 20 >told
    load.py --judge told --before 6 --after 1234

Prints `acknowledged N unknown N refused N`, the longest time without a success, and the values that were answered.
Exit of --judge: 0 every value was answered once, and the count is between acknowledged and acknowledged plus
unknown; 1 otherwise.
"""
import argparse
import http.client
import re
import sys
import threading
import time
import urllib.parse

TIMEOUT_S = 15
# Certainly not applied, as the counter says.
REFUSED = {503}


def load(url, connections, for_s):
    parts = urllib.parse.urlsplit(url)
    end = time.monotonic() + for_s
    lock = threading.Lock()
    values, fates, successes = [], {"acknowledged": 0, "unknown": 0, "refused": 0}, [time.monotonic()]

    def run():
        while time.monotonic() < end:
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
            try:
                while time.monotonic() < end:
                    fate, value = once(connection, parts.path)
                    with lock:
                        fates[fate] += 1
                        if value is not None:
                            values.append(value)
                            successes.append(time.monotonic())
                    if value is None:
                        time.sleep(0.05)
            except OSError:
                with lock:
                    fates["unknown"] += 1
            except http.client.HTTPException:
                with lock:
                    fates["unknown"] += 1
            finally:
                connection.close()

    threads = [threading.Thread(target=run) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    successes.sort()
    gap = max((b - a for a, b in zip(successes, successes[1:])), default=0)
    print(" ".join(f"{name} {count}" for name, count in fates.items()))
    print(f"longest gap {gap:.1f} s")
    print("values " + ",".join(map(str, values)) if len(values) < 40 else f"values {min(values)} to {max(values)}")
    print(f"distinct {len(set(values))}")


def once(connection, path):
    connection.request("POST", path)
    answer = connection.getresponse()
    body = answer.read().decode()
    found = re.search(r"count value = (\d+)", body)
    if answer.status == 200 and found:
        return "acknowledged", int(found.group(1))
    return ("refused" if answer.status in REFUSED else "unknown"), None


def judge(told, before, after):
    text = open(told, encoding="utf-8").read()
    number = lambda name: int(re.search(rf"{name} (\d+)", text).group(1))
    acknowledged, unknown, distinct = number("acknowledged"), number("unknown"), number("distinct")
    counted = after - before
    if acknowledged == 0:
        print("nothing was acknowledged", file=sys.stderr)
        return 1
    if distinct != acknowledged:
        print(f"{acknowledged} acknowledged, {distinct} values: some were answered twice", file=sys.stderr)
        return 1
    if not acknowledged <= counted <= acknowledged + unknown:
        print(f"{acknowledged} acknowledged, {unknown} unknown, {counted} counted", file=sys.stderr)
        return 1
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url")
    parser.add_argument("--connections", type=int, default=12)
    parser.add_argument("--for-s", type=float, default=20)
    parser.add_argument("--judge")
    parser.add_argument("--before", type=int)
    parser.add_argument("--after", type=int)
    options = parser.parse_args()
    if options.judge:
        sys.exit(judge(options.judge, options.before, options.after))
    load(options.url, options.connections, options.for_s)


if __name__ == "__main__":
    main()
