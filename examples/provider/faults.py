"""What the provider can be told to do wrong: a table of kinds, and the orders that are in force.

An order names a place (`where`: an operation, or any), a kind, how often (`count`, or `probability`, or until it is cleared) and, where
the kind takes time, `seconds`. The first order that fits a call befalls it; a kind that cannot befall that operation passes it by."""
import typing

from state import Refusal

BROWSERBASE = ("create", "get", "list", "release", "debug", "project", "usage")
SESSION_CALLS = ("navigate", "act", "extract", "observe", "agent")
STAGEHAND = ("start", *SESSION_CALLS, "end", "replay")
OPERATIONS = BROWSERBASE + STAGEHAND
MODEL_CALLS = ("act", "extract", "observe", "agent")
ON_A_SESSION = ("get", "release", "debug", *SESSION_CALLS, "end", "replay")
ORDERS_MAX = 1000
SECONDS_MAX = 86400


class Kind(typing.NamedTuple):
    how: str  # refuse, model, slow, drop, lose, cut_body, bad_json, end, result
    places: tuple = OPERATIONS
    status: int = 0
    message: str = ""
    code: str | None = None  # Stagehand's
    seconds: float = 0  # unless the order says otherwise


def refuse(status, message, **more):
    return Kind("refuse", status=status, message=message, **more)


def model(status, code, message, places=MODEL_CALLS):
    """Errors of the framework and of the model behind it: in a stream they come as an event, else with this status."""
    return Kind("model", places, status, message, code)


GATEWAY = "<html><head><title>{status} {phrase}</title></head><body><h1>{status} {phrase}</h1></body></html>\n"

KINDS = {
    "429_concurrency": Kind("refuse", status=429),
    "429_rate": Kind("refuse", status=429, seconds=1),
    "400": refuse(400, "body must be object"),
    "401": refuse(401, "Unauthorized: the API key is not valid", code="UNAUTHORIZED"),
    "402": refuse(402, "Payment required: the project has no minutes left"),
    "403": refuse(403, "Forbidden: the key may not do this"),
    "403_plan": refuse(403, "keepAlive is not available on the free plan. Please upgrade your plan to use it."),
    "404": refuse(404, "Session not found", code="SESSION_NOT_FOUND"),
    "408": refuse(408, "Request timed out"),
    "409": refuse(409, "Conflict: the session is being changed by another request"),
    "410": refuse(410, "Session has ended", code="SESSION_ENDED"),
    "422": refuse(422, "body/userMetadata could not be processed"),
    "500": refuse(500, "Internal server error"),
    "502": refuse(502, GATEWAY),
    "503": refuse(503, "Service is temporarily unavailable"),
    "504": refuse(504, GATEWAY),
    "slow": Kind("slow", seconds=5),
    "drop": Kind("drop"),
    "lose": Kind("lose"),
    "cut_body": Kind("cut_body"),
    "bad_json": Kind("bad_json"),
    "session_error": Kind("end", ("create", "start", *ON_A_SESSION), code="ERROR"),
    "session_timed_out": Kind("end", ("create", "start", *ON_A_SESSION), code="TIMED_OUT"),
    "session_completed": Kind("end", ("create", "start", *ON_A_SESSION), code="COMPLETED"),
    "unsuccessful": Kind("result", ("act", "observe", "agent")),
    "act_timeout": model(500, "ActTimeoutError", "act() timed out after 30000ms", ("act",)),
    "read_timeout": model(500, "{Method}TimeoutError", "{method}() timed out after 30000ms", ("extract", "observe")),
    "element": model(500, "StagehandElementNotFoundError", "Could not find an element for the given xPath(s): /html/body/div[3]/button",
                     ("act", "extract", "observe")),
    "captcha": model(500, "CaptchaTimeoutError", "Captcha timeout", ("navigate", *MODEL_CALLS)),
    "cdp_closed": model(500, "CdpConnectionClosedError", "CDP connection closed: socket-close code=1006", SESSION_CALLS),
    "site_down": model(500, "NavigationError", "page.goto: net::ERR_CONNECTION_REFUSED at {url}", ("navigate",)),
    "site_blocked": Kind("result", ("navigate",), 403),
    "llm_429": model(429, "rate_limit_error", "Rate limit reached for requests. Please try again in 2s."),
    "llm_overloaded": model(529, "overloaded_error", "Overloaded"),
    "llm_quota": model(429, "insufficient_quota", "You exceeded your current quota, please check your plan and billing details."),
    "llm_auth": model(401, "invalid_api_key", "Incorrect API key provided"),
    "llm_bad_output": model(500, "NoObjectGeneratedError", "No object generated: response did not match schema."),
    "llm_context": model(400, "context_length_exceeded", "This model's maximum context length is 128000 tokens."),
    "llm_refused": model(400, "content_filter", "The response was filtered by the content management policy."),
}


class Order:
    def __init__(self, number, where, kind, count, probability, seconds):
        self.number, self.where, self.kind, self.count, self.probability, self.seconds = number, where, kind, count, probability, seconds
        self.fired = 0

    def shown(self):
        fields = {"id": self.number, "where": self.where, "kind": self.kind, "fired": self.fired, "seconds": self.seconds}
        if self.count is not None:
            fields["count"] = self.count
        if self.probability is not None:
            fields["probability"] = self.probability
        return fields


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def read_order(number, fields):
    """An order from what somebody sent; Refusal 400 says what is wrong with it."""
    if not isinstance(fields, dict):
        raise Refusal(400, "a fault must be an object with where and kind")
    unknown = sorted(set(fields) - {"where", "kind", "count", "probability", "seconds"})
    if unknown:
        raise Refusal(400, f"unknown field {unknown[0]}; a fault has where, kind, count or probability, seconds")
    where, name = fields.get("where", "any"), fields.get("kind")
    if where != "any" and where not in OPERATIONS:
        raise Refusal(400, f"where must be any or one of {', '.join(OPERATIONS)}")
    if not isinstance(name, str) or name not in KINDS:
        raise Refusal(400, f"kind must be one of {', '.join(KINDS)}")
    kind = KINDS[name]
    if where != "any" and where not in kind.places:
        raise Refusal(400, f"{name} cannot befall {where}, only {', '.join(kind.places)}")
    count, probability, seconds = fields.get("count"), fields.get("probability"), fields.get("seconds", kind.seconds)
    if count is not None and (not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 1_000_000):
        raise Refusal(400, "count must be an integer from 1 to 1000000")
    if probability is not None and (not is_number(probability) or not 0 < probability <= 1):
        raise Refusal(400, "probability must be more than 0 and at most 1")
    if not is_number(seconds) or not 0 <= seconds <= SECONDS_MAX:
        raise Refusal(400, f"seconds must be from 0 to {SECONDS_MAX}")
    return Order(number, where, name, count, probability, seconds)


def read_flag(text):
    """where=create,kind=503,count=2 as what read_order takes; ValueError says what is wrong."""
    fields = {}
    for pair in text.split(","):
        key, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f"{pair}: not key=value")
        if key in ("count", "probability", "seconds"):
            fields[key] = int(value) if key == "count" else float(value)
        else:
            fields[key] = value
    try:
        read_order(0, fields)
    except Refusal as refusal:
        raise ValueError(refusal.message) from None
    return fields


class Faults:
    """The orders in force, oldest first. The server's lock is held around each call."""

    def __init__(self, random):
        self.random = random
        self.orders = []
        self.last = 0

    def add(self, wanted):
        """One order or a list of them: all, or none."""
        wanted = wanted if isinstance(wanted, list) else [wanted]
        new = [read_order(self.last + 1 + i, fields) for i, fields in enumerate(wanted)]
        if len(self.orders) + len(new) > ORDERS_MAX:
            raise Refusal(400, f"more than {ORDERS_MAX} faults")
        self.last += len(new)
        self.orders += new
        return [order.shown() for order in new]

    def clear(self, number=None):
        left = [] if number is None else [o for o in self.orders if o.number != number]
        if number is not None and len(left) == len(self.orders):
            raise Refusal(404, f"there is no fault {number}")
        self.orders = left

    def strike(self, operation):
        """(kind, order) that befalls this call, or (None, None)."""
        for order in self.orders:
            kind = KINDS[order.kind]
            if order.where not in ("any", operation) or operation not in kind.places:
                continue
            if order.count is not None and order.fired >= order.count:
                continue
            if order.probability is not None and self.random.random() >= order.probability:
                continue
            order.fired += 1
            return kind, order
        return None, None

    def shown(self):
        return [order.shown() for order in self.orders]
