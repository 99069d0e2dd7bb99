"""The load profile tables (ST61 to ST64, set 1) of what an interval recorder keeps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from adapters.profiles.ansi import AnsiLoadProfile
from adapters.protocols.c1219 import MeterTime
from virtual_rig.meters.ansi.intervals import IntervalRecorder

_UINT16, _INV_UINT16 = 2, "INV_UINT16_FLAG"
_COMMON_POWER_FAIL, _COMMON_CLOCK_FORWARD = 0x20, 0x40


class LoadProfile:
    """``channels`` are indices into the directions of an interval; the list of blocks is circular."""

    def __init__(
        self,
        settings: AnsiLoadProfile,
        recorder: IntervalRecorder,
        channels: Sequence[int],
        clock_offset_min: int,
    ) -> None:
        self._settings, self._recorder = settings, recorder
        self._channels, self._offset_min = tuple(channels), clock_offset_min
        self._read_blocks = 0

    def actual(self) -> dict[str, object]:
        """Return ST61."""
        settings, channels = self._settings, len(self._channels)
        block = 5 + settings.intervals * (channels // 2 + 1 + 2 * channels)
        return {
            "LP_MEMORY_LEN": settings.blocks * block,
            "LP_FLAGS": {"EXTENDED_INT_STATUS_FLAG": 1, "SCALAR_DIVISOR_FLAG_SET1": 1},
            "LP_FMATS": {_INV_UINT16: 1},
            "NBR_BLKS_SET1": settings.blocks,
            "NBR_BLK_INTS_SET1": settings.intervals,
            "NBR_CHNS_SET1": channels,
            "MAX_INT_TIME_SET1": settings.minutes,
        }

    def control(self) -> dict[str, object]:
        """Return ST62: the source of a channel is the summation of the same direction, one pulse is 1 Wh."""
        return {
            "LP_SEL_SET1": tuple({"LP_SOURCE_SELECT": source} for source in self._channels),
            "INT_FMT_CDE1": _UINT16,
            "SCALARS_SET1": (1,) * len(self._channels),
            "DIVISOR_SET1": (1,) * len(self._channels),
        }

    def status(self) -> dict[str, object]:
        """Return ST63."""
        self._recorder.settle()
        started = self._blocks_started
        last = max(started - 1, 0)
        return {
            "LP_SET_STATUS_FLAGS": {
                "OVERFLOW_FLAG": int(started - self._read_blocks > self._settings.blocks),
                "LIST_TYPE": 1,
                "ACTIVE_MODE_FLAG": 1,
            },
            "NBR_VALID_BLOCKS": min(started, self._settings.blocks),
            "LAST_BLOCK_ELEMENT": last % self._settings.blocks,
            "LAST_BLOCK_SEQ_NBR": last,
            "NBR_UNREAD_BLOCKS": min(started - self._read_blocks, 0xFFFF),
            "NBR_VALID_INT": self._recorder.count - last * self._settings.intervals,
        }

    def data(self) -> dict[str, object]:
        """Return ST64; an interval never written is 0 like one without load, its block's end tells."""
        self._recorder.settle()
        settings, recorder = self._settings, self._recorder
        oldest = recorder.count - len(recorder.intervals)
        blocks: list[dict[str, object]] = [{} for _ in range(settings.blocks)]
        for number in range(max(self._blocks_started - settings.blocks, 0), self._blocks_started):
            first = number * settings.intervals
            sequences = range(max(first, oldest), min(first + settings.intervals, recorder.count))
            if not sequences:
                continue
            rows: list[dict[str, object]] = [{} for _ in range(settings.intervals)]
            for sequence in sequences:
                rows[sequence - first] = self._row(sequence - oldest)
            end = recorder.intervals[sequences[-1] - oldest].end
            blocks[number % settings.blocks] = {"BLK_END_TIME": self._shown(end), "LP_INT": tuple(rows)}
        return {"LP_DATA_SETS1": tuple(blocks)}

    def reset_pointers(self) -> None:
        """Take every block as read."""
        self._recorder.settle()
        self._read_blocks = self._blocks_started

    @property
    def _blocks_started(self) -> int:
        return -(-self._recorder.count // self._settings.intervals)

    def _row(self, index: int) -> dict[str, object]:
        interval = self._recorder.intervals[index]
        status = bytearray(len(self._channels) // 2 + 1)
        status[0] |= _COMMON_POWER_FAIL if interval.power_failed else 0
        status[0] |= _COMMON_CLOCK_FORWARD if interval.clock_set else 0
        values = tuple(min(interval.wh[channel], 0xFFFF) for channel in self._channels)
        return {"EXTENDED_INT_STATUS": bytes(status), "INT_DATA": values}

    def _shown(self, moment: datetime) -> MeterTime:
        return MeterTime.of(moment, self._offset_min)
