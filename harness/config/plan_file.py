"""A plan file as written. What the words in it mean is found out by ``harness.plan_compiler``.

Every text field arrives as text; ``with`` and ``expect`` keep their nesting. The descriptions below are what
an editor shows, by way of the JSON Schema generated from these models.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

MATCHERS = (
    "equals",
    "differs",
    "between",
    "at_least",
    "at_most",
    "one_of",
    "matches",
    "absent",
    "refused",
    "order_violation",
)
OF_THE_STEP = ("refused", "order_violation")  # conditions on the step as a whole, not on a field

_TEXT: dict[str, Any] = {"type": ["string", "number", "boolean"]}
_OPERAND: dict[str, Any] = {"type": ["string", "number", "boolean", "array"], "items": _TEXT}
_CONDITION: dict[str, Any] = {
    "anyOf": [
        _OPERAND,
        {
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "properties": {
                "equals": {**_OPERAND, "description": "this value; numbers exactly, unless with a tolerance"},
                "tolerance": {**_TEXT, "description": "for equals: `0.1 %` of the expected value, or `2 s`"},
                "differs": {**_OPERAND, "description": "any value but this one"},
                "between": {
                    "type": "array",
                    "items": _TEXT,
                    "minItems": 2,
                    "maxItems": 2,
                    "description": "[lowest, highest], both included",
                },
                "at_least": {**_TEXT, "description": "this value or more"},
                "at_most": {**_TEXT, "description": "this value or less"},
                "one_of": {"type": "array", "items": _TEXT, "minItems": 1, "description": "one of these"},
                "matches": {"type": "string", "description": "a regular expression for the whole text"},
                "absent": {**_TEXT, "description": "yes: the result has nothing here; no: it has something"},
            },
        },
    ]
}
_EXPECT: dict[str, Any] = {
    "description": "conditions on the step's result, by field; or `refused`, or `absent`",
    "anyOf": [
        {"type": "string", "enum": ["refused", "absent"]},
        {
            "type": "object",
            "properties": {
                "refused": {
                    "description": "the device must say no: any, a reason, or a list of reasons",
                    **_CONDITION,
                },
                "order_violation": {
                    "type": "string",
                    "description": "the harness must flag this step as out of order and not do it: "
                    "the name of the rule, or any",
                },
            },
            "additionalProperties": _CONDITION,
        },
    ],
}

Text = Annotated[str, WithJsonSchema(_TEXT)]
Expectation = Annotated[object, WithJsonSchema(_EXPECT)]
Argument = Annotated[
    object, WithJsonSchema({"description": "text; `${name}` is a parameter or a saved value"})
]


class PlanModel(BaseModel):
    """Unknown keys are mistakes; a file that was read does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=False)


class StepEntry(PlanModel):
    """One call of a role method or a procedure."""

    do: str = Field(description="<device>.<method of its role>, or the name of a procedure")
    title: str = Field(default="", description="what the report calls this step")
    with_: dict[str, Argument] = Field(default_factory=dict, alias="with", description="arguments by name")
    within: str = Field(default="", description="the longest the step may take, e.g. `30 s`")
    expect: Expectation = Field(default_factory=dict)
    save: str = Field(default="", description="a name for the result; later steps write ${name.field}")
    verifies: tuple[str, ...] = Field(
        default=(), description="behaviour ids this step checks, where not all of the case's"
    )


class CaseEntry(PlanModel):
    """One case, that is one line in the report; with ``for_each``, one per row."""

    id: str = Field(description="stable and unique in the plan; reports and --resume go by it")
    title: str = Field(description="the requirement in a sentence")
    verifies: tuple[str, ...] = Field(default=(), description="behaviour ids of the catalogue")
    tags: tuple[str, ...] = Field(default=(), description="words to select cases by (-m)")
    for_each: tuple[dict[str, Text], ...] = Field(
        default=(), description="repeat the case for each row; `id` names the row, ${key} is its value"
    )
    steps: tuple[StepEntry, ...] = Field(description="done in this order until one fails")
    always: tuple[StepEntry, ...] = Field(
        default=(), description="done however the case ends, also after an interrupt"
    )


class PlanFile(PlanModel):
    """A plan: which cases to run on which devices, with which limits."""

    plan: str = Field(description="short name, letters, digits and hyphens")
    title: str = Field(description="what the plan is for")
    source: str = Field(default="", description="the document the plan follows, with its revision")
    bench: str = Field(
        default="", description="the bench used when --bench is not given, e.g. virtual:mcs301"
    )
    needs: dict[str, str] = Field(description="device name: role it must have")
    parameters: dict[str, Text] = Field(
        default_factory=dict, description="name: default; overridden by -P name=value, used as ${name}"
    )
    cases: tuple[CaseEntry, ...] = Field(description="the cases, in the order they run")
