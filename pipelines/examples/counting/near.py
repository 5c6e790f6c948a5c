"""For ptd-verify --exec: one off earns half, two off a third."""
import json
import sys

for line in sys.stdin:
    asked = json.loads(line)
    try:
        off = abs(float(asked["extracted"]) - float(asked["answer"]))
    except (KeyError, TypeError, ValueError):
        off = float("inf")
    print(json.dumps({"reward": 1 / (1 + off)}), flush=True)
