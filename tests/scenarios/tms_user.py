"""A person who works at a TMS: he does what the operator's prompts say, and types what he sees there.

His screens are the served TMS's HTTP interface, which the run itself does not use. He reads prompts as a
person does: which task this is from its heading, unit and request from the instructions.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from tests.adapters.operator_person import STYLE, Person

HEADING = re.compile(r"── tms: ([a-z ]+?)(, once more after [^─]+)? ─+")
DONE = "[Enter: yes]"


class Refusal(Exception):
    """The TMS says no."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class TmsUser:
    """Answers prompts; ``person`` is where he sits. ``tasks`` are those he was given, in their order."""

    def __init__(self, url: str, server_name: str, *, token: str, pin: str) -> None:
        self.person = Person(self)
        self.tasks: list[str] = []
        self._url, self._pin = url, pin
        self._headers = {"Authorization": f"Bearer {token}", "Host": server_name}
        self._headings = 0
        self._text = ""
        self._answers: Mapping[str, object] | None = None
        self._refusal: Refusal | None = None

    def __call__(self, prompt: str) -> str:
        self._look()
        if prompt.startswith("Before you change anything"):
            return self._unit
        if prompt.startswith("Right?"):
            return ""
        if prompt.startswith("Still so?"):
            before, self._answers = self._answers, None
            return "" if self._seen() == before else "c"
        if self._refusal is not None:
            return self._refusal.reason if prompt.startswith("Number [") else self._refusal.detail
        try:
            answers = self._seen()
        except Refusal as refusal:
            self._refusal = refusal
            return "s"
        if prompt.endswith(DONE):
            return ""
        return self._answer(answers, prompt)

    # -- reading the prompts

    def _look(self) -> None:
        """Notice that something else is asked now."""
        screen = STYLE.sub("", self.person.screen)
        headings = list(HEADING.finditer(screen))
        self._text = " ".join(screen[headings[-1].start() :].split())
        if len(headings) > self._headings:
            self._headings, self._refusal = len(headings), None
            self.tasks.append(headings[-1][1])
            if not headings[-1][2]:
                self._answers = None

    def _answer(self, answers: Mapping[str, object], prompt: str) -> str:
        question = max(answers, key=self._text.rfind)
        assert question in self._text, f"{self.tasks[-1]} asks {self._text[-80:]!r}"
        answer = answers[question]
        if isinstance(answer, list):
            number = int(prompt)
            return str(answer[number - 1]) if number <= len(answer) else "-" if number == 1 else ""
        return "-" if answer == "" else "yes" if answer is True else "no" if answer is False else str(answer)

    @property
    def _unit(self) -> str:
        return self._told(r"[Uu]nit (\d+)")

    def _told(self, pattern: str) -> str:
        found = re.search(pattern, self._text)
        assert found is not None, f"{self.tasks[-1]} does not tell {pattern}: {self._text}"
        return found[1]

    # -- working at the TMS

    def _seen(self) -> Mapping[str, object]:
        """Do the task, once, and return what there is to read off afterwards, by question."""
        if self._answers is None:
            tasks: dict[str, Callable[[], dict[str, object]]] = {
                "identify": self._identify,
                "unit entry": self._unit_entry,
                "remove unit": self._remove_unit,
                "set pin": self._set_pin,
                "review pin": self._review_pin,
                "provision": self._provision,
                "provisioning": self._provisioning,
                "search events": self._search_events,
                "collect data": self._collect_data,
            }
            self._answers = tasks[self.tasks[-1]]()
        return self._answers

    def _identify(self) -> dict[str, object]:
        return {"Name or serial number of the TMS": self._ask("GET", "/v1/about")["serial"]}

    def _unit_entry(self, question: str = "Is it in the Master List?") -> dict[str, object]:
        try:
            found = self._ask("GET", f"/v1/units/{self._unit}")
        except Refusal as refusal:
            if refusal.reason != "unknown-unit":
                raise
            return {question: False}
        return {
            question: True,
            "Group it is in": found["group"],
            "Status": found["status"],
            "Registrations processed so far": found["registrations"],
            "Version of its module": found["module_version"],
            "Lines of the list that bear this unit": found["entries"],
        }

    def _remove_unit(self) -> dict[str, object]:
        self._ask("DELETE", f"/v1/units/{self._unit}")
        return self._unit_entry("is it still in the Master List?")

    def _set_pin(self) -> dict[str, object]:
        saved = self._ask("PUT", f"/v1/units/{self._unit}/properties", {"pin": self._pin})
        return {"Does the TMS say that it is saved?": saved["saved"]}

    def _review_pin(self) -> dict[str, object]:
        path = f"/v1/units/{self._unit}/properties/pin-review"
        found = self._ask("POST", path, {"pin": self._pin})
        return {"Is there a PIN at all?": found["configured"], "Is it the unit's PIN?": found["matches"]}

    def _provision(self) -> dict[str, object]:
        minutes = int(self._told(r"It has (\d+) min to complete"))
        path = f"/v1/units/{self._unit}/provisioning"
        job = self._ask("POST", path, {"limit_s": minutes * 60.0})
        return {
            "Number of the request": job["job"],
            "State": job["state"],
            "When was it requested?": job["requested_at"],
        }

    def _provisioning(self) -> dict[str, object]:
        job = self._told(r"provisioning request (\S+) has")
        found = self._ask("GET", f"/v1/provisioning/{job}")
        return {
            "State": found["state"],
            "When did it end?": found["ended_at"],
            "Transactions sent to the unit, oldest first": [
                f"{each['name']}: {each['outcome']}" for each in found["transactions"]
            ],
            "What became of Get Version?": found["get_version"],
            "Version of the module it told": found["version"],
        }

    def _search_events(self) -> dict[str, object]:
        path = f"/v1/events?unit={self._unit}"
        since = re.search(r"from (\S+) (\S+) on\.", self._text)
        if since is not None:
            path += f"&since={since[1]}T{since[2]}".replace("+", "%2B")
        found = self._ask("GET", path)
        return {
            "Events, the oldest first": [
                f"{event['at']}; {event['kind']}; {event['text']}" for event in found["events"]
            ]
        }

    def _collect_data(self) -> dict[str, object]:
        found = self._ask("GET", f"/v1/units/{self._unit}/data")
        return {
            "Number of readings it has of the unit": found["readings"],
            "Does the TMS vouch for their meaning": found["interpreted"],
            "Name of the newest reading": found["register_name"],
            "Its value": "" if found["value"] is None else found["value"],
            "Its unit": found["unit_of_value"],
        }

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers | ({"Content-Type": "application/json"} if data else {})
        request = urllib.request.Request(self._url + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            problem = json.load(error)
            raise Refusal(problem["reason"], problem.get("title") or "no text") from error
