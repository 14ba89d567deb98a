#!/usr/bin/env python3
"""What is made of the figures, without measuring any; and what the program load counts, where its folder is given.

usage: test_bench.py [folder with bench/load]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import pwd
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path
from typing import Sequence
from unittest import mock

import chart
import load
import machine
import measure
import report
import run
import server
from machine import Cpus
from measure import Bench, Figures
from report import Measured
from rows import ROWS, Column, Goal, Measure, Row
from server import Running, ServerFailed
from stats import Spread, ratio, spread

BUILD = Path(sys.argv.pop(1)) if len(sys.argv) > 1 and Path(sys.argv[1]).is_dir() else None
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
FACTS = {"cpu": "2 x a <fast> one", "system": "an & b", "rounds": "3"}


def no_measure(bench: Bench, name: str) -> Figures:
    raise AssertionError("not in this test")


def row_of(*goals: Goal, measure: Measure | None = None) -> Row:
    columns = (Column("ms", "ms", 1), Column("idle", "idle ms"))
    return Row("key", "Title", "How.", ("hoist", "nginx", "node"), measure or no_measure, columns, goals)


def measured_of(row: Row, **figures: list[float]) -> Measured:
    return Measured(row, {name: [{"ms": value, "idle": 2.0} for value in values] for name, values in figures.items()})


class Stats(unittest.TestCase):
    def test_a_spread_is_median_low_and_high(self) -> None:
        self.assertEqual(spread([9, 1, 4]), Spread(4, 1, 9))

    def test_a_ratio_is_that_of_the_medians_with_the_spread_of_the_rounds(self) -> None:
        self.assertEqual(ratio([2, 4, 9], [1, 8, 3]), Spread(4 / 3, 0.5, 3))

    def test_a_ratio_needs_both_sides_of_every_round(self) -> None:
        with self.assertRaises(ValueError):
            ratio([1, 2], [1])


class Answered(unittest.TestCase):
    def finish(self, may_fail: bool, **answers: int) -> load.Answers:
        text = json.dumps({"ok": 9, "refused": 0, "other": 0, "broken": 0, "unanswered": 0} | answers)
        said = subprocess.Popen(["echo", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return load.finish(said, may_fail)

    def test_answers_that_did_no_work_are_no_figures(self) -> None:
        self.assertEqual(self.finish(False)["ok"], 9)
        for kind in ("refused", "other", "broken", "unanswered"):
            with self.assertRaisesRegex(ServerFailed, "2 requests without a 200", msg=kind):
                self.finish(False, **{kind: 2})

    def test_a_load_that_may_fail_needs_one_200(self) -> None:
        self.assertEqual(load.failed(self.finish(True, refused=2, broken=1)), 3)
        with self.assertRaisesRegex(ServerFailed, "nothing with a 200"):
            self.finish(True, ok=0, refused=2)

    def test_a_load_that_fails_says_why(self) -> None:
        failing = subprocess.Popen(
            "echo load: no >&2; false", shell=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with self.assertRaisesRegex(ServerFailed, "^load: no$"):
            load.finish(failing)


@unittest.skipIf(BUILD is None, "no folder with bench/load")
class Loaded(unittest.TestCase):
    def load_of_two(self, ms: int, answer: bytes, late_s: float = 0) -> load.Answers:
        """Two requests in one write, and what comes for them."""
        assert BUILD is not None
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port, cpus = listener.getsockname()[1], Cpus.of_this_process().both
            process = load.start(BUILD, port, "/", cpus, "-c", "1", "-d", "2", "-s", str(ms))
            listener.settimeout(10)
            with listener.accept()[0] as client:
                client.recv(4096)
                time.sleep(late_s)
                client.sendall(answer)
                return load.finish(process, may_fail=True)

    def test_a_server_that_falls_silent_is_seen_and_has_no_rate_of_before(self) -> None:
        answers = self.load_of_two(100, ANSWER)
        self.assertEqual((answers["ok"], answers["unanswered"]), (1, 1))
        self.assertGreaterEqual(answers["seconds"], 0.1)

    def test_what_is_out_at_the_end_is_waited_for(self) -> None:
        answers = self.load_of_two(1, 2 * ANSWER, late_s=0.3)
        self.assertEqual((answers["ok"], answers["unanswered"]), (2, 0))
        self.assertGreaterEqual(answers["seconds"], 0.3)


class Asked(unittest.TestCase):
    def test_who_is_refused_asks_again_until_it_has_a_200(self) -> None:
        running = mock.Mock(spec=Running, port=1)
        with mock.patch.object(measure, "get", side_effect=[503, 0, 200]) as get:
            self.assertGreater(measure.seconds_to_answer(running, "/sleep/10", 1), 0)
        self.assertEqual(get.call_count, 3)

    def test_no_200_is_no_figure(self) -> None:
        running = mock.Mock(spec=Running, port=1)
        with mock.patch.object(measure, "get", return_value=503), mock.patch.object(measure, "PATIENCE_S", 0):
            with self.assertRaises(ServerFailed):
                measure.seconds_to_answer(running, "/sleep/10", 1)


class Started(unittest.TestCase):
    launch = server.Launch(Path(), Path(), 1, 1)

    def failure(self, said: str, status: int | None) -> str:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as output:
            output.write(said)
            output.flush()
            running = mock.Mock(spec=Running, port=1, process=mock.Mock(**{"poll.return_value": status}))
            with mock.patch.object(server, "START_S", 0), self.assertRaises(ServerFailed) as failed:
                server.wait_until_it_answers(running, Path(output.name))
        return str(failed.exception)

    def test_who_ends_has_said_why(self) -> None:
        self.assertEqual(self.failure("well\nno such user\n", 1), "no such user")
        self.assertEqual(self.failure("", 1), "it ended without a word")

    def test_who_does_not_answer_may_have_said_something_else(self) -> None:
        why = "it did not answer /dummy with a 200 within 0 s"
        self.assertEqual(self.failure("", None), why)
        self.assertEqual(self.failure("well\nlistening\n", None), f"{why}, and said last: listening")

    def test_h2o_runs_as_who_starts_it(self) -> None:
        with mock.patch.object(server, "from_template") as from_template, mock.patch.dict("os.environ", LOGNAME="else"):
            server.h2o(self.launch)
        from_template.assert_called_with(self.launch, "h2o.conf", USER=pwd.getpwuid(os.geteuid()).pw_name)
        with mock.patch("os.geteuid", return_value=2**31 - 2), self.assertRaisesRegex(ServerFailed, "has no name"):
            server.h2o(self.launch)


class Goals(unittest.TestCase):
    def verdict(self, goal: Goal, **figures: list[float]) -> report.Verdict:
        (verdict,) = report.judge(measured_of(row_of(goal), **figures))
        return verdict

    def test_a_plain_goal_judges_our_median(self) -> None:
        self.assertTrue(self.verdict(Goal("ms", "at most", 3), hoist=[1, 3, 9]).met)
        self.assertFalse(self.verdict(Goal("ms", "at most", 2.9), hoist=[1, 3, 9]).met)
        self.assertTrue(self.verdict(Goal("ms", "at least", 3), hoist=[1, 3, 9]).met)

    def test_a_verdict_is_open_when_rounds_say_both(self) -> None:
        self.assertTrue(self.verdict(Goal("ms", "at most", 3), hoist=[1, 2, 9]).open)
        self.assertFalse(self.verdict(Goal("ms", "at most", 9), hoist=[1, 2, 9]).open)
        self.assertFalse(self.verdict(Goal("ms", "at least", 10), hoist=[1, 2, 9]).open)

    def test_a_goal_against_a_peer_judges_the_ratio(self) -> None:
        verdict = self.verdict(Goal("ms", "at most", 0.5, "nginx"), hoist=[1, 2], nginx=[4, 8])
        self.assertEqual((verdict.value.median, verdict.met), (0.25, True))
        self.assertEqual(verdict.title, "ms / nginx's")

    def test_a_goal_may_compare_two_figures_of_ours(self) -> None:
        self.assertEqual(self.verdict(Goal("ms", "at most", 4, of="idle"), hoist=[6]).value.median, 3)

    def test_a_goal_against_who_was_left_out_is_not_judged(self) -> None:
        self.assertEqual(report.judge(measured_of(row_of(Goal("ms", "at most", 1, "nginx")), hoist=[1])), [])

    def test_every_goal_of_the_table_names_figures_that_its_row_shows(self) -> None:
        for row in ROWS:
            shown = {column.figure for column in row.columns}
            for goal in row.goals:
                with self.subTest(row=row.key, goal=goal.title(row)):
                    self.assertLessEqual({goal.figure, goal.of or goal.figure}, shown)
                    self.assertIn(goal.against or "hoist", row.subjects())


class Rounds(unittest.TestCase):
    bench = Bench(Path(), Cpus("0", "1", "0,1", True), run.QUICK)

    def rounds(self, measure: Measure, n: int) -> Measured:
        measured = Measured(row_of(measure=measure))
        for number in range(n):
            run.measure_round(self.bench, measured, number)
        return measured

    def test_everybody_is_measured_once_a_round_and_begins_in_turn(self) -> None:
        order: list[str] = []

        def measure(bench: Bench, name: str) -> Figures:
            order.append(name)
            return {"ms": 1.0}

        self.rounds(measure, 2)
        self.assertEqual(order, ["hoist", "nginx", "node", "nginx", "node", "hoist"])

    def test_who_fails_is_left_out_by_name_with_all_rounds(self) -> None:
        calls: list[str] = []

        def measure(bench: Bench, name: str) -> Figures:
            calls.append(name)
            if name == "nginx" and calls.count("nginx") == 2:
                raise ServerFailed("no such module")
            return {"ms": 1.0, "idle": 1.0}

        measured = self.rounds(measure, 3)
        self.assertEqual(sorted(measured.rounds), ["hoist", "node"])
        self.assertEqual(calls.count("nginx"), 2)
        self.assertIn("- left out: nginx: no such module", report.section(measured))


class Written(unittest.TestCase):
    rows = [
        measured_of(
            row_of(Goal("ms", "at most", 1), Goal("ms", "at least", 0, "nginx"), Goal("idle", "at most", 0.5)),
            hoist=[1, 2, 3],
            nginx=[3, 2, 2],
        )
    ]

    def test_the_chart_is_well_formed_and_has_a_bar_for_each_goal(self) -> None:
        bars = [
            rect
            for rect in xml.fromstring(chart.svg(FACTS, self.rows)).iter("{http://www.w3.org/2000/svg}rect")
            if rect.get("class") in ("met", "missed")
        ]
        self.assertEqual([rect.get("class") for rect in bars], ["missed", "missed", "met"])

    def test_a_table_has_medians_with_their_spread(self) -> None:
        self.assertIn("| **hoist** | 2.0 (1.0 – 3.0) | 2 |", report.section(self.rows[0]))

    def test_a_missed_goal_is_said(self) -> None:
        self.assertIn("- **missed**: ms: 2 (1 – 3), goal at most 1", report.section(self.rows[0]))

    def test_a_goal_that_is_missed_by_little_is_seen_to_be(self) -> None:
        close = measured_of(row_of(Goal("ms", "at most", 1.004)), hoist=[1.00417])
        self.assertIn("- **missed**: ms: 1.0042, goal at most 1.004", report.section(close))
        self.assertIn(">1.0042 of 1.004, missed<", chart.svg(FACTS, [close]))

    def test_the_json_has_every_round(self) -> None:
        again = json.loads(json.dumps(report.as_json(FACTS, self.rows)))
        self.assertEqual([figures["ms"] for figures in again["rows"][0]["rounds"]["hoist"]], [1, 2, 3])


class Arguments(unittest.TestCase):
    def test_a_list_names_at_least_one_that_is_known(self) -> None:
        self.assertEqual(run.keys(["a", "b"])("b,a"), ["b", "a"])
        for text in ("", ",", "c", "a,c"):
            with self.assertRaises(argparse.ArgumentTypeError, msg=text):
                run.keys(["a", "b"])(text)

    def test_a_number_is_in_its_range(self) -> None:
        self.assertEqual(run.number(1, 9)("9"), 9)
        for text in ("", "0", "-1", "10", "1.5", "x"):
            with self.assertRaises(argparse.ArgumentTypeError, msg=text):
                run.number(1, 9)(text)


class Results(unittest.TestCase):
    def name(self, *words: str, busy: bool = False, failed: Sequence[str] = ()) -> str:
        with mock.patch("sys.argv", ["bench", *words]):
            options = run.arguments()
        return run.results_name(options, run.effort_of(options), busy, list(failed))

    def test_only_a_whole_run_with_the_full_effort_on_a_quiet_machine_is_kept(self) -> None:
        self.assertEqual(self.name(), "results")
        self.assertEqual(self.name("--even-if-busy"), "results")
        self.assertEqual(self.name("--rounds", "5", "--ms", "2000", "--build", "build/release/"), "results")
        for words in (["--rounds", "1"], ["--ms", "100"], ["--rows", "front"], ["--servers", "go"], ["--build", "b"]):
            self.assertEqual(self.name(*words), "partial", words)
        self.assertEqual(self.name(busy=True), "partial")
        self.assertEqual(self.name(failed=["front"]), "partial")
        self.assertEqual(self.name("--quick", busy=True), "quick")


class Main(unittest.TestCase):
    def setUp(self) -> None:
        contexts = contextlib.ExitStack()
        self.addCleanup(contexts.close)
        self.folder = Path(contexts.enter_context(tempfile.TemporaryDirectory()))
        (self.folder / "hoist").touch()
        contexts.enter_context(mock.patch("sys.argv", ["bench", "--build", str(self.folder)]))
        contexts.enter_context(mock.patch.object(machine, "cpus_in_use", return_value=0))
        contexts.enter_context(mock.patch.object(run, "raise_descriptors", return_value=sys.maxsize))
        self.measure_all = contexts.enter_context(mock.patch.object(run, "measure_all", return_value=Written.rows))
        self.output = contexts.enter_context(contextlib.redirect_stdout(io.StringIO()))

    def test_nothing_is_measured_where_no_results_can_be_written(self) -> None:
        with mock.patch.object(run, "RESULTS", self.folder / "hoist"), self.assertRaises(OSError):
            run.main()
        self.measure_all.assert_not_called()

    def test_what_was_measured_is_seen_even_if_it_could_not_be_written(self) -> None:
        with mock.patch.object(run, "RESULTS", self.folder / "results"):
            (self.folder / "results/partial.json").mkdir(parents=True)
            with self.assertRaises(OSError):
                run.main()
        self.assertIn("| **hoist** | 2.0 (1.0 – 3.0) | 2 |", self.output.getvalue())


class InUse(unittest.TestCase):
    before = "cpu  100 0 50 800 50 0 0 0 7 7\ncpu0 1 2 3\n"
    after = "cpu  190 0 60 880 60 5 3 2 7 7\ncpu0 1 2 3\n"

    def test_what_is_not_idle_or_waiting_for_a_disk_is_in_use(self) -> None:
        self.assertEqual(machine.idle_and_all(self.before), (850, 1000))
        with mock.patch("os.cpu_count", return_value=2), mock.patch.object(Path, "read_text") as read_text:
            read_text.side_effect = [self.before, self.after]
            self.assertAlmostEqual(machine.cpus_in_use(0), 1.1)


if __name__ == "__main__":
    unittest.main()
