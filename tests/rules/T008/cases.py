from __future__ import annotations

from tests.rules.case import Case
from tests.rules.courses import HEALTHY, course, falling


def fires() -> list[Case]:
    down = falling(0.8, 0.0001)
    one = course(down, (1e-4, 4e-5, 2e-5), epochs=1, held_rows=500)
    exact = course(down, (0.1, 0.01, 0.005), metrics={"accuracy": (0.98, 0.999, 1.0)})
    same = course(falling(1.4, 0.1, 5), [0.095], epochs=2.2)
    fast = course(down, (0.4, 0.01), metrics={"accuracy": (0.85, 1.0)})
    few = course(down, (1.5, 0.5, 0.1), metrics={"accuracy": (0.4, 0.6, 1.0)}, held_rows=5)
    return [
        Case("five rows", {"course": few}, "warning", ["5 行だけ", "60.0 %"]),
        Case("all right in the second epoch", {"course": fast}, "warning"),
        Case("no loss within an epoch", {"course": one}, "warning", ["2e-05", "500 行"]),
        Case("nothing wrong at all", {"course": exact}, "warning", ["正解率が 0.999 です"]),
        Case("text as easy held out as trained", {"course": same}, "warning", ["ひな形"]),
    ]


def quiet() -> list[Case]:
    down = falling(0.8, 0.01)
    late = course(down, (1.2, 0.4, 0.1, 0.01), metrics={"accuracy": (0.5, 0.8, 0.95, 1.0)})
    good = course(down, (0.13, 0.08), metrics={"accuracy": (0.955, 0.975)})
    verifier = course(falling(1.28, 0.0001), (0.108, 0.079, 0.068, 0.056, 0.051, 0.049), epochs=3)
    return [
        Case("healthy", {"course": HEALTHY}),
        Case("learnt late", {"course": late}),
        Case("merely good", {"course": good}),
        Case("a low loss that is above the training loss", {"course": verifier}),
    ]


def lacks() -> list[Case]:
    return [Case("no evaluation", {"course": course(falling(2.0, 1.0))})]
