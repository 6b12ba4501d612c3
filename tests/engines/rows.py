"""Exits 0 when a Python expression holds over logs; otherwise prints it and what the rows say.

usage: rows.py FOLDER EXPRESSION

In the expression a log FOLDER/NAME.jsonl is the list NAME of its rows, and a row has the attributes of Row below."""

import json
import re
import sys
from pathlib import Path


class Row:
    def __init__(self, line):
        row = json.loads(line)
        usage = row.get("usage") or {}
        flush = row.get("flush") or {}
        self.index = row["run_index"]
        self.context = row["context_tokens"]
        self.ttft = row["ttft_seconds"]
        self.outcome = row["outcome"]
        self.role = row["role"]
        self.prompt = usage.get("prompt_tokens")
        self.cached = usage.get("cached_tokens")
        self.achieved = flush.get("achieved")
        self.still_cached = flush.get("cached_tokens")
        self.stamp = row.get("stamp")


folder, expression = Path(sys.argv[1]), sys.argv[2]
logs = {}
for path in sorted(folder.glob("*.jsonl")):
    if re.search(rf"\b{path.stem}\b", expression):
        logs[path.stem] = [Row(line) for line in path.read_text(encoding="utf-8").splitlines()]
try:
    if eval(expression, {}, dict(logs)):
        sys.exit()
except (NameError, IndexError, TypeError) as error:
    print(error)
print(expression)
for name, rows in logs.items():
    for row in rows:
        print(name, vars(row))
sys.exit(1)
