"""How answers are looked at while the API is fuzzed; who asks is in callers.py."""

import ast
import atexit
import copy
import functools
import json
import os
import threading

import jsonschema_rs
import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import JsonSchemaError, RejectedPositiveData

from callers import READY, described, is_shut_out

PARSE, PARSING = ast.parse, threading.Lock()


def parse_alone(*text, **how):
    """Hypothesis parses sources, and Python 3.11 takes two threads that do so at once for one that went astray (SystemError: AST
    constructor recursion depth mismatch)."""
    with PARSING:
        return PARSE(*text, **how)


ast.parse = parse_alone


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    """A line of JSON, or what somebody thinks is one."""
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


# What was asked and answered; scripts/fuzz prints it.
ASKED = {"answers": 0, "server_errors": 0, "late": 0, "late_on_purpose": 0, "slowest_ms": 0, "statuses": {}}
LOCK = threading.Lock()
# An answer is late after so many seconds; one that makes a key of a passphrase, which takes a second by itself, after ten times as many.
LATE = int(os.environ["FUZZ_SECONDS"])
LATE_ON_PURPOSE = 10 * LATE
FORM = "application/x-www-form-urlencoded"


def makes_a_key(case, response):
    """An export with a passphrase that was not refused: nothing else may take its time."""
    body, path = case.body, case.operation.path
    asked = path.endswith("/management/export") or path.endswith("/management/accounts/{aid}/export")
    return asked and response.status_code == 200 and isinstance(body, dict) and isinstance(body.get("passphrase"), str)


@schemathesis.hook
def after_call(context, case, response):
    slow = makes_a_key(case, response)
    with LOCK:
        ASKED["answers"] += 1
        statuses = ASKED["statuses"].setdefault(case.operation.label, {})
        statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
        ASKED["server_errors"] += response.status_code >= 500
        ASKED["late_on_purpose"] += slow and response.elapsed > LATE
        ASKED["late"] += response.elapsed > (LATE_ON_PURPOSE if slow else LATE)
        if not slow:
            ASKED["slowest_ms"] = max(ASKED["slowest_ms"], round(response.elapsed * 1000))


@schemathesis.hook
def after_network_error(context, case, request):
    """Nobody answered."""
    with LOCK:
        ASKED["server_errors"] += 1


@atexit.register
def tell():
    if asked := os.environ.get("FUZZ_ASKED"):
        with open(asked, "w") as file:
            json.dump({**ASKED, "ready": READY}, file)


@schemathesis.check
def late(ctx, response, case):
    """Takes the place of the check for the longest time, which knows no exceptions."""
    limit = LATE_ON_PURPOSE if makes_a_key(case, response) else LATE
    if response.elapsed > limit:
        raise AssertionError(f"answered after {response.elapsed:.2f} s; {limit} s is the most")


@functools.cache
def validator(schema, components):
    return jsonschema_rs.Draft202012Validator({"allOf": [json.loads(schema)], "components": json.loads(components)})


def holds(case, schema, value):
    """Whether a value is as a schema of the document says."""
    return next(faults(case, schema, value), None) is None


def faults(case, schema, value):
    components = case.operation.schema.raw_schema["components"]
    return validator(json.dumps(schema), json.dumps(components)).iter_errors(value)


def is_refused_form(case, response):
    """The contract has one form of errors for the token endpoint; to a form they are told as RFC 6749 has it all the same."""
    sent = (response.request.headers.get("Content-Type") or "").split(";")[0].strip().lower()
    return case.operation.path.endswith("/auth/token") and sent == FORM and response.status_code >= 400


@schemathesis.check
def forms_are_refused_as_rfc_6749_has_it(ctx, response, case):
    if is_refused_form(case, response) and not holds(case, {"$ref": "#/components/schemas/OAuthError"}, response.json()):
        raise AssertionError(f"not an error of RFC 6749: {response.text}")


def without_null(case, schema, value):
    """Without the members that are null and must not be: such a one is as one that is left out."""
    value = copy.deepcopy(value)
    while refused := [path for fault in faults(case, schema, value) if fault.instance is None and (path := fault.instance_path)]:
        for path in refused:
            *way, name = path
            holder = functools.reduce(lambda inside, step: inside[step], way, value)
            if not isinstance(name, str):
                return value
            holder.pop(name, None)
    return value


def is_taken_on_purpose(case):
    """Only the body is not as the document says, and that is meant to be taken."""
    wrong = [place for place, part in case.meta.components.items() if part.mode.is_negative]
    body, path = case.body, case.operation.path
    if wrong != [ParameterLocation.BODY]:
        return False
    # Lines are whatever stands in them.
    if path.endswith("/users:import"):
        return True
    content = described(case)["requestBody"]["content"]
    if case.media_type not in content:
        return False
    schema = content[case.media_type]["schema"]
    meant = without_null(case, schema, body)
    # The contract asks for a type; a customer without one is a customer.
    if path.endswith("/customers/users") and isinstance(meant, dict):
        meant.setdefault("type", "customer")
    return holds(case, schema, meant)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """What is no failure, though the document alone would call it one."""
    if isinstance(failure, JsonSchemaError):
        return not is_refused_form(case, response)
    if isinstance(failure, AcceptedNegativeData):
        return not is_taken_on_purpose(case)
    if isinstance(failure, RejectedPositiveData):
        # What settings open, and have not.
        if response.status_code == 405:
            return "405" not in described(case)["responses"]
        # A name and password made at random are nobody's; who shows a token is somebody, unless a case has ended that.
        if response.status_code == 401:
            of_body = not described(case).get("security") or case.operation.path.endswith("/auth/token") or "invalid_c" in response.text
            return not of_body and not is_shut_out(response)
    return True
