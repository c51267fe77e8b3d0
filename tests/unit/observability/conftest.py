from tests.traces import no_work_left_behind

__all__ = ["no_work_left_behind"]
