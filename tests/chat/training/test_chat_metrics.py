"""Each figure against what a pencil gives, and against scikit-learn where it has the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, fbeta_score, precision_score, recall_score

from tutela.chat.training import metrics
from tutela.chat.training.metrics import Counts

TRUTH = np.array([True, False, True, False, False, True])
SCORE = np.array([0.9, 0.8, 0.7, 0.7, 0.2, 0.1])


def test_counts_and_shares():
    found = metrics.counts(TRUTH, SCORE >= 0.7)
    assert found == Counts(hits=2, false=2, missed=1, passed=1)
    assert (found.flagged, found.others) == (3, 3)
    assert metrics.precision(found) == 0.5
    assert metrics.recall(found) == pytest.approx(2 / 3)


def test_f_beta_by_hand():
    found = Counts(hits=8, false=2, missed=8, passed=100)  # P .8, R .5
    assert metrics.f_beta(found, 0.5) == pytest.approx(1.25 * 0.8 * 0.5 / (0.25 * 0.8 + 0.5))
    assert metrics.f_beta(found, 3) == pytest.approx(10 * 0.8 * 0.5 / (9 * 0.8 + 0.5))
    assert metrics.f_beta(Counts(0, 5, 3, 1), 1) == 0.0


def test_no_data_is_none():
    nothing, none_true = Counts(0, 0, 0, 0), Counts(0, 3, 0, 5)
    assert metrics.precision(nothing) is None
    assert metrics.recall(none_true) is None
    assert metrics.f_beta(none_true, 0.5) is None
    assert metrics.latency_f1(none_true, [], []) == (None, None)
    assert metrics.upper_rate(0, 0) is None
    assert metrics.interval(0, 0) is None
    none, empty = np.zeros(3, dtype=bool), np.zeros(0)
    assert metrics.pr_auc(none, np.arange(3.0)) is None
    assert metrics.recall_at(none, np.arange(3.0), 1) is None
    assert metrics.recall_at_fpr(none, np.arange(3.0), 0.5) is None
    assert metrics.precision_at(none, np.arange(3.0), 4) is None
    assert metrics.pr_auc(empty.astype(bool), empty) is None
    assert metrics.at_prevalence(None, 0.1, 0.01) is None
    assert metrics.at_prevalence(0.0, 0.0, 0.01) is None
    assert metrics.alerts_per_10k(None, 0.1, 0.01) is None
    assert metrics.line_f3([("c", "1")], []) is None


def test_line_f3_by_hand():
    # Two of three true lines among four: P 1/2, R 2/3.
    found, true = ["a", "b", "x", "y"], ["a", "b", "c"]
    assert metrics.line_f3(found, true) == pytest.approx(10 * 0.5 * (2 / 3) / (9 * 0.5 + 2 / 3))
    assert metrics.line_f3([], true) == 0.0


def test_latency_by_hand():
    # F1 is 2/3. The median length is 11, so waiting for 11 messages pays one half.
    found = Counts(hits=2, false=1, missed=1, passed=9)
    at_once, median = metrics.latency_f1(found, [1, 1], [5, 11, 40])
    assert at_once == pytest.approx(2 / 3)
    assert median == 1
    late, median = metrics.latency_f1(found, [11, 11], [5, 11, 40])
    assert late == pytest.approx(2 / 3 * 0.5)
    assert median == 11
    rate = math.log(3) / 10
    penalty = -1 + 2 / (1 + math.exp(-rate * 5))
    between, _ = metrics.latency_f1(found, [6, 6], [5, 11, 40])
    assert between == pytest.approx(2 / 3 * (1 - penalty))
    assert metrics.latency_f1(Counts(0, 1, 3, 2), [], [5, 6, 7]) == (0.0, None)


def test_the_best_k_share_ties():
    assert metrics.precision_at(TRUTH, SCORE, 1) == 1
    assert metrics.precision_at(TRUTH, SCORE, 2) == 0.5
    # The third is one of two equals, of which one is true.
    assert metrics.precision_at(TRUTH, SCORE, 3) == pytest.approx(1.5 / 3)
    assert metrics.recall_at(TRUTH, SCORE, 4) == pytest.approx(2 / 3)
    assert metrics.recall_at(TRUTH, SCORE, 6) == 1


def test_recall_at_a_rate_of_false_alarms():
    truth = np.array([True] * 4 + [False] * 10)
    score = np.array([9.0, 5.0, 3.0, 0.0] + [4.0, 2.0] + [1.0] * 8)
    assert metrics.recall_at_fpr(truth, score, 0.1) == 0.75  # above 2.0, one false
    assert metrics.recall_at_fpr(truth, score, 0.2) == 0.75
    assert metrics.recall_at_fpr(truth, score, 0.09) is None  # less than one of ten
    assert metrics.recall_at_fpr(truth, score, 1.0) == 1


def test_the_table_of_base_rates():
    """The arithmetic that docs/explanation/chat-validity.md shows."""
    rows = [
        (1e-4, 0.9, 1e-2, 10_089, 0.009),
        (1e-4, 0.8, 1e-3, 1_080, 0.074),
        (1e-4, 0.6, 1e-4, 160, 0.375),
        (1e-4, 0.5, 1e-5, 60, 0.83),
        (1e-5, 0.8, 1e-3, 1_008, 0.008),
    ]
    for prevalence, recalled, rate, alerts, precision in rows:
        per_million = metrics.alerts_per_10k(recalled, rate, prevalence) * 100
        assert per_million == pytest.approx(alerts, abs=1)
        said = metrics.at_prevalence(recalled, rate, prevalence)
        assert said == pytest.approx(precision, rel=0.02, abs=6e-4)


def test_upper_bound_of_false_alarms():
    # With none in n it is 1 - .05 ** (1 / n), about 3 / n.
    for of in (10, 300, 30_000):
        assert metrics.upper_rate(0, of) == pytest.approx(1 - 0.05 ** (1 / of), rel=1e-6)
    assert metrics.upper_rate(0, 30_000) < 1e-4
    # Tables of Clopper and Pearson, one-sided 95 %: 1 of 20 gives 21.6 %, 5 of 100 gives 10.2 %.
    assert metrics.upper_rate(1, 20) == pytest.approx(0.2161, abs=1e-4)
    assert metrics.upper_rate(5, 100) == pytest.approx(0.1023, abs=1e-4)
    assert metrics.upper_rate(7, 7) == 1


def test_wilson_interval_by_hand():
    low, high = metrics.interval(8, 10)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert metrics.interval(0, 10)[0] == 0


units = st.lists(
    st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=60
).filter(lambda rows: any(true for true, _ in rows))  # fmt: skip


@given(units)
def test_as_scikit_learn_has_it(rows):
    truth = np.array([true for true, _ in rows])
    score = np.array([float(value) for _, value in rows])
    assert metrics.pr_auc(truth, score) == pytest.approx(average_precision_score(truth, score))
    alert = score >= 3
    found = metrics.counts(truth, alert)
    expected = fbeta_score(truth, alert, beta=0.5, zero_division=0)
    assert metrics.f_beta(found, 0.5) == pytest.approx(expected)
    assert metrics.recall(found) == pytest.approx(recall_score(truth, alert))
    if alert.any():
        assert metrics.precision(found) == pytest.approx(precision_score(truth, alert))
