"""What is sent is the newest whole exchanges that fit, and never less than it must be."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runner.core.errors import ContextOverflowError
from runner.core.history import Exchange, History, Turn
from runner.core.messages import Message, ToolCall, ToolResult
from runner.core.tokens import Calibration
from runner.core.truncate_tool_results import truncate_results
from runner.core.window import Room, Start, fit
from thoroughness import examples


def exchange(size: int) -> Exchange:
    call = ToolCall("c", "look", {}, "{}")
    return Exchange(Message.assistant("", [call]), (ToolResult("c", "look", "word " * size),))


def plain(text: str) -> Exchange:
    return Exchange(Message.assistant(text))


turns = st.lists(
    st.builds(
        lambda size, tools, answer: Turn(
            Message.user("word " * size), [*map(exchange, tools), *([plain(answer)] if answer else [])]
        ),
        st.integers(0, 60),
        st.lists(st.integers(0, 60), max_size=3),
        st.text("ab ", max_size=40),
    ),
    min_size=1,
    max_size=8,
)


def calibration(factor: float) -> Calibration:
    made = Calibration()
    made.factor = factor
    return made


@settings(max_examples=examples(300), deadline=None)
@given(turns=turns, fixed=st.integers(0, 80), room=st.integers(1, 900), factor=st.floats(0.4, 4))
def test_the_newest_suffix_that_fits_is_sent_and_as_much_as_fits(turns, fixed, room, factor):
    calibrate, newest = calibration(factor), turns[-1]
    least = fixed + newest.user_tokens + (newest.exchanges[-1].tokens if newest.exchanges else 0)
    try:
        view = fit(turns, Room(fixed, room, calibrate))
    except ContextOverflowError:
        assert calibrate(least) > room
        return
    assert calibrate(view.estimated) <= room
    if view.truncated:
        assert calibrate(least) > room and view.messages[0] is newest.user
        return
    everything = tuple(chain.from_iterable(turn.messages for turn in turns))
    assert view.evicted + len(view.messages) == len(everything)
    shown = [id(message) for message in view.messages]
    assert id(newest.user) in shown
    if view.evicted:
        exchanges = [each for each in newest.exchanges if id(each.messages[0]) not in shown]
        left_out = [turn for turn in turns[:-1] if id(turn.user) not in shown]
        assert len(shown) == len(everything) - view.evicted
        first_out = exchanges[-1] if exchanges else left_out[-1]
        assert calibrate(view.estimated + first_out.tokens) > room


@settings(max_examples=examples(100), deadline=None)
@given(turns=turns, aim=st.integers(0, 300))
def test_an_aim_that_cannot_be_met_leaves_what_must_stay(turns, aim):
    view = fit(turns, Room(10, 10_000, Calibration(), aim))
    assert turns[-1].user in view.messages
    assert Calibration()(view.estimated) <= max(aim, 1) or not view.can_shrink


def test_a_huge_result_is_cut_in_the_middle_for_the_request_and_whole_in_history():
    history = History([Turn(Message.user("hi"), [exchange(5000)])])
    view = fit(history.turns, Room(10, 500, Calibration()))
    shown = view.messages[-1].results[0].output
    assert view.truncated and Calibration()(view.estimated) <= 500
    assert shown.startswith("word ") and shown.endswith("word ") and "characters left out" in shown
    assert history.messages()[-1].results[0].output == "word " * 5000
    history.open(Message.user("and now?"))
    view = fit(history.turns, Room(10, 500, Calibration()))
    assert [message.text for message in view.messages] == ["and now?"] and view.evicted == 3


def test_a_result_that_would_be_left_with_nothing_is_an_error_that_says_what_is_large():
    turns = [Turn(Message.user("hi"), [exchange(5000)])]
    with pytest.raises(ContextOverflowError, match="newest tool results do not fit") as raised:
        fit(turns, Room(10, 80, Calibration()))
    assert raised.value.why.startswith("newest tool results") and "tool_output_bytes" in raised.value.fix


@settings(max_examples=examples(100), deadline=None)
@given(outputs=st.lists(st.text("ab 1😀\n", max_size=3000), min_size=1, max_size=4), tokens=st.integers(0, 3000))
def test_abridged_results_keep_to_their_tokens_and_short_ones_stay_whole(outputs, tokens):
    calls = [ToolCall(f"c{n}", "look", {}, "{}") for n in range(len(outputs))]
    results = tuple(ToolResult(f"c{n}", "look", output) for n, output in enumerate(outputs))
    short = truncate_results(Exchange(Message.assistant("", calls), results), tokens)
    if short is not None:
        assert short.tokens <= max(
            tokens, Exchange(Message.assistant("", calls), results).tokens if short.results == results else 0
        )
        assert [result.call_id for result in short.results] == [call.id for call in calls]


@example(room=21, factor=1.4)
@given(room=st.integers(1, 10**6), factor=st.floats(0.4, 4))
def test_fitting_is_the_inverse_of_the_calibrated_count(room, factor):
    calibrate = calibration(factor)
    largest = calibrate.max_estimate(room)
    assert calibrate(largest) <= room < calibrate(largest + 2)


def talk(number: int, size: int = 20) -> list[Turn]:
    return [Turn(Message.user("word " * size), [plain("word " * size)]) for _ in range(number)]


def test_a_prompt_that_fits_from_where_the_last_began_begins_there():
    turns = talk(8)
    whole = fit(turns, Room(0, 10_000, Calibration()))
    assert fit(turns, Room(0, 10_000, Calibration()), Start(3)).start == Start(3)
    assert whole.start == Start(0) and whole.evicted == 0


@settings(max_examples=examples(100), deadline=None)
@given(
    sizes=st.lists(st.integers(1, 60), min_size=2, max_size=60),
    room=st.integers(200, 900),
    keep=st.floats(0.1, 1),
)
def test_the_beginning_stays_until_it_no_longer_fits_and_then_room_is_made_for_many_turns(sizes, room, keep):
    turns: list[Turn] = []
    start = Start()
    for size in sizes:
        turns.extend(talk(1, size))
        view = fit(turns, Room(10, room, Calibration(), keep=keep), start)
        assert view.estimated <= room
        if view.start != start:
            assert view.start.turn > start.turn
            most, low = map(Calibration().max_estimate, (room, int(room * keep)))
            assert fit(turns, Room(10, 10**9, Calibration()), start).estimated > most
            assert view.estimated <= low or view.start.turn == len(turns) - 1
            if view.start.turn > start.turn + 1:
                assert view.estimated + turns[view.start.turn - 1].tokens > low
        start = view.start
