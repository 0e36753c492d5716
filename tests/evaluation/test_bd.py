"""Claims about rate-metric curves: known answers, identities, SciPy as the referee for PCHIP."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from j4d.evaluation import bd
from j4d.evaluation.pchip import Pchips

interpolate = pytest.importorskip("scipy.interpolate")

rising = st.lists(st.floats(0.01, 1.0), min_size=2, max_size=9).map(np.cumsum)


def curve(rates, metrics):
    return bd.Curves.from_points(np.asarray(rates), np.asarray(metrics))


def one(values):
    """The answer of a single curve."""
    assert values.shape == (1,)
    return float(values[0])


@pytest.mark.filterwarnings("ignore:overflow")  # SciPy on the nearly flat
@settings(deadline=None)
@given(rising, st.lists(st.floats(-3, 3), min_size=9, max_size=9))
def test_pchip_values_and_mean_equal_scipy(x, y):
    y = np.array(y[: len(x)])
    ours, theirs = Pchips.through(x[None], y[None]), interpolate.PchipInterpolator(x, y)
    grid = np.linspace(x[0], x[-1], 57)
    np.testing.assert_allclose(ours(grid[None])[0], theirs(grid), atol=1e-9)
    low, high = x[0] + 0.1 * (x[-1] - x[0]), x[0] + 0.85 * (x[-1] - x[0])
    assert one(ours.mean(np.array([low]), np.array([high]))) == pytest.approx(
        theirs.integrate(low, high) / (high - low), abs=1e-9
    )


def test_pchip_is_a_straight_line_through_a_straight_line_and_nan_outside():
    line = Pchips.through(np.array([[0.0, 1.0, 4.0]]), np.array([[1.0, 3.0, 9.0]]))
    np.testing.assert_allclose(line(np.array([[0.25, 2.0, 3.7]])), [[1.5, 5.0, 8.4]])
    assert np.isnan(line(np.array([[-0.01, 4.01]]))).all()
    assert one(line.mean(np.array([0.5]), np.array([3.5]))) == pytest.approx(5.0)


@given(rising, st.floats(0.3, 3.0))
def test_scaling_every_rate_gives_exactly_that_bd_rate(metric, factor):
    rates = np.exp(np.linspace(-2, 1, len(metric)))
    value = one(bd.bd_rate(curve(rates, metric), curve(rates * factor, metric)))
    assert value == pytest.approx(100 * (factor - 1), abs=1e-6)


@given(rising, st.floats(-0.5, 0.5))
def test_lifting_every_metric_gives_exactly_that_bd_metric(metric, lift):
    rates = np.exp(np.linspace(-2, 1, len(metric)))
    assert one(bd.bd_metric(curve(rates, metric), curve(rates, metric + lift))) == pytest.approx(lift, abs=1e-9)


def test_bd_rate_of_a_swap_is_the_inverse_ratio():
    first, second = curve([0.2, 0.5, 1.1, 2.0], [0.2, 0.5, 0.7, 0.8]), curve([0.1, 0.4, 0.9], [0.1, 0.55, 0.75])
    there, back = one(bd.bd_rate(first, second)), one(bd.bd_rate(second, first))
    assert there < 0 < back
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1.0)


def test_half_the_rate_is_minus_fifty_percent():
    rates, metrics = [0.2, 0.4, 0.8], [0.3, 0.6, 0.7]
    assert one(bd.bd_rate(curve(rates, metrics), curve(np.array(rates) / 2, metrics))) == pytest.approx(-50.0)


def test_curves_without_overlap_have_no_bd_rate():
    low, high = curve([0.1, 0.2], [0.1, 0.2]), curve([0.3, 0.4], [0.6, 0.7])
    assert np.isnan(bd.bd_rate(low, high))
    assert np.isnan(bd.bd_metric(low, high))
    assert np.isnan(bd.largest_gain(low, high)).all()
    assert np.isnan(bd.bd_rate(low, curve([0.1], [0.15])))


def test_a_dip_is_pooled_into_one_point_at_its_mean():
    pooled = curve([1.0, 2.0, 8.0, 16.0], [0.1, 0.6, 0.4, 0.9])
    np.testing.assert_allclose(np.exp(pooled.log_rate), [[1.0, 4.0, 16.0]])
    np.testing.assert_allclose(pooled.metric, [[0.1, 0.5, 0.9]])


@given(st.lists(st.tuples(st.floats(0.01, 9), st.floats(0, 1)), min_size=1, max_size=12))
def test_any_points_become_a_strictly_rising_curve_whatever_their_order(points):
    rates, metrics = np.array(points).T
    forward, backward = curve(rates, metrics), curve(rates[::-1], metrics[::-1])
    assert (np.diff(forward.log_rate) > 0).all() and (np.diff(forward.metric) > 0).all()
    np.testing.assert_array_equal(forward.metric, backward.metric)
    assert metrics.min() - 1e-9 <= one(forward.first[1]) and one(forward.last[1]) <= metrics.max() + 1e-9


def test_rate_at_inverts_the_curve_and_does_not_extrapolate():
    measured = curve([0.2, 0.5, 1.1], [0.2, 0.5, 0.7])
    assert one(measured.rate_at(0.5)) == pytest.approx(0.5)
    assert 0.5 < one(measured.rate_at(0.6)) < 1.1
    assert one(measured.rate_at(0.71)) == np.inf, "never reached"
    assert np.isnan(measured.rate_at(0.19)), "below the first point: a smaller rate than any measured"


def test_rounding_of_a_mean_does_not_put_a_target_beyond_the_end_of_its_curve():
    measured = curve([0.25, 0.5, 1.0], [0.2, 0.5, 0.7])
    assert one(measured.rate_at(0.7 + 5e-16)) == pytest.approx(1.0)
    assert one(measured.rate_at(0.2 - 5e-17)) == pytest.approx(0.25)
    assert one(measured.rate_at(0.7 + 1e-9)) == np.inf


def test_rate_change_needs_both_curves_to_reach_the_metric():
    first, second = curve([0.2, 0.5, 1.1], [0.2, 0.5, 0.7]), curve([0.1, 0.25, 0.55], [0.2, 0.5, 0.6])
    assert one(bd.rate_change(first, second, 0.5)) == pytest.approx(-50)
    assert np.isnan(bd.rate_change(first, second, 0.65)) and np.isnan(bd.rate_change(second, first, 0.65))


def test_largest_gain_is_found_where_the_curves_are_furthest_apart():
    rates = [0.25, 0.5, 1.0, 2.0]
    gain, rate = bd.largest_gain(curve(rates, [0.1, 0.3, 0.6, 0.8]), curve(rates, [0.15, 0.5, 0.65, 0.82]))
    assert gain == pytest.approx(0.2, abs=0.01)
    assert rate == pytest.approx(0.5, rel=0.1)


def test_rates_must_be_positive_and_as_many_as_metrics():
    with pytest.raises(ValueError, match="positive"):
        curve([0.0, 1.0], [0.1, 0.2])
    with pytest.raises(ValueError, match=r"\(2,\), \(3,\)"):
        curve([1.0, 2.0], [0.1, 0.2, 0.3])


rough = st.lists(st.tuples(st.floats(0.05, 4), st.floats(0, 1)), min_size=1, max_size=8)


@given(st.lists(st.tuples(rough, rough), min_size=2, max_size=4), st.floats(0, 1))
def test_many_rows_at_once_answer_as_each_row_alone(pairs, target):
    width = max(len(points) for pair in pairs for points in pair)
    padded = np.full((2, 2, len(pairs), width), np.nan)
    for row, pair in enumerate(pairs):
        for side, points in enumerate(pair):
            padded[side, :, row, : len(points)] = np.array(points).T
    together = [bd.Curves.from_points(*side) for side in padded]
    for row, pair in enumerate(pairs):
        alone = [curve(*np.array(points).T) for points in pair]
        for question in (bd.bd_rate, bd.bd_metric, lambda a, b: bd.rate_change(a, b, target)):
            with np.errstate(over="ignore"):
                np.testing.assert_allclose(question(*together)[row], one(question(*alone)), rtol=1e-6, atol=1e-9)
        at = np.log([0.3, 1.0])
        np.testing.assert_allclose(together[0].metric_at(at)[row], alone[0].metric_at(at)[0], rtol=1e-9)


def test_bootstrap_of_a_mean_has_the_textbook_width_and_is_reproducible():
    values = np.random.default_rng(0).normal(5, 2, size=400)
    weights = bd.resample_weights(400, 2000, seed=1)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    result = bd.interval(values.mean(), weights @ values)
    assert result.high - result.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert bd.interval(values.mean(), bd.resample_weights(400, 2000, seed=1) @ values) == result


def test_undefined_resamples_are_counted_not_averaged():
    result = bd.interval(1.0, [0.5, float("nan"), 1.5, float("nan")])
    assert result.defined == 0.5 and 0.5 <= result.low < result.high <= 1.5
    assert np.isnan(bd.interval(1.0, [float("nan")]).low)
