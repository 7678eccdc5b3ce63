"""A session from Python: a tool, a message, a stream, and the events of a turn.

The gateway plays scripted replies, so the program runs without any model. With `from runner.gateways import Ollama`
and `Broker("qwen3:32b", Ollama)` the rest stays as it is.
"""

from runner import Broker, ChatSession, tool
from runner.gateways import Scripted

REPLIES = [
    {"calls": [{"word_count": {"text": "to be or not to be"}}]},
    {"text": "It has six words."},
    {"text": "Once upon a time there was a short story."},
    {"text": "You are welcome."},
]


@tool(effects="none")
def word_count(text: str) -> int:
    """Count the words of a text."""
    return len(text.split())


def main() -> None:
    broker = Broker("demo", Scripted(REPLIES))
    with ChatSession(broker, system_prompt="You count words.", tools=[word_count]) as session:
        print(session.send_message("How many words has: to be or not to be?"))

        stream, handle = session.send_stream("Tell me a story.")
        for piece in stream:
            print(piece, end="", flush=True)
        session.finalize_stream(handle)
        print()

        for event in session.send("Thank you."):
            print(event.to_dict()["type"], end=" ")
        print(f"\n{len(session.messages)} messages, the last from the {session.messages[-1].role}")


if __name__ == "__main__":
    main()
