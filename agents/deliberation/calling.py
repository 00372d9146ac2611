"""One call to a model: the errors that may come of it, and what is charged for it whatever came."""

from datetime import timedelta

from agents.deliberation.budgets import Meter, Off, counted
from agents.deliberation.view import View
from agents.incident.errors import BadInput, Refused, Transient
from agents.ports import Reasoned, Reasoner, Task


def call(
    reasoner: Reasoner, task: Task, view: View, *, prompt: str, meter: Meter, output_tokens: int
) -> Reasoned | Off:
    """What the model wrote, or why it wrote nothing; BadInput where what it wrote cannot be read.

    A call that was late or cannot be read may have written as much as it might, and is charged so.
    """
    made = 0
    said = None
    try:
        said = reasoner.reason(task, view, timeout=meter.timeout, output_tokens=output_tokens)
    except TimeoutError:
        made = output_tokens
        return Off.WALL_CLOCK if meter.left <= timedelta(0) else Off.SLOW
    except BadInput:
        made = output_tokens
        raise
    except Transient:
        return Off.UNREACHABLE
    except Refused:
        return Off.REFUSED
    else:
        made = counted(said.output_tokens, said.body)
        return said
    finally:
        meter.called(counted(None if said is None else said.input_tokens, prompt), made)
