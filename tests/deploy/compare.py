"""Holds the reports of runs from several processes to that of one: the same counts, and latencies within noise."""

import json
import sys

# The server takes 100 or 300 ms; the client's own error and a busy machine stay within this.
NOISE = 0.25


def rows(path):
    with open(path) as file:
        report = json.load(file)
    return {(row["metric"], row["found"]): row for row in report["tables"]["load"]}


def main(one, *others):
    expected = rows(one)
    assert expected[("ttft", "hit")]["samples"] == 120, expected
    for path in others:
        found = rows(path)
        assert found.keys() == expected.keys(), (path, found.keys() ^ expected.keys())
        for key, row in expected.items():
            counts = {of: (row["samples"], found[of]["samples"]) for of, row in expected.items()}
            assert found[key]["samples"] == row["samples"], (path, key, counts)
        for key in [("ttft", "hit"), ("ttft", "cold")]:
            ratio = found[key]["p50_ns"] / expected[key]["p50_ns"]
            print(f"{path}: {key[0]} {key[1]} median {ratio:.3f} of the one process's")
            assert abs(ratio - 1) < NOISE, (path, key, ratio)


main(*sys.argv[1:])
